"""Applies events to an object's state, one at a time. No other code changes it.

The fold of a stream through ``evolve`` is the object. The state is changed in place, because a copy for each event costs more
than everything else here; code that needs the state before an event reads it before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core import transitions
from actors.core.evolve.budgets import on_raised, on_spent, on_used_up
from actors.core.evolve.fields import (
    keep_changes,
    keeps_changes,
    on_fields,
    on_initialized,
    on_log,
    on_log_converted,
    on_map,
    on_map_converted,
    on_rewound,
)
from actors.core.evolve.waits import (
    on_attach,
    on_attach_dropped,
    on_attach_requested,
    on_call,
    on_deadline,
    on_handed_over,
    on_heartbeat,
    on_outcome,
    on_question,
    on_reassigned,
    on_send,
    on_signal,
    on_signal_awaited,
    on_sleep,
    on_step_failed,
    on_step_retried,
    on_step_scheduled,
    on_update,
    on_update_cancel,
    on_update_completed,
    on_verb,
    on_wait_dropped,
    settle,
)
from actors.core.inputs import digest_of
from actors.core.requests import REQUESTS
from actors.core.state import REQUEST, Cancel, Changes, InvocationState, ObjectState, WaitKind, with_request
from actors.core.transitions import IllegalEvent
from journal import events as e
from journal.events import Mode, OutcomeKind, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.events import Event, Stamp

SPAN_GAP = 32
"""The number of other invocations' events that a span may contain. Reading and skipping them is cheaper than a further span."""


def evolve(state: ObjectState | None, number: int, stamp: Stamp, event: Event) -> ObjectState:
    """Return the object after the event. Raises :class:`IllegalEvent`, after which the state is unusable.

    The checks are code rather than assertions because events come from a disk, and ``python -O`` must not remove them.
    """
    if state is None:
        return _create(number, event)
    if number != state.version + 1:
        raise IllegalEvent(f"event {number} follows {state.version}")
    state.version = number
    change = _EVOLVE.get(event.__class__)
    if change is None:
        _evolve_object(state, number, stamp, event)
        return state
    of = event.invocation_id  # type: ignore[union-attr]  # those in the table are of one
    invocation = state.invocations.get(of)
    if invocation is None:
        if change is _on_restarted:
            return state  # a completed invocation may be restarted, and is no longer in the state
        raise IllegalEvent(f"{type(event).__name__} cannot happen to {of}, which is not open")
    if invocation.status not in transitions.LEGAL[event.__class__]:
        raise IllegalEvent(f"{type(event).__name__} cannot happen to {of}, which is {invocation.status.value}")
    invocation.event_count += 1
    invocation.modified_at = stamp.at
    if invocation.unseen and event.__class__ in REQUESTS and _follows(stamp, invocation.unseen):
        invocation.unseen = 0
    if (
        stamp.cause.startswith(REQUEST) and event.__class__ is not e.InvocationStarted
    ):  # which a verb on another invocation starts
        invocation.applied_requests = with_request(invocation.applied_requests, stamp.cause, invocation.status)
    spans = invocation.spans
    first, last = spans[-1]
    if number - last <= SPAN_GAP:
        spans[-1] = (first, number)
    else:
        spans.append((number, number))
    try:
        change(state, invocation, event, stamp)
    except LookupError as error:
        raise IllegalEvent(
            f"{type(event).__name__} of {of} refers to something that does not exist: {error}"
        ) from error
    return state


def _follows(stamp: Stamp, number: int) -> bool:
    """Report whether the handler had received the event with this number when it made the request with this stamp. A request is
    stamped with the event that it follows from, and the handler receives events in order."""
    cause = stamp.cause
    return cause[:1] == "#" and cause[1:].isdecimal() and int(cause[1:]) >= number


def _create(number: int, event: Event) -> ObjectState:
    if not isinstance(event, e.ObjectCreated):
        raise IllegalEvent(f"a stream begins with ObjectCreated, not with {type(event).__name__}")
    if number != 1:
        raise IllegalEvent(f"ObjectCreated is event 1, not {number}")
    return ObjectState(service=event.service, key=event.key, kind=event.kind, version=1)


def _evolve_object(state: ObjectState, number: int, stamp: Stamp, event: Event) -> None:
    if isinstance(event, e.InvocationAccepted):
        _accept(state, number, stamp, event)
    elif not isinstance(event, (e.InvocationsPurged, e.Erased)):  # their invocations are no longer in the state
        raise IllegalEvent(f"{type(event).__name__} cannot be event {number}: an object is created once")


def spans_with(spans: list[tuple[int, int]], number: int) -> list[tuple[int, int]]:
    """Return the spans, extended by one later event of the same invocation."""
    first, last = spans[-1]
    if number - last <= SPAN_GAP:
        return [*spans[:-1], (first, number)]
    return [*spans, (number, number)]


def _accept(state: ObjectState, number: int, stamp: Stamp, event: e.InvocationAccepted) -> None:
    if event.invocation_id in state.invocations:
        raise IllegalEvent(f"{event.invocation_id} was accepted before")
    is_scheduled = event.scheduled_for is not None
    state.invocations[event.invocation_id] = InvocationState(
        invocation_id=event.invocation_id,
        handler=event.handler,
        mode=event.mode,
        status=Status.SCHEDULED if is_scheduled else Status.QUEUED,
        accepted_at=stamp.at,
        accepted_by=stamp.by,
        modified_at=stamp.at,
        spans=[(number, number)],
        caller=event.caller,
        chain=event.chain,
        request=event.request,
        argument_digest=b"" if event.request is None else digest_of(event),
        atomic=event.atomic,
        deployment=event.deployment,
        scheduled_for=event.scheduled_for,
        restarts=event.restarts,
        waits_for=event.behind,
        event_count=1,
        value_bytes=len(event.argument),
        tags=event.tags,
        trace=event.trace,
        expires_at=event.expires_at,
        debounce=event.debounce,
        debounced_since=event.debounced_since,
        budget=event.budget,
        budgets=event.budgets if event.budget is None else (event.invocation_id, *event.budgets),
    )
    if not is_scheduled and event.mode is Mode.EXCLUSIVE:
        state.queue.append(event.invocation_id)


def _on_due(state: ObjectState, invocation: InvocationState, _: e.InvocationDue, __: Stamp) -> None:
    invocation.scheduled_for = None
    if invocation.status is Status.SCHEDULED:
        invocation.status = Status.QUEUED
    if invocation.mode is Mode.EXCLUSIVE:
        state.queue.append(invocation.invocation_id)


def _on_rescheduled(_: ObjectState, invocation: InvocationState, event: e.InvocationRescheduled, __: Stamp) -> None:
    if invocation.scheduled_for is None:
        raise IllegalEvent(f"{invocation.invocation_id} waits for no time, so its time cannot be moved")
    invocation.scheduled_for = event.scheduled_for


def _on_started(state: ObjectState, invocation: InvocationState, _: e.InvocationStarted, stamp: Stamp) -> None:
    invocation.status = Status.SUSPENDED if invocation.mode is Mode.UPDATE else Status.RUNNING
    invocation.started_at = stamp.at
    if invocation.mode is Mode.EXCLUSIVE:
        if state.holder is not None:
            raise IllegalEvent(f"{invocation.invocation_id} cannot start: {state.holder} holds {state.name}")
        if state.queue[0] != invocation.invocation_id:
            raise IllegalEvent(f"{invocation.invocation_id} cannot start: {state.queue[0]} came first")
        state.holder = state.queue.pop(0)


def _nothing(_: ObjectState, __: InvocationState, ___: Event, ____: Stamp) -> None:
    """Change nothing: the event matters only to the replay."""


def _on_attempt_failed(state: ObjectState, invocation: InvocationState, event: e.AttemptFailed, __: Stamp) -> None:
    invocation.failed_attempts = event.attempt
    invocation.retry_at = event.retry_at
    invocation.max_attempts = event.max_attempts
    invocation.last_failure = event.failure
    invocation.unseen = state.version  # the last turn runs again
    invocation.status = transitions.status_now(invocation)


def _on_attempt_retried(_: ObjectState, invocation: InvocationState, __: e.AttemptRetried, ___: Stamp) -> None:
    invocation.retry_at = None
    invocation.status = transitions.status_now(invocation)


def _on_suspended(_: ObjectState, invocation: InvocationState, __: e.InvocationSuspended, ___: Stamp) -> None:
    invocation.unseen = 0


def _on_cancel(state: ObjectState, invocation: InvocationState, event: e.CancelRequested, stamp: Stamp) -> None:
    invocation.cancel = Cancel(event.reason, stamp.by, stamp.at, event.kill_at, expired=event.expired)
    invocation.pending_pause = invocation.expires_at = None
    invocation.held_back = 0
    invocation.over_budget = []
    if invocation.status is Status.PAUSED:
        _start_over(invocation)
    invocation.retry_at = None
    invocation.unseen = state.version
    invocation.status = transitions.status_now(invocation)


def _on_hastened(_: ObjectState, invocation: InvocationState, event: e.CancelDeadlineMoved, __: Stamp) -> None:
    cancel = invocation.cancel
    if cancel is None:
        raise IllegalEvent(f"{invocation.invocation_id} is not cancelled, so its kill cannot be moved")
    if cancel.kill_at is not None and event.kill_at >= cancel.kill_at:
        raise IllegalEvent(
            f"{invocation.invocation_id}: new kill time {event.kill_at} is not earlier than {cancel.kill_at}"
        )
    cancel.kill_at = event.kill_at


def _on_overtook(state: ObjectState, invocation: InvocationState, __: e.CancelDeliveredEarlier, ___: Stamp) -> None:
    if invocation.cancel is None:
        raise IllegalEvent(f"{invocation.invocation_id} returned before a cancel, but it is not cancelled")
    invocation.cancel.overtook = True
    invocation.unseen = state.version


def _on_pause_requested(_: ObjectState, invocation: InvocationState, event: e.PauseRequested, stamp: Stamp) -> None:
    invocation.pending_pause = event.reason
    invocation.paused_by, invocation.paused_at = stamp.by, stamp.at


def _on_paused(_: ObjectState, invocation: InvocationState, event: e.InvocationPaused, stamp: Stamp) -> None:
    if (
        invocation.pending_pause is None
    ):  # otherwise the requester is known, and this event only carries the request out
        invocation.paused_by = stamp.by
    invocation.paused_at = stamp.at
    invocation.status = Status.PAUSED
    invocation.pending_pause = None
    invocation.pause_reason = event.reason
    invocation.pause_cause = event.cause
    invocation.paused_for = None if event.over is None else event.over.invocation_id
    if event.failure is not None:
        invocation.last_failure = event.failure


def _on_resumed(_: ObjectState, invocation: InvocationState, __: e.InvocationResumed, ___: Stamp) -> None:
    invocation.held_back = 0
    if invocation.status is not Status.PAUSED:
        invocation.pending_pause = None  # a pause was requested and had not taken effect
        return
    _start_over(invocation)
    invocation.status = transitions.status_when_resumed(invocation)


def _on_moved(_: ObjectState, invocation: InvocationState, event: e.InvocationMoved, __: Stamp) -> None:
    invocation.deployment = event.deployment


def _start_over(invocation: InvocationState) -> None:
    """Reset the attempts of the handler and of its steps, which run at once."""
    invocation.retry_at = None
    invocation.failed_attempts = 0
    invocation.pause_reason = invocation.paused_by = ""
    invocation.paused_at = None
    invocation.pause_cause = invocation.paused_for = None
    for wait in invocation.waits.values():
        if wait.kind in (WaitKind.STEP, WaitKind.STEP_RETRY):  # a step that was to be retried may not have begun
            wait.kind, wait.at, wait.attempts, wait.max_attempts = WaitKind.STEP, None, 0, None
    invocation.count_steps()


def _on_restarted(state: ObjectState, invocation: InvocationState, event: e.InvocationRestarted, __: Stamp) -> None:
    invocation.successors = [*invocation.successors, event.successor]
    invocation.spares = True
    if event.hands_over:
        successor = state.invocations[event.successor]
        successor.attached += invocation.attached
        invocation.caller, invocation.attached = None, []


def _on_spared(_: ObjectState, invocation: InvocationState, __: e.CallsDetached, ___: Stamp) -> None:
    invocation.spares = True


def _on_history_kept(state: ObjectState, invocation: InvocationState, event: e.HistoryCopied, __: Stamp) -> None:
    invocation.has_copied_history = True
    invocation.spent = {}  # the original has spent it
    invocation.unseen = state.version
    invocation.deferred_signals = 0  # they are received again
    if not event.carries:
        # The object already has the writes of the copied part, or a rewind has undone them.
        invocation.changes = Changes()


def _on_completed(state: ObjectState, invocation: InvocationState, event: e.InvocationCompleted, __: Stamp) -> None:
    if event.outcome.failure is None and event.outcome.kind is OutcomeKind.FAILED:
        raise IllegalEvent("an outcome of kind 'failed' has no failure")
    del state.invocations[invocation.invocation_id]
    if state.holder == invocation.invocation_id:
        state.holder = None
    elif invocation.invocation_id in state.queue:
        state.queue.remove(invocation.invocation_id)
    if keeps_changes(invocation, event.outcome.kind):
        keep_changes(state, invocation.changes)


def _on_status_text(_: ObjectState, invocation: InvocationState, event: e.StatusTextChanged, __: Stamp) -> None:
    invocation.status_text = event.text


_EVOLVE: dict[type, Callable[[ObjectState, InvocationState, Any, Stamp], None]] = {
    e.InvocationDue: _on_due,
    e.InvocationRescheduled: _on_rescheduled,
    e.InvocationStarted: _on_started,
    e.StepScheduled: on_step_scheduled,
    e.StepCompleted: on_outcome,
    e.StepAttemptFailed: on_step_failed,
    e.StepRetried: on_step_retried,
    e.StepAborted: settle,
    e.SleepScheduled: on_sleep,
    e.DeadlineScheduled: on_deadline,
    e.TimerFired: settle,
    e.WaitDropped: on_wait_dropped,
    e.CallScheduled: on_call,
    e.AttachScheduled: on_attach,
    e.CallCompleted: on_outcome,
    e.CallCancelRequested: _nothing,
    e.SendScheduled: on_send,
    e.SignalAwaited: on_signal_awaited,
    e.SignalReceived: on_signal,
    e.SignalReassigned: on_reassigned,
    e.QuestionAsked: on_question,
    e.UpdateAccepted: on_update,
    e.UpdateCancelRequested: on_update_cancel,
    e.UpdateCompleted: on_update_completed,
    e.VerbScheduled: on_verb,
    e.VerbAnswered: settle,
    e.PatchMarked: _nothing,
    e.StatusTextChanged: _on_status_text,
    e.StepHeartbeat: on_heartbeat,
    e.QuantitiesSpent: on_spent,
    e.BudgetRaised: on_raised,
    e.BudgetUsedUp: on_used_up,
    e.FieldsChanged: on_fields,
    e.LogExtended: on_log,
    e.MapChanged: on_map,
    e.ReadsPinned: _nothing,
    e.ItemsPinned: _nothing,
    e.FieldsInitialized: on_initialized,
    e.LogConverted: on_log_converted,
    e.MapConverted: on_map_converted,
    e.AttemptFailed: _on_attempt_failed,
    e.AttemptRetried: _on_attempt_retried,
    e.InvocationSuspended: _on_suspended,
    e.CancelRequested: _on_cancel,
    e.CancelDeadlineMoved: _on_hastened,
    e.CancelDeliveredEarlier: _on_overtook,
    e.PauseRequested: _on_pause_requested,
    e.InvocationPaused: _on_paused,
    e.InvocationResumed: _on_resumed,
    e.InvocationMoved: _on_moved,
    e.AttachRequested: on_attach_requested,
    e.AttachDropped: on_attach_dropped,
    e.InvocationCompleted: _on_completed,
    e.InvocationRestarted: _on_restarted,
    e.FieldsRewound: on_rewound,
    e.HistoryCopied: _on_history_kept,
    e.CallTransferred: on_handed_over,
    e.CallsDetached: _on_spared,
}
