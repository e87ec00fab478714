"""The journal over a store: streams, snapshots, letters and rows as keys of one sorted map.

The same code serves the disk and the dictionary. All partitions share the store, so a commit is one batch of it, and
several partitions share one flush.
"""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from journal import keys
from journal.clock import Clock, SystemClock
from journal.codec import decode_record, encode_record, erase
from journal.errors import Conflict, CorruptRecord, Damaged, Fenced
from journal.ids import StreamId
from journal.mailbox import Mailbox, encode_letter
from journal.protocol import DEDUPLICATION_SECONDS, Append, Due, Letter, Stored
from journal.rows import PartitionState, StreamHead, decode_row, encode_row
from journal.store import Batch, scan_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from journal.events import Recorded
    from journal.store import Durability, Readable, Store

_KNOWN_HEADS = 65_536
_READ_TOGETHER = 512
_FORGOTTEN_TOGETHER = 8
_NO_STREAM = StreamHead(last=0)


@attrs.frozen
class Posted:
    """A letter in its place, as soon as its commit is kept."""

    partition: int
    position: bytes
    letter: Letter


class StoredJournal:
    """A journal whose partitions all live in one store of this process."""

    def __init__(self, store: Store, *, partitions: int = 1, clock: Clock | None = None) -> None:
        self.partitions = partitions
        self.durability: Durability = store.durability
        self.clock: Clock = clock if clock is not None else SystemClock()
        self._store = store
        self._claims: dict[int, StoredPartition] = {}
        # The one copy, whoever posts: two letters must never be given the same place.
        self._states: dict[int, PartitionState] = {}
        self._on_their_way: dict[int, set[bytes]] = {number: set() for number in range(partitions)}
        self._followers: dict[StreamId, trio.Event] = {}

    def has_room(self) -> bool:
        """Whether new work should be taken; work under way goes on until a write fails."""
        return self._store.has_room()

    @asynccontextmanager
    async def claim(self, partition: int, owner: str) -> AsyncIterator[StoredPartition]:
        """Own the partition for the block; fences earlier owners. ``owner`` is for people who read errors."""
        assert 0 <= partition < self.partitions, f"there are {self.partitions} partitions, no number {partition}"
        await self._store.recover()
        state_key = keys.partition_state(partition)
        state = self.state_of(partition)
        state.epoch += 1
        mailbox = Mailbox(self._store, self.clock, partition, self._on_their_way[partition])
        claimed = StoredPartition(self, self._store, partition, state.epoch, mailbox)
        self._claims[partition] = claimed
        await self._store.commit(Batch({state_key: encode_row(state)}))
        try:
            yield claimed
        finally:
            if self._claims.get(partition) is claimed:
                del self._claims[partition]

    async def send(self, letter: Letter) -> None:
        """Put a letter into the mailbox of whoever owns the object; returns when it is durable."""
        owner = self._claims.get(letter.to % self.partitions)
        if owner is not None:
            await owner.commit((), (letter,))
            return
        batch = Batch()
        await self.keep(batch, self.post(batch, (letter,)))

    def read(self, stream: StreamId, after: int = 0) -> AsyncIterator[Recorded]:
        """The stream's events with numbers above ``after``, as far as they are kept. Raises ``Damaged``."""
        return _Reading(self, stream, after, follow=False)

    def follow(self, stream: StreamId, after: int = 0) -> AsyncIterator[Recorded]:
        """The same, then what is appended from now on, as it becomes durable."""
        return _Reading(self, stream, after, follow=True)

    def heads(self, partition: int) -> AsyncIterator[tuple[StreamId, int]]:
        """Every stream of the partition with the number of its last event."""
        return _Heads(self._store, partition)

    def row(self, key: bytes) -> bytes | None:
        """A row as of the commits that have returned."""
        return self._store.get(key)

    def rows(self, start: bytes, stop: bytes, *, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """At most ``limit`` rows of ``[start, stop)`` in order, or from the end."""
        return self._store.scan(start, stop, limit=limit, reverse=reverse)

    async def load(self, stream: StreamId) -> Stored | None:
        """The object as every commit that has returned left it, or None if there is none. Raises ``Damaged``."""
        partition = stream % self.partitions
        async with self.view() as rows:
            return load_stream(rows, partition, stream, read_head(rows, partition, stream))

    @asynccontextmanager
    async def view(self) -> AsyncIterator[Readable]:
        """All rows as of one moment, for the block."""
        view = await self._store.view()
        try:
            yield view
        finally:
            view.close()

    def announce(self, streams: Iterable[StreamId]) -> None:
        """Wake whoever follows these streams."""
        if self._followers:
            for stream in streams:
                appended = self._followers.pop(stream, None)
                if appended is not None:
                    appended.set()

    def owner_of(self, partition: int) -> StoredPartition | None:
        """The claim that holds now."""
        return self._claims.get(partition)

    def state_of(self, partition: int) -> PartitionState:
        """What is kept of a partition, with what commits on their way to the disk will have changed."""
        state = self._states.get(partition)
        if state is None:
            data = self._store.get(keys.partition_state(partition))
            state = self._states[partition] = PartitionState() if data is None else decode_row(PartitionState, data)
        return state

    def post(self, batch: Batch, letters: Sequence[Letter]) -> list[Posted]:
        """Write letters into a batch; the caller keeps it."""
        posted: list[Posted] = []
        now = self.clock.now()
        for letter in letters:
            partition = letter.to % self.partitions
            state = self.state_of(partition)
            position = _put_letter(self._store, batch, partition, state, letter, now)
            if letter.at is None:
                batch.rows[keys.partition_state(partition)] = encode_row(state)
            if position is not None:
                self._on_their_way[partition].add(position)
                posted.append(Posted(partition, position, letter))
        return posted

    async def keep(self, batch: Batch, posted: Sequence[Posted]) -> None:
        """Commit the batch; then its letters are in the mailboxes of whoever owns the partitions by now."""
        try:
            await self._store.commit(batch)
        finally:
            for letter in posted:
                self._on_their_way[letter.partition].discard(letter.position)
        for letter in posted:
            owner = self._claims.get(letter.partition)
            if owner is not None:
                owner.mailbox.put(letter.position, letter.letter)

    def read_page(self, stream: StreamId, after: int) -> list[Recorded]:
        """Some of the events behind ``after``, or none if there are none. Raises ``Damaged``."""
        partition = stream % self.partitions
        owner = self._claims.get(partition)
        head = (owner and owner.settled_head(stream)) or read_head(self._store, partition, stream)
        first = max(after, head.trimmed) + 1
        return read_events(self._store, partition, stream, first, min(head.last, first + _READ_TOGETHER - 1))

    def appended(self, stream: StreamId) -> trio.Event:
        """Set at the next append to the stream."""
        return self._followers.setdefault(stream, trio.Event())


class _Reading:
    """An iterator over a stream. A class, because a generator left half-way needs closing and this does not."""

    def __init__(self, journal: StoredJournal, stream: StreamId, after: int, *, follow: bool) -> None:
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
            appended = self._journal.appended(self._stream) if self._follow else None
            self._page.extend(self._journal.read_page(self._stream, self._after))
            if not self._page:
                if appended is None:
                    raise StopAsyncIteration
                await appended.wait()
        self._after = self._page[0].number
        return self._page.popleft()


class _Heads:
    """The heads of a partition, as they are when each is reached."""

    def __init__(self, store: Store, partition: int) -> None:
        prefix = keys.heads(partition)
        self._rows = scan_all(store, prefix, keys.after_prefix(prefix))

    def __aiter__(self) -> _Heads:
        return self

    async def __anext__(self) -> tuple[StreamId, int]:
        await trio.lowlevel.checkpoint()
        row = next(self._rows, None)
        if row is None:
            raise StopAsyncIteration
        key, value = row
        return StreamId(keys.stream_of_head(key)), decode_row(StreamHead, value).last


class _Letters:
    """The mailbox as an iterator, for as long as the claim holds."""

    def __init__(self, partition: StoredPartition, mailbox: Mailbox) -> None:
        self._partition = partition
        self._mailbox = mailbox

    def __aiter__(self) -> _Letters:
        return self

    async def __anext__(self) -> Sequence[Due]:
        due = await self._mailbox.next_due()
        self._partition.check_claim()
        return due


class StoredPartition:
    """A claimed partition of a :class:`StoredJournal`."""

    def __init__(self, journal: StoredJournal, store: Store, number: int, epoch: int, mailbox: Mailbox) -> None:
        self.number = number
        self.epoch = epoch
        self.mailbox = mailbox
        self._journal = journal
        self._store = store
        self._heads: dict[StreamId, StreamHead] = {}
        # Where the streams of the commit under way end without it: readers may see its bytes before they are durable.
        self._settled: dict[StreamId, StreamHead] = {}

    async def commit(
        self,
        appends: Sequence[Append],
        letters: Sequence[Letter] = (),
        retracted: Sequence[Letter] = (),
    ) -> None:
        """Append all of it or nothing; returns when it is durable. Appends to one stream must await each other."""
        self.check_claim()
        batch = Batch()
        heads = {append.stream: self._write_append(batch, append) for append in appends}
        posted = self._journal.post(batch, letters)
        for letter in retracted:
            assert letter.at is not None, "only letters with a date can be retracted"
            position = keys.dated_letter(letter.to % self._journal.partitions, letter.at, letter.id)
            batch.rows[position] = None
            self.mailbox.drop(position)
        settled = {stream: self._head(stream) for stream in heads}
        self._settled.update(settled)
        try:
            await self._journal.keep(batch, posted)
        except BaseException:
            self._heads.clear()
            raise
        finally:
            for stream in settled:
                self._settled.pop(stream, None)
        self._remember_heads(heads)
        for append in appends:
            for position in append.consumed:
                self.mailbox.drop(position)
        self._journal.announce(heads)

    def settled_head(self, stream: StreamId) -> StreamHead | None:
        """Where a stream ends for readers, if the commit under way extends it."""
        return self._settled.get(stream)

    def letters(self) -> AsyncIterator[Sequence[Due]]:
        """The mailbox: what is due, in order, each once for this claim; waits for more."""
        return _Letters(self, self.mailbox)

    def check_claim(self) -> None:
        """Raise ``Fenced`` unless this claim is the latest."""
        current = self._journal.owner_of(self.number)
        if current is not self:
            raise Fenced(self.number, self.epoch, current.epoch if current is not None else self.epoch)

    async def load(self, stream: StreamId) -> Stored | None:
        """The object as it is kept, or None if there is none. Raises ``Damaged``."""
        return load_stream(self._store, self.number, stream, self._head(stream))

    async def snapshot(self, stream: StreamId, at: int) -> tuple[int, bytes] | None:
        """The latest snapshot of the object as of event ``at`` or before, with the number of its event, if one is kept."""
        return read_snapshot(self._store, self.number, stream, at)

    async def history(self, stream: StreamId, spans: Sequence[tuple[int, int]]) -> list[Recorded]:
        """The events with numbers in these ranges, both ends included, in order. Raises ``Damaged``."""
        return [
            recorded for first, last in spans for recorded in read_events(self._store, self.number, stream, first, last)
        ]

    def _write_append(self, batch: Batch, append: Append) -> StreamHead:
        number, stream = self.number, append.stream
        head = self._head(stream)
        if head.last != append.expected:
            raise Conflict(stream, append.expected, head.last)
        if append.remove:
            _clear_stream(batch, number, stream)
            head = _NO_STREAM
        else:
            head = self._extend(batch, append, head)
        batch.rows.update(append.rows)
        for position in append.consumed:
            batch.rows[position] = None
        return head

    def _extend(self, batch: Batch, append: Append, head: StreamHead) -> StreamHead:
        number, stream = self.number, append.stream
        if not (append.events or append.snapshot is not None or append.erased or append.trim_to > head.trimmed):
            return head
        last = head.last + len(append.events)
        snapshot, trimmed = head.snapshot, head.trimmed
        if append.events:
            batch.rows[keys.record(number, stream, head.last + 1)] = encode_record(append.events)
        if append.snapshot is not None:
            batch.rows[keys.snapshot(number, stream, last)] = append.snapshot
            snapshot = last
        if append.erased:
            self._erase(batch, stream, append.erased)
        if append.trim_to > trimmed:
            assert append.trim_to <= snapshot, "what no snapshot covers is not cut off"
            trimmed = self._trim(batch, stream, append.trim_to)
        head = StreamHead(last=last, snapshot=snapshot, trimmed=trimmed)
        batch.rows[keys.head(number, stream)] = encode_row(head)
        return head

    def _erase(self, batch: Batch, stream: StreamId, numbers: Sequence[int]) -> None:
        """Overwrite events in place. Records that a range of numbers touches are rewritten once each."""
        remaining = sorted(numbers)
        while remaining:
            key, value = _record_with(self._store, self.number, stream, remaining[0])
            first = keys.first_number_of(key)
            count = len(decode_record(value, first))
            here = [n for n in remaining if n < first + count]
            batch.rows[key] = erase(value, first, here)
            remaining = remaining[len(here) :]

    def _trim(self, batch: Batch, stream: StreamId, up_to: int) -> int:
        """Cut off whole records that end at or before ``up_to``; returns where the cut really is.

        The last snapshot in there stays: the object as of any event behind it can be had from it.
        """
        last = self._head(stream).last
        if up_to < last:
            kept, _ = _record_with(self._store, self.number, stream, up_to + 1)
        else:
            kept = keys.record(self.number, stream, last + 1)
        batch.cleared.append((keys.record(self.number, stream, 0), kept))
        found = read_snapshot(self._store, self.number, stream, up_to)
        if found is not None:
            start = keys.snapshot(self.number, stream, 0)
            batch.cleared.append((start, keys.snapshot(self.number, stream, found[0])))
        return keys.first_number_of(kept) - 1

    def _head(self, stream: StreamId) -> StreamHead:
        head = self._heads.get(stream)
        if head is None:
            head = read_head(self._store, self.number, stream)
            self._remember_heads({stream: head})
        return head

    def _remember_heads(self, heads: dict[StreamId, StreamHead]) -> None:
        if len(self._heads) + len(heads) > _KNOWN_HEADS:
            self._heads.clear()
        self._heads.update(heads)


def read_head(store: Readable, partition: int, stream: StreamId) -> StreamHead:
    """How far the stream goes; an empty head if there is none. Raises ``Damaged``."""
    try:
        data = store.get(keys.head(partition, stream))
        return _NO_STREAM if data is None else decode_row(StreamHead, data)
    except CorruptRecord as error:
        raise Damaged(stream, 0, f"the head: {error}") from error


def load_stream(store: Readable, partition: int, stream: StreamId, head: StreamHead) -> Stored | None:
    """The object as it is kept, or None if there is none. Raises ``Damaged``."""
    if head.last == 0:
        return None
    snapshot = None
    if head.snapshot:
        try:
            snapshot = store.get(keys.snapshot(partition, stream, head.snapshot))
        except CorruptRecord as error:
            raise Damaged(stream, head.snapshot, f"the snapshot: {error}") from error
        if snapshot is None:
            raise Damaged(stream, head.snapshot, "the snapshot is missing")
    events = read_events(store, partition, stream, head.snapshot + 1, head.last)
    return Stored(head.last, head.trimmed, head.snapshot, snapshot, events)


def read_snapshot(store: Readable, partition: int, stream: StreamId, at: int) -> tuple[int, bytes] | None:
    """The latest snapshot as of event ``at`` or before, with the number of its event. Raises ``Damaged``."""
    start, stop = keys.snapshot(partition, stream, 0), keys.snapshot(partition, stream, at + 1)
    try:
        found = store.scan(start, stop, limit=1, reverse=True)
    except CorruptRecord as error:
        raise Damaged(stream, at, f"a snapshot: {error}") from error
    return (keys.number_of_snapshot(found[0][0]), found[0][1]) if found else None


def read_events(store: Readable, partition: int, stream: StreamId, first: int, last: int) -> list[Recorded]:
    """The events ``first`` to ``last``, every one of them. Raises ``Damaged`` at a hole or a record that is none."""
    if first > last:
        return []
    number = first
    found: list[Recorded] = []
    try:
        start, _ = _record_with(store, partition, stream, first)
        number = keys.first_number_of(start)
        for key, value in scan_all(store, start, keys.record(partition, stream, last + 1)):
            if keys.first_number_of(key) != number:
                raise Damaged(stream, number, f"events are missing up to {keys.first_number_of(key) - 1}")
            found += decode_record(value, number)
            number = found[-1].number + 1
    except CorruptRecord as error:
        raise Damaged(stream, number, str(error)) from error
    if number <= last:
        raise Damaged(stream, number, f"the stream ends here and should reach {last}")
    return [r for r in found if first <= r.number <= last]


def _record_with(store: Readable, partition: int, stream: StreamId, number: int) -> tuple[bytes, bytes]:
    """The record that holds event ``number``."""
    found = store.scan(
        keys.record(partition, stream, 0), keys.record(partition, stream, number + 1), limit=1, reverse=True
    )
    if not found:
        raise Damaged(stream, number, "the event is missing")
    return found[0]


def _clear_stream(batch: Batch, partition: int, stream: StreamId) -> None:
    batch.cleared.append((keys.record(partition, stream, 0), keys.record(partition, stream, 2**64 - 1)))
    items = keys.items_of_object(partition, stream)
    batch.cleared.append((items, keys.after_prefix(items)))
    batch.rows[keys.head(partition, stream)] = None
    batch.cleared.append((keys.snapshot(partition, stream, 0), keys.snapshot(partition, stream, 2**64 - 1)))
    batch.rows[keys.owing(partition, stream)] = None


def _put_letter(
    store: Store, batch: Batch, partition: int, state: PartitionState, letter: Letter, now: float
) -> bytes | None:
    """Write a letter into the batch; its position, or None if it has come before."""
    if letter.at is not None:
        position = keys.dated_letter(partition, letter.at, letter.id)
        batch.rows[position] = encode_letter(letter)
        return position
    _forget_old_ids(store, batch, partition, now)
    seen = keys.seen(partition, letter.id)
    if store.get(seen) is not None or batch.rows.get(seen) is not None:
        return None
    batch.rows[seen] = b""
    batch.rows[keys.seen_by_time(partition, now, letter.id)] = b""
    position = keys.letter(partition, state.next_arrival)
    state.next_arrival += 1
    batch.rows[position] = encode_letter(letter)
    return position


def _forget_old_ids(store: Store, batch: Batch, partition: int, now: float) -> None:
    prefix = keys.seen_by_time_prefix(partition)
    for key, _ in store.scan(prefix, keys.after_prefix(prefix), limit=_FORGOTTEN_TOGETHER):
        if keys.date_of_seen(key) + DEDUPLICATION_SECONDS > now:
            return
        batch.rows[key] = None
        batch.rows[keys.seen(partition, keys.letter_id_of_seen(key))] = None
