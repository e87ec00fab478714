"""How many calls a second between objects, from inside a handler?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import actors
from benchmarks import first_version
from benchmarks.floor import writing_floor
from benchmarks.measure import Case, Question, Room, Sample, Size, drive
from benchmarks.questions.calls import Counter
from benchmarks.stage import on_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = 10


class Caller(actors.Service):
    """Calls others."""

    @actors.handler
    async def call(self, number: int) -> int:
        """Ten objects, one after the other."""
        total = 0
        for nth in range(CALLS):
            total += await actors.actor(Counter, f"key-{(number + nth) % 1_000}").add(1)
        return total


async def nested(room: Room, *, count: int, in_flight: int) -> Sample:
    """An inner call does not wait for the disk; the answer to the client does."""
    async with on_stage(room, Caller, Counter) as stage:
        caller = stage.client.service(Caller)
        await drive(min(in_flight, count), in_flight, caller.call)
        before = stage.written
        timing = await drive(count, in_flight, lambda n: caller.call(n * CALLS))
        return timing.rate(stage.written - before, per_operation=CALLS)


def cases(size: Size) -> Iterator[Case]:
    """One caller and many."""
    for few in size.up_to(1, 64):
        yield Case(
            name=f"{few:,} in flight",
            unit="inner calls/s",
            measure=partial(nested, count=size.of(100 if few == 1 else 1_000, least=2 * few), in_flight=few),
            floor=writing_floor(first_version.NESTED_CALL, in_flight=few, per_operation=CALLS),
        )


QUESTION = Question(
    name="nested",
    asks="How many calls a second between objects, from inside a handler?",
    floor_is="the rows of the first version, as many clients, one wait for the disk for ten inner calls: only edges wait",
    cases=cases,
)
