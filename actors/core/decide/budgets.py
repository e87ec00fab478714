"""Decides on what follows from budgets: a raise, a pause when one is used up, and the end of that pause. ::

    callee ── InvocationPaused(over) ──► NoteUsedUp ──► its caller: BudgetUsedUp, and InvocationPaused
    callee ◄── ResumeInBudget ◄── its caller: BudgetRaised, CancelRequested or InvocationCompleted

Both are messages in the commit of the event that they follow from, so neither a crash nor a raise that crosses a pause loses one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core.decide.pauses import paused_at
from actors.core.decide.turns import start_if_its_turn
from actors.core.evolve.budgets import is_over
from actors.errors import ConflictError, ErrorCode
from actors.values.amounts import grouped
from journal import events as e
from journal.events import PauseCause, Status

if TYPE_CHECKING:
    from actors.core.state import InvocationState, ObjectState
    from actors.values.limits import Limits
    from journal.events import Event
    from journal.ids import InvocationId


def raised(invocation: InvocationState, more: dict[str, str], reason: str) -> list[Event]:
    """Give the invocation these amounts more to spend. Raises ``ConflictError`` if it has no budget, or none any more, or none of one of
    the quantities: a bound that is added could not be removed."""
    of = invocation.invocation_id
    if invocation.budget is None:
        owner = invocation.budgets[0] if invocation.budgets else None
        remedy = (
            f"it spends that of {owner}: resume that one" if owner else "it is given with the call: options(budget=...)"
        )
        raise ConflictError(
            f"{of} has no budget of its own; {remedy}",
            status=invocation.status,
            code=ErrorCode.NO_BUDGET,
        )
    if invocation.cancel is not None:
        raise ConflictError(
            f"{of} is being cancelled, and its budget does not bound its compensations. Resume it without a budget",
            status=invocation.status,
            code=ErrorCode.NO_BUDGET,
        )
    if unknown := [name for name in more if name not in invocation.budget]:
        raise ConflictError(
            f"{of} has no budget of {', '.join(unknown)}, expected one of the quantities that it has: {', '.join(invocation.budget)}",
            status=invocation.status,
            code=ErrorCode.NO_BUDGET,
        )
    return [e.BudgetRaised(invocation_id=of, more=more, reason=reason)]


def why_paused(over: e.OverBudget, of: InvocationId) -> str:
    """Say why an invocation is paused that the used-up budget of an invocation counts."""
    owner, quantity = over.invocation_id, over.quantity
    whose = "its budget" if owner == of else f"the budget of {owner}, which called it,"
    return (
        f"{whose} is used up: {grouped(over.spent)} of {grouped(over.budget)} {quantity} are spent. It continues when there is more: "
        f"playhead invocations resume {owner} --budget {quantity}=+..."
    )


def note_used_up(
    _: ObjectState, invocation: InvocationState, command: c.NoteUsedUp, __: float, ___: Limits
) -> list[Event]:
    if command.paused in invocation.over_budget:
        return []
    of, over = invocation.invocation_id, command.over
    noted: Event = e.BudgetUsedUp(invocation_id=of, paused=command.paused, over=over)
    if not is_over(invocation, over):
        return [noted]
    return [noted, *paused_at(invocation, PauseCause.BUDGET, why_paused(over, of), over=over)]


def resume_in_budget(
    state: ObjectState, invocation: InvocationState, command: c.ResumeInBudget, _: float, __: Limits
) -> list[Event]:
    if invocation.status is not Status.PAUSED or invocation.pause_cause is not PauseCause.BUDGET:
        return []
    if command.of_limits and invocation.paused_for is not None:
        return []
    of, reason = invocation.invocation_id, "its budgets have room"
    return [e.InvocationResumed(invocation_id=of, reason=reason), *start_if_its_turn(state, invocation)]
