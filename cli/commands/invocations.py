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
    """List, describe and steer invocations, on a running server; or look at a data directory at rest."""


command.add_command(check.command, "check")


@command.command("list")
@click.argument("selection", required=False, shell_complete=complete_selection)
@click.option("--status", type=click.Choice(STATUSES), multiple=True, help="Only these; may be given more than once.")
@click.option("--where", "condition", default=None, help="Only those that match: a condition in SQL.")
@limit_option
@click.option("--system", is_flag=True, help="Also those of what is built in: jobs, gates and edits.")
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
    """Show everything that is known of one invocation, with its timeline."""
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
@click.option("--after", default=0, help="Begin behind the event of this number.")
@report_option
@where_options
def follow(invocation_id: str, after: int, output: str, where: Where) -> None:
    """Show the history of one invocation as it comes, until its end. As JSON: one line an event."""
    from cli.doing import invocations

    invocations.follow(invocation_id, after, where, output)


@command.command()
@click.argument("which", nargs=-1, required=True, metavar="IDS...")
@where_options
def export(which: tuple[str, ...], where: Where) -> None:
    """Write the whole history of each invocation as JSON lines: what is known of it, then its events, with their values.

    IDS: ids, or '-' for ids from stdin. Each line has a 'kind': 'invocation' or 'event', and the 'id' of the invocation.

    \b
        playhead invocations list Writer -o id | playhead invocations export - > histories.jsonl
    """
    from cli.doing import invocations

    invocations.export(which, where)


for verb in VERBS:
    command.add_command(verb)
