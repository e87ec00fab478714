"""Shares the places for queries fairly: a query waits only for other queries of the same principal."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Places:
    """A limited number of places. When they are taken, a principal without a running query gets one more, so that ten endless
    queries under one token never lock out the operator, and the number of tokens bounds the number of queries."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[trio.Event]] = OrderedDict()

    @asynccontextmanager
    async def place(self, asker: str) -> AsyncGenerator[None]:
        """Hold a place for the block, waiting for one if all are taken. Serves a principal's queries in order;
        principals take turns.
        """
        if asker in self._waiting or not self._has_one_for(asker):
            await self._wait(asker)
        else:
            self._running[asker] += 1
        try:
            yield
        finally:
            self._give_back(asker)

    async def _wait(self, asker: str) -> None:
        given = trio.Event()
        self._waiting.setdefault(asker, deque()).append(given)
        try:
            await given.wait()
        except BaseException:
            if given.is_set():
                self._give_back(asker)
            else:
                self._leave(asker, given)
            raise

    def _leave(self, asker: str, given: trio.Event) -> None:
        self._waiting[asker].remove(given)
        if not self._waiting[asker]:
            del self._waiting[asker]

    def _has_one_for(self, asker: str) -> bool:
        return self._running.total() < self._count or asker not in self._running

    def _give_back(self, asker: str) -> None:
        self._running[asker] -= 1
        if not self._running[asker]:
            del self._running[asker]
        while (following := next(filter(self._has_one_for, self._waiting), None)) is not None:
            given = self._waiting[following][0]
            self._leave(following, given)
            if following in self._waiting:
                self._waiting.move_to_end(
                    following
                )  # the next query of this principal comes after the queries of all others
            self._running[following] += 1
            given.set()
