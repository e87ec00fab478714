"""What a start does before anybody can call, and what it leaves for later."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import Actor, Service, handler, step
from tests.lab import WORLD, Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def work() -> None:
    await trio.sleep(1000)


class Begun(Service):
    @handler
    async def begun(self) -> None:
        WORLD.note("ran")
        await work()


class Due(Service):
    @handler
    async def due(self) -> None:
        WORLD.note("ran")


class Counter(Actor):
    value: int = 0

    @handler
    async def add(self) -> int:
        self.value += 1
        return self.value


@pytest.fixture
def lab() -> Lab:
    return Lab(Begun, Due, Counter)


async def test_no_handler_runs_before_the_runtime_is_open(lab: Lab) -> None:
    async with lab.running() as runtime:
        await runtime.client.service(Begun).begun.send()
        await runtime.client.service(Due).due.options(delay=5).send()
        await trio.sleep(1)
    await trio.sleep(10)
    WORLD.clear()
    async with lab.running() as runtime:
        assert WORLD.entries == []
        await trio.sleep(1)
        assert WORLD.entries == ["ran", "ran"]


async def test_calls_are_taken_while_much_is_taken_up(lab: Lab) -> None:
    async with lab.running() as runtime:
        for _ in range(500):
            await runtime.client.service(Begun).begun.send()
        await trio.sleep(1)
    WORLD.clear()
    async with lab.running() as runtime:
        assert await runtime.client.actor(Counter, "a").add() == 1
        assert WORLD.count("ran") < 500
        await trio.sleep(1)
        assert WORLD.count("ran") == 500


async def test_what_is_held_by_a_key_goes_on_before_what_came_later(lab: Lab) -> None:
    class Turn(Actor):
        @handler
        async def take(self, name: str) -> None:
            WORLD.note(name)
            await actors.sleep(1)

    lab = Lab(Turn)
    async with lab.running() as runtime:
        for name in ("a", "b"):
            await runtime.client.actor(Turn, "k").take.send(name)
        await trio.sleep(0.5)
    WORLD.clear()
    async with lab.running() as runtime:
        await runtime.client.actor(Turn, "k").take("c")
    assert WORLD.entries == ["a", "b", "c"]
