"""The store on disk: RocksDB through rocksdict.

The properties of RocksDB that this module relies on and hides (all observed with rocksdict 0.3.29, RocksDB 9.8;
``tests/journal/test_rocks`` checks them again; ``rocks_reader`` and ``preflight`` list more):

- ``write`` holds the GIL, also during an fsync; ``flush_wal`` releases it. So one thread writes without sync, then flushes, and the batches that have arrived meanwhile go into the next flush: group commit, with one group on its way.
- A view is an iterator that the committer makes between two flushes, so it has nothing that a power cut could take back.
- After any failed write the handle is unusable: it may even report success. So the store stops. It recovers from a full disk by reopening when there is room; any other failure is final for the process.
- Under ``paranoid_checks``, a compaction that finds a damaged block ends all writes, now and in every later process. So the store is opened without them, after ``preflight`` has checked with them, and compaction is switched off for this process as soon as one fails, because RocksDB would try it again every second. Reads then slow down gradually, and the block stays damaged until the directory is restored. If tables cannot be written at all, the store stops.
- Closing a handle writes, and so does dropping the last reference to it, also when Python ends. So if the directory was lost (``data_directory``), RocksDB's background work is cancelled, and the handle is kept for as long as the process lives.
- A process that was forked from the one with the store loses its writes and hangs when it closes. It is refused.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
import weakref
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import attrs
import outcome
import trio
from rocksdict import Checkpoint, DBCompressionType, Options, Rdict, ReadOptions

from journal.errors import BrokenInvariant, DirectoryLost, DiskFull, InDoubt, JournalError, StoreFailed, Unavailable
from journal.kv.backup import complete_backup
from journal.kv.file_descriptors import lacks_descriptor
from journal.kv.mark import HighWaterMark
from journal.kv.os_errors import is_full
from journal.kv.preflight import Found, look_before_opening, set_aside
from journal.kv.rocks_handles import keep_for_ever, write_batch, write_tables
from journal.kv.rocks_handles import number_of as _number_of
from journal.kv.rocks_reader import OLDEST_LOG, Reads, RocksView, reading_options
from journal.kv.store import Batch, Durability, Trouble, TroubleKind
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from journal.kv.data_directory import HeldDirectory

log = SafeLogger(__name__)

_MEMTABLE_BYTES = 32 << 20  # below this, switching memtables stalls writers after a slow fsync
_MEMTABLES = 4
_LOG_BYTES = 128 << 20  # bounds the bytes that a start must read again, at about 400 MB/s
_MANIFEST_BYTES = 1 << 40  # never reached: then a change of CURRENT does not come from RocksDB
_CHECK_SECONDS = 0.5
"""How often the directory is compared with the held one; a replaced one is noticed within a second."""

_MARK_SECONDS = 1.0
_ROOM_CHECK_SECONDS = 0.5
_POLL_SECONDS = 0.01
_LOOKS_FOR_DESCRIPTOR = 500
"""How often a process without a free descriptor tries again, five seconds in all."""

_REOPEN_MARGIN_BYTES = 8 << 20  # opening writes the log's contents into a table before it can drop the log
RESERVE_BYTES = 64 << 20
"""Free bytes on the disk below which new work is refused; work in progress may use them."""


@attrs.define(eq=False)
class _Job:
    batch: Batch
    task: trio.lowlevel.Task
    token: trio.lowlevel.TrioToken


@attrs.define(eq=False)
class _Look:
    """A view was requested; ``answer`` is called in the committer's thread."""

    answer: Callable[[], None]


class RocksStore(Reads):
    """A held data directory that is open for writing. ``close`` closes RocksDB; the caller releases the directory."""

    def __init__(
        self,
        directory: HeldDirectory,
        *,
        durability: Durability = Durability.FSYNC,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        if durability is Durability.MEMORY:
            raise ValueError("RocksDB keeps what it is given; for durability 'memory' take the MemoryStore")
        self.durability: Durability = durability
        self._directory = directory
        self._reserve_bytes = reserve_bytes
        self._watch = _Watch(directory)
        self._pid = os.getpid()
        self._db: Rdict | None = self._open(look_before_opening(directory))
        self._failure: JournalError | None = None
        self._hearers: list[tuple[trio.lowlevel.TrioToken, trio.Event]] = []
        self._queued = 0
        self._room_checked_at = -_ROOM_CHECK_SECONDS
        self._has_room = True
        self._jobs: queue.SimpleQueue[_Job | _Look | None] = queue.SimpleQueue()
        self._views: weakref.WeakSet[RocksView] = weakref.WeakSet()
        self._thread = threading.Thread(target=self._run_committer, name="journal-committer", daemon=True)
        self._thread.start()

    # Writing, in one thread.

    async def commit(self, batch: Batch) -> None:
        self._refuse_if_failed()
        db = self._handle()
        # Never before a batch that the committer has queued or is writing: batches are applied in the order of the calls.
        if self.durability is Durability.OS and not self._queued and not _number_of(db, "is-write-stopped"):
            self._write_now(db, batch)
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self._queued += 1
        try:
            self._jobs.put(_Job(batch, trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()))
            # Not cancellable: a batch on its way to the disk arrives there, and its caller must learn of it.
            await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        finally:
            self._queued -= 1

    async def copy_to(self, path: Path, *, made_at: float) -> None:
        self._refuse_if_failed()
        await trio.to_thread.run_sync(self._copy_to, path, made_at)

    def _copy_to(self, path: Path, made_at: float) -> None:
        """In a thread: only the checkpoint blocks the committer, and files are hashed while commits continue."""
        made: Future[HighWaterMark] = Future()
        with self._directory.within(path).beginning() as target:

            def make() -> None:
                try:
                    made.set_result(self._make_checkpoint(target))
                except BaseException as error:
                    made.set_exception(error)

            self._jobs.put(_Look(make))
            complete_backup(target, self._directory, made.result(), made_at)

    def _make_checkpoint(self, target: HeldDirectory) -> HighWaterMark:
        db = self._handle()
        try:
            db.flush_wal(True)
            reached = db.latest_sequence_number()
            checkpoint = Checkpoint(db)
            try:
                checkpoint.create_checkpoint(str(target.rocks))
            finally:
                del checkpoint  # it would keep the store open
        except Exception as error:
            raise target.refusal(error, doing="copying the store") from error
        return HighWaterMark(reached, 0, target.logs())

    async def view(self) -> RocksView:
        """The store as of now: every batch whose ``commit`` has returned, and none that could still be lost.

        During a flush it waits for the end of the flush. After a failed write it shows the data that was written.
        """
        self._handle()
        if self.durability is Durability.OS or self._failure is not None:
            await trio.lowlevel.checkpoint()
            return self._pin()
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()

        def answer() -> None:
            made = outcome.capture(self._pin)
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(trio.lowlevel.reschedule, task, made)

        self._jobs.put(_Look(answer))
        view: RocksView = await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        return view

    async def failed(self) -> NoReturn:
        hearer = (trio.lowlevel.current_trio_token(), trio.Event())
        self._hearers.append(hearer)
        try:
            await trio.lowlevel.checkpoint()
            if not isinstance(self._failure, StoreFailed):
                await hearer[1].wait()
        finally:
            self._hearers.remove(hearer)
        self._refuse_if_failed()
        raise BrokenInvariant("an error is reported before it has occurred")

    def has_room(self) -> bool:
        """Whether new work should be accepted: whether the free space is above the reserve."""
        now = time.monotonic()
        if now - self._room_checked_at >= _ROOM_CHECK_SECONDS:
            self._room_checked_at = now
            self._has_room = shutil.disk_usage(self._directory.rocks).free > self._reserve_bytes
        return self._has_room

    def troubles(self) -> Sequence[Trouble]:
        found: list[Trouble] = []
        match self._failure:
            case DirectoryLost():
                text = "the data directory was moved, removed or replaced; the process writes nothing more"
                found.append(Trouble(TroubleKind.DIRECTORY_LOST, text, is_final=True))
            case StoreFailed():
                text = "a write to the disk failed; the process writes nothing more: check the disk, then start again"
                found.append(Trouble(TroubleKind.DISK_FAILED, text, is_final=True))
            case DiskFull():
                found.append(Trouble(TroubleKind.DISK_FULL, "the disk is full; writes resume when there is room"))
            case _ if not self.has_room():
                text = f"less than {self._reserve_bytes} bytes are free on the disk; new work is accepted when there is room"
                found.append(Trouble(TroubleKind.DISK_NEARLY_FULL, text))
        if not self._watch.compacts:
            text = "tables of the store could not be compacted, so a block of one is damaged: restore the directory from a backup"
            found.append(Trouble(TroubleKind.TABLES_DAMAGED, text, stops_work=False))
        return found

    async def recover(self) -> None:
        await trio.lowlevel.checkpoint()
        # No checkpoint from here on: of several owners that recover together, the first opens the store and the others find it
        # open. The committer need not be stopped: it touches no handle after a failure.
        if not isinstance(self._failure, DiskFull):
            self._refuse_if_failed()
            return
        try:
            self._directory.check()
        except DirectoryLost as error:
            self._fail(error)
            raise
        self._refuse_without_room()
        try:
            # While the old handle is open, so that reads continue if it cannot be replaced yet.
            found = look_before_opening(self._directory)
            if self._db is not None:
                self._close_handle(self._db)
                self._directory.forget_written()
            self._db = self._open(found)
        except JournalError as error:
            raise DiskFull(f"{self._directory.path}: cannot be reopened yet: {error}") from error
        self._failure = None
        log.info("%s: there is room again; the store accepts writes", self._directory.path)

    def close(self) -> None:
        if os.getpid() != self._pid:
            return
        self._jobs.put(None)
        self._thread.join()
        db = self._db
        if db is None:
            return
        try:
            self._directory.check()
            self._watch.refuse_removed_tables(db)
        except DirectoryLost:
            self._abandon(db)
            if isinstance(self._failure, DirectoryLost):
                return  # already reported
            raise
        try:
            mark = self._close_handle(db)
            if mark is not None:
                self._directory.write_mark(mark)
        except Exception as error:
            raise StoreFailed(f"{self._directory.path}: closing failed: {self._directory.in_words(error)}") from error

    # Internals.

    def _handle(self) -> Rdict:
        if os.getpid() != self._pid:
            raise Unavailable(
                "this process was forked from the one that opened the store; open it again in a spawned process"
            )
        if self._db is None:
            raise Unavailable(f"{self._directory.path}: the store is closed")
        return self._db

    def _pin(self) -> RocksView:
        view = RocksView(self._handle().iter(ReadOptions()))
        self._views.add(view)
        return view

    def _abandon(self, db: Rdict) -> None:
        self._db = None
        for view in list(self._views):
            view.close()
        keep_for_ever(db)
        self._directory.abandon()
        log.error("%s: the store was not closed, and stays open until this process ends", self._directory.path)

    def _open(self, found: Found) -> Rdict:
        self._directory.check()
        options = _options()
        options.create_if_missing(not found.is_there)
        try:
            set_aside(self._directory, found.cut_off)
            self._directory.forget_written()  # the number of a log that was set aside can be used again
            db = Rdict(str(self._directory.rocks), options, column_families={"default": options})
        except Exception as error:
            raise self._directory.refusal(error, doing="opening it") from error
        try:
            self._watch.begin(db)
        except Exception as error:
            db.close()
            raise self._directory.refusal(error, doing="writing the file MARK") from error
        return db

    def _close_handle(self, db: Rdict) -> HighWaterMark | None:
        """Close the handle. Returns what MARK may record afterwards; None if the handle has failed."""
        self._db = None
        for view in list(self._views):
            view.close()
        mark: HighWaterMark | None = None
        has_tables = False
        if self._failure is None:
            db.flush_wal(True)
            has_tables = write_tables(db)
            mark = self._watch.found(db, db.latest_sequence_number())
        if not has_tables:
            # Closing waits until the tables are written, and forever if they cannot be. The log has their contents.
            db.cancel_all_background(True)
        try:
            db.close()
        except Exception as error:  # it is closed all the same, and its contents are in the log
            log.warning(
                "%s: closed without writing its tables, the next start will: %s",
                self._directory.path,
                self._directory.in_words(error),
            )
        return mark

    def _run_committer(self) -> None:
        is_last = False
        while not is_last:
            jobs: list[_Job] = []
            try:
                item = self._jobs.get(timeout=_CHECK_SECONDS)
            except queue.Empty:
                self._look_while_idle()
                continue
            while item is not None:
                if isinstance(item, _Look):
                    item.answer()  # everything written so far has been flushed
                else:
                    jobs.append(item)
                if self._jobs.empty():
                    break
                item = self._jobs.get()
            is_last = item is None
            if jobs:
                _wake(jobs, outcome.capture(self._commit_group, jobs))

    def _commit_group(self, jobs: Sequence[_Job]) -> None:
        self._refuse_if_failed()
        db = self._handle()
        try:
            for job in jobs:
                self._watch.wait_until_writes_flow(db)
                db.write(write_batch(job.batch))
            if self.durability is Durability.OS:
                return
            reached = db.latest_sequence_number()
            db.flush_wal(True)
            self._watch.refuse_if_removed()
            self._watch.note_logs(db, sum(len(job.batch.rows) + len(job.batch.cleared) for job in jobs))
            self._watch.look(db, reached)
        except Exception as error:
            raise self._fail(error) from error

    def _write_now(self, db: Rdict, batch: Batch) -> None:
        try:
            db.write(write_batch(batch))
        except Exception as error:
            raise self._fail(error) from error

    def _look_while_idle(self) -> None:
        if self._failure is not None:
            return
        try:
            db = self._handle()
            # Data that only the operating system has is not marked as being on disk.
            self._watch.look(db, db.latest_sequence_number() if self.durability is Durability.FSYNC else None)
        except Exception as error:  # whatever the error is, the next commit raises it
            self._fail(error)

    def _fail(self, error: Exception) -> InDoubt:
        where, text = self._directory.path, self._directory.in_words(error)
        if isinstance(error, DirectoryLost):
            self._failure, text = error, "the directory was lost"
        elif is_full(error):
            self._failure = DiskFull(f"{where}: the disk is full; writes resume when there is room")
        else:
            self._failure = StoreFailed(
                f"{where}: a write failed ({text}). Whether it is on disk is unknown, and no later write can be trusted: "
                "stop this process, check the disk, then start again"
            )
        log.error("%s", self._failure)
        if isinstance(self._failure, StoreFailed):
            for token, heard in list(self._hearers):
                with suppress(trio.RunFinishedError):
                    token.run_sync_soon(heard.set)
        return InDoubt(f"{where}: a write failed ({text}); whether it was kept shows when the store is opened again")

    def _refuse_if_failed(self) -> None:
        failure = self._failure
        if failure is not None:
            raise type(failure)(*failure.args)

    def _refuse_without_room(self) -> None:
        log_bytes = sum(path.stat().st_size for path in self._directory.rocks.glob("*.log"))
        needed = log_bytes + _REOPEN_MARGIN_BYTES
        free = shutil.disk_usage(self._directory.rocks).free
        if free < needed:
            raise DiskFull(f"{self._directory.path}: {free} bytes are free, {needed} are needed to reopen the store")


class _Watch:
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
        """A handle was opened: tables have everything from before. Raises ``OSError`` and ``DirectoryLost``."""
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
        """Wait while RocksDB stalls writes because its tables fall behind. Not inside RocksDB, which holds the GIL while it
        stalls."""
        # A write that fills the last allowed memtable would wait inside; it finds the writes stopped after this check.
        while _number_of(db, "is-write-stopped") or _number_of(db, "num-immutable-mem-table") >= _MEMTABLES - 1:
            self._look_at_background_work(db)
            time.sleep(_POLL_SECONDS)

    def look(self, db: Rdict, reached: int | None) -> None:
        """Check from time to time. ``reached`` is the last change on disk, if known. Raises ``DirectoryLost``."""
        now = time.monotonic()
        if now - self._checked_at >= _CHECK_SECONDS:
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
        logs = self._logs()  # first: a log that is gone must not be one that is still needed
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


def _wake(jobs: Sequence[_Job], result: outcome.Outcome[None]) -> None:
    def reschedule() -> None:
        for job in jobs:
            # An Outcome can be unwrapped once, so each waiter gets its own.
            trio.lowlevel.reschedule(job.task, _own_copy(result))

    try:
        jobs[0].token.run_sync_soon(reschedule)
    except trio.RunFinishedError:
        log.debug("a commit ended after the event loop had")


def _own_copy(result: outcome.Outcome[None]) -> outcome.Outcome[None]:
    if not isinstance(result, outcome.Error):
        return outcome.Value(None)
    error = result.error
    return outcome.Error(type(error)(*error.args).with_traceback(error.__traceback__))


def _options() -> Options:
    options = reading_options()
    options.set_paranoid_checks(False)
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    options.set_max_write_buffer_number(_MEMTABLES)
    options.set_max_total_wal_size(_LOG_BYTES)
    options.set_level_zero_slowdown_writes_trigger(40)
    options.set_level_zero_stop_writes_trigger(60)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_max_manifest_file_size(_MANIFEST_BYTES)
    return options
