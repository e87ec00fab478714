"""Cancel, kill, pause, resume, purge: each takes effect at once, is recorded, and says what it did."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import Actor, CancelledError, RetryPolicy, Service, handler, shared, step
from journal.events import Status
from tests.lab import WORLD, Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

SWITCH: dict[str, bool] = {}


@step
async def effect(name: str, seconds: float = 0.0, unwind: float = 0.0) -> str:
    WORLD.note(f"begin {name}")
    try:
        await trio.sleep(seconds)
    except trio.Cancelled:
        with trio.CancelScope(shield=True):
            await trio.sleep(unwind)
        WORLD.note(f"stopped {name}")
        raise
    WORLD.note(f"end {name}")
    return name


@step(retry=RetryPolicy(max_attempts=None, initial_delay=60.0, max_delay=60.0))
async def dead_endpoint() -> None:
    WORLD.note("try")
    raise ConnectionError("refused")


@step
async def stubborn(seconds: float) -> str:
    """Finishes although it is asked to stop."""
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)
    WORLD.note("finished anyway")
    return "done"


class Saga(Service):
    @handler
    async def book(self, seconds: float) -> str:
        done: list[str] = []
        try:
            done.append("flight")
            await effect("flight")
            done.append("hotel")
            await effect("hotel", seconds, 0.5)
        except CancelledError as error:
            for name in reversed(done):
                await effect(f"undo {name}")
            WORLD.note(f"because {error.reason}")
            raise
        return "booked"

    @handler
    async def sleepy(self) -> str:
        try:
            await actors.sleep(1e6)
        except CancelledError:
            await effect("cleanup")
            raise
        return "slept"

    @handler
    async def parent(self, seconds: float) -> str:
        try:
            return await actors.service(Saga).book(seconds)
        except CancelledError:
            await effect("parent cleanup")
            raise

    @handler
    async def grandparent(self, seconds: float) -> str:
        return await actors.service(Saga).parent(seconds)

    @handler
    async def scatter(self) -> str:
        sent = await actors.service(Saga).sleepy.send()
        WORLD.note(sent.id)
        await actors.sleep(1e6)
        return "?"

    @handler
    async def nursery(self) -> str:
        try:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(effect, "left", 100.0, 1.0)
                nursery.start_soon(effect, "right", 100.0, 2.0)
        except CancelledError:
            await effect("after both")
            raise
        return "?"

    @handler
    async def finishes_anyway(self) -> str:
        try:
            first = await stubborn(5.0)
            WORLD.note(f"got {first}")
            await effect("next", 100.0)
        except CancelledError:
            WORLD.note("cancelled")
            raise
        return "?"

    @handler
    async def protected(self) -> str:
        with actors.CancelScope(shield=True):
            await effect("charge", 10.0)
        await effect("never", 10.0)
        return "?"

    @handler
    async def swallows(self) -> str:
        while True:
            try:
                await actors.sleep(10)
            except CancelledError:
                WORLD.note("ignored")

    @handler
    async def ends_well_all_the_same(self) -> str:
        try:
            await actors.sleep(1e6)
        except CancelledError:
            return "saved what there was"
        return "?"

    @handler
    async def stuck(self) -> str:
        try:
            await effect("reserved")
            await dead_endpoint()
        except CancelledError:
            await effect("released")
            raise
        return "?"

    @handler(retry=RetryPolicy(max_attempts=None, initial_delay=60.0, max_delay=60.0))
    async def raises_in_plain_code(self) -> str:
        try:
            await effect("reserved")
            raise ValueError("a parsing bug")
        except CancelledError:
            await effect("released")
            raise

    @handler(retry=RetryPolicy(max_attempts=None, initial_delay=60.0, max_delay=60.0))
    async def raises_before_the_first_await(self) -> str:
        WORLD.note("try")
        raise ValueError("a bug in the first line")

    @handler
    async def canceller(self, of: actors.InvocationId) -> str:
        answer = await actors.invocation(of).cancel(reason="from inside")
        try:
            await actors.invocation(of).result()
        except actors.InvocationCancelledError as error:
            return f"{answer.changed} {error}"
        return "?"

    @handler
    async def refused(self, of: actors.InvocationId) -> str:
        try:
            await actors.invocation(of).cancel()
        except actors.ConflictError as error:
            return f"refused: {error.code}"
        return "?"

    @handler
    async def three_steps(self) -> str:
        await effect("one", 10.0)
        await effect("two", 10.0)
        await effect("three", 10.0)
        return "done"


class Door(Actor):
    opened: int = 0
    note: str = ""

    @handler
    async def open(self, seconds: float) -> int:
        await effect("open", seconds, 1.0)
        self.opened += 1
        return self.opened

    @handler(atomic=True)
    async def all_or_nothing(self, seconds: float) -> None:
        self.note = "half"
        await effect("half", seconds)
        self.note = "whole"

    @handler
    async def half(self, seconds: float) -> None:
        self.note = "half"
        await effect("half", seconds)
        self.note = "whole"

    @shared
    async def read(self) -> tuple[int, str]:
        return self.opened, self.note


@pytest.fixture
def lab() -> Lab:
    SWITCH.clear()
    return Lab(Saga, Door)


async def outcome_of(handle: actors.InvocationHandle[object]) -> str:
    try:
        return f"{await handle.result()}"
    except actors.TerminalError as error:
        return error.code


async def test_a_cancel_stops_the_running_step_first_and_compensates_afterwards(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).book.send(100.0)
        await trio.sleep(1)
        answer = await handle.cancel(reason="changed my mind")
        assert (answer.changed, answer.before, answer.after) == (True, Status.RUNNING, Status.RUNNING)
        with raises(actors.InvocationCancelledError, code="cancelled", details="changed my mind"):
            await handle.result()
    assert WORLD.entries[2:] == [
        "begin hotel",
        "stopped hotel",
        "begin undo hotel",
        "end undo hotel",
        "begin undo flight",
        "end undo flight",
        "because changed my mind",
    ]


async def test_cancelling_twice_is_one_exception(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).sleepy.send()
        await quiet()
        assert (await handle.cancel()).changed
        assert await outcome_of(handle) == "cancelled"
        with raises(actors.ConflictError, code="already_completed"):
            await handle.cancel()
        slow = await runtime.client.service(Saga).book.send(100.0)
        await trio.sleep(1)
        assert (await slow.cancel()).changed
        assert not (await slow.cancel()).changed
        await outcome_of(slow)
    assert WORLD.count("begin undo hotel") == 1


@pytest.mark.parametrize("crash_after", [0.0, 0.2, 0.6])
async def test_a_cancel_goes_on_after_a_crash(lab: Lab, crash_after: float) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).book.send(100.0)
        await trio.sleep(1)
        await handle.cancel(reason="x")
        await trio.sleep(crash_after)
    async with lab.running() as runtime:
        assert await outcome_of(runtime.client.invocation(handle.id)) == "cancelled"
    assert WORLD.count("end undo hotel") == 1
    assert WORLD.count("end undo flight") == 1


async def test_a_cancel_reaches_one_that_sleeps_for_long_and_is_not_in_memory(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).sleepy.send()
        await trio.sleep(300)
        assert (await handle.info()).status is Status.SUSPENDED
        await handle.cancel()
        assert await outcome_of(handle) == "cancelled"
    assert WORLD.count("end cleanup") == 1


async def test_what_was_called_is_cancelled_first_and_awaited(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).grandparent.send(100.0)
        await trio.sleep(1)
        await handle.cancel(reason="stop")
        assert await outcome_of(handle) == "cancelled"
    order = [entry for entry in WORLD.entries if "undo flight" in entry or "parent" in entry]
    assert order == ["begin undo flight", "end undo flight", "begin parent cleanup", "end parent cleanup"]


async def test_what_was_sent_is_spared_unless_asked(lab: Lab) -> None:
    async with lab.running() as runtime:
        for children, fate in (("called", Status.SUSPENDED), ("all", Status.COMPLETED)):
            WORLD.clear()
            handle = await runtime.client.service(Saga).scatter.send()
            await trio.sleep(1)
            (sent,) = WORLD.entries
            await handle.cancel(children=children)
            await outcome_of(handle)
            await trio.sleep(1)
            assert (await runtime.client.invocation(sent).info()).status is fate


async def test_children_of_a_nursery_are_unwound_before_the_handler_sees_the_cancel(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).nursery.send()
        await trio.sleep(1)
        await handle.cancel()
        assert await outcome_of(handle) == "cancelled"
    assert WORLD.entries[2:] == ["stopped left", "stopped right", "begin after both", "end after both"]


async def test_a_step_that_finishes_anyway_is_recorded_and_the_cancel_comes_at_the_next_await(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).finishes_anyway.send()
        await trio.sleep(1)
        await handle.cancel()
        assert await outcome_of(handle) == "cancelled"
    assert WORLD.entries == ["finished anyway", "got done", "cancelled"]


async def test_a_shielded_block_is_finished_first(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).protected.send()
        await trio.sleep(1)
        await handle.cancel()
        assert await outcome_of(handle) == "cancelled"
    assert WORLD.entries == ["begin charge", "end charge"]


async def test_one_that_swallows_the_cancel_is_killed_when_patience_ends(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).swallows.send()
        await quiet()
        started = trio.current_time()
        await handle.cancel(kill_after=30.0)
        assert await outcome_of(handle) == "killed"
        assert 30 <= trio.current_time() - started < 31
    assert WORLD.count("ignored") == 1


@pytest.mark.parametrize(("first", "second", "killed_after"), [(None, 30.0, 40), (50.0, 10.0, 20), (30.0, 50.0, 30)])
async def test_a_second_cancel_may_shorten_the_patience_and_never_lengthens_it(
    lab: Lab, first: float | None, second: float, killed_after: float
) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).swallows.send()
        await quiet()
        started = trio.current_time()
        assert (await handle.cancel(kill_after=first)).changed
        await trio.sleep(10)
        answer = await handle.cancel(kill_after=second, reason="it takes too long")
        assert answer.changed is (killed_after < 30 or first is None)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        assert await outcome_of(handle) == "killed"
        assert killed_after <= trio.current_time() - started < killed_after + 1
        told = [entry.summary async for entry in handle.events()]
    assert told.count("kill moved to an earlier time: it takes too long") == answer.changed
    assert told.count("cancel requested") == 1, "the handler is told of it once"


async def test_a_handler_may_end_well_after_a_cancel(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).ends_well_all_the_same.send()
        await quiet()
        await handle.cancel()
        assert await handle.result() == "saved what there was"


async def test_a_cancel_reaches_one_that_is_stuck_on_a_dead_endpoint_at_once(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).stuck.send()
        await trio.sleep(10)
        assert (await handle.info()).status is Status.BACKING_OFF
        started = trio.current_time()
        await handle.cancel()
        assert await outcome_of(handle) == "cancelled"
        assert trio.current_time() - started < 1
    assert WORLD.count("try") == 1
    assert WORLD.entries[-2:] == ["begin released", "end released"]


@pytest.mark.parametrize("crash", [False, True])
async def test_a_cancel_reaches_a_handler_that_fails_in_plain_code_and_compensations_run(lab: Lab, crash: bool) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).raises_in_plain_code.send()
        await trio.sleep(10)
        assert (await handle.info()).status is Status.BACKING_OFF
        await handle.cancel()
        if not crash:
            assert await outcome_of(handle) == "cancelled"
    if crash:
        async with lab.running() as runtime:
            assert await outcome_of(runtime.client.invocation(handle.id)) == "cancelled"
    assert WORLD.entries.count("begin reserved") == 1
    assert WORLD.entries[-2:] == ["begin released", "end released"]


async def test_a_cancel_reaches_a_handler_that_fails_before_its_first_await(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).raises_before_the_first_await.send()
        await trio.sleep(10)
        await handle.cancel()
        assert await outcome_of(handle) == "cancelled"
    assert WORLD.count("try") == 1


async def test_handlers_cancel_and_await_each_other(lab: Lab) -> None:
    async with lab.running() as runtime:
        victim = await runtime.client.service(Saga).sleepy.send()
        await quiet()
        said = await runtime.client.service(Saga).canceller(victim.id)
        assert said == f"True {victim.id} was cancelled: from inside"
        assert await runtime.client.service(Saga).refused(victim.id) == "refused: already_completed"


async def test_a_queued_or_scheduled_one_ends_at_once_and_leaves_a_trace(lab: Lab) -> None:
    async with lab.running() as runtime:
        door = runtime.client.actor(Door, "d")
        first = await door.open.send(10.0)
        second = await door.open.send(10.0)
        third = await door.open.send(10.0)
        later = await door.open.options(delay=100).send(1.0)
        await quiet()
        answer = await second.cancel(reason="not needed")
        assert (answer.before, answer.after) == (Status.QUEUED, Status.COMPLETED)
        answer = await later.kill(reason="nor this")
        assert (answer.before, answer.after) == (Status.SCHEDULED, Status.COMPLETED)
        assert await first.result() == 1
        assert await third.result() == 2
        said = [entry.summary async for entry in second.events()]
        assert said == ["open accepted with 10.0", "cancelled: not needed"]


async def test_a_kill_runs_no_compensation_and_the_next_one_starts_after_it(
    lab: Lab,
) -> None:
    async with lab.running() as runtime:
        door = runtime.client.actor(Door, "d")
        first = await door.open.send(100.0)
        second = await door.open.send(0.0)
        await trio.sleep(1)
        answer = await first.kill(reason="stuck")
        assert (answer.changed, answer.before, answer.after) == (True, Status.RUNNING, Status.COMPLETED)
        with raises(actors.InvocationCancelledError, code="killed"):
            await first.result()
        assert await second.result() == 1
    assert WORLD.entries == ["begin open", "stopped open", "begin open", "end open"]


async def test_a_kill_takes_what_was_called_along(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).grandparent.send(100.0)
        await trio.sleep(1)
        await handle.kill()
        await trio.sleep(1)
        listed = await runtime.client.invocations(service="Saga")
        assert {i.outcome.kind.value for i in listed if i.outcome} == {"killed"}
        assert len(listed) == 3
    assert WORLD.count("begin undo hotel") == 0
    assert WORLD.count("begin parent cleanup") == 0


async def test_what_a_killed_handler_wrote_stays_unless_it_is_atomic(lab: Lab) -> None:
    async with lab.running() as runtime:
        for key, method in (("a", "all_or_nothing"), ("b", "half")):
            door = runtime.client.actor(Door, key)
            handle = await getattr(door, method).send(100.0)
            await trio.sleep(1)
            seen = await door.read()
            await handle.kill()
            assert (seen[1], (await door.read())[1]) == (("", "") if key == "a" else ("half", "half"))
    async with lab.running() as runtime:
        assert (await runtime.client.actor(Door, "b").read())[1] == "half"


async def test_a_pause_lets_the_running_step_end_and_a_resume_goes_on_behind_it(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).three_steps.send()
        await trio.sleep(15)
        answer = await handle.pause(reason="maintenance")
        assert answer.changed
        assert (await handle.info()).phase == "pausing"
        await trio.sleep(60)
        info = await handle.info()
        assert (info.status, info.pause_reason) == (Status.PAUSED, "maintenance")
        assert WORLD.entries == ["begin one", "end one", "begin two", "end two"]
        assert not (await handle.pause()).changed
    async with lab.running() as runtime:
        await trio.sleep(60)
        handle = runtime.client.invocation(handle.id)
        assert (await handle.resume()).changed
        assert await handle.result() == "done"
    assert WORLD.entries[4:] == ["begin three", "end three"]


async def test_a_pause_now_aborts_the_step_which_runs_again_later(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).three_steps.send()
        await trio.sleep(15)
        await handle.pause(mode="now")
        await trio.sleep(60)
        assert (await handle.info()).status is Status.PAUSED
        assert WORLD.entries == ["begin one", "end one", "begin two", "stopped two"]
        await handle.resume()
        assert await handle.result() == "done"
    assert WORLD.count("begin one") == 1


async def test_a_pause_that_a_crash_interrupts_takes_effect_after_it(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).three_steps.send()
        await trio.sleep(5)
        await handle.pause(reason="x")
    async with lab.running() as runtime:
        await trio.sleep(60)
        handle = runtime.client.invocation(handle.id)
        assert (await handle.info()).status is Status.PAUSED
        await handle.resume()
        assert await handle.result() == "done"


async def test_a_paused_sleeper_stays_although_its_time_has_come_and_signals_are_kept(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).sleepy.send()
        await trio.sleep(1)
        await handle.pause()
        await trio.sleep(2e6)
        assert (await handle.info()).status is Status.PAUSED
        await handle.signal("late", 1)
        await handle.resume()
        assert await handle.result() == "slept"


async def test_a_paused_one_holds_its_key_and_a_held_one_its_place(lab: Lab) -> None:
    async with lab.running() as runtime:
        door = runtime.client.actor(Door, "d")
        first = await door.open.send(10.0)
        second = await door.open.send(0.0)
        third = await door.open.send(0.0)
        await trio.sleep(1)
        answer = await second.pause(reason="look first")
        assert (answer.before, answer.after) == (Status.QUEUED, Status.PAUSED)
        assert await first.result() == 1
        await trio.sleep(60)
        assert (await third.info()).status is Status.QUEUED
        answer = await second.resume()
        assert answer.after is Status.RUNNING
        assert await third.result() == 3


async def test_a_cancel_wakes_a_paused_one_to_compensate(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).book.send(100.0)
        await trio.sleep(1)
        await handle.pause(mode="now")
        await trio.sleep(5)
        answer = await handle.cancel()
        assert (answer.before, answer.after) == (Status.PAUSED, Status.RUNNING)
        assert await outcome_of(handle) == "cancelled"
    assert WORLD.count("end undo hotel") == 1


async def test_a_resume_of_one_that_backs_off_tries_now(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Saga).stuck.send()
        await trio.sleep(10)
        assert WORLD.count("try") == 1
        assert (await handle.resume()).changed
        await trio.sleep(1)
        assert WORLD.count("try") == 2


async def test_a_purge_forgets_the_history_and_keeps_the_object(lab: Lab) -> None:
    async with lab.running() as runtime:
        door = runtime.client.actor(Door, "d")
        handle = await door.open.send(0.0)
        await door.open(0.0)
        await handle.result()
        with raises(actors.ConflictError, code="not_completed"):
            running = await door.open.send(10.0)
            await quiet()
            await running.purge()
        assert (await handle.purge()).changed
        with raises(actors.NotFoundError, kind="invocation"):
            await handle.info()
        with raises(actors.NotFoundError, kind="invocation"):
            await handle.result()
        assert (await door.read())[0] == 2
        assert len(await runtime.client.invocations(service="Door", handler="open")) == 2
    async with lab.running() as runtime:
        assert (await runtime.client.actor(Door, "d").read())[0] >= 2


async def test_retention_ends_and_nothing_is_left_of_services(lab: Lab) -> None:
    lab = Lab(Saga, Door, retention=3600.0)
    async with lab.running() as runtime:
        for i in range(20):
            await runtime.client.actor(Door, f"d{i % 3}").open(0.0)
            await runtime.client.service(Saga).three_steps.send()
        await trio.sleep(100)
        assert len(await runtime.client.invocations()) == 40
        await trio.sleep(8000)
        assert await runtime.client.invocations() == []
        heads = [stream async for stream, _ in runtime.engine.journal.heads(0)]
        assert len(heads) == 3, "only the doors are left"
        assert (await runtime.client.actor(Door, "d0").read())[0] == 7
    async with lab.running() as runtime:
        assert (await runtime.client.actor(Door, "d0").read())[0] == 7
        assert await runtime.client.actor(Door, "d0").open(0.0) == 8


async def test_a_short_retention_ends_on_time_although_its_beginning_was_not_on_disk_yet() -> None:
    async with Lab(Door, retention=10.0).running() as runtime:
        for _ in range(2):
            await runtime.client.actor(Door, "d").open(0.0)
            await trio.sleep(3)
        await trio.sleep(15)
        assert await runtime.client.invocations() == []


async def test_verbs_on_what_is_not_there_say_so(lab: Lab) -> None:
    async with lab.running() as runtime:
        nobody = runtime.client.invocation("inv_1" + "0" * 33)
        for verb in (nobody.cancel, nobody.kill, nobody.pause, nobody.resume, nobody.purge):
            with raises(actors.NotFoundError, kind="invocation"):
                await verb()
        with raises(actors.NotFoundError, kind="invocation"):
            await nobody.signal("x")
        with raises(actors.NotFoundError, kind="invocation"):
            await nobody.result()
        with raises(actors.errors.MalformedIdError, text="hello"):
            runtime.client.invocation("hello")
