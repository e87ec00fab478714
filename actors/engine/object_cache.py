"""The objects of a partition that are in memory, and how the others get there."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING

from actors.core.fold import advance, fold
from actors.core.past import Past
from actors.core.react import owes
from actors.engine.index import listing_of
from actors.engine.loaded_object import Resident
from actors.model.info import belongs_to
from journal.errors import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from journal.events import Recorded
    from journal.ids import InvocationId, StreamId
    from journal.log.protocol import Partition


class Directory:
    """Residents by stream, the ones used last at the end. Those that nobody needs leave from the front."""

    def __init__(self, partition: Partition, *, limit: int, limit_bytes: int) -> None:
        self._partition = partition
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._residents: OrderedDict[StreamId, Resident] = OrderedDict()
        self.set_aside: dict[StreamId, str] = {}
        """The names of those that the engine failed on."""

    def __iter__(self) -> Iterator[Resident]:
        return iter(self._residents.values())

    def __len__(self) -> int:
        return len(self._residents)

    def find(self, stream: StreamId) -> Resident | None:
        """The object, if it is in memory."""
        return self._residents.get(stream)

    def present(self, stream: StreamId) -> Resident | None:
        """The object, if it is in memory, as one that is used."""
        resident = self._residents.get(stream)
        if resident is not None:
            self._residents.move_to_end(stream)
        return resident

    async def get(self, stream: StreamId) -> Resident:
        """The object, read if need be. A damaged one is there too, and says so (``Resident.damage``)."""
        resident = self.present(stream)
        if resident is not None:
            return resident
        resident = await self._read(stream)
        self._residents[stream] = resident
        self.weigh(resident)
        return resident

    async def read_again(self, resident: Resident) -> None:
        """Let an object be what its events say, those that are not durable yet included. Raises ``Damaged``."""
        # One that has none on disk may have vanished a moment ago, and be there until that is durable.
        stored = await self._partition.load(resident.stream) if resident.durable else None
        state = None if stored is None else fold(resident.stream, stored)
        for recorded in resident.recent:
            if stored is None or recorded.number > stored.last:
                state = advance(resident.stream, state, recorded)
        resident.state, resident.is_torn = state, False
        resident.forget_rows_of_open()

    async def history(self, resident: Resident, of: InvocationId, spans: Sequence[tuple[int, int]]) -> list[Recorded]:
        """All events of an invocation, those that are not durable yet included."""
        # Before the wait, during which some of it may become durable.
        recent = self.recent_history(resident, of, spans)
        if spans[0][0] > resident.durable:
            return recent
        stored = [(first, min(last, resident.durable)) for first, last in spans if first <= resident.durable]
        events = await self._partition.history(resident.stream, stored)
        return [r for r in events if belongs_to(r.event, of)] + recent

    def recent_history(self, resident: Resident, of: InvocationId, spans: Sequence[tuple[int, int]]) -> list[Recorded]:
        """Those of its events that are not durable yet: no more of them than is wanted, for there may be thousands."""
        return [r for first, last in spans for r in resident.recent_events(first, last) if belongs_to(r.event, of)]

    def past(self, resident: Resident) -> Past:
        """The object as it was."""
        return Past(self._partition, resident.stream, resident.trimmed, resident.durable, tuple(resident.recent))

    def forget(self, stream: StreamId) -> None:
        """Drop an object: what it was is on disk."""
        self._bytes -= self._residents.pop(stream).weight

    def weigh(self, resident: Resident) -> None:
        """Take note of what its fields have become, and of what its handler has written and not left to it yet."""
        state = resident.state
        weight = 0
        if state is not None:
            if state.fields:
                weight = sum(map(len, state.fields.values()))
            if state.holder is not None:
                weight += state.invocations[state.holder].changes.size
        self._bytes += weight - resident.weight
        resident.weight = weight

    def shrink(self) -> None:
        """Let objects go that nobody has used for long, down to the limits."""
        excess = len(self._residents) - self._limit
        if excess > 0:
            for resident in list(islice(self._residents.values(), excess)):
                if resident.is_idle:
                    self.forget(resident.stream)
        if self._bytes > self._limit_bytes:
            self._shrink_bytes()

    def _shrink_bytes(self) -> None:
        for resident in list(self._residents.values()):
            if self._bytes <= self._limit_bytes:
                return
            if resident.weight and resident.is_idle:
                self.forget(resident.stream)

    async def _read(self, stream: StreamId) -> Resident:
        try:
            stored = await self._partition.load(stream)
            state = None if stored is None else fold(stream, stored)
        except Damaged as damage:
            return Resident(stream, None, damage=damage)
        if stored is None or state is None:
            return Resident(stream, None)
        return Resident(
            stream,
            state,
            durable=stored.last,
            trimmed=stored.trimmed,
            listings={i: listing_of(invocation) for i, invocation in state.invocations.items()},
            owing_on_disk=owes(state),
            snapshot_at=stored.snapshot_at,
            events_since_snapshot=len(stored.events),
            snapshot_bytes=0 if stored.snapshot is None else len(stored.snapshot),
        )
