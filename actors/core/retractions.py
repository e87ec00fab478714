"""The effects that take back what an invocation has asked for: its timers, and the calls that it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core import effects as f
from actors.core.owed import TIMED, kill_when_impatient
from actors.core.state import WaitKind
from journal.errors import CorruptRecord
from journal.events import Caller, OutcomeKind
from journal.ids import InvocationId, StepId, stream_of_invocation

if TYPE_CHECKING:
    from actors.core.effects import Effect
    from actors.core.state import InvocationState, Wait


def retract(invocation_id: InvocationId, step: StepId, wait: Wait) -> list[Effect]:
    """Take back the timer of a wait, if it has one."""
    if wait.at is None or wait.kind not in TIMED:
        return []
    return [f.RetractTimer(wait.at, c.FireTimer(invocation_id=invocation_id, step=step))]


def detach(invocation_id: InvocationId, step: StepId, wait: Wait) -> list[Effect]:
    """Have the invocation that a wait has attached to forget it."""
    if wait.kind is not WaitKind.ATTACH or wait.callee is None:
        return []
    command = c.Detach(invocation_id=wait.callee, by=Caller(invocation_id, step))
    return [f.Deliver(stream_of_invocation(wait.callee), command)]


def retract_retry(invocation: InvocationState) -> list[Effect]:
    """Take back the retry of the handler."""
    if invocation.retry_at is None:
        return []
    return [f.RetractTimer(invocation.retry_at, c.RetryAttempt(invocation_id=invocation.invocation_id))]


def retract_expiry(invocation: InvocationState) -> list[Effect]:
    """Take back the end of ``max_duration``."""
    if invocation.expires_at is None:
        return []
    return [f.RetractTimer(invocation.expires_at, c.ExpireInvocation(invocation_id=invocation.invocation_id))]


def retract_kill(invocation: InvocationState) -> list[Effect]:
    """Take back the kill that follows a cancel."""
    if invocation.cancel is None or invocation.cancel.kill_at is None:
        return []
    return [f.RetractTimer(invocation.cancel.kill_at, kill_when_impatient(invocation.invocation_id))]


def clear_waits(invocation: InvocationState, ended: OutcomeKind) -> list[Effect]:
    """Take back everything that an invocation waits for which has ended in this way."""
    owed = [*retract_retry(invocation), *retract_kill(invocation)]
    for step, wait in invocation.waits.items():
        owed += retract(invocation.invocation_id, step, wait)
        owed += detach(invocation.invocation_id, step, wait)
        if wait.kind is WaitKind.CALL and not (invocation.spares and wait.is_fixed):
            if wait.callee is None:
                raise CorruptRecord(f"{invocation.invocation_id} waits for a call without a callee")
            owed.append(f.Deliver(stream_of_invocation(wait.callee), _end_child(wait.callee, invocation, ended)))
    return owed


def _end_child(callee: InvocationId, parent: InvocationState, ended: OutcomeKind) -> c.Command:
    if ended is OutcomeKind.KILLED:
        reason = f"its caller {parent.invocation_id} was killed"
        return c.KillInvocation(invocation_id=callee, reason=reason, spares=parent.spares)
    reason = f"its caller {parent.invocation_id} has ended"
    return c.CancelInvocation(invocation_id=callee, reason=reason, spares=parent.spares)
