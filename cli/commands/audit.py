"""``playhead audit``: who steered what, when, from where and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import trio

from actors.auditing import AuditQuery
from cli.exits import Exit
from cli.listing import Column, Table, output_option
from cli.output import emit, emit_json, remark, when
from cli.source import Where, options, readable

if TYPE_CHECKING:
    from actors.auditing import AuditCheck, AuditEntry, AuditPage


@click.command()
@click.option("--by", default=None, help="Only what this one asked for, as user:ada or token:ops.")
@click.option("--verb", default=None, help="Only this verb.")
@click.option("--target", default=None, help="Only what was asked of this invocation, service or gate.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1_000))
@click.option("--after", default=None, help="Go on behind a page that was shown before.")
@click.option(
    "--check", is_flag=True, help="Follow the chain of hashes instead: exit code 1 if a row was tampered with."
)
@output_option
@options
def command(
    by: str | None,
    verb: str | None,
    target: str | None,
    limit: int,
    after: str | None,
    check: bool,
    output: str,
    where: Where,
) -> None:
    """Show who steered what, newest first: also what was refused, and who was turned away."""
    if check:
        _check(where, output)
        return
    query = AuditQuery(by=by, verb=verb, target=target, limit=limit, after=after)

    async def run() -> AuditPage:
        async with readable(where) as source:
            return await source.audit(query)

    page = trio.run(run)
    if output == "json":
        emit_json(page)
        return
    ENTRIES.show(page.entries, output)
    if page.next is not None:
        remark(f"there is more: --after {page.next}")


def _result(entry: AuditEntry) -> str:
    dropped = f" (and {entry.dropped} more before it)" if entry.dropped else ""
    if entry.refusal:
        return f"refused: {entry.refusal}{dropped}"
    if not entry.before:
        return "done" if entry.changed else "unchanged"
    return f"{entry.before} -> {entry.after}" if entry.changed else f"unchanged ({entry.before})"


def _check(where: Where, output: str) -> None:
    async def run() -> AuditCheck:
        async with readable(where) as source:
            return await source.verify_audit()

    checked = trio.run(run)
    if output == "json":
        emit_json(checked)
    else:
        for head in checked.heads:
            emit(f"partition {head.partition}: {head.number} rows, up to {head.link}")
        for broken in checked.broken:
            remark(broken)
    if not checked.is_whole:
        raise click.exceptions.Exit(Exit.FAILED)


ENTRIES: Table[AuditEntry] = Table(
    id_of=lambda entry: entry.target,
    columns=(
        Column("TIME", lambda entry: when(entry.at)),
        Column("BY", lambda entry: entry.by),
        Column("FROM", lambda entry: entry.origin),
        Column("VERB", lambda entry: f"{entry.verb} ({entry.detail})" if entry.detail else entry.verb),
        Column("TARGET", lambda entry: entry.target),
        Column("RESULT", _result),
        Column("REASON", lambda entry: entry.reason),
    ),
)
