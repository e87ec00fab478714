"""``playhead actors``: stored objects, their fields now and in the past, and edits."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cli.groups import Group
from cli.options import output_option, page_options, reason_option, report_option, server_options, with_options
from cli.render.output import counted, err, out, out_json, safe
from cli.targets import NamedTarget, complete_selection, parse_object, parse_value, written_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.control.client import Client
    from actors.model.object_info import FieldChange, ItemInfo, ObjectInfo, ObjectName
    from actors.model.pages import Page
    from cli.backend import ServerOptions
    from cli.pages import Paging


_AT = click.option("--at", type=click.IntRange(min=1), default=None, help="Show the state after this event number.")
_OBJECT = click.argument("name", metavar="SERVICE/KEY", shell_complete=complete_selection)


@click.group(cls=Group)
def command() -> None:
    """Show keyed objects and their fields, now and in the past, and edit them."""


@command.command("list")
@click.argument("service", required=False, shell_complete=complete_selection)
@page_options()
@output_option
@server_options
def list_command(service: str | None, paging: Paging, output: str, server: ServerOptions) -> None:
    """List objects by service and key, or the objects of one SERVICE."""
    from cli.pages import show_list
    from cli.render.tables import OBJECTS
    from cli.selection import refuse_unknown

    async def find(client: Client, size: int, after: str | None) -> Page[ObjectName]:
        return await client.objects(service, limit=size, after=after)

    async def refuse(client: Client) -> None:
        if service is not None:
            await refuse_unknown(client, NamedTarget(service))

    show_list(server, OBJECTS, output, paging, find, if_empty=refuse)


@command.command()
@_OBJECT
@_AT
@report_option
@server_options
def show(name: str, at: int | None, output: str, server: ServerOptions) -> None:
    """Show an object: its fields, its holder and its queue."""
    from cli.render.objects import object_lines

    info = _info(name, at, server)
    if output == "json":
        out_json(info)
        return
    for line in object_lines(info):
        out(line)


def _info(name: str, at: int | None, server: ServerOptions) -> ObjectInfo:
    from cli.run import read

    service, key = parse_object(name)
    return read(server, lambda client: _known(client, service, key, at))


async def _known(client: Client, service: str, key: str, at: int | None) -> ObjectInfo:
    """Return the object. Raises a :class:`actors.RefusedError` if the service does not exist or the key was never used."""
    from cli.selection import refuse_unknown

    info = await client.object(service, key).info(at=at)
    if info.version == 0:
        await refuse_unknown(client, NamedTarget(service, key))
    return info


async def _refuse_unknown_field(client: Client, service: str, key: str, field: str) -> None:
    """Raise a :class:`actors.RefusedError` if the object has no such field."""
    from actors.errors import NotFoundError, ResourceKind

    info = await _known(client, service, key, None)
    served = [one for one in await client.services(system=True) if service in (one.name, *one.aliases)]
    declared = [each.name for one in served for each in one.fields]
    known = list(dict.fromkeys([*declared, *info.fields, *info.logs, *info.maps]))
    if field not in known:
        raise NotFoundError(
            f"{written_object(service, key)} has no field {field!r}; its fields: {', '.join(known) or 'none'}",
            kind=ResourceKind.FIELD,
        )


@command.command()
@_OBJECT
@click.argument("field")
@click.option("--start", default="", help="For a log, start at this index. For a map, start after this key (JSON).")
@_AT
@page_options(after=None)
@output_option
@server_options
def items(
    name: str, field: str, start: str, at: int | None, paging: Paging, output: str, server: ServerOptions
) -> None:
    """List the items of FIELD, a log or a map."""
    from actors.errors import ConflictError, ErrorCode
    from cli.pages import show_list
    from cli.render.tables import ITEMS

    service, key = parse_object(name)

    async def find(client: Client, size: int, after: str | None) -> Page[ItemInfo]:
        return await client.object(service, key).items(field, at=at, start=after or start, limit=size)

    async def refuse(client: Client) -> None:
        await _refuse_unknown_field(client, service, key, field)
        if field in (await client.object(service, key).info(at=at)).fields:
            raise ConflictError(
                f"{field} is a plain field and has no items; 'playhead actors state get' shows it",
                code=ErrorCode.NOT_POSSIBLE,
            )

    show_list(server, ITEMS, output, paging, find, if_empty=refuse, flag="--start")


@command.command()
@_OBJECT
@click.argument("field")
@click.option("--after", default=0, help="Show changes after this event number.")
@click.option("--before", type=int, help="Show changes before this event number.")
@click.option("--newest-first", is_flag=True, help="Show the newest change first.")
@page_options(after=None)
@output_option
@server_options
def history(
    name: str,
    field: str,
    after: int,
    before: int | None,
    newest_first: bool,
    paging: Paging,
    output: str,
    server: ServerOptions,
) -> None:
    """Show past values of FIELD, oldest first, and who wrote them."""
    from actors.model.pages import Page
    from cli.pages import show_list
    from cli.render.tables import CHANGES

    service, key = parse_object(name)
    history_from = 1

    async def find(client: Client, size: int, cursor: str | None) -> Page[FieldChange]:
        nonlocal history_from

        async def read(first: int, last: int | None, limit: int) -> list[FieldChange]:
            kept = client.object(service, key)
            return await kept.history(field, after=first, before=last, newest_first=newest_first, limit=limit)

        def from_number(number: int) -> tuple[int, int | None]:
            return (after, number) if newest_first else (number, before)

        bounds = (after, before) if cursor is None else from_number(int(cursor))
        found = Page(await read(*bounds, size))
        if len(found) >= size and await read(*from_number(found[-1].number), 1):
            found.next = str(found[-1].number)
        history_from = (await client.object(service, key).info()).history_from
        return found

    async def refuse(client: Client) -> None:
        await _refuse_unknown_field(client, service, key, field)

    is_cut = show_list(
        server, CHANGES, output, paging, find, if_empty=refuse, flag="--before" if newest_first else "--after"
    )
    if after + 1 < history_from and not (is_cut and newest_first):
        err(f"the history before event {history_from} was deleted at the end of its retention")


@command.command()
@_OBJECT
@reason_option
@report_option
@server_options
def delete(name: str, reason: str, output: str, server: ServerOptions) -> None:
    """Delete an object and the invocations of it that have ended.

    The next call begins a new object. Refused while an invocation of it has not ended.

    \b
        playhead actors delete Chat/bob --reason 'account closed'
    """
    from cli.run import ask

    service, key = parse_object(name)
    shown = safe(written_object(service, key))
    deleted = ask(server, lambda client: client.object(service, key).delete(reason=reason))
    if output == "json":
        out_json(deleted)
    elif deleted.changed:
        out(f"{shown}  deleted, with {counted(deleted.invocations, 'ended invocation')}")
    else:
        out(f"{shown}  unchanged: there is no such object")


@command.group(cls=Group)
def state() -> None:
    """Get, set and clear fields."""


@state.command("get")
@_OBJECT
@click.argument("field", required=False)
@_AT
@server_options
def get_command(name: str, field: str | None, at: int | None, server: ServerOptions) -> None:
    """Print the fields of an object as JSON, or the value of one FIELD."""
    info = _info(name, at, server)
    if field is None:
        out_json(info.fields)
    elif field in info.fields:
        out_json(info.fields[field])
    else:
        others = ", ".join([*info.fields, *info.logs, *info.maps]) or "none"
        hint = "; 'playhead actors items' shows logs and maps" if field in (*info.logs, *info.maps) else ""
        raise click.UsageError(f"{name} has no plain field {field!r}{hint}; its fields: {others}")


class EditFlags(NamedTuple):
    """The options of every edit."""

    if_version: int | None
    is_queued: bool
    reason: str
    output: str
    server: ServerOptions


def _edit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every edit; the command gets them as ``options``."""

    @functools.wraps(command)
    def with_options_of_edit(
        *, if_version: int | None, queue: bool, reason: str, output: str, server: ServerOptions, **kwargs: Any
    ) -> None:
        command(options=EditFlags(if_version, queue, reason, output, server), **kwargs)

    return with_options(
        with_options_of_edit,
        click.option(
            "--if-version", type=int, default=None, help="Refuse unless this event was the last to change the fields."
        ),
        click.option("--queue", is_flag=True, help="Wait if the key is busy [default: refuse]."),
        reason_option,
        report_option,
        server_options,
    )


@state.command("set")
@_OBJECT
@click.argument("changes", nargs=-1, required=True, metavar="FIELD=JSON...")
@_edit_options
def set_command(name: str, changes: tuple[str, ...], options: EditFlags) -> None:
    """Set fields to new values: all of them or none. An item of a map is FIELD[KEY], with its key as JSON.

    \b
        playhead actors state set Counter/alice value=5 --reason 'counted by hand'
        playhead actors state set Shop/a 'stock["tea"]=3'
    """
    fields: dict[str, Any] = {}
    items: dict[str, dict[str, Any]] = {}
    for change in changes:
        field, item, text = _parse_change(change)
        value = parse_value(text, sys.stdin)
        if item is None:
            fields[field] = value
        else:
            items.setdefault(field, {})[item] = value
    _edit(name, options, set=fields, items=items)


def _parse_change(text: str) -> tuple[str, str | None, str]:
    """Parse ``FIELD=JSON`` or ``FIELD[KEY]=JSON``. The key is JSON, and may contain ``]=``."""
    field, bracket, rest = text.partition("[")
    if bracket and "=" not in field:
        item, end, value = rest.partition("]=")
        if end:
            return field, item, value
    field, equals, value = text.partition("=")
    if not (field and equals):
        raise click.UsageError(f"{text!r} is not a change: write FIELD=JSON, or FIELD[KEY]=JSON for an item of a map")
    return field, None, value


@state.command("clear")
@_OBJECT
@click.argument("fields", nargs=-1, required=True, metavar="FIELD...")
@_edit_options
def clear_command(name: str, fields: tuple[str, ...], options: EditFlags) -> None:
    """Reset fields to their defaults and empty maps. FIELD[KEY] removes one item of a map."""
    clear: list[str] = []
    remove: dict[str, list[str]] = {}
    for text in fields:
        field, bracket, rest = text.partition("[")
        if bracket and rest.endswith("]"):
            remove.setdefault(field, []).append(rest[:-1])
        else:
            clear.append(text)
    _edit(name, options, clear=clear, remove=remove)


def _edit(name: str, options: EditFlags, **changes: Any) -> None:
    """Change fields and print the changes. ``changes`` are arguments of :meth:`actors.types.ObjectHandle.edit`."""
    from cli.render.text_table import value_as_json
    from cli.run import ask

    service, key = parse_object(name)
    edited = ask(
        options.server,
        lambda client: client.object(service, key).edit(
            **changes, if_version=options.if_version, queue=options.is_queued, reason=options.reason
        ),
    )
    if options.output == "json":
        out_json({"changed": edited.changed, "before": edited.before, "after": edited.after})
        return
    for field, before in edited.before.items():
        after = edited.after[field]
        change = "changed" if before != after else "unchanged"
        out(f"{safe(field)}  {change}  {safe(value_as_json(before))} -> {safe(value_as_json(after))}")
