"""The changes of a field, from the events of the object's log."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from actors.model.object_info import FieldChange
from actors.query.objects import field_names
from journal import events as e
from journal.events import OutcomeKind, Recorded
from journal.ids import InvocationId

if TYPE_CHECKING:
    from actors.model.definitions import Definition
    from actors.query.snapshot import JournalSnapshot
    from actors.query.stored_object import StoredObject

_EVENTS_A_CHANGE = 4


async def field_history(
    snapshot: JournalSnapshot,
    service: str,
    key: str,
    field: str,
    definition: Definition | None,
    *,
    after: int,
    before: int | None,
    newest_first: bool,
    limit: int,
) -> list[FieldChange]:
    """Return the stored changes of a field after event ``after`` and before ``before``.

    The changes of one event are not split, so the result may exceed ``limit`` by the rest of the last event.
    """
    stored = snapshot.stored_object(service, key)
    field = field_names(definition, stored.state()).stored(field)
    last = stored.head.last if before is None else min(before - 1, stored.head.last)
    if newest_first:
        return await _newest(stored, field, after=after, last=last, limit=limit)
    changes, found = _Changes(field), list[FieldChange]()
    async with aclosing(stored.past.events(stored.head.trimmed + 1, last)) as events:
        async for recorded in events:
            found += [change for change in changes.take(recorded) if change.number > after]
            if len(found) >= limit:
                break
    return found


async def _newest(stored: StoredObject, field: str, *, after: int, last: int, limit: int) -> list[FieldChange]:
    """Return the last changes up to event ``last``, newest first.

    The log is read backwards from its end. The range is extended fourfold until it has enough changes and contains the
    start of every invocation that ends in it: without the start, the writes of an invocation are unknown.
    """
    first, length = stored.head.trimmed + 1, limit * _EVENTS_A_CHANGE
    while True:
        start = max(first, last + 1 - length)
        changes, found = _Changes(field), list[FieldChange]()
        async with aclosing(stored.past.events(start, last)) as events:
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
    """Derives the values of a field from the events of its object, in order.

    ``doubtful`` is the last event that ended an invocation begun before the first event read: it may have changed more.
    """

    def __init__(self, field: str) -> None:
        self.doubtful = 0
        self._field = field
        self._written: dict[InvocationId, list[tuple[str, bytes | None]]] = {}
        self._asked_by: dict[InvocationId, str] = {}
        self._atomic: set[InvocationId] = set()

    def take(self, recorded: Recorded) -> list[FieldChange]:
        """Return the field changes that this event made. The changes of an invocation count when it completes, all at
        once.
        """
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
