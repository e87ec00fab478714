"""How many durable calls of keyed objects a second?"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING

import click

import actors
from benchmarks import first_version
from benchmarks.floor import writing_floor
from benchmarks.measure import Case, Question, Room, Sample, Size, drive
from benchmarks.stage import on_stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IN_FLIGHT = (1, 64, 1_000, 10_000)
KEYS = (1, 64, 10_000)
WARMING = 256
SEED = 1


class Counter(actors.Actor):
    """Counts."""

    total: int = 0

    @actors.handler
    async def add(self, amount: int) -> int:
        """Add, and say how much it is."""
        self.total += amount
        return self.total


async def calls(room: Room, *, count: int, in_flight: int, keys: int) -> Sample:
    """Call objects that exist, any of them; each call returns when what it did is durable."""
    async with on_stage(room, Counter) as stage:
        counters = [stage.client.actor(Counter, f"key-{number}") for number in range(keys)]
        await drive(len(counters), WARMING, lambda n: counters[n].add(1))
        # In turn, ten thousand keys would be the one order in which a memory of ten thousand objects never has the next one.
        called = Random(SEED).choices(counters, k=count)
        before = stage.written
        timing = await drive(count, in_flight, lambda n: called[n].add(1))
        return timing.rate(stage.written - before)


def cases(size: Size, in_flight: Sequence[int] = IN_FLIGHT, keys: Sequence[int] = KEYS) -> Iterator[Case]:
    """Every number in flight over every number of keys."""
    for few in size.up_to(*(in_flight or IN_FLIGHT)):
        for some in size.up_to(*(keys or KEYS)):
            count = size.of(1_000 if few == 1 else 20_000, least=2 * few)
            yield Case(
                name=f"{few:,} in flight, {some:,} {'key' if some == 1 else 'keys'}",
                unit="calls/s",
                measure=partial(calls, count=count, in_flight=few, keys=some),
                floor=writing_floor(first_version.call(few, some), in_flight=few),
            )


QUESTION = Question(
    name="calls",
    asks="How many durable calls of keyed objects a second?",
    floor_is="the rows of the first version, as many clients, one wait for the disk a call",
    cases=cases,
    options=(
        click.Option(["--in-flight"], multiple=True, type=click.IntRange(1), help="Calls under way; several times."),
        click.Option(["--keys"], multiple=True, type=click.IntRange(1), help="Objects that are called; several times."),
    ),
)
