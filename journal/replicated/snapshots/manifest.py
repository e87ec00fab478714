"""The description of a snapshot. ::

    "PHS" 1 | msgpack: which journal, when, the position in each log, RocksDB's files as digests of chunks | CRC-32 of all this

A snapshot is a checkpoint of one node's RocksDB. Its files are cut into chunks of at most 1 MiB, each named by the SHA-256 of its bytes.
RocksDB never changes a table, so what two snapshots have in common is stored once.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from typing import TYPE_CHECKING

import msgspec

from journal.errors import CorruptRecord
from journal.replicated.entries import DIGEST_BYTES, Position

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK_BYTES = 1 << 20
_MAGIC = b"PHS"
SNAPSHOT_FORMAT = 1
_CHECKSUM = struct.Struct(">I")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_NEEDED = "CURRENT"


class SnapshotFile(msgspec.Struct, frozen=True, array_like=True):
    """A file of RocksDB: its size, and the digests of its chunks in their order."""

    name: str
    size: int
    chunks: list[bytes]


class SnapshotManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole copy of a journal's rows, behind a position in the log of each partition. ``mark`` is the file MARK that belongs to the
    files, ``made_at`` in wall seconds."""

    store_id: str
    made_at: float
    made_by: str
    logs: list[tuple[int, bytes]]
    mark: bytes
    files: list[SnapshotFile]

    @property
    def positions(self) -> Sequence[Position]:
        """The last entry of each partition that it contains."""
        return [Position(number, digest) for number, digest in self.logs]

    @property
    def size(self) -> int:
        """The bytes of its files."""
        return sum(file.size for file in self.files)

    @property
    def chunks(self) -> set[bytes]:
        """The digests of all its chunks."""
        return {digest for file in self.files for digest in file.chunks}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SnapshotManifest).decode


def digest_of_chunk(data: bytes) -> bytes:
    """Return the name of a chunk."""
    return hashlib.sha256(data).digest()


def encode_snapshot(snapshot: SnapshotManifest) -> bytes:
    """Return the bytes of a snapshot's manifest."""
    data = _MAGIC + bytes([SNAPSHOT_FORMAT]) + _encode(snapshot)
    return data + _CHECKSUM.pack(zlib.crc32(data))


def decode_snapshot(manifest: bytes) -> SnapshotManifest:
    """Decode a manifest. Raises :class:`CorruptRecord`, also for one that another version has written."""
    if len(manifest) < len(_MAGIC) + 1 + _CHECKSUM.size or not manifest.startswith(_MAGIC):
        raise CorruptRecord(f"its manifest of {len(manifest)} bytes is not one of playhead")
    form = manifest[len(_MAGIC)]
    if form != SNAPSHOT_FORMAT:
        raise CorruptRecord(f"its manifest has format {form}; this version of playhead reads format {SNAPSHOT_FORMAT}")
    plain, checksum = manifest[: -_CHECKSUM.size], manifest[-_CHECKSUM.size :]
    if _CHECKSUM.pack(zlib.crc32(plain)) != checksum:
        raise CorruptRecord("its manifest has another checksum than its bytes")
    try:
        found = _decode(plain[len(_MAGIC) + 1 :])
    except msgspec.MsgspecError as error:
        raise CorruptRecord(f"its manifest cannot be decoded: {error}") from error
    _check(found)
    return found


def _check(snapshot: SnapshotManifest) -> None:
    names = [file.name for file in snapshot.files]
    for name in names:
        if not _FILE.fullmatch(name) or names.count(name) > 1:
            raise CorruptRecord(f"its manifest names a file that does not belong in a snapshot: {name!r}")
    if _NEEDED not in names:
        raise CorruptRecord(f"its manifest does not name the file {_NEEDED}")
    if any(len(digest) != DIGEST_BYTES for _, digest in snapshot.logs):
        raise CorruptRecord("its manifest has a position whose digest has another length")
