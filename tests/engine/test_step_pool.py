"""Steps share a few trio tasks, one after the other, and nothing of one reaches the next."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import RetryPolicy, Service, StepFailedError, handler, step
from actors.engine.step_pool import _IDLE_TASKS
from actors.model.contexts import current_step
from journal.errors import Unavailable
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.engine.steps import StepTask

pytestmark = on_virtual_time

ONCE = RetryPolicy(max_attempts=1, on_exhausted="fail")
LOCK = trio.Lock()
COLOUR: ContextVar[str] = ContextVar("COLOUR", default="none")
KEPT: list[Any] = []


def me() -> int:
    return id(trio.lowlevel.current_task())


@step
async def task_of() -> int:
    await trio.lowlevel.checkpoint()
    return me()


@step
async def paint(colour: str) -> str:
    before = COLOUR.get()
    COLOUR.set(colour)
    return before


@step
async def forever() -> None:
    await trio.sleep_forever()


@step(timeout=1, retry=ONCE)
async def slow() -> None:
    await trio.sleep(2)


@step(retry=ONCE)
async def fails() -> None:
    raise ValueError("no")


@step(retry=ONCE)
async def leaves_a_scope_open() -> None:
    KEPT.append(trio.CancelScope())
    KEPT[-1].__enter__()
    KEPT[-1].cancel()


async def numbers() -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        yield 1


@step(retry=ONCE)
async def leaves_a_nursery_open() -> None:
    KEPT.append(numbers())
    await anext(KEPT[-1])


@step
async def keeps_the_lock() -> int:
    await LOCK.acquire()
    return me()


@step(retry=ONCE)
async def takes_the_lock() -> int:
    async with LOCK:
        return me()


@step
async def remembers_itself() -> int:
    KEPT.append(current_step.get())
    return me()


@step
async def aborts_the_last_one() -> int:
    last: StepTask = KEPT[-1]
    last.abort()
    await trio.sleep(1)
    return me()


@step
async def breaks_the_engine() -> None:
    KEPT.append(current_step.get())
    raise Unavailable("of the store, as it seems")


@step
async def naps() -> int:
    await trio.sleep(1)
    return me()


class Work(Service):
    @handler
    async def one_after_the_other(self) -> list[int]:
        return [await task_of() for _ in range(5)]

    @handler
    async def paints(self) -> list[str]:
        COLOUR.set("handler")
        return [await paint("red"), await paint("green"), COLOUR.get()]

    @handler
    async def is_stopped(self) -> list[int]:
        first = await task_of()
        with actors.move_on_after(1):
            await forever()
        return [first, await naps(), await task_of()]

    @handler
    async def times_out(self) -> list[int]:
        first = await task_of()
        with pytest.raises(StepFailedError):
            await slow()
        return [first, await naps()]

    @handler
    async def goes_on_after(self, what: str) -> int:
        with pytest.raises(StepFailedError):
            await {"fails": fails, "scope": leaves_a_scope_open, "nursery": leaves_a_nursery_open}[what]()
        return await naps()

    @handler
    async def locks(self) -> str:
        await keeps_the_lock()
        try:
            await takes_the_lock()
        except StepFailedError as error:
            return str(error)
        return ""

    @handler
    async def aborts_too_late(self) -> list[int]:
        return [await remembers_itself(), await aborts_the_last_one()]

    @handler
    async def breaks(self) -> None:
        await breaks_the_engine()

    @handler
    async def aborts_another(self) -> int:
        return await aborts_the_last_one()

    @handler
    async def side_by_side(self, count: int) -> None:
        async with actors.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(naps)


async def test_steps_one_after_the_other_run_in_one_task() -> None:
    async with Lab(Work).running() as runtime:
        assert len({*await runtime.client.service(Work).one_after_the_other()}) == 1


async def test_a_context_variable_of_one_step_is_unknown_to_the_next() -> None:
    async with Lab(Work).running() as runtime:
        assert await runtime.client.service(Work).paints() == ["handler", "handler", "handler"]


async def test_a_step_that_was_stopped_leaves_the_next_one_alone() -> None:
    async with Lab(Work).running() as runtime:
        assert len({*await runtime.client.service(Work).is_stopped()}) == 1


async def test_a_step_that_timed_out_leaves_the_next_one_alone() -> None:
    async with Lab(Work).running() as runtime:
        assert len({*await runtime.client.service(Work).times_out()}) == 1


@pytest.mark.parametrize("what", ["fails", "scope", "nursery"])
async def test_what_a_step_leaves_open_does_not_reach_the_next(what: str) -> None:
    async with Lab(Work).running() as runtime:
        assert await runtime.client.service(Work).goes_on_after(what)


async def test_a_lock_that_a_step_keeps_is_broken_with_its_task() -> None:
    async with Lab(Work).running() as runtime:
        assert "trio.BrokenResourceError" in await runtime.client.service(Work).locks()


async def test_an_abort_that_comes_too_late_does_not_hit_the_next_step() -> None:
    async with Lab(Work).running() as runtime:
        assert len({*await runtime.client.service(Work).aborts_too_late()}) == 1


async def test_a_step_that_raises_an_error_of_the_store_is_not_stopped_in_another() -> None:
    async with Lab(Work).running() as runtime:
        await runtime.client.service(Work).breaks.send()
        await quiet()
        with trio.fail_after(10):
            assert await runtime.client.service(Work).aborts_another()


async def test_few_idle_tasks_are_kept_and_none_after_the_end() -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with Lab(Work).running() as runtime:
        await quiet()
        at_rest = trio.lowlevel.current_statistics().tasks_living
        await runtime.client.service(Work).side_by_side(2 * _IDLE_TASKS)
        await quiet()
        more = trio.lowlevel.current_statistics().tasks_living - at_rest
        assert _IDLE_TASKS <= more < 1.5 * _IDLE_TASKS
    await quiet()
    assert trio.lowlevel.current_statistics().tasks_living == before
