"""How many signals a second reach handlers that wait for them?"""

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

SIGNALS = 10


class Waiter(actors.Service):
    """Waits for signals."""

    @actors.handler
    async def wait(self, count: int) -> int:
        """For so many."""
        total = 0
        for _ in range(count):
            total += await actors.signal("go", int)
        return total


async def signals(room: Room, *, count: int, in_flight: int) -> Sample:
    """A client starts a handler, hands it ten signals one after the other, and takes the result."""
    async with on_stage(room, Waiter) as stage:
        waiter = stage.client.service(Waiter)

        async def one(_: int) -> None:
            waiting = await waiter.wait.send(SIGNALS)
            for _ in range(SIGNALS):
                await waiting.signal("go", 1)
            assert await waiting.result() == SIGNALS

        await drive(min(in_flight, count), in_flight, one)
        before = stage.written
        timing = await drive(count, in_flight, one)
        return timing.rate(stage.written - before, per_operation=SIGNALS)


def cases(size: Size) -> Iterator[Case]:
    """One client and many."""
    for few in size.up_to(1, 64):
        yield Case(
            name=f"{few:,} in flight",
            unit="signals/s",
            measure=partial(signals, count=size.of(50 if few == 1 else 1_000, least=2 * few), in_flight=few),
            floor=writing_floor(first_version.SIGNAL, in_flight=few, waits=SIGNALS + 1, per_operation=SIGNALS),
        )


QUESTION = Question(
    name="signals",
    asks="How many signals a second reach handlers that wait for them?",
    floor_is="the rows of the first version, as many clients, eleven waits for the disk for ten signals",
    cases=cases,
)
