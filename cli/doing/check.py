"""Replaying what is recorded in a data directory on other code, and what is said of it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import click
import trio

from actors.code.registry import LATEST
from actors.control.local.checks import KEEP, Checker, last_of, loaded_aside
from actors.environment import Environment
from actors.errors import BrokenDeploymentError
from actors.model.checks import CheckReport, CheckSummary, OperationStatus, Verdict
from actors.model.listing import Listing
from actors.query.invocations import row_of_id
from actors.system.code import read_code
from actors.system.registry_rows import read_deployments
from cli.at_rest import AtRest
from cli.exits import Exit
from cli.output import emit, emit_json, emit_table, remark, safe
from cli.source import live
from cli.targets import written_target
from journal.ids import parse_invocation_id
from journal.log.open import open_for_reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from actors.values.snapshot import Snapshot
    from cli.source import Where
    from journal.ids import InvocationId


def parse_ids(texts: Iterable[str]) -> tuple[InvocationId, ...]:
    """Each as an id."""
    return tuple(parse_invocation_id(text) for text in texts)


def is_by_server(where: Where) -> bool:
    """Whether a server was named, which then replays them."""
    return where.url is not None


def check_at_rest(
    where: Where,
    ids: Sequence[InvocationId],
    condition: str | None,
    app: str | None,
    deployment: str | None,
    limit: int,
    output: str,
) -> None:
    """Replay them in this process. Ends the command with an exit code that says what came of it."""
    _tell(trio.run(_at_rest, where.data, ids, condition, app, deployment, limit), condition, output)


def check_by_server(
    where: Where, ids: Sequence[InvocationId], condition: str | None, deployment: str, limit: int, output: str
) -> None:
    """Have the server replay them, likewise."""

    async def run() -> CheckSummary | list[CheckReport]:
        async with live(where) as client:
            if condition is not None:
                return await client.check(deployment=deployment, where=condition, limit=limit)
            return [await client.invocation(of).check(deployment=deployment) for of in ids]

    _tell(trio.run(run), condition, output)


def _tell(answer: CheckSummary | list[CheckReport], condition: str | None, output: str) -> None:
    _show(answer, output)
    if isinstance(answer, CheckSummary) and not (answer.checked or answer.skipped):
        remark(f"nothing was checked: no invocation fits {condition}")
    raise click.exceptions.Exit(_exit_code_of(answer))


async def _at_rest(
    data: Path, ids: Sequence[InvocationId], condition: str | None, app: str | None, deployment: str | None, limit: int
) -> CheckSummary | list[CheckReport]:
    """Replay those that are named, or the newest that the condition fits; a server may have the directory open."""
    reader, identity = open_for_reading(data)
    async with AsyncExitStack() as stack:
        stack.callback(reader.close)
        kept = AtRest(reader, identity)
        checker = Checker(reader, identity.partitions, Environment())
        if condition is None:
            return [await _check_one(checker, kept, of, app, deployment) for of in ids]
        count, wanted = await kept.newest_ids(Listing(where=condition, limit=limit))
        code = _code(kept, app, deployment or LATEST)
        name, loaded = await stack.enter_async_context(loaded_aside(code, Environment()))
        return await last_of(checker.check_each(wanted, name, loaded, is_complete=count <= limit))


async def _check_one(
    checker: Checker, kept: AtRest, of: InvocationId, app: str | None, deployment: str | None
) -> CheckReport:
    pinned = row_of_id(kept, of).deployment
    wanted = pinned if deployment == KEEP else deployment or LATEST
    async with loaded_aside(_code(kept, app, wanted), Environment()) as (name, loaded):
        return await checker.check(of, name, loaded)


def _code(kept: AtRest, app: str | None, deployment: str) -> str | Snapshot:
    if app is not None:
        return app
    registered = read_deployments(kept.reader, kept.partitions)
    wanted = registered.latest if deployment == LATEST else deployment
    if not wanted:
        raise BrokenDeploymentError("no code is kept here for that; name code on disk with --app", deployment="")
    registered.find(wanted)
    return read_code(kept, wanted)


def _exit_code_of(answer: CheckSummary | list[CheckReport]) -> int:
    """Done only if every match was replayed and can be moved; failed if one cannot; partial if some were not replayed; not found
    if nothing matches. A script that checks before a release takes 0 for a yes."""
    if isinstance(answer, list):
        return Exit.DONE if all(report.is_compatible for report in answer) else Exit.FAILED
    if any(cohort.verdict is not Verdict.SAME for cohort in answer.cohorts):
        return Exit.FAILED
    if not (answer.checked or answer.skipped):
        return Exit.NOT_FOUND
    return Exit.DONE if answer.is_compatible else Exit.PARTIAL


def _show(answer: CheckSummary | list[CheckReport], output: str) -> None:
    """Print what came of it."""
    if output == "json":
        emit_json(answer)
    elif isinstance(answer, list):
        for report in answer:
            _show_report(report)
    else:
        _show_summary(answer)


def _show_summary(summary: CheckSummary) -> None:
    emit_table(
        ("COUNT", "VERDICT", "FOR EXAMPLE", "WHAT"),
        [(str(c.count), c.verdict.value, c.samples[0], c.summary) for c in summary.cohorts],
    )
    for of, why in summary.skipped:
        remark(f"{of} could not be checked: {why}")
    if summary.skipped_count > len(summary.skipped):
        remark(f"{summary.skipped_count - len(summary.skipped)} more could not be checked")
    if not summary.is_complete:
        remark(
            f"only the newest {summary.checked:,} were replayed; more match: raise --limit, or leave it out to replay all"
        )


def _show_report(report: CheckReport) -> None:
    emit(safe(f"{report.invocation_id}  {written_target(report.target)} on {report.deployment}: {report.summary}"))
    for operation in report.operations:
        if operation.fate is not OperationStatus.KEPT:
            what = ", ".join(operation.differences) or operation.attempted
            emit(safe(f"  {operation.fate.value:<8}{what}"))
    if report.divergence is None:
        return
    emit(safe(f"  recorded:  {report.divergence.recorded}"))
    emit(safe(f"  attempted: {report.divergence.attempted}"))
    for field in report.divergence.fields:
        emit(safe(f"  field {field.field}: {field.recorded!r} -> {field.attempted!r}"))
