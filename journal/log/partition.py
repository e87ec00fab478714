"""A claimed partition of a journal over a store: the appends and the reads of its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal import keys
from journal.errors import BrokenInvariant, Conflict, Fenced
from journal.kv.store import Batch
from journal.log.exchange import PartitionClaim
from journal.log.inbox import Inbox
from journal.log.protocol import Append, Due, Message
from journal.log.streams import (
    NO_STREAM,
    clear_stream,
    head_of,
    load_stream,
    read_events,
    read_head_and_row,
    read_lived,
    read_snapshot,
    redact_events,
    trim,
)
from journal.rows import StreamHead, encode_row
from journal.stored_stream import StoredStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from journal.events import Recorded
    from journal.fused import Lived
    from journal.ids import StreamId
    from journal.log.exchange import MessageExchange

_KNOWN_HEADS = 65_536


class KvPartition:
    """A claimed partition of a :class:`journal.log.kv_journal.KvJournal`."""

    def __init__(self, exchange: MessageExchange, number: int, epoch: int) -> None:
        """Make the claim, which is valid from here on and fences an earlier claim of the partition."""
        self.number = number
        self.epoch = epoch
        self.inbox = Inbox(exchange.settled, exchange.clock, number)
        self._exchange = exchange
        self._settled = exchange.settled
        if (earlier := exchange.claims.get(number)) is not None:
            earlier.inbox.close()
        self._claim = exchange.claims[number] = PartitionClaim(epoch, self.inbox)
        # Each with its row, so that a commit need not read the row that it replaces.
        self._heads: dict[StreamId, tuple[StreamHead, bytes | None]] = {}

    async def commit(
        self,
        appends: Sequence[Append],
        messages: Sequence[Message] = (),
        retracted: Sequence[Message] = (),
    ) -> None:
        """Apply all appends or none, and return when they are durable. A stream has at most one append per commit, and
        at most one commit at a time."""
        self.check_claim()
        batch = Batch()
        heads: dict[StreamId, tuple[StreamHead, bytes | None]] = {}
        for append in appends:
            heads[append.stream] = self._write_append(batch, append)
        if not (len(heads) == len(appends)):
            raise BrokenInvariant("the commit has two appends for one object")
        posted = self._exchange.post(batch, messages, self.number) if messages else []
        dropped = self._exchange.retract(batch, retracted, self.number) if retracted else []
        if (complete := self._exchange.complete) is not None:
            complete(batch, appends, self.number)

        def on_settled() -> None:
            self._remember_heads(heads)
            for append in appends:
                for position in append.consumed:
                    self._exchange.withdraw(position, self.number)
            for position, message in posted:
                self._exchange.deliver(position, message)
            for position, partition in dropped:
                self._exchange.withdraw(position, partition)
            exchange = self._exchange
            if exchange.changes.is_kept or not exchange.followers.keys().isdisjoint(heads):
                exchange.announce({stream: head for stream, (head, _) in heads.items()}, batch.rows)

        try:
            await self._settled.commit(batch, on_settled)
        except BaseException:
            self._heads.clear()
            raise

    def messages(self) -> AsyncIterator[Sequence[Due]]:
        """Iterate over the inbox: due messages in order, each once for this claim; waits for more."""
        return _Messages(self)

    def check_claim(self) -> None:
        """Raise ``Fenced`` unless this claim is the latest."""
        current = self._exchange.claims.get(self.number)
        if current is not self._claim:
            raise Fenced(self.number, self.epoch, current.epoch if current is not None else self.epoch)

    def head(self, stream: StreamId) -> StreamHead:
        """Return the end of the stored stream of the object; an empty one if there is none. Raises ``Damaged``."""
        return self._head(stream)[0]

    def heads_of(self, streams: Sequence[StreamId]) -> list[StreamHead]:
        """Return what :meth:`head` does for each of these objects, with one read. Raises ``CorruptRecord`` if one of them is damaged."""
        known, number = self._heads, self.number
        unknown = [stream for stream in streams if stream not in known]
        found = {stream: known[stream] for stream in streams if stream in known}
        if unknown:
            rows = self._settled.get_many([keys.head(number, stream) for stream in unknown])
            read = {stream: (head_of(row), row) for stream, row in zip(unknown, rows, strict=True)}
            self._remember_heads(read)
            found |= read
        return [found[stream][0] for stream in streams]

    async def load(self, stream: StreamId) -> StoredStream | None:
        """Return the stored stream of the object, or None if there is none. Raises ``Damaged``."""
        return load_stream(self._settled, self.number, stream, self._head(stream)[0])

    async def snapshot(self, stream: StreamId, at: int) -> tuple[int, bytes] | None:
        """Return the latest stored snapshot of the object as of event ``at`` or before, with the number of its event."""
        return read_snapshot(self._settled, self.number, stream, at)

    async def history(self, stream: StreamId, spans: Sequence[tuple[int, int]]) -> list[Recorded]:
        """Return the events with numbers in these ranges, both ends included, in order. Raises ``Damaged``."""
        return [
            recorded
            for first, last in spans
            for recorded in read_events(self._settled, self.number, stream, first, last)
        ]

    async def lived(self, stream: StreamId, spans: Sequence[tuple[int, int]]) -> list[Lived]:
        """Return the same as :meth:`history`, as a replay reads it: turns after waits are left as they are, and whole."""
        return [lived for first, last in spans for lived in read_lived(self._settled, self.number, stream, first, last)]

    def look_again(self) -> None:
        """Read again after a commit in doubt: the stored data may differ from the reported data."""
        self._heads.clear()
        self.inbox.read_again()

    def _write_append(self, batch: Batch, append: Append) -> tuple[StreamHead, bytes | None]:
        number, stream = self.number, append.stream
        head, row = self._heads.get(stream) or self._read_head(stream)
        if head.last != append.expected:
            raise Conflict(stream, append.expected, head.last)
        events, rows, known = append.events, batch.rows, batch.known
        if append.remove:
            clear_stream(batch, number, stream)
            kept: tuple[StreamHead, bytes | None] = (NO_STREAM, None)
        elif append.snapshot is not None or append.erased or append.trim_to > head.trimmed:
            kept = self._extend(batch, append, head, row)
        elif events.count:
            record, key = keys.record(number, stream, head.last + 1), keys.head(number, stream)
            rows[record] = b"".join(events.frames)
            known[record], known[key] = None, row
            head = StreamHead(head.last + events.count, head.snapshot, head.trimmed)
            row = rows[key] = encode_row(head)
            kept = head, row
        else:
            kept = head, row
        if append.rows:
            rows.update(append.rows)
            known.update(dict.fromkeys(append.new))
            known.update(append.known)
        for position in append.consumed:
            rows[position] = None
        return kept

    def _extend(
        self, batch: Batch, append: Append, head: StreamHead, row: bytes | None
    ) -> tuple[StreamHead, bytes | None]:
        """Write the events, and the changes of earlier rows."""
        number, stream, events = self.number, append.stream, append.events
        last = head.last + events.count
        snapshot, trimmed = head.snapshot, head.trimmed
        record, key = keys.record(number, stream, head.last + 1), keys.head(number, stream)
        if events.count:
            batch.rows[record] = events.encoded()
            batch.known[record] = None
        if append.snapshot is not None:
            batch.rows[keys.snapshot(number, stream, last)] = append.snapshot
            snapshot = last
        if append.trim_to > trimmed:
            if not (append.trim_to <= snapshot):
                raise BrokenInvariant(
                    f"events up to {append.trim_to} cannot be trimmed: the last snapshot is as of event {snapshot}"
                )
            trimmed = trim(self._settled, batch, number, stream, append.trim_to, head.last)
        # A batch clears before it writes: trimmed records must not be written again.
        if append.erased:
            redact_events(self._settled, batch, number, stream, (n for n in append.erased if n > trimmed))
        head = StreamHead(last=last, snapshot=snapshot, trimmed=trimmed)
        batch.known[key] = row
        row = batch.rows[key] = encode_row(head)
        return head, row

    def _head(self, stream: StreamId) -> tuple[StreamHead, bytes | None]:
        return self._heads.get(stream) or self._read_head(stream)

    def _read_head(self, stream: StreamId) -> tuple[StreamHead, bytes | None]:
        head = read_head_and_row(self._settled, self.number, stream)
        self._remember_heads({stream: head})
        return head

    def _remember_heads(self, heads: dict[StreamId, tuple[StreamHead, bytes | None]]) -> None:
        if len(self._heads) + len(heads) > _KNOWN_HEADS:
            self._heads.clear()
        self._heads.update(heads)


class _Messages:
    """An iterator over the inbox that raises ``Fenced`` once the claim is no longer valid."""

    def __init__(self, partition: KvPartition) -> None:
        self._partition = partition

    def __aiter__(self) -> _Messages:
        return self

    async def __anext__(self) -> Sequence[Due]:
        due = await self._partition.inbox.next_due()
        self._partition.check_claim()
        return due
