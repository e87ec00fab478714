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
import weakref
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import outcome
import trio
from rocksdict import Checkpoint, Rdict, ReadOptions

from journal.errors import BrokenInvariant, DirectoryLost, DiskFull, InDoubt, JournalError, StoreFailed, Unavailable
from journal.kv.backup import complete_backup
from journal.kv.mark import HighWaterMark
from journal.kv.os_errors import is_full
from journal.kv.preflight import Found, look_before_opening, set_aside
from journal.kv.rocks_handles import keep_for_ever, write_batch, write_tables
from journal.kv.rocks_handles import number_of as _number_of
from journal.kv.rocks_options import writing_options
from journal.kv.rocks_reader import Reads, RocksView
from journal.kv.rocks_watch import CHECK_SECONDS, StoreWatch
from journal.kv.room import DiskRoom
from journal.kv.store import Batch, Durability, Trouble, TroubleKind
from journal.kv.waiting import WaitingBatch, WaitingView, wake
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from journal.kv.data_directory import HeldDirectory

log = SafeLogger(__name__)

_REOPEN_MARGIN_BYTES = 8 << 20  # opening writes the log's contents into a table before it can drop the log
RESERVE_BYTES = 64 << 20
"""Free bytes on the disk below which new work is refused; work in progress may use them."""


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
            raise ValueError("a store on disk cannot have the durability 'memory'; use MemoryStore")
        self.durability: Durability = durability
        self._directory = directory
        self._room = DiskRoom(directory, reserve_bytes)
        self._watch = StoreWatch(directory)
        self._pid = os.getpid()
        self._db: Rdict | None = self._open(look_before_opening(directory))
        self._failure: JournalError | None = None
        self._hearers: list[tuple[trio.lowlevel.TrioToken, trio.Event]] = []
        self._queued = 0
        self._is_closed = False
        self._jobs: queue.SimpleQueue[WaitingBatch | WaitingView | None] = queue.SimpleQueue()
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
            self._jobs.put(WaitingBatch(batch, trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()))
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

            self._jobs.put(WaitingView(make))
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

        self._jobs.put(WaitingView(answer))
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
        """Whether the free space is above the reserve, so that new work is accepted. A closed store measures nothing: its descriptor
        may be that of another file."""
        if not self._is_closed:
            self._room.measure()
        return self._room.is_left() or self._is_closed

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
                found.append(
                    Trouble(
                        TroubleKind.DISK_FULL,
                        "the disk is full; writes resume when there is room",
                    )
                )
            case _ if not self.has_room():
                text = (
                    f"{self._room.free_bytes} bytes are free on the disk, and new work needs more than "
                    f"{self._room.reserve_bytes}: make room. Open invocations continue, and stored data can be read"
                )
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
        log.warning("%s: there is room again; the store accepts writes", self._directory.path)

    def close(self) -> None:
        if os.getpid() != self._pid:
            return
        self._is_closed = True
        self._jobs.put(None)
        self._thread.join()
        if (db := self._db) is None:
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
        options = writing_options()
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
            jobs: list[WaitingBatch] = []
            try:
                item = self._jobs.get(timeout=CHECK_SECONDS)
            except queue.Empty:
                self._look_while_idle()
                continue
            while item is not None:
                if isinstance(item, WaitingView):
                    item.answer()  # everything written so far has been flushed
                else:
                    jobs.append(item)
                if self._jobs.empty():
                    break
                item = self._jobs.get()
            is_last = item is None
            if jobs:
                wake(jobs, outcome.capture(self._commit_group, jobs))

    def _commit_group(self, jobs: Sequence[WaitingBatch]) -> None:
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
        except Exception as error:  # the next commit raises the error
            self._fail(error)
            return
        with suppress(OSError):  # the next look finds out that the directory is gone
            self._room.measure()

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
