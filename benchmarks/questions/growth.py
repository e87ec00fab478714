"""Does a call cost more because of what there is already?

Each curve has one size that grows, and the same small thing done beside it. Flat is what it should be.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import attrs
import trio

import actors
from benchmarks.floor import writing_floor
from benchmarks.histories import EVENTS_OF_A_STEP, TAKEN, Walker, suspended_walkers
from benchmarks.measure import Case, Question, Room, Sample, Size, Timing, drive, rest
from benchmarks.stage import on_stage
from journal import events as e
from journal.kv.store import Durability
from tests.scale.builder import building
from tests.scale.sleepers import Many
from tests.scale.suspended import DAY, add_sleeper

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


async def _add(old: Any, _: int) -> object:
    return await old.add(1)


async def _append(old: Any, number: int) -> object:
    return await old.append(number)


async def _mark(old: Any, number: int) -> object:
    return await old.mark(str(number))


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


async def with_lines_and_marks(path: Path, size: int) -> None:
    """An object with so many lines and so many marks, by calls, as users would make them."""
    async with on_stage(Room(path.parent, Durability.OS), Old, at=path) as stage:
        old = stage.client.actor(Old, KEY)
        for start in range(0, size, PAGE):
            await old.grow(start, min(size, start + PAGE))


async def with_steps(path: Path, size: int) -> None:
    """One invocation that has taken so many steps."""
    await suspended_walkers(path, events=size * EVENTS_OF_A_STEP, count=1)


async def changed(room: Room, *, built: Path, count: int, change: Callable[[Any, int], Awaitable[object]]) -> Sample:
    """One object is called, in a store that has something in it already. It changes the store, so it gets a copy."""
    await trio.to_thread.run_sync(shutil.copytree, built, room.path / "data")
    async with on_stage(room, Old, Many) as stage:
        old = stage.client.actor(Old, KEY)
        await change(old, 0)
        await rest()
        before = stage.written
        timing = await drive(count, IN_FLIGHT, lambda number: change(old, number))
        return timing.milliseconds(stage.written - before)


async def climbed(room: Room, *, built: Path, count: int) -> Sample:
    """More steps of an invocation that has taken many."""
    await trio.to_thread.run_sync(shutil.copytree, built, room.path / "data")
    async with on_stage(room, Walker, limits=ENDLESS) as stage:
        TAKEN.clear()
        await rest()
        before = stage.written
        (found,) = await stage.client.invocations(limit=1)
        walker = stage.client.invocation(found.id)
        await walker.signal("go", count + 1)
        await walker.result()
        written = stage.written - before
    pauses = [later.seconds - earlier.seconds for earlier, later in pairwise(TAKEN)]
    first, last = TAKEN[0], TAKEN[-1]
    timing = Timing(last.seconds - first.seconds, last.cpu_seconds - first.cpu_seconds, pauses)
    return timing.milliseconds(written)


Build = Callable[[Path, int], Awaitable[None]]


@attrs.frozen
class Curve:
    """What grows, how it is built, and what is done beside it."""

    line: str
    sizes: tuple[int, ...]
    build: Build
    what: str
    change: Callable[[Any, int], Awaitable[object]]


CURVES = (
    Curve("past invocations of the object", (10, 1_000, 100_000, 1_000_000), with_a_past, "a call", _add),
    Curve("other objects", (1_000, 10_000, 100_000, 1_000_000), with_others, "a call", _add),
    Curve("pending timers", (10, 1_000, 100_000, 1_000_000), with_timers, "a call", _add),
    Curve("lines of a log", (10, 1_000, 100_000), with_lines_and_marks, "a change", _append),
    Curve("items of a map", (10, 1_000, 100_000), with_lines_and_marks, "a change", _mark),
)
STEPS = (10, 1_000, 10_000, 100_000)


def cases(size: Size) -> Iterator[Case]:
    """Every curve, from left to right. All stores are built before anything is measured; each run gets a copy of one."""
    count = size.of(1_000)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        wanted = [(curve.build, at) for curve in CURVES for at in size.up_to(*curve.sizes)]
        built = _built(Path(place), [*wanted, *((with_steps, at) for at in size.up_to(*STEPS))])
        for curve in CURVES:
            for at in size.up_to(*curve.sizes):
                measured = partial(changed, built=built[curve.build, at], count=count, change=curve.change)
                yield _point(curve.what, curve.line, at, measured, in_flight=IN_FLIGHT)
        for at in size.up_to(*STEPS):
            measured = partial(climbed, built=built[with_steps, at], count=count)
            yield _point("a step", "steps of the invocation", at, measured, in_flight=1)


def _built(place: Path, wanted: Iterable[tuple[Build, int]]) -> dict[tuple[Build, int], Path]:
    """Where each of them lies. As many are built at a time as there are processors: a million of anything takes two minutes."""
    paths = {of: place / f"data-{number}" for number, of in enumerate(dict.fromkeys(wanted))}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        largest_first = sorted(paths.items(), key=lambda item: -item[0][1])
        for done in [pool.submit(trio.run, build, path, at) for (build, at), path in largest_first]:
            done.result()
    return paths


def _point(what: str, line: str, at: int, measured: Callable[[Room], Awaitable[Sample]], *, in_flight: int) -> Case:
    return Case(
        name=f"{what}, {at:,} {line}",
        unit="ms",
        measure=measured,
        floor=writing_floor(None, in_flight=in_flight, in_milliseconds=True),
        line=line,
        at=at,
    )


QUESTION = Question(
    name="growth",
    asks="Does a call, a change, a step cost more because of what there is already?",
    floor_is="the rows of the call, as many clients, one wait for the disk. The processor time is the figure to watch: it should not grow",
    cases=cases,
)
