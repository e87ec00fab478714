"""How things are shown in tables: which columns they have, and what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.values.texts import failure_in_words
from cli.listing import TextColumn, TextTable
from cli.output import ago, when
from cli.targets import written_target

if TYPE_CHECKING:
    from actors.model.info import GateInfo, InvocationInfo
    from actors.model.job_info import JobInfo, JobItem


def status_of(info: InvocationInfo) -> str:
    """Its outcome once it has one; until then its status, and what it is about to do."""
    if info.outcome is not None:
        return info.outcome.kind.value
    return f"{info.status.value} ({info.phase})" if info.phase else info.status.value


def note_of(info: InvocationInfo) -> str:
    """The first thing that one would ask about it."""
    if info.gate is not None:
        because = f": {info.gate.reason}" if info.gate.reason else ""
        return f"held by {info.gate.scope}{because}"
    if info.pause_reason:
        return info.pause_reason.partition("\n")[0]  # what follows is a traceback, which describe shows
    if info.outcome is not None:
        failure = info.outcome.failure
        return info.outcome.reason if failure is None else failure_in_words(failure)
    return "" if info.last_failure is None else failure_in_words(info.last_failure)


INVOCATIONS: TextTable[InvocationInfo] = TextTable(
    id_of=lambda info: info.id,
    columns=(
        TextColumn("ID", lambda info: info.id),
        TextColumn("TARGET", lambda info: written_target(info.target)),
        TextColumn("STATUS", status_of),
        TextColumn("CREATED", lambda info: ago(info.created_at)),
        TextColumn("CHANGED", lambda info: ago(info.modified_at), is_wide=True),
        TextColumn("FAILED", lambda info: str(info.failed_attempts), is_wide=True),
        TextColumn("BY", lambda info: info.created_by, is_wide=True),
        TextColumn("DEPLOYMENT", lambda info: info.deployment, is_wide=True),
        TextColumn("NOTE", note_of),
    ),
)

JOBS: TextTable[JobInfo] = TextTable(
    id_of=lambda info: info.id,
    columns=(
        TextColumn("ID", lambda info: info.id),
        TextColumn("VERB", lambda info: info.verb.value),
        TextColumn("STATE", lambda info: info.state.value),
        TextColumn("DONE", lambda info: f"{info.done}/{info.total}"),
        TextColumn("REFUSED", lambda info: str(sum(info.refused.values()))),
        TextColumn("STARTED", lambda info: ago(info.started_at)),
        TextColumn("BY", lambda info: info.started_by, is_wide=True),
        TextColumn("WHICH", lambda info: info.which),
    ),
)

JOB_ITEMS: TextTable[JobItem] = TextTable(
    id_of=lambda item: item.id,
    columns=(
        TextColumn("ID", lambda item: item.id),
        TextColumn("RESULT", lambda item: item.result.value),
        TextColumn("BEFORE", lambda item: "" if item.before is None else item.before.value),
        TextColumn("AFTER", lambda item: "" if item.after is None else item.after.value),
        TextColumn("ERROR", lambda item: item.error),
        TextColumn("WHY", lambda item: item.reason),
    ),
)

GATES: TextTable[GateInfo] = TextTable(
    id_of=lambda gate: gate.scope,
    columns=(
        TextColumn("SCOPE", lambda gate: gate.scope),
        TextColumn("STATE", lambda gate: gate.state.value),
        TextColumn("MODE", lambda gate: gate.mode.value, is_wide=True),
        TextColumn("SINCE", lambda gate: when(gate.since)),
        TextColumn("BY", lambda gate: gate.by),
        TextColumn("REASON", lambda gate: gate.reason),
    ),
)
