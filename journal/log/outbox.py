"""Where the letters of a partition are written, whether it has an owner or not.

There is one for each partition, shared by all who send, because a letter's number and whether it has come before depend
on letters that are still on their way to the disk.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from journal import keys
from journal.errors import CorruptRecord
from journal.log.inbox import encode_message
from journal.log.protocol import DEDUPLICATION_SECONDS, Message
from journal.rows import PartitionState, decode_row, encode_row

if TYPE_CHECKING:
    from journal.kv.store import Batch, Readable
    from journal.log.committed_view import CommittedView

_FORGOTTEN_TOGETHER = 8
_SEEN = struct.Struct(">QQ")
"""Of a letter without a date: when it came first, in microseconds, and the number that it got."""


def first_came_at(store: Readable, partition: int, message_id: str) -> float | None:
    """When a letter without a date came first, in wall seconds, as far as that is remembered."""
    seen = store.get(keys.seen(partition, message_id))
    return None if seen is None else _SEEN.unpack(seen)[0] / 1e6


class Outbox:
    """Puts letters into batches. A batch must be handed over before the next checkpoint, and before the next one begins.

    Numbers are never given twice, also if the batch is not kept; so they rise, and may leave some out.
    """

    def __init__(self, settled: CommittedView, partition: int) -> None:
        self._settled = settled
        self._partition = partition
        data = settled.get(keys.partition_state(partition))
        try:
            self.state = PartitionState() if data is None else decode_row(PartitionState, data)
        except CorruptRecord as error:
            raise CorruptRecord(f"partition {partition}: what is kept of it as a whole: {error}") from error
        self._nothing_to_forget_before = 0.0

    def write_state(self, batch: Batch) -> None:
        """Write the partition's number and counter as they are now."""
        batch.rows[keys.partition_state(self._partition)] = encode_row(self.state)

    def put(self, batch: Batch, message: Message, now: float) -> bytes | None:
        """Write a letter into the batch; its position, or None if it has come before."""
        if message.at is not None:
            position = keys.dated_message(self._partition, message.at, message.id)
            batch.rows[position] = encode_message(message)
            return position
        if now >= self._nothing_to_forget_before:
            self._forget_old_ids(batch, now)
        key = keys.seen(self._partition, message.id)
        seen = self._look_up(batch, key)
        if seen is not None and self._counts(batch, seen, now):
            return None
        position = keys.message(self._partition, self.state.next_arrival)
        batch.rows[position] = encode_message(message)
        batch.rows[key] = _SEEN.pack(keys.microseconds(now), self.state.next_arrival)
        batch.rows[keys.seen_by_time(self._partition, now, message.id)] = b""
        self.state.next_arrival += 1
        self.write_state(batch)
        return position

    def _counts(self, batch: Batch, seen: bytes, now: float) -> bool:
        """Whether a letter that has come keeps out another with its id: as long as it waits, and for a while in any case."""
        came, arrival = _SEEN.unpack(seen)
        if now < came / 1e6 + DEDUPLICATION_SECONDS:
            return True
        return self._look_up(batch, keys.message(self._partition, arrival)) is not None

    def _forget_old_ids(self, batch: Batch, now: float) -> None:
        """Forget some ids that do not count any more. One whose letter still waits is looked at again after a while."""
        prefix = keys.seen_by_time_prefix(self._partition)
        oldest = self._settled.scan(prefix, keys.after_prefix(prefix), limit=_FORGOTTEN_TOGETHER)
        for key, _ in oldest:
            if (due := keys.date_of_seen(key) + DEDUPLICATION_SECONDS) > now:
                self._nothing_to_forget_before = due
                return
            if self._look_up(batch, key) is not None:  # else a commit under way has been here
                batch.rows[key] = None
                self._forget_or_keep(batch, key, now)
        if not oldest:
            self._nothing_to_forget_before = now + DEDUPLICATION_SECONDS

    def _forget_or_keep(self, batch: Batch, by_time: bytes, now: float) -> None:
        message_id = keys.message_id_of_seen(by_time)
        key = keys.seen(self._partition, message_id)
        seen = self._look_up(batch, key)
        if seen is None:
            return
        if not self._counts(batch, seen, now):
            batch.rows[key] = None
        elif _SEEN.unpack(seen)[0] <= keys.microseconds_of_seen(by_time):
            # It has not come again since, so this was its only place in the index.
            batch.rows[keys.seen_by_time(self._partition, now, message_id)] = b""

    def _look_up(self, batch: Batch, key: bytes) -> bytes | None:
        """The value when this batch, and all before it, have been kept."""
        return batch.rows[key] if key in batch.rows else self._settled.coming(key)
