"""Figures for whoever watches a server: in the text format of Prometheus, and true."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import trio

import actors
from actors import Service, handler
from tests.http.served import Served, serving

if TYPE_CHECKING:
    from pathlib import Path

_LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="[^"\\\n]*",?)+)\})? (-?[0-9.e+]+)')


class Waiter(Service):
    @handler
    async def wait(self) -> str:
        return await actors.signal("go", str)


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
        assert {f"HELP {sample[1]}", f"TYPE {sample[1]}"} <= described
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


async def test_it_counts_requests_and_streams_and_nothing_that_a_client_makes_up(tmp_path: Path) -> None:
    async with serving(tmp_path, Waiter) as served:
        handle = await served.runtime.client.service(Waiter).wait.send()
        for _ in range(2):
            await served.http.get("/nothing")
        for method in ("BREW", "BOIL"):
            await served.http.request(method, "/services")
        head = f"GET /invocations/{handle.id}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n"
        async with await served.connected() as stream:
            await stream.send_all(f"{head}authorization: Bearer {served.token}\r\n\r\n".encode())
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
            found = await figures(served)
            assert found["playhead_http_streams"] == 1
        assert found['playhead_http_requests_total{method="GET",code="404"}'] == 2
        assert found['playhead_http_requests_total{method="other",code="405"}'] == 2
        assert not [name for name in found if "BREW" in name]
        with trio.fail_after(30):
            while (await figures(served))["playhead_http_streams"]:
                await trio.lowlevel.checkpoint()


async def test_it_needs_a_token_that_may_read(tmp_path: Path) -> None:
    async with serving(tmp_path, Waiter) as served:
        assert (await served.bare("GET", "/metrics")).status_code == 401
