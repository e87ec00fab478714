"""A look at what RocksDB has left, before anything may delete what it cannot read.

RocksDB opens happily, and empty, when its manifest is cut short, and then drops the files it thinks obsolete; it does not
miss a log that is gone; and it reads for ever in a log or manifest where the type of a record names a sort that only
recycled logs have (all observed with 9.8). So, before a store is opened for writing,

- the records of manifest and logs are walked from head to head: none may have such a type;
- the store is opened for reading only, which checks all of its tables and logs, and changes nothing;
- what was found is held against MARK: the store must reach as far; its manifest must not ask for older logs than it did,
  as one does that has forgotten a table; and each log that it asks for and MARK names must be there.

What remains: a log or manifest that a power cut left with noise at its end, of which a byte happens to look like such a
type, is refused as well; and what a disk forgets without MARK's noticing, which is rewritten as soon as a log is added.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from rocksdict import AccessType, Options, Rdict

from journal.errors import StoreDamaged
from journal.reading import OLDEST_LOG
from journal.refusals import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from journal.datadir import DataDirectory
    from journal.mark import Mark

_BLOCK_BYTES = 32_768
_HEAD = struct.Struct("<4xHB")  # a checksum, the length of what follows, and the type
_OF_RECYCLED_LOGS = frozenset({5, 6, 7, 8})


def look_before_opening(directory: DataDirectory, options: Options) -> bool:
    """Whether there is a store to open, rather than one to begin. Changes nothing.

    Raises :class:`StoreDamaged` if files are missing, cut or changed; and what ``refusals`` makes of other trouble.
    """
    mark, rocks = directory.read_mark(), directory.rocks
    if not (rocks / "CURRENT").exists():
        if mark.sequence == 0 and not mark.logs and not any(rocks.glob("*.sst")):
            return False
        raise _damaged(directory, "RocksDB's file CURRENT is missing")
    refuse_endless_files(directory)
    try:
        reader = Rdict(str(rocks), options, access_type=AccessType.read_only(False))
        reached, oldest_log = reader.latest_sequence_number(), reader.property_int_value(OLDEST_LOG)
        reader.close()
    except Exception as error:
        raise refusal(directory, error, doing="reading it") from error
    assert oldest_log is not None
    compare_with_mark(directory, mark, reached=reached, oldest_log=oldest_log)
    return True


def refuse_endless_files(directory: DataDirectory) -> None:
    """Raise :class:`StoreDamaged` if RocksDB would read for ever in a manifest or a log."""
    for path in (*directory.rocks.glob("MANIFEST-*"), *_logs(directory)):
        _refuse_endless(directory, path)


def _logs(directory: DataDirectory) -> list[Path]:
    return [directory.rocks / f"{number:06}.log" for number in directory.logs()]


def compare_with_mark(directory: DataDirectory, mark: Mark, *, reached: int, oldest_log: int) -> None:
    """Raise :class:`StoreDamaged` if what RocksDB finds is less than what MARK says."""
    if reached < mark.sequence:
        raise _damaged(
            directory,
            f"files are missing or cut: the store ends at {reached}, and {mark.sequence} was on disk before",
        )
    missing = [number for number in mark.logs if number >= oldest_log and number not in directory.logs()]
    if missing:
        raise _damaged(directory, f"log {missing[0]:06} is missing, and no table that is known has what was in it")
    if oldest_log < mark.oldest_log:
        raise _damaged(
            directory,
            f"its manifest was cut: it asks for log {oldest_log:06}, and tables had what was in all before "
            f"{mark.oldest_log:06}",
        )


def _refuse_endless(directory: DataDirectory, path: Path) -> None:
    with path.open("rb") as file:
        start = 0
        while block := file.read(_BLOCK_BYTES):
            position = 0
            while position + _HEAD.size <= len(block):
                length, kind = _HEAD.unpack_from(block, position)
                if kind in _OF_RECYCLED_LOGS:
                    where = f"{path.name}, offset {start + position}"
                    raise _damaged(directory, f"{where}: a record has the type {kind}, which is never written")
                position += _HEAD.size + length
            start += len(block)


def _damaged(directory: DataDirectory, found: str) -> StoreDamaged:
    return StoreDamaged(directory.path, f"{found}. Nothing was changed: restore the directory from a backup")
