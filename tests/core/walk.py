"""A random walk through the life of one object: every command that an engine could bring it, in any order.

The walker is an engine in a nutshell. It keeps the timers that it was told to set, runs the steps that it was told to run,
has an attempt of an invocation exactly while the object wants one, and brings everything else whenever it likes: late,
twice, for somebody who has ended or never was. After each command it checks what must hold of every object at all times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from actors.core import commands as c
from actors.core import effects as f
from actors.core.decide import decide
from actors.core.evolve import evolve
from actors.core.gates import EVERYTHING, NO_GATES, Gate, Gates, GateState
from actors.core.owed import may_run, needs_recovery, pending, timers_of
from actors.core.react import react
from actors.core.requests import is_request
from actors.core.snapshots import decode_snapshot, encode_snapshot
from actors.core.state import Changes, WaitKind
from actors.errors import TerminalError
from actors.values.limits import Limits
from actors.values.retries import RetryPolicy
from journal import events as e
from journal.codec import decode_record, encode_record
from journal.events import (
    Children,
    Mode,
    Outcome,
    OutcomeKind,
    PauseCause,
    PauseMode,
    Stamp,
    Status,
    Stop,
)
from journal.ids import ROOT_STEP, StepId
from tests.core.situations import BROKEN, CALLEE, CALLER, TARGET, accepted, cancel, invoke, outcome_of, resume
from tests.core.story import STREAM, nth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actors.core.commands import Command, Decidable
    from actors.core.state import InvocationState, ObjectState
    from journal.events import Event, Recorded
    from journal.ids import InvocationId

T = TypeVar("T")

LIMITS = Limits(mailbox=4, signals=3)
DEPLOYMENTS = [None, "dep_a", "dep_b"]
POLICIES = [
    RetryPolicy(max_attempts=2, initial_delay=10.0),
    RetryPolicy(max_attempts=2, initial_delay=10.0, on_exhausted="fail"),
    RetryPolicy(max_attempts=None, initial_delay=10.0),
]
SPENT: list[dict[str, str]] = [{}, {"tokens": "0.5"}]
_TIMED = (WaitKind.SLEEP, WaitKind.DEADLINE)
_TO_BE_GIVEN = (
    e.StepCompleted,
    e.StepAborted,
    e.TimerFired,
    e.CallCompleted,
    e.VerbAnswered,
    e.CancelRequested,
    e.CancelDeliveredEarlier,
    e.HistoryCopied,
    e.AttemptFailed,
)
"""The events after which a handler has a turn to take, besides the signals that it waits for."""
_MUST_WAIT = frozenset({Status.SCHEDULED, Status.QUEUED})

GATE = Gate(scope=EVERYTHING, state=GateState.CLOSED, since=0.0, by="tests")

Stride = tuple[str, int, int]
"""One move: what, of which invocation, and a number to choose among the ways to do it."""


class Walker:
    """An object, and what its engine has to do for it. ``reached`` collects which event met which status."""

    def __init__(self) -> None:
        self.state: ObjectState | None = None
        self.events: list[Recorded] = []
        self.reached: set[tuple[type, Status]] = set()
        self._now = 1_000.0
        self._timers: dict[tuple[float, str], Command] = {}
        self._running: dict[tuple[InvocationId, StepId], None] = {}
        self._in_line: list[InvocationId] = []
        self._invited = 0
        self._steps = 0
        self._has_met_cancel = False
        self._gates = NO_GATES
        self._unseen: set[InvocationId] = set()

    def walk(self, strides: Iterable[Stride]) -> None:
        """Go, and look after each stride whether all is well."""
        for what, which, how in strides:
            self._now += 1.0
            MOVES[what](self, which, how)
            if self.state is not None:
                self._check(self.state)
        self._check_history()

    # What an engine does.

    def ask(self, command: Decidable) -> None:
        """Let the object decide, and do what it owes. A refusal changes nothing."""
        try:
            events = decide(self.state, command, self._now, LIMITS, self._gates)
        except TerminalError:
            return
        # A handler's requests follow from all that has happened, because it has been given all of it.
        cause = f"#{len(self.events)}" if isinstance(command, c.RecordProgress) else "walk"
        for event in events:
            self._happen(event, cause)
        for invocation in [] if self.is_held else self._open():
            if may_run(invocation):  # its attempt takes up every step that has not ended
                self._running |= dict.fromkeys(
                    (invocation.invocation_id, step)
                    for step, wait in invocation.waits.items()
                    if wait.kind is WaitKind.STEP
                )

    def _happen(self, event: Event, cause: str = "walk") -> None:
        owed = react(self.state, event)
        self._note(event)
        number = len(self.events) + 1
        stamp = Stamp(self._now, cause, "tests")
        self.state = evolve(self.state, number, stamp, event)
        self.events.append(e.Recorded(number, stamp, event))
        for effect in owed:
            self._do(effect)

    def _do(self, effect: f.Effect) -> None:
        match effect:
            case f.SetTimer():
                key = (effect.at, repr(effect.command))
                assert key not in self._timers, f"set twice: {effect}"
                self._timers[key] = effect.command
            case f.RetractTimer():
                self._timers.pop((effect.at, repr(effect.command)), None)
            case f.CopyHistory():
                of = effect.invocation_id
                self._happen(e.FieldsRewound(invocation_id=of, fields={}, lengths={}, logs={}, maps={}, before={}))
                if self._steps % 2:
                    self._happen(e.SignalAwaited(invocation_id=of, step=self.new_step(), name="a"))
                self._happen(e.HistoryCopied(invocation_id=of, fields={}, lengths={}, maps={}))
            case f.EndAttempt() if effect.abort_steps:
                for of, step in [running for running in self._running if running[0] == effect.invocation_id]:
                    del self._running[of, step]

    def _note(self, event: Any) -> None:
        """Watch who comes and who goes: among exclusive ones it is first come, first served."""
        if self.state is None or not hasattr(event, "invocation_id"):
            return
        of: InvocationId = event.invocation_id
        known = self.state.invocations.get(of)
        if known is not None:
            self.reached.add((type(event), known.status))
            self._note_unseen(known, event)
        match event:
            case e.InvocationAccepted(mode=Mode.EXCLUSIVE, scheduled_for=None):
                self._in_line.append(of)
            case e.InvocationDue() if known is not None and known.mode is Mode.EXCLUSIVE:
                self._in_line.append(of)
            case e.InvocationStarted() if known is not None and known.mode is Mode.EXCLUSIVE:
                assert self._in_line[0] == of, f"{of} starts before {self._in_line[0]}, which came first"
                self._in_line.pop(0)
            case e.InvocationCompleted() if of in self._in_line:
                self._in_line.remove(of)
        if isinstance(event, e.InvocationCompleted) and event.outcome.kind is OutcomeKind.SUCCEEDED:
            is_cancelled = known is not None and known.cancel is not None
            assert self._has_met_cancel or not is_cancelled, f"{of} was cancelled, and succeeded all the same"

    def _note_unseen(self, invocation: InvocationState, event: Any) -> None:
        is_awaited = isinstance(event, e.SignalReceived) and event.step in invocation.waits
        if isinstance(event, _TO_BE_GIVEN) or is_awaited:
            self._unseen.add(invocation.invocation_id)
        elif is_request(event):
            self._unseen.discard(invocation.invocation_id)

    # Whom to ask.

    def _open(self) -> list[InvocationState]:
        return [] if self.state is None else [*self.state.invocations.values()]

    def anybody(self, which: int) -> InvocationId:
        """One that is open, has ended, or never was."""
        return nth(1 + which % (self._invited + 1))

    def with_an_attempt(self, which: int) -> InvocationState | None:
        """One whose handler is in memory."""
        return _pick(self.with_attempts(), which)

    def with_attempts(self) -> list[InvocationState]:
        """Those whose handlers are in memory."""
        return [i for i in self._open() if may_run(i) and not self.is_held]

    def running_step(self, which: int) -> tuple[InvocationId, StepId] | None:
        """A step whose body runs."""
        return _pick([*self._running], which)

    def end_step(self, of: InvocationId, step: StepId) -> None:
        """The body has ended."""
        self._running.pop((of, step), None)

    def invite(self) -> InvocationId:
        """The id of somebody new."""
        self._invited += 1
        return nth(self._invited)

    def has_met_cancel(self, how: int) -> bool:
        """Whether the handler that ends now has met its cancel, should there be one."""
        self._has_met_cancel = how % 4 == 0
        return self._has_met_cancel

    def new_step(self) -> StepId:
        """A place where nothing was started before."""
        self._steps += 1
        return StepId(str(self._steps))

    def date(self, how: int) -> float:
        """Some time from now; no two are the same."""
        return self._now + 5.0 + how / 16

    def fire(self, which: int) -> None:
        """The date of a timer has come."""
        key = _pick([*self._timers], which)
        if key is not None:
            self.ask(self._timers.pop(key))

    def is_set(self, command: Command) -> bool:
        """Whether a timer is to bring the command."""
        return repr(command) in (said for _, said in self._timers)

    @property
    def is_held(self) -> bool:
        """Whether a gate is closed before all of it."""
        return len(self._gates) > 0

    def turn(self) -> None:
        """Close the gate, or open it and wake what it held."""
        self._gates = NO_GATES if self.is_held else Gates([GATE])
        if self.state is not None and not self.is_held:
            self.ask(c.StartWaiting())

    # What must hold.

    def _check(self, state: ObjectState) -> None:
        for invocation in state.invocations.values():
            _check_invocation(state, invocation, is_held=self.is_held)
        if not self.is_held:
            _check_next(state)
        _check_queue(state)
        self._check_timers(state)
        attempts = [
            i.invocation_id
            for i in state.invocations.values()
            if may_go_on(i) and (i.invocation_id in self._unseen or does_something(i) or has_what_it_awaits(i))
        ]
        assert [o.invocation_id for o in pending(state) if isinstance(o, f.StartAttempt)] == attempts
        pauses = [i.invocation_id for i in state.invocations.values() if i.pending_pause is not None]
        assert [o.invocation_id for o in pending(state) if isinstance(o, f.CheckDrained)] == pauses
        assert [o for o in pending(state, self._gates) if isinstance(o, f.StartAttempt)] == (
            [] if self.is_held else [f.StartAttempt(of) for of in attempts]
        )
        waits_for_nobody = [of for of in state.queue[:1] if state.holder is None] + [
            i.invocation_id
            for i in state.invocations.values()
            if i.mode is Mode.SHARED and i.waits_for not in state.invocations
        ]
        is_kept_waiting = any(state.invocations[of].status is Status.QUEUED for of in waits_for_nobody)
        assert needs_recovery(state) is (bool(pending(state)) or is_kept_waiting)
        assert decode_snapshot(STREAM, state.version, encode_snapshot(state)) == state
        for invocation in state.invocations.values():
            kinds = [wait.kind for wait in invocation.waits.values()]
            assert invocation._running_steps == kinds.count(WaitKind.STEP)
            assert invocation._failed_steps == kinds.count(WaitKind.STEP_RETRY)

    def _check_timers(self, state: ObjectState) -> None:
        wanted = {(at, repr(command)) for i in state.invocations.values() for at, command in _dates_of(i)}
        assert {(timer.at, repr(timer.command)) for timer in timers_of(state)} == wanted
        missing, left = wanted - self._timers.keys(), self._timers.keys() - wanted
        assert not missing, f"nobody will bring {missing}"
        assert not left, f"nobody waits any more for {left}"

    def _check_history(self) -> None:
        """The events alone, as bytes, give the same object."""
        again: ObjectState | None = None
        written = encode_record((r.stamp, r.event) for r in self.events)
        for recorded in decode_record(written, 1) if written else ():
            again = evolve(again, recorded.number, recorded.stamp, recorded.event)
        assert again == self.state


def _pick(among: Sequence[T], which: int) -> T | None:
    return among[which % len(among)] if among else None


def may_go_on(invocation: InvocationState) -> bool:
    """Whether its handler may go on, in other words than the code's."""
    return (
        invocation.status in (Status.RUNNING, Status.SUSPENDED, Status.BACKING_OFF)
        and invocation.retry_at is None
        and invocation.pending_pause is None
    )


def does_something(invocation: InvocationState) -> bool:
    """Whether its code or a step of it runs."""
    kinds = {wait.kind for wait in invocation.waits.values()}
    return not kinds or WaitKind.STEP in kinds


def has_what_it_awaits(invocation: InvocationState) -> bool:
    """Whether a signal that it waits for came before the wait, so that its handler has not been given it."""
    awaited = {wait.name for wait in invocation.waits.values() if wait.kind is WaitKind.SIGNAL}
    return not awaited.isdisjoint(invocation.signals)


def _check_invocation(state: ObjectState, invocation: InvocationState, *, is_held: bool) -> None:
    status = invocation.status
    backs_off = invocation.retry_at is not None or any(
        wait.kind is WaitKind.STEP_RETRY for wait in invocation.waits.values()
    )
    assert status is not Status.COMPLETED, "what has ended is forgotten"
    if status in _MUST_WAIT:
        assert not invocation.is_started
        assert (invocation.waits, invocation.changes, invocation.unseen) == ({}, Changes(), 0)
        assert (status is Status.SCHEDULED) == (invocation.scheduled_for is not None)
    elif status is not Status.PAUSED:
        assert invocation.is_started
        assert invocation.scheduled_for is None
        assert (status is Status.BACKING_OFF) == backs_off
        assert backs_off or (status is Status.RUNNING) == does_something(invocation)
        assert (invocation.pause_reason, invocation.pause_cause) == ("", None)
    else:
        assert invocation.pause_cause is not None
    assert invocation.pending_pause is None or status in (Status.RUNNING, Status.BACKING_OFF)
    assert invocation.is_started or invocation.cancel is None, "what has not started is cancelled at once"
    kept = [signal for numbers in invocation.signals.values() for signal in numbers]
    assert len(set(kept)) == len(kept)
    assert all(invocation.signals.values())
    assert all(0 < signal <= invocation.signals_received for signal in kept)
    assert all(wait.at is None for wait in invocation.waits.values() if wait.kind is WaitKind.STEP)
    if invocation.mode is Mode.EXCLUSIVE:
        assert (state.holder == invocation.invocation_id) == invocation.is_started
        is_in_line = not invocation.is_started and invocation.scheduled_for is None
        assert (invocation.invocation_id in state.queue) == is_in_line
    else:
        waits = invocation.waits_for is not None and invocation.waits_for in state.invocations
        assert (status is Status.QUEUED) <= (waits or is_held), (
            "what is shared waits for nobody but the one that it repeats"
        )


def _check_queue(state: ObjectState) -> None:
    assert len(state.queue) == len({*state.queue})
    assert state.holder not in state.queue
    for waiting in [*state.queue, *([] if state.holder is None else [state.holder])]:
        assert state.invocations[waiting].mode is Mode.EXCLUSIVE


def _check_next(state: ObjectState) -> None:
    if state.queue and state.holder is None:
        assert state.invocations[state.queue[0]].status is Status.PAUSED, "a free object starts whoever is next"


def _dates_of(invocation: InvocationState) -> list[tuple[float, Command]]:
    """What a timer must bring it."""
    of = invocation.invocation_id
    dates: list[tuple[float, Command]] = []
    if invocation.scheduled_for is not None:
        dates.append((invocation.scheduled_for, c.StartDue(invocation_id=of)))
    if invocation.expires_at is not None:
        dates.append((invocation.expires_at, c.ExpireInvocation(invocation_id=of)))
    if invocation.cancel is not None and invocation.cancel.kill_at is not None:
        impatient = c.KillInvocation(invocation_id=of, reason="cancelled, but not completed in time")
        dates.append((invocation.cancel.kill_at, impatient))
    is_held = invocation.status is Status.PAUSED
    if invocation.retry_at is not None and not is_held:
        dates.append((invocation.retry_at, c.RetryAttempt(invocation_id=of)))
    for step, wait in invocation.waits.items():
        if wait.kind in _TIMED or (wait.kind is WaitKind.STEP_RETRY and not is_held):
            assert wait.at is not None
            dates.append((wait.at, c.FireTimer(invocation_id=of, step=step)))
    return dates


# Moves.


def _invoke(walker: Walker, which: int, how: int) -> None:
    of = walker.anybody(which) if how % 5 == 4 else walker.invite()
    if of in {getattr(recorded.event, "invocation_id", None) for recorded in walker.events} and (
        walker.state is None or of not in walker.state.invocations
    ):
        return  # that one has ended: the door knows
    walker.ask(
        invoke(
            invocation_id=of,
            argument=b"1",
            mode=Mode.SHARED if how % 3 == 2 else Mode.EXCLUSIVE,
            scheduled_for=walker.date(how) if how % 4 == 3 else None,
            debounce="k" if how % 8 == 3 else None,
            max_delay=5.0 if how % 16 == 3 else None,
            caller=CALLER if how % 2 and how % 8 != 3 else None,
            atomic=how % 7 == 6,
            budget={"n": "1"} if how % 3 == 1 else None,
        )
    )


def _verb(make: Callable[[InvocationId, int], Decidable]) -> Callable[[Walker, int, int], None]:
    return lambda walker, which, how: walker.ask(make(walker.anybody(which), how))


def _cancel(of: InvocationId, how: int) -> c.ResolvedCancel:
    kill_after = [None, 2.5, 7.5][how % 3]
    children = Children.ALL if how % 2 else Children.CALLED
    return cancel(of, kill_after=kill_after, children=children, spares=how % 5 == 4)


def _pause(of: InvocationId, how: int) -> Command:
    return c.PauseInvocation(invocation_id=of, reason="why", mode=PauseMode.NOW if how % 2 else PauseMode.DRAIN)


def _resume(walker: Walker, which: int, how: int) -> None:
    of = walker.anybody(which)
    invocation = None if walker.state is None else walker.state.invocations.get(of)
    if how % 2 and invocation is not None and invocation.budget is not None and invocation.cancel is None:
        asked = c.ResumeInvocation(invocation_id=of, reason="why", budget={"n": "1"})
        walker.ask(c.ResolvedResume(asked=asked, deployment=DEPLOYMENTS[how % 3]))
    else:
        walker.ask(resume(of, DEPLOYMENTS[how % 3]))


def _purge(walker: Walker, which: int, _: int) -> None:
    if walker.state is not None:
        walker.ask(c.PurgeInvocations(invocation_ids=[walker.anybody(which)]))


def _restart(walker: Walker, which: int, how: int) -> None:
    if walker.state is None or how % 4:
        return
    original = walker.anybody(which)
    asked = c.RestartInvocation(
        invocation_id=original,
        successor=walker.invite(),
        reason="why",
        stop=[None, Stop.KILL, Stop.CANCEL][how // 4 % 3],
        hand_over=how % 8 == 0,
    )
    walker.ask(
        c.ResolvedRestart(
            asked=asked,
            original=accepted(original, mode=Mode.SHARED if how % 3 else Mode.EXCLUSIVE),
            original_at=0.0,
            deployment="",
            step=StepId("1") if how % 5 else ROOT_STEP,
        )
    )


def _turn_gate(walker: Walker, _: int, how: int) -> None:
    if walker.is_held or how % 8 == 0:  # behind a gate little happens
        walker.turn()


def _fire(walker: Walker, which: int, _: int) -> None:
    walker.fire(which)


def _come_late(walker: Walker, which: int, how: int) -> None:
    """A timer that was retracted too late, or an answer that nobody waits for."""
    of, step = walker.anybody(which), StepId(str(how))
    late: list[Command] = [
        c.StartDue(invocation_id=of),
        c.FireTimer(invocation_id=of, step=step),
        c.RetryAttempt(invocation_id=of),
        c.FinishDrain(invocation_id=of),
        c.CompleteCall(invocation_id=of, step=step, outcome=Outcome(OutcomeKind.SUCCEEDED, b"1")),
        c.CompleteVerb(invocation_id=of, step=step, answer=None, refusal=BROKEN),
        c.WithdrawCall(invocation_id=of, outcome=Outcome(OutcomeKind.FAILED, failure=BROKEN)),
        c.NoteUsedUp(invocation_id=of, paused=CALLEE, over=e.OverBudget(of, "n", "9", str(1 + how % 3))),
    ]
    command = late[how % len(late)]
    if not walker.is_set(command):
        walker.ask(command)


def _handler_goes_on(walker: Walker, which: int, how: int) -> None:
    invocation = walker.with_an_attempt(which)
    if invocation is not None:
        events = [_new_fact(walker, invocation, how + i) for i in range(1 + how % 3)]
        # A handler drops a wait once.
        facts = [event for i, event in enumerate(events) if event is not None and event not in events[:i]]
        walker.ask(c.RecordProgress(invocation_id=invocation.invocation_id, events=facts))


def _new_fact(walker: Walker, invocation: InvocationState, how: int) -> Event | None:
    of = invocation.invocation_id
    droppable = [
        step for step, wait in invocation.waits.items() if wait.kind not in (WaitKind.STEP, WaitKind.STEP_RETRY)
    ]
    called = [step for step, wait in invocation.waits.items() if wait.kind is WaitKind.CALL]
    match how % 17:
        case 0 | 1 | 2:
            return e.StepScheduled(invocation_id=of, step=walker.new_step(), name="work")
        case 3:
            return e.SleepScheduled(invocation_id=of, step=walker.new_step(), wake_at=walker.date(how))
        case 4:
            return e.DeadlineScheduled(invocation_id=of, step=walker.new_step(), expires_at=walker.date(how))
        case 5:
            return e.CallScheduled(
                invocation_id=of, step=walker.new_step(), callee=CALLEE, target=TARGET, argument=b"1"
            )
        case 6:
            return e.AttachScheduled(invocation_id=of, step=walker.new_step(), callee=CALLEE)
        case 8 if invocation.signals_received:
            return _reassigned(walker, invocation, how)
        case 7 | 8:
            return _awaited_signal(walker, invocation, how)
        case 9:
            command = c.encode_verb(c.KillInvocation(invocation_id=CALLEE, reason="why"))
            return e.VerbScheduled(
                invocation_id=of, step=walker.new_step(), verb=e.Verb.KILL, of=CALLEE, argument=command
            )
        case 10:
            return e.SendScheduled(
                invocation_id=of, step=walker.new_step(), callee=CALLEE, target=TARGET, argument=b"1"
            )
        case 11:
            dropped = _pick(droppable, how)
            return None if dropped is None else e.WaitDropped(invocation_id=of, step=dropped)
        case 12 if how // 17 % 2:
            return e.QuantitiesSpent(invocation_id=of, spent={"tokens": f"{how % 3}.5"})
        case 12:
            cancelled = _pick(called, how)
            return None if cancelled is None else e.CallCancelRequested(invocation_id=of, step=cancelled)
        case 13 | 14 | 15:
            return _changed_field(of, how)
        case _:
            return _quiet_fact(of, how)


def _awaited_signal(walker: Walker, invocation: InvocationState, how: int) -> Event:
    name = "ab"[how % 2]
    question = f"q{how % 5}" if how % 3 == 0 and f"q{how % 5}" in invocation.questions else ""
    kept_as = question if question in invocation.signals else name
    kept = _pick(invocation.signals.get(kept_as, []), how) if how % 5 else None
    return e.SignalAwaited(
        invocation_id=invocation.invocation_id,
        step=walker.new_step(),
        name=name,
        ready=kept is not None,
        signal=kept or 0,
        handed_over=how % 9,
        question=question,
    )


def _changed_field(of: InvocationId, how: int) -> Event:
    match how % 17, how // 17 % 2:
        case 13, 1:
            return e.FieldsInitialized(invocation_id=of, fields={"a": b"0", "c": b"0"})
        case 13, _:
            return e.FieldsChanged(invocation_id=of, fields={"a": b"1"})
        case 14, 1:
            return e.LogConverted(invocation_id=of, field="lines", items=[b"0"])
        case 14, _:
            return e.LogExtended(invocation_id=of, field="lines", items=[b"1"])
        case _, 1:
            return e.MapConverted(invocation_id=of, field="items", items={"y": b"0"})
        case _:
            return e.MapChanged(invocation_id=of, field="items", items={"x": b"1"})


def _reassigned(walker: Walker, invocation: InvocationState, how: int) -> Event:
    of = invocation.invocation_id
    received = [r.event for r in walker.events if isinstance(r.event, e.SignalReceived) and r.event.invocation_id == of]
    signal = received[how % len(received)]
    waits = [step for step, w in invocation.waits.items() if w.kind is WaitKind.SIGNAL and w.name == signal.name]
    return e.SignalReassigned(
        invocation_id=of,
        signal=signal.signal,
        name=signal.name,
        step=_pick([*waits, None], how // 17),
        question=signal.question,
    )


def _quiet_fact(of: InvocationId, how: int) -> Event:
    facts: list[Event] = [
        e.QuestionAsked(
            invocation_id=of, step=StepId("1"), name="ab"[how % 2], question=f"q{how % 5}", asked_by=of, choices=["yes"]
        ),
        e.PatchMarked(invocation_id=of, name="new"),
        e.StatusTextChanged(invocation_id=of, text="new"),
        e.ReadsPinned(invocation_id=of, fields={}, lengths={}),
        e.ItemsPinned(invocation_id=of, field="items", items={}),
    ]
    return facts[how // 17 % len(facts)]


def _handler_ends(walker: Walker, which: int, how: int) -> None:
    invocation = walker.with_an_attempt(which)
    if invocation is None:
        return
    of = invocation.invocation_id
    outcome = outcome_of([*OutcomeKind][how % 3], b"1")
    endings: list[Command] = [
        c.FinishAttempt(
            invocation_id=of,
            events=[e.FieldsChanged(invocation_id=of, fields={"b": b"2"})],
            outcome=outcome,
            handed_over=how % 4,
            has_met_cancel=walker.has_met_cancel(how // 4),
        ),
        c.FailAttempt(invocation_id=of, failure=BROKEN, handed_over=0, policy=POLICIES[how % 3], jitter=0.5),
        c.FailAttempt(invocation_id=of, failure=BROKEN, handed_over=0, policy=POLICIES[2], jitter=0.5),
        c.PauseAttempt(invocation_id=of, cause=PauseCause.MISMATCH, reason="differs", failure=BROKEN),
    ]
    walker.ask(endings[how % len(endings)])


def _cancelled_handler_returns(walker: Walker, which: int, how: int) -> None:
    """It has met its cancel, or it has not."""
    cancelled = [i for i in walker.with_attempts() if i.cancel is not None]
    invocation = _pick(cancelled, which)
    if invocation is not None:
        returns = Outcome(OutcomeKind.SUCCEEDED, b"1")
        walker.ask(
            c.FinishAttempt(
                invocation_id=invocation.invocation_id,
                events=[],
                outcome=returns,
                has_met_cancel=walker.has_met_cancel(how),
            )
        )


def _step_ends(walker: Walker, which: int, how: int) -> None:
    running = walker.running_step(which)
    if running is None:
        return
    of, step = running
    endings: list[Command] = [
        c.CompleteStep(
            invocation_id=of, step=step, outcome=Outcome(OutcomeKind.SUCCEEDED, b"1"), spent=SPENT[how // 4 % 2]
        ),
        c.FailStep(
            invocation_id=of, step=step, failure=BROKEN, policy=POLICIES[how % 3], jitter=0.5, spent=SPENT[how // 4 % 2]
        ),
        c.FailStep(invocation_id=of, step=step, failure=BROKEN, policy=POLICIES[2], jitter=0.5),
        c.AbortStep(invocation_id=of, step=step, spent=SPENT[how // 4 % 2]),
    ]
    walker.ask(c.NoteHeartbeat(invocation_id=of, step=step, details=b"7"))
    walker.end_step(of, step)
    walker.ask(endings[how % len(endings)])


def _step_is_stopped(walker: Walker, which: int, how: int) -> None:
    """A handler no longer wants a step, whether it runs or waits for its next try."""
    invocation = walker.with_an_attempt(which)
    kinds = (WaitKind.STEP, WaitKind.STEP_RETRY)
    steps = [] if invocation is None else [s for s, wait in invocation.waits.items() if wait.kind in kinds]
    step = _pick(steps, how)
    if invocation is not None and step is not None:
        walker.end_step(invocation.invocation_id, step)
        walker.ask(c.AbortStep(invocation_id=invocation.invocation_id, step=step))


def _what_it_waits_for_comes(walker: Walker, which: int, how: int) -> None:
    if walker.state is None:
        return
    invocation = walker.state.invocations.get(walker.anybody(which))
    waits = [] if invocation is None else [*invocation.waits.items()]
    for step, wait in waits[how % len(waits) :] if waits else []:
        assert invocation is not None
        of = invocation.invocation_id
        if wait.kind in (WaitKind.CALL, WaitKind.ATTACH):
            again = c.TransferCall(invocation_id=of, step=step, callee=nth(90 + how))
            ends = c.CompleteCall(invocation_id=of, step=step, outcome=Outcome(OutcomeKind.SUCCEEDED, b"1"))
            walker.ask(again if how % 3 == 0 else ends)
            return
        if wait.kind is WaitKind.VERB:
            walker.ask(c.CompleteVerb(invocation_id=of, step=step, answer=None, refusal=BROKEN))
            return


def _attach(walker: Walker, which: int, how: int) -> None:
    of, by = walker.anybody(which), attrs.evolve(CALLER, step=StepId(str(how % 3)))
    walker.ask(c.Attach(invocation_id=of, by=by))
    if how % 4:
        walker.ask(c.Detach(invocation_id=of, by=by))


MOVES: dict[str, Callable[[Walker, int, int], None]] = {
    "invoke": _invoke,
    "cancel": _verb(_cancel),
    "kill": _verb(lambda of, how: c.KillInvocation(invocation_id=of, reason="why", spares=how % 5 == 4)),
    "pause": _verb(_pause),
    "resume": _resume,
    "signal": _verb(lambda of, how: c.SignalInvocation(invocation_id=of, name="ab"[how % 2], value=b"1")),
    "answer": _verb(
        lambda of, how: c.SignalInvocation(invocation_id=of, name="ab"[how % 2], value=b"1", question=f"q{how % 5}")
    ),
    "reschedule": _verb(lambda of, how: c.RescheduleInvocation(invocation_id=of, reason="why", delay=float(how % 3))),
    "attach": _attach,
    "purge": _purge,
    "restart": _restart,
    "a gate turns": _turn_gate,
    "a date comes": _fire,
    "something comes late": _come_late,
    "a handler goes on": _handler_goes_on,
    "a handler ends": _handler_ends,
    "a cancelled handler returns": _cancelled_handler_returns,
    "a step ends": _step_ends,
    "a step is stopped": _step_is_stopped,
    "what is waited for comes": _what_it_waits_for_comes,
}
OFTEN = [*MOVES, *["invoke", "resume"] * 2, "reschedule", *["a handler goes on", "a step ends", "a date comes"] * 3]
"""The moves, those that get somewhere more often than those that end everything."""
