"""How many recorded steps a second, in handlers of ten?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import actors
from benchmarks import first_version
from benchmarks.floor import writing_floor
from benchmarks.measure import Case, Question, Room, Sample, Size, drive
from benchmarks.stage import on_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = 10


@actors.step
async def twice(number: int) -> int:
    """Something to do."""
    return number * 2


class Worker(actors.Service):
    """Works in steps."""

    @actors.handler
    async def work(self, number: int) -> int:
        """Ten steps, one after the other."""
        for _ in range(STEPS):
            number = await twice(number) % 1_000
        return number


async def steps(room: Room, *, count: int, in_flight: int) -> Sample:
    """Every step begins once the one before it is durable, and the answer comes when the last one is."""
    async with on_stage(room, Worker) as stage:
        worker = stage.client.service(Worker)
        await drive(min(in_flight, count), in_flight, lambda _: worker.work(1))
        before = stage.written
        timing = await drive(count, in_flight, worker.work)
        return timing.rate(stage.written - before, per_operation=STEPS)


def cases(size: Size) -> Iterator[Case]:
    """Few and many handlers side by side."""
    for few in size.up_to(1, 64, 1_000):
        yield Case(
            name=f"{few:,} in flight",
            unit="steps/s",
            measure=partial(steps, count=size.of(100 if few == 1 else 2_000, least=2 * few), in_flight=few),
            floor=writing_floor(first_version.STEP, in_flight=few, waits=STEPS + 1, per_operation=STEPS),
        )


QUESTION = Question(
    name="steps",
    asks="How many recorded steps a second, in handlers of ten?",
    floor_is="the rows of the first version, as many clients, eleven waits for the disk a handler: before each step, and before the answer",
    cases=cases,
)
