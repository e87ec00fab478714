"""Makes a snapshot of a node's copy: a checkpoint in its data directory, whose new chunks are stored, and then its manifest.

The position in each log is read from the checkpoint itself, so it belongs to the rows whatever is committed meanwhile. A checkpoint may be
taken between two batches of one entry; the entry is applied again then, which gives the same rows.

Only the checkpoint pauses commits. Hashes are made in a thread, and chunks are stored one after the other.
"""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

import trio

from journal.errors import CorruptRecord
from journal.kv.backup import read_manifest
from journal.kv.rocks_reader import RocksReader
from journal.kv.small_files import open_file, read_file
from journal.replicated.replica import applied_position
from journal.replicated.snapshots.manifest import (
    CHUNK_BYTES,
    SnapshotFile,
    SnapshotManifest,
    digest_of_chunk,
    encode_snapshot,
)
from journal.replicated.snapshots.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from journal.kv.data_directory import DataDirectory, HeldDirectory
    from journal.kv.store import Store
    from journal.replicated.entries import Position
    from journal.replicated.snapshots.store import SnapshotStore

WORK = "SNAPSHOT"
"""The checkpoint in a data directory, while a snapshot is made of it."""

_ROCKS = "db/"


class SnapshotMaker:
    """Makes snapshots of the store in a data directory."""

    def __init__(
        self, local: Store, directory: HeldDirectory, snapshots: SnapshotStore, *, partitions: int, name: str
    ) -> None:
        """``name`` says who makes them."""
        self._local = local
        self._directory = directory
        self._snapshots = snapshots
        self._partitions = partitions
        self._name = name
        self._known: dict[str, list[bytes]] = {}

    async def make(self, now: float) -> SnapshotManifest:
        """Publish a snapshot of what the store has, and return it. ``now`` is the wall time.

        Raises :class:`journal.errors.Unavailable` if it cannot be stored, and :class:`journal.errors.StoreError` if no checkpoint can
        be made.
        """
        work = self._directory.within(self._directory.path / WORK)
        remove = partial(shutil.rmtree, work.root, ignore_errors=True)
        await in_thread(remove)  # left by a process that died
        try:
            with self._directory.translated("making a snapshot"):
                await self._local.copy_to(work.path, made_at=now)
                snapshot = await self._describe(work, now)
                await self._publish(snapshot, work)
                return snapshot
        finally:
            with trio.CancelScope(shield=True):
                await in_thread(remove)

    async def _publish(self, snapshot: SnapshotManifest, work: DataDirectory) -> None:
        places = dict(_places(snapshot))
        while True:
            for digest in await self._snapshots.missing(places.keys()):
                name, index = places[digest]
                await self._snapshots.put(digest, await in_thread(partial(_read, work.rocks / name, index, digest)))
            # False if another node has removed a chunk meanwhile: no manifest has named it yet.
            if await self._snapshots.publish(encode_snapshot(snapshot), places.keys()):
                return

    async def _describe(self, work: DataDirectory, now: float) -> SnapshotManifest:
        backup = read_manifest(work)
        positions = await in_thread(partial(self._positions, work))
        known, self._known = self._known, {}
        files: list[SnapshotFile] = []
        for name, kept in sorted(backup.files.items()):
            if name.startswith(_ROCKS):
                file = name.removeprefix(_ROCKS)
                chunks = known.get(kept.sha256)
                if chunks is None:
                    chunks = await in_thread(partial(_digests, work.rocks / file))
                self._known[kept.sha256] = chunks
                files.append(SnapshotFile(file, kept.size, chunks))
        return SnapshotManifest(
            store_id=backup.store_id,
            made_at=now,
            made_by=self._name,
            logs=[(position.number, position.digest) for position in positions],
            mark=read_file(work.root / "MARK"),
            files=files,
        )

    def _positions(self, work: DataDirectory) -> list[Position]:
        reader = RocksReader(work.open())
        try:
            return [applied_position(reader, partition) for partition in range(self._partitions)]
        finally:
            reader.close()


def _places(snapshot: SnapshotManifest) -> Iterator[tuple[bytes, tuple[str, int]]]:
    """Yield for each chunk a file that has it, and its index there."""
    for file in snapshot.files:
        for index, digest in enumerate(file.chunks):
            yield digest, (file.name, index)


def _digests(path: Path) -> list[bytes]:
    found: list[bytes] = []
    with open_file(path) as file:
        while data := file.read(CHUNK_BYTES):
            found.append(digest_of_chunk(data))
    return found


def _read(path: Path, index: int, digest: bytes) -> bytes:
    with open_file(path) as file:
        file.seek(index * CHUNK_BYTES)
        data = file.read(CHUNK_BYTES)
    if digest_of_chunk(data) != digest:
        raise CorruptRecord(f"the file {path.name} of a checkpoint has changed while it was stored: check the disk")
    return data
