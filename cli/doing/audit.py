"""Who steered what, as it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import trio

from actors.core.gates import parse_scope
from actors.errors import InvalidScopeError
from actors.query.audit import AuditQuery
from cli.exits import Exit
from cli.listing import TextColumn, TextTable
from cli.output import emit, emit_json, remark, when
from cli.selecting import refuse_unknown
from cli.source import readable
from cli.targets import parse_selection
from journal.ids import parse_invocation_id

if TYPE_CHECKING:
    from actors.query.audit import AuditCheck, AuditEntry, AuditPage
    from cli.at_rest import AtRest
    from cli.source import Live, Where


def show(where: Where, output: str, **asked: Any) -> None:
    """A page of it. What is asked for are the fields of :class:`actors.query.audit.AuditQuery`."""
    query = AuditQuery(**asked)

    async def run() -> AuditPage:
        async with readable(where) as source:
            page = await source.audit(query)
            if not page.entries and query.target is not None:
                await _refuse_unknown_target(source, query.target)
            return page

    page = trio.run(run)
    if output == "json":
        emit_json(page)
        return
    ENTRIES.show(page.entries, output)
    if page.next is not None:
        remark(f"there is more: --after {page.next}")


async def _refuse_unknown_target(source: Live | AtRest, target: str) -> None:
    """Raise if the audit has nothing of a target, and no invocation, class, object, deployment or job has that name."""
    if (await source.audit(AuditQuery(target=target, limit=1))).entries or _is_scope(target):
        return
    if target.startswith("inv_"):
        await source.info(parse_invocation_id(target))
    elif target.startswith("dep_"):
        await source.deployment(target)
    elif target.startswith("job_"):
        await source.job(target)
    elif ":" in target:  # token:NAME or backup:NAME, which have a row from their beginning
        remark(f"the audit has no target {target!r}")
        raise click.exceptions.Exit(Exit.NOT_FOUND)
    else:
        await refuse_unknown(source, parse_selection(target))


def _is_scope(target: str) -> bool:
    try:
        parse_scope(target)
    except InvalidScopeError:
        return False
    return True


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


ENTRIES: TextTable[AuditEntry] = TextTable(
    id_of=lambda entry: entry.target,
    columns=(
        TextColumn("TIME", lambda entry: when(entry.at)),
        TextColumn("BY", lambda entry: entry.by),
        TextColumn("FROM", lambda entry: entry.origin),
        TextColumn("VERB", lambda entry: f"{entry.verb} ({entry.detail})" if entry.detail else entry.verb),
        TextColumn("TARGET", lambda entry: entry.target),
        TextColumn("RESULT", _result),
        TextColumn("REASON", lambda entry: entry.reason),
    ),
)
