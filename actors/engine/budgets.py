"""Adds up the amounts that invocations spend under budgets, of limits and of invocations, and finds used-up budgets. ::

    a step or a handler spends ──► QuantitiesSpent ──┬─► the event         ┐
                                                     └─► a row per scope   ┴─ one commit of the partition

    sum of a scope = its rows in all partitions, with the commits that are not on disk yet

Invariant: a row is the sum of the events of its partition that were recorded under this budget. Both are in the same commit, so a
crash cannot separate them, and no sum is kept in memory. An event that a restart copies is counted only once, with the original.

The budget of an invocation counts what it spends and what those spend that it calls. It is in a row of the partition of the
invocation, and the sums are where the spending is, as those of limits are. Raises and pauses travel as messages
(``core.decide.budgets``).

Alternative refused: the sums as fields of an object. Every step that spends would wait for a message to another partition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.decide.held import candidate_of
from actors.core.effects import KeepBudget
from actors.core.limits import used_up
from actors.rows.spent import add_spent, add_to_own, keep_budget, own_row, owner_of, spent_of_budget, spent_under
from journal import events as e
from journal import keys
from journal.events import OverBudget
from journal.ids import stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.core.effects import AddSpent
    from actors.core.limits import Limit, UsedUp
    from actors.core.run_places import RunPlaces
    from actors.core.state import InvocationState, ObjectState
    from actors.rows.index import Rows
    from actors.rows.layers import LayeredRows
    from actors.values.amounts import Amounts
    from journal.events import Event
    from journal.ids import InvocationId
    from journal.log.protocol import Journal


_ARRIVES_WITHIN = keys.microseconds(24 * 3600.0)


class Budgets:
    """The budgets of one engine. The partitions that it runs :meth:`join` with their rows."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._readers: list[Journal | LayeredRows] = [journal] * journal.partitions

    def join(self, partition: int, rows: LayeredRows) -> None:
        """Read this partition with the changes that are not on disk yet."""
        self._readers[partition] = rows

    def leave(self, partition: int) -> None:
        """Stop reading this partition's unwritten changes: this engine no longer runs it."""
        self._readers[partition] = self._journal

    def spent_under(self, scope: str, life: int) -> Amounts:
        """Return the amounts that were spent in a scope under the budget with this life."""
        return spent_under(self._readers, scope, life)

    def used_up(self, scope: str, limit: Limit) -> UsedUp | None:
        """Return the used-up quantity of a limit's budget in this scope, or None."""
        return None if limit.budget is None else used_up(scope, self.spent_under(scope, limit.life), limit.budget)

    def of_invocation(self, of: InvocationId) -> Amounts:
        """Return what an invocation and those that it has called have spent of its budget."""
        return spent_of_budget(self._readers, of)

    def over(self, invocation: InvocationState) -> OverBudget | None:
        """Return the first budget that is used up among those of the invocation itself and of its callers."""
        for owner in invocation.budgets:
            row = own_row(self._readers, owner)
            if row is not None and row.budget is not None:
                found = used_up("", self.of_invocation(owner), row.budget)
                if found is not None:
                    return OverBudget(owner, found.quantity, found.spent, found.budget)
        return None

    def used_up_by(self, places: RunPlaces, state: ObjectState, invocation: InvocationState) -> UsedUp | None:
        """Return the first budget that is used up among those that count an invocation."""
        budgets = places.budgets_of(candidate_of(state, invocation))
        return next((found for scope, limit in budgets if (found := self.used_up(scope, limit)) is not None), None)

    def charges(
        self, places: RunPlaces, state: ObjectState | None, events: Iterable[Event]
    ) -> list[tuple[str, int, Amounts]]:
        """Return the amounts that the events add, with the scopes and the lives of the budgets. A limit of each key or value also has a total
        of its own."""
        found: list[tuple[str, int, Amounts]] = []
        for event in events:
            if isinstance(event, e.QuantitiesSpent) and state is not None:
                for scope, limit in places.budgets_of(candidate_of(state, state.invocations[event.invocation_id])):
                    budget = limit.budget or {}
                    spent = {name: amount for name, amount in event.spent.items() if name in budget}
                    if spent:
                        found += [(each, limit.life, spent) for each in dict.fromkeys((scope, limit.scope))]
        return found

    def carry_out(self, into: Rows, partition: int, effect: KeepBudget | AddSpent, at: float) -> None:
        """Write the budget of an invocation of the partition, which changed at this time, or add what was spent of the budgets of
        invocations that have the quantity, to the rows of a commit."""
        if isinstance(effect, KeepBudget):
            life = keys.microseconds(at)
            keep_budget(into, self._readers[partition], partition, effect.invocation_id, effect.budget, life)
            return
        for owner in effect.budgets:
            add_to_own(into, self._readers, partition, owner, effect.spent, keys.microseconds(at))

    def is_kept(self, scope: str, life: int, places: RunPlaces, now: float) -> bool:
        """Report whether a budget with this scope and this life exists, or existed for an invocation that is kept. The row of an invocation
        whose partition another node runs may not have arrived here yet, for at most a day."""
        owner = owner_of(scope)
        if owner is None:
            return life in places.lives_of(scope)
        row = own_row(self._readers, owner)
        if row is not None:
            return life < 0 or row.life == life
        is_run_here = self._readers[stream_of_invocation(owner) % len(self._readers)] is not self._journal
        return not is_run_here and keys.microseconds(now) - abs(life) < _ARRIVES_WITHIN

    def add(self, into: Rows, partition: int, charges: Iterable[tuple[str, int, Amounts]]) -> None:
        """Add the charges to the rows of a commit of the partition."""
        for scope, life, spent in charges:
            add_spent(into, self._readers[partition], partition, scope, life, spent)
