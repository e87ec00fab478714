"""Checks a restart before it is accepted: replays the handler through the kept history, with the argument and on the code of the
successor.

A replay compares the arguments of steps. An argument that came from the old input differs under another input, so the successor
would stop there at once, and no resume could help. The restart is refused instead, and the refusal names the operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.decide.restart import lineage_of, with_input
from actors.core.restart_points import asked_anew
from actors.core.state import InvocationState
from actors.engine.dry_run import rehearse
from actors.engine.restart_history import history_of_restart
from actors.model.checks import Verdict, refusal_of
from actors.rows.index import row_of
from actors.rows.invocations import RecordedInvocation
from actors.rows.items import ObjectItems, writer_beside
from journal import events as e
from journal.events import Kind, Mode, Recorded, Stamp, Status
from journal.ids import StepId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.core import commands as c
    from actors.core.past import ObjectHistory
    from actors.core.restart_plan import RestartPlan
    from actors.core.state import ObjectState
    from actors.environment import Environment
    from actors.model.app import App
    from actors.model.checks import CheckReport
    from actors.rows.layers import LayeredRows
    from journal.events import Event
    from journal.ids import StreamId


@attrs.frozen(kw_only=True)
class RestartTarget:
    """The place of the successor: its object, the stored rows, and the state of that object."""

    environment: Environment
    app: App
    stream: StreamId
    partition: int
    state: ObjectState
    rows: LayeredRows
    past: ObjectHistory
    map_item: Callable[[str, str], bytes | None]
    now: float


async def check_kept_part(
    command: c.ResolvedRestart,
    history: Sequence[Recorded],
    kept: RestartPlan,
    around: RestartTarget,
) -> None:
    """Raise :class:`actors.errors.IncompatibleError` unless the handler replays the kept history. Nothing is changed."""
    successor = await _successor(command, history, around)
    report = rehearse(successor, around.app, command.deployment, around.environment)
    missed = [one for one in kept.operations if one.step not in {passed.step for passed in report.operations}]
    if report.divergence is None and (report.verdict is not Verdict.RAISES or not missed):
        return
    first = StepId(missed[0].step) if missed else None
    raise refusal_of(report, _advice(command, history, report, first), of=command.asked.invocation_id)


def _advice(command: c.ResolvedRestart, history: Sequence[Recorded], report: CheckReport, missed: StepId | None) -> str:
    """The point from which a restart would be accepted: the operation that differs, or one before it."""
    at = missed
    if report.divergence is not None and report.divergence.step:
        at = StepId(report.divergence.step)
    if at is not None and asked_anew(history, at, rewinds=command.asked.rewind_state) not in (at, command.step):
        where = f"Restart from step {at} or an earlier one"
    elif at is not None and asked_anew(history, at, rewinds=True) != at:
        where = (
            f"Restart from step {at} with rewind_state, which undoes what the handler wrote into fields beside it and writes it "
            "again, or from an earlier step"
        )
    else:
        where = "Restart from an earlier step, or from the beginning"
    if command.asked.argument is None:
        return f"{where}, or guard the change in the code with actors.patched()"
    return f"{where}, or leave out the input: the kept steps ran with the old one"


async def _successor(
    command: c.ResolvedRestart, history: Sequence[Recorded], around: RestartTarget
) -> RecordedInvocation:
    """The successor as it will be once it has copied its history."""
    state, now, original, successor = around.state, around.now, command.original, command.asked.successor
    mode = Mode.SHARED if state.kind is Kind.SERVICE else original.mode
    accepted = attrs.evolve(
        with_input(command),
        invocation_id=successor,
        mode=mode,
        restarts=lineage_of(command),
        scheduled_for=None,
    )
    invocation = InvocationState(
        invocation_id=successor,
        handler=original.handler,
        mode=mode,
        status=Status.RUNNING,
        accepted_at=now,
        accepted_by="",
        spans=[(state.version + 1, state.version + 2)],
        deployment=command.deployment,
        restarts=accepted.restarts,
    )
    beginning = await history_of_restart(invocation, state, history, around.past, now=now, map_item=around.map_item)
    stamp = Stamp(now, "restart", successor)
    started = e.InvocationStarted(invocation_id=successor)
    events: list[tuple[Stamp, Event]] = [(stamp, accepted), (stamp, started), *beginning.kept]
    return RecordedInvocation(
        row=row_of(state, invocation),
        history=[Recorded(state.version + n, at, event) for n, (at, event) in enumerate(events, 1)],
        state=attrs.evolve(state, invocations={**state.invocations, successor: invocation}),
        items=ObjectItems(
            around.rows,
            around.partition,
            around.stream,
            state,
            beside=None if mode is Mode.EXCLUSIVE else writer_beside(state),
        ),
    )
