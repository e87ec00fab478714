"""Applies events to an object's state, one at a time. No other code changes it.

The fold of a stream through ``evolve`` is the object. The state is changed in place, because a copy for each event costs more
than everything else here; code that needs the state before an event reads it before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core import transitions
from actors.core.inputs import digest_of
from actors.core.state import (
    REQUEST,
    Cancel,
    Changes,
    InvocationState,
    ObjectState,
    Wait,
    WaitKind,
    with_request,
)
from journal import events as e
from journal.events import Mode, OutcomeKind, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.events import Event, Stamp

_SPAN_GAP = 32
"""The number of other invocations' events that a span may contain. Reading and skipping them is cheaper than a further span."""


class IllegalEvent(Exception):
    """The event cannot follow the events before it. If it is stored, the stream is damaged; if it is new, the decision was wrong."""


def evolve(state: ObjectState | None, number: int, stamp: Stamp, event: Event) -> ObjectState:
    """The object after the event. After an :class:`IllegalEvent` the state is unusable.

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
    if stamp.cause.startswith(REQUEST):
        invocation.obeyed = with_request(invocation.obeyed, stamp.cause, invocation.status)
    spans = invocation.spans
    first, last = spans[-1]
    if number - last <= _SPAN_GAP:
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
    """The spans, extended by one more event of the same invocation at the end."""
    first, last = spans[-1]
    if number - last <= _SPAN_GAP:
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
        behind=event.behind,
        event_count=1,
        value_bytes=len(event.argument),
    )
    if not is_scheduled and event.mode is Mode.EXCLUSIVE:
        state.queue.append(event.invocation_id)


def _on_due(state: ObjectState, invocation: InvocationState, _: e.InvocationDue, __: Stamp) -> None:
    invocation.scheduled_for = None
    if invocation.status is Status.SCHEDULED:
        invocation.status = Status.QUEUED
    if invocation.mode is Mode.EXCLUSIVE:
        state.queue.append(invocation.invocation_id)


def _on_started(state: ObjectState, invocation: InvocationState, _: e.InvocationStarted, stamp: Stamp) -> None:
    invocation.status = Status.RUNNING
    invocation.started_at = stamp.at
    if invocation.mode is Mode.EXCLUSIVE:
        if state.holder is not None:
            raise IllegalEvent(f"{invocation.invocation_id} cannot start: {state.holder} holds {state.name}")
        if state.queue[0] != invocation.invocation_id:
            raise IllegalEvent(f"{invocation.invocation_id} cannot start: {state.queue[0]} came first")
        state.holder = state.queue.pop(0)


def _on_step_scheduled(_: ObjectState, invocation: InvocationState, event: e.StepScheduled, stamp: Stamp) -> None:
    invocation.value_bytes += len(event.argument)
    invocation.waits[event.step] = Wait(WaitKind.STEP, stamp.at, event.name)


def _on_sleep(_: ObjectState, invocation: InvocationState, event: e.SleepScheduled, stamp: Stamp) -> None:
    invocation.waits[event.step] = Wait(WaitKind.SLEEP, stamp.at, at=event.wake_at)


def _on_deadline(_: ObjectState, invocation: InvocationState, event: e.DeadlineScheduled, stamp: Stamp) -> None:
    invocation.waits[event.step] = Wait(WaitKind.DEADLINE, stamp.at, at=event.expires_at)


def _on_call(_: ObjectState, invocation: InvocationState, event: e.CallScheduled, stamp: Stamp) -> None:
    invocation.value_bytes += len(event.argument)
    invocation.waits[event.step] = Wait(
        WaitKind.CALL, stamp.at, str(event.target), callee=event.callee, is_fixed=event.request is not None
    )


def _on_attach(_: ObjectState, invocation: InvocationState, event: e.AttachScheduled, stamp: Stamp) -> None:
    invocation.waits[event.step] = Wait(WaitKind.ATTACH, stamp.at, callee=event.callee)


def _on_signal_awaited(_: ObjectState, invocation: InvocationState, event: e.SignalAwaited, stamp: Stamp) -> None:
    if event.ready:
        _take_signal(invocation, event.name, event.signal)
    else:
        invocation.waits[event.step] = Wait(WaitKind.SIGNAL, stamp.at, event.name)


def _on_verb(_: ObjectState, invocation: InvocationState, event: e.VerbScheduled, stamp: Stamp) -> None:
    invocation.waits[event.step] = Wait(WaitKind.VERB, stamp.at, event.verb.value, callee=event.of)


def _on_send(_: ObjectState, invocation: InvocationState, event: e.SendScheduled, __: Stamp) -> None:
    invocation.value_bytes += len(event.argument)


def _on_output(_: ObjectState, invocation: InvocationState, event: e.OutputEmitted, __: Stamp) -> None:
    invocation.value_bytes += len(event.value)


def _settle(_: ObjectState, invocation: InvocationState, event: Any, __: Stamp) -> None:
    del invocation.waits[event.step]
    _complete(invocation)


def _on_wait_dropped(_: ObjectState, invocation: InvocationState, event: e.WaitDropped, __: Stamp) -> None:
    # Its completion may have come already: the handler, still catching up, dropped the wait before it received it.
    invocation.waits.pop(event.step, None)


def _on_outcome(
    _: ObjectState, invocation: InvocationState, event: e.StepCompleted | e.CallCompleted, __: Stamp
) -> None:
    if event.outcome.failure is None and event.outcome.kind is OutcomeKind.FAILED:
        raise IllegalEvent("an outcome that failed has no failure")
    del invocation.waits[event.step]
    invocation.value_bytes += len(event.outcome.value)
    _complete(invocation)


def _complete(invocation: InvocationState) -> None:
    """A completion has come for the handler."""
    if invocation.status is Status.PAUSED or invocation.pausing is not None:
        invocation.held_back += 1
    _wake(invocation)


def _wake(invocation: InvocationState) -> None:
    invocation.parked = False
    if invocation.status is not Status.PAUSED:
        invocation.status = transitions.status_now(invocation)


def _on_step_failed(_: ObjectState, invocation: InvocationState, event: e.StepAttemptFailed, __: Stamp) -> None:
    wait = invocation.waits[event.step]
    wait.attempts = event.attempt
    wait.at = event.retry_at
    wait.max_attempts = event.max_attempts
    wait.kind = WaitKind.STEP_RETRY
    invocation.last_failure = event.failure
    _wake(invocation)


def _on_step_retried(_: ObjectState, invocation: InvocationState, event: e.StepRetried, __: Stamp) -> None:
    wait = invocation.waits[event.step]
    wait.at = None
    wait.kind = WaitKind.STEP
    _wake(invocation)


def _on_signal(_: ObjectState, invocation: InvocationState, event: e.SignalReceived, __: Stamp) -> None:
    if event.deferred:
        invocation.deferred_signals += 1
        return
    invocation.value_bytes += len(event.value)
    invocation.signals_received = max(invocation.signals_received, event.signal)
    if event.step is not None and invocation.waits.pop(event.step, None) is not None:
        _complete(invocation)
        return
    if invocation.status is Status.PAUSED or invocation.pausing is not None:
        invocation.held_back += 1
    invocation.signals.setdefault(event.name, []).append(event.signal)


def _on_reassigned(_: ObjectState, invocation: InvocationState, event: e.SignalReassigned, __: Stamp) -> None:
    _take_signal(invocation, event.name, event.signal)
    if event.step is None:
        invocation.signals[event.name] = sorted([*invocation.signals.get(event.name, ()), event.signal])
    else:
        invocation.waits.pop(event.step, None)


def _take_signal(invocation: InvocationState, name: str, signal: int) -> None:
    """The signal is no longer buffered, if it was: it may have been meant for a wait that has ended."""
    left = [kept for kept in invocation.signals.get(name, ()) if kept != signal]
    if left:
        invocation.signals[name] = left
    else:
        invocation.signals.pop(name, None)


def _nothing(_: ObjectState, __: InvocationState, ___: Event, ____: Stamp) -> None:
    """Change nothing: the event matters to the replay only."""


def _on_fields(_: ObjectState, invocation: InvocationState, event: e.FieldsChanged, __: Stamp) -> None:
    size = sum(map(len, event.fields.values()))
    invocation.value_bytes += size
    invocation.changes.write(event.fields, size)


def _on_initialized(state: ObjectState, invocation: InvocationState, event: e.FieldsInitialized, __: Stamp) -> None:
    # The version of the fields stays: no client has seen them without these values.
    invocation.value_bytes += sum(map(len, event.fields.values()))
    state.fields = {**event.fields, **state.fields}


def _on_log_converted(state: ObjectState, _: InvocationState, event: e.LogConverted, __: Stamp) -> None:
    state.fields = {name: value for name, value in state.fields.items() if name != event.field}
    state.lengths[event.field] = len(event.items)


def _on_map_converted(state: ObjectState, _: InvocationState, event: e.MapConverted, __: Stamp) -> None:
    state.fields = {name: value for name, value in state.fields.items() if name != event.field}
    state.maps.add(event.field)


def _on_log(_: ObjectState, invocation: InvocationState, event: e.LogExtended, __: Stamp) -> None:
    invocation.value_bytes += sum(map(len, event.items))
    invocation.changes.extend(event.field, event.items)


def _on_map(_: ObjectState, invocation: InvocationState, event: e.MapChanged, __: Stamp) -> None:
    invocation.value_bytes += sum(len(value) for value in event.items.values() if value is not None)
    invocation.changes.change(event.field, event.items)


def _on_attempt_failed(_: ObjectState, invocation: InvocationState, event: e.AttemptFailed, __: Stamp) -> None:
    invocation.failed_attempts = event.attempt
    invocation.retry_at = event.retry_at
    invocation.max_attempts = event.max_attempts
    invocation.last_failure = event.failure
    _wake(invocation)


def _on_attempt_retried(_: ObjectState, invocation: InvocationState, __: e.AttemptRetried, ___: Stamp) -> None:
    invocation.retry_at = None
    _wake(invocation)


def _on_suspended(_: ObjectState, invocation: InvocationState, __: e.InvocationSuspended, ___: Stamp) -> None:
    invocation.parked = True
    invocation.status = transitions.status_now(invocation)


def _on_cancel(_: ObjectState, invocation: InvocationState, event: e.CancelRequested, stamp: Stamp) -> None:
    invocation.cancel = Cancel(event.reason, stamp.by, stamp.at, event.kill_at)
    invocation.pausing = None
    invocation.held_back = 0
    if invocation.status is Status.PAUSED:
        _start_over(invocation)
    invocation.retry_at = None
    invocation.parked = False
    invocation.status = transitions.status_now(invocation)


def _on_hastened(_: ObjectState, invocation: InvocationState, event: e.CancelDeadlineMoved, __: Stamp) -> None:
    cancel = invocation.cancel
    if cancel is None:
        raise IllegalEvent(f"{invocation.invocation_id} cannot get an earlier kill: it is not cancelled")
    if cancel.kill_at is not None and event.kill_at >= cancel.kill_at:
        raise IllegalEvent(
            f"{invocation.invocation_id} would be killed at {event.kill_at}, later than {cancel.kill_at}"
        )
    cancel.kill_at = event.kill_at


def _on_overtook(_: ObjectState, invocation: InvocationState, __: e.CancelDeliveredEarlier, ___: Stamp) -> None:
    if invocation.cancel is None:
        raise IllegalEvent(f"{invocation.invocation_id} returned before a cancel, but it is not cancelled")
    invocation.cancel.overtook = True


def _on_pause_requested(_: ObjectState, invocation: InvocationState, event: e.PauseRequested, stamp: Stamp) -> None:
    invocation.pausing = event.reason
    invocation.paused_by, invocation.paused_at = stamp.by, stamp.at


def _on_paused(_: ObjectState, invocation: InvocationState, event: e.InvocationPaused, stamp: Stamp) -> None:
    if invocation.pausing is None:  # otherwise the requester is known, and this event only carries the request out
        invocation.paused_by = stamp.by
    invocation.paused_at = stamp.at
    invocation.status = Status.PAUSED
    invocation.pausing = None
    invocation.pause_reason = event.reason
    invocation.pause_cause = event.cause
    if event.failure is not None:
        invocation.last_failure = event.failure


def _on_resumed(_: ObjectState, invocation: InvocationState, __: e.InvocationResumed, ___: Stamp) -> None:
    invocation.held_back = 0
    if invocation.status is not Status.PAUSED:
        invocation.pausing = None  # it had been asked to pause and was not paused yet
        return
    _start_over(invocation)
    invocation.status = transitions.status_when_resumed(invocation)


def _on_moved(_: ObjectState, invocation: InvocationState, event: e.InvocationMoved, __: Stamp) -> None:
    invocation.deployment = event.deployment


def _start_over(invocation: InvocationState) -> None:
    """Reset the attempts of the handler and of its steps, which run at once."""
    invocation.retry_at = None
    invocation.parked = False
    invocation.failed_attempts = 0
    invocation.pause_reason = invocation.paused_by = ""
    invocation.paused_at = None
    invocation.pause_cause = None
    for wait in invocation.waits.values():
        if wait.kind in (WaitKind.STEP, WaitKind.STEP_RETRY):  # a step that was to be retried may not have begun
            wait.kind, wait.at, wait.attempts, wait.max_attempts = WaitKind.STEP, None, 0, None


def _on_attach_requested(_: ObjectState, invocation: InvocationState, event: e.AttachRequested, __: Stamp) -> None:
    invocation.attached.append(event.by)


def _on_restarted(state: ObjectState, invocation: InvocationState, event: e.InvocationRestarted, __: Stamp) -> None:
    invocation.successors = [*invocation.successors, event.successor]
    invocation.spares = True
    if event.hands_over:
        successor = state.invocations[event.successor]
        successor.attached += invocation.attached
        invocation.caller, invocation.attached = None, []


def _on_spared(_: ObjectState, invocation: InvocationState, __: e.CallsDetached, ___: Stamp) -> None:
    invocation.spares = True


def _on_rewound(state: ObjectState, invocation: InvocationState, event: e.FieldsRewound, __: Stamp) -> None:
    invocation.has_kept = True
    invocation.deferred_signals = 0  # they are received again
    state.fields_version = state.version
    state.fields = dict(event.fields)
    state.lengths = dict(event.lengths)


def _on_history_kept(_: ObjectState, invocation: InvocationState, event: e.HistoryCopied, __: Stamp) -> None:
    invocation.has_kept = True
    invocation.deferred_signals = 0  # they are received again
    if not event.carries:
        # The object already has the writes of the copied part, or a rewind has undone them.
        invocation.changes = Changes()


def _on_handed_over(_: ObjectState, invocation: InvocationState, event: e.CallTransferred, __: Stamp) -> None:
    invocation.waits[event.step].callee = event.callee


def _on_completed(state: ObjectState, invocation: InvocationState, event: e.InvocationCompleted, __: Stamp) -> None:
    if event.outcome.failure is None and event.outcome.kind is OutcomeKind.FAILED:
        raise IllegalEvent("an outcome that failed has no failure")
    del state.invocations[invocation.invocation_id]
    if state.holder == invocation.invocation_id:
        state.holder = None
    elif invocation.invocation_id in state.queue:
        state.queue.remove(invocation.invocation_id)
    if keeps_changes(invocation, event.outcome.kind):
        _keep(state, invocation.changes)


def keeps_changes(invocation: InvocationState, kind: OutcomeKind) -> bool:
    """Whether the handler's writes are kept: always, except for an atomic handler that did not succeed."""
    return bool(invocation.changes) and (kind is OutcomeKind.SUCCEEDED or not invocation.atomic)


def _keep(state: ObjectState, changes: Changes) -> None:
    # A new dictionary: shared handlers that run beside the writer hold the old one.
    state.fields_version = state.version
    state.fields = {**state.fields, **changes.fields}
    for field, items in changes.logs.items():
        state.lengths[field] = state.lengths.get(field, 0) + len(items)
    state.maps.update(changes.maps)


_EVOLVE: dict[type, Callable[[ObjectState, InvocationState, Any, Stamp], None]] = {
    e.InvocationDue: _on_due,
    e.InvocationStarted: _on_started,
    e.StepScheduled: _on_step_scheduled,
    e.StepCompleted: _on_outcome,
    e.StepAttemptFailed: _on_step_failed,
    e.StepRetried: _on_step_retried,
    e.StepAborted: _settle,
    e.SleepScheduled: _on_sleep,
    e.DeadlineScheduled: _on_deadline,
    e.TimerFired: _settle,
    e.WaitDropped: _on_wait_dropped,
    e.CallScheduled: _on_call,
    e.AttachScheduled: _on_attach,
    e.CallCompleted: _on_outcome,
    e.CallCancelRequested: _nothing,
    e.SendScheduled: _on_send,
    e.SignalAwaited: _on_signal_awaited,
    e.SignalReceived: _on_signal,
    e.SignalReassigned: _on_reassigned,
    e.OutputEmitted: _on_output,
    e.VerbScheduled: _on_verb,
    e.VerbAnswered: _settle,
    e.PatchMarked: _nothing,
    e.FieldsChanged: _on_fields,
    e.LogExtended: _on_log,
    e.MapChanged: _on_map,
    e.ReadsPinned: _nothing,
    e.ItemsPinned: _nothing,
    e.FieldsInitialized: _on_initialized,
    e.LogConverted: _on_log_converted,
    e.MapConverted: _on_map_converted,
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
    e.AttachRequested: _on_attach_requested,
    e.InvocationCompleted: _on_completed,
    e.InvocationRestarted: _on_restarted,
    e.FieldsRewound: _on_rewound,
    e.HistoryCopied: _on_history_kept,
    e.CallTransferred: _on_handed_over,
    e.CallsDetached: _on_spared,
}
