"""The high-water mark: a record outside RocksDB of its changes on disk, so that a loss inside RocksDB is detected."""

from __future__ import annotations

import zlib

import attrs

from journal.errors import BrokenInvariant

_MARK_BYTES = 256
"""The size of the mark. It fits into one sector, so that overwriting it cannot tear and needs no further space."""


@attrs.frozen
class HighWaterMark:
    """The state of the store on disk: it contains at least change ``sequence``; ``oldest_log`` is the number of the
    oldest log that its manifest required, because no table contained the log's changes; ``logs`` are the required logs
    that existed."""

    sequence: int = 0
    oldest_log: int = 0
    logs: tuple[int, ...] = ()

    def encode(self) -> bytes:
        words = " ".join(map(str, (self.sequence, self.oldest_log, *self.logs)))
        if not (len(words) < _MARK_BYTES - 10):
            raise BrokenInvariant(f"the mark is too long: it names {len(self.logs)} logs")
        return f"{words} {zlib.crc32(words.encode()):08x}".ljust(_MARK_BYTES - 1).encode() + b"\n"

    @staticmethod
    def decode(data: bytes) -> HighWaterMark:
        """Decode a mark. Raises ``ValueError`` if its checksum does not match."""
        words, _, checksum = data.decode().strip().rpartition(" ")
        if int(checksum, 16) != zlib.crc32(words.encode()):
            raise ValueError("the checksum does not match")
        sequence, oldest_log, *logs = map(int, words.split())
        return HighWaterMark(sequence, oldest_log, tuple(logs))
