"""Names the effects that follow from the events of budgets, for ``react``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core import effects as f
from actors.core.evolve.budgets import is_over
from actors.core.state import existing
from actors.values.amounts import added
from journal.ids import stream_of_invocation

if TYPE_CHECKING:
    from actors.core.effects import Effect
    from actors.core.state import InvocationState, ObjectState
    from journal import events as e


def on_spent(state: ObjectState | None, event: e.QuantitiesSpent) -> list[Effect]:
    budgets = existing(state).invocations[event.invocation_id].budgets
    return [f.AddSpent(budgets, event.spent)] if budgets else []


def on_raised(state: ObjectState | None, event: e.BudgetRaised) -> list[Effect]:
    invocation = existing(state).invocations[event.invocation_id]
    budget = added(invocation.budget or {}, event.more)
    return [f.KeepBudget(event.invocation_id, budget), *_resume_below(invocation)]


def on_used_up(state: ObjectState | None, event: e.BudgetUsedUp) -> list[Effect]:
    if is_over(existing(state).invocations[event.invocation_id], event.over):
        return []
    return [f.Deliver(stream_of_invocation(event.paused), c.ResumeInBudget(invocation_id=event.paused))]


def tell_of_used_up(event: e.InvocationPaused) -> list[Effect]:
    """Tell the invocation whose budget is used up, if another one was paused for it."""
    over = event.over
    if over is None or over.invocation_id == event.invocation_id:
        return []
    owner = over.invocation_id
    command = c.NoteUsedUp(invocation_id=owner, paused=event.invocation_id, over=over)
    return [f.Deliver(stream_of_invocation(owner), command)]


def end_budget(invocation: InvocationState) -> list[Effect]:
    """End the budget of an invocation that is cancelled or ends: it bounds neither compensations nor an invocation that continues
    after it."""
    if invocation.budget is None:
        return []
    return [f.KeepBudget(invocation.invocation_id, None), *_resume_below(invocation)]


def _resume_below(invocation: InvocationState) -> list[Effect]:
    """Resume the invocations that are paused because the budget of this one was used up."""
    return [
        f.Deliver(stream_of_invocation(below), c.ResumeInBudget(invocation_id=below))
        for below in invocation.over_budget
    ]
