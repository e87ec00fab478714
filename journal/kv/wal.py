"""Reads RocksDB's logs as RocksDB does, to find missing changes. ::

    log 000012: changes 1 to 250      log 000013: 251 to 480      log 000014: 481 to 512

RocksDB numbers its changes 1, 2, 3 …; a record of a log is a batch of them, headed by the number of its first change. A
log is begun together with a memtable, so several logs exist until their memtables are written as tables. If a log ends
too soon, RocksDB assumes that a crash has torn it, and still reads the next log (observed with 9.8, in the mode
that ``rocks_reader`` sets): the changes between are missing, and no error says so. Therefore the numbers are compared
here: each batch must begin where the batch before it ends.

Checksums are not compared. RocksDB does that whenever it opens a store, and refuses a mismatch.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import attrs

from journal.kv.small_files import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from journal.kv.mark import HighWaterMark

_BLOCK_BYTES = 32_768
_HEAD = struct.Struct("<4xHB")
"""A checksum, the length of the data after this head, and the type."""

_BATCH = struct.Struct("<QI")
"""The number of the first change, and the number of changes."""

_ZEROS = 0
_PARTS = _WHOLE, _FIRST_PART, _MIDDLE_PART, _LAST_PART = 1, 2, 3, 4
_BEGIN_BATCH = frozenset({_WHOLE, _FIRST_PART})
_END_BATCH = frozenset({_WHOLE, _LAST_PART})
_OF_RECYCLED_LOGS = frozenset({5, 6, 7, 8})


class EndlessRecordError(Exception):
    """A record has a type that only recycled logs have, in which RocksDB would loop forever."""

    def __init__(self, offset: int, kind: int) -> None:
        super().__init__(f"offset {offset}: a record has the type {kind}, which is never written")


@attrs.frozen
class Run:
    """Consecutive changes. ``after_zeros`` says that unwritten bytes precede the first change."""

    first: int
    last: int
    after_zeros: bool = False


@attrs.frozen
class LogContent:
    """The readable changes of a log: one run if no change is missing."""

    number: int
    size: int
    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"{self.number:06}.log"


@attrs.frozen(kw_only=True)
class Gap:
    """A gap in the changes: the log continues with change ``found`` instead of ``expected``, which is None if unknown.

    ``cut_off`` are the logs that begin after the gap. ``is_inside`` says that the log also has changes before the gap,
    so that it is not one of them.
    """

    log: LogContent
    found: int
    expected: int | None
    cut_off: tuple[int, ...]
    is_inside: bool


def read_log(path: Path) -> LogContent:
    """Read a log to its end. Raises :class:`EndlessRecordError` and ``OSError``."""
    runs: list[Run] = []
    first = expected = 0
    is_after_zeros = False
    for number, count, has_zeros_before in _batches(path):
        if number != expected or (has_zeros_before and not expected):
            if expected:
                runs.append(Run(first, expected - 1, is_after_zeros))
            first, is_after_zeros = number, has_zeros_before
        expected = number + count
    if expected:
        runs.append(Run(first, expected - 1, is_after_zeros))
    return LogContent(int(path.stem), path.stat().st_size, tuple(runs))


def refuse_endless(path: Path) -> None:
    """Raise :class:`EndlessRecordError` if RocksDB would loop forever in a manifest, whose records have the format of a log's."""
    for _ in _batches(path):
        pass


def find_gap(logs: Sequence[LogContent], mark: HighWaterMark, oldest_log: int) -> Gap | None:
    """Return the first gap in the logs that the manifest requires, given in order; None if there is none."""
    last_whole, expected = -1, None
    for index, log in enumerate(logs):
        for position, run in enumerate(log.runs):
            if expected is None:
                # RocksDB begins no log after an empty one.
                is_begun = index == 0 and not run.after_zeros and _may_be_first(log, mark, oldest_log)
                start = _latest_start(log, mark, oldest_log) if is_begun else None
                is_gap = not is_begun or (start is not None and run.first > start)
                expected = start
            else:
                is_gap = run.first != expected
            if is_gap:
                return Gap(
                    log=log,
                    found=run.first,
                    expected=expected,
                    cut_off=tuple(one.number for one in logs[last_whole + 1 :]),
                    is_inside=position > 0,
                )
            last_whole, expected = index, run.last + 1
    return None


# After a start, the manifest asks for logs from a number on that no log has, and MARK names the same number. As soon as a
# memtable of that run is a table, the manifest asks for an existing log. The MARK of a backup has 0 and says nothing.


def _may_be_first(log: LogContent, mark: HighWaterMark, oldest_log: int) -> bool:
    """Report whether the manifest may require no log before this one."""
    return log.number == oldest_log or mark.oldest_log in {0, oldest_log}


def _latest_start(log: LogContent, mark: HighWaterMark, oldest_log: int) -> int | None:
    """Return the latest possible first change of the first log, or None if it is unknown. Before the last start, tables
    had every change up to MARK."""
    is_of_last_start = mark.oldest_log == oldest_log and log.number != oldest_log
    return mark.sequence + 1 if is_of_last_start else None


def _batches(path: Path) -> Iterator[tuple[int, int, bool]]:
    """Yield, for each whole batch, the number of its first change, its number of changes, and whether zeros precede it.

    Any part of a record can be too short for these numbers: the free space in a block decides where a record is cut.
    """
    head, has_zeros = b"", False
    for kind, block, begin, end in _parts(path):
        if kind == _ZEROS:
            has_zeros = True
        elif kind in _PARTS:
            piece = block[begin : min(end, begin + _BATCH.size)]
            head = piece if kind in _BEGIN_BATCH else head + piece
            if kind in _END_BATCH and len(head) >= _BATCH.size:
                number, count = _BATCH.unpack_from(head)
                yield number, count, has_zeros
                has_zeros = False


def _parts(path: Path) -> Iterator[tuple[int, bytes, int, int]]:
    """Yield, for each part of a whole record, its type, its block, and its start and end in the block. A record that
    fits into a block has one part."""
    with open_file(path) as file:
        start = 0
        while block := file.read(_BLOCK_BYTES):
            position, size = 0, len(block)
            while position + _HEAD.size <= size:
                length, kind = _HEAD.unpack_from(block, position)
                if kind in _OF_RECYCLED_LOGS:
                    raise EndlessRecordError(start + position, kind)
                begin = position + _HEAD.size
                position = begin + length
                if kind == _ZEROS and not length:
                    position = size  # RocksDB drops the rest of the block as well
                if position <= size:
                    yield kind, block, begin, position
            start += size
