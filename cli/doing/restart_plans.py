"""What a restart would keep and what it would run again, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import trio

from actors.errors import Refused
from actors.model.handles import Restarted
from cli.acting import about
from cli.exits import exit_code_of
from cli.output import emit, emit_json, remark, safe
from cli.source import live
from journal.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cli.source import Where
    from journal.events import Answer, CallRef, StepRef, Successor
    from journal.ids import InvocationId


def show_plans(
    ids: Iterable[InvocationId], where: Where, output: str, from_step: str | None, asked: dict[str, Any]
) -> None:
    """Say what a restart of each would keep, what would begin again, and what is done once more if it comes to that."""

    async def run() -> list[tuple[str, Answer | Restarted | Exception]]:
        async with live(where) as client:
            found: list[tuple[str, Answer | Restarted | Exception]] = []
            for of in ids:
                try:
                    found.append((of, await client.invocation(of).restart(from_step, **asked, dry_run=True)))
                except (Refused, JournalError) as error:
                    found.append((of, error))
            return found

    found = trio.run(run)
    if output in ("json", "jsonl"):
        emit_json([{"id": of, "plan": answer.successor} for of, answer in found if isinstance(answer, Restarted)])
    errors = [(of, answer) for of, answer in found if isinstance(answer, Exception)]
    for of, answer in found:
        if isinstance(answer, Restarted) and output in ("table", "wide"):
            emit(of)
            for line in _plan_lines(answer.successor):
                emit(line)
    for of, error in errors:
        remark(about(of, error))
    remark("nothing was done")
    if errors:
        raise click.exceptions.Exit(exit_code_of(errors[0][1]))


def _plan_lines(plan: Successor) -> Iterator[str]:
    if plan.deployment:
        yield f"  code       {plan.deployment}"
    yield f"  kept       {_steps(plan.kept)}"
    yield f"  again      {_steps(plan.again)}"
    if plan.dropped:
        yield f"  if reached {_steps(plan.dropped)}"
    yield from (f"  stopped    {_call(call)}" for call in plan.stopped)
    yield from (f"  goes on    {_call(call)}, and is found again by its key" for call in plan.spared)
    yield from (f"  repeated   {_call(call)}, which was stopped before" for call in plan.repeated)


def _call(call: CallRef) -> str:
    return safe(f"{call.name} ({call.step}) {call.invocation_id}")


def _steps(steps: tuple[StepRef, ...]) -> str:
    return safe(", ".join(f"{step.name or 'step'} ({step.step})" for step in steps)) or "nothing"
