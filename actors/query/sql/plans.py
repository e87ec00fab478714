"""Chooses the path of a query into a table: SQLite offers conditions on the wanted rows, and a plan says which of them are used.

A plan travels through SQLite as text and comes back with the values. SQLite checks every row again, so a plan may return too many
rows and never too few: a value that a path cannot use (a number where an id is expected) falls back to reading everything.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import apsw
import attrs
import msgspec

from actors.query.sql.columns import AnyTable, Path, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_EQUAL = apsw.SQLITE_INDEX_CONSTRAINT_EQ
_SOMETHING = apsw.SQLITE_INDEX_CONSTRAINT_ISNOTNULL
_LOWER = frozenset({apsw.SQLITE_INDEX_CONSTRAINT_GT, apsw.SQLITE_INDEX_CONSTRAINT_GE})
_UPPER = frozenset({apsw.SQLITE_INDEX_CONSTRAINT_LT, apsw.SQLITE_INDEX_CONSTRAINT_LE})
_EACH_BOUND_LEAVES = 0.25
_AN_ORDER_SAVES = 0.5


@attrs.frozen
class Offer:
    """A condition of a query on a column. ``place`` is its index in SQLite."""

    place: int
    column: str
    operator: int
    value: Any


@attrs.define(kw_only=True)
class Plan:
    """A path, the role of each value (a column, ``<`` or ``>``; empty if the path does not use it), whether the path gives the
    order, and the columns that are used."""

    path: str
    roles: list[str] = attrs.field(factory=list)
    descending: bool = False
    ordered: bool = False
    columns: list[str] = attrs.field(factory=list)

    def encoded(self) -> str:
        """Return the plan as text for SQLite."""
        return msgspec.json.encode(self).decode()


def decode_plan(text: str) -> Plan:
    """Decode a plan."""
    return msgspec.json.decode(text, type=Plan)


def choose(table: AnyTable, index: apsw.IndexInfo) -> None:
    """Answer SQLite's question for the best access to the rows."""
    offers = _offers(table, index)
    order = [
        (
            table.columns[index.get_aOrderBy_iColumn(i)].name if index.get_aOrderBy_iColumn(i) >= 0 else "",
            index.get_aOrderBy_desc(i),
        )
        for i in range(index.nOrderBy)
    ]
    best = min(
        (found for path in table.paths if (found := _use(path, offers, order)) is not None), key=lambda found: found[0]
    )
    cost, plan, used = best
    plan.columns = [table.columns[i].name for i in sorted(index.colUsed) if i < len(table.columns)]
    for number, offer in enumerate(used, start=1):
        index.set_aConstraintUsage_argvIndex(offer.place, number)
    index.idxStr = plan.encoded()
    index.orderByConsumed = plan.ordered
    index.estimatedCost = cost
    index.estimatedRows = max(1, int(cost))


def _offers(table: AnyTable, index: apsw.IndexInfo) -> list[Offer]:
    offers: list[Offer] = []
    for place in range(index.nConstraint):
        column, operator = index.get_aConstraint_iColumn(place), index.get_aConstraint_op(place)
        if (
            index.get_aConstraint_usable(place)
            and column >= 0
            and (operator in (_EQUAL, _SOMETHING) or operator in _LOWER or operator in _UPPER)
            and index.get_aConstraint_collation(place) == "BINARY"
        ):
            offers.append(Offer(place, table.columns[column].name, operator, index.get_aConstraint_rhs(place)))
    return offers


def _use(
    path: Path[Any], offers: Sequence[Offer], order: Sequence[tuple[str, bool]]
) -> tuple[float, Plan, list[Offer]] | None:
    """Return the path with the offers that it uses, and its cost. None if the path cannot be used."""
    plan, used = Plan(path=path.name), list[Offer]()
    if path.held:
        # SQLite is told that the path uses the offer, or it would not use the path for one side of an `or`.
        offer = next((o for o in offers if o.column in path.held), None)
        if offer is None:
            return None
        plan.roles.append("")
        used.append(offer)
    for column in path.equal:
        offer = next((o for o in offers if o.column == column and o.operator == _EQUAL and path.suits(o.value)), None)
        if offer is None:
            return None
        plan.roles.append(column)
        used.append(offer)
    cost = path.cost
    for offer in offers:
        if offer.column == path.ranged and offer.operator != _SOMETHING:
            plan.roles.append("=" if offer.operator == _EQUAL else ">" if offer.operator in _LOWER else "<")
            used.append(offer)
            cost *= _EACH_BOUND_LEAVES
    if order and path.order and [column for column, _ in order] == list(path.order[: len(order)]):
        directions = {descending for _, descending in order}
        plan.ordered, plan.descending = len(directions) == 1, directions == {True}
    return cost * (_AN_ORDER_SAVES if plan.ordered else 1), plan, used


def can_match(plan: Plan, values: Sequence[object]) -> bool:
    """Report whether any row can match: nothing equals NULL, and nothing is less or greater."""
    return all(value is not None for role, value in zip(plan.roles, values, strict=True) if role)


def wanted_of(plan: Plan, values: Sequence[object]) -> Wanted | None:
    """Return the columns that the plan needs, with their values; None if a value cannot be used."""
    equal: dict[str, str] = {}
    lows: list[float] = []
    highs: list[float] = []
    for role, value in zip(plan.roles, values, strict=True):
        if role in ("<", ">", "="):
            if isinstance(value, (int, float)) and math.isfinite(value):
                lows += [float(value)] * (role != "<")
                highs += [float(value)] * (role != ">")
        elif not role:
            continue
        elif isinstance(value, str):
            equal[role] = value
        else:
            return None
    return Wanted(
        equal=equal,
        low=max(lows, default=None),
        high=min(highs, default=None),
        descending=plan.descending,
        columns=plan.columns,
    )
