"""The store on disk: RocksDB through rocksdict.

What this module knows and nobody else needs to (all observed with rocksdict 0.3.29, RocksDB 9.8; ``tests/journal/test_rocks``
looks again):

- ``write`` holds the GIL, also through an fsync; ``flush_wal`` gives it up. So one thread writes without sync, then flushes,
  and whatever has arrived meanwhile goes into the next flush: group commit, with one batch in the air.
- After any failed write the handle is done for: it may even report success. So the store stops. A full disk is survived
  by opening again when there is room; any other failure is final for the process.
- Iteration ends silently at a damaged block unless ``status()`` is asked. :meth:`RocksStore.scan` asks.
- The default recovery mode forgets everything behind a flipped bit in the log. Ours refuses to open instead.
- The default mode of rocksdict pickles. Ours is raw, always.
- A snapshot's own iterators ignore it, and see what is written later. An iterator of the store pins what it saw when it was
  made, through every later ``seek``: a view is one iterator. The committer makes it between two flushes, so that it holds
  nothing that a power cut could take back.
"""

from __future__ import annotations

import logging
import os
import queue
import shutil
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs
import outcome
import trio
from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
)

from journal.errors import (
    CorruptRecord,
    DiskFull,
    InDoubt,
    JournalError,
    StoreDamaged,
    StoreFailed,
    Unavailable,
)
from journal.store import SCAN_PAGE, Batch, Durability

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rocksdict import RdictIter

    from journal.datadir import DataDirectory

log = logging.getLogger(__name__)

_MEMTABLE_BYTES = 32 << 20  # below this, switching memtables stalls writers behind a slow fsync
_MEMTABLES = 4
_LOG_BYTES = 128 << 20  # bounds what a start must read again, at about 400 MB/s
_CACHE_BYTES = 32 << 20
_OPEN_FILES = 512
_MARK_SECONDS = 1.0
_ROOM_CHECK_SECONDS = 0.5
_REOPEN_MARGIN_BYTES = 8 << 20  # opening writes the log's contents into a table before it can drop the log
RESERVE_BYTES = 64 << 20
"""Free bytes on the disk below which new work is refused; what is under way may use them."""


@attrs.define(eq=False)
class _Job:
    batch: Batch
    task: trio.lowlevel.Task
    token: trio.lowlevel.TrioToken


@attrs.define(eq=False)
class _Look:
    """Somebody wants a view; ``answer`` is called in the committer's thread."""

    answer: Callable[[], None]


class _Reads:
    """What an open handle can be asked. On the caller's thread: RocksDB answers from memory or, seldom, a block of disk."""

    def _handle(self) -> Rdict:
        raise AssertionError("given by the classes below")

    def get(self, key: bytes) -> bytes | None:
        """The value, or None. Raises ``CorruptRecord``."""
        db = self._handle()
        try:
            value = db.get(key)
        except Exception as error:
            raise CorruptRecord(f"a row cannot be read: {error}") from error
        assert value is None or isinstance(value, bytes)
        return value

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """At most ``limit`` rows of ``[start, stop)``, in order or from the end. Raises ``CorruptRecord``."""
        return _scan(self._handle().iter(ReadOptions()), start, stop, limit=limit, reverse=reverse)


def _scan(rows: RdictIter, start: bytes, stop: bytes, *, limit: int, reverse: bool) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    # No bounds in the ReadOptions: the lower one sets the upper, and the upper keeps a pointer into a dead object.
    try:
        if reverse:
            rows.seek_for_prev(stop)
            if rows.valid() and rows.key() == stop:
                rows.prev()
        else:
            rows.seek(start)
        while rows.valid() and len(found) < limit:
            key = rows.key()
            if (key < start) if reverse else (key >= stop):
                break
            found.append((key, rows.value()))
            if reverse:
                rows.prev()
            else:
                rows.next()
        rows.status()
    except Exception as error:
        raise CorruptRecord(f"rows cannot be read behind {found[-1][0] if found else start!r}: {error}") from error
    return found


class RocksView:
    """A store as it was when the iterator was made. Whoever made it closes it before the store."""

    def __init__(self, rows: RdictIter) -> None:
        self._rows: RdictIter | None = rows
        self._reading = threading.Lock()  # a store that is closed must not pull the iterator away under a reader

    def get(self, key: bytes) -> bytes | None:
        """The value, or None. Raises ``CorruptRecord``."""
        found = self.scan(key, key + b"\x00", limit=1)
        return found[0][1] if found else None

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """At most ``limit`` rows of ``[start, stop)``, in order or from the end. Raises ``CorruptRecord``."""
        with self._reading:
            if self._rows is None:
                raise Unavailable("this view of the store is closed")
            return _scan(self._rows, start, stop, limit=limit, reverse=reverse)

    def close(self) -> None:
        """Let go of what it holds."""
        with self._reading:
            self._rows = None


class RocksStore(_Reads):
    """A held data directory, open for writing. ``close`` gives up RocksDB; the directory is the caller's."""

    def __init__(
        self,
        directory: DataDirectory,
        *,
        durability: Durability = Durability.FSYNC,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        if durability is Durability.MEMORY:
            raise ValueError("RocksDB keeps what it is given; for durability 'memory' take the MemoryStore")
        self.durability: Durability = durability
        self._directory = directory
        self._reserve_bytes = reserve_bytes
        self._db: Rdict | None = self._open()
        self._inode = directory.path.stat().st_ino
        self._pid = os.getpid()
        self._failure: JournalError | None = None
        self._room_checked_at = -_ROOM_CHECK_SECONDS
        self._has_room = True
        self._marked_at = time.monotonic()
        self._jobs: queue.SimpleQueue[_Job | _Look | None] = queue.SimpleQueue()
        self._views: weakref.WeakSet[RocksView] = weakref.WeakSet()
        self._thread = self._start_committer()

    # Writing: one thread.

    async def commit(self, batch: Batch) -> None:
        self._refuse_if_failed()
        if os.getpid() != self._pid:
            raise Unavailable("this process was forked from the one that opened the store; open it anew after a spawn")
        if self.durability is Durability.OS:
            await trio.lowlevel.checkpoint_if_cancelled()
            self._write_now(batch)
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self._jobs.put(_Job(batch, trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()))
        # Not cancellable: what is on its way to the disk arrives there, and somebody must hear of it.
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)

    async def view(self) -> RocksView:
        """The store as of now: every batch whose ``commit`` has returned, and none that could still be lost.

        While a flush is under way it waits for that. After a failed write it shows what was written.
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

    def has_room(self) -> bool:
        """Whether new work should be taken: whether the disk has more than the reserve left."""
        now = time.monotonic()
        if now - self._room_checked_at >= _ROOM_CHECK_SECONDS:
            self._room_checked_at = now
            self._has_room = shutil.disk_usage(self._directory.rocks).free > self._reserve_bytes
        return self._has_room

    async def recover(self) -> None:
        if self._failure is None:
            return
        await trio.lowlevel.checkpoint()
        if not isinstance(self._failure, DiskFull):
            raise self._failure
        needed = self._log_bytes() + _REOPEN_MARGIN_BYTES
        free = shutil.disk_usage(self._directory.rocks).free
        if free < needed:
            raise DiskFull(
                f"{self._directory.path}: {free} bytes are free, {needed} are needed to open the store again"
            )
        self._stop_committer()
        self._close_handle()
        try:
            self._db = self._open()
        except JournalError as error:
            raise DiskFull(f"{self._directory.path}: cannot be opened again yet: {error}") from error
        self._failure = None
        self._thread = self._start_committer()
        log.info("%s: there is room again, the store takes writes", self._directory.path)

    def close(self) -> None:
        self._stop_committer()
        sequence = self._db.latest_sequence_number() if self._db is not None and self._failure is None else None
        self._close_handle()
        if sequence is not None:
            self._directory.write_mark(sequence)

    # Inside.

    def _handle(self) -> Rdict:
        if self._db is None:
            raise Unavailable(f"{self._directory.path}: the store is closed")
        return self._db

    def _pin(self) -> RocksView:
        view = RocksView(self._handle().iter(ReadOptions()))
        self._views.add(view)
        return view

    def _open(self) -> Rdict:
        self._check_before_opening()
        options = _options()
        options.create_if_missing(not (self._directory.rocks / "CURRENT").exists())
        try:
            return Rdict(str(self._directory.rocks), options, column_families={"default": options})
        except Exception as error:
            raise StoreDamaged(self._directory.path, f"RocksDB refuses to open it: {error}") from error

    def _check_before_opening(self) -> None:
        """Hold what can be read against the mark, before anything may delete what it cannot read."""
        mark = self._directory.read_mark()
        rocks = self._directory.rocks
        if not (rocks / "CURRENT").exists():
            if mark == 0 and not any(rocks.glob("*.sst")):
                return
            raise StoreDamaged(
                self._directory.path,
                "RocksDB's file CURRENT is missing. Nothing was changed: restore the directory from a backup",
            )
        try:
            reader = Rdict(str(rocks), _options(), access_type=AccessType.read_only(False))
            reached = reader.latest_sequence_number()
            reader.close()
        except Exception as error:
            raise StoreDamaged(
                self._directory.path,
                f"RocksDB cannot read it: {error}. Nothing was changed: restore the directory from a backup",
            ) from error
        if reached < mark:
            raise StoreDamaged(
                self._directory.path,
                f"files are missing or cut: the store ends at {reached}, and {mark} was on disk before. "
                "Nothing was changed: restore the directory from a backup",
            )

    def _start_committer(self) -> threading.Thread:
        thread = threading.Thread(target=self._run_committer, name="journal-committer", daemon=True)
        thread.start()
        return thread

    def _stop_committer(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _close_handle(self) -> None:
        db, self._db = self._db, None
        if db is None:
            return
        for view in list(self._views):
            view.close()
        try:
            db.close()
        except Exception as error:
            if self._failure is None:
                raise StoreFailed(f"{self._directory.path}: closing failed: {error}") from error
            log.warning("%s: closing the failed store: %s", self._directory.path, error)

    def _run_committer(self) -> None:
        is_last = False
        while not is_last:
            jobs: list[_Job] = []
            item = self._jobs.get()
            while item is not None:
                if isinstance(item, _Look):
                    item.answer()  # all that was written so far has been flushed
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
                db.write(_write_batch(job.batch))
            reached = db.latest_sequence_number()
            db.flush_wal(True)
            self._look_after_directory(reached)
        except Exception as error:
            raise self._fail(error) from error

    def _write_now(self, batch: Batch) -> None:
        try:
            self._handle().write(_write_batch(batch))
        except Exception as error:
            raise self._fail(error) from error

    def _look_after_directory(self, reached: int) -> None:
        now = time.monotonic()
        if now - self._marked_at < _MARK_SECONDS:
            return
        self._marked_at = now
        if self._directory.path.stat().st_ino != self._inode:
            raise OSError(f"{self._directory.path} is another directory now")
        self._directory.write_mark(reached)

    def _fail(self, error: Exception) -> InDoubt:
        text = str(error)
        where = self._directory.path
        if "No space left" in text or "Errno 28" in text:
            self._failure = DiskFull(f"{where}: the disk is full; writes are taken again when there is room")
        else:
            self._failure = StoreFailed(
                f"{where}: a write failed ({text}). Whether it is on disk is unknown, and no later write can be trusted: "
                "stop this process, look at the disk, start again"
            )
        log.error("%s", self._failure)
        return InDoubt(f"{where}: a write failed ({text}); whether it was kept shows when the store is opened again")

    def _refuse_if_failed(self) -> None:
        failure = self._failure
        if failure is not None:
            raise type(failure)(*failure.args)

    def _log_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._directory.rocks.glob("*.log"))


class RocksReader(_Reads):
    """A data directory open for reading only, whoever else has it open. Sees what was written before it was opened."""

    def __init__(self, directory: DataDirectory) -> None:
        directory.identity()
        try:
            self._db = Rdict(str(directory.rocks), _options(), access_type=AccessType.read_only(False))
        except Exception as error:
            raise StoreDamaged(directory.path, f"RocksDB cannot read it: {error}") from error

    def _handle(self) -> Rdict:
        return self._db

    def close(self) -> None:
        """Give it up."""
        self._db.close()


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
    if isinstance(result, outcome.Value):
        return outcome.Value(None)
    assert isinstance(result, outcome.Error)
    error = result.error
    return outcome.Error(type(error)(*error.args).with_traceback(error.__traceback__))


def _write_batch(batch: Batch) -> WriteBatch:
    writes = WriteBatch(raw_mode=True)
    for start, stop in batch.cleared:
        writes.delete_range(start, stop)
    for key, value in batch.rows.items():
        if value is None:
            writes.delete(key)
        else:
            writes.put(key, value)
    return writes


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(False)
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    options.set_max_write_buffer_number(_MEMTABLES)
    options.set_max_total_wal_size(_LOG_BYTES)
    options.set_level_zero_slowdown_writes_trigger(40)
    options.set_level_zero_stop_writes_trigger(60)
    options.set_max_open_files(_OPEN_FILES)
    options.set_keep_log_file_num(5)
    options.set_max_log_file_size(4 << 20)
    options.set_compression_type(DBCompressionType.lz4())
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(_CACHE_BYTES))
    blocks.set_bloom_filter(10, False)
    options.set_block_based_table_factory(blocks)
    return options
