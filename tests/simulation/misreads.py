"""Wrong reads of an object's rows: what a damaged block can become by the time it is read, and the layers above promise to find.

RocksDB checks a checksum per block, and its iterators end early at one that does not fit; ``journal.kv.rocks_reader`` asks for that error.
The journal does not rely on it: a head says how far a stream goes and which snapshot it has, a state says how long a log is. Each
wrong read here is one of rows that are counted like that. Heads are never absent, and items of maps and indexes are always right:
nothing else says that they should be there, so that the checksums are all that protects them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.errors import CorruptRecord

if TYPE_CHECKING:
    from random import Random

FAILED, SHORT, TORN, ABSENT, FEWER_ITEMS = KINDS = ("failed", "short", "torn", "absent", "fewer items")
"""A read raises; a scan of events ends early; a value ends early; events or a snapshot are not there; items of a log are not."""

_COUNTED = b"es"
"""Records and snapshots: that one is missing is found."""

_WHOLE = b"ehs"
"""These and heads: that one is cut is found."""

_LOG_ITEMS = b"lines\x00"


class Misreads:
    """The objects whose rows are read wrongly, by stream, and how. ``told`` counts the reads that were wrong."""

    def __init__(self) -> None:
        self.kinds: dict[int, str] = {}
        self.told = 0

    def value(self, key: bytes, value: bytes | None, random: Random) -> bytes | None:
        """What a read of one row gives. Raises ``CorruptRecord``."""
        kind = self._kind(key)
        if kind is None or value is None:
            return value
        if kind == FAILED:
            self.told += 1
            raise CorruptRecord("a block of the disk could not be read")
        if kind == TORN and key[:1] in _WHOLE:
            self.told += 1
            return value[: random.choice((0, random.randrange(len(value))))]
        may_be_absent = (
            key[:1] in _COUNTED if kind == ABSENT else kind == FEWER_ITEMS and key[11:].startswith(_LOG_ITEMS)
        )
        if may_be_absent and random.random() < 0.5:
            self.told += 1
            return None
        return value

    def rows(self, found: list[tuple[bytes, bytes]], random: Random) -> list[tuple[bytes, bytes]]:
        """What a scan that should find these rows gives. Raises ``CorruptRecord``."""
        read: list[tuple[bytes, bytes]] = []
        for key, value in found:
            if self._kind(key) == SHORT and key[:1] in _COUNTED and random.random() < 0.5:
                self.told += 1
                break
            seen = self.value(key, value, random)
            if seen is not None:
                read.append((key, seen))
        return read

    def _kind(self, key: bytes) -> str | None:
        return self.kinds.get(int.from_bytes(key[3:11], "big")) if key[:1] in b"ehsv" else None
