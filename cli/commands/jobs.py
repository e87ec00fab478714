"""``playhead jobs``: bulk jobs and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.groups import Group
from cli.options import output_option, page_options, reason_option, report_option, server_options, watch_option
from cli.render.output import out, out_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.control.client import Client
    from actors.model.job_info import JobInfo, JobItem
    from cli.backend import ServerOptions
    from cli.pages import Paging


@click.group(cls=Group)
def command() -> None:
    """List, follow and cancel bulk jobs. A command with --where starts one: 'playhead invocations cancel --where …'."""


@command.command("list")
@page_options(20)
@output_option
@server_options
def list_command(paging: Paging, output: str, server: ServerOptions) -> None:
    """List the retained jobs, newest first."""
    from cli.pages import show_list
    from cli.render.tables import JOBS

    show_list(server, JOBS, output, paging, lambda client, size, after: client.jobs.list(limit=size, after=after))


@command.command()
@click.argument("job")
@watch_option
@report_option
@server_options
def show(job: str, watch: bool, output: str, server: ServerOptions) -> None:
    """Show the progress of JOB."""
    from cli.render.jobs import job_lines
    from cli.render.watch import check_watchable
    from cli.run import read

    if watch:
        check_watchable(output)
        read(server, lambda client: _watch_job(client, job))
        return
    info = read(server, lambda client: client.jobs.job(job).info())
    if output == "json":
        out_json(info)
        return
    for line in job_lines(info):
        out(line)


async def _items(client: Client, job: str) -> list[JobItem]:
    return [item async for item in client.jobs.job(job).items()]


async def _watch_job(client: Client, job: str) -> None:
    from cli.render.jobs import job_lines
    from cli.render.watch import watch

    async def look() -> tuple[Iterable[str], bool]:
        info = await client.jobs.job(job).info()
        return job_lines(info), info.ended_at is not None

    await watch(look)


@command.command()
@click.argument("job")
@click.option("-o", "--output", type=click.Choice(["table", "json", "jsonl", "id"]), default="table", show_default=True)
@server_options
def follow(job: str, output: str, server: ServerOptions) -> None:
    """Follow JOB until it ends. The exit code shows its result, as if it had been started here."""
    from cli.exit_codes import Exit
    from cli.jobs import follow_job, report
    from cli.run import ask

    code = report(ask(server, lambda client: follow_job(client.jobs.job(job))), output)
    if code is not Exit.DONE:
        raise click.exceptions.Exit(code)


@command.command()
@click.argument("job")
@click.option("--refused", is_flag=True, help="List only refused invocations.")
@output_option
@server_options
def items(job: str, refused: bool, output: str, server: ServerOptions) -> None:
    """List the result for each invocation that JOB has reached."""
    from actors.core.jobs import ItemResult
    from cli.render.tables import JOB_ITEMS
    from cli.run import read

    found = read(server, lambda client: _items(client, job))
    JOB_ITEMS.show([item for item in found if not refused or item.result is ItemResult.REFUSED], output)


@command.command()
@click.argument("job")
@reason_option
@server_options
def cancel(job: str, reason: str, server: ServerOptions) -> None:
    """Cancel JOB: it reaches no further invocations. Its changes stay."""
    from actors.core.jobs import JobState
    from cli.exit_codes import Exit
    from cli.jobs import report
    from cli.run import ask

    async def cancelled(client: Client) -> JobInfo:
        handle = client.jobs.job(job)
        await handle.cancel(reason=reason)
        return await handle.result()

    info = ask(server, cancelled)
    report(info, "table")
    if info.state is not JobState.CANCELLED:
        raise click.exceptions.Exit(Exit.REFUSED)  # it ended before the cancel arrived
