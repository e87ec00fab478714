"""Names the effects that the state of a loaded object requires, independent of the events that led to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core import effects as f
from actors.core.gates import NO_GATES, Gates
from actors.core.state import WaitKind
from actors.core.transitions import STARTED
from journal import events as e
from journal.events import Mode, Status
from journal.ids import ROOT_STEP, InvocationId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from actors.core.effects import Effect
    from actors.core.state import InvocationState, ObjectState


TIMED = (WaitKind.SLEEP, WaitKind.DEADLINE, WaitKind.STEP_RETRY)
"""The waits that have a timer."""

_NONE: Mapping[InvocationId, int] = {}


def pending(state: ObjectState, gates: Gates = NO_GATES) -> list[Effect]:
    """Return the effects that a newly loaded object requires, as if its events had just been applied.

    Timers are messages and arrive by themselves; calls and answers were sent with the events that caused them. An
    invocation that only waits for these gets no attempt until one arrives, and one that a gate holds gets none either.
    """
    owed: list[Effect] = []
    for invocation in state.invocations.values():
        if invocation.pending_pause is not None:
            owed.append(f.CheckDrained(invocation.invocation_id))
        elif needs_attempt(invocation) and not gates.holding_invocation(state, invocation):
            owed.append(f.StartAttempt(invocation.invocation_id))
    return owed


def timers_of(state: ObjectState) -> list[f.SetTimer]:
    """Return the timers of the object. Each is stored as a message with a due time in the inbox of the partition."""
    return [timer for invocation in state.invocations.values() for timer in _timers_of(invocation)]


def _timers_of(invocation: InvocationState) -> Iterator[f.SetTimer]:
    of, is_held = invocation.invocation_id, invocation.status is Status.PAUSED
    if invocation.scheduled_for is not None:
        yield f.SetTimer(invocation.scheduled_for, c.StartDue(invocation_id=of))
    if invocation.expires_at is not None:
        yield f.SetTimer(invocation.expires_at, c.ExpireInvocation(invocation_id=of))
    if invocation.cancel is not None and invocation.cancel.kill_at is not None:
        yield f.SetTimer(invocation.cancel.kill_at, kill_when_impatient(of))
    if invocation.retry_at is not None and not is_held:
        yield f.SetTimer(invocation.retry_at, c.RetryAttempt(invocation_id=of))
    for step, wait in invocation.waits.items():
        if wait.at is not None and wait.kind in TIMED and not (is_held and wait.kind is WaitKind.STEP_RETRY):
            yield f.SetTimer(wait.at, c.FireTimer(invocation_id=of, step=step))


def needs_recovery(state: ObjectState, rested: Mapping[InvocationId, int] = _NONE) -> bool:
    """Report whether recovery must load the object even if no message arrives for it. ``rested`` is for
    :func:`needs_attempt`, by invocation.

    An invocation that waits for nothing is held by a gate, which may have been opened just before the end of the
    process.
    """
    for of, invocation in state.invocations.items():
        if invocation.pending_pause is not None or needs_attempt(invocation, rested.get(of, 0)):
            return True
    return bool(state.invocations) and _has_a_free_turn(state)


def _has_a_free_turn(state: ObjectState) -> bool:
    if state.holder is None and state.queue and state.invocations[state.queue[0]].status is Status.QUEUED:
        return True
    return any(
        i.status is Status.QUEUED and i.mode is Mode.SHARED and i.waits_for not in state.invocations
        for i in state.invocations.values()
    )


def may_run(invocation: InvocationState) -> bool:
    """Report whether an attempt of the invocation may be in memory."""
    return (
        invocation.status in STARTED
        and invocation.retry_at is None
        and invocation.pending_pause is None
        and invocation.mode is not Mode.UPDATE  # its run carries it out
    )


def needs_attempt(invocation: InvocationState, rested: int = 0) -> bool:
    """Report whether an attempt of the invocation must be in memory: its handler has an event to receive, or one of its steps is to run.
    Otherwise the invocation waits only for messages.

    ``rested`` is the number of the last event that the handler is known to have handled completely. A turn without a request changes
    nothing in the state, so without this number the answer may be True although nothing is left to do, but never False although
    something is.
    """
    if not may_run(invocation):
        return False
    if invocation.unseen > rested or not invocation.waits or invocation._running_steps:
        return True
    # A signal that was received before the handler waited for it: the handler gets it after the turn that requested it.
    received = invocation.signals
    return bool(received) and any(
        wait.kind is WaitKind.SIGNAL and (wait.name in received or wait.question in received)
        for wait in invocation.waits.values()
    )


def has_yet_to_keep(invocation: InvocationState) -> bool:
    """Report whether the invocation is a restart that has not yet copied its part of the original's history."""
    return not invocation.has_copied_history and keeps_something(invocation.restarts)


def keeps_something(lineage: e.Lineage | None) -> bool:
    """Report whether the restart keeps more of the original than its argument."""
    return lineage is not None and (lineage.step != ROOT_STEP or lineage.rewinds)


def kill_when_impatient(invocation_id: InvocationId) -> c.KillInvocation:
    """The kill of an invocation whose cancel took too long."""
    return c.KillInvocation(invocation_id=invocation_id, reason="cancelled, but not completed in time")
