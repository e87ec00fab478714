"""A handler that leaves memory: Python leaves its blocks, ``suspending`` says so, and nothing of it counts."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Limits, RetryPolicy, Service, Status, handler, step
from actors.types import OutcomeKind
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = on_virtual_time


def note(what: str) -> None:
    WORLD.note((what, actors.suspending()))


@step
async def asks_in_a_step() -> bool:
    return actors.suspending()


@contextmanager
def managed() -> Iterator[None]:
    try:
        yield
    finally:
        note("with")


@asynccontextmanager
async def managed_durably() -> AsyncIterator[None]:
    try:
        yield
    finally:
        note("async with")
        await asks_in_a_step()
        note("after an await")


class Work(Service):
    @handler
    async def wait(self) -> str:
        try:
            with managed():
                return await actors.signal("go", str)
        except BaseException:
            note("except")
            raise
        finally:
            note("finally")

    @handler
    async def wait_in_children(self) -> None:
        async def child() -> None:
            try:
                await actors.signal("go")
            finally:
                note("child")

        try:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(child)
                nursery.start_soon(child)
        finally:
            note("parent")

    @handler
    async def compensate(self) -> str:
        async with managed_durably():
            return await actors.signal("go", str)

    @handler(retry=RetryPolicy(max_attempts=2, initial_delay=10.0))
    async def fail_beside_a_wait(self) -> None:
        async def child() -> None:
            try:
                await actors.signal("never")
            finally:
                note("child")

        async with actors.open_nursery() as nursery:
            nursery.start_soon(child)
            await actors.sleep(1)
            if actors.random().random() >= 0:
                actors.emit("about to fail")
                raise ValueError("in plain code")

    @handler
    async def ask_in_a_step(self) -> list[bool]:
        return [actors.suspending(), await asks_in_a_step()]

    @handler
    async def swallow(self) -> str:
        while True:
            try:
                return await actors.signal("go", str)
            except BaseException:
                note("swallowed")


@pytest.fixture
def lab() -> Lab:
    return Lab(Work, limits=Limits(unload_after_seconds=10.0))


async def begun(runtime: actors.Runtime, name: str) -> actors.InvocationHandle[Any]:
    handle: actors.InvocationHandle[Any] = await getattr(runtime.client.service(Work), name).send()
    await quiet()
    return handle


LEFT = [("with", True), ("except", True), ("finally", True)]
ENDED = [("with", False), ("finally", False)]


@pytest.mark.parametrize("how", ["idle", "pause", "gate", "stop"])
async def test_blocks_are_left_each_time_and_suspending_tells_that_from_the_end(lab: Lab, how: str) -> None:
    async with lab.running() as runtime:
        handle = await begun(runtime, "wait")
        match how:
            case "idle":
                await trio.sleep(30)
                assert (await handle.info()).status is Status.SUSPENDED
            case "pause":
                await handle.pause()
            case "gate":
                await runtime.client.gates.close("everything")
    assert WORLD.entries == LEFT
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await runtime.client.gates.open("everything")
        await handle.resume()
        await handle.signal("go", "on")
        assert await handle.result() == "on"
    assert WORLD.entries == [*LEFT, *ENDED]


async def test_a_kill_leaves_blocks_too_and_that_is_not_their_end(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begun(runtime, "wait")
        await handle.kill()
        assert WORLD.entries == LEFT


async def test_a_cancel_is_not_leaving_memory(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begun(runtime, "wait")
        await handle.cancel()
        with pytest.raises(actors.InvocationCancelledError):
            await handle.result()
        assert WORLD.entries == [("with", False), ("except", False), ("finally", False)]


async def test_children_leave_before_their_parent(lab: Lab) -> None:
    async with lab.running() as runtime:
        await begun(runtime, "wait_in_children")
        await trio.sleep(30)
        assert WORLD.entries == [("child", True), ("child", True), ("parent", True)]


async def test_what_is_awaited_while_a_handler_leaves_memory_does_not_happen(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begun(runtime, "compensate")
        await trio.sleep(30)
        assert WORLD.entries == [("async with", True)]
        recorded = [entry.name async for entry in handle.events()]
        assert recorded[-1] == "SignalAwaited", "leaving memory is not recorded"
        await handle.signal("go", "on")
        assert await handle.result() == "on"
        assert WORLD.entries[1:] == [("async with", False), ("after an await", False)]


async def test_a_failed_attempt_leaves_its_other_branches(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begun(runtime, "fail_beside_a_wait")
        await trio.sleep(100)
        assert (await handle.info()).status is Status.PAUSED
        # The nursery cancels the child itself; nothing of it was left in memory.
        assert WORLD.entries == [("child", False), ("child", False)]


async def test_nothing_else_is_suspending(lab: Lab) -> None:
    assert not actors.suspending()
    async with lab.running() as runtime:
        assert await runtime.client.service(Work).ask_in_a_step() == [False, False]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_one_that_refuses_to_leave_is_left_standing_and_goes_on_later(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begun(runtime, "swallow")
        await trio.sleep(30)
        assert (await handle.info()).status is Status.SUSPENDED
        assert set(WORLD.entries) == {("swallowed", True)}
        await handle.signal("go", "on")
        assert await handle.result() == "on"
        info = await handle.info()
        assert info.outcome is not None
        assert info.outcome.kind is OutcomeKind.SUCCEEDED
