"""The state of a cluster in PostgreSQL, for people. It is read without being a node, and nothing is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from journal.replicated.log import LogUnusable
from journal.replicated.open import decode_identity
from journal.replicated.postgres.log import PostgresLog
from journal.replicated.postgres.membership import PostgresMembership
from journal.replicated.postgres.snapshots import PostgresSnapshots
from journal.replicated.snapshots.store import newest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.replicated.membership import Heard
    from journal.replicated.snapshots.manifest import SnapshotManifest
    from journal.rows import StoreIdentity

_BETWEEN_LOOKS_SECONDS = 0.25
"""A member without its lock is dead if it is so in two looks."""


@attrs.frozen(kw_only=True)
class ClusterStatus:
    """A cluster: its journal, its nodes, for each partition the number of its last entry, and its newest snapshot, if there is one that
    can be read. ``log_bytes`` is the size of the entries that the log has, and ``bytes_on_disk`` that of all tables."""

    identity: StoreIdentity
    members: Sequence[Heard]
    entries: Sequence[int]
    snapshot: SnapshotManifest | None
    log_bytes: int
    bytes_on_disk: int


async def read_status(address: str, *, schema: str = "playhead") -> ClusterStatus:
    """Return the state of the cluster in a database.

    Raises as :func:`journal.replicated.postgres.log.open_postgres_log` does, and :class:`journal.replicated.log.LogUnusable` if there
    is no cluster in the database.
    """
    log = PostgresLog(address, schema)
    try:
        kept = await log.kept_identity()
        if kept is None:
            raise LogUnusable(
                "there is no cluster in this database: the first server that is started with its address creates it"
            )
        identity = decode_identity(kept)
        membership = PostgresMembership(log)
        await membership.members()
        await trio.sleep(_BETWEEN_LOOKS_SECONDS)
        return ClusterStatus(
            identity=identity,
            members=await membership.members(),
            entries=[await log.last_entry(partition) for partition in range(identity.partitions)],
            snapshot=newest_of(await PostgresSnapshots(log).published()),
            log_bytes=sum([await log.bytes_after(partition, 0) for partition in range(identity.partitions)]),
            bytes_on_disk=await log.size(),
        )
    finally:
        log.close()
