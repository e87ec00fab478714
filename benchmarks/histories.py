"""Long pasts, written without living through them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

import actors
from journal import events as e
from journal.events import Outcome, OutcomeKind
from journal.ids import InvocationId, StepId
from tests.scale.builder import building

if TYPE_CHECKING:
    from pathlib import Path

EVENTS_OF_A_STEP = 2


@attrs.frozen
class Moment:
    """When a step was executed: wall time, and processor time of this process."""

    seconds: float
    cpu_seconds: float


TAKEN: list[Moment] = []
"""The steps that were executed, and not only replayed."""


@actors.step
async def take(number: int) -> int:
    """A step."""
    TAKEN.append(Moment(time.perf_counter(), time.process_time()))
    return number


class Walker(actors.Service):
    """Takes steps, then waits for a signal, which says how many more to take."""

    @actors.handler
    async def walk(self, steps: int) -> int:
        """One step after the other."""
        for number in range(steps):
            await take(number)
        more: int = await actors.signal("go", int)
        for number in range(more):
            await take(number)
        return more


async def suspended_walkers(path: Path, *, events: int, count: int) -> list[InvocationId]:
    """So many that have taken their steps, each in a commit of its own, and wait for the signal."""
    steps = events // EVENTS_OF_A_STEP
    made: list[InvocationId] = []
    async with building(path, Walker) as builder:
        for _ in range(count):
            resident, of = await builder.begin(Walker, None, "walk", b"%d" % steps)
            for number in range(1, steps + 1):
                builder.progress(resident, of, _taken(of, number))
                await builder.commit()
            waits = e.SignalAwaited(invocation_id=of, step=StepId(str(steps + 1)), name="go")
            builder.progress(resident, of, [waits])
            await builder.commit()
            made.append(of)
    return made


def _taken(of: InvocationId, number: int) -> list[e.Event]:
    step = StepId(str(number))
    outcome = Outcome(OutcomeKind.SUCCEEDED, b"%d" % (number - 1))
    return [
        e.StepScheduled(invocation_id=of, step=step, name="take", argument=b"[%d]" % (number - 1)),
        e.StepCompleted(invocation_id=of, step=step, outcome=outcome),
    ]
