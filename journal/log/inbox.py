"""The messages that wait in one partition. ::

    table on disk   [ arrivals 1 2 3 … n ][ dated, by date …                     ]
    in memory         └─ window ─┘          └─ up to the horizon ─┘
                           │                       │
    commits ── put, drop ──┴───────────────────────┴──► next_due(): in order, each once for this claim

The table on disk is the truth; memory has a window of it. Half a million removed rows at the front of a queue cost RocksDB 80 ms
for the first read, so the table is read in pages from the last key seen, and never again from its beginning. Messages with a date
are in memory only up to a horizon, so that a million sleeping handlers cost as much memory as the next ten thousand.

A message whose sender keeps it until it is durable here may be handed over: it is given out from memory, and the append that consumes
it records its id. If none does so for a while, it is put into the table like the others, at the same position.

Invariant: every message is given out once for each claim, and none is lost. The table is read as of the commits that have
returned, and each commit reports in the same moment which messages it added and removed; so a message that the table has shown is
not reported again.

Prior art: the visibility timeouts of SQS and the dequeue of PostgreSQL's ``SKIP LOCKED``; both lock a message for a reader.
Alternative refused: such locks. A partition has one owner, and a new claim fences the former one, so a message needs no state
besides its row.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

from journal import keys
from journal.errors import CorruptRecord
from journal.log.protocol import Due, Message, SentMessage
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from journal.clock import Clock
    from journal.kv.store import Readable

log = SafeLogger(__name__)

WINDOW = 10_000
"""The number of messages of each kind in memory; at twice that number, the later ones are dropped from memory."""

_HANDED_OUT_TOGETHER = 256
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode
_decode_sent = msgspec.msgpack.Decoder(SentMessage).decode


def encode_message(message: Message) -> bytes:
    """Encode a message for the table."""
    return _encode(message)


def decode_message(data: bytes) -> Message:
    """Decode a message. Raises :class:`CorruptRecord`."""
    try:
        return _decode(data)
    except (ValueError, RecursionError) as error:
        raise CorruptRecord(f"a message cannot be decoded: {error}") from error


def decode_sent_message(data: bytes) -> SentMessage:
    """Decode a message of another partition. Raises :class:`CorruptRecord`."""
    try:
        return _decode_sent(data)
    except (ValueError, RecursionError) as error:
        raise CorruptRecord(f"a message of another partition cannot be decoded: {error}") from error


def decode_posted(data: bytes) -> Message:
    """Decode a message that was posted, of a partition or of another sender. Raises :class:`CorruptRecord`."""
    try:
        return decode_sent_message(data)
    except CorruptRecord:
        return decode_message(data)


@attrs.define(eq=False)
class HandedOverMessage:
    """A message that is given out before it is durable. ``ended`` is set once it is durable or the claim has ended: ``is_kept`` says
    which."""

    position: bytes
    message: Message
    is_kept: bool = False
    ended: trio.Event = attrs.field(factory=trio.Event)

    def end(self, *, is_kept: bool) -> None:
        """Tell who waits."""
        self.is_kept = is_kept
        self.ended.set()


class Inbox:
    """The due messages of a partition. Commits call ``put`` and ``drop``; ``next_due`` gives them out in order."""

    def __init__(self, store: Readable, clock: Clock, partition: int) -> None:
        self._store = store
        self._clock = clock
        self._partition = partition
        self.handed_over: dict[str, HandedOverMessage] = {}
        """The messages that are not durable yet, by id."""
        self._handed_over_at: dict[bytes, HandedOverMessage] = {}
        self._arrived: deque[Due] = deque()
        self._next_arrival_key = keys.messages(partition)
        self._all_arrived_read = False
        self._heap: list[bytes] = []
        self._dated: dict[bytes, Message] = {}
        # Every dated message with a key below the horizon is in memory; None means that all are.
        self._horizon: bytes | None = keys.dated_messages(partition)
        # A dated message may be sent again, or be read again from the table, while its first arrival is handled.
        self._dated_handed_out: set[bytes] = set()
        self._changed = trio.Event()

    def put(self, position: bytes, message: Message) -> None:
        """Add a message that a commit has written to the table."""
        if message.at is None:
            if self._all_arrived_read or position < self._next_arrival_key:
                self._arrived.append(Due(position, message))
                self._next_arrival_key = max(self._next_arrival_key, position + b"\x00")
        elif position in self._dated_handed_out:
            return
        elif self._horizon is None or position < self._horizon:
            if position not in self._dated:
                heapq.heappush(self._heap, position)
            self._dated[position] = message
            if len(self._heap) > 2 * WINDOW:
                self._let_go_of_later_ones()
        self._wake()

    def has_room(self) -> bool:
        """Report whether a message can be handed over: all others are in memory, and they are not too many."""
        return self._all_arrived_read and len(self._arrived) < WINDOW

    def hand_over(self, position: bytes, message: Message) -> HandedOverMessage:
        """Add a message without a date that is not in the table; there must be room."""
        handed_over = HandedOverMessage(position, message)
        self.handed_over[message.id] = self._handed_over_at[position] = handed_over
        self.put(position, message)
        return handed_over

    def handed_over_at(self, positions: Iterable[bytes]) -> list[HandedOverMessage]:
        """Return those of these messages that were handed over and are not durable yet."""
        found = self._handed_over_at
        return [found[position] for position in positions if position in found] if found else []

    def keep(self, handed_over: HandedOverMessage) -> None:
        """Tell the sender that a message is durable."""
        if self.handed_over.pop(handed_over.message.id, None) is not None:
            del self._handed_over_at[handed_over.position]
            handed_over.end(is_kept=True)

    def close(self) -> None:
        """Tell the senders that the claim has ended: what they handed over may not be durable."""
        for handed_over in self.handed_over.values():
            handed_over.end(is_kept=False)
        self.handed_over.clear()
        self._handed_over_at.clear()

    def drop(self, position: bytes) -> None:
        """Forget a message that a commit has removed from the table. Its entry in the heap is skipped later."""
        handed_over = self._handed_over_at.get(position)
        if handed_over is not None:
            self.keep(handed_over)
        self._dated.pop(position, None)
        self._dated_handed_out.discard(position)

    def read_again(self) -> None:
        """Read the table again, because it may have messages that no commit has reported."""
        self._all_arrived_read = False
        self._heap.clear()
        self._dated.clear()
        self._horizon = keys.dated_messages(self._partition)
        self._wake()

    async def next_due(self) -> list[Due]:
        """Return the next due messages, waiting until there are some. A cancelled wait takes none."""
        await trio.lowlevel.checkpoint()
        while True:
            due = self._take_arrived() + self._take_dated()
            if due:
                return due
            await self._wait(self._changed)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _take_arrived(self) -> list[Due]:
        if not self._arrived and not self._all_arrived_read:
            self._read_arrived()
        return [self._arrived.popleft() for _ in range(min(len(self._arrived), _HANDED_OUT_TOGETHER))]

    def _read_arrived(self) -> None:
        page = self._read_page(self._next_arrival_key, keys.messages(self._partition))
        self._arrived.extend(Due(key, message) for key, message in self._readable(page))
        if page:
            self._next_arrival_key = page[-1][0] + b"\x00"
        self._all_arrived_read = len(page) < WINDOW

    def _take_dated(self) -> list[Due]:
        now = self._clock.now()
        due: list[Due] = []
        while len(due) < _HANDED_OUT_TOGETHER:
            first = self._first_dated()
            if first is None or keys.date_of_message(first) > now:
                break
            heapq.heappop(self._heap)
            due.append(Due(first, self._dated.pop(first)))
            self._dated_handed_out.add(first)
        return due

    def _first_dated(self) -> bytes | None:
        while True:
            while self._heap and self._heap[0] not in self._dated:
                heapq.heappop(self._heap)
            if self._heap or self._horizon is None:
                return self._heap[0] if self._heap else None
            self._read_dated(self._horizon)

    def _read_dated(self, start: bytes) -> None:
        page = self._read_page(start, keys.dated_messages(self._partition))
        self._dated.update((key, message) for key, message in self._readable(page) if key not in self._dated_handed_out)
        self._heap = [key for key, _ in page if key in self._dated]  # sorted, so it is a heap
        self._horizon = page[-1][0] + b"\x00" if len(page) == WINDOW else None

    def _read_page(self, start: bytes, prefix: bytes) -> list[tuple[bytes, bytes]]:
        try:
            return self._store.scan(start, keys.after_prefix(prefix), limit=WINDOW)
        except CorruptRecord as error:
            raise CorruptRecord(f"the inbox of partition {self._partition}: {error}") from error

    def _readable(self, page: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, Message]]:
        """Yield the messages that can be decoded. A damaged one is logged and skipped: it concerns one object, and the
        others continue."""
        for key, value in page:
            try:
                yield key, decode_message(value)
            except CorruptRecord as error:
                log.error("the message with the key %s is not delivered and stays in the inbox: %s", key.hex(), error)  # noqa: TRY400 - the record has the details

    def _let_go_of_later_ones(self) -> None:
        alive = sorted(key for key in self._heap if key in self._dated)
        self._heap = alive[:WINDOW]
        if len(alive) > WINDOW:
            self._horizon = alive[WINDOW]
            for key in alive[WINDOW:]:
                del self._dated[key]

    async def _wait(self, changed: trio.Event) -> None:
        first = self._first_dated()
        if first is None:
            await changed.wait()
            return
        async with trio.open_nursery() as nursery:

            async def cancel_when_changed() -> None:
                await changed.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(cancel_when_changed)
            await self._clock.sleep_until(keys.date_of_message(first))
            nursery.cancel_scope.cancel()
