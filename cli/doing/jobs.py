"""Bulk jobs, as they are shown, followed and stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click
import trio

from actors.core.jobs import ItemResult, JobState
from cli.acting import follow_job, report
from cli.exits import Exit
from cli.listing import facts_lines
from cli.output import emit, emit_json, when
from cli.source import live, seen
from cli.tables import JOB_ITEMS, JOBS
from cli.watching import check_watchable, watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from actors.control.client import Client
    from actors.model.job_info import JobInfo
    from cli.at_rest import AtRest
    from cli.source import Live, Where

T = TypeVar("T")


def _asked(where: Where, ask: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        async with live(where) as client:
            return await ask(client)

    return trio.run(run)


def show_all(limit: int, where: Where, output: str) -> None:
    """List those that are retained, newest first."""
    JOBS.show(seen(where, lambda source: source.jobs(limit)), output)


def show_one(job: str, where: Where, output: str, *, is_watched: bool) -> None:
    """Show how it stands."""
    if is_watched:
        check_watchable(output)
        seen(where, lambda source: _watched(source, job))
        return
    info = seen(where, lambda source: source.job(job))
    if output == "json":
        emit_json(info)
        return
    for line in _description(info):
        emit(line)


async def _watched(source: Live | AtRest, job: str) -> None:
    async def look() -> tuple[Iterable[str], bool]:
        info = await source.job(job)
        return _description(info), info.ended_at is not None

    await watch(look)


def _description(info: JobInfo) -> Iterator[str]:
    refused = ", ".join(f"{count} {error}" for error, count in sorted(info.refused.items()))
    facts: list[tuple[str, Any]] = [
        ("id", info.id),
        ("state", info.state.value),
        ("verb", info.verb.value),
        ("which", info.which),
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


def follow(job: str, where: Where, output: str) -> None:
    """Watch it until it has ended. Ends the command with an exit code that says what came of it."""
    code = report(_asked(where, lambda client: follow_job(client.jobs.job(job))), output)
    if code is not Exit.DONE:
        raise click.exceptions.Exit(code)


def show_items(job: str, where: Where, output: str, *, only_refused: bool) -> None:
    """Show what became of each invocation that it has dealt with."""
    found = seen(where, lambda source: source.job_items(job))
    wanted = [item for item in found if item.result is ItemResult.REFUSED] if only_refused else found
    JOB_ITEMS.show(wanted, output)


def cancel(job: str, reason: str, where: Where) -> None:
    """Have it ask no more invocations."""

    async def ask(client: Client) -> JobInfo:
        handle = client.jobs.job(job)
        await handle.cancel(reason=reason)
        return await handle.result()

    info = _asked(where, ask)
    report(info, "table")
    if info.state is not JobState.CANCELLED:
        raise click.exceptions.Exit(Exit.REFUSED)  # it ended before the word came
