"""How many bytes does an invocation take on disk?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from benchmarks.floor import RowsLike, raw_store, write_raw
from benchmarks.measure import Case, Question, Room, Sample, Size
from benchmarks.questions.calls import calls
from benchmarks.questions.steps import steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

TOGETHER = 500


def bytes_in(path: Path) -> int:
    """Of all tables; a closed store has nothing else that counts."""
    return sum(file.stat().st_size for file in path.rglob("*.sst"))


async def taken(room: Room, *, work: Callable[[Room], Awaitable[Sample]], invocations: int) -> Sample:
    """After the store has been closed, which writes everything into tables."""
    sample = await work(room)
    value = bytes_in(room.path / "data") / invocations
    return attrs.evolve(sample, value=value, operations=invocations, cpu_us=None, p50_ms=None, p99_ms=None)


async def raw(room: Room, sample: Sample) -> Sample:
    """The floor: what was written, but nothing that was overwritten or removed meanwhile is taken away again."""
    assert sample.written is not None
    rows = RowsLike(sample.written, sample.operations)
    with raw_store(room.path / "floor") as db:
        for _ in range(sample.operations):
            write_raw(db, rows.next())
    return attrs.evolve(sample, value=bytes_in(room.path / "floor") / sample.operations)


def cases(size: Size) -> Iterator[Case]:
    """Short ones and longer ones."""
    few = size.of(5_000, least=50)
    yield Case(
        name="a call of an object",
        unit="bytes",
        measure=partial(taken, work=partial(calls, count=few, in_flight=64, keys=64), invocations=few),
        floor=raw,
    )
    fewer = size.of(500, least=20)
    yield Case(
        name="a handler of ten steps",
        unit="bytes",
        measure=partial(taken, work=partial(steps, count=fewer, in_flight=64), invocations=fewer),
        floor=raw,
    )


QUESTION = Question(
    name="disk",
    asks="How many bytes does an invocation take on disk?",
    floor_is="as many rows of the same average size, after the store was closed. Its values repeat, so it compresses better than ours",
    cases=cases,
)
