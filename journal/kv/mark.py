"""What a store notes of itself outside of RocksDB, so that RocksDB's forgetting something does not go unnoticed."""

from __future__ import annotations

import zlib

import attrs

from journal.errors import BrokenInvariant

_MARK_BYTES = 256
"""One sector of a disk holds it, so that writing over it tears nothing and takes no room that may not be there."""


@attrs.frozen
class HighWaterMark:
    """That the store reaches at least as far as ``sequence``; the first of RocksDB's logs that its manifest still asked
    for, because no table had what was in it; and which of the logs that it asked for were there."""

    sequence: int = 0
    oldest_log: int = 0
    logs: tuple[int, ...] = ()

    def encode(self) -> bytes:
        words = " ".join(map(str, (self.sequence, self.oldest_log, *self.logs)))
        if not (len(words) < _MARK_BYTES - 10):
            raise BrokenInvariant("there is a log for each memtable, and RocksDB keeps a few of those")
        return f"{words} {zlib.crc32(words.encode()):08x}".ljust(_MARK_BYTES - 1).encode() + b"\n"

    @staticmethod
    def decode(data: bytes) -> HighWaterMark:
        """Back. Raises ``ValueError``."""
        words, _, checksum = data.decode().strip().rpartition(" ")
        if int(checksum, 16) != zlib.crc32(words.encode()):
            raise ValueError("its checksum does not fit")
        sequence, oldest_log, *logs = map(int, words.split())
        return HighWaterMark(sequence, oldest_log, tuple(logs))
