"""Does a call cost more because of what there is already?

Each curve has one size that grows, and the same small thing done beside it. Flat is what it should be.
"""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import actors
from benchmarks.floor import writing_floor
from benchmarks.histories import EVENTS_OF_A_STEP, TAKEN, Walker, suspended_walkers
from benchmarks.measure import Case, Question, Room, Sample, Size, Timing, drive, rest
from benchmarks.stage import on_stage
from journal import events as e
from tests.scale.builder import building
from tests.scale.sleepers import Many
from tests.scale.suspended import DAY, add_sleeper

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

KEY = "methuselah"
IN_FLIGHT = 16
TOGETHER = 500
PAGE = 1_000
ENDLESS = actors.Limits(history_events=10_000_000)


class Old(actors.Actor):
    """Has what others have, and more of it."""

    total: int = 0
    lines: actors.Log[int]
    marks: actors.Map[str, int]

    @actors.handler
    async def add(self, amount: int) -> int:
        """Change a field."""
        self.total += amount
        return self.total

    @actors.handler
    async def append(self, line: int) -> int:
        """Add a line to a log."""
        self.lines.append(line)
        return len(self.lines)

    @actors.handler
    async def mark(self, name: str) -> int:
        """Change an item of a map."""
        self.marks[name] = self.marks.get(name, 0) + 1
        return self.marks[name]

    @actors.handler
    async def grow(self, start: int, stop: int) -> None:
        """Lines and marks, many at once."""
        self.lines.extend(range(start, stop))
        for number in range(start, stop):
            self.marks[str(number)] = number


async def with_a_past(path: Path, size: int) -> None:
    """An object that has been called so many times, each in a commit of its own."""
    async with building(path, Old) as builder:
        for number in range(size):
            resident, of = await builder.begin(Old, KEY, "add", b"1")
            change = e.FieldsChanged(invocation_id=of, fields={"total": b"%d" % (100_000 + number)})
            builder.end(resident, of, [change], b"1")
            await builder.commit()


async def with_others(path: Path, size: int) -> None:
    """So many objects that have been called once."""
    async with building(path, Old) as builder:
        for number in range(size):
            resident, of = await builder.begin(Old, f"other-{number}", "add", b"1")
            builder.end(resident, of, [e.FieldsChanged(invocation_id=of, fields={"total": b"1"})], b"1")
            if number % TOGETHER == 0:
                await builder.commit()
        await builder.commit()


async def with_timers(path: Path, size: int) -> None:
    """So many invocations that sleep until tomorrow."""
    async with building(path, Many) as builder:
        tomorrow = time.time() + DAY
        for number in range(size):
            await add_sleeper(builder, tomorrow + number)
            if number % TOGETHER == 0:
                await builder.commit()
        await builder.commit()


async def called(room: Room, *, build: Callable[[Path, int], Awaitable[None]], size: int, count: int) -> Sample:
    """One object is called, in a store that has something in it already."""
    await build(room.path / "data", size)
    async with on_stage(room, Old, Many) as stage:
        old = stage.client.actor(Old, KEY)
        await old.add(1)
        await rest()
        before = stage.written
        timing = await drive(count, IN_FLIGHT, lambda _: old.add(1))
        return timing.milliseconds(stage.written - before)


async def changed(room: Room, *, size: int, count: int, is_log: bool) -> Sample:
    """A line is added, or an item changed, where there are many."""
    async with on_stage(room, Old) as stage:
        old = stage.client.actor(Old, KEY)
        for start in range(0, size, PAGE):
            await old.grow(start, min(size, start + PAGE))
        await old.append(1)
        await rest()
        before = stage.written
        change = old.append if is_log else lambda n: old.mark(str(n % size))
        timing = await drive(count, IN_FLIGHT, change)
        return timing.milliseconds(stage.written - before)


async def climbed(room: Room, *, size: int, count: int) -> Sample:
    """More steps of an invocation that has taken many."""
    (of,) = await suspended_walkers(room.path / "data", events=size * EVENTS_OF_A_STEP, count=1)
    async with on_stage(room, Walker, limits=ENDLESS) as stage:
        TAKEN.clear()
        await rest()
        before = stage.written
        walker = stage.client.invocation(of)
        await walker.signal("go", count + 1)
        await walker.result()
        written = stage.written - before
    pauses = [later.seconds - earlier.seconds for earlier, later in pairwise(TAKEN)]
    first, last = TAKEN[0], TAKEN[-1]
    timing = Timing(last.seconds - first.seconds, last.cpu_seconds - first.cpu_seconds, pauses)
    return timing.milliseconds(written)


def cases(size: Size) -> Iterator[Case]:
    """Every curve, from left to right."""
    calls = size.of(1_000)
    for line, build, sizes in (
        ("past invocations of the object", with_a_past, (10, 1_000, 100_000)),
        ("other objects", with_others, (10, 1_000, 100_000)),
        ("pending timers", with_timers, (10, 1_000, 100_000)),
    ):
        for at in size.up_to(*sizes):
            yield _point("a call", line, at, partial(called, build=build, size=at, count=calls), in_flight=IN_FLIGHT)
    for line, is_log in (("lines of a log", True), ("items of a map", False)):
        for at in size.up_to(10, 1_000, 100_000):
            yield _point(
                "a change", line, at, partial(changed, size=at, count=calls, is_log=is_log), in_flight=IN_FLIGHT
            )
    for at in size.up_to(10, 1_000, 20_000):
        yield _point("a step", "steps of the invocation", at, partial(climbed, size=at, count=calls), in_flight=1)


def _point(what: str, line: str, at: int, measured: Callable[[Room], Awaitable[Sample]], *, in_flight: int) -> Case:
    return Case(
        name=f"{what}, {at:,} {line}",
        unit="ms",
        measure=measured,
        floor=writing_floor(in_flight=in_flight, in_milliseconds=True),
        line=line,
        at=at,
    )


QUESTION = Question(
    name="growth",
    asks="Does a call, a change, a step cost more because of what there is already?",
    floor_is="the rows of the call, as many clients, one wait for the disk. The processor time is the figure to watch: it should not grow",
    cases=cases,
)
