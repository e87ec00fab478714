"""Applies the events of the operations that a handler waits for: steps, calls, timers, signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core import transitions
from actors.core.state import Cancel, InvocationState, ObjectState, OpenQuestion, Wait, WaitKind
from actors.core.transitions import IllegalEvent
from journal import events as e
from journal.events import OutcomeKind, Status

if TYPE_CHECKING:
    from journal.events import Stamp
    from journal.ids import StepId


def _wait_for_others(invocation: InvocationState, step: StepId, wait: Wait) -> None:
    if step in invocation.waits:
        _end(invocation, step)
    invocation.waits[step] = wait
    if invocation.status is Status.RUNNING:  # a further request to others changes no other status
        invocation.status = transitions.status_now(invocation)


def _end(invocation: InvocationState, step: StepId) -> Wait:
    """Remove a wait and return it. Raises ``KeyError`` if there is none."""
    wait = invocation.waits.pop(step)
    if wait.kind is WaitKind.STEP:
        invocation._running_steps -= 1
    elif wait.kind is WaitKind.STEP_RETRY:
        invocation._failed_steps -= 1
    return wait


def on_step_scheduled(_: ObjectState, invocation: InvocationState, event: e.StepScheduled, stamp: Stamp) -> None:
    invocation.value_bytes += len(event.argument)
    if event.step in invocation.waits:
        _end(invocation, event.step)
    invocation.waits[event.step] = Wait(WaitKind.STEP, stamp.at, event.name)
    invocation._running_steps += 1
    if invocation.status is Status.SUSPENDED:
        invocation.status = Status.RUNNING


def on_sleep(_: ObjectState, invocation: InvocationState, event: e.SleepScheduled, stamp: Stamp) -> None:
    _wait_for_others(invocation, event.step, Wait(WaitKind.SLEEP, stamp.at, at=event.wake_at))


def on_deadline(_: ObjectState, invocation: InvocationState, event: e.DeadlineScheduled, stamp: Stamp) -> None:
    _wait_for_others(invocation, event.step, Wait(WaitKind.DEADLINE, stamp.at, at=event.expires_at))


def on_call(_: ObjectState, invocation: InvocationState, event: e.CallScheduled, stamp: Stamp) -> None:
    invocation.value_bytes += len(event.argument)
    is_fixed = event.request is not None
    wait = Wait(WaitKind.CALL, stamp.at, str(event.target), callee=event.callee, is_fixed=is_fixed)
    _wait_for_others(invocation, event.step, wait)


def on_attach(_: ObjectState, invocation: InvocationState, event: e.AttachScheduled, stamp: Stamp) -> None:
    _wait_for_others(
        invocation, event.step, Wait(WaitKind.ATTACH, stamp.at, event.lock, callee=event.callee, after=event.after)
    )


def on_attach_requested(_: ObjectState, invocation: InvocationState, event: e.AttachRequested, __: Stamp) -> None:
    if event.stays:
        invocation.watchers.append(event.by)
    else:
        invocation.attached.append(event.by)


def on_attach_dropped(_: ObjectState, invocation: InvocationState, event: e.AttachDropped, __: Stamp) -> None:
    for waiting in (invocation.attached, invocation.watchers):
        if event.by in waiting:
            waiting.remove(event.by)


def on_signal_awaited(_: ObjectState, invocation: InvocationState, event: e.SignalAwaited, stamp: Stamp) -> None:
    question = event.question
    if event.ready:
        _take_signal(invocation, event.name, event.signal)
        if question:
            _take_signal(invocation, question, event.signal)
            _close(invocation, question)
        return
    if question in invocation.questions:
        invocation.questions[question].is_closed = False
    _wait_for_others(invocation, event.step, Wait(WaitKind.SIGNAL, stamp.at, event.name, question=question))


def on_question(state: ObjectState, invocation: InvocationState, event: e.QuestionAsked, _: Stamp) -> None:
    invocation.value_bytes += sum(len(text.encode()) for text in (event.text, *event.choices))
    invocation.questions[event.question] = OpenQuestion(state.version, event.expires_at)


def _close(invocation: InvocationState, question: str) -> None:
    """Close a question: its link is refused until the handler waits for the answer again."""
    if question in invocation.questions:
        invocation.questions[question].is_closed = True


def on_verb(_: ObjectState, invocation: InvocationState, event: e.VerbScheduled, stamp: Stamp) -> None:
    _wait_for_others(invocation, event.step, Wait(WaitKind.VERB, stamp.at, event.verb.value, callee=event.of))


def on_send(_: ObjectState, invocation: InvocationState, event: e.SendScheduled, __: Stamp) -> None:
    invocation.value_bytes += len(event.argument)


def settle(state: ObjectState, invocation: InvocationState, event: Any, __: Stamp) -> None:
    """End a wait whose operation is complete."""
    _end(invocation, event.step)
    _complete(state, invocation)


def on_wait_dropped(_: ObjectState, invocation: InvocationState, event: e.WaitDropped, __: Stamp) -> None:
    # Its completion may have come already: the handler, still catching up, dropped the wait before it received it.
    if event.step in invocation.waits:
        _close(invocation, _end(invocation, event.step).question)
        invocation.status = transitions.status_now(invocation)


def on_outcome(
    state: ObjectState, invocation: InvocationState, event: e.StepCompleted | e.CallCompleted, __: Stamp
) -> None:
    if event.outcome.failure is None and event.outcome.kind is OutcomeKind.FAILED:
        raise IllegalEvent("an outcome of kind 'failed' has no failure")
    _end(invocation, event.step)
    invocation.value_bytes += len(event.outcome.value)
    _complete(state, invocation)


def _complete(state: ObjectState, invocation: InvocationState) -> None:
    """Note a completion for the handler, and count it if a pause holds it back."""
    invocation.unseen = state.version
    if invocation.status is Status.PAUSED or invocation.pending_pause is not None:
        invocation.held_back += 1
    _update_status(invocation)


def _update_status(invocation: InvocationState) -> None:
    if invocation.status is not Status.PAUSED and invocation.is_started:
        invocation.status = transitions.status_now(invocation)


def on_step_failed(_: ObjectState, invocation: InvocationState, event: e.StepAttemptFailed, __: Stamp) -> None:
    wait = invocation.waits[event.step]
    wait.attempts = event.attempt
    wait.at = event.retry_at
    wait.max_attempts = event.max_attempts
    if wait.kind is WaitKind.STEP:
        wait.kind = WaitKind.STEP_RETRY
        invocation._running_steps -= 1
        invocation._failed_steps += 1
    invocation.last_failure = event.failure
    _update_status(invocation)


def on_heartbeat(_: ObjectState, invocation: InvocationState, event: e.StepHeartbeat, __: Stamp) -> None:
    invocation.value_bytes += len(event.details)
    invocation.waits[event.step].heartbeat = event.details


def on_step_retried(_: ObjectState, invocation: InvocationState, event: e.StepRetried, __: Stamp) -> None:
    wait = invocation.waits[event.step]
    wait.at = None
    if wait.kind is WaitKind.STEP_RETRY:
        wait.kind = WaitKind.STEP
        invocation._running_steps += 1
        invocation._failed_steps -= 1
    _update_status(invocation)


def on_signal(state: ObjectState, invocation: InvocationState, event: e.SignalReceived, __: Stamp) -> None:
    if event.deferred:
        invocation.deferred_signals += 1
        return
    invocation.value_bytes += len(event.value)
    invocation.signals_received = max(invocation.signals_received, event.signal)
    invocation.questions.pop(event.question, None)
    if event.step is not None and event.step in invocation.waits:
        _close(invocation, _end(invocation, event.step).question)
        _complete(state, invocation)
        return
    if invocation.status is Status.PAUSED or invocation.pending_pause is not None:
        invocation.held_back += 1
    invocation.signals.setdefault(event.question or event.name, []).append(event.signal)


def on_reassigned(_: ObjectState, invocation: InvocationState, event: e.SignalReassigned, __: Stamp) -> None:
    kept_as = event.question or event.name
    _take_signal(invocation, kept_as, event.signal)
    if event.step is None:
        invocation.signals[kept_as] = sorted([*invocation.signals.get(kept_as, ()), event.signal])
        return
    if event.step in invocation.waits:
        _close(invocation, _end(invocation, event.step).question)
        invocation.status = transitions.status_now(invocation)


def _take_signal(invocation: InvocationState, kept_as: str, signal: int) -> None:
    """Remove the signal from those buffered for a name or a question, if it is among them. It may have been sent to a wait
    instead."""
    left = [kept for kept in invocation.signals.get(kept_as, ()) if kept != signal]
    if left:
        invocation.signals[kept_as] = left
    else:
        invocation.signals.pop(kept_as, None)


def on_update(state: ObjectState, invocation: InvocationState, event: e.UpdateAccepted, _: Stamp) -> None:
    invocation.value_bytes += len(event.argument)
    invocation.updates_received = max(invocation.updates_received, event.number)
    update = state.invocations.get(event.update)  # a restart also carries out updates that were answered before
    if update is not None:
        update.run, update.updates_received = invocation.invocation_id, event.number
    _complete(state, invocation)


def on_update_cancel(
    state: ObjectState, invocation: InvocationState, event: e.UpdateCancelRequested, stamp: Stamp
) -> None:
    update = state.invocations.get(event.update)
    if update is not None:
        update.cancel = Cancel(event.reason, stamp.by, stamp.at, event.kill_at, expired=event.expired)
        update.expires_at = None
    _complete(state, invocation)


def on_update_completed(_: ObjectState, invocation: InvocationState, event: e.UpdateCompleted, __: Stamp) -> None:
    if event.outcome.failure is None and event.outcome.kind is OutcomeKind.FAILED:
        raise IllegalEvent("an outcome of kind 'failed' has no failure")
    invocation.value_bytes += len(event.outcome.value)


def on_handed_over(_: ObjectState, invocation: InvocationState, event: e.CallTransferred, __: Stamp) -> None:
    invocation.waits[event.step].callee = event.callee
