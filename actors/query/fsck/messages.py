"""Checks the messages between objects: each has a sender, and each awaited answer can still arrive.

Messages without a date travel between partitions; within a partition, a cause and its effects are on disk together. A message
with a date is a timer, which belongs to its object, or a postponed message. A message is not checked if its sender may have been
purged since, or if its object cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core import commands as c
from actors.rows.timers import is_postponed
from journal import invocation_keys, keys
from journal.errors import CorruptRecord
from journal.ids import InvocationId, StepId, StreamId, stream_of_invocation
from journal.kv.store import scan_all
from journal.log.inbox import decode_message
from journal.log.outbox import first_came_at
from journal.log.streams import read_events, read_head
from journal.rows import InvocationRow, PartitionState, decode_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from actors.core.commands import Command
    from journal.kv.store import Readable
    from journal.log.protocol import Message


@attrs.frozen
class Awaited:
    """An invocation that waits at a step for the outcome of another invocation."""

    by: InvocationId
    step: StepId
    of: InvocationId


@attrs.define(eq=False)
class MessageCheck:
    """Checks the messages of all partitions. ``unread`` are the streams that cannot be read."""

    rows: Readable
    partitions: int
    unread: Collection[int]
    _asked: set[InvocationId] = attrs.field(factory=set)
    _answered: set[tuple[InvocationId, StepId]] = attrs.field(factory=set)

    def wrongs(self, awaited: Iterable[Awaited]) -> Iterator[tuple[str, str]]:
        """Yield each problem as its place and its description."""
        for partition in range(self.partitions):
            yield from self._wrongs_of_messages(partition)
            yield from self._wrongs_of_postponed(partition)
        for wait in awaited:
            if not self._may_be_answered(wait):
                what = f"it waits at step {wait.step} for {wait.of}, which is not open, and no answer is on its way"
                yield f"invocation {wait.by}", what

    def _wrongs_of_messages(self, partition: int) -> Iterator[tuple[str, str]]:
        prefix = keys.messages(partition)
        data = self.rows.get(keys.partition_state(partition))
        next_arrival = 1 if data is None else decode_row(PartitionState, data).next_arrival
        for key, data in scan_all(self.rows, prefix, keys.after_prefix(prefix)):
            arrival = keys.arrival_of_message(key)
            where = f"message {arrival} in partition {partition}"
            if arrival >= next_arrival:
                yield where, f"the next message would overwrite it: it gets number {next_arrival}"
            yield from ((where, what) for what in self._wrongs_of_message(partition, data))

    def _wrongs_of_postponed(self, partition: int) -> Iterator[tuple[str, str]]:
        prefix = keys.dated_messages(partition)
        for key, data in scan_all(self.rows, prefix, keys.after_prefix(prefix)):
            message_id = keys.id_of_dated_message(key)
            if is_postponed(message_id):
                where = f"message {message_id} in partition {partition}"
                yield from ((where, what) for what in self._wrongs_of_message(partition, data))

    def _wrongs_of_message(self, partition: int, data: bytes) -> Iterator[str]:
        try:
            message = decode_message(data)
            command, envelope = c.decode_command(message.data)
        except CorruptRecord as error:
            yield str(error)
            return
        if message.to % self.partitions != partition:
            yield f"it is for stream {message.to:016x}, which is in partition {message.to % self.partitions}"
        if message.to not in self.unread:
            yield from self._wrongs_of_sender(message, envelope.cause)
        self._note(command)

    def _wrongs_of_sender(self, message: Message, cause: str) -> Iterator[str]:
        stream, _, number = cause.partition("#")
        try:
            sender, event = StreamId(int(stream, 16)), int(number)
        except ValueError:
            yield f"its cause, {cause[:80]!r}, does not name an event"
            return
        if sender in self.unread:
            return
        head = read_head(self.rows, sender % self.partitions, sender)
        if 0 < head.last < event and not self._may_have_begun_anew(sender, message):
            yield f"it was sent by event {event} of stream {sender:016x}, but that stream ends at event {head.last}"

    def _may_have_begun_anew(self, sender: StreamId, message: Message) -> bool:
        """Report whether the sender may have been purged with all its events and then used again."""
        partition = sender % self.partitions
        head = read_head(self.rows, partition, sender)
        [first] = read_events(self.rows, partition, sender, head.trimmed + 1, head.trimmed + 1)
        came_at = first_came_at(self.rows, message.to % self.partitions, message.id)
        return head.trimmed == 0 and (came_at is None or came_at < first.stamp.at)

    def _note(self, command: Command) -> None:
        if isinstance(command, (c.Invoke, c.Attach)):
            self._asked.add(command.invocation_id)
        elif isinstance(command, (c.CompleteCall, c.TransferCall)):
            self._answered.add((command.invocation_id, command.step))

    def _may_be_answered(self, wait: Awaited) -> bool:
        stream = stream_of_invocation(wait.of)
        if stream in self.unread or wait.of in self._asked or (wait.by, wait.step) in self._answered:
            return True
        data = self.rows.get(invocation_keys.invocation(stream % self.partitions, wait.of))
        try:
            return data is not None and decode_row(InvocationRow, data).outcome is None
        except CorruptRecord:
            return True  # that is told of the row
