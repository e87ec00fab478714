"""What the partitions of one journal have in common: who owns which, where letters are put, and who follows a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from journal import keys
from journal.log.changes import ChangeFeed
from journal.log.inbox import decode_letter
from journal.log.outbox import Postbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from journal.clock import Clock
    from journal.ids import StreamId
    from journal.kv.store import Batch
    from journal.log.committed_view import Settled
    from journal.log.inbox import Mailbox
    from journal.log.protocol import Letter
    from journal.rows import StreamHead


@attrs.frozen(eq=False)
class PartitionClaim:
    """That a partition has an owner: its epoch, and the mailbox that it reads."""

    epoch: int
    mailbox: Mailbox


class LetterExchange:
    """Shared by a journal and its partitions, so that neither needs to know the other."""

    def __init__(self, settled: Settled, clock: Clock, partitions: int) -> None:
        self.settled = settled
        self.clock = clock
        self.partitions = partitions
        self.claims: dict[int, PartitionClaim] = {}
        self.changes = ChangeFeed(clock)
        self._postboxes: dict[int, Postbox] = {}
        self._followers: dict[StreamId, trio.Event] = {}

    def post(self, batch: Batch, letters: Sequence[Letter]) -> list[tuple[bytes, Letter]]:
        """Write letters into a batch; those that have not come before, with their positions."""
        now = self.clock.now()
        posted = [(self.postbox(letter.to % self.partitions).put(batch, letter, now), letter) for letter in letters]
        return [(position, letter) for position, letter in posted if position is not None]

    def deliver(self, position: bytes, letter: Letter) -> None:
        """A letter was kept: tell the owner of its partition."""
        owner = self.claims.get(letter.to % self.partitions)
        if owner is not None:
            owner.mailbox.put(position, letter)

    def withdraw(self, position: bytes, partition: int) -> None:
        """A letter was removed: tell the owner of its partition."""
        owner = self.claims.get(partition)
        if owner is None:
            return
        owner.mailbox.drop(position)
        if keys.has_date(position) and (again := self.settled.get(position)) is not None:
            # It was sent again, and that commit has returned before the one that removed it.
            owner.mailbox.put(position, decode_letter(again))

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

    def postbox(self, partition: int) -> Postbox:
        """Where letters to the objects of a partition are written."""
        postbox = self._postboxes.get(partition)
        if postbox is None:
            postbox = self._postboxes[partition] = Postbox(self.settled, partition)
        return postbox
