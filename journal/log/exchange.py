"""What the partitions of one journal have in common: who owns which, where letters are put, and who follows a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from journal import keys
from journal.log.changes import ChangeFeed
from journal.log.inbox import decode_message
from journal.log.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from journal.clock import Clock
    from journal.ids import StreamId
    from journal.kv.store import Batch
    from journal.log.committed_view import CommittedView
    from journal.log.inbox import Inbox
    from journal.log.protocol import Message
    from journal.rows import StreamHead


@attrs.frozen(eq=False)
class PartitionClaim:
    """That a partition has an owner: its epoch, and the mailbox that it reads."""

    epoch: int
    mailbox: Inbox


class MessageExchange:
    """Shared by a journal and its partitions, so that neither needs to know the other."""

    def __init__(self, settled: CommittedView, clock: Clock, partitions: int) -> None:
        self.settled = settled
        self.clock = clock
        self.partitions = partitions
        self.claims: dict[int, PartitionClaim] = {}
        self.changes = ChangeFeed(clock)
        self._postboxes: dict[int, Outbox] = {}
        self._followers: dict[StreamId, trio.Event] = {}

    def post(self, batch: Batch, messages: Sequence[Message]) -> list[tuple[bytes, Message]]:
        """Write letters into a batch; those that have not come before, with their positions."""
        now = self.clock.now()
        posted = [
            (self.postbox(message.to % self.partitions).put(batch, message, now), message) for message in messages
        ]
        return [(position, message) for position, message in posted if position is not None]

    def deliver(self, position: bytes, message: Message) -> None:
        """A letter was kept: tell the owner of its partition."""
        owner = self.claims.get(message.to % self.partitions)
        if owner is not None:
            owner.mailbox.put(position, message)

    def withdraw(self, position: bytes, partition: int) -> None:
        """A letter was removed: tell the owner of its partition."""
        owner = self.claims.get(partition)
        if owner is None:
            return
        owner.mailbox.drop(position)
        if keys.has_date(position) and (again := self.settled.get(position)) is not None:
            # It was sent again, and that commit has returned before the one that removed it.
            owner.mailbox.put(position, decode_message(again))

    def announce(self, heads: Mapping[StreamId, StreamHead], rows: Iterable[bytes]) -> None:
        """Wake the followers of these streams, and note what has changed; ``rows`` are keys."""
        self.changes.note(heads, rows)
        if self._followers:
            for stream in heads:
                appended = self._followers.pop(stream, None)
                if appended is not None:
                    appended.set()

    def appended(self, stream: StreamId) -> trio.Event:
        """Set at the next append to the stream."""
        return self._followers.setdefault(stream, trio.Event())

    def postbox(self, partition: int) -> Outbox:
        """Where letters to the objects of a partition are written."""
        postbox = self._postboxes.get(partition)
        if postbox is None:
            postbox = self._postboxes[partition] = Outbox(self.settled, partition)
        return postbox
