"""Questions to a runtime, or to a data directory at rest: each reads one view, in a thread, so many at a time.

Imports SQLite when it is first asked.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from actors.core.limits import Limits
    from actors.engine.world import World
    from actors.inspection import ServiceInfo
    from actors.listing import Listing
    from actors.sql.result import Parameters, QueryResult
    from actors.sql.source import Source
    from journal.rows import InvocationRow
    from journal.store import Readable

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Asked:
    """What is asked: something with views, of a running journal or of one at rest."""

    view: Callable[[], AbstractAsyncContextManager[Readable]]
    partitions: int
    services: Sequence[ServiceInfo] = ()


class Queries:
    """Answers questions in SQL. ``limits`` bound how many at once, and what one may take."""

    def __init__(self, world: World, limits: Limits) -> None:
        self._world = world
        self._limits = limits
        self._turns = trio.CapacityLimiter(limits.queries)

    async def query(self, asked: Asked, sql: str, parameters: Parameters) -> QueryResult:
        """The answer to one SELECT. Raises as :func:`actors.sql.run.query` does."""
        from actors.sql.run import query

        limits = self._limits
        return await self._answer(
            asked,
            lambda source: query(
                source,
                sql,
                parameters,
                deadline_seconds=limits.query_seconds,
                max_rows=limits.query_rows,
                max_bytes=limits.query_bytes,
                still_wanted=_still_wanted,
            ),
        )

    async def newest(self, asked: Asked, listing: Listing, predicate: str) -> list[InvocationRow]:
        """The newest invocations that are listed and that the predicate fits. Raises as :func:`query` does."""
        from actors.sql.predicates import newest

        return await self._answer(
            asked,
            lambda source: newest(
                source, listing, predicate, deadline_seconds=self._limits.query_seconds, still_wanted=_still_wanted
            ),
        )

    async def _answer(self, asked: Asked, question: Callable[[Source], T]) -> T:
        from actors.sql.source import Source

        async with self._turns, asked.view() as view:
            source = Source(
                view=view, partitions=asked.partitions, now=self._world.clock.now(), services=asked.services
            )
            answer: T = await self._world.offload(lambda: question(source))
        return answer


def _still_wanted() -> None:
    """Raise ``Cancelled`` in the thread of a query whose task has been cancelled."""
    with suppress(RuntimeError):  # not in a thread of trio's: nobody can have been cancelled meanwhile
        trio.from_thread.check_cancelled()
