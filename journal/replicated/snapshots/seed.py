"""Makes the copy of a node from the newest snapshot that is whole and belongs to the log.

Each chunk is compared with its digest, each file with its size, and the position in each log with the entry there, before the directory
has the copy. A snapshot that fails is reported, and the one before it is tried.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from journal.errors import CorruptRecord, LogDiverged, LogTrimmed
from journal.kv.mark import HighWaterMark
from journal.kv.seeding import seeding
from journal.kv.small_files import create_file
from journal.replicated.entries import START
from journal.replicated.log import LogUnusable
from journal.replicated.replica import check_continues
from journal.replicated.snapshots.manifest import decode_snapshot, digest_of_chunk
from journal.replicated.snapshots.threads import in_thread
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import IO

    from journal.kv.data_directory import DataDirectory
    from journal.kv.seeding import Seeding
    from journal.replicated.log import ReplicatedLog
    from journal.replicated.snapshots.manifest import SnapshotFile, SnapshotManifest
    from journal.replicated.snapshots.store import SnapshotStore
    from journal.rows import StoreIdentity

log = SafeLogger(__name__)


class SnapshotDamaged(CorruptRecord):
    """A snapshot cannot be used: something of it is missing or changed, or it does not belong to the log."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"snapshot {number}: {reason}")
        self.number = number
        self.reason = reason


class SnapshotMissing(LogUnusable):
    """The log was trimmed, and no snapshot has what it had before. ``damaged`` are the snapshots that could not be used."""

    def __init__(self, trimmed: LogTrimmed, damaged: Sequence[SnapshotDamaged]) -> None:
        found = "; ".join(map(str, damaged)) if damaged else "there is none"
        super().__init__(
            f"the log of partition {trimmed.partition} begins with entry {trimmed.first}, and no snapshot can be used for what came "
            f"before: {found}. Start a node whose data directory still has a copy, or restore the database"
        )
        self.partition = trimmed.partition
        self.first = trimmed.first
        self.damaged = tuple(damaged)


async def seed(
    directory: DataDirectory,
    replicated: ReplicatedLog,
    identity: StoreIdentity,
    snapshots: SnapshotStore,
    *,
    trimmed: LogTrimmed | None = None,
) -> SnapshotManifest | None:
    """Write the newest usable snapshot into the directory in place of what it has, and return it. If there is none, the directory stays
    as it is, and None is returned.

    With ``trimmed``, the log alone does not do: then :class:`SnapshotMissing` is raised if there is none. Raises
    ``Unavailable`` if the snapshots or the log cannot be read, and :class:`journal.errors.StoreError` as holding the directory does.
    """
    damaged: list[SnapshotDamaged] = []
    with seeding(directory) as made, directory.translated("writing a copy of the journal"):
        for each in await snapshots.published():
            try:
                snapshot = _decoded(each.number, each.manifest)
                await _check(each.number, snapshot, replicated, identity)
                await _write(each.number, snapshot, snapshots, made, identity)
            except SnapshotDamaged as error:
                log.warning("snapshot %d is not used: %s", each.number, error.reason)
                made.discard()
                damaged.append(error)
                continue
            log.info("%s: made from snapshot %d", directory.path, each.number)
            return snapshot
    if trimmed is not None:
        raise SnapshotMissing(trimmed, damaged) from trimmed
    return None


def _decoded(number: int, manifest: bytes) -> SnapshotManifest:
    try:
        return decode_snapshot(manifest)
    except CorruptRecord as error:
        raise SnapshotDamaged(number, str(error)) from error


async def _check(number: int, snapshot: SnapshotManifest, replicated: ReplicatedLog, identity: StoreIdentity) -> None:
    """Raise :class:`SnapshotDamaged` unless the log continues the snapshot."""
    if snapshot.store_id != identity.store_id:
        raise SnapshotDamaged(number, f"it is of the store {snapshot.store_id}, and the log of {identity.store_id}")
    if len(snapshot.positions) != identity.partitions:
        raise SnapshotDamaged(number, f"it has {len(snapshot.positions)} partitions, and the log {identity.partitions}")
    for partition, position in enumerate(snapshot.positions):
        try:
            if position == START:
                await replicated.read(partition, 0)
            else:
                await check_continues(replicated, partition, position)
        except (LogDiverged, LogTrimmed) as error:
            raise SnapshotDamaged(number, f"the log does not continue it: {error}") from error


async def _write(
    number: int, snapshot: SnapshotManifest, snapshots: SnapshotStore, made: Seeding, identity: StoreIdentity
) -> None:
    try:
        mark = HighWaterMark.decode(snapshot.mark)
    except ValueError as error:
        raise SnapshotDamaged(number, f"its mark is damaged: {error}") from error
    files = made.begin()
    for file in snapshot.files:
        await _write_file(number, file, snapshots, files / file.name)
    await in_thread(partial(made.finish, mark, identity))


async def _write_file(number: int, file: SnapshotFile, snapshots: SnapshotStore, path: Path) -> None:
    size = 0
    with create_file(path) as sink:
        for digest in file.chunks:
            data = await snapshots.get(digest)
            if data is None:
                raise SnapshotDamaged(number, f"chunk {digest.hex()} of its file {file.name} is missing")
            await in_thread(partial(_write_chunk, number, file, digest, data, sink))
            size += len(data)
    if size != file.size:
        raise SnapshotDamaged(number, f"its file {file.name} has {size} bytes in place of {file.size}")


def _write_chunk(number: int, file: SnapshotFile, digest: bytes, data: bytes, sink: IO[bytes]) -> None:
    if digest_of_chunk(data) != digest:
        raise SnapshotDamaged(number, f"chunk {digest.hex()} of its file {file.name} has other bytes than it had")
    sink.write(data)
