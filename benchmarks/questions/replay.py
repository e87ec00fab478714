"""How many recorded events a second does a replay go through?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import actors
from benchmarks.floor import reading_floor
from benchmarks.histories import Walker, suspended_walkers
from benchmarks.measure import Case, Question, Room, Sample, Size, drive
from benchmarks.stage import on_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = (10, 1_000, 100_000)
ENDLESS = actors.Limits(history_events=10_000_000)


async def replays(room: Room, *, events: int, count: int) -> Sample:
    """Invocations that are not in memory get the signal they wait for: each is read, replayed, and ends."""
    waiting = await suspended_walkers(room.path / "data", events=events, count=count + 1)
    async with on_stage(room, Walker, limits=ENDLESS) as stage:

        async def wake(number: int) -> None:
            walker = stage.client.invocation(waiting[number])
            await walker.signal("go", 0)
            assert await walker.result() == 0

        await wake(count)
        before = stage.read
        timing = await drive(count, 1, wake)
        return timing.rate(read=stage.read - before, per_operation=events)


def cases(size: Size) -> Iterator[Case]:
    """Short histories and long ones."""
    for events in size.up_to(*EVENTS):
        count = size.of(max(1, min(50, 20_000 // events)), least=1)
        yield Case(
            name=f"{events:,} events",
            unit="events/s",
            measure=partial(replays, events=events, count=count),
            floor=reading_floor(rate_of=events * count, times=3),
        )


QUESTION = Question(
    name="replay",
    asks="How many recorded events a second does a replay go through, from the signal that wakes to the result?",
    floor_is="the rows that were read, by RocksDB's iterator: nothing decoded, nothing waited for",
    cases=cases,
)
