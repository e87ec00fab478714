"""The replay machine by itself: a handler, its journal, and no event loop anywhere.

What a handler waits for ends when a test says so. It may go on with the execution it has, or with a new one that replays the
journal: nobody must see the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.core.requests import is_request
from actors.core.resumed import resumed_turn, step_turn
from actors.model.contexts import HandlerContext
from actors.replay.branches import Branch, Operation
from actors.replay.execution import Execution, Progress
from actors.replay.plan import ReplayPlan, replay_plan
from actors.values.failures import failed, is_cancel, is_terminal
from actors.values.limits import DEFAULT_LIMITS, Limits
from actors.values.retries import DEFAULT_RETRY
from journal import events as e
from journal.events import Outcome, OutcomeKind, Recorded
from journal.fused import RecordedTurn, ResumedTurn, StepTurn
from journal.ids import StepId, invocation_id, stream_of
from journal.waits import ended_in
from tests.core.story import nth, stamp_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from actors.replay.requests import StateView
    from journal.events import Event
    from journal.fused import Lived

IT = nth(1)
LIMITED = Limits(payload_bytes=1_000)
TARGET = e.Target("It", None, "it")
STARTED = e.InvocationStarted(invocation_id=IT)


class NoFields:
    """An object that nobody reads or writes."""

    may_have_changes = False

    def take_changes(self, *, ended: bool) -> Sequence[Event]:
        return ()

    def take_back(self, *, ended: bool) -> BaseException | None:
        return None

    def go_on_from(self, changes: Sequence[Event]) -> None:
        pass


class LongWay(Execution):
    """A replay that passes nothing by: it hands over one completion after the other."""

    def _pass_by(self, branch: Branch, operation: Operation) -> None:
        pass


class Counted(Execution):
    """A replay that counts what it passes by."""

    passed = 0

    def _pass_by(self, branch: Branch, operation: Operation) -> Any:
        answer = super()._pass_by(branch, operation)
        self.passed += answer is not None and answer is not operation
        return answer


def turn_of(completed: Recorded, requests: Sequence[Event], turned_at: float) -> StepTurn | ResumedTurn | None:
    """The end of a wait and what follows as one frame, if they can be one."""
    event, stamp = completed.event, completed.stamp
    if isinstance(event, e.StepCompleted) and event.outcome.kind is OutcomeKind.SUCCEEDED:
        if event.attributes:
            return None
        return step_turn(
            event.invocation_id, event.step, event.outcome.value, requests, at=stamp.at, turned_at=turned_at
        )
    ended = ended_in(event)
    if ended is None:
        return None
    return resumed_turn(event.invocation_id, (ended, stamp), requests, turned_at=turned_at)


def as_turns(history: Sequence[Recorded]) -> list[Lived]:
    """The history as it is read from a store that has recorded as much of it as possible as turns after waits."""
    lived: list[Lived] = []
    at = 0
    while at < len(history):
        first, following = history[at], history[at + 1 : at + 3]
        turn: StepTurn | ResumedTurn | None = None
        while turn is None and following:
            turn = turn_of(first, [recorded.event for recorded in following], following[0].stamp.at)
            following = following[:-1]
        lived.append(first if turn is None else RecordedTurn(first.number, first.number + turn.count - 1, turn))
        at += 1 if turn is None else turn.count
    return lived


class Machine:
    """A handler and what has happened to it. ``history`` grows by what it asks for and by what it is given, ``output`` by what it
    emits. With ``reads_turns``, it is replayed from :func:`as_turns`."""

    def __init__(
        self,
        handler: Callable[[], Awaitable[object]],
        history: Iterable[Event] = (STARTED,),
        *,
        limits: Limits = DEFAULT_LIMITS,
        state: StateView | None = None,
        execution_type: type[Execution] = Execution,
        output: Iterable[bytes] = (),
        reads_turns: bool = False,
    ) -> None:
        self.handler = handler
        self.output = [*output]
        self.limits = limits
        self.state = state or NoFields()
        self.execution_type = execution_type
        self.history: list[Recorded] = []
        for event in history:
            self._record(event)
        self._held_back: list[Recorded] = []
        lines = replay_plan(as_turns(self.history) if reads_turns else self.history, emitted=len(self.output))
        self.execution = self._execution(lines)
        self.progress = self.execution.replay(self._now)
        self._note()

    def give(self, *completions: Event) -> Machine:
        """What it waits for ends, one after the other; it goes on each time."""
        for completion in completions:
            assert self.progress is Progress.WAITING, f"it has ended already: {self.progress}"
            recorded = self._record(completion)
            self._hand_over(recorded)
        return self

    def keep(self, *completions: Event) -> Machine:
        """What it waits for ends while it is held: that is recorded, and handed over by ``go_on``."""
        self._held_back += [self._record(completion) for completion in completions]
        return self

    def go_on(self) -> Machine:
        """It is held no more."""
        held_back, self._held_back = self._held_back, []
        for recorded in held_back:
            if self.progress is Progress.WAITING:
                self._hand_over(recorded)
        return self

    def _hand_over(self, recorded: Recorded) -> None:
        self.progress = self.execution.hand_over(recorded, self._now)
        self._note()

    def replayed(self) -> Machine:
        """The same, as after a crash: a new execution that has gone through the journal."""
        self.execution.close()
        history = [recorded.event for recorded in self.history]
        return Machine(
            self.handler, history, limits=self.limits, execution_type=self.execution_type, output=self.output
        )

    @property
    def events(self) -> list[Event]:
        """Its whole journal."""
        return [recorded.event for recorded in self.history]

    @property
    def requests(self) -> list[Event]:
        """What it has asked for so far."""
        return [event for event in self.events if is_request(event)]

    @property
    def waits_for(self) -> dict[StepId, type[BaseException] | None]:
        """Where it waits, and with what each wait is interrupted."""
        parked = self.execution.parked
        return {s: None if (i := p.interruption) is None else type(i) for s, p in parked.items()}

    @property
    def result(self) -> Any:
        """What it has returned."""
        assert self.progress is Progress.RETURNED, f"{self.progress}: {self.execution.error or self.execution.mismatch}"
        assert self.execution.result is not None
        return msgspec.json.decode(self.execution.result)

    @property
    def error(self) -> BaseException:
        """What it has raised."""
        assert self.execution.error is not None, self.progress
        return self.execution.error

    @property
    def mismatch(self) -> str:
        """How it differs from its journal."""
        assert self.progress is Progress.MISMATCHED, self.progress
        return str(self.execution.mismatch)

    @property
    def _now(self) -> float:
        return float(len(self.history))

    def _execution(self, lines: ReplayPlan) -> Execution:
        async def root() -> bytes:
            return msgspec.json.encode(await self.handler())

        context = HandlerContext(
            invocation_id=IT,
            service=TARGET.service,
            key=TARGET.key,
            name=TARGET.handler,
            accepted_at=0.0,
            seed=IT,
            limits=self.limits,
            retry=DEFAULT_RETRY,
            unique=lambda: len(self.history),
            new_id=lambda service, key: invocation_id(stream_of(service, key or ""), len(self.history)),
        )
        return self.execution_type(
            IT,
            root,
            lines,
            state=self.state,
            name="it",
            is_terminal=is_terminal,
            context=context,
        )

    def _record(self, event: Event) -> Recorded:
        if isinstance(event, e.SignalReceived) and not event.signal:
            event = self._as_it_is_received(event)
        number = len(self.history) + 1
        self.history.append(Recorded(number, stamp_of(number), event))
        return self.history[-1]

    def _as_it_is_received(self, signal: e.SignalReceived) -> e.SignalReceived:
        """With its number, and the wait that takes it, as an object decides it."""
        known = max((event.signal for event in self.events if isinstance(event, e.SignalReceived)), default=0)
        return attrs.evolve(
            signal, signal=known + 1, step=next(iter(waits_for_signals(self.events, signal.name)), None)
        )

    def _note(self) -> None:
        """Keep what it asks for: of an end that counts the last turn too, of one that is tried again not."""
        error = self.execution.error
        if self.progress is Progress.RAISED and error is not None and (is_cancel(error) or is_terminal(error)):
            self.progress = self.execution.finish_raised()
        events = self.execution.take_progress()
        for event in events:
            self._record(event)
        self.output += self.execution.take_output()
        if self.progress is not Progress.WAITING:
            self.execution.close()


def waits_for_signals(history: Iterable[Event], name: str) -> dict[StepId, None]:
    """The waits for signals of this name that have neither taken one nor been left."""
    waits: dict[StepId, None] = {}
    for event in history:
        match event:
            case e.SignalAwaited(ready=False) if event.name == name:
                waits[event.step] = None
            case e.SignalReceived() | e.SignalReassigned() if event.step is not None:
                waits.pop(event.step, None)
            case e.WaitDropped():
                waits.pop(event.step, None)
    return waits


def step_done(step: str, value: object = "") -> e.StepCompleted:
    outcome = Outcome(OutcomeKind.SUCCEEDED, msgspec.json.encode(value))
    return e.StepCompleted(invocation_id=IT, step=StepId(step), outcome=outcome)


def step_failed(step: str, error: BaseException) -> e.StepCompleted:
    return e.StepCompleted(invocation_id=IT, step=StepId(step), outcome=failed(error))


def step_aborted(step: str) -> e.StepAborted:
    return e.StepAborted(invocation_id=IT, step=StepId(step))


def timer(step: str) -> e.TimerFired:
    return e.TimerFired(invocation_id=IT, step=StepId(step))


def call_done(step: str, value: object = None) -> e.CallCompleted:
    outcome = Outcome(OutcomeKind.SUCCEEDED, msgspec.json.encode(value))
    return e.CallCompleted(invocation_id=IT, step=StepId(step), outcome=outcome)


def call_cancelled(step: str) -> e.CallCompleted:
    return e.CallCompleted(invocation_id=IT, step=StepId(step), outcome=Outcome(OutcomeKind.CANCELLED))


def signal(name: str, value: object = None) -> e.SignalReceived:
    return e.SignalReceived(invocation_id=IT, name=name, value=msgspec.json.encode(value))


def cancel(reason: str = "enough") -> e.CancelRequested:
    return e.CancelRequested(invocation_id=IT, reason=reason)
