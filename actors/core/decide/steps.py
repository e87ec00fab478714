"""Decides on the ends and failures of steps, and on timers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core.decide.pauses import pause_if_settled, paused_when_exhausted
from actors.core.state import InvocationState, ObjectState, WaitKind
from actors.values.limits import NEVER
from actors.values.retries import Exhausted, delay_seconds, is_exhausted
from journal import events as e
from journal.events import Outcome, OutcomeKind, Status

if TYPE_CHECKING:
    from actors.values.limits import Limits
    from journal.events import Event


def fire_timer(
    _: ObjectState, invocation: InvocationState, command: c.FireTimer, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None:
        return []
    if wait.kind is WaitKind.STEP_RETRY:
        if invocation.status is Status.PAUSED or wait.at is None:
            return []
        return [e.StepRetried(invocation_id=invocation.invocation_id, step=command.step)]
    if wait.kind not in (WaitKind.SLEEP, WaitKind.DEADLINE):
        return []  # a retry that has already begun
    return [e.TimerFired(invocation_id=invocation.invocation_id, step=command.step)]


def complete_step(
    _: ObjectState, invocation: InvocationState, command: c.CompleteStep, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind is not WaitKind.STEP:
        return []
    completed = e.StepCompleted(
        invocation_id=invocation.invocation_id,
        step=command.step,
        outcome=command.outcome,
        attributes=command.attributes,
    )
    return [completed, *_spent(command), *pause_if_settled(invocation, command.step)]


def _spent(command: c.CompleteStep | c.FailStep | c.AbortStep) -> list[Event]:
    """Return what the try has spent, as an event."""
    if not command.spent:
        return []
    return [e.QuantitiesSpent(invocation_id=command.invocation_id, spent=dict(command.spent), step=command.step)]


def fail_step(_: ObjectState, invocation: InvocationState, command: c.FailStep, now: float, __: Limits) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind is not WaitKind.STEP:
        return []
    attempt = wait.attempts + 1
    exhausted = is_exhausted(command.policy, attempt)
    failed = e.StepAttemptFailed(
        invocation_id=invocation.invocation_id,
        step=command.step,
        attempt=attempt,
        failure=command.failure,
        retry_at=None
        if exhausted
        else min(now + delay_seconds(command.policy, attempt, command.jitter, command.retry_after), NEVER),
        max_attempts=command.policy.max_attempts,
        attributes=command.attributes,
    )
    tried = [failed, *_spent(command)]
    if not exhausted:
        return [*tried, *pause_if_settled(invocation, command.step)]
    if command.policy.on_exhausted is Exhausted.PAUSE and invocation.status is Status.PAUSED:
        return tried
    if command.policy.on_exhausted is Exhausted.PAUSE:
        return [*tried, paused_when_exhausted(invocation, command.failure, attempt, f"step {wait.name!r} failed")]
    outcome = Outcome(OutcomeKind.FAILED, failure=command.failure)
    completed = e.StepCompleted(invocation_id=invocation.invocation_id, step=command.step, outcome=outcome)
    return [*tried, completed, *pause_if_settled(invocation, command.step)]


def note_heartbeat(
    _: ObjectState, invocation: InvocationState, command: c.NoteHeartbeat, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind is not WaitKind.STEP:
        return []  # its try has ended, or its handler no longer waits for it
    if wait.heartbeat == command.details:
        return []
    return [e.StepHeartbeat(invocation_id=invocation.invocation_id, step=command.step, details=command.details)]


def abort_step(
    _: ObjectState, invocation: InvocationState, command: c.AbortStep, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind not in (WaitKind.STEP, WaitKind.STEP_RETRY):
        return []
    aborted = e.StepAborted(invocation_id=invocation.invocation_id, step=command.step)
    return [aborted, *_spent(command), *pause_if_settled(invocation, command.step)]
