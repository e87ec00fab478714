"""A store that keeps nothing: for tests, and for runs that may be forgotten.

It behaves as the one on disk does, but for forgetting; the contract tests of the journal run against both.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

import trio

from journal.errors import Unavailable
from journal.store import SCAN_PAGE, Batch, Durability

if TYPE_CHECKING:
    from collections.abc import Iterable


class MemoryStore:
    """A sorted dictionary. ``rows`` fills it at the start."""

    durability = Durability.MEMORY

    def __init__(self, rows: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._rows = dict(rows)
        self._order = sorted(self._rows)
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        return self._rows.get(key)

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        first, last = bisect.bisect_left(self._order, start), bisect.bisect_left(self._order, stop)
        keys = (
            self._order[max(first, last - limit) : last] if reverse else self._order[first : min(last, first + limit)]
        )
        found = [(key, self._rows[key]) for key in keys]
        return found[::-1] if reverse else found

    async def commit(self, batch: Batch) -> None:
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise Unavailable("the store is closed")
        self.apply(batch)

    def apply(self, batch: Batch) -> None:
        """Make the changes, all of them."""
        for start, stop in batch.cleared:
            first, last = bisect.bisect_left(self._order, start), bisect.bisect_left(self._order, stop)
            for key in self._order[first:last]:
                del self._rows[key]
            del self._order[first:last]
        for key, value in batch.rows.items():
            if value is None:
                if self._rows.pop(key, None) is not None:
                    del self._order[bisect.bisect_left(self._order, key)]
            else:
                if key not in self._rows:
                    bisect.insort(self._order, key)
                self._rows[key] = value

    def has_room(self) -> bool:
        return True

    async def recover(self) -> None:
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        self._closed = True

    def contents(self) -> list[tuple[bytes, bytes]]:
        """Everything, in order."""
        return [(key, self._rows[key]) for key in self._order]
