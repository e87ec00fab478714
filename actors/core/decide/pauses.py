"""Decides on pauses: on request, at a limit, and when all attempts have failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core import commands as c
from actors.core.state import InvocationState, ObjectState, WaitKind
from actors.core.transitions import STARTED
from actors.values.texts import failure_in_words
from journal import events as e
from journal.events import PauseCause, PauseMode, Status

if TYPE_CHECKING:
    from actors.values.limits import Limits
    from journal.events import Event
    from journal.ids import StepId


def paused_when_exhausted(
    invocation: InvocationState, failure: e.Failure, attempts: int, what: str
) -> e.InvocationPaused:
    """Return the pause after the last attempt that the policy permits."""
    times = "once" if attempts == 1 else f"{attempts} times"
    return e.InvocationPaused(
        invocation_id=invocation.invocation_id,
        cause=PauseCause.EXHAUSTED,
        reason=f"{what} {times}, last with {failure_in_words(failure)}",
        failure=failure,
    )


def hold_attempt(
    _: ObjectState, invocation: InvocationState, command: c.PauseAttempt, __: float, ___: Limits
) -> list[Event]:
    return paused_at(invocation, command.cause, command.reason, command.failure, command.over)


def paused_at(
    invocation: InvocationState,
    cause: PauseCause,
    reason: str,
    failure: e.Failure | None = None,
    over: e.OverBudget | None = None,
) -> list[Event]:
    """Pause the invocation, unless it is paused already."""
    if invocation.status is Status.PAUSED:
        return []
    return [
        e.InvocationPaused(
            invocation_id=invocation.invocation_id, cause=cause, reason=reason, failure=failure, over=over
        ),
    ]


def beyond_limits(invocation: InvocationState, limits: Limits) -> str | None:
    """Describe the limit that the history has exceeded; None if it is within the limits."""
    if invocation.event_count <= limits.history_events and invocation.value_bytes <= limits.history_bytes:
        return None
    return (
        f"its history has {invocation.event_count} events and {invocation.value_bytes} bytes of values, the limits are "
        f"{limits.history_events} and {limits.history_bytes}. Continue a long life in a new invocation (send to "
        "itself and return), or raise the limit and resume"
    )


def pause_invocation(
    _: ObjectState, invocation: InvocationState, command: c.PauseInvocation, __: float, ___: Limits
) -> list[Event]:
    if invocation.status is Status.PAUSED:
        return []
    drains = command.mode is PauseMode.DRAIN and has_running_steps(invocation)
    if drains and invocation.pending_pause is not None:
        return []
    if drains:
        return [e.PauseRequested(invocation_id=invocation.invocation_id, reason=command.reason)]
    return [_paused_on_request(invocation, command.reason)]


def has_running_steps(invocation: InvocationState) -> bool:
    """Report whether a step has been requested and has not ended."""
    return invocation.status in STARTED and invocation._running_steps > 0


def pause_if_settled(invocation: InvocationState, ended: StepId) -> list[Event]:
    """Pause the invocation now if no step of it runs, apart from the one that ends."""
    if invocation.pending_pause is None:
        return []
    wait = invocation.waits.get(ended)
    others = invocation._running_steps - (wait is not None and wait.kind is WaitKind.STEP)
    return [] if others else [_paused_on_request(invocation, invocation.pending_pause)]


def _paused_on_request(invocation: InvocationState, reason: str) -> e.InvocationPaused:
    return e.InvocationPaused(invocation_id=invocation.invocation_id, cause=PauseCause.REQUESTED, reason=reason)


def settle_pause(_: ObjectState, invocation: InvocationState, __: Any, ___: float, ____: Limits) -> list[Event]:
    if invocation.pending_pause is None or invocation.status not in STARTED:
        return []
    return [_paused_on_request(invocation, invocation.pending_pause)]
