"""Commands of a running handler and of its steps to their own object. The commands of each step are not frozen, because an instance of a
frozen class takes twice as long to create."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import msgspec

from actors.values.retries import RetryPolicy
from journal.events import Event, Failure, Outcome, OverBudget, PauseCause
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
    """The handler has returned or raised. ``events`` are the events of its last turn, ``output`` are the pieces that it emitted in that
    turn, ``handed_over`` counts the completions that it received, and ``has_met_cancel`` says whether a pending cancel was raised in
    that turn."""

    invocation_id: InvocationId
    events: list[Event]
    outcome: Outcome
    output: Sequence[Piece] = ()
    handed_over: int = 0
    has_met_cancel: bool = False


@attrs.frozen(kw_only=True)
class FailAttempt:
    """The handler raised an error that may be retried. ``jitter`` is a random number in [0, 1). ``has_been_given_cancel`` says
    whether a pending cancel is among the ``handed_over`` completions."""

    invocation_id: InvocationId
    failure: Failure
    handed_over: int
    has_been_given_cancel: bool = False
    policy: RetryPolicy
    jitter: float


@attrs.frozen(kw_only=True)
class PauseAttempt:
    """Pause the invocation because its handler cannot continue on this code: the replay differs, or a limit is reached. ``over`` is as in
    :class:`journal.events.InvocationPaused`."""

    invocation_id: InvocationId
    cause: PauseCause
    reason: str
    failure: Failure | None = None
    over: OverBudget | None = None


class ResumeInBudget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Resume an invocation that is paused because a budget was used up, and has a rest again. ``of_limits`` says that it is the budget of
    a limit: an invocation that is paused for the budget of an invocation stays paused."""

    invocation_id: InvocationId
    of_limits: bool = False


class NoteUsedUp(msgspec.Struct, frozen=True, kw_only=True):
    """The invocation ``paused``, below this one, was paused because the budget of this one is used up: pause this one too."""

    invocation_id: InvocationId
    paused: InvocationId
    over: OverBudget


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
    """The body of a step raised an error that may be retried. ``jitter`` is a random number in [0, 1). ``retry_after`` is the delay
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
    """Record the progress that the body of a step has reported; ``details`` are JSON."""

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
    """Let a pause that waited for running steps take effect: no step of the invocation runs any more."""

    invocation_id: InvocationId
