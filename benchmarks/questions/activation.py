"""How long does the first call of an object take that is not in memory?"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from benchmarks import first_version
from benchmarks.floor import writing_floor
from benchmarks.measure import Case, Question, Room, Sample, Size, drive
from benchmarks.questions.calls import Counter
from benchmarks.stage import on_stage
from journal.kv.store import Durability

if TYPE_CHECKING:
    from collections.abc import Iterator

PAST_CALLS = 10


async def build(path: Path, objects: int) -> None:
    """Objects that have been called."""
    async with on_stage(Room(path, Durability.OS), Counter) as stage:
        for _ in range(PAST_CALLS):
            await drive(objects, 256, lambda n: stage.client.actor(Counter, f"key-{n}").add(1))


async def first_calls(room: Room, *, built: Path, count: int, in_flight: int) -> Sample:
    """Each object is called once; the store was just opened, so none is in memory."""
    async with on_stage(room, Counter, at=built / "data") as stage:
        await stage.client.actor(Counter, "another").add(1)
        before = stage.written
        timing = await drive(count, in_flight, lambda n: stage.client.actor(Counter, f"key-{n}").add(1))
        return timing.milliseconds(stage.written - before)


def cases(size: Size) -> Iterator[Case]:
    """One at a time, and many."""
    count = size.of(1_000)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as built:
        trio.run(build, Path(built), count)
        for few in size.up_to(1, 64):
            yield Case(
                name=f"{few:,} in flight",
                unit="ms",
                measure=partial(first_calls, built=Path(built), count=count, in_flight=few),
                floor=writing_floor(first_version.ACTIVATION, in_flight=few, in_milliseconds=True),
            )


QUESTION = Question(
    name="activation",
    asks="How long does the first call of an object take that is not in memory and has been called ten times?",
    floor_is="the rows of a call of the first version, as many clients, one wait for the disk: nothing read",
    cases=cases,
)
