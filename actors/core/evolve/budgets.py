"""The changes of state by events about budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.transitions import IllegalEvent
from actors.values.amounts import added

if TYPE_CHECKING:
    from actors.core.state import InvocationState, ObjectState
    from journal import events as e
    from journal.events import OverBudget, Stamp


def is_over(invocation: InvocationState, over: OverBudget) -> bool:
    """Report whether the budget of the invocation is still the one that was seen to be used up. A cancel ends a budget."""
    return (
        invocation.cancel is None
        and invocation.budget is not None
        and invocation.budget.get(over.quantity) == over.budget
    )


def on_spent(_: ObjectState, invocation: InvocationState, event: e.QuantitiesSpent, __: Stamp) -> None:
    invocation.spent = added(invocation.spent, event.spent)


def on_raised(_: ObjectState, invocation: InvocationState, event: e.BudgetRaised, __: Stamp) -> None:
    if invocation.budget is None:
        raise IllegalEvent(f"{invocation.invocation_id} has no budget, so it cannot be raised")
    invocation.budget = added(invocation.budget, event.more)
    invocation.over_budget = []


def on_used_up(_: ObjectState, invocation: InvocationState, event: e.BudgetUsedUp, __: Stamp) -> None:
    if is_over(invocation, event.over):
        invocation.over_budget = [*invocation.over_budget, event.paused]
