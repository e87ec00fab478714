"""A cluster in streams of NATS JetStream."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio

from journal.errors import ClusterExists, Unavailable
from journal.replicated.membership import DEAD_SECONDS
from journal.replicated.nats.address import parse_address
from journal.replicated.nats.log import open_nats_log
from journal.replicated.nats.membership import NatsMembership
from journal.replicated.nats.snapshots import NatsSnapshots
from journal.rows import encode_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from journal.replicated.entries import Position
    from journal.replicated.nats.log import NatsLog
    from journal.replicated.node import Node
    from journal.replicated.snapshots.store import SnapshotStore
    from journal.rows import StoreIdentity


class NatsPlace:
    """A :class:`journal.replicated.place.ClusterPlace` in NATS."""

    def __init__(self, address: str) -> None:
        parse_address(address)
        self.address = address

    @asynccontextmanager
    async def open(self, *, create: bool = False) -> AsyncIterator[NatsStorage]:
        async with open_nats_log(self.address) as log:
            yield NatsStorage(log)


class NatsStorage:
    """A :class:`journal.replicated.place.ClusterStorage` in NATS."""

    between_looks_seconds = DEAD_SECONDS

    def __init__(self, log: NatsLog) -> None:
        self.log = log
        self.snapshots = NatsSnapshots(log)
        self.membership = NatsMembership(log)

    @asynccontextmanager
    async def founding(
        self, identity: StoreIdentity, entries: Sequence[tuple[Position, bytes]]
    ) -> AsyncIterator[SnapshotStore]:
        encoded = encode_row(identity)
        await self.log.prepare(encoded, first=entries[0][0].number)
        try:
            yield _FoundingInNats(self.log, encoded, entries)
        except BaseException:
            with trio.CancelScope(shield=True), suppress(Unavailable):
                if await self.log.kept_identity() != encoded:
                    await self.log.remove(encoded)  # what is left nevertheless is never seen
            raise

    async def watch(self, node: Node) -> None:
        await trio.sleep_forever()


class _FoundingInNats(NatsSnapshots):
    """Publishes a snapshot and the first entries of a cluster, and then its identity. No node sees anything of it before that."""

    def __init__(self, log: NatsLog, identity: bytes, entries: Sequence[tuple[Position, bytes]]) -> None:
        super().__init__(log)
        self._identity = identity
        self._entries = entries

    async def publish(self, manifest: bytes, chunks: Collection[bytes]) -> bool:
        if not await super().publish(manifest, chunks):
            return False
        for partition, (position, data) in enumerate(self._entries):
            await self._log.append(partition, position.number - 1, data)
        if await self._log.publish_identity(self._identity) != self._identity:
            raise ClusterExists
        return True
