"""The counts of invocations of one partition, as its processor keeps them in memory and on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.rows.counters import Counts, add_counts, count_all, counter_rows, is_counted, load_counts

if TYPE_CHECKING:
    from journal.log.protocol import Journal


class StoredCounts:
    """The durable counts. A commit that fails changes nothing here, and can be tried again with other changes.

    In a store of an earlier version the invocations are not counted yet. They are counted here, and ``rows`` receives the counters
    and the index of failures, so that they are on disk with the first commit.
    """

    def __init__(self, journal: Journal, partition: int, rows: dict[bytes, bytes | None]) -> None:
        self._partition = partition
        if is_counted(journal, partition):
            self._counts = load_counts(journal, partition)
        else:
            self._counts = count_all(journal, partition, rows)

    def rows_after(self, changes: Counts) -> dict[bytes, bytes | None]:
        """Return the rows of the counters that these changes touch, as they are after them."""
        counts = self._counts
        after = {group: counts.get(group, 0) + by for group, by in changes.items()}
        return counter_rows(self._partition, after)

    def settle(self, changes: Counts) -> None:
        """The changes are durable."""
        add_counts(self._counts, changes)
        for group in changes:
            if not self._counts[group]:
                del self._counts[group]
