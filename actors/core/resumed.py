"""The short way of a turn after the first: resume the handler first, record once.

Most handlers wait for one step, sleep, call or signal at a time, and then make one more request or return. ``decide`` would record the
end of the wait first, and then the request or the result. This module does both in one step. :func:`continues_at_once` and
:func:`resumes_at_once` report whether the turn may run now, and :func:`ends_at_once` whether it may be the last. :func:`step_turn`,
:func:`last_turn`, :func:`resumed_turn` and :func:`resumed_end` return its record, and :func:`with_step_turn`,
:func:`with_resumed_turn` and :func:`with_last_turn` return the object after it.

Invariant: as in ``actors.core.fused``, the short way has the same result as the long way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from actors.core.evolve import SPAN_GAP
from actors.core.evolve.fields import keep_changes
from actors.core.fused import go_on, request_in
from actors.core.state import REQUEST, WaitKind
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import OutcomeKind, Status
from journal.fused import LastTurn, ResumedTurn, ReturnedOutcome, StepTurn
from journal.waits import EndedSignal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.core import commands as c
    from actors.core.state import InvocationState, ObjectState
    from journal.events import Stamp
    from journal.ids import InvocationId, StepId
    from journal.waits import Ended, Requested, TurnPart

# A member of an enum takes several times as long to look up as a name of the module.
_RUNNING, _SUSPENDED, _STEP = Status.RUNNING, Status.SUSPENDED, WaitKind.STEP
_SUCCEEDED = OutcomeKind.SUCCEEDED
_ENDED: dict[type, tuple[WaitKind, ...]] = {
    e.TimerFired: (WaitKind.SLEEP,),
    e.CallCompleted: (WaitKind.CALL, WaitKind.ATTACH),
    e.SignalReceived: (WaitKind.SIGNAL,),
}
"""The waits that an event ends."""

Origin: TypeAlias = "tuple[Ended, Stamp]"
"""The end of a wait as a part of a frame, and its stamp."""


def continues_at_once(invocation: InvocationState, step: StepId, seen: int) -> bool:
    """Report whether the handler may receive the value of the step now, without a decision: it waits for this step alone, and has received
    every event up to ``seen``.

    The answer is False for a step that had failed, and for an invocation that was cancelled, is to pause, or is counted by a budget
    of an invocation.
    """
    waits = invocation.waits
    wait = waits.get(step)
    return (
        wait is not None
        and len(waits) == 1
        and wait.kind is _STEP
        and wait.attempts == 0
        and invocation.status is _RUNNING
        and invocation.cancel is None
        and invocation.pending_pause is None
        and not invocation.budgets
        and invocation.unseen <= seen
    )


def resumes_at_once(invocation: InvocationState, completed: Any, stamp: Stamp, seen: int) -> bool:
    """Report whether the handler may receive the end of a sleep, a call or a wait for a signal now, without a decision: it waits for this
    alone, and has received every event up to ``seen``.

    The answer is False for a deadline, a signal with an idempotency key, the answer to a question, and an invocation that was
    cancelled, is paused, or is counted by a budget of an invocation.
    """
    waits = invocation.waits
    wait = waits.get(completed.step)
    return (
        wait is not None
        and len(waits) == 1
        and wait.kind in _ENDED[completed.__class__]
        and not wait.question
        and invocation.status is _SUSPENDED
        and invocation.cancel is None
        and invocation.pending_pause is None
        and not invocation.budgets
        and invocation.unseen <= seen
        and not stamp.cause.startswith(REQUEST)
    )


def ends_at_once(state: ObjectState, invocation: InvocationState) -> bool:
    """Report whether the only consequence of a result would be the answer to the caller.

    The answer is False if another invocation waits for the object, if items of collections were changed, if the invocation has a
    ``max_duration``, and if calls have attached to it.
    """
    changes, of = invocation.changes, invocation.invocation_id
    return (
        not state.queue
        and invocation.expires_at is None
        and invocation.retry_at is None
        and not invocation.updates_received
        and not (changes.logs or changes.maps or invocation.attached or invocation.watchers)
        and (len(state.invocations) == 1 or all(other.waits_for != of for other in state.invocations.values()))
    )


def plain_value(ended: c.CompleteStep) -> bytes | None:
    """Return the value of a step that has ended with a value alone; None if it failed, has attributes or has used something up."""
    outcome = ended.outcome
    return outcome.value if outcome.kind is _SUCCEEDED and not ended.attributes and not ended.spent else None


def step_turn(
    of: InvocationId, step: StepId, value: bytes, requests: Sequence[TurnPart], *, at: float, turned_at: float
) -> StepTurn | None:
    """Return the record of a step that ended ``at`` with this value alone, and of the turn after it, in which the handler made these
    requests. Return None unless they are a single request that can be a part of a frame, with or without a change of fields."""
    found = request_in(requests)
    if found is None:
        return None
    return StepTurn(of, at, step, value, *found, None if turned_at == at else turned_at)


def with_step_turn(state: ObjectState, turn: StepTurn, first: int) -> None:
    """Apply the turn to the object; its first event has the number ``first``."""
    invocation, count = state.invocations[turn.invocation_id], 2 if turn.fields is None else 3
    last = state.version = first + count - 1
    invocation.event_count += count
    invocation.unseen = 0
    invocation.value_bytes += len(turn.value)
    _add_span(invocation, first, last)
    del invocation.waits[turn.step]
    invocation._running_steps = 0
    at = invocation.modified_at = turn.at if turn.turned_at is None else turn.turned_at
    go_on(invocation, turn.request, turn.fields, at)


def last_turn(
    of: InvocationId,
    step: StepId,
    value: bytes,
    changes: Sequence[TurnPart],
    result: bytes,
    *,
    at: float,
    turned_at: float,
) -> LastTurn | None:
    """Return the record of a step that ended ``at`` with this value alone, and of the turn after it, in which the handler made these
    changes and returned ``result``. Return None if there are changes other than of fields."""
    fields = None
    if changes:
        changed = changes[0]
        if len(changes) != 1 or not isinstance(changed, e.FieldsChanged):
            return None
        fields = changed.fields
    return LastTurn(of, at, step, value, result, fields, None if turned_at == at else turned_at)


def resumed_turn(
    of: InvocationId, origin: Origin, requests: Sequence[TurnPart], *, turned_at: float
) -> ResumedTurn | None:
    """Return the record of the end of a wait, and of the turn after it, in which the handler made these requests. Return None unless they
    are a single request that can be a part of a frame, with or without a change of fields."""
    found = request_in(requests)
    return None if found is None else _resumed(of, origin, *found, turned_at)


def resumed_end(
    of: InvocationId, origin: Origin, changes: Sequence[TurnPart], result: bytes, *, turned_at: float
) -> ResumedTurn | None:
    """Return the record of the end of a wait, and of the turn after it, in which the handler made these changes and returned
    ``result``. Return None if there are changes other than of fields."""
    fields = None
    if changes:
        changed = changes[0]
        if len(changes) != 1 or not isinstance(changed, e.FieldsChanged):
            return None
        fields = changed.fields
    return _resumed(of, origin, ReturnedOutcome(result), fields, turned_at)


def _resumed(
    of: InvocationId,
    origin: Origin,
    then: Requested | ReturnedOutcome,
    fields: dict[str, bytes] | None,
    turned_at: float,
) -> ResumedTurn:
    ended, stamp = origin
    at = stamp.at
    turned = None if turned_at == at else turned_at
    return ResumedTurn(of, at, stamp.cause, stamp.by, ended, then, fields, turned)


def with_resumed_turn(state: ObjectState, turn: ResumedTurn, first: int) -> Requested:
    """Apply a turn that is not the last to the object; its first event has the number ``first``. Returns the request of the turn."""
    invocation, ended, then = state.invocations[turn.invocation_id], turn.ended, turn.then
    if isinstance(then, ReturnedOutcome):
        raise BrokenInvariant(f"{turn.invocation_id} returns, but its turn is recorded with a request")
    count = 2 if turn.fields is None else 3
    last = state.version = first + count - 1
    invocation.event_count += count
    invocation.unseen = 0
    invocation.value_bytes += ended.size
    if isinstance(ended, EndedSignal):
        invocation.signals_received = max(invocation.signals_received, ended.signal)
    _add_span(invocation, first, last)
    del invocation.waits[ended.step]
    at = invocation.modified_at = turn.at if turn.turned_at is None else turn.turned_at
    go_on(invocation, then, turn.fields, at)
    return then


def with_last_turn(state: ObjectState, turn: LastTurn | ResumedTurn, first: int) -> InvocationState:
    """Apply the turn to the object; its first event has the number ``first``. Returns the invocation as it was at its end."""
    invocation = state.invocations.pop(turn.invocation_id)
    last = state.version = first + turn.count - 1
    _add_span(invocation, first, last)
    if state.holder == turn.invocation_id:
        state.holder = None
    if turn.fields is not None:
        invocation.changes.write(turn.fields, sum(map(len, turn.fields.values())))
    if invocation.changes:
        keep_changes(state, invocation.changes)
    return invocation


def _add_span(invocation: InvocationState, first: int, last: int) -> None:
    since, until = invocation.spans[-1]
    if first - until <= SPAN_GAP:
        invocation.spans[-1] = (since, last)
    else:
        invocation.spans.append((first, last))
