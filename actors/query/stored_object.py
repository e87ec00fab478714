"""Reads one object from rows: its state now and after any of its events, its items, its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.past import FormerItems, ObjectHistory
from actors.errors import InvalidArgumentError
from actors.rows.layers import Layer, LayeredRows
from actors.rows.objects import load_state
from journal import keys
from journal.kv.store import scan_all
from journal.log.streams import read_events, read_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.core.state import ObjectState
    from journal.events import Recorded
    from journal.ids import StreamId
    from journal.kv.store import Readable
    from journal.rows import StreamHead


@attrs.frozen
class StoredObject:
    """The rows of one object as of one moment. ``name`` is its name in errors."""

    rows: Readable
    name: str
    partition: int
    stream: StreamId
    head: StreamHead

    def state(self) -> ObjectState | None:
        """Return the current state, or None if there is none."""
        return load_state(self.rows, self.partition, self.stream, self.head)

    @property
    def past(self) -> ObjectHistory:
        """Return the reader of the object's earlier states."""
        return ObjectHistory(self, self.stream, self.head.trimmed, self.head.last, ())

    async def state_at(self, at: int | None) -> ObjectState | None:
        """Return the state now, or after event ``at``. Raises ``InvalidArgumentError`` if there is no such event; an
        unused object has had one state only.
        """
        last = self.head.last
        if at is None or at == last or last == 0:
            return self.state()
        if not 1 <= at < last:
            raise InvalidArgumentError(
                f"{self.name} has no event {at}: its events have the numbers 1 to {last}", path="at"
            )
        return await self.past.object_at(at)

    def time_of(self, number: int) -> float | None:
        """Return the time of an event, or None if it is no longer stored."""
        if number <= self.head.trimmed:
            return None
        (recorded,) = read_events(self.rows, self.partition, self.stream, number, number)
        return recorded.stamp.at

    # Collections.

    async def rows_at(self, at: int, state: ObjectState) -> Readable:
        """Return the rows with the items of maps and logs as of event ``at``, after which the object had this state. Raises
        ``NotFoundError``."""
        return self.rows_with(await self.past.former_items(at, state.lengths))

    def rows_with(self, former: FormerItems) -> Readable:
        """Return the rows with these items in place of the current ones."""
        rows: dict[bytes, bytes | None] = {}
        for field, items in former.maps.items():
            for key, value in items.items():
                rows[keys.map_item(self.partition, self.stream, field, key.encode())] = value
        for field, (start, end) in former.logs.items():
            for index, value in enumerate(end, start):
                rows[keys.log_item(self.partition, self.stream, field, index)] = value
        return LayeredRows(self.rows, Layer(rows))

    def log_items(self, rows: Readable, field: str, start: int, length: int, limit: int) -> list[bytes]:
        """Return items of a log with this length, from an index on, from these rows: the current ones, or those of
        :meth:`rows_at`."""
        if start >= length:
            return []
        first = keys.log_item(self.partition, self.stream, field, start)
        behind = keys.log_item(self.partition, self.stream, field, min(length, start + limit))
        return [value for _, value in rows.scan(first, behind, limit=limit)]

    def map_items(self, rows: Readable, field: str, start: str) -> Iterator[tuple[str, bytes]]:
        """Yield items of a map after a key, from these rows: the current ones, or those of :meth:`rows_at`."""
        prefix = keys.items(self.partition, self.stream, field)
        first = prefix + start.encode() + (b"\x00" if start else b"")
        for key, value in scan_all(rows, first, keys.after_prefix(prefix)):
            yield key[len(prefix) :].decode(), value

    # For ``ObjectHistory``.

    async def snapshot(self, stream: StreamId, at: int) -> tuple[int, bytes] | None:
        """Return the last snapshot as of event ``at`` or before, or None."""
        return read_snapshot(self.rows, self.partition, stream, at)

    async def history(self, stream: StreamId, spans: Sequence[tuple[int, int]]) -> list[Recorded]:
        """Return the events with numbers in these ranges."""
        return [r for first, last in spans for r in read_events(self.rows, self.partition, stream, first, last)]
