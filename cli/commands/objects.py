"""``playhead actors``: keyed objects, their fields now and then, and changes to them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click
import msgspec
import trio

from actors.editing import Edited
from actors.objecthandle import FieldChange, ItemInfo, ObjectInfo, ObjectName
from cli.listing import Column, Table, facts_lines, output_option, report_option
from cli.output import emit, emit_json, remark, safe, when
from cli.source import Where, live, options, readable
from cli.targets import complete_selection, parse_argument, parse_object

_AT = click.option("--at", type=click.IntRange(min=1), default=None, help="As it was after the event of this number.")
_LIMIT = click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000))
_OBJECT = click.argument("name", metavar="SERVICE/KEY", shell_complete=complete_selection)


def _as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


OBJECTS: Table[ObjectName] = Table(
    id_of=lambda one: _path(one.service, one.key),
    columns=(
        Column("SERVICE", lambda one: one.service),
        Column("KEY", lambda one: one.key),
    ),
)
ITEMS: Table[ItemInfo] = Table(
    id_of=lambda one: one.item,
    columns=(
        Column("ITEM", lambda one: one.item),
        Column("VALUE", lambda one: _as_json(one.value)),
    ),
)
CHANGES: Table[FieldChange] = Table(
    id_of=lambda change: str(change.number),
    columns=(
        Column("EVENT", lambda change: str(change.number)),
        Column("TIME", lambda change: when(change.at)),
        Column("BY", lambda change: change.by),
        Column("INVOCATION", lambda change: change.invocation_id, is_wide=True),
        Column("ITEM", lambda change: change.item),
        Column("VALUE", lambda change: _as_json(change.value)),
    ),
)


def _path(service: str, key: str) -> str:
    return f"{service}/{key.replace('%', '%25').replace('/', '%2F')}"


@click.group()
def command() -> None:
    """Look at keyed objects and their fields, now and as they were, and change them."""


@command.command("list")
@click.argument("service", required=False, shell_complete=complete_selection)
@click.option("--after", default="", help="Go on behind this key; of one SERVICE.")
@_LIMIT
@output_option
@options
def list_command(service: str | None, after: str, limit: int, output: str, where: Where) -> None:
    """List objects that have been used, by service and key: all, or those of one SERVICE."""
    if after and service is None:
        raise click.UsageError("--after is a key of one SERVICE: name it")

    async def run() -> list[ObjectName]:
        async with readable(where) as source:
            return await source.objects(service, after, limit)

    found = trio.run(run)
    OBJECTS.show(found, output)
    if len(found) == limit:
        remark(f"the first {limit}; there may be more: --limit shows more, SERVICE with --after goes on")


@command.command()
@_OBJECT
@_AT
@report_option
@options
def show(name: str, at: int | None, output: str, where: Where) -> None:
    """Show an object: its fields, who holds it, who waits for it."""
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
            return await source.object_info(service, key, at)

    return trio.run(run)


def _description(info: ObjectInfo) -> Iterator[str]:
    facts: list[tuple[str, Any]] = [
        ("object", f"{_path(info.service, info.key)} ({info.kind.value})"),
        ("version", f"{info.version}, fields of {info.fields_version}"),
        ("held by", info.holder),
        ("waiting", f"{info.waiting_count}: {', '.join(info.waiting[:3])}" if info.waiting_count else ""),
        ("open", info.open_invocations or ""),
    ]
    yield from facts_lines(facts)
    yield ""
    yield from facts_lines([(field, _as_json(value)) for field, value in info.fields.items()])
    yield from facts_lines([(field, f"a log of {length} items") for field, length in info.logs.items()])
    yield from facts_lines([(field, "a map") for field in info.maps])


@command.command()
@_OBJECT
@click.argument("field")
@click.option("--start", default="", help="Of a log: from this position on. Of a map: behind this key, as JSON.")
@_AT
@_LIMIT
@output_option
@options
def items(name: str, field: str, start: str, at: int | None, limit: int, output: str, where: Where) -> None:
    """List the items of FIELD, a log or a map."""
    service, key = parse_object(name)

    async def run() -> list[ItemInfo]:
        async with readable(where) as source:
            return await source.object_items(service, key, field, at, start, limit)

    found = trio.run(run)
    ITEMS.show(found, output)
    if len(found) == limit:
        remark(f"{limit} items; there may be more: --start goes on, --limit shows more")


@command.command()
@_OBJECT
@click.argument("field")
@click.option("--after", default=0, help="Behind the event of this number.")
@_LIMIT
@output_option
@options
def history(name: str, field: str, after: int, limit: int, output: str, where: Where) -> None:
    """Show what FIELD has been, oldest first: after which event, when, and by whom."""
    service, key = parse_object(name)

    async def run() -> list[FieldChange]:
        async with readable(where) as source:
            return await source.field_history(service, key, field, after, limit)

    found = trio.run(run)
    CHANGES.show(found, output)
    if len(found) == limit:
        remark(f"{limit} changes; there may be more: --after {found[-1].number} goes on")


@command.group()
def state() -> None:
    """Get, set and clear fields."""


@state.command("get")
@_OBJECT
@click.argument("field", required=False)
@_AT
@options
def get_command(name: str, field: str | None, at: int | None, where: Where) -> None:
    """Print the fields of an object as JSON, or the value of one FIELD."""
    info = _info(name, at, where)
    if field is None:
        emit_json(info.fields)
    elif field in info.fields:
        emit_json(info.fields[field])
    else:
        others = ", ".join([*info.fields, *info.logs, *info.maps]) or "none"
        hint = "; 'playhead actors items' shows logs and maps" if field in (*info.logs, *info.maps) else ""
        raise click.UsageError(f"{name} has no plain field {field!r}{hint}; its fields: {others}")


def _edit_options(command: Any) -> Any:
    for option in (
        options,
        report_option,
        click.option("--reason", default="", help="Why; it is kept in the history and in the audit."),
        click.option(
            "--queue", is_flag=True, help="Wait while the key is held, or others wait; otherwise it is refused."
        ),
        click.option("--if-version", type=int, default=None, help="Only if this event changed the fields last."),
    ):
        command = option(command)
    return command


@state.command("set")
@_OBJECT
@click.argument("changes", nargs=-1, required=True, metavar="FIELD=JSON...")
@_edit_options
def set_command(
    name: str,
    changes: tuple[str, ...],
    if_version: int | None,
    queue: bool,
    reason: str,
    output: str,
    where: Where,
) -> None:
    """Give fields new values: all of them or none. An item of a map is FIELD[KEY], with its key as JSON.

    \b
        playhead actors state set Counter/alice value=5 --reason 'counted by hand'
        playhead actors state set Shop/a 'stock["tea"]=3'
    """
    fields: dict[str, Any] = {}
    items: dict[str, dict[str, Any]] = {}
    for change in changes:
        field, item, text = _parse_change(change)
        value = msgspec.json.decode(parse_argument(text, sys.stdin))
        if item is None:
            fields[field] = value
        else:
            items.setdefault(field, {})[item] = value
    _edit(name, output, where, set=fields, items=items, if_version=if_version, queue=queue, reason=reason)


def _parse_change(text: str) -> tuple[str, str | None, str]:
    """``FIELD=JSON`` or ``FIELD[KEY]=JSON``. The key is JSON itself, and may hold what stands between the parts."""
    field, bracket, rest = text.partition("[")
    if bracket and "=" not in field:
        item, end, value = rest.partition("]=")
        if end:
            return field, item, value
    field, equals, value = text.partition("=")
    if not (field and equals):
        raise click.UsageError(f"{text!r} is no change: write FIELD=JSON, or FIELD[KEY]=JSON for an item of a map")
    return field, None, value


@state.command("clear")
@_OBJECT
@click.argument("fields", nargs=-1, required=True, metavar="FIELD...")
@_edit_options
def clear_command(
    name: str,
    fields: tuple[str, ...],
    if_version: int | None,
    queue: bool,
    reason: str,
    output: str,
    where: Where,
) -> None:
    """Give fields back their defaults, and maps no items. FIELD[KEY] removes one item of a map."""
    clear: list[str] = []
    remove: dict[str, list[str]] = {}
    for text in fields:
        field, bracket, rest = text.partition("[")
        if bracket and rest.endswith("]"):
            remove.setdefault(field, []).append(rest[:-1])
        else:
            clear.append(text)
    _edit(name, output, where, clear=clear, remove=remove, if_version=if_version, queue=queue, reason=reason)


def _edit(name: str, output: str, where: Where, **edit: Any) -> None:
    service, key = parse_object(name)

    async def run() -> Edited:
        async with live(where) as client:
            return await client.object(service, key).edit(**edit)

    edited = trio.run(run)
    if output == "json":
        emit_json({"changed": edited.changed, "before": edited.before, "after": edited.after})
        return
    for field, before in edited.before.items():
        after = edited.after[field]
        change = "changed" if before != after else "unchanged"
        emit(f"{safe(field)}  {change}  {safe(_as_json(before))} -> {safe(_as_json(after))}")
