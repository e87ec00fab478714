"""A plain list becomes a Log, a dictionary a Map: nothing of what it held is lost, or its handler stops and says so."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

import actors
from actors import Actor, InvocationHandle, Log, Map, handler, shared
from tests.lab import Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@attrs.define
class Line:
    text: str


class Plain(Actor):
    lines: list[Line] = actors.field(factory=list)
    prices: dict[str, int] = actors.field(factory=dict)
    counts: dict[int, int] = actors.field(factory=dict)

    @handler
    async def fill(self) -> None:
        self.lines = [Line("a"), Line("b")]
        self.prices = {"x": 1, "y": 2}
        self.counts = {7: 1}

    @handler
    async def fill_slowly(self) -> None:
        self.lines = [Line("a"), Line("b")]
        await actors.signal("go")
        self.lines.append(Line("c"))

    @handler
    async def see(self) -> tuple[int, int]:
        return len(self.lines), len(self.prices)

    @handler
    async def replace(self) -> None:
        self.lines = []


class Grown(Actor):
    lines: Log[Line]
    prices: Map[str, int]
    counts: Map[int, int]

    @handler
    async def grow(self, text: str) -> list[str]:
        self.lines.append(Line(text))
        self.prices[text] = self.prices["x"] + len(self.prices)
        self.counts[8] = self.counts[7] + 1
        return [line.text for line in self.lines]

    @shared
    async def see(self) -> tuple[list[str], dict[str, int], dict[int, int]]:
        return [line.text for line in self.lines], dict(self.prices.items()), dict(self.counts.items())

    @shared
    async def see_slowly(self) -> tuple[list[str], dict[str, int]]:
        len(self.lines)
        await actors.signal("go")
        return [line.text for line in self.lines], dict(self.prices.items())

    @handler(atomic=True)
    async def fail(self) -> None:
        self.lines.append(Line("never"))
        raise actors.TerminalError("no")

    @handler
    async def grow_in_steps(self) -> list[str]:
        self.lines.append(Line("c"))
        await actors.run(str.upper, "x", name="first")
        self.lines.append(Line("d"))
        await actors.run(str.upper, "x", name="second")
        if "x" in self.prices:
            del self.prices["x"]
        return [line.text for line in self.lines]


class Narrow(Actor):
    lines: Log[int]
    prices: Map[str, str]
    counts: Map[int, str]

    @handler
    async def see(self, name: str) -> list[Any]:
        return list(getattr(self, name))


class Turned(Actor):
    lines: Map[str, int]
    prices: Log[int]

    @handler
    async def see(self, name: str) -> list[Any]:
        return list(getattr(self, name))


class Made(Actor):
    lines: int = actors.field(factory=lambda: 7)
    prices: str = actors.field(factory=lambda: "made")

    @handler
    async def see(self, name: str) -> Any:
        return getattr(self, name)

    @handler
    async def write(self, name: str) -> Any:
        setattr(self, name, "written")


for cls in (Grown, Narrow, Turned, Made):
    cls.__name__ = "Plain"

BOTH = (["a", "b"], {"x": 1, "y": 2}, {7: 1})


async def filled(lab: Lab, key: str = "k") -> None:
    async with lab.running(Plain) as runtime:
        await runtime.client.actor(Plain, key).fill()


async def reason_of_pause(handle: InvocationHandle[Any]) -> str:
    async for event in handle.follow():
        if event.name == "InvocationPaused":
            break
    return (await handle.info()).pause_reason


@pytest.fixture
def lab() -> Lab:
    return Lab(Plain)


async def test_what_a_list_and_a_dictionary_held_is_in_the_log_and_the_map(lab: Lab) -> None:
    await filled(lab)
    async with lab.running(Grown) as runtime:
        k = runtime.client.actor(Grown, "k")
        assert await k.see() == BOTH
        assert await k.grow("z") == ["a", "b", "z"]
        info = await runtime.client.object(Grown, "k").info()
        assert (info.fields, info.logs, info.maps) == ({}, {"lines": 3}, ("prices", "counts"))
    async with lab.running(Grown) as runtime:
        k = runtime.client.actor(Grown, "k")
        assert await k.see() == (["a", "b", "z"], {"x": 1, "y": 2, "z": 3}, {7: 1, 8: 2})
        changes = [(c.item, c.value) for c in await runtime.client.object(Grown, "k").history("prices")]
        assert changes[-3:] == [('"x"', 1), ('"y"', 2), ('"z"', 3)]


async def test_it_is_recorded_once_and_survives_a_handler_that_drops_what_it_wrote(lab: Lab) -> None:
    await filled(lab)
    async with lab.running(Grown) as runtime:
        k = runtime.client.actor(Grown, "k")
        fail = await k.fail.send()
        await fail.outcome()
        names = [event.name async for event in fail.events()]
        assert (names.count("LogConverted"), names.count("MapConverted")) == (1, 2)
        assert await k.see() == BOTH
        grow = await k.grow.send("z")
        await grow.outcome()
        assert not [event.name async for event in grow.events() if "Converted" in event.name]


async def test_a_reader_sees_it_before_a_writer_has_come_and_in_its_replay(lab: Lab) -> None:
    await filled(lab)
    async with lab.running(Grown) as runtime:
        reading = await runtime.client.actor(Grown, "k").see_slowly.send()
        await runtime.client.actor(Grown, "k").grow("z")
    async with lab.running(Grown) as runtime:
        reading = runtime.client.invocation(reading.id)
        await reading.signal("go")
        assert await reading.result() == (["a", "b"], {"x": 1, "y": 2})


async def test_a_reader_beside_a_handler_on_older_code_sees_what_that_has_written(lab: Lab) -> None:
    async with lab.running(Plain) as runtime:
        writer = await runtime.client.actor(Plain, "k").fill_slowly.send()
    async with lab.running(Grown) as runtime:
        assert (await runtime.client.actor(Grown, "k").see())[0] == ["a", "b"]
    async with lab.running(Plain) as runtime:
        writer = runtime.client.invocation(writer.id)
        await writer.resume()
        await writer.signal("go")
        await writer.result()
    async with lab.running(Grown) as runtime:
        assert (await runtime.client.actor(Grown, "k").see())[0] == ["a", "b", "c"]


async def test_a_restart_replays_and_rewinds_across_it(lab: Lab) -> None:
    await filled(lab)
    async with lab.running(Grown) as runtime:
        k = runtime.client.actor(Grown, "k")
        grow = await k.grow_in_steps.send()
        assert await grow.result() == ["a", "b", "c", "d"]
        kept = await grow.restart("second", reason="again")
        assert await runtime.client.invocation(kept.successor.invocation_id).result() == ["a", "b", "c", "d"]
        back = await grow.restart("second", rewind_state=True, again=True)
        assert await runtime.client.invocation(back.successor.invocation_id).result() == ["a", "b", "c", "d"]
        assert await k.see() == (["a", "b", "c", "d"], {"y": 2}, {7: 1})
        anew = await grow.restart(rewind_state=True, again=True)
        assert await runtime.client.invocation(anew.successor.invocation_id).result() == ["a", "b", "c", "d"]
        report = await grow.check(deployment="keep")
        assert report.is_compatible


@pytest.mark.parametrize("name", ["lines", "prices", "counts"])
@pytest.mark.parametrize("code", [Narrow, Turned])
async def test_what_does_not_fit_says_so_and_is_kept(lab: Lab, code: Any, name: str) -> None:
    if code is Turned and name == "counts":
        return
    await filled(lab)
    async with lab.running(code) as runtime:
        see = await runtime.client.actor(code, "k").see.send(name)
        assert name in await reason_of_pause(see)
        await see.kill()
    async with lab.running(Grown) as runtime:
        assert await runtime.client.actor(Grown, "k").see() == BOTH


@pytest.mark.parametrize("ask", ["see", "replace"])
async def test_a_log_that_becomes_a_list_again_says_so_and_is_kept(lab: Lab, ask: str) -> None:
    await filled(lab)
    async with lab.running(Grown) as runtime:
        await runtime.client.actor(Grown, "k").grow("z")
    async with lab.running(Plain) as runtime:
        see = await getattr(runtime.client.actor(Plain, "k"), ask).send()
        assert "lines" in await reason_of_pause(see)
        await see.kill()
    async with lab.running(Grown) as runtime:
        assert (await runtime.client.actor(Grown, "k").see())[0] == ["a", "b", "z"]


@pytest.mark.parametrize("ask", ["see", "write"])
@pytest.mark.parametrize("name", ["lines", "prices"])
async def test_a_factory_makes_nothing_over_the_items_of_a_collection(lab: Lab, name: str, ask: str) -> None:
    await filled(lab)
    async with lab.running(Grown) as runtime:
        await runtime.client.actor(Grown, "k").grow_in_steps()
        before = await runtime.client.actor(Grown, "k").see()
    async with lab.running(Made) as runtime:
        asked = await getattr(runtime.client.actor(Made, "k"), ask).send(name)
        assert name in await reason_of_pause(asked)
        await asked.kill()
    async with lab.running(Grown) as runtime:
        assert await runtime.client.actor(Grown, "k").see() == before
