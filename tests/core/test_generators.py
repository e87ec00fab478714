"""Async generators in a handler: whatever becomes of them, an await gets its own answer, and a finaliser asks for nothing."""

from __future__ import annotations

import gc
import sys
import weakref
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import Actor, handler, step
from actors.replay.execution import Progress
from tests.core.machine import Machine, call_done, step_done, timer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@step
async def fetch(page: int) -> str:
    raise AssertionError("a body is the engine's to run, not the machine's")


@step
async def work(name: str = "") -> str:
    raise AssertionError("as above")


class Lock(Actor):
    @handler
    async def release(self) -> str:
        return "released"


async def close_by_step() -> None:
    await work("close")


async def close_by_sleep() -> None:
    await actors.sleep(1)


async def close_by_call() -> None:
    await actors.actor(Lock, "l").release()


async def close_by_send() -> None:
    await actors.actor(Lock, "l").release.send()


async def close_by_signal() -> None:
    await actors.signal("closed")


async def close_in_a_nursery() -> None:
    async with actors.open_nursery() as nursery:
        nursery.start_soon(work, "close")


async def close_within_a_deadline() -> None:
    with actors.move_on_after(1):
        await work("close")


async def close_with_output() -> None:
    actors.emit("closed")


CLEANUPS = [
    close_by_step,
    close_by_sleep,
    close_by_call,
    close_by_send,
    close_by_signal,
    close_in_a_nursery,
    close_within_a_deadline,
    close_with_output,
]


async def pages(cleanup: Callable[[], Awaitable[None]]) -> AsyncIterator[str]:
    try:
        for page in range(5):
            yield await fetch(page)
    finally:
        await cleanup()


def asked(machine: Machine) -> list[tuple[str, str]]:
    return [(type(event).__name__, getattr(event, "step", "")) for event in machine.requests]


@pytest.mark.parametrize("cleanup", CLEANUPS)
def test_a_generator_left_early_takes_no_answer_and_asks_for_nothing(cleanup: Callable[[], Awaitable[None]]) -> None:
    async def it() -> list[str]:
        async for page in pages(cleanup):
            first = page
            break
        return [first, await work("a"), await work("b")]

    machine = Machine(it).give(step_done("1", "page"), step_done("2", "a")).replayed()
    machine.give(step_done("3", "b"))
    assert machine.result == ["page", "a", "b"]
    assert asked(machine) == [("StepScheduled", "1"), ("StepScheduled", "2"), ("StepScheduled", "3")]
    ((name, failure),) = machine.execution.generators.failures
    assert name == "pages"
    assert isinstance(failure, actors.errors.MisuseError)
    assert "aclosing" in str(failure)


@pytest.mark.parametrize("cleanup", CLEANUPS[:3])
def test_a_generator_that_is_closed_where_it_is_left_has_durable_cleanup(
    cleanup: Callable[[], Awaitable[None]],
) -> None:
    async def it() -> str:
        async with aclosing(pages(cleanup)) as generator:
            async for _ in generator:
                break
        return await work("after")

    machine = Machine(it).give(step_done("1", "page")).replayed()
    assert machine.waits_for == {"2": None}
    ends = {close_by_step: step_done("2"), close_by_sleep: timer("2"), close_by_call: call_done("2", "released")}
    machine.give(ends[cleanup], step_done("3", "done"))
    assert machine.result == "done"
    assert not machine.execution.generators.failures


def test_cleanup_that_needs_nothing_durable_runs_once_when_the_handler_ends() -> None:
    closed: list[str] = []

    async def numbers(name: str) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(name)

    async def it() -> list[str]:
        async for _ in numbers("first"):
            break
        async for _ in numbers("second"):
            break
        async for _ in numbers("exhausted"):
            pass
        gc.collect()
        return [*closed, await work()]

    machine = Machine(it)
    assert closed == ["exhausted"]
    assert machine.give(step_done("1", "x")).result == ["exhausted", "x"]
    assert closed == ["exhausted", "second", "first"]


def test_a_generator_may_be_handed_from_one_branch_to_another() -> None:
    async def it() -> list[str]:
        generator = pages(close_by_step)
        seen: list[str] = []

        async def child() -> None:
            seen.append(await anext(generator))

        async with actors.open_nursery() as nursery:
            nursery.start_soon(child)
        async with aclosing(generator):
            seen.append(await anext(generator))
        return seen

    machine = Machine(it).give(step_done("1.1.1", "a"), step_done("2", "b")).replayed()
    assert machine.give(step_done("3")).result == ["a", "b"]


def test_generators_that_have_ended_are_not_kept() -> None:
    alive: list[weakref.ref[Any]] = []

    async def few() -> AsyncIterator[int]:
        yield 1

    async def it() -> None:
        for _ in range(1_000):
            generator = few()
            alive.append(weakref.ref(generator))
            async for _ in generator:
                pass
        del generator
        await work()

    Machine(it)
    assert sum(reference() is not None for reference in alive) < 50


def test_an_attempt_that_is_closed_closes_its_generators_and_asks_for_nothing() -> None:
    closed: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.append("cleanup")
            await work("cleanup")
            closed.append("never")

    async def it() -> None:
        async for _ in numbers():
            break
        async for _ in pages(close_by_step):
            await work("inside")

    machine = Machine(it).give(step_done("1", "page"))
    machine.execution.close()
    assert closed == ["cleanup"]
    assert machine.execution.progress == []
    assert asked(machine) == [("StepScheduled", "1"), ("StepScheduled", "2")]


def test_one_generator_is_never_finalised_in_the_turn_of_another_handler() -> None:
    kept: list[Any] = []
    closed: list[str] = []

    async def ring() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.append("cleanup")
            actors.emit("from the ring")
            await work("from the ring")

    async def begins() -> None:
        generator: Any = ring()
        circle = [generator]
        circle.append(circle)
        await anext(generator)
        kept.append(circle)
        await work()

    async def collects() -> str:
        kept.clear()
        gc.collect()
        return await work("mine")

    first = Machine(begins)
    second = Machine(collects)
    assert closed == []
    assert second.give(step_done("1", "x")).result == "x"
    assert asked(second) == [("StepScheduled", "1")]
    first.execution.close()
    assert closed == ["cleanup"]
    assert asked(first) == [("StepScheduled", "1")]


def test_the_loop_around_never_sees_a_handlers_generators() -> None:
    seen: list[object] = []
    outer = sys.get_asyncgen_hooks()

    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def it() -> None:
        async for _ in numbers():
            break
        await work()

    sys.set_asyncgen_hooks(seen.append, seen.append)
    try:
        machine = Machine(it).give(step_done("1"))
        assert machine.progress is Progress.RETURNED
        assert sys.get_asyncgen_hooks() == (seen.append, seen.append)
    finally:
        sys.set_asyncgen_hooks(*outer)
    assert seen == []


def test_a_cleanup_that_awaits_something_foreign_is_given_up_and_told() -> None:
    class Foreign:
        def __await__(self) -> Any:
            yield "to nobody"

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await Foreign()

    async def it() -> int:
        async for number in numbers():
            return number
        return 0

    machine = Machine(it)
    assert machine.result == 1
    assert [name.rpartition(".")[2] for name, _ in machine.execution.generators.failures] == ["numbers"]


def test_a_scope_around_a_yield_that_is_left_early_is_the_handlers_mistake() -> None:
    async def numbers() -> AsyncIterator[int]:
        with actors.move_on_after(10):
            yield 1
            yield 2

    async def it() -> None:
        with actors.move_on_after(20):
            async for _ in numbers():
                break

    error = Machine(it).error
    assert isinstance(error, RuntimeError)
    assert "aclosing" in str(error)
