"""Handlers whose own code is asyncio's, by an option: fields, calls of objects and output in tasks, ends, and lost power."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import trio

import actors
from actors import Actor, handler, shared
from actors.errors import ErrorCode, MisuseError
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch
from tests.hosted.programs import work
from tests.lab import Lab


class Stock(Actor):
    count: int = 0

    @handler
    async def take(self, number: int) -> int:
        self.count += number
        return self.count


class Desk(Actor):
    orders: list[int] = actors.field(factory=list)

    @handler(loop="asyncio")
    async def order(self, *, numbers: list[int]) -> list[int]:
        async def one(number: int) -> int:
            actors.emit(f"asks for {number}")
            taken = await actors.actor(Stock, f"{number}").take(number)
            done = await work(taken, number)
            actors.emit(f"has {number}")
            await actors.actor(Stock, "all").take.send(number)
            self.orders.append(done)
            return int(done)

        async with asyncio.timeout(100), asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number)) for number in numbers]
        return [task.result() for task in tasks]

    @shared(loop="asyncio")
    async def twice(self) -> list[int]:
        return await asyncio.gather(asyncio.sleep(0, len(self.orders)), asyncio.sleep(0, len(self.orders)))

    @handler(loop="asyncio")
    async def waits(self) -> str:
        try:
            await asyncio.Event().wait() if self.orders else await asyncio.sleep(1000)
        except asyncio.CancelledError:
            self.orders = [0]
            raise
        return "woken"

    @handler(loop="asyncio")
    async def blocks(self) -> None:
        await asyncio.to_thread(print)


class Filmed(MemoryStore):
    """Remembers what it held after every commit."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[list[tuple[bytes, bytes]]] = []

    def apply(self, batch: Batch) -> None:
        super().apply(batch)
        self.frames.append(self.contents())


ORDERED = [30, 10, 20]
SAID = ["asks for 3", "asks for 1", "asks for 2", "has 1", "has 2", "has 3"]


@pytest.mark.virtual_time
async def test_calls_of_objects_and_output_in_tasks_survive_a_loss_of_power_at_any_commit() -> None:
    """The machine stops after any commit, and all that came later is lost, whatever the process had done by then."""
    store = Filmed()
    async with Lab(Desk, Stock, store=store).running() as runtime:
        once = await ordered(runtime)
    assert once == (ORDERED, SAID, [10, 20, 30], 6)
    for frame in store.frames:
        async with Lab(Desk, Stock, store=MemoryStore(frame)).running() as runtime:
            assert await ordered(runtime) == once


async def ordered(runtime: Any) -> tuple[Any, ...]:
    """Order, unless that is accepted, and return what the order has come to."""
    desk, all_of_it = runtime.client.actor(Desk, "a"), runtime.client.actor(Stock, "all")
    handle = await desk.order.options(idempotency_key="once").send(numbers=[3, 1, 2])
    result = await handle.result()
    said = [value async for value in handle.output()]
    assert (await handle.check()).is_compatible
    assert await desk.twice() == [3, 3]
    return result, said, (await runtime.client.object("Desk", "a").info()).fields["orders"], await all_of_it.take(0)


@pytest.mark.virtual_time
async def test_a_cancel_arrives_as_that_of_asyncio() -> None:
    async with Lab(Desk, Stock).running() as runtime:
        handle = await runtime.client.actor(Desk, "a").waits.send()
        await trio.sleep(1)
        await handle.cancel(reason="enough")
        outcome = await handle.outcome()
        assert (outcome.kind.value, outcome.reason) == ("cancelled", "enough")
        assert (await runtime.client.object("Desk", "a").info()).fields["orders"] == [0], (
            "the block was left as asyncio does"
        )


@pytest.mark.virtual_time
async def test_such_a_handler_has_the_rules_of_a_hosted_loop() -> None:
    async with Lab(Desk, Stock).running() as runtime:
        handle = await runtime.client.actor(Desk, "a").waits.send()
        await trio.sleep(1001)
        assert await handle.result() == "woken"
        with pytest.raises(MisuseError) as refused:
            await runtime.client.actor(Desk, "a").blocks()
        assert refused.value.code is ErrorCode.NON_DURABLE_AWAIT


def test_another_loop_is_refused() -> None:
    with pytest.raises(actors.InvalidArgumentError, match="loop"):
        handler(loop="curio")  # type: ignore[call-overload]
