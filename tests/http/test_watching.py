"""Who asks, and what has changed: what a page needs that shows a whole runtime."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import trio

import actors
from actors import Actor, handler
from actors.http.routes import TokenScope
from tests.http.served import Served, serving

if TYPE_CHECKING:
    from pathlib import Path


class Box(Actor):
    value: int = 0

    @handler
    async def put(self, value: int) -> int:
        self.value = value
        await actors.signal("go")
        return value


class Heard:
    """The stream of changes over a connection of its own, which may be left half-way."""

    def __init__(self, served: Served, seen: str | None = None) -> None:
        self._served = served
        self._seen = "" if seen is None else f"last-event-id: {seen}\r\n"
        self._text = ""

    async def __aenter__(self) -> Heard:
        self._stream = await self._served.connected()
        head = f"GET /changes HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n{self._seen}"
        await self._stream.send_all(f"{head}authorization: Bearer {self._served.token}\r\n\r\n".encode())
        return self

    async def __aexit__(self, *_: object) -> None:
        await trio.aclose_forcefully(self._stream)

    async def next(self) -> dict[str, Any]:
        with trio.fail_after(20):
            while "\n\n" not in self._text.partition("data: ")[2]:
                self._text += (await self._stream.receive_some()).decode()
        told, _, self._text = self._text.partition("data: ")[2].partition("\n\n")
        found: dict[str, Any] = json.loads(told)
        return found


async def test_a_token_learns_its_name_and_how_far_it_reaches(tmp_path: Path) -> None:
    async with serving(tmp_path, Box) as served:
        own = (await served.http.get("/whoami")).json()
        assert {name: own[name] for name in ("name", "scope", "is_open")} == {
            "name": "main",
            "scope": "admin",
            "is_open": False,
        }
        for scope in TokenScope:
            headers = {"authorization": f"Bearer {served.tokens.create(scope.value, scope)}"}
            told = (await served.bare("GET", "/whoami", headers=headers)).json()
            assert (told["name"], told["scope"]) == (scope.value, scope.value)


async def test_an_open_server_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path, Box, is_open=True) as served:
        told = (await served.bare("GET", "/whoami")).json()
        assert (told["name"], told["scope"], told["is_open"]) == ("anyone", "admin", True)


async def test_changes_name_invocations_and_objects_over_every_face(tmp_path: Path) -> None:
    async with serving(tmp_path, Box) as served, served.client() as remote:
        for client in (served.runtime.client, remote):
            begin = (await client.changes()).position
            sent = await client.actor(Box, "k").put.send(7)
            with trio.fail_after(20):
                seen = begin
                while (found := await client.changes(seen, wait=10)).invocations == ():
                    seen = found.position
            (changed,) = found.invocations
            assert (changed.id, str(changed.target)) == (sent.id, "Box/k/put")
            (last,) = [number for prefix, number in found.objects.items() if sent.id.startswith(prefix)]
            assert last <= (await sent.info()).last_event
            await sent.signal("go")
            await sent.result()
            after = await client.changes(begin)
            assert [(one.id, one.status.value, one.outcome and one.outcome.value) for one in after.invocations] == [
                (sent.id, "completed", "succeeded")
            ]
            assert not after.registry


async def test_purged_ones_are_gone_and_gates_are_the_registrys(tmp_path: Path) -> None:
    async with serving(tmp_path, Box) as served:
        client = served.runtime.client
        sent = await client.actor(Box, "k").put.send(7)
        await sent.signal("go")
        await sent.result()
        begin = (await client.changes()).position
        await sent.purge()
        assert sent.id in (await client.changes(begin)).gone
        await client.gates.close("everything", reason="a look")
        assert (await client.changes(begin)).registry


async def test_a_question_waits_no_longer_than_it_says(tmp_path: Path) -> None:
    async with serving(tmp_path, Box) as served:
        begin = (await served.http.get("/changes")).json()["position"]
        answered = await served.http.get("/changes", params={"after": begin, "wait": 0.01})
        assert answered.json()["position"] == begin
        assert (await served.http.get("/changes", params={"after": -1})).status_code == 400


async def test_the_stream_tells_where_it_begins_then_what_changes_and_goes_on_where_it_was(tmp_path: Path) -> None:
    async with serving(tmp_path, Box) as served:
        client = served.runtime.client
        async with Heard(served) as heard:
            assert (await heard.next())["invocations"] == []
            await client.actor(Box, "a").put.send(1)
            told = await heard.next()
            assert [one["target"]["key"] for one in told["invocations"]] == ["a"]
        await client.actor(Box, "b").put.send(1)
        async with Heard(served, str(told["position"])) as heard:
            missed = await heard.next()
            assert missed["is_complete"]
            assert "b" in [one["target"]["key"] for one in missed["invocations"]]
        async with Heard(served, "5") as heard:
            assert not (await heard.next())["is_complete"]
