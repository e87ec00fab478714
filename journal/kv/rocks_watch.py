"""Supervises an open store while it is written: its directory, its mark, and RocksDB's background work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rocksdict import Rdict

from journal.errors import BrokenInvariant
from journal.kv.file_descriptors import lacks_descriptor
from journal.kv.mark import HighWaterMark
from journal.kv.rocks_handles import number_of as _number_of
from journal.kv.rocks_handles import write_tables
from journal.kv.rocks_options import MEMTABLES
from journal.kv.rocks_reader import OLDEST_LOG
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from journal.kv.data_directory import HeldDirectory

log = SafeLogger(__name__)

CHECK_SECONDS = 0.5
"""How often the directory is compared with the held one; a replaced one is noticed within a second."""

STALL_SECONDS = 5
"""How long writes wait for RocksDB until that is logged."""

_MARK_SECONDS = 1.0
_POLL_SECONDS = 0.01
_LOOKS_FOR_DESCRIPTOR = 500
"""How often a process without a free descriptor tries again, five seconds in all."""


class StoreWatch:
    """Supervises an open store from the committer's thread: MARK, the directory, and RocksDB's background work.

    ``look`` raises if the store cannot be trusted any more. ``compacts`` says that RocksDB still merges its tables.
    """

    def __init__(self, directory: HeldDirectory) -> None:
        self._directory = directory
        self._mark = directory.read_mark()
        self._checked_at = time.monotonic()
        self._marked_at = time.monotonic()
        self._logs_seen: tuple[int, ...] = ()
        self._entries = 0
        self._errors = 0
        self.compacts = True

    def begin(self, db: Rdict) -> None:
        """Note that the store was opened: its tables now contain all earlier commits. Raises ``OSError`` and ``DirectoryLost``."""
        oldest_log = _oldest_log(db)
        # Without the log of this handle: MARK names a log once a commit in it is on disk.
        self._write(HighWaterMark(db.latest_sequence_number(), oldest_log, self._mark.logs))
        self._logs_seen = ()
        self._entries = -1  # so that the log of this handle is marked with its first commit
        self._errors = _number_of(db, "background-errors")
        self.compacts = True

    def note_logs(self, db: Rdict, written: int) -> None:
        """Record every log in MARK before a commit in it is acknowledged: otherwise a missing log would not be noticed.

        A log is begun together with a memtable, which shows in the number of entries in the memtable.
        """
        expected, self._entries = self._entries + written, _number_of(db, "num-entries-active-mem-table")
        if self._entries != expected:
            self._write(self.found(db, self._mark.sequence))

    def refuse_if_removed(self) -> None:
        """Check before a commit is acknowledged: a write to a removed directory is lost with the process."""
        if self._directory.is_removed():
            self._directory.check()

    def wait_until_writes_flow(self, db: Rdict) -> None:
        """Wait while RocksDB stalls writes because compaction is too slow. RocksDB itself would wait with the GIL held."""
        # A write that fills the last allowed memtable would wait inside; it finds the writes stopped after this check.
        began, is_told = time.monotonic(), False
        while _number_of(db, "is-write-stopped") or _number_of(db, "num-immutable-mem-table") >= MEMTABLES - 1:
            self._look_at_background_work(db)
            if not is_told and time.monotonic() - began >= STALL_SECONDS:
                is_told = True
                log.warning(
                    "%s: writes have waited for %d s, because the disk is too slow to write and merge the tables of the store",
                    self._directory.path,
                    STALL_SECONDS,
                )
            time.sleep(_POLL_SECONDS)
        if is_told:
            log.warning("%s: writes continue, after %.1f s", self._directory.path, time.monotonic() - began)

    def look(self, db: Rdict, reached: int | None) -> None:
        """Check the store, at most every ``CHECK_SECONDS``. ``reached`` is the last change on disk, if known. Raises
        ``DirectoryLost``."""
        now = time.monotonic()
        if now - self._checked_at >= CHECK_SECONDS:
            self._checked_at = now
            self._directory.check()
            self.refuse_removed_tables(db)
            self._refuse_removed_logs(db)
        if now - self._marked_at < _MARK_SECONDS:
            return
        self._marked_at = now
        self._look_at_background_work(db)
        if reached is not None:
            self._write(self.found(db, reached))

    def found(self, db: Rdict, reached: int) -> HighWaterMark:
        """The mark of a store that has this change on disk."""
        logs = self._logs()  # first: a missing log must not be one that is still needed
        oldest_log = _oldest_log(db)
        return HighWaterMark(reached, oldest_log, tuple(number for number in logs if number >= oldest_log))

    def refuse_removed_tables(self, db: Rdict) -> None:
        """Raise ``DirectoryLost`` if a table was removed. RocksDB has it open and would not notice before the next start, which
        would then lack acknowledged work."""
        missing = self._directory.missing(_tables(db))
        if missing:  # unless RocksDB has dropped them since
            self._directory.refuse_removed(missing & _tables(db))

    def _refuse_removed_logs(self, db: Rdict) -> None:
        """The same for a log. Its contents are also in memory, and are written to a table first."""
        logs = self._logs()
        oldest = _oldest_log(db)  # after the logs: RocksDB removes a log once it does not need it any more
        removed = {number for number in {*self._logs_seen, *self._mark.logs} if number >= oldest} - set(logs)
        self._logs_seen = logs
        if removed:
            write_tables(db)
            self._write(self.found(db, self._mark.sequence))  # with the log that was begun with the table
            self._directory.refuse_removed({f"{number:06}.log" for number in removed})

    def _logs(self) -> tuple[int, ...]:
        """The store's logs. A process without a free descriptor waits for one rather than fail a commit that is on disk."""
        for _ in range(_LOOKS_FOR_DESCRIPTOR):
            try:
                return self._directory.logs()
            except OSError as error:
                if not lacks_descriptor(error):
                    raise
            time.sleep(_POLL_SECONDS)
        return self._directory.logs()

    def _look_at_background_work(self, db: Rdict) -> None:
        errors = _number_of(db, "background-errors")
        if errors == self._errors:
            return
        self._errors = errors
        if self.compacts:
            self.compacts = False
            db.set_options({"disable_auto_compactions": "true"})
            log.error(
                "%s: RocksDB could not compact its tables and stops trying until the next start: a block of one is "
                "damaged, or the disk fails. Its file db/LOG says which. Restore the directory from a backup",
                self._directory.path,
            )
        elif _number_of(db, "num-immutable-mem-table"):
            raise OSError("RocksDB cannot write its tables; its file db/LOG says why")

    def _write(self, mark: HighWaterMark) -> None:
        if mark != self._mark:
            self._directory.check()
            self._directory.write_mark(mark)
            self._mark = mark


def _oldest_log(db: Rdict) -> int:
    """The oldest log that RocksDB still needs."""
    number = db.property_int_value(OLDEST_LOG)
    if number is None:
        raise BrokenInvariant("RocksDB 9.8 knows the property")
    return number


def _tables(db: Rdict) -> set[str]:
    """The names of the tables that RocksDB reads."""
    return {file["name"].removeprefix("/") for file in db.live_files()}
