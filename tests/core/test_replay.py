"""The replay machine: what a handler's awaits mean, and what a journal that does not fit says. No event loop runs here."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
import trio

import actors
from actors import Actor, CancelledError, TooSlowError, handler, step
from actors.errors import MisuseError
from actors.replay.execution import Progress
from journal import events as e
from tests.core.machine import (
    STARTED,
    Machine,
    call_cancelled,
    call_done,
    cancel,
    signal,
    step_aborted,
    step_done,
    step_failed,
    timer,
)


@step
async def work(name: str = "") -> str:
    raise AssertionError("a body is the engine's to run, not the machine's")


@step
async def other(name: str = "") -> str:
    raise AssertionError("as above")


@step(name="renamed", aliases=("work",))
async def renamed() -> str:
    raise AssertionError("as above")


class Neighbour(Actor):
    @handler
    async def ask(self, number: int) -> int:
        return number


def asked(machine: Machine) -> list[tuple[str, str]]:
    """What was asked for, and where."""
    return [(type(event).__name__, getattr(event, "step", "")) for event in machine.requests]


# Without an event loop.


def test_a_handler_runs_where_there_is_no_event_loop() -> None:
    async def it() -> str:
        return await work("a") + await work("b")

    machine = Machine(it)
    assert not trio.lowlevel.in_trio_run()
    assert machine.waits_for == {"1": None}
    assert machine.give(step_done("1", "x"), step_done("2", "y")).result == "xy"


def test_what_is_not_durable_is_refused_and_the_line_is_named() -> None:
    async def child() -> None:
        await asyncio.sleep(0)

    async def it() -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(child)

    refusal = Machine(it).error
    assert isinstance(refusal, MisuseError)
    assert f"{__file__}:{child.__code__.co_firstlineno + 1}" in str(refusal)
    assert "awaits sleep" in str(refusal)
    assert "actors.step" in str(refusal)


def test_a_handler_that_insists_on_what_is_not_durable_is_given_up() -> None:
    async def it() -> None:
        while True:
            try:
                await asyncio.sleep(0)
            except MisuseError:
                continue

    assert isinstance(Machine(it).error, MisuseError)


def test_a_step_is_named_for_where_it_was_started() -> None:
    async def child() -> None:
        await work()
        await work()

    async def it() -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(child)
        await work()

    machine = Machine(it)
    assert [*machine.waits_for] == ["1.1.1", "1.2.1"]
    machine.give(step_done("1.2.1"), step_done("1.2.2"), step_done("1.1.1"), step_done("1.1.2"))
    assert [*machine.waits_for] == ["2"]


def test_a_turn_that_raises_something_worth_retrying_leaves_nothing() -> None:
    async def it() -> None:
        await work()
        actors.emit("said in vain")
        raise ValueError("worth another try")

    machine = Machine(it).give(step_done("1"))
    assert machine.progress is Progress.RAISED
    assert asked(machine) == [("StepScheduled", "1")]
    assert machine.output == []


def test_a_turn_that_raises_for_good_stays() -> None:
    async def it() -> None:
        await work()
        actors.emit("last words")
        raise actors.TerminalError("for good")

    machine = Machine(it).give(step_done("1"))
    assert asked(machine) == [("StepScheduled", "1")]
    assert [piece.value for piece in machine.output] == [b'"last words"']


def test_closing_an_attempt_records_nothing_whatever_its_cleanup_does() -> None:
    async def it() -> None:
        try:
            await work()
        finally:
            await work("cleanup")

    machine = Machine(it)
    machine.execution.close()
    assert asked(machine) == [("StepScheduled", "1")]
    assert machine.execution.progress == []


# Nurseries.


def test_children_start_in_order_after_whoever_starts_them_waits() -> None:
    order: list[str] = []

    async def child(name: str) -> None:
        order.append(name)
        await work(name)

    async def it() -> None:
        async with actors.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(child, name)
            order.append("parent")

    Machine(it)
    assert order == ["parent", "a", "b", "c"]


def test_a_child_that_fails_stops_its_siblings_and_the_block_raises_when_they_have_stopped() -> None:
    class Broken(actors.TerminalError): ...

    async def it() -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(work, "a")
            nursery.start_soon(work, "b")
            nursery.start_soon(actors.sleep, 10)

    machine = Machine(it).give(step_failed("1.1.1", Broken("x")))
    assert machine.progress is Progress.WAITING
    assert machine.waits_for == {"1.2.1": actors.Cancelled}
    assert asked(machine)[-1] == ("WaitDropped", "1.3.1")
    machine.give(step_aborted("1.2.1"))
    assert isinstance(machine.error, BaseExceptionGroup)
    assert [type(error) for error in machine.error.exceptions] == [Broken]


def test_the_first_of_a_race_interrupts_the_others_before_the_handler_goes_on() -> None:
    async def runner(name: str, scope: actors.CancelScope, won: list[str]) -> None:
        won.append(await work(name))
        scope.cancel()

    async def it() -> list[str]:
        won: list[str] = []
        async with actors.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(runner, name, nursery.cancel_scope, won)
        return won

    machine = Machine(it).give(step_done("1.2.1", "b"))
    assert machine.waits_for == {"1.1.1": actors.Cancelled, "1.3.1": actors.Cancelled}
    assert machine.give(step_aborted("1.3.1"), step_aborted("1.1.1")).result == ["b"]


def test_one_that_ends_although_it_is_interrupted_has_its_outcome() -> None:
    async def runner(name: str, scope: actors.CancelScope, won: list[str]) -> None:
        won.append(await work(name))
        scope.cancel()

    async def it() -> list[str]:
        won: list[str] = []
        async with actors.open_nursery() as nursery:
            nursery.start_soon(runner, "a", nursery.cancel_scope, won)
            nursery.start_soon(runner, "b", nursery.cancel_scope, won)
        return won

    assert Machine(it).give(step_done("1.1.1", "a"), step_done("1.2.1", "b")).result == ["a", "b"]


# Deadlines.


def test_a_deadline_interrupts_what_it_encloses_and_only_that() -> None:
    async def it() -> str:
        with actors.move_on_after(5) as scope:
            await work("slow")
        return f"{scope.cancelled_caught} {await work('after')}"

    machine = Machine(it).give(timer("1"))
    assert machine.waits_for == {"2": actors.Cancelled}
    assert machine.give(step_aborted("2"), step_done("3", "x")).result == "True x"


def test_a_deadline_that_is_not_needed_is_dropped() -> None:
    async def it() -> bool:
        with actors.move_on_after(5) as scope:
            await work()
        return scope.cancelled_caught

    machine = Machine(it).give(step_done("2"))
    assert machine.result is False
    assert asked(machine) == [("DeadlineScheduled", "1"), ("StepScheduled", "2"), ("WaitDropped", "1")]


def test_a_deadline_that_is_moved_drops_its_timer_and_sets_another() -> None:
    async def it() -> bool:
        with actors.move_on_after(5) as scope:
            await work()
            scope.deadline += 7
            await work()
        return scope.cancelled_caught

    machine = Machine(it).give(step_done("2"))
    assert asked(machine)[2:] == [("WaitDropped", "1"), ("DeadlineScheduled", "3"), ("StepScheduled", "4")]
    first, second = (event for event in machine.requests if isinstance(event, e.DeadlineScheduled))
    assert (second.expires_at - first.expires_at, second.block) == (7, "1")
    machine.give(timer("1"))
    assert machine.waits_for == {"4": None}, "the old timer is no longer heard"
    again = machine.replayed().give(timer("3"))
    assert again.waits_for == {"4": actors.Cancelled}


def test_a_child_moves_the_deadline_of_the_block_around_it() -> None:
    async def child(scope: actors.CancelScope) -> None:
        await work()
        scope.deadline = 100

    async def it() -> bool:
        with actors.CancelScope() as scope:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(child, scope)
                await actors.signal("never")
        return scope.cancelled_caught

    machine = Machine(it).give(step_done("1.1.1"))
    assert asked(machine)[-1] == ("DeadlineScheduled", "1.1.2")
    assert machine.replayed().give(timer("1.1.2")).result is True


def test_a_deadline_is_read_as_trio_has_it() -> None:
    async def it() -> list[object]:
        with pytest.raises(RuntimeError):
            _ = actors.move_on_after(5).deadline
        with actors.CancelScope() as scope, actors.move_on_at(30) as other:
            seen: list[object] = [scope.deadline == math.inf, other.deadline]
            other.deadline = math.inf
            scope.deadline = 40
        scope.deadline = 50
        return [*seen, scope.deadline]

    assert Machine(it).result == [True, 30, 50]


def test_fail_at_raises_when_its_date_has_come() -> None:
    async def it() -> str:
        try:
            with actors.fail_at(30):
                await work()
        except TooSlowError:
            return "too slow"
        return "in time"

    assert Machine(it).give(timer("1"), step_aborted("2")).result == "too slow"


def test_a_shield_that_is_lowered_lets_in_what_it_kept_away() -> None:
    async def child(scope: actors.CancelScope) -> None:
        await actors.signal("lower", bool)
        scope.shield = False

    async def it() -> str:
        try:
            async with actors.open_nursery() as nursery:
                with actors.CancelScope(shield=True) as scope:
                    nursery.start_soon(child, scope)
                    await actors.sleep(5)
        except CancelledError as cancelled:
            return cancelled.reason
        return "?"

    machine = Machine(it).give(cancel("enough"))
    assert machine.waits_for == {"1.1.1": None, "2": None}
    assert machine.give(signal("lower", True)).result == "enough"


def test_scopes_and_nurseries_show_what_trio_shows_and_no_more() -> None:
    def shown(of: type) -> set[str]:
        return {name for name in dir(of) if not name.startswith("_")}

    assert shown(actors.CancelScope) == {"cancel", "cancel_called", "cancelled_caught", "deadline", "shield"}
    assert shown(actors.CancelScope) <= shown(trio.CancelScope)
    assert shown(actors.Nursery) == {"cancel_scope", "start_soon"}


def test_a_timer_that_comes_although_it_was_dropped_changes_nothing() -> None:
    async def it() -> bool:
        with actors.move_on_after(5) as scope:
            await work()
        await work()
        return scope.cancelled_caught

    machine = Machine(it).give(step_done("2"), timer("1"), step_done("3"))
    assert machine.result is False
    assert machine.replayed().result is False


def test_fail_after_raises_and_an_outer_deadline_passes_through_an_inner_one() -> None:
    async def it() -> str:
        try:
            with actors.fail_after(5), actors.move_on_after(10) as inner:
                await work()
        except TooSlowError:
            return f"too slow, inner {inner.cancelled_caught}"
        return "in time"

    assert Machine(it).give(timer("1"), step_aborted("3")).result == "too slow, inner False"


def test_a_shield_keeps_a_deadline_away_until_it_is_left() -> None:
    async def it() -> list[bool]:
        with actors.move_on_after(5) as outer:
            with actors.CancelScope(shield=True):
                await work("important")
            await work("not reached")
        return [outer.cancelled_caught]

    machine = Machine(it).give(timer("1"))
    assert machine.waits_for == {"2": None}
    machine.give(step_done("2"))
    assert machine.result == [True]
    assert ("StepScheduled", "3") not in asked(machine)


# The invocation's cancel.


def test_a_cancel_is_raised_once_where_the_handler_waits_and_later_awaits_work() -> None:
    async def it() -> str:
        try:
            await work()
        except CancelledError as error:
            return f"{error}, then {await work('compensation')}"
        return "not cancelled"

    machine = Machine(it).give(cancel("superseded"))
    assert machine.waits_for == {"1": CancelledError}
    machine.give(step_aborted("1"))
    assert machine.waits_for == {"2": None}
    assert machine.give(step_done("2", "done")).result == "superseded, then done"


def test_a_cancel_that_a_step_outruns_comes_at_the_next_await() -> None:
    async def it() -> str:
        result = await work()
        try:
            await actors.sleep(10)
        except CancelledError:
            return f"{result}, then cancelled"
        return result

    machine = Machine(it).give(cancel(), step_done("1", "x"))
    assert machine.result == "x, then cancelled"
    assert machine.replayed().result == "x, then cancelled"


def test_a_cancel_reaches_every_child_and_passes_the_nursery_unwrapped() -> None:
    async def it() -> str:
        try:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(work, "a")
                nursery.start_soon(actors.sleep, 10)
        except CancelledError:
            return await work("compensation")
        return "not cancelled"

    machine = Machine(it).give(cancel())
    assert machine.waits_for == {"1.1.1": actors.Cancelled}
    machine.give(step_aborted("1.1.1"))
    assert machine.waits_for == {"2": None}


def test_a_shielded_handler_is_cancelled_when_it_leaves_the_shield() -> None:
    async def it() -> str:
        with actors.CancelScope(shield=True):
            await work()
        await work("never")
        return "not cancelled"

    machine = Machine(it).give(cancel())
    assert machine.waits_for == {"1": None}
    machine.give(step_done("1"))
    assert isinstance(machine.error, CancelledError)


def test_a_cancel_waits_for_what_was_called_and_cancels_it_first() -> None:
    async def it() -> int:
        return await actors.actor(Neighbour, "n").ask(3)

    machine = Machine(it).give(cancel())
    assert asked(machine) == [("CallScheduled", "1"), ("CallCancelRequested", "1")]
    assert machine.progress is Progress.WAITING
    machine.give(call_cancelled("1"))
    assert isinstance(machine.error, CancelledError)


def test_what_was_called_may_end_well_although_it_was_cancelled() -> None:
    async def it() -> int:
        return await actors.actor(Neighbour, "n").ask(3)

    assert Machine(it).give(cancel(), call_done("1", 3)).result == 3


def test_a_cancel_that_found_the_handler_failing_is_given_before_what_it_failed_on() -> None:
    async def it() -> str:
        try:
            await work()
            raise ValueError("in plain code")
        except CancelledError:
            return "compensated"

    machine = Machine(it).give(step_done("1"))
    failure = e.AttemptFailed(
        invocation_id=STARTED.invocation_id, attempt=1, failure=e.Failure("ValueError", ""), handed_over=1, retry_at=9.0
    )
    assert Machine(it, [*machine.events, failure, cancel()]).result == "compensated"


# Signals.


def test_signals_of_a_name_come_in_order_also_before_they_are_asked_for() -> None:
    async def it() -> list[int]:
        await work()
        return [await actors.signal("a", int), await actors.signal("b", int), await actors.signal("a", int)]

    machine = Machine(it).give(signal("a", 1), signal("a", 2), signal("b", 3), step_done("1"))
    assert machine.result == [1, 3, 2]


def test_those_who_wait_for_a_name_are_served_in_order_and_one_that_gives_up_takes_nothing() -> None:
    async def child(name: str, got: dict[str, int]) -> None:
        with actors.move_on_after(5):
            got[name] = await actors.signal("x", int)

    async def it() -> dict[str, int]:
        got: dict[str, int] = {}
        async with actors.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(child, name, got)
        return got

    machine = Machine(it).give(timer("1.1.1"), signal("x", 1), signal("x", 2))
    assert machine.result == {"b": 1, "c": 2}


# What must be the same at every replay.


def test_chance_and_time_are_the_same_at_every_replay() -> None:
    async def it() -> list[Any]:
        seen: list[Any] = [actors.current_time(), actors.random().random(), str(actors.uuid4())]
        await work()
        return [*seen, actors.current_time(), actors.random().random()]

    machine = Machine(it).give(step_done("1"))
    assert machine.replayed().result == machine.result


def test_new_code_behind_patched_runs_in_what_is_new_and_not_where_the_journal_went_without() -> None:
    async def old() -> str:
        return await work()

    async def new() -> str:
        checked = await other() if actors.patched("check") else "unchecked"
        return f"{checked} {await work()}"

    fresh = Machine(new).give(step_done("1", "checked"), step_done("2", "x"))
    assert fresh.result == "checked x"
    assert fresh.replayed().result == "checked x"
    assert Machine(new, Machine(old).events).give(step_done("1", "x")).result == "unchecked x"


def test_the_mark_of_a_patch_may_stay_behind_when_the_code_no_longer_asks() -> None:
    async def patched() -> str:
        return await work() if actors.patched("check") else ""

    async def settled() -> str:
        return await work()

    assert Machine(settled, Machine(patched).events).give(step_done("1", "x")).result == "x"


def test_a_renamed_step_finds_its_past_by_its_alias() -> None:
    async def before() -> str:
        return await work()

    async def after() -> str:
        return await renamed()

    assert Machine(after, Machine(before).give(step_done("1", "x")).events).result == "x"


# Journals that do not fit.


async def recorded_life() -> None:
    await work("first")
    await actors.actor(Neighbour, "n").ask(3)
    await actors.signal("go")


RECORDED = Machine(recorded_life).give(step_done("1"), call_done("2", 3), signal("go"))


async def another_step() -> None:
    await other("first")


async def another_argument() -> None:
    await work("first")
    await actors.actor(Neighbour, "n").ask(4)


async def another_target() -> None:
    await work("first")
    await actors.actor(Neighbour, "m").ask(3)


async def another_signal() -> None:
    await work("first")
    await actors.actor(Neighbour, "n").ask(3)
    await actors.signal("stop")


async def another_order() -> None:
    await actors.actor(Neighbour, "n").ask(3)
    await work("first")


async def an_early_end() -> None:
    await work("first")


async def one_more_in_front() -> None:
    await actors.sleep(1)
    await recorded_life()


@pytest.mark.parametrize(
    ("code", "recorded", "attempted"),
    [
        (another_step, "step 'work' (step 1)", "step 'other' (step 1)"),
        (another_argument, "Neighbour/n/ask with 3", "Neighbour/n/ask with 4"),
        (another_target, "Neighbour/n/ask", "Neighbour/m/ask"),
        (another_signal, "signal 'go'", "signal 'stop'"),
        (another_order, "step 'work' (step 1)", "a call of Neighbour/n/ask"),
        (an_early_end, "a call of Neighbour/n/ask", "the end of the handler"),
        (one_more_in_front, "step 'work' (step 1)", "a sleep (step 1)"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_code_that_goes_another_way_than_its_journal_is_held_with_both_and_the_line(
    code: Any, recorded: str, attempted: str
) -> None:
    said = Machine(code, RECORDED.events).mismatch
    lines = {line.split(":")[0].strip(): line for line in said.splitlines()}
    assert recorded in lines["recorded"]
    assert attempted in lines["attempted"]
    assert "test_replay.py:" in lines["recorded"]


def test_an_outcome_that_nobody_asked_for_is_a_mismatch() -> None:
    async def it() -> None:
        await actors.signal("go")

    machine = Machine(it).give(step_done("7"))
    assert "waits for waiting for signal 'go'" in machine.mismatch


def test_a_handler_cannot_get_past_a_mismatch_by_catching_it() -> None:
    async def it() -> str:
        try:
            await other()
        except BaseException:
            return "as if nothing had happened"
        return ""

    machine = Machine(it, RECORDED.events)
    assert machine.progress is Progress.MISMATCHED
    assert machine.requests == RECORDED.requests


def test_what_comes_behind_the_journal_is_new() -> None:
    async def longer() -> str:
        await recorded_life()
        return await work("one more")

    machine = Machine(longer, RECORDED.events)
    assert machine.waits_for == {"4": None}
    assert machine.give(step_done("4", "x")).result == "x"
