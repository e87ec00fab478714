"""``playhead actors``: keyed objects, their fields now and then, and changes to them."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

import click

from cli.options import limit_option, output_option, reason_option, report_option, where_options, with_options
from cli.targets import complete_selection, parse_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.doing.objects import HowEdited
    from cli.source import Where

_AT = click.option("--at", type=click.IntRange(min=1), default=None, help="The state after this event number.")
_OBJECT = click.argument("name", metavar="SERVICE/KEY", shell_complete=complete_selection)


@click.group()
def command() -> None:
    """Show keyed objects and their fields, now and in the past, and edit them."""


@command.command("list")
@click.argument("service", required=False, shell_complete=complete_selection)
@click.option("--after", default="", help="Continue after this key; needs SERVICE.")
@limit_option
@output_option
@where_options
def list_command(service: str | None, after: str, limit: int, output: str, where: Where) -> None:
    """List objects by service and key, or those of one SERVICE."""
    if after and service is None:
        raise click.UsageError("--after is a key of one SERVICE: name it")

    from cli.doing import objects

    objects.show_all(service, after, limit, where, output)


@command.command()
@_OBJECT
@_AT
@report_option
@where_options
def show(name: str, at: int | None, output: str, where: Where) -> None:
    """Show an object: its fields, its holder and its queue."""
    from cli.doing import objects

    objects.show_one(name, at, where, output)


@command.command()
@_OBJECT
@click.argument("field")
@click.option("--start", default="", help="A log: from this position. A map: after this key, as JSON.")
@_AT
@limit_option
@output_option
@where_options
def items(name: str, field: str, start: str, at: int | None, limit: int, output: str, where: Where) -> None:
    """List the items of FIELD, a log or a map."""
    from cli.doing import objects

    objects.show_items(name, field, start, at, limit, where, output)


@command.command()
@_OBJECT
@click.argument("field")
@click.option("--after", default=0, help="After this event number.")
@click.option("--before", type=int, help="Before this event number.")
@click.option("--newest-first", is_flag=True, help="Show the newest change first.")
@limit_option
@output_option
@where_options
def history(
    name: str, field: str, after: int, before: int | None, newest_first: bool, limit: int, output: str, where: Where
) -> None:
    """Show past values of FIELD, oldest first, and who wrote them."""
    from cli.doing import objects

    objects.show_history(name, field, objects.Span(after, before, newest_first, limit), where, output)


@command.group()
def state() -> None:
    """Get, set and clear fields."""


@state.command("get")
@_OBJECT
@click.argument("field", required=False)
@_AT
@where_options
def get_command(name: str, field: str | None, at: int | None, where: Where) -> None:
    """Print the fields of an object as JSON, or the value of one FIELD."""
    from cli.doing import objects

    objects.show_fields(name, field, at, where)


def _edit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How fields are changed, whatever becomes of them. The command gets it as ``how``."""

    @functools.wraps(command)
    def with_how(*, if_version: int | None, queue: bool, reason: str, output: str, where: Where, **kwargs: Any) -> None:
        from cli.doing.objects import HowEdited

        how = HowEdited(if_version=if_version, is_queued=queue, reason=reason, output=output, where=where)
        command(how=how, **kwargs)

    return with_options(
        with_how,
        click.option("--if-version", type=int, default=None, help="Refuse unless this event changed the fields last."),
        click.option(
            "--queue", is_flag=True, help="Wait for the key while it is held or others wait; without it, refuse."
        ),
        reason_option,
        report_option,
        where_options,
    )


@state.command("set")
@_OBJECT
@click.argument("changes", nargs=-1, required=True, metavar="FIELD=JSON...")
@_edit_options
def set_command(name: str, changes: tuple[str, ...], how: HowEdited) -> None:
    """Set fields to new values: all of them or none. An item of a map is FIELD[KEY], with its key as JSON.

    \b
        playhead actors state set Counter/alice value=5 --reason 'counted by hand'
        playhead actors state set Shop/a 'stock["tea"]=3'
    """
    from cli.doing import objects

    fields: dict[str, Any] = {}
    items: dict[str, dict[str, Any]] = {}
    for change in changes:
        field, item, text = _parse_change(change)
        value = parse_value(text, sys.stdin)
        if item is None:
            fields[field] = value
        else:
            items.setdefault(field, {})[item] = value
    objects.edit(name, how, set=fields, items=items)


def _parse_change(text: str) -> tuple[str, str | None, str]:
    """``FIELD=JSON`` or ``FIELD[KEY]=JSON``. The key is JSON itself, and may hold what stands between the parts."""
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
def clear_command(name: str, fields: tuple[str, ...], how: HowEdited) -> None:
    """Reset fields to their defaults and empty maps. FIELD[KEY] removes one item of a map."""
    from cli.doing import objects

    clear: list[str] = []
    remove: dict[str, list[str]] = {}
    for text in fields:
        field, bracket, rest = text.partition("[")
        if bracket and rest.endswith("]"):
            remove.setdefault(field, []).append(rest[:-1])
        else:
            clear.append(text)
    objects.edit(name, how, clear=clear, remove=remove)
