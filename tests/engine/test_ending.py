"""The end of a runtime: what is waited for, what is kept, what is left behind and named."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import Service, handler, step
from journal.events import Status
from journal.kv.memory import MemoryStore
from tests.engine.test_threads import Workshop
from tests.lab import WORLD, Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from journal.kv.store import Batch

pytestmark = on_virtual_time


@step
def in_a_thread(name: str) -> str:
    WORLD.note(name)
    return name


@step
async def cooperative() -> None:
    await trio.sleep(1000)


@step
async def stubborn() -> None:
    WORLD.note("begun")
    while "over" not in WORLD.entries:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.5)


class Ending(Service):
    @handler
    async def two(self) -> list[str]:
        return [await in_a_thread("first"), await in_a_thread("second")]

    @handler
    async def cooperative(self) -> None:
        await cooperative()

    @handler
    async def stubborn(self) -> None:
        await stubborn()


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    opened = Workshop()
    yield opened
    for job in opened.jobs:
        job.function()


@pytest.fixture
def lab(workshop: Workshop) -> Lab:
    return Lab(Ending, run_detached=workshop.run)


async def test_a_thread_that_ends_in_time_has_its_outcome_kept_and_nothing_new_begins(
    lab: Lab, workshop: Workshop
) -> None:
    async def end_soon() -> None:
        await trio.sleep(3)
        workshop.end()

    async with trio.open_nursery() as nursery:
        async with lab.running(drain=10) as runtime:
            handle = await runtime.client.service(Ending).two.send()
            await quiet()
            nursery.start_soon(end_soon)
            began = trio.current_time()
        assert trio.current_time() - began == pytest.approx(3)
        assert runtime.engine.left == ()
    assert len(workshop.jobs) == 1
    async with lab.running() as runtime:
        await quiet()
        workshop.end(1)
        assert await runtime.client.invocation(handle.id).result() == ["first", "second"]
    assert WORLD.entries == ["first", "second"]


async def test_a_thread_that_does_not_end_is_left_and_named(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    async with lab.running(drain=10) as runtime:
        handle = await runtime.client.service(Ending).two.send()
        await quiet()
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(10)
    [left] = runtime.engine.left
    assert (left.invocation_id, left.name, left.is_thread) == (handle.id, "in_a_thread", True)
    assert any(record.levelno == logging.ERROR and "'in_a_thread'" in record.getMessage() for record in caplog.records)


async def test_a_step_that_gives_way_is_not_waited_for(lab: Lab) -> None:
    async with lab.running(drain=10) as runtime:
        await runtime.client.service(Ending).cooperative.send()
        await quiet()
        began = trio.current_time()
    assert trio.current_time() - began < 1
    assert runtime.engine.left == ()


async def test_a_task_that_swallows_its_cancellation_is_left_and_named(lab: Lab) -> None:
    async with lab.running(drain=10) as runtime:
        handle = await runtime.client.service(Ending).stubborn.send()
        await quiet()
        began = trio.current_time()
    assert trio.current_time() - began < 11
    [left] = runtime.engine.left
    assert (left.invocation_id, left.is_thread) == (handle.id, False)
    WORLD.note("over")
    await trio.sleep(1)


async def test_what_was_left_begins_again_at_the_next_start(lab: Lab) -> None:
    async with lab.running(drain=1) as runtime:
        handle = await runtime.client.service(Ending).stubborn.send()
        await quiet()
    WORLD.note("over")
    await trio.sleep(1)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() is None
        assert (await runtime.client.invocation(handle.id).info()).status is Status.COMPLETED


async def test_a_drain_is_a_duration(lab: Lab) -> None:
    with raises(actors.InvalidArgumentError, path="drain"):
        async with lab.running(drain=-1.0):
            pass


class SlowStore(MemoryStore):
    """Commits take a second, and are not given up."""

    async def commit(self, batch: Batch) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(1.0)
        await super().commit(batch)


async def test_a_cancelled_runtime_waits_for_its_last_commit_and_no_longer(lab: Lab) -> None:
    lab.store = SlowStore()
    with trio.CancelScope() as scope:
        async with lab.running() as runtime, trio.open_nursery() as nursery:
            nursery.start_soon(runtime.client.service(Ending).cooperative.send)
            await quiet()
            scope.cancel()
            with trio.move_on_after(0.1, shield=True):  # it comes too late to be taken in
                await quiet()
                await runtime.client.service(Ending).cooperative.send()
            began = trio.current_time()
    assert trio.current_time() - began <= 1.0


async def test_a_client_says_that_its_runtime_has_ended(lab: Lab) -> None:
    async with lab.running() as runtime:
        client = runtime.client
        handle = await client.service(Ending).cooperative.send()
    asks: list[Callable[[], Awaitable[object]]] = [
        client.service(Ending).cooperative,
        client.service(Ending).cooperative.send,
        handle.info,
        handle.cancel,
        client.invocations,
        partial(client.query, "SELECT 1"),
        client.services,
        client.audit,
        partial(client.gates.close, "everything"),
    ]
    for ask in asks:
        with raises(actors.UnavailableError, code="unavailable"):
            await ask()
