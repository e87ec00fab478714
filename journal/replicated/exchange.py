"""Messages between partitions whose owners may be different nodes.

A commit changes one partition. So a message to another one is a row of the sender's partition first. Its owner hands it over to the
receiver's owner, which decides it as if it were in its inbox; the row is removed with a later commit of the sender. ::

    sender     [ call + row ]                        [ answer taken in, row removed ]
                     └── handed over ──┐                      ┌──┘
    receiver                      [ decided + row of the answer ]

If the receiver has no owner that can be reached, the message is posted to the log's post box, from where the next owner commits it to
its inbox.

Invariant: a message is taken once, however often and however much later it is sent again. Its number among those of the sender's
partition is never given to another one, and the receiver records it with the commit that takes it. It forgets the number once the
sender has said that lower ones are not sent again, and then refuses every lower one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from journal import keys
from journal.kv.store import Batch
from journal.log.exchange import MessageExchange
from journal.log.inbox import encode_message
from journal.log.protocol import SentMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from journal.clock import Clock
    from journal.log.committed_view import CommittedView
    from journal.log.inbox import HandedOverMessage
    from journal.log.protocol import Append, Message


class ReplicatedExchange(MessageExchange):
    """Shared by a replicated journal and its partitions."""

    def __init__(self, settled: CommittedView, clock: Clock, partitions: int) -> None:
        super().__init__(settled, clock, partitions)
        self._has_outgoing: dict[int, trio.Event] = {}
        self._sent: dict[int, list[bytes]] = {}
        self.complete = self._complete

    def post(self, batch: Batch, messages: Sequence[Message], sender: int) -> list[tuple[bytes, Message]]:
        """Write messages into a batch of partition ``sender``: those to itself into its inbox, the others into the rows that
        are posted. Returns those that are new, each with its position."""
        posted: list[tuple[bytes, Message]] = []
        own: list[Message] = []
        for message in messages:
            if message.to % self.partitions != sender:
                posted.append(self._write_outgoing(batch, message, sender))
            elif (handed_over := self._handed_over(sender, message)) is None:
                own.append(message)
            elif not self.outbox(sender).has_arrived(batch, message, self.clock.now()):
                # It has been given out already, so it needs the row alone.
                self.outbox(sender).write(batch, handed_over.position, message, self.clock.now())
        return super().post(batch, own, sender) + posted

    def hand_over(self, messages: Sequence[Message]) -> list[HandedOverMessage] | None:
        """Give messages to the owner of their partition before they are durable. Returns None if they have to be in its table first:
        it has no owner here, too many wait, one has a date, or one may have arrived before."""
        partition = messages[0].to % self.partitions
        claim = self.claims.get(partition)
        if claim is None or not claim.inbox.has_room() or any(message.at is not None for message in messages):
            return None
        outbox, inbox, now = self.outbox(partition), claim.inbox, self.clock.now()
        if any(outbox.has_arrived(Batch(), message, now) for message in messages):
            return None
        return [
            inbox.handed_over.get(message.id) or inbox.hand_over(outbox.next_position(), message)
            for message in messages
        ]

    def _complete(self, batch: Batch, appends: Sequence[Append], partition: int) -> None:
        """Record the messages that were handed over and are consumed, and remove some that have been sent."""
        claim = self.claims.get(partition)
        if claim is not None and claim.inbox.handed_over:
            outbox, now = self.outbox(partition), self.clock.now()
            for handed_over in claim.inbox.handed_over_at(position for each in appends for position in each.consumed):
                outbox.remember(batch, handed_over.position, handed_over.message, now)
        if sent := self._sent.get(partition):
            batch.rows.update(dict.fromkeys(sent))
            sent.clear()

    def note_sent(self, partition: int, rows: Iterable[bytes]) -> None:
        """Have the rows of messages removed that are durable at their receivers."""
        self._sent.setdefault(partition, []).extend(rows)

    def sent(self, partition: int) -> Batch:
        """Return a batch that removes those of them that no commit has removed."""
        return Batch(rows=dict.fromkeys(self._sent.pop(partition, ())))

    def retract(self, batch: Batch, messages: Sequence[Message], sender: int) -> list[tuple[bytes, int]]:
        """Remove messages with a due time to ``sender`` itself. Those to other partitions still arrive."""
        own = [message for message in messages if message.to % self.partitions == sender]
        return super().retract(batch, own, sender)

    def deliver(self, position: bytes, message: Message) -> None:
        """Give a durable message to the owner of its partition, or have it posted."""
        if keys.is_outgoing(position):
            has_outgoing = self._has_outgoing.get(keys.partition_of(position))
            if has_outgoing is not None:
                has_outgoing.set()
        else:
            super().deliver(position, message)

    def forget_partition(self, partition: int) -> None:
        """Read the counters of a partition again from the store, because another node may have changed them."""
        self.forget_outbox(partition)
        self._sent.pop(partition, None)

    def outgoing_arrives(self, partition: int) -> trio.Event:
        """Return an event that is set by the next commit with a message of the partition to another one."""
        self._has_outgoing[partition] = trio.Event()
        return self._has_outgoing[partition]

    def _handed_over(self, partition: int, message: Message) -> HandedOverMessage | None:
        claim = self.claims.get(partition)
        return claim.inbox.handed_over.get(message.id) if claim is not None else None

    def _write_outgoing(self, batch: Batch, message: Message, sender: int) -> tuple[bytes, Message]:
        outbox = self.outbox(sender)
        number, outbox.state.next_outgoing = outbox.state.next_outgoing, outbox.state.next_outgoing + 1
        outbox.write_state(batch)
        sent = SentMessage(message.id, message.to, message.data, message.at, sender=sender, number=number)
        position = keys.outgoing(sender, number)
        batch.rows[position] = encode_message(sent)
        return position, sent
