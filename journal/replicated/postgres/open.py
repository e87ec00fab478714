"""Opens a journal in PostgreSQL, for one of the nodes that share it."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from journal.replicated.background import background
from journal.replicated.node import Node
from journal.replicated.open import identify, open_replica
from journal.replicated.postgres.log import open_postgres_log
from journal.replicated.postgres.membership import PostgresMembership
from journal.replicated.postgres.snapshots import PostgresSnapshots
from journal.replicated.snapshots import SNAPSHOT_BYTES
from journal.replicated.snapshots.keeper import SnapshotKeeper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from journal.clock import Clock
    from journal.replicated.journal import ReplicatedJournal

_MOMENT_SECONDS = 0.05


@asynccontextmanager
async def open_postgres_journal(
    path: str | os.PathLike[str],
    database: str,
    *,
    partitions: int = 1,
    url: str = "",
    address: str = "",
    snapshot_bytes: int = SNAPSHOT_BYTES,
    clock: Clock | None = None,
) -> AsyncIterator[tuple[ReplicatedJournal, Node]]:
    """Open the journal that is in a database, as one of its nodes, with this node's copy in a data directory. The node is a member
    once its copy has caught up. ``partitions`` is used only for a new journal; ``url`` and ``address`` are as in
    :class:`journal.replicated.membership.Member`. When it is this node's turn, it makes a snapshot after ``snapshot_bytes`` of the log.

    Raises as :func:`journal.replicated.postgres.log.open_postgres_log` and :func:`journal.replicated.open.open_replica` do.
    """
    async with open_postgres_log(database) as log:
        identity = await identify(log, partitions=partitions)
        membership = PostgresMembership(log)
        snapshots = PostgresSnapshots(log)
        node = Node(membership, _name(), partitions=identity.partitions, url=url, address=address, clock=clock)
        try:
            async with (
                open_replica(path, log, identity, snapshots=snapshots, clock=clock, placement=node) as journal,
                background() as nursery,
            ):
                node.applied = journal.applied
                await nursery.start(node.run)
                nursery.start_soon(SnapshotKeeper(journal, log, snapshots, node, after_bytes=snapshot_bytes).run)
                nursery.start_soon(_beat_when_a_session_is_lost, membership, node)
                yield journal, node
        finally:
            membership.close()


async def _beat_when_a_session_is_lost(membership: PostgresMembership, node: Node) -> None:
    while True:
        await membership.session_lost()
        node.announce()
        await trio.sleep(_MOMENT_SECONDS)


def _name() -> str:
    """Return a name that no other run has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
