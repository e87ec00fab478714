"""Commands of a running handler and of its steps to their own object. Those that come with each step are not frozen, because a frozen
class costs twice as much to make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from actors.values.retries import RetryPolicy
from journal.events import Event, Failure, Outcome, PauseCause
from journal.ids import InvocationId, StepId
from journal.pieces import Piece

NOTHING_SPENT: Mapping[str, str] = {}


@attrs.define(kw_only=True)
class RecordProgress:
    """Record the events of one turn, in order, and the pieces of ``output`` that the handler emitted in it. The handler has run
    until all of its branches wait."""

    invocation_id: InvocationId
    events: list[Event]
    output: Sequence[Piece] = ()


@attrs.define(kw_only=True)
class FinishAttempt:
    """The handler has returned or raised. ``events`` are the events of its last turn and ``output`` the pieces that it emitted
    in it, ``handed_over`` counts the completions that it received, and ``has_met_cancel`` says whether a pending cancel
    was raised in it."""

    invocation_id: InvocationId
    events: list[Event]
    outcome: Outcome
    output: Sequence[Piece] = ()
    handed_over: int = 0
    has_met_cancel: bool = False


@attrs.frozen(kw_only=True)
class FailAttempt:
    """The handler raised an error that is worth a retry. ``jitter`` is a random number in [0, 1). ``has_been_given_cancel`` says
    whether a pending cancel is among the ``handed_over`` completions."""

    invocation_id: InvocationId
    failure: Failure
    handed_over: int
    has_been_given_cancel: bool = False
    policy: RetryPolicy
    jitter: float


@attrs.frozen(kw_only=True)
class PauseAttempt:
    """Pause the invocation because its handler cannot continue on this code: the replay differs, or a limit is reached."""

    invocation_id: InvocationId
    cause: PauseCause
    reason: str
    failure: Failure | None = None


@attrs.frozen(kw_only=True)
class ResumeInBudget:
    """Every budget that counts the invocation has room again: resume it, if it is paused because one was used up."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class CompleteStep:
    """The body of a step has ended with a final outcome. ``attributes`` are as in :class:`journal.events.StepCompleted`, and ``spent``
    as in :class:`journal.events.QuantitiesSpent`."""

    invocation_id: InvocationId
    step: StepId
    outcome: Outcome
    attributes: bytes = b""
    spent: Mapping[str, str] = NOTHING_SPENT


@attrs.frozen(kw_only=True)
class FailStep:
    """The body of a step raised an error that is worth a retry. ``jitter`` is a random number in [0, 1). ``retry_after`` is the delay
    in seconds that the error asks for."""

    invocation_id: InvocationId
    step: StepId
    failure: Failure
    policy: RetryPolicy
    jitter: float
    attributes: bytes = b""
    retry_after: float | None = None
    spent: Mapping[str, str] = NOTHING_SPENT


@attrs.frozen(kw_only=True)
class NoteHeartbeat:
    """The body of a step has said how far it is; ``details`` are JSON."""

    invocation_id: InvocationId
    step: StepId
    details: bytes


@attrs.frozen(kw_only=True)
class AbortStep:
    """The body of a step was stopped and has ended."""

    invocation_id: InvocationId
    step: StepId
    spent: Mapping[str, str] = NOTHING_SPENT


@attrs.frozen(kw_only=True)
class FinishDrain:
    """No step of the invocation runs any more, so a pause that waited for its steps takes effect."""

    invocation_id: InvocationId
