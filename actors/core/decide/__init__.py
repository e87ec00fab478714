"""Decides on a command: returns the events that follow from it, given an object's state, or raises the reason for its refusal.

This package reads nothing from a disk and carries nothing out. A command that was applied before, or that comes too late to matter,
gives no events. A command that cannot be applied raises an :class:`actors.errors.RefusedError`, whose message says what to do instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core.decide.attempts import fail_attempt, finish_attempt, record_progress, retry_attempt
from actors.core.decide.budgets import note_used_up, resume_in_budget
from actors.core.decide.calls import (
    attach,
    complete_call,
    complete_verb,
    detach,
    hand_over_call,
    signal_invocation,
    withdraw_call,
)
from actors.core.decide.held import without_held
from actors.core.decide.pauses import hold_attempt, pause_invocation, settle_pause
from actors.core.decide.purge import purge
from actors.core.decide.restart import restart
from actors.core.decide.steps import abort_step, complete_step, fail_step, fire_timer, note_heartbeat
from actors.core.decide.turns import start_due, start_waiting
from actors.core.decide.updates import decide_on_update, with_answers
from actors.core.decide.verbs import (
    cancel_invocation,
    expire_invocation,
    kill_invocation,
    reschedule_invocation,
    resume_invocation,
)
from actors.core.decide.work import invoke
from actors.core.gates import NO_GATES, Gates
from actors.core.state import ObjectState
from actors.errors import NotFoundError, ResourceKind
from journal.errors import BrokenInvariant
from journal.events import Kind, Mode

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.commands import Decidable
    from actors.values.limits import Limits
    from journal.events import Event
    from journal.ids import InvocationId


def decide(
    state: ObjectState | None, command: Decidable, now: float, limits: Limits, gates: Gates = NO_GATES
) -> list[Event]:
    """Return the events that follow from the command; none if it changes nothing. Raises ``RefusedError`` or
    ``DeadlockError``.

    An invocation that a gate holds does not start; it waits for :class:`actors.core.commands.StartWaiting`.
    """
    events = _decide(state, command, now, limits)
    if events and state is not None and state.kind is Kind.WORKFLOW:
        events = with_answers(state, events)
    return without_held(state, events, limits, gates) if events and not gates.are_none else events


def _decide(state: ObjectState | None, command: Decidable, now: float, limits: Limits) -> list[Event]:
    decision: Callable[..., list[Event]] | None = _DECISIONS.get(command.__class__)
    if decision is None:
        return _decide_of_object(state, command, now, limits)
    of = command.invocation_id  # type: ignore[union-attr]  # those in the table speak to one
    invocation = None if state is None else state.invocations.get(of)
    if invocation is None:
        if isinstance(command, _FROM_OUTSIDE):
            raise unknown_invocation(of)
        return []  # it has completed: this command comes too late
    if invocation.mode is Mode.UPDATE and state is not None:
        return decide_on_update(state, invocation, command, now, limits)
    return decision(state, invocation, command, now, limits)


def _decide_of_object(state: ObjectState | None, command: Decidable, now: float, limits: Limits) -> list[Event]:
    match command:
        case c.ResolvedInvoke():
            return invoke(state, command, now, limits)
        case c.StartWaiting():
            return start_waiting(state)
        case c.PurgeInvocations():
            return purge(state, command)
        case c.ResolvedRestart():
            return restart(state, command, now, limits)
        case _:
            raise BrokenInvariant(f"{type(command).__name__} is neither in the table nor resolved")


def unknown_invocation(invocation_id: InvocationId) -> NotFoundError:
    """Return the error for an unknown id."""
    return NotFoundError(
        f"there is no invocation {invocation_id}: it never existed, or retention has purged it",
        kind=ResourceKind.INVOCATION,
    )


_FROM_OUTSIDE = (
    c.Attach,
    c.ResolvedCancel,
    c.KillInvocation,
    c.PauseInvocation,
    c.ResolvedResume,
    c.SignalInvocation,
    c.RescheduleInvocation,
)

_DECISIONS: dict[type, Callable[..., list[Event]]] = {
    c.StartDue: start_due,
    c.ExpireInvocation: expire_invocation,
    c.RecordProgress: record_progress,
    c.FinishAttempt: finish_attempt,
    c.FailAttempt: fail_attempt,
    c.RetryAttempt: retry_attempt,
    c.PauseAttempt: hold_attempt,
    c.ResumeInBudget: resume_in_budget,
    c.NoteUsedUp: note_used_up,
    c.FireTimer: fire_timer,
    c.CompleteStep: complete_step,
    c.FailStep: fail_step,
    c.AbortStep: abort_step,
    c.NoteHeartbeat: note_heartbeat,
    c.CompleteCall: complete_call,
    c.CompleteVerb: complete_verb,
    c.Attach: attach,
    c.Detach: detach,
    c.ResolvedCancel: cancel_invocation,
    c.KillInvocation: kill_invocation,
    c.PauseInvocation: pause_invocation,
    c.FinishDrain: settle_pause,
    c.ResolvedResume: resume_invocation,
    c.SignalInvocation: signal_invocation,
    c.RescheduleInvocation: reschedule_invocation,
    c.TransferCall: hand_over_call,
    c.WithdrawCall: withdraw_call,
}
