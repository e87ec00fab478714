"""A store as readers may see it: as of the commits that have returned.

A disk shows what was written before it is durable, and goes on showing it if the flush fails. So, for as long as a commit
is under way, what its keys held before is kept here, and readers are given that. A commit in doubt stays hidden until the
store is opened again and shows what was kept.

What follows from a commit happens in the same moment as readers begin to see it. A commit that returns before an earlier one
settles before it, and is not undone by it.

A range that a commit under way clears may be gone already: to keep it would mean to read all of it.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import attrs

from journal.errors import Unavailable
from journal.store import SCAN_PAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.store import Batch, Store


@attrs.define(eq=False)
class _Commit:
    number: int
    batch: Batch
    is_in_doubt: bool = False


@attrs.define(eq=False)
class _UnderWay:
    """A key that commits under way change: what readers see, by which commit, and what it holds after the last of them."""

    before: bytes | None
    after: bytes | None
    commits: int = 1
    settled_by: int = 0


class Settled:
    """Reads what is settled, and commits. Every commit to the store goes through here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_number = 1
        self._commits: dict[int, _Commit] = {}
        self._keys: dict[bytes, _UnderWay] = {}
        self._in_order: list[bytes] | None = []

    def get(self, key: bytes) -> bytes | None:
        """The value, or None. Raises ``CorruptRecord``."""
        under_way = self._keys.get(key)
        return self._store.get(key) if under_way is None else under_way.before

    def coming(self, key: bytes) -> bytes | None:
        """The value when all that is under way has settled. Raises ``CorruptRecord``."""
        under_way = self._keys.get(key)
        return self._store.get(key) if under_way is None else under_way.after

    def is_under_way(self, key: bytes) -> bool:
        """Whether a commit under way changes it."""
        return key in self._keys

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """At most ``limit`` rows of ``[start, stop)``, in order or from the end. Raises ``CorruptRecord``."""
        under_way = self._under_way_in(start, stop)
        if not under_way:
            return self._store.scan(start, stop, limit=limit, reverse=reverse)
        # As many more as may have to be left out; so what is put in behind the last one found is cut off again.
        stored = self._store.scan(start, stop, limit=limit + len(under_way), reverse=reverse)
        rows = [row for row in stored if row[0] not in self._keys]
        for key in under_way:
            before = self._keys[key].before
            if before is not None:
                rows.append((key, before))
        rows.sort(reverse=reverse)
        return rows[:limit]

    async def commit(self, batch: Batch, on_settled: Callable[[], None]) -> None:
        """Keep the batch. ``on_settled`` is called, once, as soon as readers see it; when this returns it has been.

        Raises as :meth:`journal.store.Store.commit` does. Takes its place in the order before the first checkpoint.
        """
        commit = self._begin(batch)
        try:
            await self._store.commit(batch)
        except Unavailable:
            self._abandon(commit)
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
        keys, rows = self._keys, batch.rows
        new = [key for key in rows if key not in keys] if keys else list(rows)
        for key in rows.keys() - new if keys else ():
            under_way = keys[key]
            under_way.after = rows[key]
            under_way.commits += 1
        for key, before in zip(new, self._store.get_many(new), strict=True):
            keys[key] = _UnderWay(before, rows[key])
        self._in_order = None
        commit = self._commits[self._next_number] = _Commit(self._next_number, batch)
        self._next_number += 1
        return commit

    def _settle(self, commit: _Commit) -> None:
        for key, value in commit.batch.rows.items():
            under_way = self._keys[key]
            if under_way.settled_by < commit.number:
                under_way.before, under_way.settled_by = value, commit.number
        self._forget(commit)

    def _abandon(self, commit: _Commit) -> None:
        """Nothing of it was kept: what comes is what the last of the others brings, or has brought."""
        self._forget(commit)
        for key in commit.batch.rows.keys() & self._keys.keys():
            under_way = self._keys[key]
            last = next(other for other in reversed(self._commits.values()) if key in other.batch.rows)
            is_settled_later = under_way.settled_by > last.number
            under_way.after = under_way.before if is_settled_later else last.batch.rows[key]

    def _forget(self, commit: _Commit) -> None:
        keys = self._keys
        for key in commit.batch.rows:
            under_way = keys[key]
            under_way.commits -= 1
            if not under_way.commits:
                del keys[key]
        del self._commits[commit.number]
        self._in_order = None

    def _under_way_in(self, start: bytes, stop: bytes) -> list[bytes]:
        if not self._keys:
            return []
        if self._in_order is None:
            self._in_order = sorted(self._keys)
        return self._in_order[bisect_left(self._in_order, start) : bisect_left(self._in_order, stop)]
