"""The earlier states of an object, as of any event that is still stored."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

import attrs

from actors.core.evolve.fields import keeps_changes
from actors.core.fold import advance
from actors.core.snapshots import decode_snapshot
from actors.errors import ErrorCode, NotFoundError, ResourceKind
from journal import events as e
from journal.errors import Damaged

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from actors.core.state import ObjectState
    from journal.events import Recorded
    from journal.ids import StreamId

_READ_TOGETHER = 512

OF_NO_INVOCATION = (e.Erased, e.ObjectCreated, e.InvocationsPurged)
"""The events of an object's log that belong to no invocation. Readers need them only together with the events around them."""

GOING_LIVE = (
    e.InvocationStarted,
    e.FieldsRewound,
    e.HistoryCopied,
    e.FieldsInitialized,
    e.LogConverted,
    e.MapConverted,
)
"""The events after which a handler reads the current state of its object. After the last of these events it reads that state plus its
own writes."""

Maps = dict[str, dict[str, bytes | None]]


@attrs.frozen
class FormerItems:
    """The items of an object's collections as of an earlier event, as far as they have changed since.

    ``maps`` has the former values of items of maps, by field and key. ``logs`` has, by field, the items that a later rewind has removed
    from the end of a log: the index of the first one, and the items.
    """

    maps: Maps = attrs.field(factory=dict)
    logs: dict[str, tuple[int, list[bytes]]] = attrs.field(factory=dict)


class Snapshots(Protocol):
    """The methods of a partition that ``ObjectHistory`` needs."""

    async def snapshot(self, stream: StreamId, at: int) -> tuple[int, bytes] | None: ...
    async def history(self, stream: StreamId, spans: Sequence[tuple[int, int]]) -> list[Recorded]: ...


@attrs.define
class ObjectHistory:
    """Reads the events of one object, including events that are not durable yet.

    ``trimmed`` is the number of events removed from the front, ``durable`` the number of the last event on disk, and
    ``recent`` are the events after that.
    """

    partition: Snapshots
    stream: StreamId
    trimmed: int
    durable: int
    recent: Sequence[Recorded]

    async def object_at(self, number: int) -> ObjectState:
        """Return the state after event ``number``. Raises :class:`NotFoundError` if that part of the history was
        purged, or ``Damaged``."""
        found = await self.partition.snapshot(self.stream, min(number, self.durable))
        if found is None and self.trimmed:
            raise _gone(self.stream, number)
        first = 0 if found is None else found[0]
        state = None if found is None else decode_snapshot(self.stream, *found)
        async with aclosing(self.events(first + 1, number)) as events:
            async for recorded in events:
                if isinstance(recorded.event, e.Erased):
                    raise _gone(self.stream, number)
                state = advance(self.stream, state, recorded)
        if state is None:
            raise Damaged(self.stream, number, "the event is missing")
        return state

    async def former_items(self, number: int, lengths: Mapping[str, int]) -> FormerItems:
        """Return the items as of event ``number``, when the logs had these ``lengths``, as far as they have changed since.
        Raises :class:`NotFoundError` if that part of the history was purged, or ``Damaged``."""
        former, cut = FormerItems(), dict[str, int]()
        async with aclosing(self.events(number + 1, None)) as events:
            async for recorded in events:
                event = recorded.event
                match event:
                    case e.MapChanged():
                        _note_first(former.maps.setdefault(event.field, {}), event.before)
                    case e.MapConverted():
                        _note_first(former.maps.setdefault(event.field, {}), dict.fromkeys(event.items))
                    case e.FieldsRewound():
                        for field, before in event.before.items():
                            _note_first(former.maps.setdefault(field, {}), before)
                        for field, length in lengths.items():
                            stayed = event.lengths.get(field, 0) - len(event.logs.get(field, ()))
                            if stayed < length:
                                cut[field] = min(stayed, cut.get(field, stayed))
                    case e.Erased():
                        raise _gone(self.stream, number)
        if cut:
            logs = await self._logs_at(number)
            for field, stayed in cut.items():
                former.logs[field] = (stayed, logs[field][stayed : lengths[field]])
        return former

    async def _logs_at(self, number: int) -> dict[str, list[bytes]]:
        """Return the items of all logs as of event ``number``, from the events that wrote them. Raises :class:`NotFoundError` if
        one of those was purged, or ``Damaged``."""
        if self.trimmed:
            raise _gone(self.stream, number)
        logs: dict[str, list[bytes]] = {}
        state: ObjectState | None = None
        async with aclosing(self.events(1, number)) as events:
            async for recorded in events:
                match recorded.event:
                    case e.LogConverted(field=field, items=items):
                        logs[field] = list(items)
                    case e.FieldsRewound(lengths=lengths, logs=ends):
                        for field in {*logs, *lengths}:
                            end = ends.get(field, [])
                            logs[field] = [*logs.get(field, [])[: lengths.get(field, 0) - len(end)], *end]
                    case e.InvocationCompleted(invocation_id=of, outcome=outcome) if state is not None:
                        invocation = state.invocations.get(of)
                        if invocation is not None and keeps_changes(invocation, outcome.kind):
                            for field, items in invocation.changes.logs.items():
                                logs.setdefault(field, []).extend(items)
                    case e.Erased():
                        raise _gone(self.stream, number)
                state = advance(self.stream, state, recorded)
        return logs

    async def kept_from(self) -> int:
        """Return the number of the first stored event that belongs to an invocation; 1 if nothing has been purged."""
        number, is_cut = self.trimmed, self.trimmed > 0
        async with aclosing(self.events(number + 1, None)) as events:
            async for recorded in events:
                if not isinstance(recorded.event, OF_NO_INVOCATION):
                    break
                number = recorded.number
                is_cut = is_cut or isinstance(recorded.event, e.Erased)
        return number + 1 if is_cut else 1

    async def events(self, first: int, last: int | None) -> AsyncGenerator[Recorded, None]:
        """Yield the events with numbers from ``first`` to ``last``, or to the end if that is None, in order."""
        durable = self.durable if last is None else min(last, self.durable)
        while first <= durable:
            until = min(first + _READ_TOGETHER - 1, durable)
            for recorded in await self.partition.history(self.stream, [(first, until)]):
                yield recorded
            first = until + 1
        for recorded in self.recent:
            if recorded.number >= first and (last is None or recorded.number <= last):
                yield recorded


def _note_first(were: dict[str, bytes | None], before: dict[str, bytes | None]) -> None:
    for key, value in before.items():
        were.setdefault(key, value)


def _gone(stream: StreamId, number: int) -> NotFoundError:
    return NotFoundError(
        f"object {stream:016x} as of event {number}: part of the history that this needs has been purged. "
        "Restart from the beginning, or keep histories longer ('retention')",
        kind=ResourceKind.HISTORY,
        code=ErrorCode.GONE,
    )
