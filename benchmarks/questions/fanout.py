"""How many children a second, in handlers that start a hundred side by side and wait for all?"""

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

CHILDREN = 100


class Parent(actors.Service):
    """Starts children."""

    @actors.handler
    async def fan_out(self, number: int) -> int:
        """A call of a hundred objects at once."""
        found: list[int] = []

        async def child(nth: int) -> None:
            found.append(await actors.actor(Counter, f"key-{nth}").add(number))

        async with actors.open_nursery() as nursery:
            for nth in range(CHILDREN):
                nursery.start_soon(child, nth)
        return sum(found)


async def fan_outs(room: Room, *, count: int, in_flight: int) -> Sample:
    """Each answer waits for a hundred."""
    async with on_stage(room, Parent, Counter) as stage:
        parent = stage.client.service(Parent)
        await parent.fan_out(1)
        before = stage.written
        timing = await drive(count, in_flight, parent.fan_out)
        return timing.rate(stage.written - before, per_operation=CHILDREN)


def cases(size: Size) -> Iterator[Case]:
    """One parent at a time, and several."""
    for few in (1, 8):
        yield Case(
            name=f"{few:,} in flight",
            unit="children/s",
            measure=partial(fan_outs, count=size.of(20 if few == 1 else 60, least=1), in_flight=few),
            floor=writing_floor(first_version.CHILD[few], in_flight=few, per_operation=CHILDREN),
        )


QUESTION = Question(
    name="fanout",
    asks="How many children a second, in handlers that start a hundred side by side and wait for all?",
    floor_is="the rows of the first version, as many clients, one wait for the disk a parent",
    cases=cases,
)
