"""``playhead invocations``: list, describe and control invocations. The verbs are in :mod:`cli.commands.verbs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.commands import check, replay
from cli.commands.verbs import VERBS
from cli.constants import STATUSES
from cli.groups import Group
from cli.options import output_option, page_options, report_option, server_options, tag_option, watch_option
from cli.render.output import out, out_json, out_json_line
from cli.targets import complete_selection, parse_selection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from actors.control.client import Client
    from actors.model.history import JournalEntry
    from actors.model.info import InvocationInfo
    from actors.model.listing import Listing
    from actors.model.pages import Page
    from cli.backend import ServerOptions
    from cli.pages import Paging
    from journal.ids import InvocationId


@click.group(cls=Group)
def command() -> None:
    """List, describe and control invocations on a running server, or read a stopped data directory."""


command.add_command(check.command, "check")
command.add_command(replay.command, "replay")


@command.command("list")
@click.argument("selection", required=False, shell_complete=complete_selection)
@click.option("--status", type=click.Choice(STATUSES), multiple=True, help="Only these statuses; repeatable.")
@click.option("--where", "condition", default=None, help="Select by an SQL condition on sys_invocation.")
@tag_option("Only with this tag; repeatable.")
@page_options()
@click.option("--system", is_flag=True, help="Include built-in invocations: jobs, gates and edits.")
@watch_option
@output_option
@server_options
def list_command(
    selection: str | None,
    status: tuple[str, ...],
    condition: str | None,
    tags: dict[str, str] | None,
    paging: Paging,
    system: bool,
    watch: bool,
    output: str,
    server: ServerOptions,
) -> None:
    """List invocations, newest first. SELECTION is Service, Service/key, Service/key/handler, or Service/handler of a
    service without keys; each part is exact.

    \b
        playhead invocations list --status paused \\
            --where "last_error_type like '%Connection%'"
    """
    import attrs

    from actors.model.listing import Listing
    from cli.pages import show_list
    from cli.render.tables import INVOCATIONS
    from cli.render.watch import check_watchable
    from cli.selection import refuse_unknown, resolved
    from journal.events import Status

    named = None if selection is None else parse_selection(selection)
    statuses = frozenset(Status(text) for text in status) or None
    listing = Listing(status=statuses, where=condition, tags=tags, system=system)

    async def find(client: Client, size: int, after: str | None) -> Page[InvocationInfo]:
        wanted = listing
        if named is not None:
            service, key, handler = await resolved(client, named)
            wanted = attrs.evolve(listing, service=service, key=key, handler=handler)
        return await _find(client, wanted, size, after)

    async def refuse(client: Client) -> None:
        if named is not None:
            await refuse_unknown(client, named)

    if watch:
        check_watchable(output)
        _watch_list(server, paging, find, is_wide=output == "wide")
    else:
        show_list(server, INVOCATIONS, output, paging, find, if_empty=refuse)


async def _events(client: Client, of: InvocationId) -> list[JournalEntry]:
    return [entry async for entry in client.invocation(of).events()]


async def _find(client: Client, listing: Listing, size: int, after: str | None) -> Page[InvocationInfo]:
    """List a page of the invocations that match a filter."""
    return await client.invocations(
        status=listing.status,
        service=listing.service,
        key=listing.key,
        handler=listing.handler,
        limit=size,
        after=after,
        where=listing.where,
        tags=listing.tags,
        system=listing.system,
    )


def _watch_list(
    server: ServerOptions,
    paging: Paging,
    find: Callable[[Client, int, str | None], Awaitable[Page[InvocationInfo]]],
    *,
    is_wide: bool,
) -> None:
    from cli.render.tables import INVOCATIONS
    from cli.render.watch import watch
    from cli.run import read

    async def look(client: Client) -> tuple[Iterable[str], bool]:
        found = await paging.whole(lambda size, after: find(client, size, after))
        return INVOCATIONS.lines(found, is_wide=is_wide), False

    read(server, lambda client: watch(lambda: look(client)))


@command.command()
@click.argument("invocation_id")
@watch_option
@report_option
@server_options
def describe(invocation_id: str, watch: bool, output: str, server: ServerOptions) -> None:
    """Show the details and the timeline of one invocation."""
    from cli.render.invocations import invocation_lines
    from cli.render.watch import check_watchable
    from cli.run import read
    from journal.ids import parse_invocation_id

    of = parse_invocation_id(invocation_id)
    if watch:
        check_watchable(output)
        read(server, lambda client: _watch_one(client, of))
        return

    async def find(client: Client) -> tuple[InvocationInfo, list[JournalEntry], list[str]]:
        return await client.invocation(of).info(), await _events(client, of), await _locks(client, of)

    info, entries, locks = read(server, find)
    if output == "json":
        out_json({"invocation": info, "events": entries, "locks": locks})
        return
    for line in invocation_lines(info, entries, locks):
        out(line)


async def _locks(client: Client, of: InvocationId) -> list[str]:
    """Return the locks that the invocation has."""
    asked = "select lock from sys_lock where invocation_id = ? and place = 1 order by lock"
    found = await client.query(asked, (of,))
    return [str(lock) for (lock,) in found.rows]


async def _watch_one(client: Client, of: InvocationId) -> None:
    from cli.render.invocations import invocation_lines
    from cli.render.watch import watch
    from journal.events import Status

    async def look() -> tuple[Iterable[str], bool]:
        info = await client.invocation(of).info()
        lines = invocation_lines(info, await _events(client, of), await _locks(client, of))
        return lines, info.status is Status.COMPLETED

    await watch(look)


@command.command()
@click.argument("invocation_id")
@click.option(
    "-o", "--output", type=click.Choice(["table", "wide", "json", "jsonl"]), default="table", show_default=True
)
@server_options
def events(invocation_id: str, output: str, server: ServerOptions) -> None:
    """Show the history of one invocation."""
    from cli.render.invocations import timeline_lines
    from cli.run import read
    from journal.ids import parse_invocation_id

    of = parse_invocation_id(invocation_id)
    entries = read(server, lambda client: _events(client, of))
    match output:
        case "json":
            out_json(entries)
        case "jsonl":
            for entry in entries:
                out_json_line(entry)
        case _:
            for line in timeline_lines(entries, is_wide=output == "wide"):
                out(line)


@command.command()
@click.argument("invocation_id")
@click.option("--after", default=0, help="Start after this event number.")
@report_option
@server_options
def follow(invocation_id: str, after: int, output: str, server: ServerOptions) -> None:
    """Follow the history of one invocation until it ends. As JSON: one line per event."""
    from cli.render.invocations import timeline_line
    from cli.run import ask
    from journal.ids import parse_invocation_id

    of = parse_invocation_id(invocation_id)

    async def show_each(client: Client) -> None:
        start: float | None = None
        async for entry in client.invocation(of).follow(after=after):
            start = entry.at if start is None else start
            if output == "json":
                out_json_line(entry)
            else:
                out(timeline_line(entry, start))

    ask(server, show_each)


@command.command("output")
@click.argument("invocation_id")
@click.option("--after", default=0, help="Start after this position in the output.")
@click.option("--live", is_flag=True, help="Print each piece at once, also of tries that fail later.")
@click.option(
    "--no-follow", "follow", is_flag=True, default=True, flag_value=False, help="Print only the stored output."
)
@click.option(
    "--stream", default="", metavar="NAME", help="Print the stream with this name. [default: the one without]"
)
@report_option
@server_options
def output_command(
    invocation_id: str, after: int, live: bool, follow: bool, stream: str, output: str, server: ServerOptions
) -> None:
    """Print the output of one invocation, and follow it until it ends.

    Each piece is printed once, when it is final: the pieces of a step when the step has ended. Texts follow each other as they were
    emitted; other values are lines of JSON. With --live, a remark says which pieces are void. As JSON: one line per piece.
    """
    from cli.render.pieces import PiecePrinter
    from cli.run import read
    from journal.ids import parse_invocation_id

    of = parse_invocation_id(invocation_id)

    async def print_each(client: Client) -> None:
        printer = PiecePrinter()
        async for chunk in client.invocation(of).chunks(after=after, live=live, follow=follow, stream=stream):
            if output == "json":
                out_json_line(chunk)
            else:
                printer.print(chunk)
        printer.end()

    read(server, print_each)


@command.command()
@click.argument("invocation_id")
@click.option("--no-wait", "wait", is_flag=True, default=True, flag_value=False, help="Fail if it has not ended.")
@server_options
def result(invocation_id: str, wait: bool, server: ServerOptions) -> None:
    """Print the result of one invocation as JSON, once it has ended. Exit code 1 if it did not succeed."""
    from actors.errors import ConflictError, ErrorCode
    from cli.outcomes import result_of
    from cli.run import read
    from journal.ids import parse_invocation_id

    of = parse_invocation_id(invocation_id)

    async def find(client: Client) -> Any:
        handle = client.invocation(of)
        info = await handle.info()
        if info.outcome is None and not wait:
            raise ConflictError(
                f"{of} is {info.status.value} and has no result yet; 'playhead why' says what it waits for",
                code=ErrorCode.NOT_COMPLETED,
            )
        return result_of(info.outcome or await handle.outcome(), of)

    out_json(read(server, find))


@command.command()
@click.argument("which", nargs=-1, required=True, metavar="IDS...")
@click.option(
    "--recording", is_flag=True, help="Write recordings, for 'playhead invocations replay'; reads the data directory."
)
@server_options
def export(which: tuple[str, ...], recording: bool, server: ServerOptions) -> None:
    """Export whole histories as JSON lines. Per invocation: its details, then its events with their values, then its output.

    IDS: ids, or '-' for ids from stdin. Each line has a 'kind': 'invocation', 'event' or 'output', and the 'id' of the invocation.

    \b
        playhead invocations list Writer -o id |
            playhead invocations export - > histories.jsonl
    """
    from cli.commands.replay import write_recordings
    from cli.run import read
    from cli.selection import select

    selected = select(which)
    if not selected.is_by_ids:
        raise click.UsageError("pass invocation ids; 'playhead invocations list -o id' prints the ids of a selection")

    if recording:
        write_recordings(server, selected.ids)
        return

    async def write_each(client: Client) -> None:
        for of in selected.ids:
            out_json_line({"kind": "invocation", "id": of, "invocation": await client.invocation(of).info()})
            for entry in await _events(client, of):
                out_json_line({"kind": "event", "id": of, "event": entry})
            async for chunk in client.invocation(of).chunks(live=True, follow=False):
                out_json_line({"kind": "output", "id": of, "output": chunk})

    read(server, write_each)


for verb in VERBS:
    command.add_command(verb)
