"""A cluster under a prefix of a bucket, or in a folder."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio

from journal.errors import ClusterExists, InDoubt, Unavailable
from journal.replicated.objects.address import parse_address
from journal.replicated.objects.bucket import open_bucket, open_bucket_for_beats
from journal.replicated.objects.log import ObjectLog
from journal.replicated.objects.membership import ObjectMembership
from journal.replicated.objects.snapshots import ObjectSnapshots
from journal.rows import encode_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from journal.replicated.entries import Position
    from journal.replicated.membership import HeartbeatPace
    from journal.replicated.node import Node
    from journal.replicated.objects.bucket import Bucket
    from journal.replicated.snapshots.store import SnapshotStore
    from journal.rows import StoreIdentity


class ObjectPlace:
    """A :class:`journal.replicated.place.ClusterPlace` in an object store."""

    def __init__(self, address: str) -> None:
        self.address = parse_address(address)

    @asynccontextmanager
    async def open(self, *, create: bool = False) -> AsyncIterator[ObjectStorage]:
        log = ObjectLog(open_bucket(self.address))
        await log.check(writes=create)
        bucket, pace = open_bucket_for_beats(self.address)
        yield ObjectStorage(log, bucket, pace)


class ObjectStorage:
    """A :class:`journal.replicated.place.ClusterStorage` in an object store."""

    def __init__(self, log: ObjectLog, bucket: Bucket, pace: HeartbeatPace) -> None:
        self.log = log
        self.snapshots = ObjectSnapshots(log)
        self.membership = ObjectMembership(log, bucket, pace)
        self.between_looks_seconds = pace.dead_seconds

    @asynccontextmanager
    async def founding(
        self, identity: StoreIdentity, entries: Sequence[tuple[Position, bytes]]
    ) -> AsyncIterator[SnapshotStore]:
        encoded = encode_row(identity)
        self.log.know(encoded)
        try:
            yield _FoundingInObjects(self.log, encoded, entries)
        except BaseException:
            with trio.CancelScope(shield=True), suppress(Unavailable):
                if await self.log.kept_identity() != encoded:
                    self.log.know(encoded)
                    await self.log.remove()  # what is left nevertheless is never seen
            raise

    async def watch(self, node: Node) -> None:
        await trio.sleep_forever()


class _FoundingInObjects(ObjectSnapshots):
    """Publishes a snapshot and the first entries of a cluster, and then its identity. No node sees anything of it before that."""

    def __init__(self, log: ObjectLog, identity: bytes, entries: Sequence[tuple[Position, bytes]]) -> None:
        super().__init__(log)
        self._identity = identity
        self._entries = entries

    async def publish(self, manifest: bytes, chunks: Collection[bytes]) -> bool:
        if not await super().publish(manifest, chunks):
            return False
        for partition, (position, data) in enumerate(self._entries):
            await self._log.begin(partition, position.number, data)
        try:
            is_founded = await self._log.publish_identity(self._identity)
        except InDoubt as error:
            raise Unavailable(str(error)) from error
        if not is_founded:
            raise ClusterExists
        return True
