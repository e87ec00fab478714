"""The names of an object's fields: as its class declares them, and as the object stores them.

A class may give a field former names, its aliases. An object keeps the name under which it first stored the field, whichever code
writes it next. So code with the old name and code with the new one, which may be pinned side by side, read and write one value, and a
handler that goes over to new code in the middle replays the changes that it has recorded. Renaming the stored values
instead, at the next commit, was refused: code with the old name would then silently read defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs

from journal import events as e
from journal.fused import RecordedTurn

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from journal.events import Event
    from journal.fused import Lived

T = TypeVar("T")


@attrs.frozen
class FieldNames:
    """The names of one object's fields. ``aliases`` are the former names of the fields that have any, ``stored_as`` the
    names of those fields that the object stores under another name than their own."""

    aliases: Mapping[str, tuple[str, ...]]
    stored_as: Mapping[str, str]

    @classmethod
    def of(cls, aliases: Mapping[str, tuple[str, ...]], *stored: Container[str]) -> FieldNames:
        """Return the names in an object that stores fields under these names. The first of several containers that has a name of a
        field decides, and in it the first name: the field's own, then its aliases in order."""
        stored_as: dict[str, str] = {}
        for field, former in aliases.items():
            names = (field, *former)
            found = next((name for each in stored for name in names if name in each), field)
            if found != field:
                stored_as[field] = found
        return cls(aliases, stored_as)

    def stored(self, field: str) -> str:
        """Return the name under which the object stores a field."""
        return self.stored_as.get(field, field)

    def declared(self, stored: Mapping[str, T]) -> dict[str, T]:
        """Return what is stored by name, under the names of the fields. Names that are no field's stay."""
        found = dict(stored)
        for field, former in self.aliases.items():
            if field not in found:
                names = (self.stored(field), *former)
                name = next((each for each in names if each in found), None)
                if name is not None:
                    found[field] = found.pop(name)
        return found

    def undeclared(self, fields: Iterable[str], stored: Iterable[str]) -> tuple[str, ...]:
        """Return the stored names, sorted, that are none of these fields of the class."""
        return tuple(sorted({*stored}.difference(map(self.stored, fields))))

    def as_stored(self, event: Event) -> Event:
        """Return the event with the names under which the object stores its fields."""
        match event:
            case e.FieldsChanged() | e.FieldsInitialized():
                return attrs.evolve(event, fields=self._as_stored(event.fields))
            case e.ReadsPinned():
                fields, lengths = self._as_stored(event.fields), self._as_stored(event.lengths)
                return attrs.evolve(event, fields=fields, lengths=lengths)
            case e.LogExtended() | e.MapChanged() | e.LogConverted() | e.MapConverted() | e.ItemsPinned():
                return attrs.evolve(event, field=self.stored(event.field))
            case _:
                return event

    def as_declared(self, change: Event) -> Event:
        """Return the change of a handler with the names of the fields."""
        match change:
            case e.FieldsChanged():
                return attrs.evolve(change, fields=self.declared(change.fields))
            case e.LogExtended() | e.MapChanged():
                (field,) = self.declared({change.field: None})
                return attrs.evolve(change, field=field)
            case _:
                return change

    def _as_stored(self, declared: Mapping[str, T]) -> dict[str, T]:
        return {self.stored(name): value for name, value in declared.items()}


def names_in(history: Iterable[Lived]) -> set[str]:
    """Return the names of the fields in the events of an invocation."""
    found: set[str] = set()
    for recorded in history:
        if isinstance(recorded, RecordedTurn):
            found.update(recorded.turn.fields or ())
            continue
        match recorded.event:
            case e.FieldsChanged(fields=fields):
                found |= fields.keys()
            case e.ReadsPinned(fields=fields, lengths=lengths) | e.HistoryCopied(fields=fields, lengths=lengths):
                found |= fields.keys() | lengths.keys()
            case e.LogExtended(field=field) | e.MapChanged(field=field):
                found.add(field)
            case _:
                pass
    return found
