"""The high-water mark: a record outside RocksDB of what it has on disk, so that a loss inside RocksDB is noticed."""

from __future__ import annotations

import zlib

import attrs

from journal.errors import BrokenInvariant

_MARK_BYTES = 256
"""It fits into one sector of a disk, so that overwriting it cannot tear and needs no new room."""


@attrs.frozen
class HighWaterMark:
    """The store has at least the change ``sequence``; the number of the oldest log that its manifest still asked for, because no
    table had its contents; and which of the logs that it asked for existed."""

    sequence: int = 0
    oldest_log: int = 0
    logs: tuple[int, ...] = ()

    def encode(self) -> bytes:
        words = " ".join(map(str, (self.sequence, self.oldest_log, *self.logs)))
        if not (len(words) < _MARK_BYTES - 10):
            raise BrokenInvariant("RocksDB keeps a log for each memtable")
        return f"{words} {zlib.crc32(words.encode()):08x}".ljust(_MARK_BYTES - 1).encode() + b"\n"

    @staticmethod
    def decode(data: bytes) -> HighWaterMark:
        """Decode a mark. Raises ``ValueError``."""
        words, _, checksum = data.decode().strip().rpartition(" ")
        if int(checksum, 16) != zlib.crc32(words.encode()):
            raise ValueError("its checksum does not fit")
        sequence, oldest_log, *logs = map(int, words.split())
        return HighWaterMark(sequence, oldest_log, tuple(logs))
