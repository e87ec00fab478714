"""One partition on a node: the position up to which its log has been applied, and, while the node owns it, the commits to append. ::

    owner     commit ─► queue ─► entry ─► log ─► applied here ─► commit returns
    follower                              log ─► applied here

The node's store is never ahead of the log. So after a failure nothing has to be undone: the entries of the log are read again.

Invariant: whatever fails to commit ends the claim. An entry that may or may not be in the log must be read before the next one is
written, and only a new claim reads.

Prior art: state machine replication, with one entry in flight as in Raft without pipelining. Alternative refused: several entries in
flight. They would have to be withdrawn from callers in the right order after a refusal, and a group of commits in one entry gives the
same throughput.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

import attrs
import outcome
import trio

from journal import keys
from journal.errors import CorruptRecord, Fenced, InDoubt, JournalError, LogDiverged, Unavailable
from journal.kv.store import Batch
from journal.replicated.entries import (
    DIGEST_BYTES,
    START,
    Position,
    decode_batches,
    decode_entry,
    digest_of,
    encode_entries,
)
from journal.replicated.log import Superseded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from journal.kv.store import Readable, Store
    from journal.replicated.log import ReplicatedLog

_POSITION = struct.Struct(f">Q{DIGEST_BYTES}s")
_MOST_BYTES_TOGETHER = 1 << 20


@attrs.frozen(eq=False)
class _QueuedCommit:
    """A commit that is not in the log yet."""

    batch: Batch
    size: int
    task: trio.lowlevel.Task


class Replica:
    """One partition of a :class:`journal.replicated.store.ReplicatedStore`."""

    def __init__(self, local: Store, log: ReplicatedLog, partition: int) -> None:
        self.partition = partition
        self.is_owned = False
        self.epoch = 0
        """The epoch of the claim that this node has, or had last."""
        self._local = local
        self._log = log
        self._applied_key = keys.applied(partition)
        self._applied = self._read = applied_position(local, partition)
        self._parts: list[bytes] = []
        self._waiting: deque[_QueuedCommit] = deque()
        self._arrived = trio.Event()
        self._failure: JournalError | None = None
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._ended.set()

    # Reading.

    @property
    def read_to(self) -> int:
        """The number of the last entry that was read."""
        return self._read.number

    @property
    def applied_to(self) -> int:
        """The number of the last entry that was applied."""
        return self._applied.number

    async def check_log(self) -> None:
        """Raise :class:`LogDiverged` unless the log has the last entry that was read here, and ``LogTrimmed`` if it was trimmed."""
        if self._read != START:
            await check_continues(self._log, self.partition, self._read)

    async def catch_up(self, on_applied: Callable[[Batch], None]) -> None:
        """Apply the entries that other nodes have appended, and call ``on_applied`` after each batch.

        Raises :class:`LogDiverged` if the log does not continue what was applied, and ``CorruptRecord`` if it is damaged.
        """
        while found := await self._log.read(self.partition, self._read.number):
            for data in found:
                await self._take(data, on_applied)

    async def _take(self, data: bytes, on_applied: Callable[[Batch], None]) -> None:
        try:
            entry = decode_entry(data)
        except CorruptRecord as error:
            raise CorruptRecord(
                f"the log of partition {self.partition}, entry {self._read.number + 1}: {error}"
            ) from error
        if entry.position.number != self._read.number + 1:
            raise CorruptRecord(
                f"the log of partition {self.partition}: expected entry {self._read.number + 1}, found {entry.position.number}"
            )
        if entry.before != self._read.digest:
            raise LogDiverged(self.partition, self._read.number, f"entry {entry.position.number} follows another entry")
        if entry.part == 0:
            self._parts.clear()
        if entry.part != len(self._parts):
            raise CorruptRecord(
                f"the log of partition {self.partition}, entry {entry.position.number}: part {entry.part} follows "
                f"{len(self._parts)} parts"
            )
        self._parts.append(entry.body)
        self._read = entry.position
        if entry.part + 1 < entry.parts:
            return
        batches = decode_batches(b"".join(self._parts))
        self._parts.clear()
        try:
            await self._apply(batches)
        except BaseException:
            self._go_back()
            raise
        for batch in batches:
            on_applied(batch)

    def _go_back(self) -> None:
        """Read again from the last entry that was applied."""
        self._read = self._applied
        self._parts.clear()

    async def _apply(self, batches: Sequence[Batch]) -> None:
        for batch in batches[:-1]:
            await self._local.commit(batch)
        last = batches[-1]
        kept = encode_position(self._read)
        await self._local.commit(Batch(rows={**last.rows, self._applied_key: kept}, cleared=last.cleared))
        self._applied = self._read

    # Owning.

    async def commit(self, batch: Batch) -> None:
        """Append the batch, and return when it is in the log and applied here. Raises as
        :meth:`journal.kv.store.Store.commit` does, and ``Fenced`` if another node has claimed the partition."""
        if self._failure is not None or not self.is_owned:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise _copied(self._failure or Unavailable(f"partition {self.partition} is not owned by this node"))
        size = sum(len(key) + len(value or b"") for key, value in batch.rows.items())
        self._waiting.append(_QueuedCommit(batch, size, trio.lowlevel.current_task()))
        self._arrived.set()
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)

    async def own(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Catch up, then append the commits until one fails or :meth:`let_go` is called."""
        self.is_owned, self._failure = True, None
        self._ended = trio.Event()
        task_status.started()
        try:
            with self._scope:
                while self._failure is None:
                    await self._arrived.wait()
                    self._arrived = trio.Event()
                    with trio.CancelScope(shield=True):
                        while self._waiting and self._failure is None:
                            await self._append(self._next_group())
        finally:
            self.is_owned = False
            self._go_back()
            if self._failure is None:
                self._failure = Unavailable(f"partition {self.partition} is no longer owned by this node")
            self._wake([*self._waiting], self._failure)
            self._waiting.clear()
            self._scope = trio.CancelScope()
            self._ended.set()

    async def let_go(self) -> None:
        """End :meth:`own`, and return when it has ended."""
        if self.is_owned:
            self._scope.cancel()
        await self._ended.wait()

    def _next_group(self) -> list[_QueuedCommit]:
        group = [self._waiting.popleft()]
        size = group[0].size
        while self._waiting and size + self._waiting[0].size <= _MOST_BYTES_TOGETHER:
            size += self._waiting[0].size
            group.append(self._waiting.popleft())
        return group

    async def _append(self, group: list[_QueuedCommit]) -> None:
        try:
            await self._write([waiting.batch for waiting in group])
        except Superseded:
            self._failure = Fenced(self.partition, self.epoch, None)
        except JournalError as error:
            self._failure = error
        except BaseException as error:  # the callers cannot be cancelled: they must hear of it
            self._failure = InDoubt(f"the commit failed in an unexpected way: {error!r}")
            raise
        finally:
            self._wake(group, self._failure)

    async def _write(self, batches: list[Batch]) -> None:
        before = self._read
        for position, data in encode_entries(batches, before, self._log.largest):
            await self._log.append(self.partition, position.number - 1, data)
            self._read = position
        try:
            await self._apply(batches)
        except Unavailable as error:
            raise InDoubt(f"the commit is in the log, and this node could not apply it: {error}") from error

    def _wake(self, group: Sequence[_QueuedCommit], failure: JournalError | None) -> None:
        for waiting in group:
            result = outcome.Value(None) if failure is None else outcome.Error(_copied(failure))
            trio.lowlevel.reschedule(waiting.task, result)


def applied_position(rows: Readable, partition: int) -> Position:
    """Return how far the log of a partition has been applied to these rows. Raises ``CorruptRecord``."""
    kept = rows.get(keys.applied(partition))
    return START if kept is None else _position_of(kept)


def encode_position(position: Position) -> bytes:
    """Return the value of the row that says how far a log has been applied."""
    return _POSITION.pack(position.number, position.digest)


async def check_continues(log: ReplicatedLog, partition: int, position: Position) -> None:
    """Raise :class:`LogDiverged` unless the log has this entry, and ``LogTrimmed`` if the entry was trimmed."""
    found = await log.read(partition, position.number - 1)
    if not found:
        raise LogDiverged(partition, position.number, "it ends before that entry")
    if digest_of(found[0]) != position.digest:
        raise LogDiverged(partition, position.number, "it has another entry of that number")


def _position_of(kept: bytes) -> Position:
    if len(kept) != _POSITION.size:
        raise CorruptRecord(f"the position in a log has {len(kept)} bytes, expected {_POSITION.size}")
    return Position(*_POSITION.unpack(kept))


def _copied(error: JournalError) -> JournalError:
    """Return an error like this one, for one of several tasks that it is raised in."""
    made = error.__class__.__new__(error.__class__)
    made.args, made.__dict__ = error.args, dict(error.__dict__)
    made.__cause__ = error
    return made
