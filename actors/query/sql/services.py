"""``sys_service``: the served classes, and unserved classes with stored invocations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from actors.query.objects import first_objects_in
from actors.query.sql.columns import Column, Path, Table, Type, Wanted
from journal import invocation_keys
from journal.events import Kind
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from actors.query.snapshot import JournalSnapshot


@attrs.frozen
class _Service:
    name: str
    kind: str
    is_served: bool
    handlers: list[dict[str, Any]]
    doc: str = ""


def _every(snapshot: JournalSnapshot, _: Wanted) -> Iterator[_Service]:
    services = snapshot.services
    served = {name for info in services for name in (info.name, *info.aliases)}
    for info in services:
        handlers = [{"name": h.name, "mode": h.mode.value, "doc": h.doc} for h in info.handlers]
        yield _Service(info.name, info.kind.value, is_served=True, handlers=handlers, doc=info.doc)
    yield from _left_behind(snapshot, served)


def _left_behind(snapshot: JournalSnapshot, served: set[str]) -> Iterator[_Service]:
    """Yield the classes that are stored and not served, with the handlers that invocations called."""
    found = {
        name: _Service(name, kind.value, is_served=False, handlers=[])
        for name, kind in _of_objects(snapshot)
        if name not in served
    }
    handlers: dict[tuple[str, str], str] = {}
    for partition in range(snapshot.partitions):
        for _key, data in snapshot.rows_under(invocation_keys.invocations(partition)):
            row = decode_row(InvocationRow, data)
            name = row.target.service
            if name not in served:
                found.setdefault(name, _Service(name, row.kind.value, is_served=False, handlers=[]))
                handlers[name, row.target.handler] = row.mode.value
    for (name, handler), mode in sorted(handlers.items()):
        found[name].handlers.append({"name": handler, "mode": mode, "doc": ""})
    yield from (service for _, service in sorted(found.items()))


def _of_objects(snapshot: JournalSnapshot) -> Iterator[tuple[str, Kind]]:
    """Yield the names of stored objects. Reads only the first object of each name in a partition."""
    for partition in range(snapshot.partitions):
        for first in first_objects_in(snapshot, partition):
            state = snapshot.stored_object(first.service, first.key).state()
            yield first.service, Kind.ACTOR if state is None else state.kind


SERVICES = Table[_Service](
    name="sys_service",
    about="One row for each class that is served, or has stored objects or invocations. In a stopped data directory no class is served.",
    columns=(
        Column("name", Type.TEXT, "the class", lambda service, _: service.name),
        Column("kind", Type.TEXT, "actor, service or workflow", lambda service, _: service.kind),
        Column("is_served", Type.INTEGER, "1 if the running app serves it, else 0", lambda s, _: int(s.is_served)),
        Column(
            "handlers",
            Type.JSON,
            "an array of objects with name, mode and doc; for a class that is not served, the handlers that were called",
            lambda service, _: msgspec.json.encode(service.handlers).decode(),
        ),
        Column("doc", Type.TEXT, "the first line of its docstring", lambda service, _: service.doc or None),
    ),
    paths=(Path(name="every", scan=_every, cost=100_000),),
)
