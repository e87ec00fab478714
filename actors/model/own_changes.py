"""Merges the changes of a handler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from journal import events as e
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from journal.events import Event


@attrs.define
class Own:
    """The merged changes of a handler."""

    fields: dict[str, bytes] = attrs.field(factory=dict)
    logs: dict[str, list[bytes]] = attrs.field(factory=dict)
    maps: dict[str, dict[str, bytes | None]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, changes: Iterable[Event]) -> Own:
        own = cls()
        for change in changes:
            match change:
                case e.FieldsChanged():
                    own.fields.update(change.fields)
                case e.LogExtended():
                    own.logs.setdefault(change.field, []).extend(change.items)
                case e.MapChanged():
                    own.maps.setdefault(change.field, {}).update(change.items)
                case _:
                    raise BrokenInvariant(f"{type(change).__name__} is not a change of a field")
        return own
