"""Messages between partitions whose owners may be different nodes.

A commit changes one partition. So a message to another one is a row of the sender's partition first, and is then posted to the log's
post box of the receiver, from where the receiver's owner commits it to its inbox. It may be posted more than once; the receiver
recognises its id, as it does with one journal in one store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from journal import keys
from journal.log.exchange import MessageExchange
from journal.log.inbox import encode_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.clock import Clock
    from journal.kv.store import Batch
    from journal.log.committed_view import CommittedView
    from journal.log.protocol import Message


class ReplicatedExchange(MessageExchange):
    """Shared by a replicated journal and its partitions."""

    def __init__(self, settled: CommittedView, clock: Clock, partitions: int) -> None:
        super().__init__(settled, clock, partitions)
        self._last_outgoing: dict[int, int] = {}
        self._has_outgoing: dict[int, trio.Event] = {}

    def post(self, batch: Batch, messages: Sequence[Message], sender: int) -> list[tuple[bytes, Message]]:
        """Write messages into a batch of partition ``sender``: those to itself into its inbox, the others into the rows that
        are posted. Returns those that are new, each with its position."""
        own = [message for message in messages if message.to % self.partitions == sender]
        posted = super().post(batch, own, sender)
        for message in messages:
            if message.to % self.partitions != sender:
                position = keys.outgoing(sender, self._next_outgoing(sender))
                batch.rows[position] = encode_message(message)
                posted.append((position, message))
        return posted

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
        self._last_outgoing.pop(partition, None)

    def outgoing_arrives(self, partition: int) -> trio.Event:
        """Return an event that is set by the next commit with a message of the partition to another one."""
        self._has_outgoing[partition] = trio.Event()
        return self._has_outgoing[partition]

    def _next_outgoing(self, partition: int) -> int:
        last = self._last_outgoing.get(partition)
        if last is None:
            prefix = keys.outgoing_prefix(partition)
            found = self.settled.scan(prefix, keys.after_prefix(prefix), limit=1, reverse=True)
            last = keys.number_of_outgoing(found[0][0]) if found else 0
        self._last_outgoing[partition] = last + 1
        return last + 1
