"""A look at what RocksDB has left, before anything may delete what it cannot read.

RocksDB opens happily, and empty, when its manifest is cut short, and then drops the files it thinks obsolete; it does not
miss a log that is gone, or the end of one that another follows; and it reads for ever in a log or manifest where the type of a
record names a sort that only recycled logs have (all observed with 9.8). So, before a store is opened for writing,

- the records of manifest and logs are walked from head to head: none may have such a type;
- the store is opened for reading only, which checks all of its tables and logs, and changes nothing;
- what was found is held against MARK: the store must reach as far; its manifest must not ask for older logs than it did,
  as one does that has forgotten a table; and each log that it asks for and MARK names must be there;
- the changes in its logs must follow on each other (``logs``).

Where they do not, changes are missing, and what was acknowledged may be among them. There is one innocent cause. A power cut takes what
was not synced, in no order: it may take the end of a log and leave the beginning of the next, with a commit in it that nobody was told
of. Such a log is set aside, as if the power cut had taken it as well, so that what is opened is a prefix of what was written. MARK says
which case it is: it names a log before a commit in it is acknowledged, and only after that log and all before it were synced. With
durability ``os`` it names none, and a power cut may take any end.

What remains: a log or manifest that a power cut left with noise at its end, of which a byte happens to look like such a
type, is refused as well, and so is a log with zeros in its midst; and what a disk forgets without MARK's noticing, which is rewritten
as soon as a log is added.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import attrs

from journal.errors import ChangesMissing, StoreDamaged, StoreMissing
from journal.kv.rocks_reader import RocksReader
from journal.kv.small_files import sync_directory
from journal.kv.wal import EndlessRecordError, Gap, find_gap, read_log, refuse_endless
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from journal.kv.data_directory import DataDirectory, HeldDirectory, OpenDirectory
    from journal.kv.mark import HighWaterMark
    from journal.kv.wal import LogContent

log = SafeLogger(__name__)

ASIDE = ".set-aside"
"""What the name of a log ends with that was set aside: RocksDB does not know such a file, and leaves it alone."""


@attrs.frozen
class Found:
    """What a look has found. ``is_there``: there is a store to open, rather than one to begin. ``cut_off``: logs that RocksDB must not
    read, because changes are missing in front of them."""

    is_there: bool
    cut_off: tuple[int, ...] = ()


def look_before_opening(directory: OpenDirectory) -> Found:
    """What there is to open. Changes nothing.

    Raises :class:`StoreDamaged` if files are missing, cut or changed; and what ``refusals`` makes of other trouble.
    """
    mark = directory.read_mark()
    if not is_begun(directory, mark):
        return Found(is_there=False)
    opened = directory.open()  # closing a reader gives up its directory
    try:
        opened.reach_rocks()
        reader = read_at_rest(opened, mark)
    except BaseException:
        opened.release()
        raise
    reader.close()
    return Found(is_there=True, cut_off=reader.cut_off)


def is_begun(directory: DataDirectory, mark: HighWaterMark) -> bool:
    """Whether RocksDB has begun its store; a death at the first start may come before that. Raises :class:`StoreDamaged` if only what
    says so is missing."""
    rocks = directory.rocks
    if (rocks / "CURRENT").exists():
        return True
    if mark.sequence == 0 and not mark.logs and not any(rocks.glob("*.sst")):
        return False
    raise _damaged(directory, "RocksDB's file CURRENT is missing")


def refuse_if_unbegun(directory: DataDirectory, mark: HighWaterMark) -> None:
    """Raise :class:`StoreMissing` if there is nothing to read yet."""
    if not is_begun(directory, mark):
        raise StoreMissing(
            directory.path,
            "nothing was ever written here: the process that made the store died at its first start. Start a server on it, and it is "
            "begun",
        )


def read_at_rest(directory: OpenDirectory, mark: HighWaterMark) -> RocksReader:
    """Open what nobody writes to for reading, without the logs that are cut off from what is whole. Raises as
    :func:`look_before_opening` does."""
    with directory.translated("reading its logs"):
        logs = _read_logs(directory)
    reader = RocksReader(directory)
    try:
        oldest_log = reader.oldest_log()
        needed = [one for one in logs if one.number >= oldest_log]
        gap = find_gap(needed, mark, oldest_log)
        if gap is not None:
            _refuse_loss(directory, mark, gap)
            reader.close_rocks()
            reader = RocksReader(directory, cut_off=gap.cut_off)
        _compare_with_mark(directory, mark, reached=reader.reached(), oldest_log=oldest_log)
    except BaseException:
        reader.close_rocks()
        raise
    return reader


def set_aside(directory: HeldDirectory, cut_off: Sequence[int]) -> None:
    """Give the logs names that RocksDB does not know, durably. The last one first: a death in between leaves a gap before the rest."""
    for number in sorted(cut_off, reverse=True):
        path = directory.rocks / f"{number:06}.log"
        aside = _free_name(path)
        path.rename(aside)
        sync_directory(directory.rocks)
        log.warning(
            "%s: the changes before those in log %06d are missing, as a power cut leaves it. No commit in it was acknowledged as being "
            "on disk. It is not read, and is kept as db/%s, which may be removed",
            directory.path,
            number,
            aside.name,
        )


def _free_name(log: Path) -> Path:
    """The number of a log that was set aside is given again, and so may another log of that number be set aside."""
    free = log.with_name(f"{log.name}{ASIDE}")
    for another in itertools.count(2):
        if not os.path.lexists(free):
            break
        free = log.with_name(f"{log.name}{ASIDE}-{another}")
    return free


def _read_logs(directory: DataDirectory) -> list[LogContent]:
    """What all logs have. Raises :class:`StoreDamaged` if RocksDB would read for ever in one of them, or in a manifest."""
    for path in directory.rocks.glob("MANIFEST-*"):
        try:
            refuse_endless(path)
        except EndlessRecordError as error:
            raise _damaged(directory, f"{path.name}, {error}") from error
    logs: list[LogContent] = []
    for number in directory.logs():
        path = directory.rocks / f"{number:06}.log"
        try:
            logs.append(read_log(path))
        except EndlessRecordError as error:
            raise _damaged(directory, f"{path.name}, {error}") from error
    return logs


def _refuse_loss(directory: DataDirectory, mark: HighWaterMark, gap: Gap) -> None:
    """Raise :class:`ChangesMissing` unless all that is missing, and all that is behind, is what nobody was told of."""
    first_lost = gap.found if gap.expected is None else gap.expected
    if gap.is_inside or mark.sequence >= first_lost or any(number in mark.logs for number in gap.cut_off):
        raise ChangesMissing(directory.path, log=gap.log.name, found=gap.found, expected=gap.expected)


def _compare_with_mark(directory: DataDirectory, mark: HighWaterMark, *, reached: int, oldest_log: int) -> None:
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


def _damaged(directory: DataDirectory, found: str) -> StoreDamaged:
    return StoreDamaged(directory.path, f"{found}. Nothing was changed: restore the directory from a backup")
