"""The bytes of an entry of a replicated log. ::

    "PH" 1 | part | parts | number | digest of the entry before | body … | CRC-32 of all this

The body is a list of batches as msgpack, compressed. If it is larger than the log takes, it is cut into parts, each an entry of its own;
the batches count once the last part is there. An owner that dies between two parts leaves some without an end; the next entry begins
at part 0, and readers drop what came before.

Invariant: an entry carries the digest of the one before it, so a node never applies an entry that does not continue its own history.
``tests/journal/golden`` holds the bytes.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING

import attrs
import msgspec

from journal.errors import CorruptRecord, Unwritable
from journal.kv.store import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAGIC = b"PH"
FORMAT = 1
DIGEST_BYTES = 16
_HEADER = struct.Struct(f">2sBHHQ{DIGEST_BYTES}s")
_CHECKSUM = struct.Struct(">I")
OVERHEAD = _HEADER.size + _CHECKSUM.size
_LEVEL = 1  # a tenth of the bytes, on the rows of calls; higher levels cost more processor time than they save bytes
_MOST_PARTS = 0xFFFF
MOST_BODY_BYTES = 1 << 30

_Batches = list[tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes | None]]]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Batches).decode


@attrs.frozen
class Position:
    """An entry: its number, and the digest of its bytes."""

    number: int
    digest: bytes


START = Position(0, bytes(DIGEST_BYTES))
"""The position before the first entry."""


@attrs.frozen
class Entry:
    """A decoded entry: one part of a body."""

    position: Position
    before: bytes
    part: int
    parts: int
    body: bytes


def encode_entries(batches: Sequence[Batch], after: Position, largest: int) -> Iterator[tuple[Position, bytes]]:
    """Yield the entries, each of at most ``largest`` bytes, that hold these batches behind ``after``. Raises ``Unwritable`` if they
    are larger than what can be read again."""
    encoded = _encode([(batch.cleared, list(batch.rows.items())) for batch in batches])
    if len(encoded) > MOST_BODY_BYTES:
        raise Unwritable("a commit", f"it has {len(encoded)} bytes, and the limit is {MOST_BODY_BYTES}")
    body = zlib.compress(encoded, _LEVEL)
    size = largest - OVERHEAD
    parts = max(1, -(-len(body) // size))
    if parts > _MOST_PARTS:
        raise Unwritable("a commit", f"its {len(body)} bytes do not fit into {_MOST_PARTS} entries of {largest} bytes")
    for part in range(parts):
        head = _HEADER.pack(_MAGIC, FORMAT, part, parts, after.number + 1, after.digest)
        data = head + body[part * size : (part + 1) * size]
        data += _CHECKSUM.pack(zlib.crc32(data))
        after = Position(after.number + 1, digest_of(data))
        yield after, data


def digest_of(data: bytes) -> bytes:
    """Return the digest of an entry's bytes."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def decode_entry(data: bytes) -> Entry:
    """Decode an entry. Raises :class:`CorruptRecord`."""
    if len(data) < OVERHEAD or not data.startswith(_MAGIC):
        raise CorruptRecord(f"an entry of {len(data)} bytes is not one of a playhead log")
    magic_and_format, checksum = data[: len(_MAGIC) + 1], data[-_CHECKSUM.size :]
    if magic_and_format[-1] != FORMAT:
        raise CorruptRecord(f"an entry has the format {magic_and_format[-1]}; this version of playhead reads {FORMAT}")
    if _CHECKSUM.pack(zlib.crc32(data[: -_CHECKSUM.size])) != checksum:
        raise CorruptRecord("the checksum of an entry does not match its bytes: the entry was changed or truncated")
    _, _, part, parts, number, before = _HEADER.unpack_from(data)
    return Entry(Position(number, digest_of(data)), before, part, parts, data[_HEADER.size : -_CHECKSUM.size])


def decode_batches(body: bytes) -> list[Batch]:
    """Decode the batches in a body, whole or joined from its parts. Raises :class:`CorruptRecord`."""
    reader = zlib.decompressobj()
    try:
        found = _decode(reader.decompress(body, MOST_BODY_BYTES))
    except (zlib.error, ValueError) as error:
        raise CorruptRecord(f"the body of an entry cannot be decoded: {error}") from error
    if not reader.eof or reader.unused_data:
        raise CorruptRecord("the body of an entry has another length than it says")
    return [Batch(rows=dict(rows), cleared=cleared) for cleared, rows in found]
