"""Opens a journal for one of the nodes that share it."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from journal.replicated.background import background
from journal.replicated.node import Node
from journal.replicated.open import identify, open_replica
from journal.replicated.snapshots import SNAPSHOT_BYTES
from journal.replicated.snapshots.keeper import SnapshotKeeper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from journal.clock import Clock
    from journal.replicated.journal import ReplicatedJournal
    from journal.replicated.place import ClusterPlace


@asynccontextmanager
async def open_shared_journal(
    path: str | os.PathLike[str],
    place: ClusterPlace,
    *,
    partitions: int = 1,
    url: str = "",
    address: str = "",
    snapshot_bytes: int = SNAPSHOT_BYTES,
    clock: Clock | None = None,
) -> AsyncIterator[tuple[ReplicatedJournal, Node]]:
    """Open the journal of a cluster, as one of its nodes, with this node's copy in a data directory. The node is a member
    once its copy has caught up. ``partitions`` is used only for a new journal; ``url`` and ``address`` are as in
    :class:`journal.replicated.membership.Member`. When it is this node's turn, it makes a snapshot after ``snapshot_bytes`` of the log.

    Raises as :meth:`journal.replicated.place.ClusterPlace.open` and :func:`journal.replicated.open.open_replica` do.
    """
    async with place.open(create=True) as storage:
        log, snapshots = storage.log, storage.snapshots
        identity = await identify(log, partitions=partitions)
        node = Node(storage.membership, _name(), partitions=identity.partitions, url=url, address=address, clock=clock)
        async with (
            open_replica(path, log, identity, snapshots=snapshots, clock=clock, placement=node) as journal,
            background() as nursery,
        ):
            node.applied = journal.applied
            await nursery.start(node.run)
            nursery.start_soon(SnapshotKeeper(journal, log, snapshots, node, after_bytes=snapshot_bytes).run)
            nursery.start_soon(storage.watch, node)
            yield journal, node


def _name() -> str:
    """Return a name that no other run has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
