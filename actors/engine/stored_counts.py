"""The counts of invocations of one partition, as its processor keeps them in memory and on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.rows.counters import Counts, add_counts, counter_rows, load_counts

if TYPE_CHECKING:
    from journal.log.protocol import Journal


class StoredCounts:
    """The durable counts. A commit that fails changes nothing here, and can be tried again with other changes."""

    def __init__(self, journal: Journal, partition: int) -> None:
        self._partition = partition
        self._counts = load_counts(journal, partition)

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
