"""Restart of an atomic handler: what its kept part wrote is written with the rest, all of it or nothing."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import Actor, Client, InvocationHandle, Log, Map, handler, shared
from actors.types import ControlResult
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


async def work(name: str) -> None:
    """A step of this name."""
    await actors.run(WORLD.note, name, name=name)


class Scales(Actor):
    left: int = 0
    right: int = 0
    lines: Log[str]
    marks: Map[str, int]

    @handler(atomic=True)
    async def tip(self, amount: int) -> list[Any]:
        self.left += amount
        self.lines.append("left")
        self.marks["left"] = amount
        await work("first")
        self.lines.append("between")
        await work("second")
        await actors.signal("go")
        self.right += amount
        self.lines.append("right")
        await actors.sleep(10.0)
        return [self.left, self.right, list(self.lines), dict(self.marks)]

    @handler
    async def put(self, left: int) -> None:
        self.left = left

    @shared
    async def read(self) -> list[Any]:
        return [self.left, self.right, list(self.lines), dict(self.marks)]


WHOLE = [5, 5, ["left", "between", "right"], {"left": 5}]
POINTS = ["first", "second", "end"]


@pytest.fixture
def lab() -> Lab:
    return Lab(Scales)


def successor(client: Client, answer: ControlResult) -> InvocationHandle[Any]:
    assert answer.successor is not None
    return client.invocation(answer.successor.invocation_id)


async def killed(client: Client) -> InvocationHandle[Any]:
    """One that has written a part and was killed."""
    handle = await client.actor(Scales, "a").tip.send(5)
    await quiet()
    await handle.kill(reason="a test")
    return handle


async def ended(client: Client, handle: InvocationHandle[Any]) -> list[Any]:
    """Let it end; what it returned, which is what a reader is told then."""
    await quiet()
    await handle.signal("go", None)
    result = await handle.result()
    assert result == await client.actor(Scales, "a").read()
    return result


@pytest.mark.parametrize("point", POINTS)
async def test_one_that_was_killed_writes_all_of_it_when_it_is_restarted(lab: Lab, point: str) -> None:
    async with lab.running() as runtime:
        scales = runtime.client.actor(Scales, "a")
        handle = await killed(runtime.client)
        assert await scales.read() == [0, 0, [], {}]
        again = successor(runtime.client, await handle.restart(point))
        assert await ended(runtime.client, again) == WHOLE


@pytest.mark.parametrize("then", POINTS)
@pytest.mark.parametrize("first", POINTS)
async def test_so_does_a_restart_of_a_restart(lab: Lab, first: str, then: str) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Scales, "a").tip.send(5)
        for point in (first, then):
            await quiet()
            await handle.kill(reason="a test")
            handle = successor(runtime.client, await handle.restart(point))
        assert await ended(runtime.client, handle) == WHOLE


@pytest.mark.parametrize("point", POINTS)
async def test_it_does_so_after_a_crash(lab: Lab, point: str) -> None:
    async with lab.running() as runtime:
        handle = await killed(runtime.client)
        again = successor(runtime.client, await handle.restart(point))
        await quiet()
    async with lab.running() as runtime:
        assert await ended(runtime.client, runtime.client.invocation(again.id)) == WHOLE


@pytest.mark.parametrize("point", ["first", "second"])
async def test_what_one_that_succeeded_wrote_is_not_written_twice(lab: Lab, point: str) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Scales, "a").tip.send(5)
        assert await ended(runtime.client, handle) == WHOLE
        second = successor(runtime.client, await handle.restart(point))
        await quiet()
        await second.kill(reason="a test")
        again = successor(runtime.client, await second.restart("end"))
        left, right, lines, _ = await again.result()
        assert (left, right, lines.count("left")) == (5, 10, 1)


async def test_nor_is_it_by_a_restart_from_before_a_restart_that_was_killed(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Scales, "a").tip.send(5)
        assert await ended(runtime.client, handle) == WHOLE
        second = successor(runtime.client, await handle.restart("second"))
        await quiet()
        await second.kill(reason="a test")
        again = successor(runtime.client, await second.restart("first"))
        left, right, lines, _ = await again.result()
        assert (left, right, lines.count("left")) == (5, 10, 1)


@pytest.mark.parametrize("point", POINTS)
async def test_it_writes_over_what_others_have_written_meanwhile(lab: Lab, point: str) -> None:
    async with lab.running() as runtime:
        scales = runtime.client.actor(Scales, "a")
        handle = await killed(runtime.client)
        await scales.put(100)
        again = successor(runtime.client, await handle.restart(point))
        assert (await ended(runtime.client, again))[:2] == [5, 5]


@pytest.mark.parametrize("point", POINTS)
async def test_a_rewind_writes_the_kept_part_with_the_rest(lab: Lab, point: str) -> None:
    async with lab.running() as runtime:
        scales = runtime.client.actor(Scales, "a")
        handle = await killed(runtime.client)
        await scales.put(100)
        again = successor(runtime.client, await handle.restart(point, rewind_state=True))
        assert await ended(runtime.client, again) == WHOLE


@pytest.mark.parametrize("point", POINTS)
async def test_one_that_is_killed_after_a_rewind_shows_no_half(lab: Lab, point: str) -> None:
    async with lab.running() as runtime:
        scales = runtime.client.actor(Scales, "a")
        handle = await killed(runtime.client)
        again = successor(runtime.client, await handle.restart(point, rewind_state=True))
        await quiet()
        assert await scales.read() == [0, 0, [], {}]
        await again.kill(reason="a test")
        assert await scales.read() == [0, 0, [], {}]


async def test_one_that_is_killed_again_leaves_nothing(lab: Lab) -> None:
    async with lab.running() as runtime:
        scales = runtime.client.actor(Scales, "a")
        handle = await scales.tip.send(5)
        for _ in range(3):
            await quiet()
            await handle.kill(reason="a test")
            assert await scales.read() == [0, 0, [], {}]
            handle = successor(runtime.client, await handle.restart("end"))
        with trio.fail_after(5):
            await quiet()
