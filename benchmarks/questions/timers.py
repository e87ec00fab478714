"""How many durable sleeps of a millisecond a second?"""

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

SECONDS = 0.001


class Sleeper(actors.Service):
    """Sleeps."""

    @actors.handler
    async def sleep(self, seconds: float) -> None:
        """For so long, whatever happens to the process."""
        await actors.sleep(seconds)


async def sleeps(room: Room, *, count: int, in_flight: int) -> Sample:
    """Each is called, sleeps a millisecond by a timer on disk, and answers."""
    async with on_stage(room, Sleeper) as stage:
        sleeper = stage.client.service(Sleeper)
        await drive(min(in_flight, count), in_flight, lambda _: sleeper.sleep(SECONDS))
        before = stage.written
        timing = await drive(count, in_flight, lambda _: sleeper.sleep(SECONDS))
        return timing.rate(stage.written - before)


def cases(size: Size) -> Iterator[Case]:
    """Few and many that sleep at a time."""
    for few in size.up_to(64, 1_000):
        yield Case(
            name=f"{few:,} asleep",
            unit="sleeps/s",
            measure=partial(sleeps, count=size.of(5_000, least=2 * few), in_flight=few),
            floor=writing_floor(first_version.SLEEP, in_flight=few),
        )


QUESTION = Question(
    name="timers",
    asks="How many durable sleeps of a millisecond a second?",
    floor_is="the rows of the first version, as many clients, one wait for the disk a sleep, before the answer; nobody sleeps",
    cases=cases,
)
