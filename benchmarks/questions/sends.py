"""How many one-way sends a second are accepted durably, and how many are carried out as well?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from benchmarks import first_version
from benchmarks.floor import writing_floor
from benchmarks.measure import Case, Question, Room, Sample, Size, Timing, drive
from benchmarks.questions.calls import Counter
from benchmarks.stage import on_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.measure import Tally

KEYS = 64


async def sends(room: Room, *, count: int, in_flight: int, is_executed: bool) -> Sample:
    """Send to objects in turn. What is sent is carried out meanwhile, as far as there is time."""
    async with on_stage(room, Counter) as stage:
        counters = [stage.client.actor(Counter, f"key-{number}") for number in range(min(KEYS, count))]
        before = stage.written
        accepted: list[tuple[Timing, Tally]] = []

        async def send_all(_: int) -> None:
            timing = await drive(count, in_flight, lambda n: counters[n % len(counters)].add.send(1))
            accepted.append((timing, stage.written - before))
            await drive(len(counters), KEYS, lambda n: counters[n].add(0))  # one writer each: behind all that was sent

        executed = await drive(1, 1, send_all)
        timing, written = accepted[0]
        if is_executed:
            timing = attrs.evolve(timing, seconds=executed.seconds, cpu_seconds=executed.cpu_seconds)
            written = stage.written - before
        return timing.rate(written)


def cases(size: Size) -> Iterator[Case]:
    """Accepted; accepted and executed."""
    for few in size.up_to(64, 1_000):
        for is_executed in (False, True):
            yield Case(
                name=f"{few:,} in flight, {'accepted and executed' if is_executed else 'accepted'}",
                unit="sends/s",
                measure=partial(sends, count=size.of(20_000, least=2 * few), in_flight=few, is_executed=is_executed),
                floor=writing_floor(
                    first_version.SEND.get((few, is_executed), first_version.SEND[64, is_executed]), in_flight=few
                ),
            )


QUESTION = Question(
    name="sends",
    asks="How many one-way sends a second are accepted durably, and how many are carried out as well?",
    floor_is="the rows that the first version wrote until all were accepted, or carried out; as many clients, one wait for the disk a send",
    cases=cases,
)
