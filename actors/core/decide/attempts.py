"""Decides on the end of an attempt of a handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core import commands as c
from actors.core.decide.pauses import paused_when_exhausted
from actors.core.decide.turns import complete
from actors.core.state import InvocationState, ObjectState
from actors.values.limits import NEVER
from actors.values.retries import Exhausted, delay_seconds, is_exhausted
from journal import events as e
from journal.events import Outcome, OutcomeKind, Status

if TYPE_CHECKING:
    from actors.values.limits import Limits
    from journal.events import Event


def record_progress(_: ObjectState, __: Any, command: c.RecordProgress, ___: float, ____: Limits) -> list[Event]:
    return command.events


def finish_attempt(
    state: ObjectState, invocation: InvocationState, command: c.FinishAttempt, _: float, __: Limits
) -> list[Event]:
    """Complete the invocation, unless its handler returned without meeting a pending cancel. In that case the last turn
    is void, and the replay delivers the cancel at the await before it. If the handler still does not meet the cancel
    (because of a shield), its changes are kept and the outcome is *cancelled*."""
    cancel = invocation.cancel
    if cancel is None:
        return [*command.events, *complete(state, invocation, command.outcome)]
    outcome = outcome_when_cancelled(command, cancel.reason)
    if outcome is not command.outcome and not cancel.overtook:
        return [e.CancelDeliveredEarlier(invocation_id=invocation.invocation_id, handed_over=command.handed_over)]
    if cancel.expired and outcome.kind is OutcomeKind.CANCELLED:
        outcome = attrs.evolve(outcome, expired=True)
    return [*command.events, *complete(state, invocation, outcome)]


def outcome_when_cancelled(command: c.FinishAttempt, reason: str) -> Outcome:
    """Return the outcome of a cancelled invocation: it succeeds only if its handler met the cancel and still returned a
    value."""
    if command.has_met_cancel or command.outcome.kind is not OutcomeKind.SUCCEEDED:
        return command.outcome
    return Outcome(OutcomeKind.CANCELLED, reason=reason)


def fail_attempt(
    state: ObjectState, invocation: InvocationState, command: c.FailAttempt, now: float, _: Limits
) -> list[Event]:
    attempt = invocation.failed_attempts + 1
    # A handler that failed before it received its cancel is retried at once: the cancel is delivered before the completion that
    # it failed on.
    is_cancelled = invocation.cancel is not None and not command.has_been_given_cancel
    exhausted = is_exhausted(command.policy, attempt) and not is_cancelled
    delay = 0.0 if is_cancelled or exhausted else delay_seconds(command.policy, attempt, command.jitter)
    retry_at = None if exhausted else min(now + delay, NEVER)
    failed = e.AttemptFailed(
        invocation_id=invocation.invocation_id,
        attempt=attempt,
        failure=command.failure,
        handed_over=command.handed_over,
        retry_at=retry_at,
        max_attempts=command.policy.max_attempts,
    )
    if is_cancelled:
        return [failed, e.AttemptRetried(invocation_id=invocation.invocation_id)]
    if not exhausted:
        return [failed]
    if command.policy.on_exhausted is Exhausted.FAIL:
        return [failed, *complete(state, invocation, Outcome(OutcomeKind.FAILED, failure=command.failure))]
    return [failed, paused_when_exhausted(invocation, command.failure, attempt, "its handler failed")]


def retry_attempt(_: ObjectState, invocation: InvocationState, __: Any, ___: float, ____: Limits) -> list[Event]:
    if invocation.retry_at is None or invocation.status is not Status.BACKING_OFF:
        return []
    return [e.AttemptRetried(invocation_id=invocation.invocation_id)]
