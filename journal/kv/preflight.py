"""Checks the files of RocksDB before RocksDB opens them and could delete files that it cannot read.

RocksDB opens without complaint, and empty, if its manifest is cut short, and then deletes the files that it takes for
obsolete. It does not notice a missing log, or that a log followed by another ends too soon. And it loops forever in a
log or manifest in which a record has a type that only recycled logs have (all observed with 9.8). So, before a store is
opened for writing,

- the records of manifest and logs are walked from head to head: none may have such a type;
- the store is opened read-only, which checks all of its tables and logs and changes nothing;
- the result is compared with MARK: the store must reach at least MARK's sequence number; its manifest must not require older logs than MARK records, as a manifest that has lost a table does; and each required log that MARK names must exist;
- the changes in its logs must be consecutive (``wal``).

If they are not, changes are missing, and acknowledged work may be among them. There is one innocent cause. A power cut
takes unsynced data in any order: it may take the end of a log and leave the beginning of the next, with a commit in it
that was never acknowledged. Such a log is set aside, as if the power cut had taken it as well, so that the opened store
is a prefix of what was written. MARK shows which case it is: it names a log before a commit in it is acknowledged, and
only after that log and all earlier ones were synced. With durability ``os`` it names none, and a power cut may take any
end.

Limits: if a power cut left noise at the end of a log or manifest and a byte of it happens to look like such a type, the
file is refused as well, and so is a log with zeros in its middle. A loss on the disk that leaves MARK intact is noticed
only up to the last rewrite of MARK, which happens as soon as a log is added.
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
    """The result of the check. ``is_there`` says that a store exists and need not be created. ``cut_off`` are the logs
    that RocksDB must not read, because changes before them are missing."""

    is_there: bool
    cut_off: tuple[int, ...] = ()


def look_before_opening(directory: OpenDirectory) -> Found:
    """Check the directory before it is opened. Changes nothing.

    Raises :class:`StoreDamaged` if files are missing, cut or changed, and the errors of ``os_errors`` for other
    problems.
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
    """Report whether RocksDB has created its store; a crash at the first start may come earlier. Raises
    :class:`StoreDamaged` if the store exists and only its file CURRENT is missing."""
    rocks = directory.rocks
    if (rocks / "CURRENT").exists():
        return True
    if mark.sequence == 0 and not mark.logs and not any(rocks.glob("*.sst")):
        return False
    raise _damaged(directory, "RocksDB's file CURRENT is missing")


def refuse_if_unbegun(directory: DataDirectory, mark: HighWaterMark) -> None:
    """Raise :class:`StoreMissing` if nothing has been written yet."""
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
    """Rename the logs, durably, to names that RocksDB does not know. The last log comes first, so that an interruption
    leaves a gap before the rest."""
    for number in sorted(cut_off, reverse=True):
        path = directory.rocks / f"{number:06}.log"
        aside = _free_name(path)
        path.rename(aside)
        sync_directory(directory.rocks)
        log.warning(
            "%s: changes before log %06d are missing, as after a power cut. No commit in the log was acknowledged as being on disk, "
            "so the log is not read. It is kept as db/%s, which may be removed",
            directory.path,
            number,
            aside.name,
        )


def _free_name(log: Path) -> Path:
    """Return a free name for a log that is set aside. RocksDB uses log numbers again, so an earlier log with the same
    number may have been set aside."""
    free = log.with_name(f"{log.name}{ASIDE}")
    for another in itertools.count(2):
        if not os.path.lexists(free):
            break
        free = log.with_name(f"{log.name}{ASIDE}-{another}")
    return free


def _read_logs(directory: DataDirectory) -> list[LogContent]:
    """Return the contents of all logs. Raises :class:`StoreDamaged` if RocksDB would loop forever in one of them or in
    a manifest."""
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
    """Raise :class:`ChangesMissing` if any missing change, or any change after the gap, may have been acknowledged."""
    first_lost = gap.found if gap.expected is None else gap.expected
    if gap.is_inside or mark.sequence >= first_lost or any(number in mark.logs for number in gap.cut_off):
        raise ChangesMissing(directory.path, log=gap.log.name, found=gap.found, expected=gap.expected)


def _compare_with_mark(directory: DataDirectory, mark: HighWaterMark, *, reached: int, oldest_log: int) -> None:
    """Raise :class:`StoreDamaged` if RocksDB finds less than MARK records."""
    if reached < mark.sequence:
        raise _damaged(
            directory,
            f"files are missing or cut: the store ends at change {reached}, but change {mark.sequence} was on disk before",
        )
    missing = [number for number in mark.logs if number >= oldest_log and number not in directory.logs()]
    if missing:
        raise _damaged(directory, f"log {missing[0]:06} is missing, and no known table has its changes")
    if oldest_log < mark.oldest_log:
        raise _damaged(
            directory,
            f"its manifest was cut: it requires log {oldest_log:06}, but tables already had the changes of all logs before "
            f"{mark.oldest_log:06}",
        )


def _damaged(directory: DataDirectory, found: str) -> StoreDamaged:
    return StoreDamaged(directory.path, f"{found}. Nothing was changed: restore the directory from a backup")
