"""Checks the files of RocksDB before it opens them, and before it could delete what it cannot read.

RocksDB opens without complaint, and empty, if its manifest is cut short, and then drops the files that it takes for obsolete. It
does not miss a log that is gone, or the end of a log that another follows. And it loops forever in a log or manifest in which a
record has a type that only recycled logs have (all observed with 9.8). So, before a store is opened for writing,

- the records of manifest and logs are walked from head to head: none may have such a type;
- the store is opened read-only, which checks all of its tables and logs and changes nothing;
- the result is compared with MARK: the store must reach as far; its manifest must not ask for older logs than it did, as one does that has forgotten a table; and each log that it asks for and MARK names must exist;
- the changes in its logs must be consecutive (``wal``).

If they are not, changes are missing, and acknowledged work may be among them. There is one innocent cause. A power cut takes
unsynced data in any order: it may take the end of a log and leave the beginning of the next, with a commit in it that was never
acknowledged. Such a log is set aside, as if the power cut had taken it as well, so that the opened store is a prefix of what was
written. MARK shows which case it is: it names a log before a commit in it is acknowledged, and only after that log and all
earlier ones were synced. With durability ``os`` it names none, and a power cut may take any end.

Limits: a log or manifest that a power cut left with noise at its end, in which a byte happens to look like such a type, is
refused as well, and so is a log with zeros in its middle. A loss on the disk that leaves MARK intact is noticed only as far as
MARK reaches, which is rewritten as soon as a log is added.
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
"""The suffix of a log that was set aside: RocksDB does not know such a file and leaves it alone."""


@attrs.frozen
class Found:
    """The result of the check. ``is_there`` says that there is a store to open rather than one to begin. ``cut_off`` are the logs
    that RocksDB must not read, because changes before them are missing."""

    is_there: bool
    cut_off: tuple[int, ...] = ()


def look_before_opening(directory: OpenDirectory) -> Found:
    """Check the directory before it is opened. Changes nothing.

    Raises :class:`StoreDamaged` if files are missing, cut or changed, and the errors of ``os_errors`` for other trouble.
    """
    mark = directory.read_mark()
    if not is_begun(directory, mark):
        return Found(is_there=False)
    opened = directory.open()  # closing a reader releases its directory
    try:
        opened.reach_rocks()
        reader = read_at_rest(opened, mark)
    except BaseException:
        opened.release()
        raise
    reader.close()
    return Found(is_there=True, cut_off=reader.cut_off)


def is_begun(directory: DataDirectory, mark: HighWaterMark) -> bool:
    """Whether RocksDB has begun its store; a crash at the first start may come before that. Raises :class:`StoreDamaged` if only
    the file that says so is missing."""
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
            "nothing was ever written here: the process that created the store died at its first start. Start a server to "
            "complete it",
        )


def read_at_rest(directory: OpenDirectory, mark: HighWaterMark) -> RocksReader:
    """Open a store at rest for reading, without the logs after a gap. Raises as :func:`look_before_opening` does."""
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
    """Rename the logs to names that RocksDB does not know, durably. The last one first, so that an interruption leaves a gap
    before the rest."""
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
    """A free name for a log: its number is used again, so another log with that number may be set aside already."""
    free = log.with_name(f"{log.name}{ASIDE}")
    for another in itertools.count(2):
        if not os.path.lexists(free):
            break
        free = log.with_name(f"{log.name}{ASIDE}-{another}")
    return free


def _read_logs(directory: DataDirectory) -> list[LogContent]:
    """The contents of all logs. Raises :class:`StoreDamaged` if RocksDB would loop forever in one of them or in a manifest."""
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
    """Raise :class:`ChangesMissing` unless everything missing, and everything after it, was never acknowledged."""
    first_lost = gap.found if gap.expected is None else gap.expected
    if gap.is_inside or mark.sequence >= first_lost or any(number in mark.logs for number in gap.cut_off):
        raise ChangesMissing(directory.path, log=gap.log.name, found=gap.found, expected=gap.expected)


def _compare_with_mark(directory: DataDirectory, mark: HighWaterMark, *, reached: int, oldest_log: int) -> None:
    """Raise :class:`StoreDamaged` if RocksDB finds less than MARK records."""
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
