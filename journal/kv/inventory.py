"""Compares the files of a store with those that RocksDB's manifest, CURRENT and MARK name.

A process that writes by path into a directory that is not its own leaves tables, manifests and logs in it. Their numbers mean
nothing to the store, or worse: RocksDB reads every log whose number is not below the oldest that the manifest asks for, independent
of the process that wrote it. A crash leaves such files as well, unfinished tables and old logs, which the next start removes; nothing shows
which process left a file. A log that MARK does not name yet belongs to the store if its changes continue those before: with
durability ``os`` MARK names none, and a crash can come before the mark. A log whose changes do not continue is set aside by the
next start (``preflight``). If a crash came before the first change, the log is an empty file after one with changes; a store that
was closed has no changes in its logs.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from journal.kv.wal import read_log

if TYPE_CHECKING:
    from journal.kv.rocks_reader import RocksReader


class FileDisposition(enum.Enum):
    """How the next start treats an unnamed file."""

    REMOVED = enum.auto()
    SET_ASIDE = enum.auto()
    TAKEN_IN = enum.auto()
    """The file is read as if it belonged to the store."""


@attrs.frozen
class Stranger:
    """A file that neither the manifest, CURRENT nor MARK names."""

    name: str
    fate: FileDisposition


def strangers(reader: RocksReader) -> list[Stranger]:
    """Return the unnamed files of a store at rest. Raises :class:`journal.errors.StoreDamaged` without a mark."""
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
