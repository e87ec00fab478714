"""Makes a snapshot when the log behind the newest one has grown, and trims the log. One node of a cluster does it at a time.

Two nodes that both believe it to be their turn make a snapshot each, which costs space until the next one and harms nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from journal.errors import CorruptRecord, InDoubt, StoreError, StoreFailed, Unavailable
from journal.replicated.snapshots import SNAPSHOT_BYTES
from journal.replicated.snapshots.store import newest_of
from journal.replicated.snapshots.trim import LogTrimmer
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from journal.replicated.journal import ReplicatedJournal
    from journal.replicated.log import ReplicatedLog
    from journal.replicated.node import Node
    from journal.replicated.snapshots.store import SnapshotStore

log = SafeLogger(__name__)

LOOK_SECONDS = 30.0
"""The time between two looks at the size of the log."""


class SnapshotKeeper:
    """Keeps the snapshots of a cluster, for one of its nodes."""

    def __init__(
        self,
        journal: ReplicatedJournal,
        replicated: ReplicatedLog,
        snapshots: SnapshotStore,
        node: Node,
        *,
        after_bytes: int = SNAPSHOT_BYTES,
    ) -> None:
        self._journal = journal
        self._log = replicated
        self._snapshots = snapshots
        self._node = node
        self._after_bytes = after_bytes
        self._trimmer = LogTrimmer(replicated, snapshots)
        self._maker = journal.snapshot_maker(snapshots, name=node.name)

    async def run(self) -> None:
        """Keep snapshots until cancelled. What fails is logged, and tried again later; raises only if the node's own disk has failed."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            try:
                if self.is_its_turn:
                    await self.keep()
            except StoreFailed:
                raise
            except (InDoubt, Unavailable, StoreError, CorruptRecord) as error:
                log.warning("the snapshots of the cluster cannot be kept now: %s", error)

    @property
    def is_its_turn(self) -> bool:
        """Whether this is the living node with the fewest partitions, as far as it knows."""
        members = self._node.members()
        return (
            self._node.is_fresh and min(members, key=lambda each: (len(each.owned), each.name)).name == self._node.name
        )

    async def keep(self) -> None:
        """Make a snapshot if one is due, and trim the log. Raises ``Unavailable`` and :class:`journal.errors.StoreError`."""
        if await self._is_due():
            made = await self._maker.make(self._journal.clock.now())
            log.info("made a snapshot of %d bytes", made.size)
        await self._trimmer.trim([member.applied for member in self._node.members()])

    async def _is_due(self) -> bool:
        """Report whether the log behind the newest snapshot is large. Half the size of the snapshot counts as well, so that a large
        journal is not hashed more often than it changes."""
        newest = newest_of(await self._snapshots.published())
        positions = [0] * self._journal.partitions if newest is None else [each.number for each in newest.positions]
        behind = [await self._log.bytes_after(partition, number) for partition, number in enumerate(positions)]
        return sum(behind) >= max(self._after_bytes, 0 if newest is None else newest.size // 2)
