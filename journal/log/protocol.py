"""The interface between an engine and its journal, wherever that is kept: RocksDB in this process, or a replicated log.

A journal has a fixed number of *partitions*. An object belongs to partition ``stream % partitions``, and an engine claims a
partition to run its handlers; the claim fences every earlier owner. The owner appends to the streams of its objects and reads
their *messages*: requests of other objects, or timers.

A message is durable and has an id. Sending it again while it waits is harmless; a message without a date is also recognised if it
is sent again within :data:`DEDUPLICATION_SECONDS` of its first arrival, and one of another partition for as long as it may be sent again. It stays until an append consumes it, and is given to the
next owner if none did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import attrs
import msgspec

from journal.codec import Record
from journal.ids import StreamId
from journal.kv.store import Readable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    import trio

    from journal.clock import Clock
    from journal.events import Event, Recorded, Stamp
    from journal.fused import Lived
    from journal.kv.data_directory import HeldDirectory
    from journal.kv.store import Durability, Trouble
    from journal.log.changes import ChangeFeed
    from journal.rows import Backlog, StreamHead
    from journal.stored_stream import StoredStream

DEDUPLICATION_SECONDS = 600.0
"""How long the id of a message without a due time is remembered, in seconds."""


@attrs.frozen
class Message:
    """A request to an object: a call, a send, a verb, or, with a due time (``at``, in wall seconds), a durable timer."""

    id: str
    to: StreamId
    data: bytes
    at: float | None = None


@attrs.frozen(kw_only=True)
class SentMessage(Message):
    """A message of another partition, ``sender``, in which ``number`` is this one's for ever. Those with lower numbers than ``lowest`` are
    durable at their receivers, and are never sent again."""

    sender: int
    number: int
    lowest: int = 0


@attrs.frozen
class Due:
    """A due message, and its position, which the append that consumes it must name."""

    position: bytes
    message: Message


class Append(msgspec.Struct, kw_only=True):
    """The changes of one object in one commit.

    ``expected`` is the number of the last event that the writer knows of; the first of ``events`` gets the next number.
    Events are encoded before the append is made, so making it may raise ``Unwritable`` and committing it cannot.
    ``consumed`` are positions of messages that have been handled. ``snapshot`` is the object's state after the last of
    ``events``; earlier snapshots stay for as long as events after them do. ``rows`` are values by key (``keys``), or
    None to remove a key; ``new`` are the keys that are known not to exist yet, and ``known`` the stored values of others, None if there is
    none: what is known need not be read. ``erased`` are numbers of earlier events
    to overwrite. ``trim_to`` is the event up to which the stream is trimmed (a snapshot must cover it), with all
    snapshots up to there except the last. ``remove`` deletes the stream with all its events, snapshots and items.
    """

    stream: StreamId
    expected: int
    events: Record
    consumed: list[bytes] = []
    snapshot: bytes | None = None
    rows: Mapping[bytes, bytes | None] = {}
    new: Collection[bytes] = ()
    known: Mapping[bytes, bytes | None] = {}
    erased: list[int] = []
    trim_to: int = 0
    remove: bool = False

    @classmethod
    def of(cls, stream: StreamId, expected: int, events: Iterable[tuple[Stamp, Event]] = (), **changes: Any) -> Append:
        """Return an append of these events. Raises ``Unwritable``."""
        return cls(stream=stream, expected=expected, events=Record.of(events), **changes)


class Partition(Protocol):
    """A claimed partition. Every method raises :class:`journal.errors.Fenced` once another owner has claimed the
    partition."""

    number: int
    epoch: int

    async def commit(
        self,
        appends: Sequence[Append],
        messages: Sequence[Message] = (),
        retracted: Sequence[Message] = (),
    ) -> None:
        """Apply all appends or none, and return when they are durable.

        ``messages`` are sent with the appends. ``retracted`` messages, which have a due time and were sent by this
        owner, need not arrive any more, and may still arrive. Raises ``Conflict``, ``InDoubt``, ``Unavailable`` or
        ``Fenced``.
        """
        ...

    def messages(self) -> AsyncIterator[Sequence[Due]]:
        """Iterate over the inbox: due messages in order, each once for this claim; waits for more."""
        ...

    def head(self, stream: StreamId) -> StreamHead:
        """Return the end of the stored stream of the object; an empty one if there is none. Raises ``Damaged``."""
        ...

    def heads_of(self, streams: Sequence[StreamId]) -> list[StreamHead]:
        """Return what :meth:`head` does for each of these objects, with one read. Raises ``CorruptRecord`` if one of them is damaged."""
        ...

    async def load(self, stream: StreamId) -> StoredStream | None:
        """Return the stored stream of the object, or None if there is none. Raises ``Damaged``."""
        ...

    async def snapshot(self, stream: StreamId, at: int) -> tuple[int, bytes] | None:
        """Return the latest stored snapshot of the object as of event ``at`` or before, with the number of its event.

        A snapshot is kept for as long as events after it are.
        """
        ...

    async def history(self, stream: StreamId, spans: Sequence[tuple[int, int]]) -> list[Recorded]:
        """Return the events with numbers in these ranges, both ends included, in order. Raises ``Damaged``."""
        ...

    async def lived(self, stream: StreamId, spans: Sequence[tuple[int, int]]) -> list[Lived]:
        """Return the same as :meth:`history`, as a replay reads it: turns after waits are left as they are, and whole."""
        ...


class Journal(Readable, Protocol):
    """All partitions. A row that is read directly shows the commits that have returned by then, so it can change at
    each wait. To read several rows and wait in between, take a :meth:`view`.
    """

    partitions: int
    secret: str
    """A random text that was made with the store and stays with it, also in a copy: the key for hashes that no outsider
    can compute."""
    durability: Durability
    clock: Clock
    directory: HeldDirectory | None
    """The directory where this node keeps the journal; None if it is not in a directory."""
    backlog: Backlog | None
    """The unfinished work of the original, if this journal is a copy."""
    changes: ChangeFeed
    """The changes that this node knows of, for lists that show everything."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return what :meth:`get` does for each of the keys, in their order, with one read. Raises ``CorruptRecord`` if one of the
        values is damaged."""
        ...

    def has_room(self) -> bool:
        """Report whether new work should be accepted. Existing work continues until a write fails."""
        ...

    def troubles(self) -> Sequence[Trouble]:
        """Return the known current problems of this node's storage. Does not block."""
        ...

    def claim(self, partition: int, owner: str) -> AbstractAsyncContextManager[Partition]:
        """Own the partition for the block; earlier owners are fenced."""
        ...

    async def send(self, message: Message) -> None:
        """Send a message to the object's partition, and return when it is durable."""
        ...

    def read(self, stream: StreamId, after: int = 0) -> AsyncIterator[Recorded]:
        """Iterate over the stored events of the stream with numbers above ``after``. Raises ``Damaged``."""
        ...

    def follow(self, stream: StreamId, after: int = 0) -> AsyncIterator[Recorded]:
        """Iterate over the stored events of the stream with numbers above ``after``, then over new events as they
        become durable, until the stream is removed."""
        ...

    def appended(self, stream: StreamId) -> trio.Event:
        """Return an event that is set by the next commit that has an append for the object, with events or without.

        Take it before you read rows of the object, and wait for it if there is nothing new.
        """
        ...

    async def load(self, stream: StreamId) -> StoredStream | None:
        """Return the stored stream of the object as of the commits that have returned; None if there is none. Raises
        ``Damaged``."""
        ...

    def view(self) -> AbstractAsyncContextManager[Readable]:
        """Give the block all rows of all partitions on this node as of one moment: every commit that has returned, and
        none that could still be lost. Any thread may read it, one at a time."""
        ...

    async def failed(self) -> NoReturn:
        """Wait until no later write of this node can be trusted, and raise ``StoreFailed``."""
        ...

    async def copy_to(self, path: Path) -> None:
        """Make a backup at ``path`` of every commit on this node that has returned.

        Raises ``StoreError`` if ``path`` is not empty, and ``Unavailable`` if the journal is not in a directory.
        """
        ...

    def heads(self, partition: int) -> AsyncIterator[tuple[StreamId, int]]:
        """Iterate over the streams of the partition, each with the number of its last event."""
        ...
