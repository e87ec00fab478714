"""Callers over HTTP while their invocation is paused, and while the server is away."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.lowlevel

import actors
from actors import Service, handler, step
from actors.errors import NotOwnerError
from actors.http.client import connection
from actors.http.client.backend import connect
from actors.http.closing import Closing
from actors.http.messages import JSON, HttpRequest, HttpResponse
from actors.http.models import INVOCATION_HEADER
from actors.http.problems import respond_with
from actors.http.server.bodies import read_whole
from actors.http.server.listener import serve
from actors.http.server_options import ServerLimits
from journal.ids import InvocationId
from tests.http.served import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.http.served import Served


class Desk(Service):
    @handler
    async def ask(self, name: str) -> str:
        return f"{name}: {await actors.signal('answer', str)}"


runs: list[str] = []


@step
async def count(name: str) -> int:
    runs.append(name)
    return len(runs)


class Till(Service):
    @handler
    async def sell(self, name: str) -> int:
        sold = await count(name)
        await actors.signal("paid", bool)
        return sold


async def only_one(served: Served) -> actors.InvocationHandle[Any]:
    """The one open invocation, once it waits for its signal."""
    while True:
        found = await served.runtime.client.invocations(status=[actors.Status.RUNNING, actors.Status.SUSPENDED])
        if found and found[0].waits:
            return served.runtime.client.invocation(found[0].id)
        await trio.sleep(0.01)


async def test_a_caller_of_what_gets_paused_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path, Desk) as served, trio.open_nursery() as nursery:
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(
                await served.http.post("/Desk/ask", json="ada", headers={"idempotency-key": "k"}, timeout=30)
            )

        nursery.start_soon(ask)
        handle = await only_one(served)
        await handle.pause(reason="a look")
        while not answers:
            await trio.sleep(0.01)
        told = answers[0].json()
        assert (answers[0].status_code, told["invocation_id"], told["error"]) == (
            503,
            handle.id,
            "actors.errors.InvocationPausedError",
        )
        assert "a look" in told["detail"]
        attach = partial(served.http.get, f"/restate/invocation/{handle.id}/attach", timeout=30)
        assert (await attach()).status_code == 503
        again = await served.http.post("/Desk/ask", json="ada", headers={"idempotency-key": "k"}, timeout=30)
        assert (again.status_code, again.headers["x-playhead-invocation-id"]) == (503, handle.id)
        nursery.start_soon(_answer_later, handle)
        waited = await attach(params={"wait": "true"})
        assert waited.json() == "ada: yes"


async def _answer_later(handle: actors.InvocationHandle[Any]) -> None:
    await handle.signal("answer", "yes")
    await handle.resume()


async def test_a_client_waits_through_a_pause_as_in_process(tmp_path: Path) -> None:
    async with serving(tmp_path, Desk) as served, served.client() as client, trio.open_nursery() as nursery:
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await client.service(Desk).ask("bob"))

        nursery.start_soon(ask)
        handle = await only_one(served)
        await handle.pause()
        await _answer_later(handle)
        with trio.fail_after(10):
            while not answers:
                await trio.sleep(0.01)
        assert answers == ["bob: yes"]


async def test_a_call_is_found_again_after_a_restart_of_the_server(tmp_path: Path) -> None:
    runs.clear()
    options: dict[str, Any] = {"durability": "os", "path": tmp_path / "data"}
    answers: list[int] = []
    async with trio.open_nursery() as nursery:
        async with serving(tmp_path, Till, **options) as served:
            port = served.port
            client = await nursery.start(_hold_client, f"http://127.0.0.1:{port}", served.token)

            async def sell() -> None:
                answers.append(await client.service(Till).sell("tea"))

            nursery.start_soon(sell)
            first = await only_one(served)
        async with serving(tmp_path, Till, port=port, **options) as served:
            handle = await only_one(served)
            assert handle.id == first.id
            await handle.signal("paid", True)
            with trio.fail_after(20):
                while not answers:
                    await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert (answers, runs) == ([1], ["tea"])


async def test_a_call_waits_while_its_object_has_no_owner() -> None:
    of = InvocationId("inv_1" + "0" * 33)
    moves = NotOwnerError("partition 3 is not owned by node n1: no node owns it now; try again", partition=3)
    keys: list[str] = []

    async def app(request: HttpRequest) -> HttpResponse:
        await read_whole(request, 1_000)
        keys.append(request.headers.get("idempotency-key"))
        if len(keys) < 3:
            return respond_with(moves, of)
        return HttpResponse(b"1", headers={INVOCATION_HEADER: of}, media_type=JSON)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, app, listeners, Closing())
        async with connect(url, token="x" * 32) as client:
            assert await client.service(Till).sell("tea") == 1
        nursery.cancel_scope.cancel()
    assert len(keys) == 3
    assert len({*keys}) == 1, "the same call each time"


async def _hold_client(url: str, token: str, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED) -> None:
    async with connect(url, token=token) as client:
        task_status.started(client)
        await trio.sleep_forever()


async def test_an_answer_that_never_comes_names_the_invocation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RECONNECT_SECONDS", 0.1)
    errors: list[actors.UnknownOutcomeError] = []
    async with trio.open_nursery() as nursery:
        async with serving(tmp_path, Desk, limits=ServerLimits(grace_seconds=0.1)) as served:
            client = await nursery.start(_hold_client, served.url, served.token)

            async def ask() -> None:
                with pytest.raises(actors.UnknownOutcomeError) as raised:
                    await client.service(Desk).ask("ada")
                errors.append(raised.value)

            nursery.start_soon(ask)
            handle = await only_one(served)
            served.closing.begin.set()
            await served.ended.wait()
        with trio.fail_after(10):
            while not errors:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert errors[0].invocation_id == handle.id


async def test_in_process_an_unknown_outcome_names_the_invocation() -> None:
    errors: list[actors.UnknownOutcomeError] = []
    handles: list[actors.InvocationHandle[str]] = []
    async with trio.open_nursery() as nursery, actors.open_runtime(Desk, durability="memory") as runtime:

        async def wait() -> None:
            handles.append(await runtime.client.service(Desk).ask.send("ada"))
            with pytest.raises(actors.UnknownOutcomeError) as raised:
                await handles[0].result()
            errors.append(raised.value)

        nursery.start_soon(wait)
        while not (handles and (await handles[0].info()).waits):
            await trio.lowlevel.checkpoint()
    assert errors[0].invocation_id == handles[0].id


async def test_what_was_never_reached_is_unavailable_at_once() -> None:
    async with connect("http://127.0.0.1:1", token="x") as client:
        with pytest.raises(actors.UnavailableError):
            await client.service(Desk).ask("ada")
