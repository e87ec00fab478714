"""Who steered what, as it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import trio

from actors.auditing import AuditQuery
from cli.exits import Exit
from cli.listing import Column, Table
from cli.output import emit, emit_json, remark, when
from cli.source import readable

if TYPE_CHECKING:
    from actors.auditing import AuditCheck, AuditEntry, AuditPage
    from cli.source import Where


def show(where: Where, output: str, **asked: Any) -> None:
    """A page of it. What is asked for are the fields of :class:`actors.auditing.AuditQuery`."""
    query = AuditQuery(**asked)

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


def check(where: Where, output: str) -> None:
    """Whether the chain of hashes holds."""

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
