"""The short way of a turn after the first: hand over first, record once.

Most steps end with a value that their handler waits for, and waits for alone, and most handlers then request something else or
return. So do most sleeps, calls and waits for a signal. ``decide`` would record the end of the wait, and the request or the result
when the handler has taken its turn. Here the same is said at once: whether the turn follows at once (:func:`goes_on_at_once`,
:func:`resumes_at_once`) and whether it may be the last (:func:`ends_at_once`), what is recorded of it (:func:`step_turn`,
:func:`last_turn`, :func:`resumed_turn`, :func:`resumed_end`), and what becomes of the object (:func:`with_step_turn`,
:func:`with_resumed_turn`, :func:`with_last_turn`).

Invariant: that of ``actors.core.fused``: the short way is the long way, abridged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from actors.core.evolve import SPAN_GAP
from actors.core.evolve.fields import keep_changes
from actors.core.fused import go_on, request_in
from actors.core.state import REQUEST, WaitKind
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import Status
from journal.fused import LastTurn, ResumedTurn, ReturnedOutcome, StepTurn
from journal.waits import EndedSignal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.core.state import InvocationState, ObjectState
    from journal.events import Event, Stamp
    from journal.ids import StepId
    from journal.waits import Ended, Requested

# A member of an enum takes several times as long to look up as a name of the module.
_RUNNING, _SUSPENDED, _STEP = Status.RUNNING, Status.SUSPENDED, WaitKind.STEP
_ENDED: dict[type, tuple[WaitKind, ...]] = {
    e.TimerFired: (WaitKind.SLEEP,),
    e.CallCompleted: (WaitKind.CALL, WaitKind.ATTACH),
    e.SignalReceived: (WaitKind.SIGNAL,),
}
"""The waits that an event ends."""

Origin: TypeAlias = "tuple[Ended, Stamp]"
"""The end of a wait as a part of a frame, and its stamp."""


def goes_on_at_once(invocation: InvocationState, step: StepId, seen: int) -> bool:
    """Report whether the handler would be given the value of the step now, with nothing else to be said: it waits for this
    step alone, and has been given everything up to the event ``seen``.

    What this leaves to ``decide``, although the handler might go on: a step that had failed, and everything about an invocation
    that was cancelled or asked to pause.
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
        and invocation.unseen <= seen
    )


def resumes_at_once(invocation: InvocationState, completed: Any, stamp: Stamp, seen: int) -> bool:
    """Report whether the handler would be given the end of a sleep, of a call or of the wait for a signal now, with nothing else to be
    said: it waits for this alone, and has been given everything up to the event ``seen``.

    What this leaves to ``decide``: a deadline, a signal under an idempotency key, the wait for the answer to a question, and
    everything about an invocation that was cancelled or is paused.
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
        and invocation.unseen <= seen
        and not stamp.cause.startswith(REQUEST)
    )


def ends_at_once(state: ObjectState, invocation: InvocationState) -> bool:
    """Report whether the invocation, whose last wait has ended, would complete with a value now and nothing would follow but the
    answer to its caller.

    What this leaves to ``decide``: an object whose next invocation waits, items of collections that were changed, a time at which the
    invocation would expire, and calls that attached to it.
    """
    changes, of = invocation.changes, invocation.invocation_id
    return (
        not state.queue
        and invocation.expires_at is None
        and invocation.retry_at is None
        and not (changes.logs or changes.maps or invocation.attached)
        and (len(state.invocations) == 1 or all(other.waits_for != of for other in state.invocations.values()))
    )


def step_turn(completed: e.StepCompleted, requests: Sequence[Event], *, at: float, turned_at: float) -> StepTurn | None:
    """Return the record of a step that ended ``at`` with a value, and of the turn after it, in which the handler made these
    requests; None if they are other than one request that can be a part of a frame, and a change of fields, or if the step has
    attributes."""
    found = None if completed.attributes else request_in(requests)
    if found is None:
        return None
    of, step, value = completed.invocation_id, completed.step, completed.outcome.value
    return StepTurn(of, at, step, value, *found, None if turned_at == at else turned_at)


def with_step_turn(state: ObjectState, turn: StepTurn, first: int) -> None:
    """Change the object as the turn does, whose first event has the number ``first``."""
    invocation, count = state.invocations[turn.invocation_id], 2 if turn.fields is None else 3
    last = state.version = first + count - 1
    invocation.event_count += count
    invocation.unseen = 0
    invocation.value_bytes += len(turn.value)
    _add_span(invocation, first, last)
    del invocation.waits[turn.step]
    at = invocation.modified_at = turn.at if turn.turned_at is None else turn.turned_at
    go_on(invocation, turn.request, turn.fields, at)


def last_turn(
    completed: e.StepCompleted, changes: Sequence[Event], result: bytes, *, at: float, turned_at: float
) -> LastTurn | None:
    """Return the record of a step that ended ``at`` with a value, and of the turn after it, in which the handler made these changes
    and returned ``result``; None if they are other than a change of fields, or if the step has attributes."""
    fields = None
    if changes:
        changed = changes[0]
        if len(changes) != 1 or not isinstance(changed, e.FieldsChanged):
            return None
        fields = changed.fields
    if completed.attributes:
        return None
    turned = None if turned_at == at else turned_at
    return LastTurn(completed.invocation_id, at, completed.step, completed.outcome.value, result, fields, turned)


def resumed_turn(completed: Any, requests: Sequence[Event], *, at: Origin, turned_at: float) -> ResumedTurn | None:
    """Return the record of the end of a wait, and of the turn after it, in which the handler made these requests; None if they are
    other than one request that can be a part of a frame, and a change of fields."""
    found = request_in(requests)
    return None if found is None else _resumed(completed, at, *found, turned_at)


def resumed_end(
    completed: Any, changes: Sequence[Event], result: bytes, *, at: Origin, turned_at: float
) -> ResumedTurn | None:
    """Return the record of the end of a wait, and of the turn after it, in which the handler made these changes and returned
    ``result``; None if they are other than a change of fields."""
    fields = None
    if changes:
        changed = changes[0]
        if len(changes) != 1 or not isinstance(changed, e.FieldsChanged):
            return None
        fields = changed.fields
    return _resumed(completed, at, ReturnedOutcome(result), fields, turned_at)


def _resumed(
    completed: Any, origin: Origin, then: Requested | ReturnedOutcome, fields: dict[str, bytes] | None, turned_at: float
) -> ResumedTurn:
    ended, stamp = origin
    at = stamp.at
    turned = None if turned_at == at else turned_at
    return ResumedTurn(completed.invocation_id, at, stamp.cause, stamp.by, ended, then, fields, turned)


def with_resumed_turn(state: ObjectState, turn: ResumedTurn, first: int) -> Requested:
    """Change the object as the turn does, which is not the last and whose first event has the number ``first``. Returns its
    request."""
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
    """Change the object as the turn does, whose first event has the number ``first``. Returns the invocation as it was at its end."""
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
