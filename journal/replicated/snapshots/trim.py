"""Removes from the log what two snapshots have, and the snapshots before those.

Invariant: whatever the log has lost is in two snapshots whose chunks were all sound when they were first counted. They share the
chunks of files that did not change, and the next snapshot stores a damaged one again. No living node needs it any more: a node
that is behind it was held dead, or had not begun, and makes its copy from a snapshot.

A snapshot is looked at once, when it is the newest: each look hashes all of it. The log gets shorter only when a newer snapshot has just
been found sound, so damage of an older one costs nothing that the newer one and the log behind it do not have.

The order is: the log first, then older snapshots. A process may die after each step; the next trim does the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.errors import CorruptRecord
from journal.replicated.snapshots.manifest import decode_snapshot
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from journal.replicated.log import ReplicatedLog
    from journal.replicated.snapshots.manifest import SnapshotManifest
    from journal.replicated.snapshots.store import PublishedSnapshot, SnapshotStore

log = SafeLogger(__name__)

KEPT = 2
"""The number of whole snapshots that are kept."""


class LogTrimmer:
    """Trims the log of a cluster."""

    def __init__(self, replicated: ReplicatedLog, snapshots: SnapshotStore) -> None:
        self._log = replicated
        self._snapshots = snapshots
        self._whole: dict[int, SnapshotManifest] = {}

    async def trim(self, applied: Sequence[Mapping[int, int]]) -> None:
        """Remove the entries behind the second newest whole snapshot that every living node has applied, and the snapshots before that.

        ``applied`` has for each living node the last entry of each partition that it has applied; a partition that it does not name
        holds the log of that partition. Raises ``Unavailable``.
        """
        published = await self._snapshots.published()
        self._whole = dict(await self._newest_whole(published))
        if len(self._whole) < KEPT:
            return
        oldest = min(self._whole)
        for partition, position in enumerate(self._whole[oldest].positions):
            before = min([position.number, *(each.get(partition, 0) for each in applied)])
            if before > 1:
                await self._log.trim(partition, before)
        if older := [each.number for each in published if each.number < oldest]:
            await self._snapshots.remove(older)

    async def _newest_whole(self, published: Sequence[PublishedSnapshot]) -> list[tuple[int, SnapshotManifest]]:
        """Return the newest snapshots whose chunks are all stored and sound, at most as many as are kept."""
        found: list[tuple[int, SnapshotManifest]] = []
        for each in published:
            snapshot = self._whole.get(each.number) or await self._checked(each)
            if snapshot is not None:
                found.append((each.number, snapshot))
            if len(found) == KEPT:
                break
        return found

    async def _checked(self, published: PublishedSnapshot) -> SnapshotManifest | None:
        try:
            snapshot = decode_snapshot(published.manifest)
        except CorruptRecord as error:
            log.warning("snapshot %d does not count: %s", published.number, error)
            return None
        if missing := await self._snapshots.missing(snapshot.chunks):
            log.warning(
                "snapshot %d does not count: %d of its chunks are missing or damaged", published.number, len(missing)
            )
            return None
        return snapshot
