"""What do a million objects and a hundred thousand suspended invocations cost those who have nothing to do with them?"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

from benchmarks.measure import Case, Question, Room, Sample, Size
from benchmarks.questions.growth import with_others
from tests.scale.suspended import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OBJECTS, SUSPENDED = 1_000_000, 100_000
CALLS = 10_000
ROOT = Path(__file__).parents[2]


@attrs.frozen
class Cost:
    """Of calls among what there is."""

    resident_megabytes: float
    seconds: float
    cpu_seconds: float


Told = tuple[float, Cost]


def visit(path: Path, room: Room, count: int) -> Told:
    """Have a process of its own use this store; the seconds from its start to its first answer, and the rest."""
    command = [sys.executable, "-m", "benchmarks.crowd", str(path), room.durability.value, str(count)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None
        answer = process.stdout.readline()
        took = time.perf_counter() - began
        assert answer == b"answered\n", "the process failed"
        return took, msgspec.json.decode(process.stdout.readline(), type=Cost)


async def visited(
    room: Room, _: Sample | None = None, *, built: Path | None, count: int, figure: Callable[[Told, int], Sample]
) -> Sample:
    """A figure of one visit, to what was built or to an empty store. What visitors add is next to nothing beside what is there."""
    path = built or room.path / "data"
    return figure(await trio.to_thread.run_sync(visit, path, room, count), count)


def _start(told: Told, _: int) -> Sample:
    return Sample(value=told[0], operations=1)


def _memory(told: Told, _: int) -> Sample:
    return Sample(value=told[1].resident_megabytes, operations=1)


def _calls(told: Told, count: int) -> Sample:
    cost = told[1]
    return Sample(value=count / cost.seconds, operations=count, cpu_us=cost.cpu_seconds / count * 1e6)


FIGURES = (
    ("start of a process to its first answer", "s", _start),
    ("resident memory of the process", "MB", _memory),
    ("calls, 64 in flight", "calls/s", _calls),
)


def cases(size: Size) -> Iterator[Case]:
    """Each figure beside that of an empty store."""
    (objects,), (suspended,) = size.up_to(OBJECTS), size.up_to(SUSPENDED)
    count = size.of(CALLS, least=200)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        built = Path(place) / "data"
        trio.run(with_others, built, objects)
        build(built, suspended)
        for name, unit, figure in FIGURES:
            yield Case(
                name=f"{objects:,} objects, {suspended:,} suspended: {name}",
                unit=unit,
                measure=partial(visited, built=built, count=count, figure=figure),
                floor=partial(visited, built=None, count=count, figure=figure),
            )


QUESTION = Question(
    name="crowd",
    asks="What do a million objects and a hundred thousand suspended invocations cost those who have nothing to do with them?",
    floor_is="the same with an empty store, in a process that was started right after it",
    cases=cases,
)
