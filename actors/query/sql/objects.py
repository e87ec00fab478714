"""``sys_state`` and ``sys_inbox``: the fields of objects, and the invocations in their mailboxes. The state of an object is
computed from its stored events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from actors.model.field_names import FieldNames
from actors.query.sql.columns import Column, Path, Table, Type, Wanted
from actors.query.sql.invocation_rows import json_text
from journal import invocation_keys, keys
from journal.errors import Damaged, MalformedIdError
from journal.events import Kind, Status
from journal.ids import InvocationId, StreamId, parse_invocation_id, stream_of, stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.core.state import InvocationState, ObjectState
    from actors.query.snapshot import JournalSnapshot


def _named(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[tuple[StreamId, ObjectState]]:
    stream = stream_of(wanted.equal["service"], wanted.equal["key"])
    state = snapshot.object(stream)
    if state is not None:
        yield stream, state


def _all(snapshot: JournalSnapshot) -> Iterator[tuple[StreamId, ObjectState]]:
    for stream in snapshot.streams():
        state = snapshot.object(stream)
        if state is not None:
            yield stream, state


# Fields.


@attrs.frozen
class _Field:
    stream: StreamId
    state: ObjectState
    name: str
    shape: str
    stored_as: str
    is_declared: bool | None


def _fields(snapshot: JournalSnapshot, objects: Iterator[tuple[StreamId, ObjectState]]) -> Iterator[_Field]:
    served = {name: info for info in snapshot.services for name in (info.name, *info.aliases)}
    for stream, state in objects:
        info = served.get(state.service)
        declared = () if info is None else info.fields
        shapes = dict.fromkeys(state.fields, "value") | dict.fromkeys(state.lengths, "log")
        for name in _fields_with_items(snapshot, stream):
            shapes.setdefault(name, "map")
        names = FieldNames.of({each.name: each.aliases for each in declared if each.aliases}, shapes)
        undeclared = names.undeclared((each.name for each in declared), shapes)
        for name, stored_as in sorted(names.declared({each: each for each in shapes}).items()):
            is_declared = None if info is None else stored_as not in undeclared
            yield _Field(stream, state, name, shapes[stored_as], stored_as, is_declared)


def _fields_with_items(snapshot: JournalSnapshot, stream: StreamId) -> Iterator[str]:
    """Yield the fields that have items. Reads only one item of each field."""
    partition = snapshot.partition_of(stream)
    prefix = keys.items_of_object(partition, stream)
    start, stop = prefix, keys.after_prefix(prefix)
    while True:
        found = snapshot.first(start, stop)
        if found is None:
            return
        name, _ = keys.field_of_item(found[0])
        yield name
        start = keys.after_prefix(keys.items(partition, stream, name))


def _items(field: _Field, snapshot: JournalSnapshot) -> Iterator[tuple[bytes, bytes]]:
    prefix = keys.items(snapshot.partition_of(field.stream), field.stream, field.stored_as)
    for key, data in snapshot.rows_under(prefix):
        yield key[len(prefix) :], data


def _value(field: _Field, snapshot: JournalSnapshot) -> str | None:
    match field.shape:
        case "value":
            return json_text(field.state.fields[field.stored_as])
        case "log":
            return f"[{b','.join(data for _, data in _items(field, snapshot)).decode()}]"
        case _:
            pairs = (b"%b:%b" % (_as_name(key), data) for key, data in _items(field, snapshot))
            return f"{{{b','.join(pairs).decode()}}}"


def _as_name(key: bytes) -> bytes:
    """Convert a map's key from JSON to a name in JSON: a text stays as it is, any other value becomes the text of its
    JSON.
    """
    return key if key.startswith(b'"') else msgspec.json.encode(key.decode())


def _length(field: _Field, snapshot: JournalSnapshot) -> int | None:
    match field.shape:
        case "value":
            return None
        case "log":
            return field.state.lengths[field.stored_as]
        case _:
            return sum(1 for _ in _items(field, snapshot))


STATES = Table[_Field](
    name="sys_state",
    about="One row for each field of an object. A handler's writes appear when it has ended. In a stopped data directory, where no class is served, "
    "fields have the names under which they are stored.",
    columns=(
        Column("service", Type.TEXT, "the object's class", lambda field, _: field.state.service),
        Column("key", Type.TEXT, "the object's key", lambda field, _: field.state.key),
        Column("field", Type.TEXT, "the field", lambda field, _: field.name),
        Column("shape", Type.TEXT, "value, log or map", lambda field, _: field.shape),
        Column("value", Type.JSON, "its value; the items of a log as an array, those of a map as an object", _value),
        Column("length", Type.INTEGER, "the number of items of a log or a map; NULL for a value", _length),
        Column("version", Type.INTEGER, "the number of the object's last event", lambda field, _: field.state.version),
        Column(
            "stored_as", Type.TEXT, "the name under which it is stored: its own or an alias", lambda f, _: f.stored_as
        ),
        Column(
            "is_declared",
            Type.INTEGER,
            "1 if its class declares it, 0 if not; NULL if the class is not served",
            lambda field, _: None if field.is_declared is None else int(field.is_declared),
        ),
    ),
    paths=(
        Path(
            name="object",
            scan=lambda snapshot, wanted: _fields(snapshot, _named(snapshot, wanted)),
            equal=("service", "key"),
            cost=10,
        ),
        Path(name="every", scan=lambda snapshot, _: _fields(snapshot, _all(snapshot)), cost=1_000_000),
    ),
    identity=lambda field: (field.stream, field.name),
)


# Mailboxes.


@attrs.frozen
class _Place:
    state: ObjectState
    position: int
    invocation: InvocationState


def _places(state: ObjectState) -> Iterator[_Place]:
    if state.kind is Kind.SERVICE:
        return  # services have no queue
    if state.holder is not None:
        yield _Place(state, 0, state.invocations[state.holder])
    for position, waiting in enumerate(state.queue, start=1):
        yield _Place(state, position, state.invocations[waiting])


def _inbox_of_object(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[_Place]:
    for _, state in _named(snapshot, wanted):
        yield from _places(state)


def _inbox_of_invocation(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[_Place]:
    try:
        of = parse_invocation_id(wanted.equal["invocation_id"])
    except MalformedIdError:
        return
    state = snapshot.object(stream_of_invocation(of))
    if state is not None:
        yield from _places(state)


def _every_inbox(snapshot: JournalSnapshot, _: Wanted) -> Iterator[_Place]:
    """Yield the mailbox places of every object with open invocations."""
    seen: set[StreamId] = set()
    for status in Status:
        if status in (Status.COMPLETED, Status.SCHEDULED):
            continue
        for partition in range(snapshot.partitions):
            for key, _data in snapshot.rows_under(invocation_keys.open_prefix(partition, status)):
                stream = stream_of_invocation(InvocationId(invocation_keys.id_at_end(key)))
                if stream not in seen:
                    seen.add(stream)
                    state = snapshot.object(stream)
                    if state is None:
                        raise Damaged(stream, 0, "there is an open invocation, but no object")
                    yield from _places(state)


INBOXES = Table[_Place](
    name="sys_inbox",
    about="One row for each invocation that holds an object (position 0) or waits for it (1, 2, … in order).",
    columns=(
        Column("service", Type.TEXT, "the object's class", lambda place, _: place.state.service),
        Column("key", Type.TEXT, "the object's key", lambda place, _: place.state.key),
        Column("position", Type.INTEGER, "0 holds the object, 1 is next", lambda place, _: place.position),
        Column("invocation_id", Type.TEXT, "the invocation", lambda place, _: place.invocation.invocation_id),
        Column("handler", Type.TEXT, "its handler", lambda place, _: place.invocation.handler),
        Column("status", Type.TEXT, "its status", lambda place, _: place.invocation.status.value),
        Column("accepted_at", Type.TIME, "when it was accepted", lambda place, _: place.invocation.accepted_at),
    ),
    paths=(
        Path(name="invocation", scan=_inbox_of_invocation, equal=("invocation_id",), cost=9),
        Path(name="object", scan=_inbox_of_object, equal=("service", "key"), cost=10),
        Path(name="every", scan=_every_inbox, cost=50_000),
    ),
    identity=lambda place: place.invocation.invocation_id,
)
