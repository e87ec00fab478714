"""A store in memory, for tests and temporary runs.

It behaves as the store on disk does, except that nothing is kept; the journal's contract tests run against both.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, NoReturn

import trio

from journal.errors import BrokenInvariant, Unavailable
from journal.kv.store import SCAN_PAGE, Batch, Durability, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class _Sorted:
    """A dictionary and the order of its keys."""

    def __init__(self, rows: dict[bytes, bytes], order: list[bytes]) -> None:
        self._rows = rows
        self._order = order

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


class MemoryView(_Sorted):
    """A :class:`MemoryStore` as it was at one moment."""

    def __init__(self, rows: dict[bytes, bytes], order: list[bytes]) -> None:
        super().__init__(rows, order)
        self._is_open = True

    def get(self, key: bytes) -> bytes | None:
        self._check_open()
        return super().get(key)

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self._check_open()
        return super().scan(start, stop, limit=limit, reverse=reverse)

    def close(self) -> None:
        self._is_open = False

    def _check_open(self) -> None:
        if not self._is_open:
            raise Unavailable("this view of the store is closed")


class MemoryStore(_Sorted):
    """A sorted dictionary. ``rows`` are its first contents."""

    durability = Durability.MEMORY

    def __init__(self, rows: Iterable[tuple[bytes, bytes]] = ()) -> None:
        known = dict(rows)
        super().__init__(known, sorted(known))
        self._is_viewed = False
        self._closed = False

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._rows.get(key) for key in keys]

    async def copy_to(self, path: Path, *, made_at: float) -> None:
        await trio.lowlevel.checkpoint()
        raise Unavailable(f"this store is in memory, and cannot be backed up to {path}")

    async def view(self) -> MemoryView:
        await trio.lowlevel.checkpoint()
        self._is_viewed = True
        return MemoryView(self._rows, self._order)

    async def commit(self, batch: Batch) -> None:
        if self._closed:
            raise Unavailable("the store is closed")
        for key, value in batch.known.items():
            if not (self._rows.get(key) == value):
                raise BrokenInvariant(f"the stored value of {key!r} differs from the value that the batch assumes")
        self.apply(batch)
        await trio.lowlevel.cancel_shielded_checkpoint()

    def apply(self, batch: Batch) -> None:
        """Apply all changes of the batch. Open views keep showing the state before it."""
        if self._is_viewed:
            self._rows, self._order = dict(self._rows), list(self._order)
            self._is_viewed = False
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

    async def failed(self) -> NoReturn:
        await trio.sleep_forever()

    def has_room(self) -> bool:
        return True

    def troubles(self) -> Sequence[Trouble]:
        return ()

    async def recover(self) -> None:
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        self._closed = True

    def contents(self) -> list[tuple[bytes, bytes]]:
        """Return all rows, in order."""
        return [(key, self._rows[key]) for key in self._order]
