"""How much processor time does a call take beside a thin engine's?"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING

from benchmarks.measure import Case, Question, Room, Sample, Size, drive
from benchmarks.questions.calls import SEED, WARMING, calls
from benchmarks.questions.sends import sends
from benchmarks.questions.steps import STEPS, steps
from benchmarks.thin import thin_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.thin import Turn

IN_FLIGHT = 64
KEYS = 10_000
COUNT = 20_000


async def add(turn: Turn, amount: int) -> int:
    """Add, and say how much it is."""
    turn.fields["total"] = total = turn.fields.get("total", 0) + amount
    return int(total)


async def twice(number: int) -> int:
    """Something to do."""
    return number * 2


async def work(turn: Turn, number: int) -> int:
    """Ten steps, one after the other."""
    for _ in range(STEPS):
        number = await turn.step(twice, number) % 1_000
    return number


async def thin_calls(room: Room, _: Sample, *, count: int, keys: int) -> Sample:
    """The same calls, of the thin engine."""
    with thin_engine(room) as engine:
        await drive(keys, WARMING, lambda n: engine.call(f"key-{n}", add, 1))
        called = Random(SEED).choices([f"key-{n}" for n in range(keys)], k=count)
        timing = await drive(count, IN_FLIGHT, lambda n: engine.call(called[n], add, 1))
        return timing.rate()


async def thin_steps(room: Room, _: Sample, *, count: int) -> Sample:
    """The same handlers, each of an object of its own."""
    with thin_engine(room) as engine:
        await drive(IN_FLIGHT, IN_FLIGHT, lambda n: engine.call(f"first-{n}", work, 1))
        timing = await drive(count, IN_FLIGHT, lambda n: engine.call(f"key-{n}", work, n))
        return timing.rate(per_operation=STEPS)


def cases(size: Size) -> Iterator[Case]:
    """Calls, sends and steps, 64 in flight."""
    (keys,) = size.up_to(KEYS)
    count = size.of(COUNT, least=2 * IN_FLIGHT)
    yield Case(
        name=f"calls, {keys:,} keys",
        unit="calls/s",
        measure=partial(calls, count=count, in_flight=IN_FLIGHT, keys=keys),
        floor=partial(thin_calls, count=count, keys=keys),
    )
    yield Case(
        name="sends, accepted and executed",
        unit="sends/s",
        measure=partial(sends, count=count, in_flight=IN_FLIGHT, is_executed=True),
        floor=partial(thin_calls, count=count, keys=64),
    )
    handlers = size.of(COUNT // STEPS, least=2 * IN_FLIGHT)
    yield Case(
        name="steps, in handlers of ten",
        unit="steps/s",
        measure=partial(steps, count=handlers, in_flight=IN_FLIGHT),
        floor=partial(thin_steps, count=handlers),
    )


QUESTION = Question(
    name="thin",
    asks="How much processor time do calls, sends and steps take beside a thin engine, which does only what none can leave out?",
    floor_is="the thin engine of benchmarks/thin.py: ids, typed values, one record and one row a call, a record a step; a send is "
    "compared with its call",
    cases=cases,
)
