"""Copies of a whole journal: from a data directory into a cluster, back, and a snapshot by hand. None of them is a node.

A journal that is moved in becomes the first snapshot of a log that begins at entry 2, as if entry 1 had been trimmed. So no node can
begin with the log alone. The identity, the log and the manifest become visible together.
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
from journal.log.inbox import decode_posted
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal, open_store
from journal.replicated.entries import DIGEST_BYTES, Position, encode_entries
from journal.replicated.log import LogUnusable
from journal.replicated.open import decode_identity, open_replica
from journal.replicated.replica import encode_position
from journal.replicated.snapshots.make import SnapshotMaker
from journal.replicated.snapshots.threads import in_thread
from journal.replicated.snapshots.trim import LogTrimmer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from journal.kv.backup import Restored
    from journal.kv.rocks_reader import RocksReader
    from journal.kv.store import Store
    from journal.replicated.journal import ReplicatedJournal
    from journal.replicated.membership import Heard
    from journal.replicated.place import ClusterPlace, ClusterStorage
    from journal.replicated.snapshots.manifest import SnapshotManifest
    from journal.rows import StoreIdentity

    Check = Callable[[RocksReader, StoreIdentity], None]

_TRIMMED = 1
_BY_HAND = "by hand"


async def copy_into_cluster(data: Path, place: ClusterPlace, *, check: Check, now: float) -> SnapshotManifest:
    """Make a cluster of the journal in a data directory, which stays as it is. ``check`` inspects the copy, and raises to refuse it.

    Raises a :class:`journal.errors.StoreError` as opening the directory does, and if unfinished work is held in it;
    :class:`journal.errors.ClusterExists`; and as :meth:`journal.replicated.place.ClusterPlace.open` does.
    """
    original = DataDirectory(data).identity()
    if original.is_held:
        raise StoreError(
            data,
            "its unfinished work is held until its first start: start it once without a cluster, and decide what becomes of the work",
        )
    async with place.open(create=True) as storage:
        if await storage.log.kept_identity() is not None:
            raise ClusterExists
        with TemporaryDirectory(prefix="playhead-") as folder:
            backup, copy = Path(folder) / "backup", Path(folder) / "copy"
            async with open_journal(data) as journal:
                await journal.copy_to(backup)
            restored = await in_thread(partial(restore_backup, backup, copy, check=check, is_held=False, now=now))
            identity = attrs.evolve(
                original, store_id=restored.identity.store_id, epoch=original.epoch + 1, copy_of="", created_at=now
            )
            entries = [_first_entry(storage.log.largest) for _ in range(identity.partitions)]
            with open_store(copy, lambda: identity, durability=Durability.OS) as opened:
                for partition, (position, _) in enumerate(entries):
                    await opened.store.commit(Batch(rows={keys.applied(partition): encode_position(position)}))
                async with storage.founding(identity, entries) as founding:
                    maker = SnapshotMaker(
                        opened.store, opened.directory, founding, partitions=identity.partitions, name=_BY_HAND
                    )
                    return await maker.make(now)


def _first_entry(largest: int) -> tuple[Position, bytes]:
    """Return the first entry that a log has. It changes nothing, and follows one that nobody has."""
    before = Position(_TRIMMED, secrets.token_bytes(DIGEST_BYTES))
    [entry] = encode_entries([Batch()], before, largest)
    return entry


async def _expect_no_nodes(storage: ClusterStorage) -> None:
    """Return when no node runs. Raise :class:`ClusterInUse` if one still does when a node that has just ended would be held dead."""
    alive, pace = await _living(storage), storage.membership.pace
    with trio.move_on_after(2 * pace.dead_seconds):
        while alive:
            await trio.sleep(pace.beat_seconds)
            alive = await _living(storage)
    if alive:
        raise ClusterInUse(sorted(each.member.name for each in alive))


async def copy_out_of_cluster(place: ClusterPlace, data: Path, *, check: Check, now: float) -> Restored:
    """Make a data directory of the journal in a cluster, which stays as it is. ``check`` inspects the copy, and raises to refuse it.

    Messages on their way between partitions arrive in the copy. Raises :class:`journal.errors.ClusterInUse` while nodes run, a
    :class:`journal.errors.StoreError` if ``data`` is not empty or cannot be written, and as :func:`open_copy` does.
    """
    directory = DataDirectory(data)
    if directory.exists() or directory.is_backup():
        raise StoreExists(directory.path)
    with TemporaryDirectory(prefix="playhead-") as folder:
        backup, copy = Path(folder) / "backup", Path(folder) / "copy"
        async with _existing(place) as (storage, identity):
            await _expect_no_nodes(storage)
            async with open_replica(copy, storage.log, identity, snapshots=storage.snapshots):
                pass
            posted = [data for partition in range(identity.partitions) for data in await _posted(storage, partition)]
        with open_store(copy, lambda: identity, durability=Durability.OS) as opened:
            journal = KvJournal(opened.store, partitions=identity.partitions, secret=identity.secret)
            await _deliver(opened.store, journal, posted)
            await opened.store.copy_to(backup, made_at=now)
        return await in_thread(partial(restore_backup, backup, data, check=check, is_held=False, now=now))


async def _deliver(store: Store, journal: KvJournal, posted: Sequence[bytes]) -> None:
    """Put the messages that are on their way into the inboxes, and forget what belongs to a node."""
    for data in posted:
        await journal.send(decode_posted(data))
    for partition in range(journal.partitions):
        prefix = keys.outgoing_prefix(partition)
        outgoing = list(scan_all(journal, prefix, keys.after_prefix(prefix)))
        for _, data in outgoing:  # one may have been sent already: its number is known then
            await journal.send(decode_posted(data))
        forgotten: dict[bytes, bytes | None] = dict.fromkeys([keys.applied(partition), *(key for key, _ in outgoing)])
        await store.commit(Batch(rows=forgotten))


@asynccontextmanager
async def open_copy(place: ClusterPlace) -> AsyncIterator[tuple[ClusterStorage, StoreIdentity, ReplicatedJournal]]:
    """Give the block a copy of the journal of a cluster, in a folder for temporary files, without being a node.

    Raises as :meth:`journal.replicated.place.ClusterPlace.open` and :func:`journal.replicated.open.open_replica` do, and
    :class:`journal.replicated.log.LogUnusable` if there is no cluster.
    """
    async with _existing(place) as (storage, identity):
        with TemporaryDirectory(prefix="playhead-") as folder:
            copy = Path(folder) / "copy"
            async with open_replica(copy, storage.log, identity, snapshots=storage.snapshots) as journal:
                yield storage, identity, journal


async def take_snapshot(place: ClusterPlace, *, now: float) -> SnapshotManifest:
    """Make a snapshot of a cluster from its newest one and the log, and trim the log. Raises as :func:`open_copy` does."""
    async with open_copy(place) as (storage, _, journal):
        made = await journal.snapshot_maker(storage.snapshots, name=_BY_HAND).make(now)
        applied = [each.member.applied for each in await _living(storage)]
        await LogTrimmer(storage.log, storage.snapshots).trim(applied)
        return made


@asynccontextmanager
async def _existing(place: ClusterPlace) -> AsyncIterator[tuple[ClusterStorage, StoreIdentity]]:
    async with place.open() as storage:
        kept = await storage.log.kept_identity()
        if kept is None:
            raise LogUnusable(
                "there is no cluster at this address: the first server that is started with it creates one, or 'playhead journal "
                "copy'"
            )
        yield storage, decode_identity(kept)


async def _living(storage: ClusterStorage) -> list[Heard]:
    return [each for each in await storage.membership.members() if each.is_alive]


async def _posted(storage: ClusterStorage, partition: int) -> list[bytes]:
    """Return all messages in the post box of a partition. No node runs, so none is added."""
    found: list[bytes] = []
    after = 0
    while page := await storage.log.posted_after(partition, after):
        found += [message.data for message in page]
        after = page[-1].token
    return found
