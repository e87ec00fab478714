"""``playhead jobs``: what was asked of many invocations at once, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, TypeVar

import click
import trio

from actors.client import Client
from actors.core.jobs import ItemResult, JobState
from actors.jobs import JobInfo, JobItem
from cli.acting import follow_job, report
from cli.exits import Exit
from cli.listing import facts_lines, output_option, report_option
from cli.output import emit, emit_json, when
from cli.source import Where, live, options
from cli.tables import JOB_ITEMS, JOBS
from cli.watching import check_watchable, watch, watch_option

T = TypeVar("T")


@click.group()
def command() -> None:
    """Watch and stop bulk jobs. One is started by a verb for all that fit: 'playhead invocations cancel --where …'."""


def _asked(where: Where, ask: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        async with live(where) as client:
            return await ask(client)

    return trio.run(run)


@command.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@output_option
@options
def list_command(limit: int, output: str, where: Where) -> None:
    """List the jobs that are retained, newest first."""
    JOBS.show(_asked(where, lambda client: client.jobs.list(limit=limit)), output)


@command.command()
@click.argument("job")
@watch_option
@report_option
@options
def show(job: str, watch: bool, output: str, where: Where) -> None:
    """Show how JOB stands."""
    if watch:
        check_watchable(output)
        _asked(where, lambda client: _watched(client, job))
        return
    info = _asked(where, lambda client: client.jobs.job(job).info())
    if output == "json":
        emit_json(info)
        return
    for line in _description(info):
        emit(line)


async def _watched(client: Client, job: str) -> None:
    async def look() -> tuple[Iterable[str], bool]:
        info = await client.jobs.job(job).info()
        return _description(info), info.ended_at is not None

    await watch(look)


def _description(info: JobInfo) -> Iterator[str]:
    refused = ", ".join(f"{count} {error}" for error, count in sorted(info.refused.items()))
    facts: list[tuple[str, Any]] = [
        ("id", info.id),
        ("state", info.state.value),
        ("verb", info.verb.value),
        ("where", info.where),
        ("reason", info.options.get("reason", "")),
        ("started", f"{when(info.started_at)} by {info.started_by}"),
        ("ended", when(info.ended_at)),
        ("matched", info.matched),
        ("done", f"{info.done} of {info.total}"),
        ("changed", info.changed),
        ("unchanged", info.unchanged),
        ("refused", refused),
        ("failure", info.failure),
    ]
    return facts_lines(facts)


@command.command()
@click.argument("job")
@click.option("-o", "--output", type=click.Choice(["table", "json", "jsonl", "id"]), default="table", show_default=True)
@options
def follow(job: str, output: str, where: Where) -> None:
    """Watch JOB until it has ended. The exit code says what came of it, as if it had been started here."""
    code = report(_asked(where, lambda client: follow_job(client.jobs.job(job))), output)
    if code is not Exit.DONE:
        raise click.exceptions.Exit(code)


@command.command()
@click.argument("job")
@click.option("--refused", is_flag=True, help="Only those that were refused.")
@output_option
@options
def items(job: str, refused: bool, output: str, where: Where) -> None:
    """Show what became of each invocation that JOB has dealt with."""

    async def ask(client: Client) -> list[JobItem]:
        found = [item async for item in client.jobs.job(job).items()]
        return [item for item in found if item.result is ItemResult.REFUSED] if refused else found

    JOB_ITEMS.show(_asked(where, ask), output)


@command.command()
@click.argument("job")
@click.option("--reason", default="", help="Why; it is kept in the history and in the audit.")
@options
def cancel(job: str, reason: str, where: Where) -> None:
    """Have JOB ask no more invocations. What it has asked stays."""

    async def ask(client: Client) -> JobInfo:
        handle = client.jobs.job(job)
        await handle.cancel(reason=reason)
        return await handle.result()

    info = _asked(where, ask)
    report(info, "table")
    if info.state is not JobState.CANCELLED:
        raise click.exceptions.Exit(Exit.REFUSED)  # it ended before the word came
