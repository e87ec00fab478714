"""Reads stored objects: their names, and the state of one now or in the past."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from actors.errors import InvalidArgumentError
from actors.model.field_names import FieldNames
from actors.model.fields import FieldKind
from actors.model.object_info import ItemInfo, ObjectInfo, ObjectName
from actors.model.pages import Page, page_of
from actors.values.names import is_system
from actors.values.texts import shown
from journal import keys
from journal.events import Kind
from journal.kv.store import scan_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.core.state import ObjectState
    from actors.model.definitions import Definition
    from actors.query.snapshot import JournalSnapshot

_WAITING_SHOWN = 100


def object_names(
    snapshot: JournalSnapshot, service: str | None, after: ObjectName | None, limit: int, *, begin: str = ""
) -> list[ObjectName]:
    """List objects by service and key: those of one service, or of every service that is not built in.

    With ``after``, only those that follow this object. Of one service, these are those with a larger key, or with the same
    key if its name is larger: a class may have objects under several names, whose lists are then merged by key.

    With ``begin``, only those whose keys begin with it: others are not read.
    """
    found: list[ObjectName] = []
    for partition in range(snapshot.partitions):
        found += islice(_names_in(snapshot, partition, service, after, begin), limit)
    return sorted(found, key=lambda name: (name.service, name.key))[:limit]


def _names_in(
    snapshot: JournalSnapshot, partition: int, service: str | None, after: ObjectName | None, begin: str
) -> Iterator[ObjectName]:
    if service is not None:
        start = b"" if after is None else _behind(partition, service, after)
        yield from _names_of(snapshot, partition, service, begin, start)
        return
    for each in services_in(snapshot, partition):
        if not is_system(each) and (after is None or each >= after.service):
            start = _behind(partition, each, after) if after is not None and each == after.service else b""
            yield from _names_of(snapshot, partition, each, begin, start)


def _behind(partition: int, service: str, after: ObjectName) -> bytes:
    """Return the first row of a service that follows an object of the same service, or of another name of its class."""
    return keys.object_name(partition, service, after.key) + (b"" if service > after.service else b"\x00")


def _names_of(
    snapshot: JournalSnapshot, partition: int, service: str, begin: str = "", start: bytes = b""
) -> Iterator[ObjectName]:
    prefix = keys.object_name(partition, service, begin)
    for row, _ in scan_all(snapshot.view, max(prefix, start), keys.after_prefix(prefix)):
        yield ObjectName(service=service, key=keys.parts_of_object_name(row)[1])


def services_in(snapshot: JournalSnapshot, partition: int) -> Iterator[str]:
    """Yield the services that have objects in a partition. Reads only the first object of each service."""
    for name in first_objects_in(snapshot, partition):
        yield name.service


def first_objects_in(snapshot: JournalSnapshot, partition: int) -> Iterator[ObjectName]:
    """Yield the first object of each service that has objects in a partition. Reads no other object."""
    every = keys.object_names(partition, None)
    start, stop = every, keys.after_prefix(every)
    while (row := snapshot.first(start, stop)) is not None:
        service, key = keys.parts_of_object_name(row[0])
        yield ObjectName(service=service, key=key)
        start = keys.after_prefix(keys.object_names(partition, service))


def services_with_objects(snapshot: JournalSnapshot) -> list[str]:
    """List the services that have objects, except built-in ones."""
    found = {name for partition in range(snapshot.partitions) for name in services_in(snapshot, partition)}
    return sorted(name for name in found if not is_system(name))


def count_objects(snapshot: JournalSnapshot, service: str, at_most: int) -> int:
    """Count the objects of a service, up to ``at_most``."""
    counted = 0
    for partition in range(snapshot.partitions):
        counted += sum(1 for _ in islice(_names_of(snapshot, partition, service), at_most - counted))
    return counted


def kind_of(snapshot: JournalSnapshot, service: str) -> Kind:
    """Return the kind of a service's stored objects."""
    for name in object_names(snapshot, service, None, 1):
        state = snapshot.stored_object(service, name.key).state()
        if state is not None:
            return state.kind
    return Kind.ACTOR


async def object_info(
    snapshot: JournalSnapshot, service: str, key: str, definition: Definition | None, at: int | None = None
) -> ObjectInfo:
    """Return the object now, or after event ``at``. Raises ``NotFoundError``, ``Damaged`` or ``InvalidArgumentError``."""
    stored = snapshot.stored_object(service, key)
    state = await stored.state_at(at)
    plain, maps = _declared(definition)
    names = field_names(definition, state)
    if state is None:
        kind = Kind.ACTOR if definition is None else definition.kind
        return ObjectInfo(service=service, key=key, kind=kind, fields=plain, maps=maps)
    return ObjectInfo(
        service=service,
        key=key,
        kind=state.kind,
        version=state.version,
        version_at=stored.time_of(state.version),
        fields_version=state.fields_version,
        history_from=await stored.past.kept_from(),
        fields=plain | {name: msgspec.json.decode(data) for name, data in sorted(names.declared(state.fields).items())},
        logs=names.declared(state.lengths),
        maps=(*maps, *sorted(names.declared(dict.fromkeys(state.maps)).keys() - {*maps, *plain})),
        undeclared=() if definition is None else names.undeclared(definition.fields, state.field_names),
        holder=state.holder,
        waiting=tuple(state.queue[:_WAITING_SHOWN]),
        waiting_count=len(state.queue),
        open_invocations=len(state.invocations),
    )


def field_names(definition: Definition | None, state: ObjectState | None) -> FieldNames:
    """Return the names of the fields of an object, of which ``definition`` is the class."""
    return FieldNames.of(
        {} if definition is None else definition.field_aliases, () if state is None else state.field_names
    )


async def object_items(
    snapshot: JournalSnapshot,
    service: str,
    key: str,
    field: str,
    definition: Definition | None,
    *,
    at: int | None,
    start: str,
    limit: int,
) -> Page[ItemInfo]:
    """Return items of a ``Log`` from an index on, or of a ``Map`` after a key, now or as of event ``at``. The cursor of the page is
    the ``start`` of the next one.
    """
    stored = snapshot.stored_object(service, key)
    state = await stored.state_at(at)
    if state is None:
        return Page()
    rows = stored.rows if at is None else await stored.rows_at(at, state)
    field = field_names(definition, state).stored(field)
    if field in state.lengths:
        first = _position(start)
        logged = stored.log_items(rows, field, first, state.lengths[field], limit + 1)
        found = [_item(str(number), value) for number, value in enumerate(logged, first)]
        return page_of(found, limit, lambda last: str(int(last.item) + 1))
    found = [_item(item, value) for item, value in islice(stored.map_items(rows, field, start), limit + 1)]
    return page_of(found, limit, lambda last: last.item)


def _item(item: str, value: bytes) -> ItemInfo:
    return ItemInfo(item=item, value=msgspec.json.decode(value))


def _declared(definition: Definition | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the plain fields of a class with their defaults, and the names of its maps."""
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
            f"start is {shown(start)}, expected an index of the log: an integer of at least 0", path="start"
        )
    return int(start)


_POSITION = re.compile(r"[0-9]{1,18}")
