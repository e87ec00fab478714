"""Figures for whoever watches a server: in the text format of Prometheus, and true."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import Service, handler, step
from tests.counter import Counter
from tests.http.served import Served, serving
from tests.lab import WORLD

if TYPE_CHECKING:
    from pathlib import Path

_LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="[^"\\\n]*",?)+)\})? (-?[0-9.e+-]+)')
_OF_HISTOGRAM = re.compile("_(bucket|sum|count)$")


class Waiter(Service):
    @handler
    async def wait(self) -> str:
        return await actors.signal("go", str)

    @handler
    async def buy(self) -> None:
        await buy()
        WORLD.note("bought")
        await for_ever()


@step(retry=actors.RetryPolicy(initial_delay=0.001))
async def third_time() -> str:
    WORLD.note("tried the step")
    if WORLD.count("tried the step") < 3:
        raise OSError("not yet")
    return "done"


@step
async def for_ever() -> None:
    await trio.sleep_forever()


@step
async def buy() -> None:
    actors.spend(tokens=40)


class Clumsy(Service):
    @handler
    async def fail(self) -> None:
        raise actors.TerminalError("no")

    @handler(retry=actors.RetryPolicy(initial_delay=0.001))
    async def succeed_at_last(self) -> str:
        if not WORLD.entries:
            WORLD.note("tried the handler")
            raise OSError("not yet")
        return await third_time()


async def figures(served: Served) -> dict[str, float]:
    """Every sample by its name and labels. Each has a line of help and one of its type before it."""
    answer = await served.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, float] = {}
    described: set[str] = set()
    for line in answer.text.splitlines():
        if line.startswith("# "):
            described.add(" ".join(line.split()[1:3]))
            continue
        sample = _LINE.fullmatch(line)
        assert sample is not None, line
        metric = _OF_HISTOGRAM.sub("", sample[1])
        assert {f"HELP {metric}", f"TYPE {metric}"} <= described
        found[line.rpartition(" ")[0]] = float(sample[3])
    return found


async def test_it_counts_what_is_open_by_status_and_what_holds_it(tmp_path: Path) -> None:
    async with serving(tmp_path, Waiter) as served:
        client = served.runtime.client
        handles = [await client.service(Waiter).wait.send() for _ in range(3)]
        await handles[0].pause()
        await handles[1].kill()
        await client.gates.close("service:Waiter")
        await client.service(Waiter).wait.send()
        found = await figures(served)
        assert found['playhead_invocations_open{status="paused"}'] == 1
        assert found['playhead_invocations_open{status="queued"}'] == 1
        assert sum(n for name, n in found.items() if name.startswith("playhead_invocations_open")) == 3
        assert found["playhead_gates"] == 1
        assert found["playhead_has_room"] == 1
        assert found["playhead_objects_in_memory"] >= 3
        assert found["process_resident_memory_bytes"] > 1 << 20


async def test_it_reports_what_runs_waits_and_is_spent_under_each_limit(tmp_path: Path) -> None:
    async with serving(tmp_path, Waiter) as served:
        client = served.runtime.client
        await client.limits.set("tag:user", concurrency=1, budget={"tokens": 100, "euros": "0.5"})
        for user in ("ada", "bob", "ada"):
            await client.service(Waiter).buy.options(tags={"user": user}).send()
        found = {name: n for name, n in (await figures(served)).items() if name.startswith("playhead_limit")}
        assert found == {
            'playhead_limit_running{scope="tag:user"}': 2,
            'playhead_limit_waiting{scope="tag:user"}': 1,
            'playhead_limit_spent{scope="tag:user",quantity="tokens"}': 80,
            'playhead_limit_spent{scope="tag:user",quantity="euros"}': 0,
            'playhead_limit_budget{scope="tag:user",quantity="tokens"}': 100,
            'playhead_limit_budget{scope="tag:user",quantity="euros"}': 0.5,
        }


async def test_it_counts_requests_and_streams_and_nothing_that_a_client_makes_up(tmp_path: Path) -> None:
    async with serving(tmp_path, Waiter) as served:
        handle = await served.runtime.client.service(Waiter).wait.send()
        for _ in range(2):
            await served.http.get("/nothing")
        for method in ("BREW", "BOIL", "PUT", "DELETE", "OPTIONS"):
            await served.http.request(method, "/services")
        head = f"GET /invocations/{handle.id}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n"
        async with await served.connected() as stream:
            await stream.send_all(f"{head}authorization: Bearer {served.token}\r\n\r\n".encode())
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
            found = await figures(served)
            assert found["playhead_http_streams"] == 1
        assert found['playhead_http_requests_total{method="GET",code="404"}'] == 2
        assert found['playhead_http_requests_total{method="other",code="405"}'] == 2
        for method in ("PUT", "DELETE", "OPTIONS"):
            assert found[f'playhead_http_requests_total{{method="{method}",code="405"}}'] == 1
        assert not [name for name in found if "BREW" in name]
        with trio.fail_after(30):
            while (await figures(served))["playhead_http_streams"]:
                await trio.lowlevel.checkpoint()


async def test_it_counts_what_has_ended_and_how_and_what_has_failed_by_the_names_in_the_code(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, Clumsy, Waiter) as served:
        client = served.runtime.client
        for key in ("a", "b", "c"):
            await client.actor(Counter, key).add(1)
        with pytest.raises(actors.TerminalError):
            await client.service(Clumsy).fail()
        assert await client.service(Clumsy).succeed_at_last() == "done"
        await (await client.service(Waiter).wait.send()).kill()
        found = await figures(served)
    ended = {
        name: n
        for name, n in found.items()
        if name.startswith("playhead_invocations_ended") and "playhead." not in name
    }
    assert ended == {
        'playhead_invocations_ended_total{service="Clumsy",handler="fail",outcome="failed"}': 1,
        'playhead_invocations_ended_total{service="Clumsy",handler="succeed_at_last",outcome="succeeded"}': 1,
        'playhead_invocations_ended_total{service="Counter",handler="add",outcome="succeeded"}': 3,
        'playhead_invocations_ended_total{service="Waiter",handler="wait",outcome="killed"}': 1,
    }
    assert {name: n for name, n in found.items() if name.startswith("playhead_attempts_failed")} == {
        'playhead_attempts_failed_total{service="Clumsy",handler="succeed_at_last",of="handler"}': 1,
        'playhead_attempts_failed_total{service="Clumsy",handler="succeed_at_last",of="step"}': 2,
    }


async def test_it_says_how_long_commits_take_and_what_they_hold(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        counter = served.runtime.client.actor(Counter, "a")
        await counter.add(1)
        before = await figures(served)
        calls = [await counter.add.send(1) for _ in range(20)]
        await calls[-1].result()
        found = await figures(served)
        happened = sum([len([event async for event in call.events()]) for call in calls])
    for metric in ("playhead_commit_seconds", "playhead_commit_events"):
        buckets = [n for name, n in found.items() if name.startswith(f"{metric}_bucket")]
        assert buckets == sorted(buckets), "each counts what the one before counts, and more"
        assert found[f'{metric}_bucket{{le="+Inf"}}'] == buckets[-1] == found[f"{metric}_count"]
        assert found[f"{metric}_count"] - before[f"{metric}_count"] >= 20, "a send is answered when it is durable"
    assert found["playhead_commit_seconds_sum"] > before["playhead_commit_seconds_sum"] > 0
    assert found["playhead_commit_events_sum"] - before["playhead_commit_events_sum"] == happened


async def test_it_needs_a_token_that_may_read(tmp_path: Path) -> None:
    async with serving(tmp_path, Waiter) as served:
        assert (await served.bare("GET", "/metrics")).status_code == 401
