"""Public records of keyed objects: their fields now and in the past, and their changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from actors.model.pages import Page, cursor_of, page_of, parse_cursor
from journal.events import Kind
from journal.ids import InvocationId


@attrs.frozen(kw_only=True)
class ObjectInfo:
    """An object, now or after an event. A key that was never used has version 0 and the default fields.

    ``version`` is the number of the last event in its log, ``version_at`` the time of that event (wall seconds; None if it is
    purged), ``fields_version`` the number of the event that last changed its fields. ``history_from`` is the number of the first
    stored event: 1 unless retention has purged earlier ones. The fields have the values that ended handlers have written: the changes
    of the ``holder`` are shown after it ends, although shared handlers see them before. ``fields`` are the plain ones, ``logs`` the lengths of its logs,
    ``maps`` the names of its maps. ``undeclared`` are those of all these names that its class does not declare: their values are stored, and no
    handler reads them. ``holder`` is the invocation that has the key; ``waiting`` are the first hundred of
    ``waiting_count`` in the mailbox, in order.
    """

    service: str
    key: str
    kind: Kind
    version: int = 0
    version_at: float | None = None
    fields_version: int = 0
    history_from: int = 1
    fields: dict[str, Any] = attrs.field(factory=dict)
    logs: dict[str, int] = attrs.field(factory=dict)
    maps: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    holder: InvocationId | None = None
    waiting: tuple[InvocationId, ...] = ()
    waiting_count: int = 0
    open_invocations: int = 0


@attrs.frozen(kw_only=True)
class FieldChange:
    """A field, or an item of it, as an invocation left it: the event, the time (wall seconds) and the requester. ``item`` is the
    key of a map's item as JSON, or the index in a log."""

    number: int
    at: float
    by: str
    invocation_id: InvocationId
    value: Any
    item: str = ""


@attrs.frozen(kw_only=True)
class ItemInfo:
    """An item of a ``Log`` or a ``Map``: its index, or its key as JSON, and its value."""

    item: str
    value: Any


@attrs.frozen(kw_only=True)
class ObjectDeletion:
    """The result of a deletion: whether there was such an object, and how many ended invocations were deleted with it."""

    changed: bool
    invocations: int = 0


@attrs.frozen(kw_only=True)
class ObjectName:
    """An object that has been used."""

    service: str
    key: str


_KIND = "objects"


def object_cursor(name: ObjectName) -> str:
    """Return the cursor for the objects that a list has after this one."""
    return cursor_of(_KIND, name.service, name.key)


def object_in(after: str | None) -> ObjectName | None:
    """Return the object in a cursor. Raises :class:`actors.InvalidArgumentError`."""
    if after is None:
        return None
    service, key = parse_cursor(after, _KIND, tuple[str, str])
    return ObjectName(service=service, key=key)


def page_of_objects(names: Sequence[ObjectName], limit: int) -> Page[ObjectName]:
    """Return a page of the first ``limit`` names, as :func:`actors.model.pages.page_of` does."""
    return page_of(names, limit, object_cursor)
