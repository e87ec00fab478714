"""The contents of a journal, as one digest for each partition, so that a copy can be compared with its original.

Left out is what belongs to a place and not to its contents: how far a node has applied a log, messages that a node is to post, which
messages have arrived, and the epochs of owners.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import attrs

from journal import keys
from journal.kv.store import scan_all
from journal.rows import StreamHead, decode_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from journal.kv.store import Readable

_LENGTHS = struct.Struct(">II")
_FIRST, _LAST = b"\x01", b"\xff"
_OF_PLACE = {
    key[:1]
    for key in (
        keys.applied(0),
        keys.outgoing_prefix(0),
        keys.taken(0, 0, 0),
        keys.seen(0, ""),
        keys.seen_by_time_prefix(0),
        keys.partition_state(0),
    )
}


@attrs.frozen
class PartitionFold:
    """The contents of a partition: the numbers of objects, of events that are kept, and of rows, and a digest of all rows in order."""

    objects: int
    events: int
    rows: int
    digest: str


@attrs.frozen
class JournalContents:
    """The contents of the journal at a place."""

    place: str
    partitions: Sequence[PartitionFold]


@attrs.frozen
class JournalComparison:
    """The contents of one or two journals. ``difference`` is the first key at which two differ, in hexadecimal."""

    journals: Sequence[JournalContents]
    is_equal: bool
    difference: str | None


def fold(rows: Readable, partitions: int) -> list[PartitionFold]:
    """Return the fold of each partition. Raises ``CorruptRecord``."""
    objects, events, counted = [0] * partitions, [0] * partitions, [0] * partitions
    digests = [hashlib.blake2b(digest_size=16) for _ in range(partitions)]
    for key, value in _contents(rows):
        partition = keys.partition_of(key)
        counted[partition] += 1
        digests[partition].update(_LENGTHS.pack(len(key), len(value)))
        digests[partition].update(key)
        digests[partition].update(value)
        if keys.is_head(key):
            head = decode_row(StreamHead, value)
            objects[partition] += 1
            events[partition] += head.last - head.trimmed
    return [
        PartitionFold(objects[number], events[number], counted[number], digests[number].hexdigest())
        for number in range(partitions)
    ]


def first_difference(one: Readable, other: Readable) -> bytes | None:
    """Return the first key whose value differs in two journals, None if there is none. Raises ``CorruptRecord``."""
    left, right = _contents(one), _contents(other)
    while True:
        row, counterpart = next(left, None), next(right, None)
        if row != counterpart:
            return min(each[0] for each in (row, counterpart) if each is not None)
        if row is None:
            return None


def _contents(rows: Readable) -> Iterator[tuple[bytes, bytes]]:
    return ((key, value) for key, value in scan_all(rows, _FIRST, _LAST) if key[:1] not in _OF_PLACE)
