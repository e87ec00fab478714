"""Holds the files of a store against what names them: RocksDB's manifest, CURRENT, and MARK.

A process that writes by path into a directory that is not its own leaves tables, manifests and logs there, under numbers that mean
nothing to the store, or worse: RocksDB takes in every log whose number is not below the oldest that the manifest asks for, whatever
process has written it. A crash leaves such files as well, unfinished tables and old logs, and the next start removes those; it cannot be seen who
left a file. A log that MARK does not name yet is the store's own if its changes follow on those before: with durability ``os`` no mark
names any, and a crash can come before the mark. One whose changes do not follow is set aside by the next start (``preflight``). A crash
can come before the first change, too. Then the log is an empty file after one with changes; a store that was closed has none in its logs.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from journal.kv.wal import read_log

if TYPE_CHECKING:
    from journal.kv.rocks_reader import RocksReader


class FileDisposition(enum.Enum):
    """What the next start does with a file that nothing names."""

    REMOVED = enum.auto()
    SET_ASIDE = enum.auto()
    TAKEN_IN = enum.auto()
    """It is read as if it were the store's."""


@attrs.frozen
class Stranger:
    """A file that nothing names."""

    name: str
    fate: FileDisposition


def strangers(reader: RocksReader) -> list[Stranger]:
    """The files of a store at rest that nothing names. Raises :class:`journal.errors.StoreDamaged` without a mark."""
    rocks, mark = reader.directory.rocks, reader.directory.read_mark()
    named = {*reader.tables(), (rocks / "CURRENT").read_text().strip()}
    found = [
        Stranger(path.name, FileDisposition.REMOVED)
        for pattern in ("*.sst", "MANIFEST-*")
        for path in sorted(rocks.glob(pattern))
        if path.name not in named
    ]
    oldest, has_changes = reader.oldest_log(), False
    for log in (read_log(rocks / f"{number:06}.log") for number in reader.directory.logs()):
        if log.number in reader.cut_off:
            found.append(Stranger(log.name, FileDisposition.SET_ASIDE))
        elif log.number in mark.logs:
            has_changes |= bool(log.runs)
        elif log.number < oldest:
            found.append(Stranger(log.name, FileDisposition.REMOVED))
        elif log.runs:
            has_changes = True
        elif not (has_changes and log.size == 0):
            found.append(Stranger(log.name, FileDisposition.TAKEN_IN))
    return found
