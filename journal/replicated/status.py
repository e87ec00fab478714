"""The state of a cluster, for people. It is read without being a node, and nothing is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from journal.replicated.log import LogUnusable
from journal.replicated.open import decode_identity
from journal.replicated.snapshots.store import newest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.replicated.membership import Heard
    from journal.replicated.place import ClusterPlace
    from journal.replicated.snapshots.manifest import SnapshotManifest
    from journal.rows import StoreIdentity


@attrs.frozen(kw_only=True)
class ClusterStatus:
    """A cluster: its journal, its nodes, for each partition the number of its last entry, and its newest snapshot, if there is one that
    can be read. ``log_bytes`` is the size of the entries that the log has, and ``bytes_on_disk`` that of all tables or streams."""

    identity: StoreIdentity
    members: Sequence[Heard]
    entries: Sequence[int]
    snapshot: SnapshotManifest | None
    log_bytes: int
    bytes_on_disk: int


async def read_status(place: ClusterPlace) -> ClusterStatus:
    """Return the state of the cluster at a place.

    Raises as :meth:`journal.replicated.place.ClusterPlace.open` does, and :class:`journal.replicated.log.LogUnusable` if there is no
    cluster.
    """
    async with place.open() as storage:
        kept = await storage.log.kept_identity()
        if kept is None:
            raise LogUnusable(
                "there is no cluster at this address: the first server that is started with it creates one"
            )
        identity = decode_identity(kept)
        await storage.membership.members()
        await trio.sleep(storage.between_looks_seconds)
        partitions = range(identity.partitions)
        return ClusterStatus(
            identity=identity,
            members=await storage.membership.members(),
            entries=[await storage.log.last_entry(partition) for partition in partitions],
            snapshot=newest_of(await storage.snapshots.published()),
            log_bytes=sum([await storage.log.bytes_after(partition, 0) for partition in partitions]),
            bytes_on_disk=await storage.log.size(),
        )
