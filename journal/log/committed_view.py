"""The store as of the commits that have returned. ::

    commit 7   a=1  ──────────────────► returned          get(a) = 1
    commit 8   a=2  b=5  ─────── on its way ──            get(b) = its value before commit 8
    commit 9        b=6  ─────── on its way ──            pending_value(b) = 6

A disk shows written data before it is durable, and continues to show it if the flush fails. So for as long as a commit is on its
way, the former values of its keys are kept here and given to readers. A commit in doubt stays hidden until the store is reopened
and shows which data was kept.

Invariant: readers see exactly the commits that have returned, and the consequences of a commit (``on_settled``) happen in the
same moment in which readers begin to see it. Commits may return out of order; a later one is not undone when an earlier one
returns. One exception: a range that a commit on its way clears may be gone already, because keeping it would mean reading all of
it.

Prior art: an undo log, which also keeps the old value beside the new one until the transaction ends. Alternative refused: a
RocksDB snapshot for each commit. It needs no read of the old values, but each release of a snapshot makes RocksDB (9.8) rewrite
tables at the bottom level.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import filterfalse
from typing import TYPE_CHECKING

import attrs

from journal.errors import CorruptRecord, Unavailable
from journal.kv.store import SCAN_PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from journal.kv.store import Batch, Store


@attrs.define(eq=False)
class _Commit:
    """A commit on its way. ``before`` are the stored values of its keys when it began, or why one could not be read; ``settled``
    are those that other commits have changed since: the number of the latest such commit and its value."""

    number: int
    batch: Batch
    before: Mapping[bytes, bytes | CorruptRecord | None]
    settled: dict[bytes, tuple[int, bytes | None]] = attrs.field(factory=dict)
    is_in_doubt: bool = False

    def seen(self, key: bytes) -> bytes | None:
        """Return the value of one of its keys as readers see it. Raises ``CorruptRecord``."""
        settled = self.settled.get(key)
        if settled is not None:
            return settled[1]
        before = self.before[key]
        if isinstance(before, CorruptRecord):
            raise CorruptRecord(str(before)) from before
        return before


class CommittedView:
    """Reads the settled data, and commits. Every commit to the store goes through here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_number = 1
        self._commits: dict[int, _Commit] = {}
        self._in_order: list[bytes] | None = []

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or None. Raises ``CorruptRecord``."""
        commit = self._first_to_change(key)
        return self._store.get(key) if commit is None else commit.seen(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values in the order of the keys, with one read. Raises ``CorruptRecord``."""
        stored = self._store.get_many(keys)
        if not self._commits:
            return stored
        return [self.get(key) if self.is_pending(key) else value for key, value in zip(keys, stored, strict=True)]

    def pending_value(self, key: bytes) -> bytes | None:
        """Return the value that the key has once every commit in progress has returned. Raises ``CorruptRecord``."""
        for commit in reversed(self._commits.values()):
            if key in commit.batch.rows:
                settled_by, value = commit.settled.get(key, (0, None))
                return value if settled_by > commit.number else commit.batch.rows[key]
        return self._store.get(key)

    def is_pending(self, key: bytes) -> bool:
        """Report whether a commit in progress changes the key."""
        return self._first_to_change(key) is not None

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` rows in ``[start, stop)``, in order, or from the end if ``reverse``. Raises
        ``CorruptRecord``."""
        under_way = self._pending_in(start, stop)
        if not under_way:
            return self._store.scan(start, stop, limit=limit, reverse=reverse)
        # Read as many more rows as may have to be left out. Rows added after the last one found are cut off again.
        stored = self._store.scan(start, stop, limit=limit + len(under_way), reverse=reverse)
        rows = [row for row in stored if not self.is_pending(row[0])]
        for key in under_way:
            before = self.get(key)
            if before is not None:
                rows.append((key, before))
        rows.sort(reverse=reverse)
        return rows[:limit]

    async def commit(self, batch: Batch, on_settled: Callable[[], None]) -> None:
        """Apply the batch. Call ``on_settled`` once, at the moment when readers begin to see the batch, before
        returning.

        Raises as :meth:`journal.kv.store.Store.commit` does. The commit takes its place in the order before the first
        checkpoint.
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
        self._forget(commit)
        if self._commits:
            self._settle(commit)
        on_settled()

    def resolve_in_doubt(self) -> bool:
        """Stop hiding the commits in doubt, after the store has recovered and shows their results. Returns whether
        there were any."""
        in_doubt = [commit for commit in self._commits.values() if commit.is_in_doubt]
        for commit in in_doubt:
            self._forget(commit)
        return bool(in_doubt)

    def _begin(self, batch: Batch) -> _Commit:
        known = batch.known
        unknown = [*filterfalse(known.__contains__, batch.rows)] if len(known) < len(batch.rows) else None
        before = {**known, **dict(zip(unknown, self._stored(unknown), strict=True))} if unknown else known
        commit = _Commit(self._next_number, batch, before)
        self._commits[self._next_number] = commit
        self._next_number += 1
        self._in_order = None
        return commit

    def _stored(self, keys: Sequence[bytes]) -> Sequence[bytes | CorruptRecord | None]:
        """Return the stored values. A damaged one does not stop the commit that replaces it: only its readers hear of it."""
        try:
            return self._store.get_many(keys)
        except CorruptRecord:
            return [self._stored_alone(key) for key in keys]

    def _stored_alone(self, key: bytes) -> bytes | CorruptRecord | None:
        try:
            return self._store.get(key)
        except CorruptRecord as error:
            return error

    def _settle(self, commit: _Commit) -> None:
        """Let the commits that are still on their way hide the values of this one."""
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

    def _pending_in(self, start: bytes, stop: bytes) -> list[bytes]:
        if not self._commits:
            return []
        if self._in_order is None:
            self._in_order = sorted({key for commit in self._commits.values() for key in commit.batch.rows})
        return self._in_order[bisect_left(self._in_order, start) : bisect_left(self._in_order, stop)]
