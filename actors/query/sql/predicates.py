"""Finds the invocations that match a condition: the language of ``--where``.

A predicate is one SQL expression over the columns of ``sys_invocation``, such as::

    status = 'paused' and last_error_type like '%Connection%' and created_at > now() - 3600

Invocations with a tag are found by its index::

    id in (select invocation_id from sys_tag where name = 'user' and value = 'ada')

It is checked to be one expression: SQLite must accept it inside parentheses, and also without them between two words that end an
expression. A text that closes a parenthesis that it has not opened, or begins a clause of its own, is valid in at most one of the
two places. It can only read, and only ``sys_invocation`` and ``sys_tag``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import InvalidArgumentError
from actors.model.listing import Listing
from actors.query.sql.authorizer import Authorizer
from actors.query.sql.budget import Budget, counted
from actors.query.sql.counters import INVOCATION_COUNTS
from actors.query.sql.invocations import INVOCATIONS
from actors.query.sql.statement import Statement
from actors.query.sql.tags import TAGS
from actors.values.names import SYSTEM_NAMESPACE
from journal.events import Status
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot
    from actors.query.sql.result import Value
    from journal.rows import InvocationRow

_READABLE = frozenset({INVOCATIONS.name, TAGS.name})
_COUNTABLE = _READABLE | {INVOCATION_COUNTS.name}
"""The tables that a count may read if its predicate may read only ``_READABLE``."""

_FROM = "FROM sys_invocation WHERE"


def check_predicate(snapshot: JournalSnapshot, predicate: str, budget: Budget | None = None) -> None:
    """Check that the text is a predicate, without reading any row. Raises :class:`actors.InvalidArgumentError`."""
    if not predicate.strip():
        raise InvalidArgumentError("the predicate is empty; write a condition such as status = 'paused'", path="query")
    for before, after in (("CASE WHEN\n", "\nTHEN 1 END"), ("(\n", "\n)")):
        compiled = _statement(snapshot, budget or Budget(), f"EXPLAIN SELECT 1 {_FROM} {before}", predicate, after)
        for _ in compiled.rows(()):
            pass


def where(
    snapshot: JournalSnapshot,
    predicate: str,
    *,
    budget: Budget | None = None,
) -> Iterator[InvocationId]:
    """Iterate over the ids of all invocations that match the predicate, as they are found, in no particular order.

    Raises :class:`actors.InvalidArgumentError` before the first id, and later the errors of
    :func:`actors.query.sql.statement.query`.

    ::

        for of in where(snapshot, "status = 'paused' and service = 'Agent'"): ...
    """
    budget = Budget() if budget is None else budget
    check_predicate(snapshot, predicate, budget)
    statement = _statement(snapshot, budget, f"SELECT id {_FROM} (\n", predicate, "\n)")
    return (InvocationId(str(of)) for (of,) in statement.rows(()))


def matching(
    snapshot: JournalSnapshot,
    predicate: str,
    *,
    at_most: int,
    budget: Budget,
) -> tuple[int, list[InvocationId]]:
    """Count the user invocations that match the predicate, and return the number with the ids of the oldest of them.

    Raises as :func:`where` does.
    """
    return _counted(snapshot, Listing(), predicate, "created_at, id", at_most, budget)


def newest_ids(snapshot: JournalSnapshot, listing: Listing, *, budget: Budget) -> tuple[int, list[InvocationId]]:
    """Return the number of listed invocations, and the ids of the newest of them, newest first, up to the limit of the
    filter.

    Raises as :func:`where` does.
    """
    predicate = "true" if listing.where is None else listing.where
    order = "created_at DESC, id DESC"
    return _counted(snapshot, listing, predicate, order, listing.limit, budget)


def _counted(
    snapshot: JournalSnapshot, listing: Listing, predicate: str, order: str, at_most: int, budget: Budget
) -> tuple[int, list[InvocationId]]:
    check_predicate(snapshot, predicate, budget)
    conditions, parameters = _conditions(listing)
    if not at_most:
        before = f"SELECT count(*) {_FROM} {conditions} AND (\n"
        ((number,),) = _statement(snapshot, budget, before, predicate, "\n)", _COUNTABLE).rows(parameters)
        return int(number or 0), []
    before = f"SELECT id {_FROM} {conditions} AND (\n"
    statement = _statement(snapshot, budget, before, predicate, f"\n) ORDER BY {order}")
    count = 0
    ids: list[InvocationId] = []
    for (of,) in statement.rows(parameters):
        count += 1
        if count <= at_most:
            ids.append(InvocationId(str(of)))
    return count, ids


def newest(
    snapshot: JournalSnapshot,
    listing: Listing,
    predicate: str,
    *,
    budget: Budget | None = None,
) -> list[InvocationRow]:
    """Return the newest listed invocations that match the predicate, newest first. Raises as :func:`where` does."""
    budget = Budget() if budget is None else budget
    check_predicate(snapshot, predicate, budget)
    conditions, parameters = _conditions(listing)
    before = f"SELECT id {_FROM} {conditions} AND (\n"
    statement = _statement(snapshot, budget, before, predicate, "\n) ORDER BY created_at DESC, id DESC LIMIT ?")
    read = counted(snapshot, budget)
    found = (read.find_invocation(InvocationId(str(of))) for (of,) in statement.rows([*parameters, listing.limit]))
    return [row for row in found if row is not None]


def _conditions(listing: Listing) -> tuple[str, list[Value]]:
    """Convert a filter to SQL. The index by status has no completed invocations, so it cannot be used if those are
    wanted too.
    """
    conditions: list[str] = ["true"]
    parameters: list[Value] = []
    for column, wanted in (("service", listing.service), ("key", listing.key), ("handler", listing.handler)):
        if wanted is not None:
            conditions.append(f"{column} = ?")
            parameters.append(wanted)
    for name, value in (listing.tags or {}).items():
        conditions.append("id IN (SELECT invocation_id FROM sys_tag WHERE name = ? AND value = ?)")
        parameters += (name, value)
    if listing.service is None and not listing.system:
        conditions.append(f"substr(service, 1, {len(SYSTEM_NAMESPACE)}) <> ?")
        parameters.append(SYSTEM_NAMESPACE)
    if listing.after is not None:
        conditions.append("created_at <= ? AND (created_at < ? OR id < ?)")
        parameters += (listing.after[0], *listing.after)
    if listing.status is not None:
        sign = "+" if Status.COMPLETED in listing.status else ""
        conditions.append(f"{sign}status IN ({', '.join('?' * len(listing.status))})")
        parameters += sorted(status.value for status in listing.status)
    return " AND ".join(conditions), parameters


def _statement(
    snapshot: JournalSnapshot,
    budget: Budget,
    before: str,
    predicate: str,
    after: str,
    readable: frozenset[str] = _READABLE,
) -> Statement:
    return Statement(
        snapshot,
        budget,
        Authorizer(readable=readable, is_at_once=budget.is_at_once),
        before + predicate + after,
        offset=len(before),
        length=len(predicate),
    )
