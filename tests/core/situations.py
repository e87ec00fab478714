"""Every situation that an invocation can be in, each as the shortest history that leads there.

``IT`` is the one that matters. Where it is exclusive, ``AHEAD`` holds the object before it and ``BEHIND`` waits after it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import attrs

from actors.core import commands as c
from journal import events as e
from journal.events import Caller, Failure, Mode, Outcome, OutcomeKind, PauseCause, Status, Target
from journal.ids import InvocationId, StepId, invocation_id
from tests.core.story import ELSEWHERE, KEY, SERVICE, nth

if TYPE_CHECKING:
    from journal.events import Event

AHEAD, IT, BEHIND = nth(1), nth(2), nth(3)
CALLER = Caller(invocation_id(ELSEWHERE, 1), StepId("7"))
CALLEE = invocation_id(ELSEWHERE, 2)
TARGET = Target("Bank", "alice", "deposit")
STEP = StepId("1")
DUE = 20_000.0
"""When what waits for a date is due; later than ``NOW``."""

BROKEN = Failure("builtins.ValueError", "broken")


def outcome_of(kind: OutcomeKind, value: bytes = b"") -> Outcome:
    """An end of this kind."""
    return Outcome(kind, value, BROKEN if kind is OutcomeKind.FAILED else None)


SUCCEEDED = Outcome(OutcomeKind.SUCCEEDED, b"1")


_RESOLVED = ("kind", "mode", "atomic", "deployment")


def cancel(of: InvocationId = IT, *, held_back: int = 0, **given: Any) -> c.ResolvedCancel:
    return c.ResolvedCancel(asked=c.CancelInvocation(invocation_id=of, reason="why", **given), held_back=held_back)


def resume(of: InvocationId = IT, deployment: str | None = None) -> c.ResolvedResume:
    return c.ResolvedResume(asked=c.ResumeInvocation(invocation_id=of, reason="why"), deployment=deployment)


def invoke(**given: Any) -> c.ResolvedInvoke:
    """An invocation of ``open`` that has reached its object, with what is given otherwise."""
    known = {name: given.pop(name) for name in _RESOLVED if name in given}
    asked = c.Invoke(**{"invocation_id": IT, "target": Target(SERVICE, KEY, "open"), "argument": b""} | given)
    return c.ResolvedInvoke(asked=asked, **known)


def accepted(of: InvocationId = IT, **options: Any) -> e.InvocationAccepted:
    """The object takes it."""
    given: dict[str, Any] = {"handler": "open", "mode": Mode.EXCLUSIVE, "argument": b"", **options}
    return e.InvocationAccepted(invocation_id=of, **given)


def started(of: InvocationId = IT) -> e.InvocationStarted:
    return e.InvocationStarted(invocation_id=of)


def completed(of: InvocationId = IT, outcome: Outcome = SUCCEEDED) -> e.InvocationCompleted:
    return e.InvocationCompleted(invocation_id=of, outcome=outcome)


def paused(cause: PauseCause = PauseCause.REQUESTED, reason: str = "held", of: InvocationId = IT) -> e.InvocationPaused:
    return e.InvocationPaused(invocation_id=of, cause=cause, reason=reason)


def of(invocation_id: InvocationId, event: Any) -> Any:
    """The same event of another invocation."""
    return attrs.evolve(event, invocation_id=invocation_id)


STEP_SCHEDULED = e.StepScheduled(invocation_id=IT, step=STEP, name="work")
STEP_FAILED = e.StepAttemptFailed(invocation_id=IT, step=STEP, attempt=1, failure=BROKEN, retry_at=DUE, max_attempts=3)
STEP_EXHAUSTED = e.StepAttemptFailed(invocation_id=IT, step=STEP, attempt=1, failure=BROKEN, max_attempts=3)
SIGNAL_AWAITED = e.SignalAwaited(invocation_id=IT, step=STEP, name="go")
ATTEMPT_FAILED = e.AttemptFailed(
    invocation_id=IT, attempt=1, failure=BROKEN, handed_over=0, retry_at=DUE, max_attempts=3
)
ATTEMPT_EXHAUSTED = e.AttemptFailed(invocation_id=IT, attempt=1, failure=BROKEN, handed_over=0, max_attempts=3)
PAUSE_REQUESTED = e.PauseRequested(invocation_id=IT, reason="held")
CANCEL_REQUESTED = e.CancelRequested(invocation_id=IT, reason="superseded")
DATE_HAS_COME = e.InvocationDue(invocation_id=IT)


class Situation(enum.Enum):
    """Where an invocation can stand, and in which way, as far as any verb could care."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING_STEP = "running, a step runs"
    SUSPENDED = "suspended, waits for a signal"
    BACKING_OFF_STEP = "backing off, a step failed"
    BACKING_OFF_HANDLER = "backing off, the handler failed"
    PAUSED_SCHEDULED = "paused while scheduled"
    PAUSED_QUEUED = "paused while queued"
    PAUSED_HEAD = "paused before it started, and next in line"
    PAUSED_IDLE = "paused, waits for a signal"
    PAUSED_STEP = "paused, its step was aborted"
    PAUSED_EXHAUSTED_STEP = "paused, a step has used up its attempts"
    PAUSED_EXHAUSTED_HANDLER = "paused, the handler has used up its attempts"
    PAUSING = "pausing until its step has ended"
    CANCELLING = "cancelling, a step runs"
    CANCELLING_IDLE = "cancelling, waits for a signal"
    CANCELLING_PAUSED = "paused while cancelling"
    COMPLETED = "ended"
    UNKNOWN = "never was"


STATUS: dict[Situation, Status | None] = {
    Situation.SCHEDULED: Status.SCHEDULED,
    Situation.QUEUED: Status.QUEUED,
    Situation.RUNNING_STEP: Status.RUNNING,
    Situation.SUSPENDED: Status.SUSPENDED,
    Situation.BACKING_OFF_STEP: Status.BACKING_OFF,
    Situation.BACKING_OFF_HANDLER: Status.BACKING_OFF,
    Situation.PAUSED_SCHEDULED: Status.PAUSED,
    Situation.PAUSED_QUEUED: Status.PAUSED,
    Situation.PAUSED_HEAD: Status.PAUSED,
    Situation.PAUSED_IDLE: Status.PAUSED,
    Situation.PAUSED_STEP: Status.PAUSED,
    Situation.PAUSED_EXHAUSTED_STEP: Status.PAUSED,
    Situation.PAUSED_EXHAUSTED_HANDLER: Status.PAUSED,
    Situation.PAUSING: Status.RUNNING,
    Situation.CANCELLING: Status.RUNNING,
    Situation.CANCELLING_IDLE: Status.SUSPENDED,
    Situation.CANCELLING_PAUSED: Status.PAUSED,
    Situation.COMPLETED: None,
    Situation.UNKNOWN: None,
}
"""The status that people see in each situation; ``None``: the object does not know it any more, or never did."""

IS_STARTED = frozenset(
    situation
    for situation in Situation
    if situation
    not in (
        Situation.SCHEDULED,
        Situation.QUEUED,
        Situation.PAUSED_SCHEDULED,
        Situation.PAUSED_QUEUED,
        Situation.PAUSED_HEAD,
        Situation.COMPLETED,
        Situation.UNKNOWN,
    )
)
"""Those in which its handler has begun and has not ended."""

IS_OPEN = tuple(situation for situation, status in STATUS.items() if status is not None)


def events_of(situation: Situation, mode: Mode = Mode.EXCLUSIVE) -> list[Event]:
    """A history that leads there. What is shared waits for nobody, and nobody for it: then there is no ``BEHIND``."""
    assert (situation, mode) != (Situation.QUEUED, Mode.SHARED), "what is shared starts at once"
    events = [*_beginning(situation, mode), *_AFTER_START.get(situation, ())]
    if mode is Mode.SHARED:
        events = [event for event in events if getattr(event, "invocation_id", None) != BEHIND]
    return events


def _beginning(situation: Situation, mode: Mode) -> list[Event]:
    now = accepted(mode=mode)
    later = accepted(mode=mode, scheduled_for=DUE)
    behind = accepted(BEHIND)
    match situation:
        case Situation.UNKNOWN:
            return [accepted(AHEAD), started(AHEAD)]
        case Situation.SCHEDULED:
            return [later]
        case Situation.PAUSED_SCHEDULED:
            return [later, paused()]
        case Situation.PAUSED_HEAD:
            return [later, paused(), DATE_HAS_COME, behind]
        case Situation.QUEUED:
            return [accepted(AHEAD), started(AHEAD), now, behind]
        case Situation.PAUSED_QUEUED:
            return [accepted(AHEAD), started(AHEAD), later, paused(), DATE_HAS_COME, behind]
        case _:
            return [now, started(), behind]


_AFTER_START: dict[Situation, list[Event]] = {
    Situation.RUNNING_STEP: [STEP_SCHEDULED],
    Situation.SUSPENDED: [SIGNAL_AWAITED],
    Situation.BACKING_OFF_STEP: [STEP_SCHEDULED, STEP_FAILED],
    Situation.BACKING_OFF_HANDLER: [ATTEMPT_FAILED],
    Situation.PAUSED_IDLE: [SIGNAL_AWAITED, paused()],
    Situation.PAUSED_STEP: [STEP_SCHEDULED, paused()],
    Situation.PAUSED_EXHAUSTED_STEP: [STEP_SCHEDULED, STEP_EXHAUSTED, paused(PauseCause.EXHAUSTED)],
    Situation.PAUSED_EXHAUSTED_HANDLER: [ATTEMPT_EXHAUSTED, paused(PauseCause.EXHAUSTED)],
    Situation.PAUSING: [STEP_SCHEDULED, PAUSE_REQUESTED],
    Situation.CANCELLING: [STEP_SCHEDULED, CANCEL_REQUESTED],
    Situation.CANCELLING_IDLE: [CANCEL_REQUESTED, SIGNAL_AWAITED],
    Situation.CANCELLING_PAUSED: [CANCEL_REQUESTED, SIGNAL_AWAITED, paused()],
    Situation.COMPLETED: [completed(), started(BEHIND)],
}
