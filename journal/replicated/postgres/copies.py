"""Copies of a whole journal: from a data directory into a database, back, and a snapshot by hand. None of them is a node.

A journal that is moved in becomes the first snapshot of a log that begins at entry 2, as if entry 1 had been trimmed. So no node can
begin with the log alone. The identity, the log and the manifest become visible in one transaction.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import attrs
import trio

from journal import keys
from journal.errors import ClusterExists, ClusterInUse, StoreError, StoreExists
from journal.kv.backup import restore_backup
from journal.kv.data_directory import DataDirectory
from journal.kv.store import Batch, Durability, scan_all
from journal.log.inbox import decode_message
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal, open_store
from journal.replicated.entries import DIGEST_BYTES, Position, encode_entries
from journal.replicated.log import LogUnusable
from journal.replicated.membership import BEAT_SECONDS, DEAD_SECONDS
from journal.replicated.open import decode_identity, open_replica
from journal.replicated.postgres.log import PostgresLog, open_postgres_log
from journal.replicated.postgres.membership import PostgresMembership
from journal.replicated.postgres.snapshots import PostgresSnapshots
from journal.replicated.replica import encode_position
from journal.replicated.snapshots.make import SnapshotMaker
from journal.replicated.snapshots.threads import in_thread
from journal.replicated.snapshots.trim import LogTrimmer
from journal.rows import encode_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

    from journal.kv.backup import Restored
    from journal.kv.rocks_reader import RocksReader
    from journal.kv.store import Store
    from journal.replicated.journal import ReplicatedJournal
    from journal.replicated.membership import Heard
    from journal.replicated.snapshots.manifest import SnapshotManifest
    from journal.rows import StoreIdentity

    Check = Callable[[RocksReader, StoreIdentity], None]

_TRIMMED = 1
_BY_HAND = "by hand"


async def copy_into_cluster(
    data: Path, address: str, *, check: Check, now: float, schema: str = "playhead"
) -> SnapshotManifest:
    """Make a cluster of the journal in a data directory, which stays as it is. ``check`` inspects the copy, and raises to refuse it.

    Raises a :class:`journal.errors.StoreError` as opening the directory does, and if unfinished work is held in it;
    :class:`journal.errors.ClusterExists`; and as :func:`journal.replicated.postgres.log.open_postgres_log` does.
    """
    original = DataDirectory(data).identity()
    if original.is_held:
        raise StoreError(
            data,
            "its unfinished work is held until its first start: start it once without a cluster, and decide what becomes of the work",
        )
    async with open_postgres_log(address, schema=schema) as log:
        if await log.kept_identity() is not None:
            raise ClusterExists
        with TemporaryDirectory(prefix="playhead-") as folder:
            backup, copy = Path(folder) / "backup", Path(folder) / "copy"
            async with open_journal(data) as journal:
                await journal.copy_to(backup)
            restored = await in_thread(partial(restore_backup, backup, copy, check=check, is_held=False, now=now))
            identity = attrs.evolve(
                original, store_id=restored.identity.store_id, epoch=original.epoch + 1, copy_of="", created_at=now
            )
            with open_store(copy, lambda: identity, durability=Durability.OS) as opened:
                founding = _FirstSnapshot(log, identity)
                for partition, (position, _) in enumerate(founding.entries):
                    await opened.store.commit(Batch(rows={keys.applied(partition): encode_position(position)}))
                maker = SnapshotMaker(
                    opened.store, opened.directory, founding, partitions=identity.partitions, name=_BY_HAND
                )
                return await maker.make(now)


class _FirstSnapshot(PostgresSnapshots):
    """Publishes a snapshot together with the cluster that begins with it."""

    def __init__(self, log: PostgresLog, identity: StoreIdentity) -> None:
        super().__init__(log)
        self._identity = identity
        self.entries = [self._entry(log) for _ in range(identity.partitions)]

    @staticmethod
    def _entry(log: PostgresLog) -> tuple[Position, bytes]:
        """Return the first entry that a log has. It changes nothing, and follows one that nobody has."""
        before = Position(_TRIMMED, secrets.token_bytes(DIGEST_BYTES))
        [entry] = encode_entries([Batch()], before, log.largest)
        return entry

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
            for partition, (position, data) in enumerate(self.entries):
                await connection.run(
                    f"INSERT INTO {schema}.entries VALUES ($1::int, $2::bigint, $3::bytea)",  # noqa: S608
                    partition,
                    position.number,
                    data,
                )
        return True


async def _expect_no_nodes(log: PostgresLog) -> None:
    """Return when no node runs. Raise :class:`ClusterInUse` if one still does when a node that has just ended would be held dead."""
    alive = await _living(log)
    with trio.move_on_after(2 * DEAD_SECONDS):
        while alive:
            await trio.sleep(BEAT_SECONDS)
            alive = await _living(log)
    if alive:
        raise ClusterInUse(sorted(each.member.name for each in alive))


async def copy_out_of_cluster(
    address: str, data: Path, *, check: Check, now: float, schema: str = "playhead"
) -> Restored:
    """Make a data directory of the journal in a database, which stays as it is. ``check`` inspects the copy, and raises to refuse it.

    Messages on their way between partitions arrive in the copy. Raises :class:`journal.errors.ClusterInUse` while nodes run, a
    :class:`journal.errors.StoreError` if ``data`` is not empty or cannot be written, and as :func:`open_copy` does.
    """
    directory = DataDirectory(data)
    if directory.exists() or directory.is_backup():
        raise StoreExists(directory.path)
    with TemporaryDirectory(prefix="playhead-") as folder:
        backup, copy = Path(folder) / "backup", Path(folder) / "copy"
        async with _existing(address, schema) as (log, identity):
            await _expect_no_nodes(log)
            async with open_replica(copy, log, identity, snapshots=PostgresSnapshots(log)):
                pass
            posted = [data for partition in range(identity.partitions) for data in await _posted(log, partition)]
        with open_store(copy, lambda: identity, durability=Durability.OS) as opened:
            journal = KvJournal(opened.store, partitions=identity.partitions, secret=identity.secret)
            await _deliver(opened.store, journal, posted)
            await opened.store.copy_to(backup, made_at=now)
        return await in_thread(partial(restore_backup, backup, data, check=check, is_held=False, now=now))


async def _deliver(store: Store, journal: KvJournal, posted: Sequence[bytes]) -> None:
    """Put the messages that are on their way into the inboxes, and forget what belongs to a node."""
    for data in posted:
        await journal.send(decode_message(data))
    for partition in range(journal.partitions):
        prefix = keys.outgoing_prefix(partition)
        outgoing = list(scan_all(journal, prefix, keys.after_prefix(prefix)))
        for _, data in outgoing:  # one may have been posted already: its id is known then
            await journal.send(decode_message(data))
        forgotten: dict[bytes, bytes | None] = dict.fromkeys([keys.applied(partition), *(key for key, _ in outgoing)])
        await store.commit(Batch(rows=forgotten))


@asynccontextmanager
async def open_copy(
    address: str, *, schema: str = "playhead"
) -> AsyncIterator[tuple[PostgresLog, StoreIdentity, ReplicatedJournal]]:
    """Give the block a copy of the journal in a database, in a folder for temporary files, without being a node.

    Raises as :func:`journal.replicated.postgres.log.open_postgres_log` and :func:`journal.replicated.open.open_replica` do, and
    :class:`journal.replicated.log.LogUnusable` if there is no cluster.
    """
    async with _existing(address, schema) as (log, identity):
        with TemporaryDirectory(prefix="playhead-") as folder:
            async with open_replica(Path(folder) / "copy", log, identity, snapshots=PostgresSnapshots(log)) as journal:
                yield log, identity, journal


async def take_snapshot(address: str, *, now: float, schema: str = "playhead") -> SnapshotManifest:
    """Make a snapshot of the cluster in a database from its newest one and the log, and trim the log. Raises as :func:`open_copy` does."""
    async with open_copy(address, schema=schema) as (log, _, journal):
        snapshots = PostgresSnapshots(log)
        made = await journal.snapshot_maker(snapshots, name=_BY_HAND).make(now)
        await LogTrimmer(log, snapshots).trim([each.member.applied for each in await _living(log)])
        return made


@asynccontextmanager
async def _existing(address: str, schema: str) -> AsyncIterator[tuple[PostgresLog, StoreIdentity]]:
    looking = PostgresLog(address, schema)
    try:
        kept = await looking.kept_identity()
    finally:
        looking.close()
    if kept is None:
        raise LogUnusable(
            "there is no cluster in this database: the first server that is started with its address creates it, or 'playhead "
            "journal copy'"
        )
    async with open_postgres_log(address, schema=schema) as log:
        yield log, decode_identity(kept)


async def _living(log: PostgresLog) -> list[Heard]:
    membership = PostgresMembership(log)
    try:
        return [each for each in await membership.members() if each.is_alive]
    finally:
        membership.close()


async def _posted(log: PostgresLog, partition: int) -> list[bytes]:
    """Return all messages in the post box of a partition. No node runs, so none is added."""
    found: list[bytes] = []
    after = 0
    while page := await log.posted_after(partition, after):
        found += [message.data for message in page]
        after = page[-1].token
    return found
