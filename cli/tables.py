"""How things are shown in tables: which columns they have, and what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.texts import failure_in_words
from cli.listing import Column, Table
from cli.output import ago, when
from cli.targets import written_target

if TYPE_CHECKING:
    from actors.inspection import GateInfo, InvocationInfo
    from actors.jobs import JobInfo, JobItem


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


INVOCATIONS: Table[InvocationInfo] = Table(
    id_of=lambda info: info.id,
    columns=(
        Column("ID", lambda info: info.id),
        Column("TARGET", lambda info: written_target(info.target)),
        Column("STATUS", status_of),
        Column("CREATED", lambda info: ago(info.created_at)),
        Column("CHANGED", lambda info: ago(info.modified_at), is_wide=True),
        Column("FAILED", lambda info: str(info.failed_attempts), is_wide=True),
        Column("BY", lambda info: info.created_by, is_wide=True),
        Column("DEPLOYMENT", lambda info: info.deployment, is_wide=True),
        Column("NOTE", note_of),
    ),
)

JOBS: Table[JobInfo] = Table(
    id_of=lambda info: info.id,
    columns=(
        Column("ID", lambda info: info.id),
        Column("VERB", lambda info: info.verb.value),
        Column("STATE", lambda info: info.state.value),
        Column("DONE", lambda info: f"{info.done}/{info.total}"),
        Column("REFUSED", lambda info: str(sum(info.refused.values()))),
        Column("STARTED", lambda info: ago(info.started_at)),
        Column("BY", lambda info: info.started_by, is_wide=True),
        Column("WHICH", lambda info: info.which),
    ),
)

JOB_ITEMS: Table[JobItem] = Table(
    id_of=lambda item: item.id,
    columns=(
        Column("ID", lambda item: item.id),
        Column("RESULT", lambda item: item.result.value),
        Column("BEFORE", lambda item: "" if item.before is None else item.before.value),
        Column("AFTER", lambda item: "" if item.after is None else item.after.value),
        Column("ERROR", lambda item: item.error),
        Column("WHY", lambda item: item.reason),
    ),
)

GATES: Table[GateInfo] = Table(
    id_of=lambda gate: gate.scope,
    columns=(
        Column("SCOPE", lambda gate: gate.scope),
        Column("STATE", lambda gate: gate.state.value),
        Column("MODE", lambda gate: gate.mode.value, is_wide=True),
        Column("SINCE", lambda gate: when(gate.since)),
        Column("BY", lambda gate: gate.by),
        Column("REASON", lambda gate: gate.reason),
    ),
)
