"""Ended handlers and steps leave nothing that only the garbage collector could free. What an error holds is left out: its traceback
refers to the frames that it went through, and those to the error."""

from __future__ import annotations

import gc
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

import actors
from actors import Actor, Service, handler, shared, step
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

pytestmark = on_virtual_time

OURS = ("actors.", "journal.")
MANY = 100
FEW = 20
"""Cyclic objects of Python's and trio's own that may be left after many calls, of whatever kind."""


@attrs.frozen
class Order:
    lines: list[str]


@step
async def nap(number: int) -> int:
    await trio.lowlevel.checkpoint()
    return number


@step
async def note(order: Order) -> Order:
    return order


@step
def in_a_thread(number: int) -> int:
    return number


class Account(Actor):
    total: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total

    @shared
    async def read(self) -> int:
        return self.total


class Work(Service):
    @handler
    async def nothing(self) -> None: ...

    @handler
    async def take(self, order: Order) -> Order:
        return order

    @handler
    async def steps(self) -> int:
        return sum([await nap(number) for number in range(3)])

    @handler
    async def many_steps(self, count: int) -> None:
        for number in range(count):
            await nap(number)

    @handler
    async def many_steps_and_a_signal(self, count: int) -> None:
        for number in range(count):
            await nap(number)
        await actors.signal("go")

    @handler
    async def orders(self, order: Order) -> Order:
        return await note(order)

    @handler
    async def threads(self) -> int:
        return await in_a_thread(1)

    @handler
    async def side_by_side(self) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(nap, 1)
            nursery.start_soon(actors.sleep, 1)

    @handler
    async def sleeps(self) -> None:
        await actors.sleep(1)

    @handler
    async def times_out(self) -> bool:
        with actors.CancelScope(relative=1) as scope:
            await actors.signal("never")
        return scope.cancelled_caught

    @handler
    async def calls(self) -> int:
        return await actors.actor(Account, "a").add(1)

    @handler
    async def sends(self) -> None:
        await actors.actor(Account, "a").add.send(1)

    @handler
    async def generates(self) -> int:
        async def numbers() -> AsyncIterator[int]:
            yield await nap(1)

        return sum([number async for number in numbers()])

    @handler
    async def waits(self) -> None:
        await actors.signal("go")


async def waits(client: actors.Client) -> None:
    handle = await client.service(Work).waits.send()
    await handle.signal("go")
    await handle.result()


async def is_killed(client: actors.Client) -> None:
    handle = await client.service(Work).waits.send()
    await quiet()
    await handle.kill()
    await quiet()


def service(name: str, *args: Any) -> Callable[[actors.Client], Awaitable[Any]]:
    return lambda client: getattr(client.service(Work), name)(*args)


WAYS: dict[str, Callable[[actors.Client], Awaitable[Any]]] = {
    "add": lambda client: client.actor(Account, "a").add(1),
    "read": lambda client: client.actor(Account, "a").read(),
    "waits": waits,
    "is_killed": is_killed,
    "take": service("take", Order(["a"])),
    "orders": service("orders", Order(["a"])),
    **{
        name: service(name)
        for name in (
            "nothing",
            "steps",
            "threads",
            "side_by_side",
            "sleeps",
            "times_out",
            "calls",
            "sends",
            "generates",
        )
    },
}


@pytest.fixture
def garbage() -> Iterator[list[Any]]:
    """What the garbage collector has found; by itself it looks for nothing."""
    gc.collect()
    gc.freeze()  # all that is there already need not be looked at each time
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def ours(found: Iterable[object]) -> Counter[str]:
    kinds = [type(each) for each in found]
    return Counter(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds if kind.__module__.startswith(OURS))


@pytest.mark.parametrize("way", WAYS)
async def test_an_invocation_that_has_ended_leaves_nothing_to_collect(way: str, garbage: list[Any]) -> None:
    async with Lab(Account, Work).running() as runtime:
        await WAYS[way](runtime.client)  # the first one makes what is kept for all
        await quiet()
        gc.collect()
        garbage.clear()
        await WAYS[way](runtime.client)
        await quiet()
        gc.collect()
        assert ours(garbage) == Counter()


def taking(steps: int) -> Callable[[actors.Client], Awaitable[Any]]:
    return lambda client: client.service(Work).many_steps(steps)


async def call_often(client: actors.Client) -> None:
    for _ in range(MANY):
        await client.actor(Account, "a").add(1)


async def wake_after_many_steps(client: actors.Client) -> None:
    """The handler is replayed: it has left memory."""
    handle = await client.service(Work).many_steps_and_a_signal.send(MANY)
    await quiet()
    await trio.sleep(1000)
    await handle.signal("go")
    await handle.result()


@pytest.mark.parametrize("often", [call_often, taking(MANY), wake_after_many_steps], ids=["calls", "steps", "replay"])
async def test_neither_calls_nor_steps_leave_cycles(
    often: Callable[[actors.Client], Awaitable[Any]], garbage: list[Any]
) -> None:
    async with Lab(Account, Work, limits=actors.Limits(unload_after_seconds=10)).running() as runtime:
        await often(runtime.client)
        await quiet()
        gc.collect()
        garbage.clear()
        await often(runtime.client)
        await quiet()
        assert gc.collect() <= FEW, f"of {MANY}: {Counter(type(each).__qualname__ for each in garbage).most_common(5)}"
