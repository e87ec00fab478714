"""What an engine needs of a journal, wherever it is kept: RocksDB in this process, or a replicated log.

A journal has a fixed number of *partitions*. An object lives in partition ``stream % partitions``, and an engine that wants to
run its handlers claims that partition; the claim fences every earlier owner. An owner appends to the streams of its
objects, and reads its *letters*: what others, or an earlier date, want of its objects.

A letter is durable and has an id. Sending it again while it waits is harmless; one without a date also comes only once if
it is sent again within :data:`DEDUPLICATION_SECONDS` of the first time. It stays until an append says that it was consumed,
and comes again to the next owner if none did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

import attrs

from journal.codec import Record
from journal.ids import StreamId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from journal.clock import Clock
    from journal.events import Event, Recorded, Stamp
    from journal.kv.data_directory import HeldDirectory
    from journal.kv.store import Durability, Readable, Trouble
    from journal.log.changes import ChangeFeed
    from journal.rows import Backlog
    from journal.stored_stream import StoredStream

DEDUPLICATION_SECONDS = 600.0
"""How long the id of a letter without a date is remembered, in seconds."""


@attrs.frozen
class Message:
    """Something wanted of an object: a call, a send, a verb, or, with a date (``at``, wall seconds), a durable timer."""

    id: str
    to: StreamId
    data: bytes
    at: float | None = None


@attrs.frozen
class Due:
    """A letter as the mailbox hands it out. ``position`` is what an append names as consumed."""

    position: bytes
    message: Message


def _record(events: Record | Iterable[tuple[Stamp, Event]]) -> Record:
    return events if isinstance(events, Record) else Record(events)


# With the converter run at each assignment as well, making one takes twice as long.
@attrs.define(kw_only=True, on_setattr=attrs.setters.NO_OP)
class Append:
    """What one object has to say in one commit.

    ``expected`` is the number of the last event that the writer knows of; the first of ``events`` gets the next one. They are
    encoded before the append is made, so that making it may raise ``Unwritable`` and committing it does not.
    ``consumed`` are positions of letters that are hereby dealt with. ``snapshot`` is the object's state after the last of
    ``events``; earlier ones stay as long as events behind them do. ``rows`` are what can be looked up by key (``keys``), None to remove; ``new`` are those of
    them that are known not to be there yet. ``erased`` are numbers of earlier
    events that are overwritten; ``trim_to`` is the number up to which the stream is cut off in front (a snapshot must
    cover it), and snapshots but the last in there with it; ``remove`` ends the stream and everything of it.
    """

    stream: StreamId
    expected: int
    events: Record = attrs.field(converter=_record)
    consumed: Collection[bytes] = ()
    snapshot: bytes | None = None
    rows: Mapping[bytes, bytes | None] = attrs.field(factory=dict)
    new: Collection[bytes] = ()
    erased: Sequence[int] = ()
    trim_to: int = 0
    remove: bool = False


class Partition(Protocol):
    """One claimed partition. Every method raises :class:`journal.errors.Fenced` once another owner has claimed it."""

    number: int
    epoch: int

    async def commit(
        self,
        appends: Sequence[Append],
        messages: Sequence[Message] = (),
        retracted: Sequence[Message] = (),
    ) -> None:
        """Append all of it or nothing; returns when it is durable.

        ``messages`` are sent with it. ``retracted`` ones, dated and sent by this owner, need not come any more, and may
        come all the same. Raises ``Conflict``, ``InDoubt``, ``Unavailable``, ``Fenced``.
        """
        ...

    def messages(self) -> AsyncIterator[Sequence[Due]]:
        """The mailbox: what is due, in order, each once for this claim; waits for more."""
        ...

    async def load(self, stream: StreamId) -> StoredStream | None:
        """The object as it is kept, or None if there is none. Raises ``Damaged``."""
        ...

    async def snapshot(self, stream: StreamId, at: int) -> tuple[int, bytes] | None:
        """The latest snapshot of the object as of event ``at`` or before, with the number of its event, if one is kept.

        As long as events behind a snapshot are kept, so is it."""
        ...

    async def history(self, stream: StreamId, spans: Sequence[tuple[int, int]]) -> list[Recorded]:
        """The events with numbers in these ranges, both ends included, in order. Raises ``Damaged``."""
        ...


class Journal(Protocol):
    """All partitions."""

    partitions: int
    secret: str
    """Random text that was made with the store and stays with it, also in a copy: for hashes that nobody outside can work out."""
    durability: Durability
    clock: Clock
    directory: HeldDirectory | None
    """Where this node keeps it, if it does so in a directory."""
    backlog: Backlog | None
    """What it has of its original's work, if it is a copy."""
    changes: ChangeFeed
    """What has changed as far as this node keeps it, for those who show all of it."""

    def has_room(self) -> bool:
        """Whether new work should be taken; work under way goes on until a write fails."""
        ...

    def troubles(self) -> Sequence[Trouble]:
        """What is wrong now with where this node keeps it: asking costs nothing."""
        ...

    def claim(self, partition: int, owner: str) -> AbstractAsyncContextManager[Partition]:
        """Own the partition for the block; fences earlier owners."""
        ...

    async def send(self, message: Message) -> None:
        """Put a letter into the mailbox of the object's owner; returns when it is durable."""
        ...

    def read(self, stream: StreamId, after: int = 0) -> AsyncIterator[Recorded]:
        """The stream's events with numbers above ``after``, as far as they are kept. Raises ``Damaged``."""
        ...

    def follow(self, stream: StreamId, after: int = 0) -> AsyncIterator[Recorded]:
        """The same, then what is appended from now on, as it becomes durable, until the stream is removed."""
        ...

    async def load(self, stream: StreamId) -> StoredStream | None:
        """The object as every commit that has returned left it, or None if there is none. Raises ``Damaged``."""
        ...

    def row(self, key: bytes) -> bytes | None:
        """A row as of the commits that have returned, as far as this node keeps them."""
        ...

    def rows(self, start: bytes, stop: bytes, *, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """At most ``limit`` rows of ``[start, stop)`` in order, or from the end."""
        ...

    def view(self) -> AbstractAsyncContextManager[Readable]:
        """All rows of all partitions as of one moment, for the block, as far as this node keeps them: what every commit that
        has returned left, and nothing that could still be lost. Any thread may read it, one at a time."""
        ...

    async def failed(self) -> NoReturn:
        """Raise ``StoreFailed`` as soon as no later write of this node can be trusted; until then, wait."""
        ...

    async def copy_to(self, path: Path) -> None:
        """Make a backup at ``path`` with what every commit that has returned left, as far as this node keeps it.

        Raises ``StoreError`` where something is there already, ``Unavailable`` where what is kept is no directory.
        """
        ...

    def heads(self, partition: int) -> AsyncIterator[tuple[StreamId, int]]:
        """Every stream of the partition with the number of its last event."""
        ...


class RowSource(Protocol):
    """Something with rows: a journal, or a store opened for reading."""

    @property
    def partitions(self) -> int: ...
    def row(self, key: bytes) -> bytes | None: ...
    def rows(self, start: bytes, stop: bytes, *, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]: ...
