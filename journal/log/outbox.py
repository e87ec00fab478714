"""Writes messages to a partition, whether or not it has an owner.

Every sender to a partition shares one outbox, because the number of a message, and whether it has arrived before,
depend on messages that are still being committed.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from journal import keys
from journal.errors import CorruptRecord
from journal.log.inbox import encode_message
from journal.log.protocol import DEDUPLICATION_SECONDS, Message, SentMessage
from journal.rows import PartitionState, decode_row, encode_row

if TYPE_CHECKING:
    from journal.kv.store import Batch, Readable
    from journal.log.committed_view import CommittedView

_FORGOTTEN_TOGETHER = 8
_TAKEN_TOGETHER = 64
_TAKEN_AT_MOST = 1_024
_SEEN = struct.Struct(">QQ")
"""For a message without a due time: its first arrival in microseconds, and its arrival number."""


def first_came_at(store: Readable, partition: int, message_id: str) -> float | None:
    """Return the first arrival of a message without a due time, in wall seconds; None if the message is not remembered."""
    seen = store.get(keys.seen(partition, message_id))
    return None if seen is None else _SEEN.unpack(seen)[0] / 1e6


class Outbox:
    """Adds messages to batches. Commit a batch before the next checkpoint, and before the next batch is begun.

    Numbers are never used twice, even if a batch is not kept; so they increase and may have gaps.
    """

    def __init__(self, settled: CommittedView, partition: int) -> None:
        self._settled = settled
        self._partition = partition
        data = settled.get(keys.partition_state(partition))
        try:
            self.state = PartitionState() if data is None else decode_row(PartitionState, data)
        except CorruptRecord as error:
            raise CorruptRecord(f"the state of partition {partition} cannot be read: {error}") from error
        self._nothing_to_forget_before = 0.0

    def write_state(self, batch: Batch) -> None:
        """Write the partition's epoch and counters into the batch."""
        batch.rows[keys.partition_state(self._partition)] = encode_row(self.state)

    def put(self, batch: Batch, message: Message, now: float) -> bytes | None:
        """Add a message to the batch. Returns its position, or None if it has arrived before. One with a due time that is sent again takes
        its own place again."""
        if message.at is not None:
            if isinstance(message, SentMessage):
                if self._is_taken(batch, message):
                    return None
                self._remember_number(batch, message)
            position = keys.dated_message(self._partition, message.at, message.id)
            batch.rows[position] = encode_message(message)
            return position
        if now >= self._nothing_to_forget_before:
            self._forget_old_ids(batch, now)
        if self.has_arrived(batch, message, now):
            return None
        position = self.next_position()
        self.write(batch, position, message, now)
        return position

    def has_arrived(self, batch: Batch, message: Message, now: float) -> bool:
        """Report whether a message without a date has arrived before this batch is committed, or with it."""
        if isinstance(message, SentMessage) and self._is_taken(batch, message):
            return True
        seen = self._look_up(batch, keys.seen(self._partition, message.id))
        return seen is not None and self._counts(batch, seen, now)

    def next_position(self) -> bytes:
        """Return the position of the next message without a date."""
        position = keys.message(self._partition, self.state.next_arrival)
        self.state.next_arrival += 1
        return position

    def write(self, batch: Batch, position: bytes, message: Message, now: float) -> None:
        """Add a message to the batch, at a position that :meth:`next_position` has given."""
        batch.rows[position] = encode_message(message)
        self.remember(batch, position, message, now)
        self.write_state(batch)

    def remember(self, batch: Batch, position: bytes, message: Message, now: float) -> None:
        """Add to the batch that the message has arrived."""
        batch.rows[keys.seen(self._partition, message.id)] = _SEEN.pack(
            keys.microseconds(now), keys.arrival_of_message(position)
        )
        batch.rows[keys.seen_by_time(self._partition, now, message.id)] = b""
        if isinstance(message, SentMessage):
            self._remember_number(batch, message)

    def _remember_number(self, batch: Batch, message: SentMessage) -> None:
        batch.rows[keys.taken(self._partition, message.sender, message.number)] = b""
        if message.lowest >= self._taken_to(batch, message.sender) + _TAKEN_TOGETHER:
            self._forget_taken(batch, message.sender, message.lowest)

    def _is_taken(self, batch: Batch, message: SentMessage) -> bool:
        key = keys.taken(self._partition, message.sender, message.number)
        return message.number < self._taken_to(batch, message.sender) or self._look_up(batch, key) is not None

    def _taken_to(self, batch: Batch, sender: int) -> int:
        """Return the number up to which, without it, all messages of another partition have arrived that are for this one."""
        value = self._look_up(batch, keys.taken(self._partition, sender, 0))
        return 0 if value is None else int.from_bytes(value, "big")

    def _forget_taken(self, batch: Batch, sender: int, lowest: int) -> None:
        """Record that all messages below this number have arrived, instead of each of them."""
        start, stop = (
            keys.taken(self._partition, sender, number) for number in (max(1, self._taken_to(batch, sender)), lowest)
        )
        forgotten = self._settled.scan(start, stop, limit=_TAKEN_AT_MOST)
        if len(forgotten) == _TAKEN_AT_MOST:  # the others are forgotten later
            lowest = keys.number_in_sender(forgotten[-1][0]) + 1
        batch.rows.update(dict.fromkeys(key for key, _ in forgotten))
        batch.rows[keys.taken(self._partition, sender, 0)] = lowest.to_bytes(8, "big")

    def _counts(self, batch: Batch, seen: bytes, now: float) -> bool:
        """Report whether an arrived message still blocks another with its id. It does while it waits, and in any case
        for :data:`DEDUPLICATION_SECONDS`."""
        came, arrival = _SEEN.unpack(seen)
        if now < came / 1e6 + DEDUPLICATION_SECONDS:
            return True
        return self._look_up(batch, keys.message(self._partition, arrival)) is not None

    def _forget_old_ids(self, batch: Batch, now: float) -> None:
        """Forget some ids that no longer block. An id whose message still waits is checked again later."""
        prefix = keys.seen_by_time_prefix(self._partition)
        oldest = self._settled.scan(prefix, keys.after_prefix(prefix), limit=_FORGOTTEN_TOGETHER)
        for key, _ in oldest:
            if (due := keys.date_of_seen(key) + DEDUPLICATION_SECONDS) > now:
                self._nothing_to_forget_before = due
                return
            if self._look_up(batch, key) is not None:  # otherwise a commit on its way has changed this entry
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
            # It has not arrived again since, so this was its only entry in the index.
            batch.rows[keys.seen_by_time(self._partition, now, message_id)] = b""

    def _look_up(self, batch: Batch, key: bytes) -> bytes | None:
        """Return the value of the key after this batch and all earlier ones."""
        return batch.rows[key] if key in batch.rows else self._settled.pending_value(key)
