"""Where snapshots are stored: the log's own database, or memory."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import attrs
import trio

from journal.errors import CorruptRecord
from journal.replicated.snapshots.manifest import decode_snapshot, digest_of_chunk

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from journal.replicated.snapshots.manifest import SnapshotManifest


@attrs.frozen
class PublishedSnapshot:
    """A snapshot that can be seen: its number, which rises with each, and its manifest."""

    number: int
    manifest: bytes


class SnapshotStore(Protocol):
    """Chunks by digest, and manifests that name them. A manifest is visible only when all its chunks are there, and a chunk stays as
    long as a manifest names it. Each method raises :class:`journal.errors.Unavailable` if the store cannot be reached."""

    async def missing(self, chunks: Collection[bytes]) -> set[bytes]:
        """Return the digests of those chunks that are not stored, or whose bytes have another digest."""
        ...

    async def put(self, digest: bytes, data: bytes) -> None:
        """Store a chunk in place of a damaged one, and return when it is durable. One that no manifest names may be removed at any time."""
        ...

    async def get(self, digest: bytes) -> bytes | None:
        """Return a chunk, None if it is not stored."""
        ...

    async def publish(self, manifest: bytes, chunks: Collection[bytes]) -> bool:
        """Make a manifest visible, at once and durably, and return True; return False, and change nothing, if one of its chunks is
        not stored. Repeating it may publish it twice."""
        ...

    async def published(self) -> Sequence[PublishedSnapshot]:
        """Return the visible snapshots, the newest first."""
        ...

    async def remove(self, numbers: Collection[int]) -> None:
        """Remove snapshots, and the chunks that no other one names. Numbers that are not there are ignored."""
        ...


def newest_of(published: Sequence[PublishedSnapshot]) -> SnapshotManifest | None:
    """Return the newest of these whose manifest can be read, None if there is none."""
    for each in published:
        with suppress(CorruptRecord):
            return decode_snapshot(each.manifest)
    return None


class MemorySnapshots:
    """A :class:`SnapshotStore` of dictionaries, for tests. ``chunks`` and ``snapshots`` are its contents."""

    def __init__(self) -> None:
        self.chunks: dict[bytes, bytes] = {}
        self.snapshots: dict[int, tuple[bytes, frozenset[bytes]]] = {}
        self._last = 0

    async def missing(self, chunks: Collection[bytes]) -> set[bytes]:
        await trio.lowlevel.checkpoint()
        return {
            digest for digest in chunks if digest not in self.chunks or digest_of_chunk(self.chunks[digest]) != digest
        }

    async def put(self, digest: bytes, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.chunks[digest] = data

    async def get(self, digest: bytes) -> bytes | None:
        await trio.lowlevel.checkpoint()
        return self.chunks.get(digest)

    async def publish(self, manifest: bytes, chunks: Collection[bytes]) -> bool:
        await trio.lowlevel.checkpoint()
        if any(digest not in self.chunks for digest in chunks):
            return False
        self._last += 1
        self.snapshots[self._last] = manifest, frozenset(chunks)
        return True

    async def published(self) -> Sequence[PublishedSnapshot]:
        await trio.lowlevel.checkpoint()
        return [PublishedSnapshot(number, self.snapshots[number][0]) for number in sorted(self.snapshots, reverse=True)]

    async def remove(self, numbers: Collection[int]) -> None:
        await trio.lowlevel.checkpoint()
        for number in numbers:
            self.snapshots.pop(number, None)
        named = {digest for _, chunks in self.snapshots.values() for digest in chunks}
        self.chunks = {digest: data for digest, data in self.chunks.items() if digest in named}
