"""Answers the queries of a runtime, or of a data directory that is not being served. Each query reads its own snapshot,
so many can run at a time.

What an index finds is answered at once: the way to a thread and back costs more than the answer, and beside an event loop that
is never idle a switch interval each way. What takes longer starts again in a thread, on the same snapshot.

Imports SQLite when a question in SQL comes first; raises :class:`actors.errors.MissingExtraError` if it is not installed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import attrs
import outcome
import trio

from actors.extras import require
from actors.query.sql.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from actors.environment import Environment
    from actors.model.listing import Listing
    from actors.query.snapshot import JournalSnapshot
    from actors.query.sql.budget import Budget
    from actors.query.sql.result import Parameters, QueryResult
    from actors.values.limits import Limits
    from journal.ids import InvocationId
    from journal.rows import InvocationRow

T = TypeVar("T")

_AT_ONCE_SECONDS = 0.003
"""How long a query may block the event loop; about as long as a turn of a query in a thread."""

_SELECTION_SECONDS = 120.0
"""The minimum time limit for the selection of a job, for which no person waits."""


@attrs.frozen(kw_only=True)
class QueryTarget:
    """The snapshot source of a query. ``asker`` is the namespace of its principal."""

    snapshot: Callable[[], AbstractAsyncContextManager[JournalSnapshot]]
    asker: str = ""


class Queries:
    """Runs SQL queries. ``limits`` bound their number and the cost of each."""

    def __init__(self, environment: Environment, limits: Limits) -> None:
        self._environment = environment
        self._limits = limits
        self._places = Places(limits.queries)

    async def query(self, asked: QueryTarget, sql: str, parameters: Parameters) -> QueryResult:
        """Run one SELECT and return its result. Raises as :func:`actors.query.sql.statement.query` does."""
        require("sql")
        from actors.query.sql.statement import query

        limits = self._limits
        return await self._answer(
            asked,
            lambda snapshot, budget: query(
                snapshot,
                sql,
                parameters,
                max_rows=limits.query_rows,
                max_bytes=limits.query_bytes,
                budget=budget,
            ),
        )

    async def newest(self, asked: QueryTarget, listing: Listing, predicate: str) -> list[InvocationRow]:
        """Return the newest listed invocations that match the predicate. Raises as :func:`query` does."""
        require("sql")
        from actors.query.sql.predicates import newest

        return await self._answer(
            asked,
            lambda snapshot, budget: newest(
                snapshot,
                listing,
                predicate,
                budget=budget,
            ),
        )

    async def listed(self, asked: QueryTarget, listing: Listing) -> list[InvocationRow]:
        """Return the newest listed invocations, without an SQL condition. Raises :class:`actors.LimitExceededError`."""
        from actors.query.invocations import list_invocations
        from actors.query.sql.budget import counted

        return await self._answer(
            asked,
            lambda snapshot, budget: list_invocations(counted(snapshot, budget), listing),
        )

    async def matching(self, asked: QueryTarget, predicate: str, *, at_most: int) -> tuple[int, list[InvocationId]]:
        """Count the invocations that match the predicate, and return the number with the ids of the oldest. Raises as
        :func:`query` does.
        """
        require("sql")
        from actors.query.sql.predicates import matching

        return await self._answer(
            asked,
            lambda snapshot, budget: matching(
                snapshot,
                predicate,
                at_most=at_most,
                budget=budget,
            ),
            seconds=max(_SELECTION_SECONDS, self._limits.query_seconds),
        )

    async def newest_ids(self, asked: QueryTarget, listing: Listing) -> tuple[int, list[InvocationId]]:
        """Count the listed invocations, and return the number with the ids of the newest. Raises as :func:`query` does."""
        require("sql")
        from actors.query.sql.predicates import newest_ids

        return await self._answer(
            asked,
            lambda snapshot, budget: newest_ids(
                snapshot,
                listing,
                budget=budget,
            ),
            seconds=max(_SELECTION_SECONDS, self._limits.query_seconds),
        )

    async def _answer(
        self, asked: QueryTarget, question: Callable[[JournalSnapshot, Budget], T], *, seconds: float | None = None
    ) -> T:
        from actors.errors import LimitExceededError
        from actors.query.sql.budget import Budget

        async with self._places.place(asked.asker), asked.snapshot() as snapshot:
            try:
                return question(snapshot, Budget(min(_AT_ONCE_SECONDS, self._limits.query_seconds), is_at_once=True))
            except LimitExceededError as error:
                if error.limit != "query_seconds":
                    raise
            return await self._in_a_thread(question, snapshot, seconds or self._limits.query_seconds)

    async def _in_a_thread(
        self, question: Callable[[JournalSnapshot, Budget], T], snapshot: JournalSnapshot, seconds: float
    ) -> T:
        from actors.query.sql.budget import Budget
        from actors.query.sql.turns import Turns

        turns = Turns()

        def still_wanted() -> None:
            _raise_if_cancelled()
            turns.pass_on()

        def work() -> T:
            try:
                return question(snapshot, Budget(seconds, still_wanted))
            finally:
                turns.end()

        answer: outcome.Outcome[T]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(turns.share)
            answer = await outcome.acapture(
                self._environment.offload, work
            )  # kept apart from the nursery, which would wrap an error
            nursery.cancel_scope.cancel()
        return answer.unwrap()


def _raise_if_cancelled() -> None:
    """Raise ``Cancelled`` in the thread of a query whose task has been cancelled."""
    with suppress(RuntimeError):  # not in a trio thread: it cannot have been cancelled
        trio.from_thread.check_cancelled()
