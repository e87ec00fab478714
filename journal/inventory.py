"""Holds the files of a store against what names them: RocksDB's manifest, CURRENT, and MARK.

A process that writes by path into a directory that is not its own leaves tables, manifests and logs there, under numbers that mean
nothing to the store, or worse: RocksDB takes in every log whose number is not below the oldest that the manifest asks for, whoever has
written it. A crash leaves such files as well, unfinished tables and old logs, and the next start removes those; it cannot be seen who
left a file. A log that MARK does not name yet is the store's own if its records go on from those before: with durability ``os`` no mark
names any, and a crash can come before the mark. It can come before the first record, too. Then the log is an empty file behind one with
records; a store that was closed has none in its logs.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import attrs

from journal.smallfiles import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from journal.reading import RocksReader

_BLOCK_BYTES = 32_768
_HEAD = struct.Struct("<4xHB")
_BATCH = struct.Struct("<QI")
_BEGINS_BATCH = frozenset({1, 2})
"""The types of a record that is whole, and of the first part of one."""


@attrs.frozen
class Stranger:
    """A file that nothing names. ``is_taken_in``: the next start reads it as if it were the store's; else it removes it."""

    name: str
    is_taken_in: bool


def strangers(reader: RocksReader) -> list[Stranger]:
    """The files of a store at rest that nothing names. Raises :class:`journal.errors.StoreDamaged` without a mark."""
    rocks, mark = reader.directory.rocks, reader.directory.read_mark()
    named = {*reader.tables(), (rocks / "CURRENT").read_text().strip()}
    found = [
        Stranger(path.name, is_taken_in=False)
        for pattern in ("*.sst", "MANIFEST-*")
        for path in sorted(rocks.glob(pattern))
        if path.name not in named
    ]
    oldest, last = reader.oldest_log(), 0
    for number in reader.directory.logs():
        if number < oldest:
            if number not in mark.logs:  # else it is about to be removed
                found.append(Stranger(f"{number:06}.log", is_taken_in=False))
            continue
        path = rocks / f"{number:06}.log"
        batches = list(_batches(path))
        has_just_begun = last != 0 and path.stat().st_size == 0
        goes_on = (last == 0 or batches[0][0] == last + 1) if batches else has_just_begun
        if number not in mark.logs and not goes_on:
            found.append(Stranger(f"{number:06}.log", is_taken_in=True))
        elif batches:
            last = batches[-1][1]
    return found


def _batches(path: Path) -> Iterator[tuple[int, int]]:
    """The first and the last sequence number of each batch in a log, as far as it can be read."""
    with open_file(path) as file:
        while block := file.read(_BLOCK_BYTES):
            position = 0
            while position + _HEAD.size <= len(block):
                length, kind = _HEAD.unpack_from(block, position)
                position += _HEAD.size
                if kind in _BEGINS_BATCH and _BATCH.size <= length <= len(block) - position:
                    first, count = _BATCH.unpack_from(block, position)
                    yield first, first + count - 1
                position += length
