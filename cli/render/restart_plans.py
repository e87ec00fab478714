"""A restart plan as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.render.output import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journal.events import CallRef, StepRef, Successor


def plan_lines(plan: Successor) -> Iterator[str]:
    """Yield the plan of one restart, line by line."""
    if plan.deployment:
        yield f"  code       {plan.deployment}"
    yield f"  kept       {_steps(plan.kept)}"
    yield f"  again      {_steps(plan.again)}"
    if plan.dropped:
        yield f"  if reached {_steps(plan.dropped)}"
    yield from (f"  signal     {safe(name)}, which is kept and taken by the next wait for it" for name in plan.signals)
    yield from (f"  stopped    {_call(call)}" for call in plan.stopped)
    yield from (f"  continues  {_call(call)}, and the restarted invocation finds it by its key" for call in plan.spared)
    yield from (f"  repeated   {_call(call)}, which was stopped before" for call in plan.repeated)


def _call(call: CallRef) -> str:
    return safe(f"{call.name} ({call.step}) {call.invocation_id}")


def _steps(steps: tuple[StepRef, ...]) -> str:
    return safe(", ".join(f"{step.name or 'step'} ({step.step})" for step in steps)) or "nothing"
