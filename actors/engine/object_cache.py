"""Keeps the objects of a partition that are in use in memory, and loads the others."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING

from actors.core.fold import advance, fold
from actors.core.owed import needs_recovery
from actors.core.past import ObjectHistory
from actors.engine.loaded_object import LoadedObject
from actors.model.info import belongs_to
from actors.rows.index import listing_of
from journal.errors import Damaged
from journal.fused import RecordedTurn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.engine.batch import RowPause
    from journal.events import Recorded
    from journal.fused import Lived
    from journal.ids import InvocationId, StreamId
    from journal.log.protocol import Partition
    from journal.stored_stream import StoredStream


class ObjectCache:
    """Loaded objects by stream, most recently used last. Idle objects leave from the front."""

    def __init__(self, partition: Partition, *, limit: int, limit_bytes: int) -> None:
        self._partition = partition
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self.loaded: OrderedDict[StreamId, LoadedObject] = OrderedDict()
        """The objects by stream. Whoever uses one moves it to the end; see :meth:`present`."""
        self.row_pauses: dict[StreamId, RowPause] = {}
        """The pauses of objects that are not in memory, until they are durable."""
        self.set_aside: dict[StreamId, str] = {}
        """The names of the objects that the engine has set aside."""

    def __iter__(self) -> Iterator[LoadedObject]:
        return iter(self.loaded.values())

    def __len__(self) -> int:
        return len(self.loaded)

    def find(self, stream: StreamId) -> LoadedObject | None:
        """The object, if it is in memory."""
        return self.loaded.get(stream)

    def present(self, stream: StreamId) -> LoadedObject | None:
        """The object, if it is in memory, marked as used."""
        loaded = self.loaded.get(stream)
        if loaded is not None:
            self.loaded.move_to_end(stream)
        return loaded

    async def get(self, stream: StreamId) -> LoadedObject:
        """The object, loaded if necessary. A damaged one is returned too, with ``LoadedObject.damage`` set."""
        loaded = self.present(stream)
        if loaded is not None:
            return loaded
        loaded = await self._read(stream)
        self.loaded[stream] = loaded
        self.weigh(loaded)
        return loaded

    async def read_again(self, loaded: LoadedObject) -> None:
        """Rebuild the object's state from its events, including those that are not durable yet. Raises ``Damaged``."""
        # An object without events on disk may have been removed a moment ago, and exists until the removal is durable.
        stored = await self._partition.load(loaded.stream) if loaded.durable else None
        state = None if stored is None else fold(loaded.stream, stored)
        for recorded in loaded.recent:
            if stored is None or recorded.number > stored.last:
                state = advance(loaded.stream, state, recorded)
        loaded.state, loaded.is_torn = state, False
        loaded.forget_rows_of_open()

    async def history(self, loaded: LoadedObject, of: InvocationId, spans: Sequence[tuple[int, int]]) -> list[Recorded]:
        """All events of an invocation, including those that are not durable yet."""
        # Read before the wait, during which some of them may become durable.
        recent = self.recent_history(loaded, of, spans)
        if spans[0][0] > loaded.durable:
            return recent
        stored = [(first, min(last, loaded.durable)) for first, last in spans if first <= loaded.durable]
        events = await self._partition.history(loaded.stream, stored)
        return [r for r in events if belongs_to(r.event, of)] + recent

    async def lived(self, loaded: LoadedObject, of: InvocationId, spans: Sequence[tuple[int, int]]) -> list[Lived]:
        """The history of an invocation for a replay."""
        recent: list[Lived] = [*self.recent_history(loaded, of, spans)]  # before the wait, as above
        if spans[0][0] > loaded.durable:
            return recent
        stored = [(first, min(last, loaded.durable)) for first, last in spans if first <= loaded.durable]
        parts = await self._partition.lived(loaded.stream, stored)
        return [
            part
            for part in parts
            if (part.turn.invocation_id == of if isinstance(part, RecordedTurn) else belongs_to(part.event, of))
        ] + recent

    def recent_history(
        self, loaded: LoadedObject, of: InvocationId, spans: Sequence[tuple[int, int]]
    ) -> list[Recorded]:
        """The invocation's events that are not durable yet, and no others: there may be thousands."""
        return [r for first, last in spans for r in loaded.recent.between(first, last) if belongs_to(r.event, of)]

    def past(self, loaded: LoadedObject) -> ObjectHistory:
        """The earlier states of the object."""
        return ObjectHistory(self._partition, loaded.stream, loaded.trimmed, loaded.durable, tuple(loaded.recent))

    def forget(self, stream: StreamId) -> None:
        """Drop the object from memory; it is on disk."""
        self._bytes -= self.loaded.pop(stream).weight

    def weigh(self, loaded: LoadedObject) -> None:
        """Measure the bytes of the object's fields and of its handler's pending changes."""
        state = loaded.state
        weight = 0
        if state is not None:
            if state.fields:
                weight = sum(map(len, state.fields.values()))
            if state.holder is not None:
                weight += state.invocations[state.holder].changes.size
        self._bytes += weight - loaded.weight
        loaded.weight = weight

    def shrink(self) -> None:
        """Drop the least recently used idle objects, down to the limits."""
        excess = len(self.loaded) - self._limit
        if excess > 0:
            for loaded in list(islice(self.loaded.values(), excess)):
                if loaded.is_idle:
                    self.forget(loaded.stream)
        if self._bytes > self._limit_bytes:
            self._shrink_bytes()

    def _shrink_bytes(self) -> None:
        for loaded in list(self.loaded.values()):
            if self._bytes <= self._limit_bytes:
                return
            if loaded.weight and loaded.is_idle:
                self.forget(loaded.stream)

    async def _read(self, stream: StreamId) -> LoadedObject:
        try:
            stored = await self._partition.load(stream)
            if stored is None:
                return LoadedObject(stream, None)
            loaded = _loaded_from(stream, stored)
            if self.row_pauses:
                self._join(loaded)
        except Damaged as damage:
            return LoadedObject(stream, None, damage=damage)
        return loaded

    def _join(self, loaded: LoadedObject) -> None:
        """Add the changes that are not durable yet to an object that was read from the disk."""
        pause = self.row_pauses.get(loaded.stream)
        if pause is not None and pause.join(loaded):
            del self.row_pauses[loaded.stream]


def _loaded_from(stream: StreamId, stored: StoredStream) -> LoadedObject:
    state = fold(stream, stored)
    return LoadedObject(
        stream,
        state,
        durable=stored.last,
        trimmed=stored.trimmed,
        listings={i: listing_of(invocation) for i, invocation in state.invocations.items()},
        outputs=None if state.invocations else {},
        owing_on_disk=None if needs_recovery(state) else False,
        snapshot_at=stored.snapshot_at,
        events_since_snapshot=len(stored.events),
        snapshot_bytes=0 if stored.snapshot is None else len(stored.snapshot),
    )
