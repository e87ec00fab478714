"""Steps that are plain functions: their threads, the limit on these, and what becomes of one that does not end."""

from __future__ import annotations

import functools
import sys
import threading
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

import actors
from actors import Limits, RetryPolicy, Service, handler, step
from actors.engine.threads import UNWIND_SECONDS, has_abandoned
from actors.model.explain import WaitCause
from actors.model.wait_info import StepPhase
from journal.events import Status
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from actors.model.handles import InvocationHandle

pytestmark = on_virtual_time

FAIL_AT_ONCE = RetryPolicy(max_attempts=1, on_exhausted="fail")
TWICE = RetryPolicy(max_attempts=2, initial_delay=1.0, factor=1.0, on_exhausted="fail")


LONGEST_JOB_SECONDS = 3600.0


@attrs.define(eq=False)
class Job:
    """A function in a thread that lasts until it is ended."""

    function: Callable[[], Any]
    over: trio.Event = attrs.field(factory=trio.Event)
    result: Any = None

    def end(self) -> None:
        self.result = self.function()
        self.over.set()


class Workshop:
    """Stands for worker threads: what is at work in them, and has it end when the test says so, or after a long time: an engine
    that waited for a thread would not end either, and neither would the test."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    async def run(self, function: Callable[[], Any]) -> Any:
        job = Job(function)
        self.jobs.append(job)
        with trio.move_on_after(LONGEST_JOB_SECONDS):
            await job.over.wait()
        if not job.over.is_set():
            job.end()
        return job.result

    def end(self, number: int = 0) -> None:
        self.jobs[number].end()


@step(timeout=5.0, retry=FAIL_AT_ONCE)
def once(name: str) -> str:
    WORLD.note(name)
    return name


@step(timeout=5.0, retry=TWICE)
def twice(name: str) -> str:
    WORLD.note(name)
    return name


@step
def patient(name: str) -> str:
    WORLD.note(name)
    return name


@step
async def note_later(name: str) -> None:
    WORLD.note(name)


async def plus_one(value: int) -> int:
    await trio.sleep(1)
    return value + 1


class Asynchronous:
    async def __call__(self, value: int) -> int:
        return await plus_one(value)


class Plain(Service):
    @handler
    async def once(self, name: str) -> str:
        return await once(name)

    @handler
    async def twice(self, name: str) -> str:
        return await twice(name)

    @handler
    async def compensate(self, name: str) -> str:
        try:
            return await patient(name)
        except actors.CancelledError:
            WORLD.note("compensated")
            raise

    @handler
    async def undo(self, name: str) -> None:
        try:
            await patient(name)
        except actors.CancelledError:
            await patient(f"undo {name}")
            raise

    @handler
    async def undo_async(self, name: str) -> None:
        try:
            await patient(name)
        except actors.CancelledError:
            await note_later(f"undo {name}")
            raise

    @handler
    async def awaitables(self) -> list[Any]:
        return [
            await actors.run(lambda: plus_one(1)),
            await actors.run(functools.partial(plus_one, 2)),
            await actors.run(Asynchronous(), 3),
            await actors.run(functools.partial(lambda value: plus_one(value), 4)),
        ]


class Keyed(actors.Actor):
    @handler
    async def patient(self, name: str) -> str:
        return await patient(name)

    @handler
    async def at_once(self) -> str:
        return "at once"


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    opened = Workshop()
    yield opened
    for job in opened.jobs:
        job.function()  # what is still at work would hold up the steps of other tests, whose ids are the same


@pytest.fixture
def lab(workshop: Workshop) -> Lab:
    return Lab(Plain, Keyed, run_detached=workshop.run)


async def waits(handle: InvocationHandle[Any]) -> list[WaitCause]:
    return [reason.waits_for for reason in await handle.why()]


async def test_the_timeout_of_a_plain_step_holds_at_once(lab: Lab) -> None:
    async with lab.running() as runtime:
        began = trio.current_time()
        with pytest.raises(actors.TerminalError) as caught:
            await runtime.client.service(Plain).once("hung")
        assert caught.value.type == "actors.errors.StepTimeoutError"
        assert trio.current_time() - began == pytest.approx(5)


async def test_what_an_abandoned_thread_returns_is_dropped(lab: Lab, workshop: Workshop) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Plain).once.send("late")
        await trio.sleep(6)
        workshop.end()
        await quiet()
        info = await handle.info()
        assert WORLD.entries == ["late"]
        assert info.status is Status.COMPLETED
        assert info.outcome is not None
        assert info.outcome.value is None


async def test_a_cancel_reaches_the_handler_before_its_thread_ends(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Plain).compensate.send("hung")
        await trio.sleep(3)
        await handle.cancel()
        with trio.fail_after(1), pytest.raises(actors.InvocationCancelledError):
            await handle.result()


async def test_a_compensation_waits_for_the_thread_that_the_cancel_left(lab: Lab, workshop: Workshop) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Plain).undo.send("pay")
        await trio.sleep(3)
        await handle.cancel()
        await trio.sleep(5)
        assert len(workshop.jobs) == 1
        assert (await handle.info()).waits[0].phase is StepPhase.STOPPED_THREAD
        assert WaitCause.THREAD in await waits(handle)
        workshop.end()
        await quiet()
        workshop.end(1)
        with trio.fail_after(1), pytest.raises(actors.InvocationCancelledError):
            await handle.result()
        assert WORLD.entries == ["pay", "undo pay"]


async def test_a_compensation_waits_for_a_hung_thread_up_to_a_limit(lab: Lab, workshop: Workshop) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Plain).undo.send("pay")
        await trio.sleep(3)
        await handle.cancel()
        await trio.sleep(UNWIND_SECONDS - 1)
        assert len(workshop.jobs) == 1
        await trio.sleep(2)
        assert len(workshop.jobs) == 2


async def test_an_async_compensation_waits_for_a_thread_as_well(lab: Lab, workshop: Workshop) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Plain).undo_async.send("pay")
        await trio.sleep(3)
        await handle.cancel()
        await trio.sleep(5)
        assert WORLD.entries == []
        workshop.end()
        with trio.fail_after(2), pytest.raises(actors.InvocationCancelledError):
            await handle.result()
        assert WORLD.entries == ["pay", "undo pay"]


async def test_the_next_try_begins_when_the_abandoned_thread_has_ended(lab: Lab, workshop: Workshop) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Plain).twice.send("x")
        await trio.sleep(20)
        assert len(workshop.jobs) == 1
        assert await waits(handle) == [WaitCause.THREAD]
        assert (await handle.info()).waits[0].phase is StepPhase.EARLIER_TRY
        workshop.end()
        await quiet()
        assert len(workshop.jobs) == 2
        await trio.sleep(4)
        workshop.end(1)
        assert await handle.result() == "x"


async def test_the_next_try_waits_for_a_hung_thread_up_to_the_limit(workshop: Workshop) -> None:
    lab = Lab(Plain, limits=Limits(thread_end_seconds=30.0), run_detached=workshop.run)
    async with lab.running() as runtime:
        await runtime.client.service(Plain).twice.send("x")
        await trio.sleep(5 + 29)
        assert len(workshop.jobs) == 1
        await trio.sleep(3)
        assert len(workshop.jobs) == 2


async def test_another_runtime_of_the_process_waits_for_it_too(lab: Lab, workshop: Workshop) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Plain).compensate.send("x")
        await quiet()
    async with lab.running() as runtime:
        await quiet()
        assert len(workshop.jobs) == 1
        workshop.end()
        await quiet()
        workshop.end(1)
        assert await runtime.client.invocation(handle.id).result() == "x"


async def test_waiting_for_a_thread_is_not_the_time_of_the_step(workshop: Workshop) -> None:
    lab = Lab(Plain, limits=Limits(threads=1), run_detached=workshop.run)
    async with lab.running() as runtime:
        first = await runtime.client.service(Plain).once.send("first")
        await quiet()
        second = await runtime.client.service(Plain).once.send("second")
        await trio.sleep(4)
        assert len(workshop.jobs) == 1
        [reason] = await second.why()
        assert reason.waits_for is WaitCause.THREAD
        workshop.end()
        await trio.sleep(4)
        workshop.end(1)
        assert [await first.result(), await second.result()] == ["first", "second"]


async def test_an_abandoned_thread_gives_its_place_to_others(workshop: Workshop) -> None:
    lab = Lab(Plain, limits=Limits(threads=2), run_detached=workshop.run)
    async with lab.running() as runtime:
        hung = [await runtime.client.service(Plain).compensate.send("hung") for _ in range(2)]
        await quiet()
        for handle in hung:
            await handle.kill()
        other = await runtime.client.service(Plain).once.send("other")
        await quiet()
        workshop.end(2)
        assert await other.result() == "other"
        figures = await runtime.client.figures()
        assert (figures.abandoned_threads, figures.busy_threads) == (2, 0)
        workshop.end(0)
        workshop.end(1)
        await quiet()
        assert (await runtime.client.figures()).abandoned_threads == 0


async def test_beyond_their_limit_abandoned_threads_keep_their_places(workshop: Workshop) -> None:
    lab = Lab(Plain, limits=Limits(threads=1, abandoned_threads=1), run_detached=workshop.run)
    async with lab.running() as runtime:
        for _ in range(2):
            handle = await runtime.client.service(Plain).compensate.send("hung")
            await quiet()
            await handle.kill()
        other = await runtime.client.service(Plain).compensate.send("other")
        await quiet()
        assert await waits(other) == [WaitCause.THREAD]
        workshop.end(1)
        await quiet()
        workshop.end(2)
        assert await other.result() == "other"


async def test_the_next_of_a_key_waits_for_the_thread_of_a_killed_one(lab: Lab, workshop: Workshop) -> None:
    async with lab.running() as runtime:
        keyed = runtime.client.actor(Keyed, "k")
        killed = await keyed.patient.send("hung")
        await quiet()
        following = await keyed.at_once.send()
        await killed.kill()
        await trio.sleep(5)
        assert (await following.info()).status is Status.RUNNING
        workshop.end()
        with trio.fail_after(1):
            assert await following.result() == "at once"


async def test_a_callable_may_return_an_awaitable() -> None:
    lab = Lab(Plain)
    async with lab.running() as runtime:
        assert await runtime.client.service(Plain).awaitables() == [2, 3, 4, 5]


async def test_steps_beyond_the_limit_say_that_they_wait_for_their_turn(workshop: Workshop) -> None:
    lab = Lab(Plain, limits=Limits(running_steps=1), run_detached=workshop.run)
    async with lab.running() as runtime:
        await runtime.client.service(Plain).compensate.send("first")
        await quiet()
        second = await runtime.client.service(Plain).compensate.send("second")
        await quiet()
        assert await waits(second) == [WaitCause.TURN]


STOP = threading.Event()


@step
def ends_when_cancelled() -> None:
    WORLD.note("begun")
    while not STOP.wait(0.001):
        try:
            trio.from_thread.check_cancelled()
        except trio.Cancelled:
            WORLD.note("cancelled")
            raise


@step
def never_ends() -> None:
    WORLD.note("begun")
    STOP.wait()


class Threaded(Service):
    @handler
    async def polite(self) -> None:
        await ends_when_cancelled()

    @handler
    async def hung(self) -> None:
        await never_ends()


@pytest.fixture
def stopped() -> Iterator[None]:
    STOP.clear()
    yield
    STOP.set()


async def begun() -> None:
    while not WORLD.entries:
        await trio.lowlevel.checkpoint()


def test_a_thread_can_ask_whether_it_is_still_wanted(stopped: None) -> None:
    async def main() -> None:
        async with actors.open_runtime(Threaded, durability="memory") as runtime:
            handle = await runtime.client.service(Threaded).polite.send()
            await begun()
            await handle.cancel()
            while "cancelled" not in WORLD.entries:
                await trio.lowlevel.checkpoint()
            with pytest.raises(actors.InvocationCancelledError):
                await handle.result()

    trio.run(main)


def test_a_runtime_can_be_left_while_a_thread_is_hung(stopped: None) -> None:
    keys: list[str] = []

    async def main() -> None:
        async with actors.open_runtime(Threaded, durability="memory", drain=0) as runtime:
            handle = await runtime.client.service(Threaded).hung.send()
            await begun()
            keys.append(f"{handle.id}/1")

    trio.run(main)
    assert has_abandoned(keys[0])


@step
async def over(event: str) -> None:
    await OVER.wait()


OVER = trio.Event()


class Busy(Service):
    @handler
    async def one(self) -> None:
        await over("over")


def test_work_for_a_batch_inside_steps_grows_with_its_size() -> None:
    def calls(count: int) -> int:
        async def main() -> int:
            global OVER
            OVER = trio.Event()
            called = 0

            def count_call(_: object, event: str, __: object) -> None:
                nonlocal called
                called += event == "call"

            lab = Lab(Busy, limits=Limits(live_attempts=10))
            async with lab.running() as runtime:
                sys.setprofile(count_call)
                try:
                    handles = [await runtime.client.service(Busy).one.send() for _ in range(count)]
                finally:
                    sys.setprofile(None)
                OVER.set()
                for handle in handles:  # all were at work
                    await handle.result()
            return called

        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    assert calls(400) < 4.5 * calls(100)
