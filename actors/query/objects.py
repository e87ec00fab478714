"""Objects as they are kept, now and after any of their events: from the rows of a running journal, or of a store at rest."""

from __future__ import annotations

import re
from contextlib import aclosing
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.core.fold import fold
from actors.core.past import ObjectHistory
from actors.errors import InvalidArgumentError
from actors.model.fields import FieldKind
from actors.model.object_info import FieldChange, ItemInfo, ObjectInfo, ObjectName
from actors.values.arguments import checked_count
from actors.values.names import is_system
from actors.values.texts import shown
from journal import events as e
from journal import keys
from journal.events import Kind, OutcomeKind, Recorded
from journal.ids import InvocationId, StreamId, stream_of
from journal.kv.store import scan_all
from journal.log.streams import load_stream, read_events, read_head, read_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.core.state import ObjectState
    from actors.model.definitions import Definition
    from journal.kv.store import Readable
    from journal.rows import StreamHead

MAX_LISTED = 1_000
"""Objects, items, or changes that one answer holds at most."""

_WAITING_SHOWN = 100
_EVENTS_A_CHANGE = 4


def checked_limit(limit: int) -> int:
    """How many may be asked for at a time. Raises :class:`actors.InvalidArgumentError`."""
    return checked_count(limit, "limit", at_most=MAX_LISTED)


class KeptObjects:
    """Reads objects from rows as of one moment. ``partitions`` is what the journal was created with."""

    def __init__(self, rows: Readable, partitions: int) -> None:
        self._rows = rows
        self._partitions = partitions

    def names(self, service: str | None, after: str, limit: int, *, begin: str = "") -> list[ObjectName]:
        """Objects by service and key, behind the key ``after``; of one service, or of all that are not built in.

        With ``begin``, only those whose keys begin with it: others are not read.
        """
        found: list[ObjectName] = []
        for partition in range(self._partitions):
            found += islice(self._names_in(partition, service, after, begin), limit)
        return sorted(found, key=lambda name: (name.service, name.key))[:limit]

    def _names_in(self, partition: int, service: str | None, after: str, begin: str) -> Iterator[ObjectName]:
        if service is not None:
            yield from self._names_of(partition, service, after, begin)
            return
        for each in self._services_in(partition):
            if not is_system(each):
                yield from self._names_of(partition, each, "", begin)

    def _names_of(self, partition: int, service: str, after: str, begin: str) -> Iterator[ObjectName]:
        prefix = keys.object_name(partition, service, begin)
        start = max(prefix, keys.object_name(partition, service, after) + b"\x00") if after else prefix
        for row, _ in scan_all(self._rows, start, keys.after_prefix(prefix)):
            yield ObjectName(service=service, key=keys.parts_of_object_name(row)[1])

    def _services_in(self, partition: int) -> Iterator[str]:
        """The services that have objects; of each only the first object is read."""
        every = keys.object_names(partition, None)
        start, stop = every, keys.after_prefix(every)
        while page := self._rows.scan(start, stop, limit=1):
            service, _ = keys.parts_of_object_name(page[0][0])
            yield service
            start = keys.after_prefix(keys.object_names(partition, service))

    def services(self) -> list[str]:
        """The names under which there are objects, but for what is built in."""
        found = {name for partition in range(self._partitions) for name in self._services_in(partition)}
        return sorted(name for name in found if not is_system(name))

    def count(self, service: str, at_most: int) -> int:
        """How many objects a name has; no more than ``at_most`` are counted."""
        counted = 0
        for partition in range(self._partitions):
            counted += sum(1 for _ in islice(self._names_of(partition, service, "", ""), at_most - counted))
        return counted

    def kind_of(self, service: str) -> Kind:
        """What the objects of a name are."""
        for name in self.names(service, "", 1):
            state = self._kept(service, name.key).state()
            if state is not None:
                return state.kind
        return Kind.ACTOR

    async def info(self, service: str, key: str, definition: Definition | None, at: int | None = None) -> ObjectInfo:
        """The object, now or after event ``at``. Raises ``HistoryGoneError``, ``Damaged``, ``InvalidArgumentError``."""
        kept = self._kept(service, key)
        state = await kept.state_at(at)
        plain, maps = _declared(definition)
        if state is None:
            kind = Kind.ACTOR if definition is None else definition.kind
            return ObjectInfo(service=service, key=key, kind=kind, fields=plain, maps=maps)
        return ObjectInfo(
            service=service,
            key=key,
            kind=state.kind,
            version=state.version,
            version_at=kept.time_of(state.version),
            fields_version=state.fields_version,
            history_from=await kept.past().kept_from(),
            fields=plain | {name: msgspec.json.decode(data) for name, data in sorted(state.fields.items())},
            logs=dict(state.lengths),
            maps=(*maps, *sorted(state.maps.difference(maps, plain))),
            holder=state.holder,
            waiting=tuple(state.queue[:_WAITING_SHOWN]),
            waiting_count=len(state.queue),
            open_invocations=len(state.invocations),
        )

    async def items(
        self, service: str, key: str, field: str, *, at: int | None, start: str, limit: int
    ) -> list[ItemInfo]:
        """Items of a ``Log`` from a position on, or of a ``Map`` behind a key, now or after event ``at``."""
        kept = self._kept(service, key)
        state = await kept.state_at(at)
        if state is None:
            return []
        if field in state.lengths:
            return kept.log_items(field, _position(start), state.lengths[field], limit)
        then = {} if at is None else (await kept.past().items_changed_since(at)).get(field, {})
        return kept.map_items(field, then, start, limit)

    async def history(
        self,
        service: str,
        key: str,
        field: str,
        *,
        after: int,
        before: int | None,
        newest_first: bool,
        limit: int,
    ) -> list[FieldChange]:
        """What a field has been, as far as histories are kept: the changes behind event ``after`` and before ``before``.

        What one event has changed stands together: the last one is given whole, though that be more than ``limit``.
        """
        kept = self._kept(service, key)
        last = kept.head.last if before is None else min(before - 1, kept.head.last)
        if newest_first:
            return await _newest(kept, field, after=after, last=last, limit=limit)
        changes, found = _Changes(field), list[FieldChange]()
        async with aclosing(kept.past().events(kept.head.trimmed + 1, last)) as events:
            async for recorded in events:
                found += [change for change in changes.take(recorded) if change.number > after]
                if len(found) >= limit:
                    break
        return found

    def _kept(self, service: str, key: str) -> _Kept:
        stream = stream_of(service, key)
        partition = stream % self._partitions
        return _Kept(self._rows, f"{service}/{key}", partition, stream, read_head(self._rows, partition, stream))


@attrs.define
class _Kept:
    """One object's rows; as much of a partition as :class:`ObjectHistory` needs."""

    rows: Readable
    name: str
    partition: int
    stream: StreamId
    head: StreamHead

    def state(self) -> ObjectState | None:
        """The object now."""
        stored = load_stream(self.rows, self.partition, self.stream, self.head)
        return None if stored is None else fold(self.stream, stored)

    def past(self) -> ObjectHistory:
        """The object as it was."""
        return ObjectHistory(self, self.stream, self.head.trimmed, self.head.last, ())

    async def state_at(self, at: int | None) -> ObjectState | None:
        """The object now, or after event ``at``. Raises ``InvalidArgumentError`` for an event that it does not have; one that was
        never used has always been the same."""
        last = self.head.last
        if at is None or at == last or last == 0:
            return self.state()
        if not 1 <= at < last:
            raise InvalidArgumentError(
                f"{self.name} has no event {at}: its events have the numbers 1 to {last}", path="at"
            )
        return await self.past().object_at(at)

    def time_of(self, number: int) -> float | None:
        """When an event was decided, if it is still kept."""
        if number <= self.head.trimmed:
            return None
        (recorded,) = read_events(self.rows, self.partition, self.stream, number, number)
        return recorded.stamp.at

    async def snapshot(self, stream: StreamId, at: int) -> tuple[int, bytes] | None:
        return read_snapshot(self.rows, self.partition, stream, at)

    async def history(self, stream: StreamId, spans: Sequence[tuple[int, int]]) -> list[Recorded]:
        return [r for first, last in spans for r in read_events(self.rows, self.partition, stream, first, last)]

    def log_items(self, field: str, start: int, length: int, limit: int) -> list[ItemInfo]:
        """Items of a log that had this length."""
        first = keys.log_item(self.partition, self.stream, field, start)
        behind = keys.log_item(self.partition, self.stream, field, min(length, start + limit))
        page = self.rows.scan(first, behind, limit=limit) if start < length else []
        return [
            ItemInfo(item=str(start + index), value=msgspec.json.decode(value)) for index, (_, value) in enumerate(page)
        ]

    def map_items(self, field: str, then: dict[str, bytes | None], start: str, limit: int) -> list[ItemInfo]:
        """Items of a map behind a key, with those that were others then as they were."""
        prefix = keys.items(self.partition, self.stream, field)
        found: list[ItemInfo] = []
        for key, value in self._merged(prefix, then, start):
            if len(found) >= limit:
                break
            found.append(ItemInfo(item=key, value=msgspec.json.decode(value)))
        return found

    def _merged(self, prefix: bytes, then: dict[str, bytes | None], start: str) -> Iterator[tuple[str, bytes]]:
        behind = prefix + start.encode() + (b"\x00" if start else b"")
        waiting = sorted((key.encode(), value) for key, value in then.items() if key > start)
        for name, value in scan_all(self.rows, behind, keys.after_prefix(prefix)):
            key = name[len(prefix) :]
            while waiting and waiting[0][0] < key:
                earlier, was = waiting.pop(0)
                if was is not None:
                    yield earlier.decode(), was
            if waiting and waiting[0][0] == key:
                _, was = waiting.pop(0)
                if was is not None:
                    yield key.decode(), was
            else:
                yield key.decode(), value
        yield from ((key.decode(), was) for key, was in waiting if was is not None)


def _declared(definition: Definition | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The plain fields of a class with their defaults, and its maps."""
    if definition is None:
        return {}, ()
    plain: dict[str, Any] = {}
    maps: list[str] = []
    for name, field in definition.fields.items():
        if field.default is not None:
            plain[name] = msgspec.json.decode(field.default)
        elif field.kind is FieldKind.MAP:
            maps.append(name)
    return plain, tuple(maps)


def _position(start: str) -> int:
    if not start:
        return 0
    if not _POSITION.fullmatch(start):
        raise InvalidArgumentError(
            f"start is {shown(start)}, expected a position in a log: a number from 0", path="start"
        )
    return int(start)


_POSITION = re.compile(r"[0-9]{1,18}")


async def _newest(kept: _Kept, field: str, *, after: int, last: int, limit: int) -> list[FieldChange]:
    """The last changes up to event ``last``, newest first.

    No more is read than it takes, from the end: a piece that is made four times as long while it is too short, or while one
    that ends in it has begun before it, so that what it wrote is not known.
    """
    first, length = kept.head.trimmed + 1, limit * _EVENTS_A_CHANGE
    while True:
        start = max(first, last + 1 - length)
        changes, found = _Changes(field), list[FieldChange]()
        async with aclosing(kept.past().events(start, last)) as events:
            async for recorded in events:
                found += changes.take(recorded)
        certain = after if start == first else max(after, changes.doubtful)
        found = [change for change in reversed(found) if change.number > certain]
        if len(found) >= limit or start == first or (start <= after + 1 and changes.doubtful <= after):
            break
        length *= 4
    end = found[limit - 1].number if len(found) > limit else 0
    return [change for change in found if change.number >= end]


class _Changes:
    """Finds what a field was left as, from the events of its object, in order.

    ``doubtful`` is the last event that ended what had begun before the first one taken: that may have changed more.
    """

    def __init__(self, field: str) -> None:
        self.doubtful = 0
        self._field = field
        self._written: dict[InvocationId, list[tuple[str, bytes | None]]] = {}
        self._asked_by: dict[InvocationId, str] = {}
        self._atomic: set[InvocationId] = set()

    def take(self, recorded: Recorded) -> list[FieldChange]:
        """The changes that became the object's with this event: those of an invocation that ended, all at once."""
        event, field = recorded.event, self._field
        match event:
            case e.InvocationAccepted():
                self._asked_by[event.invocation_id] = recorded.stamp.by
                if event.atomic:
                    self._atomic.add(event.invocation_id)
            case e.FieldsChanged() if field in event.fields:
                self._written[event.invocation_id] = [("", event.fields[field])]
            case e.LogExtended() if event.field == field:
                self._written.setdefault(event.invocation_id, []).extend(("", item) for item in event.items)
            case e.MapChanged() if event.field == field:
                self._written.setdefault(event.invocation_id, []).extend(event.items.items())
            case e.FieldsInitialized() if field in event.fields:
                return self._left(recorded, event.invocation_id, [("", event.fields[field])])
            case e.LogConverted() if event.field == field:
                return self._left(recorded, event.invocation_id, [("", item) for item in event.items])
            case e.MapConverted() if event.field == field:
                return self._left(recorded, event.invocation_id, [*event.items.items()])
            case e.HistoryCopied(carries=False):
                self._written.pop(event.invocation_id, None)
            case e.FieldsRewound():
                values = [("", event.fields[field])] if field in event.fields else []
                return self._left(recorded, event.invocation_id, [*values, *event.maps.get(field, {}).items()])
            case e.InvocationCompleted():
                return self._at_end(recorded, event)
        return []

    def _at_end(self, recorded: Recorded, event: e.InvocationCompleted) -> list[FieldChange]:
        of = event.invocation_id
        if of not in self._asked_by:
            self.doubtful = recorded.number
        left = self._written.pop(of, [])
        is_dropped = of in self._atomic and event.outcome.kind is not OutcomeKind.SUCCEEDED
        changes = [] if is_dropped else self._left(recorded, of, left)
        self._asked_by.pop(of, None)
        self._atomic.discard(of)
        return changes

    def _left(self, recorded: Recorded, of: InvocationId, left: list[tuple[str, bytes | None]]) -> list[FieldChange]:
        return [
            FieldChange(
                number=recorded.number,
                at=recorded.stamp.at,
                by=self._asked_by.get(of, recorded.stamp.by),
                invocation_id=of,
                value=None if data is None else msgspec.json.decode(data),
                item=item,
            )
            for item, data in left
        ]
