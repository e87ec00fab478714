"""What a query reads: one view of a journal, of a running engine or of a data directory at rest."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import attrs

from actors.core.fold import fold
from journal import keys
from journal.ids import StreamId, stream_of_invocation
from journal.log.streams import load_stream, read_events, read_head
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.core.state import ObjectState
    from actors.model.info import ServiceInfo
    from actors.query.sql.budget import Budget
    from journal.events import Recorded
    from journal.ids import InvocationId
    from journal.kv.store import Readable

_FIRST_PAGE = 32
_LARGEST_PAGE = 256


@attrs.frozen(kw_only=True)
class QuerySnapshot:
    """A journal as of one moment. ``now`` is that moment, wall seconds. ``services`` are the classes that are served."""

    view: Readable
    partitions: int
    now: float
    services: Sequence[ServiceInfo] = ()


@attrs.frozen
class Reader:
    """A source as one query reads it: every key that is read counts against its budget."""

    source: QuerySnapshot
    budget: Budget

    def get(self, key: bytes) -> bytes | None:
        """The row under a key."""
        self.budget.rows_read += 1
        return self.source.view.get(key)

    def rows(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """All rows of ``[start, stop)``, in order or from the end."""
        return chain.from_iterable(self.pages(start, stop, reverse=reverse))

    def pages(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[list[tuple[bytes, bytes]]]:
        """The same, as they are read. Few at first: a caller who wants ten should not read hundreds."""
        page_size = _FIRST_PAGE
        while True:
            page = self.source.view.scan(start, stop, limit=page_size, reverse=reverse)
            self.budget.read(len(page))
            yield page
            if len(page) < page_size:
                return
            start, stop = (start, page[-1][0]) if reverse else (page[-1][0] + b"\x00", stop)
            page_size = min(page_size * 4, _LARGEST_PAGE)

    def first(self, start: bytes, stop: bytes) -> tuple[bytes, bytes] | None:
        """The first row of ``[start, stop)``."""
        found = self.source.view.scan(start, stop, limit=1)
        self.budget.rows_read += len(found)
        return found[0] if found else None

    def rows_under(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All rows whose keys begin with the prefix."""
        return self.rows(prefix, keys.after_prefix(prefix))

    def partition_of(self, stream: StreamId) -> int:
        """Where the object lives."""
        return stream % self.source.partitions

    def invocation(self, of: InvocationId) -> InvocationRow | None:
        """The row of an invocation, if there is one."""
        data = self.get(keys.invocation(self.partition_of(stream_of_invocation(of)), of))
        return None if data is None else decode_row(InvocationRow, data)

    def object(self, stream: StreamId) -> ObjectState | None:
        """An object, folded from what is kept of it, if there is one. Raises ``Damaged``."""
        partition = self.partition_of(stream)
        head = read_head(self.source.view, partition, stream)
        stored = load_stream(self.source.view, partition, stream, head)
        self.budget.read(1 if stored is None else 2 + len(stored.events))
        return None if stored is None else fold(stream, stored)

    def last_event(self, stream: StreamId) -> int:
        """The number of the last event of a stream."""
        self.budget.rows_read += 1
        return read_head(self.source.view, self.partition_of(stream), stream).last

    def events(self, stream: StreamId, first: int, last: int) -> list[Recorded]:
        """Events of a stream. Raises ``Damaged``."""
        found = read_events(self.source.view, self.partition_of(stream), stream, first, last)
        self.budget.read(len(found))
        return found

    def streams(self) -> Iterator[StreamId]:
        """Every stream."""
        for partition in range(self.source.partitions):
            for key, _ in self.rows_under(keys.heads(partition)):
                yield StreamId(keys.stream_of_head(key))


@attrs.frozen
class CountedRows:
    """A reader for code that goes through rows without SQL (:class:`journal.log.protocol.RowSource`)."""

    reader: Reader

    @property
    def partitions(self) -> int:
        return self.reader.source.partitions

    def row(self, key: bytes) -> bytes | None:
        return self.reader.get(key)

    def rows(self, start: bytes, stop: bytes, *, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        page = self.reader.source.view.scan(start, stop, limit=limit, reverse=reverse)
        self.reader.budget.read(len(page))
        return page
