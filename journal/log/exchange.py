"""The state that the partitions of one journal share: their owners, their outboxes, and the followers of streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from journal import keys
from journal.errors import BrokenInvariant
from journal.log.changes import ChangeFeed
from journal.log.inbox import decode_message
from journal.log.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from journal.clock import Clock
    from journal.ids import StreamId
    from journal.kv.store import Batch
    from journal.log.committed_view import CommittedView
    from journal.log.inbox import Inbox
    from journal.log.protocol import Append, Message
    from journal.rows import StreamHead


@attrs.frozen(eq=False)
class PartitionClaim:
    """An owner's claim on a partition: its epoch, and its inbox."""

    epoch: int
    inbox: Inbox


class MessageExchange:
    """Shared by a journal and its partitions, so that neither depends on the other."""

    def __init__(self, settled: CommittedView, clock: Clock, partitions: int) -> None:
        self.settled = settled
        self.clock = clock
        self.partitions = partitions
        self.claims: dict[int, PartitionClaim] = {}
        self.changes = ChangeFeed(clock)
        self._outboxes: dict[int, Outbox] = {}
        self.followers: dict[StreamId, trio.Event] = {}
        """The events that are set at the next append to a stream."""
        self.complete: Callable[[Batch, Sequence[Append], int], None] | None = None
        """Adds to the batch of a claim what else has to be committed with these appends."""

    def post(self, batch: Batch, messages: Sequence[Message], sender: int) -> list[tuple[bytes, Message]]:
        """Write messages into a batch of partition ``sender``. Returns those that are new and have reached their
        partition with it, each with its position."""
        now = self.clock.now()
        posted = [(self.outbox(message.to % self.partitions).put(batch, message, now), message) for message in messages]
        return [(position, message) for position, message in posted if position is not None]

    def retract(self, batch: Batch, messages: Sequence[Message], sender: int) -> list[tuple[bytes, int]]:
        """Remove messages with a due time in a batch of partition ``sender``. Returns those that are removed with it:
        the position and the partition of each."""
        dropped: list[tuple[bytes, int]] = []
        for message in messages:
            if message.at is None:
                raise BrokenInvariant("a message without a due time cannot be retracted")
            partition = message.to % self.partitions
            position = keys.dated_message(partition, message.at, message.id)
            batch.rows[position] = None
            dropped.append((position, partition))
        return dropped

    def forget_outbox(self, partition: int) -> None:
        """Read the outbox again from the store before its next use."""
        self._outboxes.pop(partition, None)

    def deliver(self, position: bytes, message: Message) -> None:
        """Give a durable message to the owner of its partition, if there is one."""
        owner = self.claims.get(message.to % self.partitions)
        if owner is not None:
            owner.inbox.put(position, message)

    def withdraw(self, position: bytes, partition: int) -> None:
        """Notify the owner of the partition that the message was removed."""
        owner = self.claims.get(partition)
        if owner is None:
            return
        owner.inbox.drop(position)
        if keys.has_date(position) and (again := self.settled.get(position)) is not None:
            # It was sent again, and that commit has returned before the one that removed it.
            owner.inbox.put(position, decode_message(again))

    def announce(self, heads: Mapping[StreamId, StreamHead], rows: Iterable[bytes]) -> None:
        """Wake the followers of these streams and record the changes; ``rows`` are keys. It need not be called for streams
        without ``followers`` while no ``changes`` are kept."""
        self.changes.note(heads, rows)
        for stream in heads if self.followers else ():
            appended = self.followers.pop(stream, None)
            if appended is not None:
                appended.set()

    def appended(self, stream: StreamId) -> trio.Event:
        """Return an event that is set at the next append to the stream."""
        return self.followers.setdefault(stream, trio.Event())

    def outbox(self, partition: int) -> Outbox:
        """Return the outbox for messages to the objects of a partition."""
        outbox = self._outboxes.get(partition)
        if outbox is None:
            outbox = self._outboxes[partition] = Outbox(self.settled, partition)
        return outbox
