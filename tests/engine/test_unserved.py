"""Classes that the app lacks: a start names them, and what they have stored can be seen."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import Actor, Log, Map, Service, handler
from actors.query import unserved as unserved_module
from journal.events import Kind, Target
from tests.lab import Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.control.client import Client

pytestmark = on_virtual_time


class Old(Actor):
    total: int = 0
    lines: Log[str]
    prices: Map[str, int]

    @handler
    async def plus(self, amount: int) -> int:
        self.total += amount
        self.lines.append(f"plus {amount}")
        self.prices["x"] = amount
        return self.total

    @handler
    async def wait(self) -> int:
        await actors.signal("go")
        self.total += 1
        return self.total


class Other(Service):
    @handler
    async def hello(self) -> str:
        return "hello"


class Successor(Actor, aliases=("Old",)):
    total: int = 0
    lines: Log[str]
    prices: Map[str, int]

    @handler
    async def plus(self, amount: int) -> int:
        self.total += amount
        return self.total

    @handler(aliases=("wait",))
    async def wait_longer(self) -> int:
        await actors.signal("go")
        self.total += 1
        return self.total


class WithoutWait(Actor, name="Old"):
    total: int = 0

    @handler
    async def plus(self, amount: int) -> int: ...


@pytest.fixture
def lab() -> Lab:
    return Lab(Old, Other, partitions=3)


async def stored(lab: Lab, *keys: str) -> Any:
    async with lab.running() as runtime:
        for key in keys:
            await runtime.client.actor(Old, key).plus(5)
        waiting = await runtime.client.actor(Old, keys[0]).wait.send()
        async for event in waiting.follow():
            if event.name == "SignalAwaited":
                break
        return waiting.id


async def reason_of_pause(client: Client, of: Any) -> str:
    async for event in client.invocation(of).follow():
        if event.name == "InvocationPaused":
            break
    (reason, *_) = await client.invocation(of).why()
    return reason.because


async def test_a_start_names_the_classes_that_are_missing(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    await stored(lab, "a", "b", "c")
    async with lab.running(Other) as runtime:
        (missing,) = runtime.unserved
        assert (missing.name, missing.kind, missing.objects, missing.is_complete) == ("Old", Kind.ACTOR, 3, True)
        said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        assert any("Old" in line and "3 objects" in line for line in said)
    for classes in ((Old, Other), (Successor, Other)):
        async with lab.running(*classes) as runtime:
            assert runtime.unserved == ()


async def test_a_start_counts_no_further_than_it_must(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unserved_module, "MAX_COUNTED", 2)
    await stored(lab, "a", "b", "c")
    async with lab.running(Other) as runtime:
        (missing,) = runtime.unserved
        assert (missing.objects, missing.is_complete) == (2, False)
        assert str(missing) == "more than 2 objects of Old"


async def test_its_objects_can_be_seen_and_not_changed(lab: Lab) -> None:
    await stored(lab, "a", "b")
    async with lab.running(Other) as runtime:
        client = runtime.client
        assert [(o.service, o.key) for o in await client.objects()] == [("Old", "a"), ("Old", "b")]
        assert [o.key for o in await client.objects("Old")] == ["a", "b"]
        old = client.object("Old", "b")
        info = await old.info()
        assert (info.fields, info.logs, info.maps) == ({"total": 5}, {"lines": 1}, ("prices",))
        assert (await old.info(at=info.version)).fields == {"total": 5}
        assert [item.value for item in await old.items("lines")] == ["plus 5"]
        assert [item.value for item in await old.items("prices")] == [5]
        assert [change.value for change in await old.history("total")] == [5]
        with raises(actors.NotFoundError, kind="service", match="Old"):
            await old.edit(set={"total": 7})
        with raises(actors.NotFoundError, kind="service", match="Old"):
            await client.call_by_name(Target("Old", "b", "plus"), b"1")
        for unknown in (("Old", "never"), ("Nobody", "a")):
            with raises(actors.NotFoundError, kind="service"):
                await client.object(*unknown).info()


async def test_it_is_listed_as_not_served(lab: Lab) -> None:
    await stored(lab, "a")
    async with lab.running(Other) as runtime:
        client = runtime.client
        assert [(s.name, s.is_served) for s in await client.services()] == [("Other", True), ("Old", False)]
        rows = (await client.query("select name, is_served from sys_service where name not like 'playhead.%'")).rows
        assert rows == [["Other", 1], ["Old", 0]]
        state = (await client.query("select service, key, field from sys_state order by field")).rows
        assert [row[:2] for row in state] == [["Old", "a"]] * 3
        assert (await client.gates.close("service:Old")).changed
        assert (await client.gates.open("service:Old")).changed
    async with lab.running(Successor, Other) as runtime:
        rows = (await runtime.client.query("select name, is_served from sys_service order by name")).rows
        assert [row for row in rows if not row[0].startswith("playhead.")] == [["Other", 1], ["Successor", 1]]


async def test_what_waits_says_which_class_is_missing_and_goes_on_with_it(lab: Lab) -> None:
    waiting = await stored(lab, "a")
    async with lab.running(Other) as runtime:
        await runtime.client.invocation(waiting).pause()
        await runtime.client.invocation(waiting).resume()
        because = await reason_of_pause(runtime.client, waiting)
        assert "no class named Old in the served code" in because
        assert "aliases=('Old',)" in because
    async with lab.running(WithoutWait) as runtime:
        await runtime.client.invocation(waiting).resume()
        async for event in runtime.client.invocation(waiting).follow():
            if event.name == "InvocationPaused" and "no handler named wait of Old" in event.summary:
                break
    async with lab.running(Successor, Other) as runtime:
        handle = runtime.client.invocation(waiting)
        await handle.resume()
        await handle.signal("go")
        assert await handle.result() == 6
        assert await runtime.client.actor(Successor, "a").plus(0) == 6
