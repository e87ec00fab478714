"""Steps that were stopped and have not ended: ``why`` tells them from steps that run, and what they emit is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

import actors
from actors import Actor, RetryPolicy, handler, step
from actors.model.explain import WaitCause
from actors.model.wait_info import StepPhase
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = on_virtual_time

ONCE = RetryPolicy(max_attempts=1, on_exhausted="fail")
HELD = Callable[[], Any]


@attrs.define(eq=False)
class Threads:
    """Stand for worker threads: a function is at work until the test has it end."""

    held: list[HELD] = attrs.field(factory=list)

    async def run(self, function: HELD) -> Any:
        self.held.append(function)
        await trio.sleep_forever()


class Late:
    """What became of the output of a thread that was abandoned."""

    error: BaseException | None = None


@step(timeout=5.0, retry=ONCE)
def speak() -> str:
    try:
        actors.emit("late")
    except BaseException as error:
        Late.error = error
        raise
    return "said"


@step(timeout=5.0, retry=ONCE)
async def slow_to_stop() -> None:
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(100.0)


class Talk(Actor):
    @handler
    async def say(self) -> str:
        try:
            return await speak()
        except actors.TerminalError:
            return await actors.signal("after", str)

    @handler
    async def linger(self) -> None:
        await slow_to_stop()

    @handler
    async def nothing(self) -> None:
        pass


@pytest.fixture
def threads() -> Iterator[Threads]:
    Late.error = None
    made = Threads()
    yield made
    for function in made.held:
        function()  # or steps of other tests with the same ids would wait for it


@pytest.fixture
def lab(threads: Threads) -> Lab:
    return Lab(Talk, run_detached=threads.run)


async def phases(handle: actors.InvocationHandle[Any]) -> list[StepPhase | None]:
    return [wait.phase for wait in (await handle.info()).waits]


async def texts(handle: actors.InvocationHandle[Any]) -> str:
    return "; ".join(reason.text for reason in await handle.why())


async def test_a_step_that_does_not_give_way_is_being_stopped(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Talk, "a").linger.send()
        await trio.sleep(1.0)
        assert await phases(handle) == [StepPhase.RUNS]
        await trio.sleep(10.0)
        assert await phases(handle) == [StepPhase.STOPPING]
        assert "runs" not in await texts(handle)


async def test_a_cancelled_step_that_does_not_give_way_is_being_stopped(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Talk, "a").linger.send()
        await quiet()
        await handle.cancel()
        await quiet()
        assert await phases(handle) == [StepPhase.STOPPING]


async def test_a_step_that_a_pause_aborted_was_abandoned(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Talk, "a").linger.send()
        await quiet()
        await handle.pause(mode="now")
        await quiet()
        assert await phases(handle) == [StepPhase.ABANDONED]
        assert "runs" not in await texts(handle)


async def test_a_thread_that_a_pause_aborted_was_abandoned(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Talk, "a").say.send()
        await quiet()
        await handle.pause(mode="now")
        await quiet()
        assert await phases(handle) == [StepPhase.ABANDONED]
        info = await handle.info()
        assert info.abandoned_steps == ("speak",)


async def test_a_step_of_one_that_is_held_has_no_outcome_and_does_not_run(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Talk, "a").say.send()
        await quiet()
    async with lab.running() as runtime:
        again = runtime.client.invocation(handle.id)
        await again.pause(mode="now")
        await quiet()
        assert "runs" not in await texts(again)


async def test_a_thread_that_timed_out_is_counted_while_its_handler_goes_on(lab: Lab, threads: Threads) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Talk, "a").say.send()
        await trio.sleep(6.0)
        waiting, left = await handle.why()
        assert (waiting.waits_for, left.waits_for) == (WaitCause.SIGNAL, WaitCause.NOTHING)
        assert "'speak'" in left.text
        await handle.kill()
        assert (await handle.info()).abandoned_steps == ("speak",)
        threads.held.pop()()
        await quiet()
        assert (await handle.info()).abandoned_steps == ()


async def test_the_next_of_a_key_says_whose_step_has_not_given_way(lab: Lab) -> None:
    async with lab.running() as runtime:
        first = await runtime.client.actor(Talk, "a").say.send()
        await quiet()
        following = await runtime.client.actor(Talk, "a").nothing.send()
        await first.kill()
        await quiet()
        (reason,) = await following.why()
        assert (reason.waits_for, reason.invocation_id) == (WaitCause.KEY, first.id)
        await following.result()
        assert (await following.info()).unwinding == ()


async def test_what_an_abandoned_thread_emits_is_refused_there(lab: Lab, threads: Threads) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Talk, "a").say.send()
        await trio.sleep(6.0)
        running = threading.Thread(target=threads.held.pop())
        running.start()
        running.join()
        assert isinstance(Late.error, actors.errors.MisuseError)
        await handle.signal("after", "that")
        assert await handle.result() == "that"
        assert [chunk async for chunk in handle.chunks()] == []
