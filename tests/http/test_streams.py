"""Server-sent events: each with its position, so that a client that comes back goes on where it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Service, handler, step
from journal.events import Target
from tests.http.served import Served, serving

if TYPE_CHECKING:
    from pathlib import Path

STREAM = {"accept": "text/event-stream"}


@step
async def speak(word: str) -> None:
    actors.emit(word)


tries: list[None] = []


@step(retry=actors.RetryPolicy(initial_delay=0.01))
async def stutter() -> None:
    tries.append(None)
    for word in "ab":
        actors.emit(word)
    if len(tries) == 1:
        raise ConnectionError("the model hung up")
    actors.emit("c")


class Stutterer(Service):
    @handler
    async def say(self) -> None:
        await stutter()


class Speaker(Service):
    @handler
    async def say(self, words: list[str]) -> int:
        for word in words:
            await speak(word)
        await actors.signal("go")
        actors.emit({"last": True})
        return len(words)


async def started(served: Served) -> str:
    sent = await served.runtime.client.send_by_name(Target("Speaker", None, "say"), b'["a", "b"]')
    return sent.invocation_id


async def heard(served: Served, path: str, *, seen: str | None = None) -> list[tuple[int, Any]]:
    """Every event of a stream, to its end: its id and its data."""
    headers = STREAM if seen is None else STREAM | {"last-event-id": seen}
    with trio.fail_after(20):
        answered = await served.http.get(path, headers=headers)
    assert answered.headers["content-type"].startswith("text/event-stream")
    assert answered.headers["cache-control"] == "no-store"
    found = []
    for event in answered.text.split("\n\n"):
        lines = [line for line in event.split("\n") if line and not line.startswith(":")]
        if lines:
            assert [line.partition(": ")[0] for line in lines] == ["id", "data"]
            found.append((int(lines[0][4:]), json.loads(lines[1][6:])))
    return found


@pytest.mark.parametrize("what", ["events", "output"])
async def test_a_client_that_comes_back_goes_on_behind_what_it_has_seen(what: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Speaker) as served:
        of = await started(served)
        await served.runtime.client.invocation(of).signal("go")
        path = f"/invocations/{of}/{what}"
        everything = await heard(served, path)
        assert len(everything) >= 3
        for number, _ in everything:
            rest = [event for event in everything if event[0] > number]
            assert await heard(served, path, seen=str(number)) == rest
            assert await heard(served, f"{path}?after={number}") == rest


async def test_the_output_is_what_was_emitted(tmp_path: Path) -> None:
    async with serving(tmp_path, Speaker) as served:
        of = await started(served)
        await served.runtime.client.invocation(of).signal("go")
        chunks = [chunk for _, chunk in await heard(served, f"/invocations/{of}/output")]
        assert [chunk["value"] for chunk in chunks] == ["a", "b", {"last": True}]
        told = [(chunk["step"], chunk["attempt"], chunk["offset"]) for chunk in chunks]
        assert told == [("1", 1, 0), ("2", 1, 0), ("", 0, 0)]


async def test_the_output_comes_settled_or_live_or_whole(tmp_path: Path) -> None:
    async with serving(tmp_path, Stutterer) as served:
        sent = await served.runtime.client.send_by_name(Target("Stutterer", None, "say"))
        path = f"/invocations/{sent.invocation_id}/output"

        async def told(view: str) -> list[str]:
            heard_of = [chunk for _, chunk in await heard(served, f"{path}?view={view}")]
            return [chunk["value"] if chunk["kind"] == "chunk" else chunk["kind"] for chunk in heard_of]

        live = await told("live")
        assert live == ["a", "b", "reset", "a", "b", "c"]
        assert await told("settled") == ["a", "b", "c"]
        assert await told("all") == ["a", "b", "reset", "a", "b", "c", "kept", "end"]
        assert (await served.http.get(f"{path}?view=none")).status_code == 400


async def test_a_page_of_the_output_says_whether_there_is_more(tmp_path: Path) -> None:
    async with serving(tmp_path, Speaker) as served:
        of = await started(served)
        path, headers = f"/invocations/{of}/output", {"accept": "application/json"}
        with trio.fail_after(20):
            first: list[Any] = []
            last = 0
            while len(first) < 2:
                page = (await served.http.get(f"{path}?wait=20&limit=1&after={last}", headers=headers)).json()
                first += [chunk["value"] for chunk in page["chunks"]]
                last = page["last"]
        assert (first, page["is_over"]) == (["a", "b"], False)
        await served.runtime.client.invocation(of).signal("go")
        await served.runtime.client.invocation(of).result()
        rest = (await served.http.get(f"{path}?after={last}", headers=headers)).json()
        assert [chunk["value"] for chunk in rest["chunks"]] == [{"last": True}]
        assert rest["is_over"]


async def test_events_come_while_they_happen(tmp_path: Path) -> None:
    async with serving(tmp_path, Speaker) as served:
        of = await started(served)
        names: list[str] = []

        async def listen() -> None:
            names.extend([event["name"] for _, event in await heard(served, f"/invocations/{of}/events")])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await served.runtime.client.invocation(of).pause(reason="wait")
            await served.runtime.client.invocation(of).resume()
            await served.runtime.client.invocation(of).signal("go")
        assert "InvocationPaused" in names
        assert names[-1] == "InvocationCompleted"


@pytest.mark.parametrize("seen", ["x", "-1", "1.5", "9" * 30, "\u0661".encode().decode("latin-1"), ""])
async def test_an_id_that_no_event_has_is_refused(seen: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Speaker) as served:
        of = await started(served)
        headers = STREAM | {"last-event-id": seen}
        answered = await served.http.get(
            f"/invocations/{of}/events", headers=[(k, v.encode("latin-1")) for k, v in headers.items()]
        )
        assert answered.status_code == 400
        assert "Last-Event-ID" in answered.json()["detail"]


async def test_a_stream_of_what_is_not_there_is_an_error_not_a_stream(tmp_path: Path) -> None:
    async with serving(tmp_path, Speaker) as served:
        for what in ("events", "output"):
            answered = await served.http.get(f"/invocations/inv_1{'0' * 33}/{what}", headers=STREAM)
            assert (answered.status_code, answered.json()["code"]) == (404, "not_found")


async def test_a_piece_of_a_history_says_whether_there_is_more(tmp_path: Path) -> None:
    async with serving(tmp_path, Speaker) as served:
        of = await started(served)
        path = f"/invocations/{of}/events"
        first = (await served.http.get(f"{path}?limit=2")).json()
        assert (len(first["events"]), first["is_over"]) == (2, False)
        waited = (await served.http.get(f"{path}?after={first['last']}&name=StepCompleted&wait=20&limit=1")).json()
        assert [event["name"] for event in waited["events"]] == ["StepCompleted"]
        await served.runtime.client.invocation(of).kill()
        rest = (await served.http.get(f"{path}?after={first['last']}")).json()
        assert (rest["is_over"], rest["events"][-1]["name"]) == (True, "InvocationCompleted")
