"""The journal over a store: streams, snapshots, messages and rows as keys of one sorted map.

The same code serves the disk and the dictionary. All partitions share the store, so a commit is one batch of it, and several
partitions share a flush. Readers see only settled commits (``committed_view``).
"""

from __future__ import annotations

import secrets
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn

import trio

from journal import keys
from journal.clock import Clock, SystemClock
from journal.ids import StreamId
from journal.kv.store import SCAN_PAGE, Batch, scan_all
from journal.log.committed_view import CommittedView
from journal.log.exchange import MessageExchange
from journal.log.partition import KvPartition
from journal.log.streams import damage_context, load_stream, read_events, read_head
from journal.rows import StreamHead, decode_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from journal.events import Recorded
    from journal.kv.data_directory import HeldDirectory
    from journal.kv.store import Durability, Readable, Store, Trouble
    from journal.log.protocol import Message
    from journal.rows import Backlog
    from journal.stored_stream import StoredStream

_READ_TOGETHER = 512


class KvJournal:
    """A journal whose partitions are all in one store of this process."""

    def __init__(
        self,
        store: Store,
        *,
        partitions: int = 1,
        clock: Clock | None = None,
        secret: str | None = None,
        directory: HeldDirectory | None = None,
        backlog: Backlog | None = None,
    ) -> None:
        """Create the journal. ``secret`` is :attr:`journal.log.protocol.Journal.secret`, made new by default;
        ``directory`` is the directory of the store, if it has one; ``backlog`` is the unfinished work of a copy."""
        self.partitions = partitions
        self.secret = secrets.token_hex() if secret is None else secret
        self.durability: Durability = store.durability
        self.directory = directory
        self.backlog = backlog
        self.clock: Clock = clock if clock is not None else SystemClock()
        self._store = store
        self.has_room = store.has_room
        self._settled = CommittedView(store)
        self.exchange = self.make_exchange()
        self._claimed: dict[int, KvPartition] = {}
        self.changes = self.exchange.changes

    def troubles(self) -> Sequence[Trouble]:
        """Return the current problems of the store."""
        return self._store.troubles()

    @asynccontextmanager
    async def claim(self, partition: int, owner: str) -> AsyncIterator[KvPartition]:
        """Own the partition for the block; earlier owners are fenced. ``owner`` is a name for error messages."""
        self.check_number(partition)
        await self._store.recover()
        self.look_again()
        claimed = await self.begin_claim(partition)
        try:
            yield claimed
        finally:
            self.end_claim(claimed)

    async def send(self, message: Message) -> None:
        """Send a message to the object's partition; returns when it is durable."""
        batch = Batch()
        posted = self.exchange.post(batch, (message,), message.to % self.partitions)

        def on_settled() -> None:
            for position, message in posted:
                self.exchange.deliver(position, message)

        # A repeated message may still be on its way to the disk: an empty batch arrives after it.
        await self._settled.commit(batch, on_settled)

    def read(self, stream: StreamId, after: int = 0) -> AsyncIterator[Recorded]:
        """Return the stored events of the stream with numbers above ``after``. Raises ``Damaged``."""
        return _Reading(self, stream, after, follow=False)

    def follow(self, stream: StreamId, after: int = 0) -> AsyncIterator[Recorded]:
        """Return the stored events of the stream with numbers above ``after``, then new events as they become durable,
        until the stream is removed. Raises ``Damaged``."""
        return _Reading(self, stream, after, follow=True)

    def appended(self, stream: StreamId) -> trio.Event:
        """Return an event that is set by the next commit that has an append for the object, with events or without."""
        return self.exchange.appended(stream)

    def heads(self, partition: int) -> AsyncIterator[tuple[StreamId, int]]:
        """Iterate over the streams of the partition, each with the number of its last event. Raises ``Damaged`` and
        ``CorruptRecord``."""
        return _Heads(self._settled, partition)

    def get(self, key: bytes) -> bytes | None:
        """Return the row's value as of the commits that have returned, or None. Raises ``CorruptRecord``."""
        return self._settled.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return what :meth:`get` does for each of the keys, with one read. Raises ``CorruptRecord``."""
        return self._settled.get_many(keys)

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` rows in ``[start, stop)``, in order, or from the end if ``reverse``. Raises
        ``CorruptRecord``."""
        return self._settled.scan(start, stop, limit=limit, reverse=reverse)

    async def load(self, stream: StreamId) -> StoredStream | None:
        """Return the stored stream of the object as of the commits that have returned; None if there is none. Raises
        ``Damaged``."""
        partition = stream % self.partitions
        async with self.view() as rows:
            return load_stream(rows, partition, stream, read_head(rows, partition, stream))

    @asynccontextmanager
    async def view(self) -> AsyncIterator[Readable]:
        """Give the block a view of all rows as of one moment."""
        view = await self._store.view()
        try:
            yield view
        finally:
            view.close()

    async def failed(self) -> NoReturn:
        """Wait until no later write can be trusted, and raise ``StoreFailed``."""
        await self._store.failed()

    async def copy_to(self, path: Path) -> None:
        """Make a backup of every commit that has returned. Raises ``StoreError`` and ``Unavailable``."""
        await self._store.copy_to(path, made_at=self.clock.now())

    # For journals whose partitions are on several nodes.

    def make_exchange(self) -> MessageExchange:
        """Return the exchange that the partitions share."""
        return MessageExchange(self._settled, self.clock, self.partitions)

    def check_number(self, partition: int) -> None:
        """Raise ``ValueError`` unless there is such a partition."""
        if not 0 <= partition < self.partitions:
            raise ValueError(f"partition is {partition}, expected a number from 0 to {self.partitions - 1}")

    def look_again(self) -> None:
        """Show the commits in doubt that the store has kept, after it has recovered."""
        if self._settled.resolve_in_doubt():
            for owned in self._claimed.values():
                owned.look_again()

    async def begin_claim(self, partition: int) -> KvPartition:
        """Commit a claim and return it."""
        outbox = self.exchange.outbox(partition)
        outbox.state.epoch += 1
        claimed = self._claimed[partition] = KvPartition(self.exchange, partition, outbox.state.epoch)
        batch = Batch()
        outbox.write_state(batch)
        try:
            await self._settled.commit(batch, on_settled=lambda: None)
        except BaseException:
            self.end_claim(claimed)
            raise
        return claimed

    def end_claim(self, claimed: KvPartition) -> bool:
        """Give up a claim. Returns False if another claim of this journal has superseded it."""
        if self._claimed.get(claimed.number) is not claimed:
            return False
        del self._claimed[claimed.number]
        del self.exchange.claims[claimed.number]
        claimed.inbox.close()
        return True

    # For the iterators.

    def read_page(self, stream: StreamId, after: int) -> list[Recorded]:
        """Return the next events after number ``after``; empty if there are none. Raises ``Damaged``."""
        partition = stream % self.partitions
        head = read_head(self._settled, partition, stream)
        first = max(after, head.trimmed, self._cut_under_way(partition, stream, head)) + 1
        return read_events(self._settled, partition, stream, first, min(head.last, first + _READ_TOGETHER - 1))

    def last_of(self, stream: StreamId) -> int:
        """Return the number of the last settled event; 0 if there is none. Raises ``Damaged``."""
        return read_head(self._settled, stream % self.partitions, stream).last

    def _cut_under_way(self, partition: int, stream: StreamId, head: StreamHead) -> int:
        """Return the number of the event up to which a commit in progress may have cleared the records; 0 if there is
        none."""
        key = keys.head(partition, stream)
        if not self._settled.is_pending(key):
            return 0
        coming = self._settled.pending_value(key)
        return head.last if coming is None else decode_row(StreamHead, coming).trimmed


class _Reading:
    """An iterator over a stream. It is a class, because a generator that is not exhausted must be closed."""

    def __init__(self, journal: KvJournal, stream: StreamId, after: int, *, follow: bool) -> None:
        self._journal = journal
        self._stream = stream
        self._after = after
        self._follow = follow
        self._page: deque[Recorded] = deque()

    def __aiter__(self) -> _Reading:
        return self

    async def __anext__(self) -> Recorded:
        await trio.lowlevel.checkpoint()
        while not self._page:
            appended = self._journal.exchange.appended(self._stream) if self._follow else None
            self._page.extend(self._journal.read_page(self._stream, self._after))
            if not self._page:
                if appended is None or self._journal.last_of(self._stream) < self._after:
                    raise StopAsyncIteration  # it was read to its end, or has been removed
                await appended.wait()
        self._after = self._page[0].number
        return self._page.popleft()


class _Heads:
    """The heads of a partition, each as of the moment when it is reached."""

    def __init__(self, settled: CommittedView, partition: int) -> None:
        prefix = keys.heads(partition)
        self._rows = scan_all(settled, prefix, keys.after_prefix(prefix))

    def __aiter__(self) -> _Heads:
        return self

    async def __anext__(self) -> tuple[StreamId, int]:
        await trio.lowlevel.checkpoint()
        row = next(self._rows, None)
        if row is None:
            raise StopAsyncIteration
        key, value = row
        stream = StreamId(keys.stream_of_head(key))
        with damage_context(stream, 0, "the head"):
            return stream, decode_row(StreamHead, value).last
