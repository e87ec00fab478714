"""``GET /overview``: one answer for every page, which shows what has happened within two seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Service, handler
from tests.counter import Counter
from tests.http.served import Served, serving

if TYPE_CHECKING:
    from pathlib import Path


class Clumsy(Service):
    @handler
    async def fail(self) -> None:
        raise actors.TerminalError("no")

    @handler
    async def wait(self) -> None:
        await actors.signal("go")


async def seen(served: Served) -> dict[str, Any]:
    answer = await served.http.get("/overview")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_the_overview_tells_what_there_is_and_what_needs_attention(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, Clumsy) as served:
        client = served.runtime.client
        await client.actor(Counter, "a").add(1)
        with pytest.raises(actors.TerminalError):
            await client.service(Clumsy).fail()
        handle = await client.service(Clumsy).wait.send()
        await (await client.service(Clumsy).wait.send()).pause()
        found: dict[str, Any] = {}
        with trio.fail_after(30):
            while not found.get("waiting"):
                found = await seen(served)
    counts = {(each["handler"], each["status"], each["outcome"]): each["count"] for each in found["counts"]}
    assert counts[("add", "completed", "succeeded")] == 1
    assert counts[("fail", "completed", "failed")] == 1
    assert counts[("wait", "paused", None)] == 1
    assert [(group["signal"], group["id"], group["count"]) for group in found["waiting"]] == [("go", handle.id, 1)]
    assert [(group["error_type"], group["error"]) for group in found["failed"]] == [
        ("actors.errors.TerminalError", "no")
    ]


async def test_an_answer_says_up_to_which_change_it_goes(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        first = await seen(served)
        await served.runtime.client.actor(Counter, "a").add(1)
        position = (await served.http.get("/changes")).json()["position"]
        assert first["position"] < position
        with trio.fail_after(30):
            while (latest := await seen(served))["position"] < position:
                await trio.lowlevel.checkpoint()
        assert sum(each["count"] for each in latest["counts"]) == 1
