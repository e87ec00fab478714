"""A cluster in a schema of a PostgreSQL database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from journal.errors import ClusterExists
from journal.replicated.postgres.connection import complete_address
from journal.replicated.postgres.log import PostgresLog, open_postgres_log
from journal.replicated.postgres.membership import PostgresMembership
from journal.replicated.postgres.snapshots import PostgresSnapshots
from journal.rows import encode_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from journal.replicated.entries import Position
    from journal.replicated.node import Node
    from journal.replicated.snapshots.store import SnapshotStore
    from journal.rows import StoreIdentity

_MOMENT_SECONDS = 0.05


class PostgresPlace:
    """A :class:`journal.replicated.place.ClusterPlace` in PostgreSQL."""

    def __init__(self, address: str, schema: str = "playhead") -> None:
        complete_address(address)
        self.address = address
        self.schema = schema

    @asynccontextmanager
    async def open(self, *, create: bool = False) -> AsyncIterator[PostgresStorage]:
        looking = PostgresLog(self.address, self.schema)
        try:
            is_there = create or await looking.kept_identity() is not None
            if not is_there:
                yield PostgresStorage(looking)
                return
        finally:
            looking.close()
        async with open_postgres_log(self.address, schema=self.schema) as log:
            storage = PostgresStorage(log)
            try:
                yield storage
            finally:
                storage.membership.close()


class PostgresStorage:
    """A :class:`journal.replicated.place.ClusterStorage` in PostgreSQL."""

    between_looks_seconds = 0.25
    """A member without its lock is dead if it is so in two looks."""

    def __init__(self, log: PostgresLog) -> None:
        self.log = log
        self.snapshots = PostgresSnapshots(log)
        self.membership = PostgresMembership(log)

    @asynccontextmanager
    async def founding(
        self, identity: StoreIdentity, entries: Sequence[tuple[Position, bytes]]
    ) -> AsyncIterator[SnapshotStore]:
        await trio.lowlevel.checkpoint()
        yield _FoundingInPostgres(self.log, identity, entries)

    async def watch(self, node: Node) -> None:
        """Send a heartbeat at once when the session of the heartbeats is lost."""
        while True:
            await self.membership.session_lost()
            node.announce()
            await trio.sleep(_MOMENT_SECONDS)


class _FoundingInPostgres(PostgresSnapshots):
    """Publishes a snapshot together with the cluster that begins with it, in one transaction."""

    def __init__(self, log: PostgresLog, identity: StoreIdentity, entries: Sequence[tuple[Position, bytes]]) -> None:
        super().__init__(log)
        self._identity = identity
        self._entries = entries

    async def publish(self, manifest: bytes, chunks: Collection[bytes]) -> bool:
        schema = self._log.schema
        async with self._log.transaction() as connection:
            if not await self._publish_in(connection, manifest, chunks):
                return False
            [(is_taken,)] = await connection.run(
                f"SELECT EXISTS (SELECT FROM {schema}.identity) OR EXISTS (SELECT FROM {schema}.entries)"  # noqa: S608
            )
            if is_taken == b"\1":
                raise ClusterExists
            await connection.run(f"INSERT INTO {schema}.identity VALUES (1, $1::bytea)", encode_row(self._identity))  # noqa: S608
            for partition, (position, data) in enumerate(self._entries):
                await connection.run(
                    f"INSERT INTO {schema}.entries VALUES ($1::int, $2::bigint, $3::bytea)",  # noqa: S608
                    partition,
                    position.number,
                    data,
                )
        return True
