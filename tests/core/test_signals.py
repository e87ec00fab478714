"""Which wait takes which signal: it is recorded, and a restart reads it, in whatever order things came.

A handler of these tests names each of its waits. What it was really given is held against what the journal says, and a restart
from any of its operations against both. ``PLAYHEAD_SEEDS`` raises the number of lives.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import pytest

import actors
from actors import CancelledError, step
from actors.core.restart_plan import OPERATIONS, RestartPlan, plan_restart
from actors.replay.branches import Operation, current_branch
from actors.replay.execution import Progress
from journal import events as e
from journal.ids import StepId
from journal.waits import event_of
from tests.core.machine import IT, STARTED, Machine, cancel, signal, step_aborted, step_done, timer, waits_for_signals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from journal.events import Event

SEEDS = int(os.environ.get("PLAYHEAD_SEEDS", "60"))
LONGEST_LIFE = 300
AGAIN_AT = 1_000.0

Program = list[Any]


@step
async def work() -> str:
    raise AssertionError("a body is the engine's to run, not the machine's")


async def wait(name: str, label: str) -> Any:
    """``actors.signal``, with a label in place of the line that asks."""
    branch = current_branch.get()
    assert branch is not None
    asked = e.SignalAwaited(invocation_id=IT, step=branch.following_step, name=name, source=label)
    received = await Operation(branch, asked.step, asked)
    return msgspec.json.decode(received.value)


class Walk:
    """A program as a handler. ``got`` is what each wait was given, by its label."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.got: dict[str, Any] = {}

    async def __call__(self) -> None:
        self.got.clear()
        try:
            await self._block(self.program, "")
        except CancelledError:
            await work()
            raise

    async def _block(self, program: Program, path: str, scope: actors.CancelScope | None = None) -> None:
        for place, (what, *rest) in enumerate(program):
            at = f"{path}/{place}"
            if what == "wait":
                self.got[at] = await wait(rest[0], at)
            elif what == "work":
                await work()
            elif what == "sleep":
                await actors.sleep(1)
            elif what == "deadline":
                with actors.move_on_after(1) as scope:
                    await self._block(rest[0], at, scope)
            elif what == "move":
                if scope is not None:
                    scope.deadline += 1
            elif what == "race":
                await self._race(rest[0], at)
            else:
                async with actors.open_nursery() as nursery:
                    for number, child in enumerate(rest[0]):
                        nursery.start_soon(self._block, child, f"{at}.{number}", scope or nursery.cancel_scope)

    async def _race(self, children: list[Program], at: str) -> None:
        async def run(child: Program, path: str, scope: actors.CancelScope) -> None:
            await self._block(child, path)
            scope.cancel()

        async with actors.open_nursery() as nursery:
            for number, child in enumerate(children):
                nursery.start_soon(run, child, f"{at}.{number}", nursery.cancel_scope)


def program(random: Random, depth: int = 0) -> Program:
    nodes: Program = []
    for _ in range(random.randint(1, 3)):
        kinds = ["wait", "wait", "wait", "work", "sleep", "move"] + (
            ["deadline", "nursery", "race"] * 2 if depth < 2 else []
        )
        match random.choice(kinds):
            case "wait":
                nodes.append(["wait", random.choice("xxy")])
            case "deadline":
                nodes.append(["deadline", program(random, depth + 1)])
            case ("nursery" | "race") as kind:
                nodes.append([kind, [program(random, depth + 1) for _ in range(random.randint(2, 3))]])
            case kind:
                nodes.append([kind])
    return nodes


@attrs.define(eq=False)
class Life:
    """A machine that lives on, held now and then; ``sent`` counts the signals, whose values are all different."""

    walk: Walk
    machine: Machine
    sent: int = 0

    def go_on(self, random: Random, *, with_cancel: bool = True) -> None:
        """Until it has ended."""
        while self.machine.progress is Progress.WAITING:
            assert len(self.machine.history) < LONGEST_LIFE, "it never ends"
            held = 0
            if random.random() < 0.4:
                for _ in range(random.randint(1, 4)):
                    held += self._keep(random)
                if with_cancel and random.random() < 0.1 and not self._is_cancelled:
                    self.machine.keep(e.CancelRequested(invocation_id=IT, reason="enough", overtakes=held))
                    self.machine = self.machine.replayed()
                elif random.random() < 0.5:
                    self.machine = self.machine.replayed()
                self.machine.go_on()
            elif random.random() < 0.03 and with_cancel and not self._is_cancelled:
                self.machine.give(cancel())
            elif self._keep(random):
                self.machine.go_on()

    @property
    def _is_cancelled(self) -> bool:
        return any(isinstance(event, e.CancelRequested) for event in self.machine.events)

    def _keep(self, random: Random) -> int:
        """Have one thing happen that can, while it is held."""
        ended = {event.step for event in self.machine.events if isinstance(event, (e.StepCompleted, e.TimerFired))}
        ended |= {event.step for event in self.machine.events if isinstance(event, e.StepAborted)}
        found: list[Event] = [self._signal(random.choice("xxy"))] if random.random() < 0.3 else []
        for where, parked in self.machine.execution.parked.items():
            match event_of(parked.event, IT):
                case e.StepScheduled() if where not in ended:
                    found.append(step_aborted(where) if parked.interruption else step_done(where))
                case e.SleepScheduled() if where not in ended:
                    found.append(timer(where))
                case e.SignalAwaited(name=name):
                    found.append(self._signal(name))
        dropped = {event.step for event in self.machine.events if isinstance(event, e.WaitDropped)}
        armed = [event.step for event in self.machine.events if isinstance(event, e.DeadlineScheduled)]
        found += [timer(where) for where in armed if where not in ended | dropped]
        if not found:
            return 0
        self.sent += 1
        self.machine.keep(random.choice(found))
        return 1

    def _signal(self, name: str) -> Event:
        return signal(name, f"{name}{self.sent}")


def begin(program: Program, history: list[Event] | None = None, sent: int = 0) -> Life:
    walk = Walk(program)
    return Life(walk, Machine(walk, [STARTED] if history is None else history), sent)


def takers(history: list[Event]) -> dict[int, StepId | None]:
    """What the journal says last of each signal."""
    found: dict[int, StepId | None] = {}
    for event in history:
        match event:
            case e.SignalReceived() | e.SignalReassigned():
                found.update({number: None for number, step in found.items() if step == event.step})
                found[event.signal] = event.step
            case e.SignalAwaited(ready=True):
                found[event.signal] = event.step
            case e.WaitDropped():
                found.update({number: None for number, step in found.items() if step == event.step})
    return found


def values(history: list[Event]) -> dict[int, Any]:
    return {x.signal: msgspec.json.decode(x.value) for x in history if isinstance(x, e.SignalReceived)}


def labels(history: list[Event]) -> dict[StepId, str]:
    return {x.step: x.source for x in history if isinstance(x, e.SignalAwaited)}


def check_records(life: Life) -> None:
    """The journal names for each signal the wait that was given it, and nobody else."""
    history = life.machine.events
    by_number, by_step = values(history), labels(history)
    recorded = {by_step[step]: by_number[n] for n, step in takers(history).items() if step in by_step}
    assert recorded == life.walk.got
    if life.machine.progress is Progress.WAITING:
        parked = [w.event for w in life.machine.execution.parked.values() if isinstance(w.event, e.SignalAwaited)]
        for name in "xy":
            assert [*waits_for_signals(history, name)] == [w.step for w in parked if w.name == name]


def restartable(history: list[Event]) -> list[StepId]:
    found: list[StepId] = []
    for event in history:
        if isinstance(event, e.CancelRequested):
            break
        if isinstance(event, OPERATIONS):
            found.append(event.step)
    return found


def restarted(life: Life, step: StepId) -> tuple[RestartPlan, Life]:
    kept = plan_restart(life.machine.history, step, successor=IT, now=AGAIN_AT, again_by="restart")
    mark = e.HistoryCopied(invocation_id=IT, fields={}, lengths={}, maps={})
    history = [STARTED, *(event for _, event in kept.events), mark, *(event for _, event in kept.late)]
    return kept, begin(life.walk.program, history, life.sent)


def was_over_when_begun(history: list[Event], step: StepId) -> bool:
    """Whether a deadline of its branch, or of one around, had passed in the journal before it was begun. The handler had perhaps
    not been given that yet; then what it began was over at once."""
    begun = next(at for at, x in enumerate(history) if isinstance(x, OPERATIONS) and x.step == step)
    blocks = {x.step: x.block or x.step for x in history[:begun] if isinstance(x, e.DeadlineScheduled)}
    passed = [blocks[x.step] for x in history[:begun] if isinstance(x, e.TimerFired) and x.step in blocks]
    was_stopped = any(isinstance(x, (e.WaitDropped, e.StepAborted)) and x.step == step for x in history[begun:])
    return was_stopped and any(step.startswith(deadline.rpartition(".")[0]) for deadline in passed)


def check_restart(life: Life, step: StepId) -> Life:
    """It asks again where it went back to, and every other wait has what it had.

    In a race what is kept may let another branch win at once, so that this one is not asked any more; nor is one that was begun
    when its time was over already.
    """
    original = life.machine.events
    took = takers(original)
    number = next((n for n, taker in took.items() if taker == step), None)
    kept, again = restarted(life, step)
    assert again.machine.progress is not Progress.MISMATCHED, again.machine.mismatch
    check_records(again)
    if number is not None:
        assert values(original)[number] not in again.walk.got.values()
    if "race" in str(life.walk.program) or was_over_when_begun(original, step):
        return again
    assert step in again.machine.execution.parked, "it asks again"
    assert again.machine.execution.parked[step].interruption is None
    begun = {event.step for _, event in kept.events if isinstance(event, e.SignalAwaited)}
    before = {labels(original)[t]: values(original)[n] for n, t in took.items() if t in begun and t != step}
    assert before.items() <= again.walk.got.items(), "the other waits have what they had"
    return again


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_wait_is_recorded_with_its_signal_and_a_restart_asks_again(seed: int) -> None:
    random = Random(seed)
    for _ in range(5):
        life = begin(program(random))
        check_records(life)
        life.go_on(random)
        check_records(life)
        for where in restartable(life.machine.events):
            again = check_restart(life, where)
            sent = again.sent
            again.go_on(random, with_cancel=False)
            check_records(again)
            label = labels(life.machine.events).get(where)
            if label in again.walk.got and label in life.walk.got:
                assert int(again.walk.got[label][1:]) >= sent, "it took a signal that came for it"
            steps = restartable(again.machine.events)
            for further in random.sample(steps, min(2, len(steps))):
                check_restart(again, further).machine.execution.close()


def test_the_lives_go_everywhere() -> None:
    met: dict[str, int] = {}
    for seed in range(SEEDS):
        random = Random(seed)
        life = begin(program(random))
        life.go_on(random)
        for event in life.machine.events:
            name = type(event).__name__ + (
                "" if not isinstance(event, e.SignalAwaited) or not event.ready else " at once"
            )
            met[name] = met.get(name, 0) + 1
    assert met.keys() >= {"SignalReassigned", "SignalAwaited at once", "WaitDropped", "StepAborted", "CancelRequested"}


# Promises, one by one.


def given(handler: Callable[[], Awaitable[object]], *completions: Event) -> Machine:
    return Machine(handler).give(*completions)


def again_from(machine: Machine, step: str) -> Machine:
    kept = plan_restart(machine.history, StepId(step), successor=IT, now=AGAIN_AT, again_by="restart")
    mark = e.HistoryCopied(invocation_id=IT, fields={}, lengths={}, maps={})
    return Machine(machine.handler, [STARTED, *(x for _, x in kept.events), mark, *(x for _, x in kept.late)])


async def asked_twice() -> list[str]:
    with actors.move_on_after(5) as scope:
        return ["in time", await actors.signal("approve", str)]
    assert scope.cancelled_caught
    return ["late", await actors.signal("approve", str), await work()]


def test_a_signal_that_came_after_a_deadline_while_it_was_held_is_the_next_waits() -> None:
    machine = Machine(asked_twice).keep(timer("1"), signal("approve", "anna")).go_on()
    reassigned = [event for event in machine.events if isinstance(event, e.SignalReassigned)]
    assert [(event.signal, event.step) for event in reassigned] == [(1, "3")]
    again = again_from(machine, "3")
    assert [*again.waits_for] == ["3"]
    assert again.give(signal("approve", "bob"), step_done("4", "done")).result == ["late", "bob", "done"]


async def side_by_side() -> list[str]:
    got = ["", ""]

    async def child(place: int) -> None:
        got[place] = await actors.signal("approve", str)

    async with actors.open_nursery() as nursery:
        nursery.start_soon(child, 0)
        nursery.start_soon(child, 1)
    return got


@pytest.mark.parametrize(("step", "result"), [("1.1.1", ["carl", "bob"]), ("1.2.1", ["anna", "carl"])])
def test_of_two_waits_for_one_name_the_other_keeps_its_signal(step: str, result: list[str]) -> None:
    machine = given(side_by_side, signal("approve", "anna"), signal("approve", "bob"))
    again = again_from(machine, step)
    assert [*again.waits_for] == [step]
    assert again.give(signal("approve", "carl")).result == result


async def one_after_the_other() -> list[str]:
    return [await actors.signal("approve", str), await work(), await actors.signal("approve", str)]


def test_a_wait_that_is_gone_back_to_takes_no_signal_that_was_kept() -> None:
    signals = [signal("approve", name) for name in ("anna", "bob")]
    for history in ([*signals, step_done("2", "w")], [signals[0], step_done("2", "w"), signals[1]]):
        again = again_from(given(one_after_the_other, *history), "1")
        assert [*again.waits_for] == ["1"]
        assert again.give(signal("approve", "carl"), step_done("2", "w")).result == ["carl", "w", "bob"]


async def buffered_first() -> list[str]:
    return [await work(), *await one_after_the_other()]


def test_a_wait_that_took_a_kept_signal_asks_again_although_another_is_kept() -> None:
    machine = given(buffered_first, signal("approve", "anna"), signal("approve", "bob"), step_done("1", "w"))
    again = again_from(machine, "2")
    assert [*again.waits_for] == ["2"]
    again.give(signal("approve", "carl"), step_done("3", "w"))
    assert again.result == ["w", "carl", "w", "bob"]


def test_a_wait_that_a_deadline_ended_is_asked_again_with_all_its_time() -> None:
    machine = given(asked_twice, timer("1"), signal("approve", "anna"), step_done("4"))
    again = again_from(machine, "2")
    assert [*again.waits_for] == ["2"]
    (deadline,) = [event for event in again.events if isinstance(event, e.DeadlineScheduled)]
    assert deadline.expires_at > AGAIN_AT
    assert again.give(signal("approve", "bob")).result == ["in time", "bob"]


async def two_in_time() -> list[str]:
    seen: list[str] = []
    with actors.move_on_after(5):
        seen.append(await actors.signal("approve", str))
        seen.append(await actors.signal("approve", str))
    return [*seen, await work()]


def test_a_deadline_that_passed_after_the_signal_while_it_was_held_does_not_end_the_wait() -> None:
    signals = [signal("approve", name) for name in ("anna", "bob")]
    for came in ([*signals, timer("1")], [signals[0], signals[1], timer("1"), signal("approve", "late")]):
        machine = Machine(two_in_time).keep(*came).go_on()
        assert machine.give(step_done("4", "done")).result == ["anna", "bob", "done"]
        again = again_from(machine, "3")
        assert [*again.waits_for] == ["3"]
        assert again.give(signal("approve", "carl"), step_done("4", "done")).result == ["anna", "carl", "done"]


def test_a_step_that_a_deadline_stopped_runs_again_with_all_its_time() -> None:
    async def it() -> str:
        with actors.move_on_after(5):
            return await work()
        return "too late"

    machine = given(it, timer("1"), step_aborted("2"))
    again = again_from(machine, "2")
    assert again.waits_for == {"2": None}
    assert again.give(step_done("2", "in time")).result == "in time"


def test_a_restart_of_a_restart_asks_again_too() -> None:
    machine = given(one_after_the_other, signal("approve", "anna"), step_done("2", "w"), signal("approve", "bob"))
    second = again_from(machine, "1").give(signal("approve", "carl"), step_done("2", "w"))
    assert second.result == ["carl", "w", "bob"]
    third = again_from(second, "3")
    assert [*third.waits_for] == ["3"]
    assert third.give(signal("approve", "dora")).result == ["carl", "w", "dora"]


def test_code_that_asks_before_its_signal_had_come_differs_from_its_journal() -> None:
    async def before() -> str:
        await work()
        return await actors.signal("approve", str)

    async def after() -> str:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(work)
        return await actors.signal("approve", str)

    async def earlier() -> str:
        async def child() -> None:
            await work()

        child().close()
        return await actors.signal("approve", str)

    machine = given(before, signal("approve", "anna"), step_done("1", "w"))
    asked = [event for event in machine.events if isinstance(event, e.SignalAwaited)]
    assert [(event.step, event.ready, event.signal, event.handed_over) for event in asked] == [("2", True, 1, 2)]
    early = [STARTED, attrs.evolve(asked[0], step=StepId("1")), machine.events[2]]
    assert "waiting for signal 'approve' (step 1)" in Machine(earlier, early).mismatch
    assert "step 'work' (step 1)" in Machine(after, machine.events).mismatch
