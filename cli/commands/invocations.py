"""``playhead invocations``: list, describe and steer them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.commands import check
from cli.commands.steering import VERBS
from cli.options import limit_option, output_option, report_option, watch_option, where_options
from cli.targets import complete_selection, parse_selection
from cli.words import STATUSES

if TYPE_CHECKING:
    from cli.source import Where


@click.group()
def command() -> None:
    """List, describe and control invocations on a running server, or read a stopped data directory."""


command.add_command(check.command, "check")


@command.command("list")
@click.argument("selection", required=False, shell_complete=complete_selection)
@click.option("--status", type=click.Choice(STATUSES), multiple=True, help="Only these statuses; repeatable.")
@click.option("--where", "condition", default=None, help="Select by an SQL condition on sys_invocation.")
@limit_option
@click.option("--system", is_flag=True, help="Include built-in invocations: jobs, gates and edits.")
@watch_option
@output_option
@where_options
def list_command(
    selection: str | None,
    status: tuple[str, ...],
    condition: str | None,
    limit: int,
    system: bool,
    watch: bool,
    output: str,
    where: Where,
) -> None:
    """List invocations, newest first. SELECTION is Service, Service/key, Service/key/handler, or Service/handler of a
    service without keys; each part is exact.

    \b
        playhead invocations list --where "status = 'paused' and last_error_type like '%Connection%'"
    """
    named = None if selection is None else parse_selection(selection)

    from actors.model.listing import Listing
    from cli.doing import invocations
    from journal.events import Status

    listing = Listing(
        status=frozenset(Status(text) for text in status) or None,
        where=condition,
        limit=limit,
        system=system,
    )
    invocations.show_all(named, listing, where, output, is_watched=watch)


@command.command()
@click.argument("invocation_id")
@watch_option
@report_option
@where_options
def describe(invocation_id: str, watch: bool, output: str, where: Where) -> None:
    """Show the details and the timeline of one invocation."""
    from cli.doing import invocations

    invocations.describe(invocation_id, where, output, is_watched=watch)


@command.command()
@click.argument("invocation_id")
@click.option(
    "-o", "--output", type=click.Choice(["table", "wide", "json", "jsonl"]), default="table", show_default=True
)
@where_options
def events(invocation_id: str, output: str, where: Where) -> None:
    """Show the history of one invocation."""
    from cli.doing import invocations

    invocations.show_events(invocation_id, where, output)


@command.command()
@click.argument("invocation_id")
@click.option("--after", default=0, help="Start after this event number.")
@report_option
@where_options
def follow(invocation_id: str, after: int, output: str, where: Where) -> None:
    """Follow the history of one invocation until it ends. As JSON: one line per event."""
    from cli.doing import invocations

    invocations.follow(invocation_id, after, where, output)


@command.command()
@click.argument("which", nargs=-1, required=True, metavar="IDS...")
@where_options
def export(which: tuple[str, ...], where: Where) -> None:
    """Export whole histories as JSON lines. Per invocation: its details, then its events with their values.

    IDS: ids, or '-' for ids from stdin. Each line has a 'kind': 'invocation' or 'event', and the 'id' of the invocation.

    \b
        playhead invocations list Writer -o id | playhead invocations export - > histories.jsonl
    """
    from cli.doing import invocations

    invocations.export(which, where)


for verb in VERBS:
    command.add_command(verb)
