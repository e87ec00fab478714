"""A store as readers may see it: as of the commits that have returned.

A disk shows what was written before it is durable, and goes on showing it if the flush fails. So, for as long as a commit
is under way, what its keys held before is kept here, and readers are given that. A commit in doubt stays hidden until the
store is opened again and shows what was kept.

Keeping it means a look for each key whose writer does not know. A snapshot of the store would be cheaper to take, but each
one that is let go of makes RocksDB (9.8) write tables at the bottom again.

What follows from a commit happens in the same moment as readers begin to see it. A commit that returns before an earlier one
settles before it, and is not undone by it.

A range that a commit under way clears may be gone already: to keep it would mean to read all of it.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import attrs

from journal.errors import Unavailable
from journal.kv.store import SCAN_PAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.kv.store import Batch, Store


@attrs.define(eq=False)
class _Commit:
    """A commit under way. ``before`` is what its keys held, as the store had it; ``settled`` are those of them that other
    commits have changed since it began: the number of the latest of them, and what it left there."""

    number: int
    batch: Batch
    before: dict[bytes, bytes | None]
    settled: dict[bytes, tuple[int, bytes | None]] = attrs.field(factory=dict)
    is_in_doubt: bool = False

    def seen(self, key: bytes) -> bytes | None:
        """What readers see under one of its keys, as far as it goes."""
        settled = self.settled.get(key)
        return self.before[key] if settled is None else settled[1]


class CommittedView:
    """Reads what is settled, and commits. Every commit to the store goes through here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_number = 1
        self._commits: dict[int, _Commit] = {}
        self._in_order: list[bytes] | None = []

    def get(self, key: bytes) -> bytes | None:
        """The value, or None. Raises ``CorruptRecord``."""
        commit = self._first_to_change(key)
        return self._store.get(key) if commit is None else commit.seen(key)

    def coming(self, key: bytes) -> bytes | None:
        """The value when all that is under way has settled. Raises ``CorruptRecord``."""
        for commit in reversed(self._commits.values()):
            if key in commit.batch.rows:
                settled_by, value = commit.settled.get(key, (0, None))
                return value if settled_by > commit.number else commit.batch.rows[key]
        return self._store.get(key)

    def is_under_way(self, key: bytes) -> bool:
        """Whether a commit under way changes it."""
        return self._first_to_change(key) is not None

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """At most ``limit`` rows of ``[start, stop)``, in order or from the end. Raises ``CorruptRecord``."""
        under_way = self._under_way_in(start, stop)
        if not under_way:
            return self._store.scan(start, stop, limit=limit, reverse=reverse)
        # As many more as may have to be left out; so what is put in behind the last one found is cut off again.
        stored = self._store.scan(start, stop, limit=limit + len(under_way), reverse=reverse)
        rows = [row for row in stored if not self.is_under_way(row[0])]
        for key in under_way:
            before = self.get(key)
            if before is not None:
                rows.append((key, before))
        rows.sort(reverse=reverse)
        return rows[:limit]

    async def commit(self, batch: Batch, on_settled: Callable[[], None]) -> None:
        """Keep the batch. ``on_settled`` is called, once, as soon as readers see it; when this returns it has been.

        Raises as :meth:`journal.kv.store.Store.commit` does. Takes its place in the order before the first checkpoint.
        """
        commit = self._begin(batch)
        try:
            await self._store.commit(batch)
        except Unavailable:
            self._forget(commit)
            raise
        except BaseException:
            commit.is_in_doubt = True
            raise
        self._settle(commit)
        on_settled()

    def reveal(self) -> bool:
        """The store has recovered, and shows what became of what was in doubt. Whether there was anything."""
        in_doubt = [commit for commit in self._commits.values() if commit.is_in_doubt]
        for commit in in_doubt:
            self._forget(commit)
        return bool(in_doubt)

    def _begin(self, batch: Batch) -> _Commit:
        rows, before = batch.rows, dict(batch.known)
        unknown = [key for key in rows if key not in before]
        if unknown:
            before.update(zip(unknown, self._store.get_many(unknown), strict=True))
        commit = _Commit(self._next_number, batch, before)
        self._commits[self._next_number] = commit
        self._next_number += 1
        self._in_order = None
        return commit

    def _settle(self, commit: _Commit) -> None:
        self._forget(commit)
        rows = commit.batch.rows
        for other in self._commits.values():
            for key in rows.keys() & other.batch.rows.keys():
                settled_by, _ = other.settled.get(key, (0, None))
                if settled_by < commit.number:
                    other.settled[key] = (commit.number, rows[key])

    def _forget(self, commit: _Commit) -> None:
        del self._commits[commit.number]
        self._in_order = None

    def _first_to_change(self, key: bytes) -> _Commit | None:
        for commit in self._commits.values():
            if key in commit.batch.rows:
                return commit
        return None

    def _under_way_in(self, start: bytes, stop: bytes) -> list[bytes]:
        if not self._commits:
            return []
        if self._in_order is None:
            self._in_order = sorted({key for commit in self._commits.values() for key in commit.batch.rows})
        return self._in_order[bisect_left(self._in_order, start) : bisect_left(self._in_order, stop)]
