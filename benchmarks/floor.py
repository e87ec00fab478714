"""The floor: what the store does with the same rows when nothing of ours stands before it.

One thread writes what has come without sync, then flushes the log, and wakes those who waited; meanwhile the next batch
collects. Every client is a task that waits for its rows and then brings the next. That is the least that anything durable in
one Python process does; the figure to watch is how near the engine comes to it.
"""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import outcome
import trio
from rocksdict import DBCompressionType, Options, Rdict, WriteBatch

from benchmarks.measure import Room, Sample, Tally, Timing, drive
from journal.kv.store import Durability

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from benchmarks.first_version import Written

Rows = list[tuple[bytes, bytes]]

_MEMTABLE_BYTES = 32 << 20
_MEMTABLES = 4
_WRITTEN_TOGETHER = 500


def raw_options() -> Options:
    """Bytes as they are, with the memtables and the compression that our store has."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    options.set_max_write_buffer_number(_MEMTABLES)
    options.set_compression_type(DBCompressionType.lz4())
    return options


@contextmanager
def raw_store(path: Path) -> Iterator[Rdict]:
    """RocksDB, and nothing else."""
    options = raw_options()
    db = Rdict(str(path), options, column_families={"default": options})
    try:
        yield db
    finally:
        db.close()


@attrs.define(eq=False)
class GroupCommit:
    """Keeps rows of many tasks together. One batch is on its way while the next collects."""

    _db: Rdict
    _is_synced: bool
    _waiting: list[tuple[Rows, trio.lowlevel.Task]] = attrs.field(init=False, factory=list)
    _is_under_way: bool = attrs.field(init=False, default=False)
    _groups: queue.SimpleQueue[list[tuple[Rows, trio.lowlevel.Task]] | None] = attrs.field(
        init=False, factory=queue.SimpleQueue
    )
    _token: trio.lowlevel.TrioToken = attrs.field(init=False, factory=trio.lowlevel.current_trio_token)

    async def keep(self, rows: Rows) -> None:
        """Return when they are kept."""
        self._waiting.append((rows, trio.lowlevel.current_task()))
        if not self._is_under_way:
            self._hand_over()
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)

    def run(self) -> None:
        """The thread that writes."""
        while (group := self._groups.get()) is not None:
            write_raw(self._db, [row for rows, _ in group for row in rows])
            if self._is_synced:
                self._db.flush_wal(True)
            self._token.run_sync_soon(self._wake, group)

    def stop(self) -> None:
        """Let the thread end."""
        self._groups.put(None)

    def _hand_over(self) -> None:
        self._is_under_way = bool(self._waiting)
        if self._waiting:
            group, self._waiting = self._waiting, []
            self._groups.put(group)

    def _wake(self, group: list[tuple[Rows, trio.lowlevel.Task]]) -> None:
        for _, task in group:
            trio.lowlevel.reschedule(task, outcome.Value(None))
        if len(group) == 1 and not self._waiting:
            self._is_under_way = False
        else:  # those who were just woken have something for the next batch: they come first
            self._token.run_sync_soon(self._token.run_sync_soon, self._hand_over)


@contextmanager
def group_commit(room: Room) -> Iterator[GroupCommit]:
    """A committer on a store of its own."""
    with raw_store(room.path / "floor") as db:
        committer = GroupCommit(db, room.durability is Durability.FSYNC)
        thread = threading.Thread(target=committer.run, daemon=True)
        thread.start()
        try:
            yield committer
        finally:
            committer.stop()
            thread.join()


def writing_floor(
    written: Written | None, *, in_flight: int, waits: int = 1, per_operation: int = 1, in_milliseconds: bool = False
) -> Callable[[Room, Sample], Awaitable[Sample]]:
    """Keep as many rows of the same size as the first version ``written`` for each of what the sample counts; if that is None, as
    the run did. With as many in flight.

    ``waits`` is how often one operation has to wait for the disk, its rows spread evenly; ``per_operation`` says how many of
    what the sample counts one operation stands for.
    """

    async def floor(room: Room, sample: Sample) -> Sample:
        tally = sample.written if written is None else written.tally(sample.operations)
        assert tally is not None, "the floor writes what the run wrote, unless it is told what the first version did"
        operations = max(1, sample.operations // per_operation)
        kept = RowsLike(tally, operations * waits)

        with group_commit(room) as committer:

            async def one(_: int) -> None:
                for _ in range(waits):
                    await committer.keep(kept.next())

            timing = await drive(operations, in_flight, one)
        return _in_unit(timing, per_operation, in_milliseconds=in_milliseconds)

    return floor


class RowsLike:
    """Makes, in so many portions, as many rows as were counted, of the same average size."""

    def __init__(self, tally: Tally, portions: int) -> None:
        rows = max(1, tally.rows)
        self._per_portion = rows / portions
        self._key_tail = bytes(max(0, tally.key_bytes // rows - 8))
        value_bytes = tally.value_bytes // rows
        self._value = (bytes(range(256)) * (value_bytes // 256 + 1))[:value_bytes]
        self._due = 0.0
        self._made = 0

    def next(self) -> Rows:
        """The next portion."""
        self._due += self._per_portion
        return self.next_rows(max(0, round(self._due) - self._made))

    def next_rows(self, count: int) -> Rows:
        """So many more."""
        first, self._made = self._made, self._made + count
        return [(number.to_bytes(8, "big") + self._key_tail, self._value) for number in range(first, self._made)]


def _in_unit(timing: Timing, per_operation: int, *, in_milliseconds: bool) -> Sample:
    return timing.milliseconds() if in_milliseconds else timing.rate(per_operation=per_operation)


def reading_floor(
    rows: int | None = None, *, times: int = 20, rate_of: int | None = None
) -> Callable[[Room, Sample], Awaitable[Sample]]:
    """Let RocksDB's own iterator go through the rows that a run read, or ``rows`` of the size of those that it wrote.

    In milliseconds, or as a rate of ``rate_of`` things that these rows hold.
    """

    async def floor(room: Room, sample: Sample) -> Sample:
        tally = sample.written if rows is not None else sample.read
        assert tally is not None, "what the floor reads is what the run read"
        count = rows if rows is not None else tally.rows
        with raw_store(room.path / "floor") as db:
            kept = RowsLike(tally, count).next_rows(count)
            for start in range(0, count, _WRITTEN_TOGETHER):
                write_raw(db, kept[start : start + _WRITTEN_TOGETHER])

            async def read(_: int) -> None:
                await trio.lowlevel.checkpoint()
                assert sum(1 for _ in db.items()) == count

            timing = await drive(times, 1, read)
        return timing.milliseconds() if rate_of is None else timing.rate(per_operation=rate_of)

    return floor


def write_raw(db: Rdict, rows: Rows) -> None:
    """One batch, without sync."""
    batch = WriteBatch(raw_mode=True)
    for key, value in rows:
        batch.put(key, value)
    db.write(batch)
