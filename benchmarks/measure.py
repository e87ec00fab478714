"""What a figure is: several runs of the same thing, each beside a run of its floor.

The two alternate, so that whatever else the machine does befalls both; what is compared is each run with the floor that was
measured right after it. Processor time of this process stands beside wall time, because others disturb it far less.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    import click

    from journal.kv.store import Durability

_REST_SECONDS = 0.2
_RESTS = 100


@attrs.frozen(kw_only=True)
class Tally:
    """What went into the store (rows, removed ones and cleared ranges too), or came out, and the bytes of keys and values."""

    rows: int
    key_bytes: int
    value_bytes: int

    def __sub__(self, before: Tally) -> Tally:
        return Tally(
            rows=self.rows - before.rows,
            key_bytes=self.key_bytes - before.key_bytes,
            value_bytes=self.value_bytes - before.value_bytes,
        )


@attrs.frozen(kw_only=True)
class Sample:
    """One run. ``value`` is in the unit of its case, ``cpu_us`` processor time per operation, ``p50_ms`` how long one took."""

    value: float
    operations: int
    cpu_us: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    written: Tally | None = None
    read: Tally | None = None


@attrs.frozen
class Room:
    """Where a run happens: a directory of its own, empty at first."""

    path: Path
    durability: Durability


@attrs.frozen(kw_only=True)
class Case:
    """One line of a table. ``at`` is where it lies on the curve ``line``, if it belongs to one."""

    name: str
    unit: str
    measure: Callable[[Room], Awaitable[Sample]]
    floor: Callable[[Room, Sample], Awaitable[Sample]] | None = None
    line: str | None = None
    at: float | None = None


@attrs.frozen(kw_only=True)
class Size:
    """How much of everything: 1 for figures to be trusted, far less to see that a question still works.

    ``factor`` is how often things are done; ``largest`` bounds what there is, which is part of the question.
    """

    factor: float = 1.0
    largest: int | None = None

    def up_to(self, *sizes: int) -> list[int]:
        """These sizes, none above the largest."""
        largest = max(sizes) if self.largest is None else self.largest
        return list(dict.fromkeys(min(size, largest) for size in sizes))

    def of(self, count: int, least: int = 2) -> int:
        """So many, in proportion."""
        return max(least, round(count * self.factor))


@attrs.frozen(kw_only=True)
class Question:
    """Something to find out. ``cases`` takes the size, and ``options`` by name."""

    name: str
    asks: str
    floor_is: str
    cases: Callable[..., Iterable[Case]]
    options: Sequence[click.Option] = ()


@attrs.frozen(kw_only=True)
class Spread:
    """The median of several runs, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median=statistics.median(values), least=min(values), most=max(values))


@attrs.frozen(kw_only=True)
class Figure:
    """What came out. ``ratio`` is the value as a multiple of the floor's, ``cpu_ratio`` the same of processor time."""

    question: str
    case: str
    unit: str
    runs: int
    value: Spread
    cpu_us: Spread | None
    p50_ms: Spread | None
    p99_ms: Spread | None
    floor: Spread | None
    ratio: Spread | None
    cpu_ratio: Spread | None
    line: str | None
    at: float | None


def measure(question: Question, case: Case, *, runs: int, durability: Durability, under: Path | None) -> Figure:
    """Run a case and its floor in turn, so many times."""
    samples: list[Sample] = []
    floors: list[Sample] = []
    for _ in range(runs):
        sample = _in_a_room(case.measure, durability=durability, under=under)
        samples.append(sample)
        if case.floor is not None:
            floors.append(_in_a_room(case.floor, sample, durability=durability, under=under))
    return Figure(
        question=question.name,
        case=case.name,
        unit=case.unit,
        runs=runs,
        value=Spread.of([s.value for s in samples]),
        cpu_us=_spread(s.cpu_us for s in samples),
        p50_ms=_spread(s.p50_ms for s in samples),
        p99_ms=_spread(s.p99_ms for s in samples),
        floor=_spread(s.value for s in floors),
        ratio=_spread(s.value / f.value for s, f in zip(samples, floors, strict=False)),
        cpu_ratio=_spread(s.cpu_us / f.cpu_us for s, f in zip(samples, floors, strict=False) if s.cpu_us and f.cpu_us),
        line=case.line,
        at=case.at,
    )


def _in_a_room(
    function: Callable[..., Awaitable[Sample]], *arguments: Sample, durability: Durability, under: Path | None
) -> Sample:
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=under) as path:
        gc.collect()
        return trio.run(function, Room(Path(path), durability), *arguments)


def _spread(values: Iterable[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return Spread.of(known) if known else None


@attrs.define
class Timing:
    """How long many operations took, each and together."""

    seconds: float
    cpu_seconds: float
    taken: list[float]

    def rate(self, written: Tally | None = None, *, read: Tally | None = None, per_operation: int = 1) -> Sample:
        """Operations a second, where each that was timed counts for ``per_operation``."""
        count = len(self.taken) * per_operation
        return self._sample(count / self.seconds, count, written, read)

    def milliseconds(self, written: Tally | None = None, *, read: Tally | None = None) -> Sample:
        """How long one takes, half of them less."""
        return self._sample(statistics.median(self.taken) * 1e3, len(self.taken), written, read)

    def _sample(self, value: float, count: int, written: Tally | None, read: Tally | None) -> Sample:
        ordered = sorted(self.taken)
        return Sample(
            value=value,
            operations=count,
            cpu_us=self.cpu_seconds / count * 1e6,
            p50_ms=ordered[len(ordered) // 2] * 1e3,
            p99_ms=ordered[len(ordered) * 99 // 100] * 1e3,
            written=written,
            read=read,
        )


async def drive(count: int, in_flight: int, one: Callable[[int], Awaitable[object]]) -> Timing:
    """Do ``one`` so many times, with so many under way at any moment, and time it."""
    numbers = iter(range(count))
    taken: list[float] = []

    async def work() -> None:
        for number in numbers:
            began = time.perf_counter()
            await one(number)
            taken.append(time.perf_counter() - began)

    began, cpu_began = time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(min(in_flight, count)):
            nursery.start_soon(work)
    return Timing(time.perf_counter() - began, time.process_time() - cpu_began, taken)


async def rest() -> None:
    """Return when this process does nothing: what was built is being compacted, and that should not be in a figure."""
    for _ in range(_RESTS):
        before = time.process_time()
        await trio.sleep(_REST_SECONDS)
        if time.process_time() - before < _REST_SECONDS / 20:
            return
