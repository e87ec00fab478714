"""Names the effects that follow from an event.

``react`` is called before the event changes the state, so that it can see what the event ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core import commands as c
from actors.core import effects as f
from actors.core.budget_effects import end_budget, on_raised, on_spent, on_used_up, tell_of_used_up
from actors.core.evolve.fields import keeps_changes
from actors.core.owed import has_yet_to_keep, kill_when_impatient
from actors.core.retractions import clear_waits, detach, retract, retract_expiry, retract_kill, retract_retry
from actors.core.state import Changes, WaitKind, existing
from journal import events as e
from journal.errors import CorruptRecord
from journal.events import Caller, Children, Link, Outcome, OutcomeKind, PauseCause, Status
from journal.ids import InvocationId, StepId, stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.effects import Effect
    from actors.core.state import InvocationState, ObjectState
    from journal.events import Event

_NOTHING: list[Effect] = []


def react(state: ObjectState | None, event: Event) -> list[Effect]:
    """Return the effects of the event on this object, whose state is the one before the event."""
    reaction: Callable[[ObjectState | None, Any], list[Effect]] | None = _REACTIONS.get(event.__class__)
    return _NOTHING if reaction is None else reaction(state, event)


def _of(state: ObjectState | None, event: Any) -> InvocationState:
    return existing(state).invocations[event.invocation_id]


def _on_accepted(_: ObjectState | None, event: e.InvocationAccepted) -> list[Effect]:
    owed: list[Effect] = []
    if event.scheduled_for is not None:
        owed.append(f.SetTimer(event.scheduled_for, c.StartDue(invocation_id=event.invocation_id)))
    if event.expires_at is not None:
        owed.append(f.SetTimer(event.expires_at, c.ExpireInvocation(invocation_id=event.invocation_id)))
    if event.budget is not None:
        owed.append(f.KeepBudget(event.invocation_id, event.budget))
    return owed


def _on_rescheduled(state: ObjectState | None, event: e.InvocationRescheduled) -> list[Effect]:
    due = c.StartDue(invocation_id=event.invocation_id)
    before = _of(state, event).scheduled_for
    retracted: list[Effect] = [] if before is None else [f.RetractTimer(before, due)]
    return [*retracted, f.SetTimer(event.scheduled_for, due)]


def _on_started(state: ObjectState | None, event: e.InvocationStarted) -> list[Effect]:
    # An invocation that is accepted now is never a restart with a history to copy.
    invocation = None if state is None else state.invocations.get(event.invocation_id)
    return [f.StartAttempt(event.invocation_id)] if invocation is None else _begin(invocation)


def _begin(invocation: InvocationState) -> list[Effect]:
    """Begin or continue the invocation. A restart that has not copied its history copies it first."""
    of = invocation.invocation_id
    if invocation.restarts is not None and has_yet_to_keep(invocation):
        return [f.CopyHistory(of), f.StartAttempt(of)]
    return [f.StartAttempt(of)]


def _on_step_scheduled(_: ObjectState | None, event: e.StepScheduled) -> list[Effect]:
    return [f.RunStep(event.invocation_id, event.step)]


def _continue(state: ObjectState | None, event: Any) -> list[Effect]:
    """Give the event to the handler. If the invocation is paused, its next attempt reads the event with the rest of the
    history."""
    invocation = _of(state, event)
    if invocation.status is Status.PAUSED or invocation.pending_pause is not None:
        return []
    if invocation.retry_at is not None:
        return []  # the next attempt reads it
    return [f.Continue(event.invocation_id, event)]


def _on_signal(state: ObjectState | None, event: e.SignalReceived) -> list[Effect]:
    invocation = _of(state, event)
    if not invocation.is_started or event.deferred:
        return []
    return _continue(state, event)


def _on_update(state: ObjectState | None, event: e.UpdateAccepted) -> list[Effect]:
    return _continue(state, event) if _of(state, event).is_started else []


def _on_update_cancel(state: ObjectState | None, event: e.UpdateCancelRequested) -> list[Effect]:
    owed = _continue(state, event) if _of(state, event).is_started else []
    update = existing(state).invocations.get(event.update)
    if update is None:
        return owed
    if event.kill_at is not None:
        owed.append(f.SetTimer(event.kill_at, kill_when_impatient(event.update)))
    return [*retract_expiry(update), *owed]


def _on_step_failed(state: ObjectState | None, event: e.StepAttemptFailed) -> list[Effect]:
    if event.retry_at is None or _of(state, event).status is Status.PAUSED:
        return []
    return [f.SetTimer(event.retry_at, c.FireTimer(invocation_id=event.invocation_id, step=event.step))]


def _on_step_retried(state: ObjectState | None, event: e.StepRetried) -> list[Effect]:
    return [
        *retract(event.invocation_id, event.step, _of(state, event).waits[event.step]),
        f.RunStep(event.invocation_id, event.step),
    ]


def _on_step_aborted(state: ObjectState | None, event: e.StepAborted) -> list[Effect]:
    return [*retract(event.invocation_id, event.step, _of(state, event).waits[event.step]), *_continue(state, event)]


def _on_sleep(_: ObjectState | None, event: e.SleepScheduled) -> list[Effect]:
    return [f.SetTimer(event.wake_at, c.FireTimer(invocation_id=event.invocation_id, step=event.step))]


def _on_deadline(_: ObjectState | None, event: e.DeadlineScheduled) -> list[Effect]:
    return [f.SetTimer(event.expires_at, c.FireTimer(invocation_id=event.invocation_id, step=event.step))]


def _on_wait_dropped(state: ObjectState | None, event: e.WaitDropped) -> list[Effect]:
    wait = _of(state, event).waits.get(event.step)
    return (
        []
        if wait is None
        else [*retract(event.invocation_id, event.step, wait), *detach(event.invocation_id, event.step, wait)]
    )


def _on_call(state: ObjectState | None, event: e.CallScheduled) -> list[Effect]:
    state = existing(state)
    invocation = _of(state, event)
    link = Link(event.invocation_id, f"{state.name}/{invocation.handler}", state.holder == event.invocation_id)
    command = c.Invoke(
        invocation_id=event.callee,
        target=event.target,
        argument=event.argument,
        parameter=event.parameter,
        tags=event.tags,
        trace=event.trace,
        max_duration=event.max_duration,
        budget=event.budget,
        budgets=invocation.budgets,
        caller=Caller(event.invocation_id, event.step),
        chain=[*_chain_of_update(state, event), link] if event.step[:1] == "u" else [*invocation.chain, link],
        request=event.request,
        repeats=None if invocation.restarts is None else invocation.restarts.invocation_id,
    )
    return [f.Deliver(stream_of_invocation(event.callee), command)]


def _chain_of_update(state: ObjectState, event: e.CallScheduled) -> list[Link]:
    """Return the callers above a call that an update makes: those of the update, so that a call of one of them is refused as a call of
    its own caller is."""
    number = int(event.step[1:].partition(".")[0])
    for update in state.invocations.values():
        if update.run == event.invocation_id and update.updates_received == number:
            return [*update.chain, Link(update.invocation_id, f"{state.name}/{update.handler}", holds_key=False)]
    return state.invocations[event.invocation_id].chain


def _on_send(_: ObjectState | None, event: e.SendScheduled) -> list[Effect]:
    command = c.Invoke(
        invocation_id=event.callee,
        target=event.target,
        argument=event.argument,
        parameter=event.parameter,
        tags=event.tags,
        trace=event.trace,
        max_duration=event.max_duration,
        debounce=event.debounce,
        max_delay=event.max_delay,
        budget=event.budget,
        scheduled_for=event.scheduled_for,
        request=event.request,
    )
    return [f.Deliver(stream_of_invocation(event.callee), command)]


def _on_attach(_: ObjectState | None, event: e.AttachScheduled) -> list[Effect]:
    command = c.Attach(invocation_id=event.callee, by=Caller(event.invocation_id, event.step), stays=event.stays)
    return [f.Deliver(stream_of_invocation(event.callee), command)]


def _on_call_cancel(state: ObjectState | None, event: e.CallCancelRequested) -> list[Effect]:
    wait = _of(state, event).waits.get(event.step)
    if wait is None:
        return []
    if wait.callee is None:
        raise CorruptRecord(f"{event.invocation_id} waits for a call at step {event.step}, which has no id")
    spares = _of(state, event).spares
    if spares and wait.is_fixed:
        return [f.Deliver(stream_of_invocation(event.invocation_id), _give_up_call(event.invocation_id, event.step))]
    reason = f"its caller {event.invocation_id} no longer waits"
    command = c.CancelInvocation(invocation_id=wait.callee, reason=reason, spares=spares)
    return [f.Deliver(stream_of_invocation(wait.callee), command)]


def _give_up_call(of: InvocationId, step: StepId) -> c.CompleteCall:
    """Complete the call as cancelled. The caller stops waiting, and the callee continues for the restart that calls it
    again."""
    outcome = Outcome(OutcomeKind.CANCELLED, reason="it continues, for the invocation that repeats this one")
    return c.CompleteCall(invocation_id=of, step=step, outcome=outcome)


def _on_verb(_: ObjectState | None, event: e.VerbScheduled) -> list[Effect]:
    command = c.decode_verb(event.verb, event.argument, reply_to=Caller(event.invocation_id, event.step))
    return [f.Deliver(stream_of_invocation(event.of), command)]


def _on_attempt_failed(_: ObjectState | None, event: e.AttemptFailed) -> list[Effect]:
    owed: list[Effect] = [f.EndAttempt(event.invocation_id, abort_steps=True)]
    if event.retry_at is not None:
        owed.append(f.SetTimer(event.retry_at, c.RetryAttempt(invocation_id=event.invocation_id)))
    return owed


def _on_attempt_retried(state: ObjectState | None, event: e.AttemptRetried) -> list[Effect]:
    return [*retract_retry(_of(state, event)), f.StartAttempt(event.invocation_id)]


def _on_cancel(state: ObjectState | None, event: e.CancelRequested) -> list[Effect]:
    invocation = _of(state, event)
    owed: list[Effect] = [*retract_retry(invocation), *retract_expiry(invocation), *end_budget(invocation)]
    if event.kill_at is not None:
        owed.append(f.SetTimer(event.kill_at, kill_when_impatient(event.invocation_id)))
    if event.children is Children.ALL:
        owed.append(f.StopSentInvocations(event.invocation_id, event.reason))
    owed.append(f.Continue(event.invocation_id, event))
    return owed


def _on_hastened(state: ObjectState | None, event: e.CancelDeadlineMoved) -> list[Effect]:
    return [
        *retract_kill(_of(state, event)),
        f.SetTimer(event.kill_at, kill_when_impatient(event.invocation_id)),
    ]


def _on_overtook(_: ObjectState | None, event: e.CancelDeliveredEarlier) -> list[Effect]:
    return [f.EndAttempt(event.invocation_id, abort_steps=False), f.StartAttempt(event.invocation_id)]


def _on_pause_requested(_: ObjectState | None, event: e.PauseRequested) -> list[Effect]:
    return [f.EndAttempt(event.invocation_id, abort_steps=False)]


def _on_paused(state: ObjectState | None, event: e.InvocationPaused) -> list[Effect]:
    invocation = _of(state, event)
    told = f.NotifyPaused(event.invocation_id, event.reason)
    if not invocation.is_started:
        return [told]
    # A pause on request with mode "now" aborts running steps; so does a limit: their results have no room. Others may end.
    stops_steps = event.cause in (PauseCause.REQUESTED, PauseCause.LIMIT)
    owed: list[Effect] = [f.EndAttempt(event.invocation_id, abort_steps=stops_steps), told, *tell_of_used_up(event)]
    owed += retract_retry(invocation)
    for step, wait in invocation.waits.items():
        if wait.kind is WaitKind.STEP_RETRY:
            owed += retract(event.invocation_id, step, wait)
    return owed


def _on_moved(_: ObjectState | None, event: e.InvocationMoved) -> list[Effect]:
    return [f.EndAttempt(event.invocation_id, abort_steps=False)]


def _on_restarted(state: ObjectState | None, event: e.InvocationRestarted) -> list[Effect]:
    if not event.hands_over:
        return []
    invocation = _of(state, event)
    waiting = [*invocation.attached] if invocation.caller is None else [invocation.caller, *invocation.attached]
    owed: list[Effect] = [
        f.Deliver(
            stream_of_invocation(caller.invocation_id),
            c.TransferCall(invocation_id=caller.invocation_id, step=caller.step, callee=event.successor),
        )
        for caller in waiting
    ]
    return [*owed, f.TransferWaiters(event.invocation_id, event.successor)]


def _on_rewound(state: ObjectState | None, event: e.FieldsRewound) -> list[Effect]:
    state = existing(state)
    return [f.RewindItems(event, dict(state.lengths))]


def _on_log_converted(_: ObjectState | None, event: e.LogConverted) -> list[Effect]:
    return [f.WriteItems(Changes(logs={event.field: event.items}), {})]


def _on_map_converted(_: ObjectState | None, event: e.MapConverted) -> list[Effect]:
    return [f.WriteItems(Changes(maps={event.field: {**event.items}}), {})]


def _on_resumed(state: ObjectState | None, event: e.InvocationResumed) -> list[Effect]:
    invocation = _of(state, event)
    return _begin(invocation) if invocation.is_started else []


def _on_completed(state: ObjectState | None, event: e.InvocationCompleted) -> list[Effect]:
    state = existing(state)
    invocation = state.invocations[event.invocation_id]
    owed = [*retract_expiry(invocation), *end_budget(invocation)]
    if invocation.is_started:
        owed.append(f.EndAttempt(event.invocation_id, abort_steps=True))
        changes = invocation.changes
        if (changes.logs or changes.maps) and keeps_changes(invocation, event.outcome.kind):
            owed.append(f.WriteItems(changes, dict(state.lengths)))
        owed += clear_waits(invocation, event.outcome.kind)
    elif invocation.scheduled_for is not None:
        owed.append(f.RetractTimer(invocation.scheduled_for, c.StartDue(invocation_id=event.invocation_id)))
    if invocation.caller is not None or invocation.attached or invocation.watchers:
        owed += _answer(invocation, event.outcome)
    owed.append(f.NotifyWaiters(event.invocation_id, event.outcome))
    return owed


def _answer(invocation: InvocationState, outcome: Outcome) -> list[Effect]:
    waiting = [*invocation.attached] if invocation.caller is None else [invocation.caller, *invocation.attached]
    return [
        f.Deliver(
            stream_of_invocation(caller.invocation_id),
            c.CompleteCall(invocation_id=caller.invocation_id, step=caller.step, outcome=outcome),
        )
        for caller in (*waiting, *invocation.watchers)
    ]


def _on_purged(_: ObjectState | None, event: e.InvocationsPurged) -> list[Effect]:
    return [f.EraseHistory(event.invocation_ids)]


_REACTIONS: dict[type, Callable[[ObjectState | None, Any], list[Effect]]] = {
    e.InvocationAccepted: _on_accepted,
    e.InvocationRescheduled: _on_rescheduled,
    e.InvocationStarted: _on_started,
    e.StepScheduled: _on_step_scheduled,
    e.StepCompleted: _continue,
    e.StepAttemptFailed: _on_step_failed,
    e.StepRetried: _on_step_retried,
    e.StepAborted: _on_step_aborted,
    e.SleepScheduled: _on_sleep,
    e.DeadlineScheduled: _on_deadline,
    e.TimerFired: _continue,
    e.WaitDropped: _on_wait_dropped,
    e.CallScheduled: _on_call,
    e.AttachScheduled: _on_attach,
    e.CallCompleted: _continue,
    e.CallCancelRequested: _on_call_cancel,
    e.SendScheduled: _on_send,
    e.SignalReceived: _on_signal,
    e.UpdateAccepted: _on_update,
    e.UpdateCancelRequested: _on_update_cancel,
    e.VerbScheduled: _on_verb,
    e.VerbAnswered: _continue,
    e.AttemptFailed: _on_attempt_failed,
    e.AttemptRetried: _on_attempt_retried,
    e.QuantitiesSpent: on_spent,
    e.BudgetRaised: on_raised,
    e.BudgetUsedUp: on_used_up,
    e.CancelRequested: _on_cancel,
    e.CancelDeadlineMoved: _on_hastened,
    e.CancelDeliveredEarlier: _on_overtook,
    e.PauseRequested: _on_pause_requested,
    e.InvocationPaused: _on_paused,
    e.InvocationResumed: _on_resumed,
    e.InvocationMoved: _on_moved,
    e.InvocationCompleted: _on_completed,
    e.InvocationsPurged: _on_purged,
    e.InvocationRestarted: _on_restarted,
    e.FieldsRewound: _on_rewound,
    e.LogConverted: _on_log_converted,
    e.MapConverted: _on_map_converted,
}
