"""Keyed objects, as they are shown and edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import click
import msgspec
import trio

from actors.errors import NotPossibleError, UnknownFieldError
from cli.listing import TextColumn, TextTable, facts_lines
from cli.output import counted, emit, emit_json, remark, safe, when
from cli.selecting import refuse_unknown
from cli.source import live, readable
from cli.targets import NamedTarget, parse_object, written_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.model.edit import Edited
    from actors.model.object_info import FieldChange, ItemInfo, ObjectInfo, ObjectName
    from cli.selecting import Source
    from cli.source import Where


def _as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


OBJECTS: TextTable[ObjectName] = TextTable(
    id_of=lambda one: written_object(one.service, one.key),
    columns=(TextColumn("OBJECT", lambda one: written_object(one.service, one.key)),),
)
ITEMS: TextTable[ItemInfo] = TextTable(
    id_of=lambda one: one.item,
    columns=(
        TextColumn("ITEM", lambda one: one.item),
        TextColumn("VALUE", lambda one: _as_json(one.value)),
    ),
)
CHANGES: TextTable[FieldChange] = TextTable(
    id_of=lambda change: str(change.number),
    columns=(
        TextColumn("EVENT", lambda change: str(change.number)),
        TextColumn("TIME", lambda change: when(change.at)),
        TextColumn("BY", lambda change: change.by),
        TextColumn("INVOCATION", lambda change: change.invocation_id, is_wide=True),
        TextColumn("ITEM", lambda change: change.item),
        TextColumn("VALUE", lambda change: _as_json(change.value)),
    ),
)


def show_all(service: str | None, after: str, limit: int, where: Where, output: str) -> None:
    """List those that have been used."""

    async def run() -> list[ObjectName]:
        async with readable(where) as source:
            found = await source.objects(service, after, limit)
            if service is not None and not found:
                await refuse_unknown(source, NamedTarget(service))
            return found

    found = trio.run(run)
    OBJECTS.show(found, output)
    if len(found) == limit:
        remark(f"the first {limit}; there may be more: --limit shows more, SERVICE with --after continues")


def show_one(name: str, at: int | None, where: Where, output: str) -> None:
    """Its fields, who holds it, who waits for it."""
    info = _info(name, at, where)
    if output == "json":
        emit_json(info)
        return
    for line in _description(info):
        emit(line)


def _info(name: str, at: int | None, where: Where) -> ObjectInfo:
    service, key = parse_object(name)

    async def run() -> ObjectInfo:
        async with readable(where) as source:
            return await _known(source, service, key, at)

    return trio.run(run)


async def _known(source: Source, service: str, key: str, at: int | None) -> ObjectInfo:
    """The object. Raises a :class:`actors.Refused` if there is no such service, or the key was never used."""
    info = await source.object_info(service, key, at)
    if info.version == 0:
        await refuse_unknown(source, NamedTarget(service, key))
    return info


async def _refuse_unknown_field(source: Source, service: str, key: str, field: str) -> None:
    """Raise a :class:`actors.Refused` if what was asked of a field found nothing because there is no such field."""
    info = await _known(source, service, key, None)
    served = [one for one in await source.served() if service in (one.name, *one.aliases)]
    declared = [each.name for one in served for each in one.fields]
    known = list(dict.fromkeys([*declared, *info.fields, *info.logs, *info.maps]))
    if field not in known:
        raise UnknownFieldError(
            f"{written_object(service, key)} has no field {field!r}; its fields: {', '.join(known) or 'none'}"
        )


def _description(info: ObjectInfo) -> Iterator[str]:
    facts: list[tuple[str, Any]] = [
        ("object", f"{written_object(info.service, info.key)} ({info.kind.value})"),
        ("version", f"{info.version}, fields of {info.fields_version}"),
        ("history", f"kept from event {info.history_from}" if info.history_from > 1 else ""),
        ("held by", info.holder),
        ("waiting", f"{info.waiting_count}: {', '.join(info.waiting[:3])}" if info.waiting_count else ""),
        ("open", info.open_invocations or ""),
    ]
    yield from facts_lines(facts)
    yield ""
    yield from facts_lines([(field, _as_json(value)) for field, value in info.fields.items()])
    yield from facts_lines([(field, f"a log of {counted(length, 'item')}") for field, length in info.logs.items()])
    yield from facts_lines([(field, "a map") for field in info.maps])


def show_items(name: str, field: str, start: str, at: int | None, limit: int, where: Where, output: str) -> None:
    """List the items of a log or a map."""
    service, key = parse_object(name)

    async def run() -> list[ItemInfo]:
        async with readable(where) as source:
            found = await source.object_items(service, key, field, at, start, limit)
            if not found:
                await _refuse_unknown_field(source, service, key, field)
                if field in (await source.object_info(service, key, at)).fields:
                    raise NotPossibleError(
                        f"{field} is a plain field and has no items; 'playhead actors state get' shows it"
                    )
            return found

    found = trio.run(run)
    ITEMS.show(found, output)
    if len(found) == limit:
        remark(f"{limit} items; there may be more: --start continues, --limit shows more")


@attrs.frozen
class Span:
    """Which changes of a field: those behind an event and before another, from the oldest on or from the newest back."""

    after: int
    before: int | None
    newest_first: bool
    limit: int


def show_history(name: str, field: str, span: Span, where: Where, output: str) -> None:
    """Show what a field has been."""
    service, key = parse_object(name)

    async def run() -> tuple[list[FieldChange], int]:
        async with readable(where) as source:
            found = await source.field_history(service, key, field, **attrs.asdict(span))
            if not found:
                await _refuse_unknown_field(source, service, key, field)
            return found, (await source.object_info(service, key, None)).history_from

    found, history_from = trio.run(run)
    CHANGES.show(found, output)
    is_cut = len(found) >= span.limit
    if span.after + 1 < history_from and not (is_cut and span.newest_first):
        remark(f"the history before event {history_from} is no longer kept: retention has purged it")
    if is_cut:
        way = "before" if span.newest_first else "after"
        remark(f"{len(found)} changes; there may be more: --{way} {found[-1].number} continues")


def show_fields(name: str, field: str | None, at: int | None, where: Where) -> None:
    """Print all of them, or the value of one."""
    info = _info(name, at, where)
    if field is None:
        emit_json(info.fields)
    elif field in info.fields:
        emit_json(info.fields[field])
    else:
        others = ", ".join([*info.fields, *info.logs, *info.maps]) or "none"
        hint = "; 'playhead actors items' shows logs and maps" if field in (*info.logs, *info.maps) else ""
        raise click.UsageError(f"{name} has no plain field {field!r}{hint}; its fields: {others}")


@attrs.frozen(kw_only=True)
class HowEdited:
    """How fields are changed, whatever becomes of them."""

    if_version: int | None
    is_queued: bool
    reason: str
    output: str
    where: Where


def edit(name: str, how: HowEdited, **changes: Any) -> None:
    """Change fields, and say what that changed. ``changes`` are those of :meth:`actors.ObjectHandle.edit`."""
    service, key = parse_object(name)

    async def run() -> Edited:
        async with live(how.where) as client:
            return await client.object(service, key).edit(
                **changes, if_version=how.if_version, queue=how.is_queued, reason=how.reason
            )

    edited = trio.run(run)
    if how.output == "json":
        emit_json({"changed": edited.changed, "before": edited.before, "after": edited.after})
        return
    for field, before in edited.before.items():
        after = edited.after[field]
        change = "changed" if before != after else "unchanged"
        emit(f"{safe(field)}  {change}  {safe(_as_json(before))} -> {safe(_as_json(after))}")
