"""By how many bytes does a process grow for an object at rest, a suspended invocation, one that waits in memory?"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from benchmarks.measure import Case, Question, Room, Sample, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LIVES = ("object at rest", "suspended invocation", "invocation that waits in memory")


async def grown(_: Room, *, life: str, count: int) -> Sample:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.lives", life, str(count)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = await trio.run_process(command, capture_stdout=True, env=environment, cwd=ROOT)
    return Sample(value=max(1.0, float(done.stdout)), operations=count)


def cases(size: Size) -> Iterator[Case]:
    """Each kind of life."""
    for life in LIVES:
        yield Case(name=life, unit="bytes", measure=partial(grown, life=life, count=size.of(20_000, least=500)))


QUESTION = Question(
    name="memory",
    asks="By how many bytes does a process grow for an object at rest, a suspended invocation, one that waits in memory?",
    floor_is="none. What RocksDB holds of it in its tables in memory is in the figure",
    cases=cases,
)
