"""Decides on the verbs: cancel, kill, resume and reschedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core.decide.budgets import raised
from actors.core.decide.turns import complete, start_if_its_turn
from actors.core.state import Cancel, InvocationState, ObjectState, WaitKind
from actors.errors import ConflictError, ErrorCode
from journal import events as e
from journal.events import Outcome, OutcomeKind, Status

if TYPE_CHECKING:
    from actors.values.limits import Limits
    from journal.events import Event


def cancel_invocation(
    state: ObjectState, invocation: InvocationState, resolved: c.ResolvedCancel, now: float, _: Limits
) -> list[Event]:
    command = resolved.asked
    if not invocation.is_started:
        outcome = Outcome(OutcomeKind.CANCELLED, reason=command.reason)
        return complete(state, invocation, outcome)
    kill_at = None if command.kill_after is None else now + command.kill_after
    spared = _spare_calls(invocation, command)
    if invocation.cancel is not None:
        return [*spared, *_hasten(invocation, invocation.cancel, command, kill_at)]
    return [
        *spared,
        e.CancelRequested(
            invocation_id=invocation.invocation_id,
            reason=command.reason,
            children=command.children,
            kill_at=kill_at,
            overtakes=invocation.held_back + resolved.held_back,
        ),
    ]


def expire_invocation(
    state: ObjectState, invocation: InvocationState, command: c.ExpireInvocation, _: float, __: Limits
) -> list[Event]:
    """Cancel an invocation whose ``max_duration`` is over, unless it is being cancelled already."""
    if invocation.expires_at is None:  # it is being cancelled already
        return []
    reason = "it did not complete within its max_duration"
    if not invocation.is_started:
        return complete(state, invocation, Outcome(OutcomeKind.CANCELLED, reason=reason, expired=True))
    return [
        e.CancelRequested(
            invocation_id=invocation.invocation_id,
            reason=reason,
            overtakes=invocation.held_back + command.held_back,
            expired=True,
        )
    ]


def _hasten(
    invocation: InvocationState, cancel: Cancel, command: c.CancelInvocation, kill_at: float | None
) -> list[Event]:
    """Move the kill of a cancelled invocation to an earlier time. A cancel is delivered once, so a repeated one can
    only bring the kill forward."""
    if kill_at is None or (cancel.kill_at is not None and cancel.kill_at <= kill_at):
        return []
    return [e.CancelDeadlineMoved(invocation_id=invocation.invocation_id, kill_at=kill_at, reason=command.reason)]


def kill_invocation(
    state: ObjectState, invocation: InvocationState, command: c.KillInvocation, _: float, __: Limits
) -> list[Event]:
    outcome = Outcome(OutcomeKind.KILLED, reason=command.reason)
    return [*_spare_calls(invocation, command), *complete(state, invocation, outcome)]


def _spare_calls(invocation: InvocationState, command: c.CancelInvocation | c.KillInvocation) -> list[Event]:
    if not command.spares or invocation.spares or not invocation.is_started:
        return []
    return [e.CallsDetached(invocation_id=invocation.invocation_id)]


def resume_invocation(
    state: ObjectState, invocation: InvocationState, command: c.ResolvedResume, _: float, __: Limits
) -> list[Event]:
    moved, reason, more = _move(invocation, command.deployment), command.asked.reason, command.asked.budget
    if more is not None:
        moved = [*moved, *raised(invocation, more, reason)]
    if invocation.pending_pause is not None:
        return [*moved, e.InvocationResumed(invocation_id=invocation.invocation_id, reason=reason)]
    if invocation.status is Status.BACKING_OFF:
        return [*moved, *_retry_now(invocation)]
    if invocation.status is Status.QUEUED and moved:
        return [
            *moved,
            *start_if_its_turn(state, invocation),
        ]  # a gate on its previous deployment may have held it
    if invocation.status is not Status.PAUSED:
        return moved
    resumed: Event = e.InvocationResumed(invocation_id=invocation.invocation_id, reason=reason)
    return [*moved, resumed, *start_if_its_turn(state, invocation)]


def _move(invocation: InvocationState, deployment: str | None) -> list[Event]:
    if deployment is None or deployment == invocation.deployment:
        return []
    if invocation.status is Status.RUNNING:
        raise ConflictError(
            f"{invocation.invocation_id} is running, and the code of a running handler cannot change. "
            "Pause it, then resume it on the other deployment",
            status=invocation.status,
            code=ErrorCode.STILL_RUNNING,
        )
    return [e.InvocationMoved(invocation_id=invocation.invocation_id, deployment=deployment)]


def _retry_now(invocation: InvocationState) -> list[Event]:
    retried: list[Event] = [
        e.StepRetried(invocation_id=invocation.invocation_id, step=step)
        for step, wait in invocation.waits.items()
        if wait.kind is WaitKind.STEP_RETRY
    ]
    if invocation.retry_at is not None:
        retried.append(e.AttemptRetried(invocation_id=invocation.invocation_id))
    return retried


def reschedule_invocation(
    _: ObjectState, invocation: InvocationState, command: c.RescheduleInvocation, now: float, __: Limits
) -> list[Event]:
    if invocation.scheduled_for is None:
        raise ConflictError(
            f"{invocation.invocation_id} is {invocation.status.value}: its time has come, or it never had one. Only an "
            "invocation that is scheduled can be rescheduled",
            status=invocation.status,
            code=ErrorCode.ALREADY_DUE,
        )
    at = now + (command.delay or 0.0) if command.at is None else command.at
    if at == invocation.scheduled_for:
        return []
    return [e.InvocationRescheduled(invocation_id=invocation.invocation_id, scheduled_for=at, reason=command.reason)]
