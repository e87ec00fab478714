"""How long does SQL over the journal take, alone and beside callers that never rest, and what does it do to their calls?"""

from __future__ import annotations

import tempfile
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

import actors
from benchmarks.floor import reading_floor
from benchmarks.measure import Case, Question, Room, Sample, Size, Timing, drive
from benchmarks.questions.calls import Counter
from benchmarks.stage import Stage, on_stage
from journal.kv.store import Durability

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from benchmarks.measure import Tally

ROWS = 20_000
KEYS = 1_000
CALLERS = 64
ASKED = 10
PATIENT = actors.Limits(query_seconds=60)

QUERIES = {
    "point": "SELECT * FROM sys_invocation WHERE id = '{id}'",
    "object": "SELECT id, status FROM sys_invocation WHERE service = 'Counter' AND key = 'key-7'",
    "first page": "SELECT id, target, status, created_at FROM sys_invocation ORDER BY created_at DESC, id DESC LIMIT 100",
    "group by": "SELECT service, status, outcome, count(*) FROM sys_invocation GROUP BY 1, 2, 3",
    "count": "SELECT count(*) FROM sys_invocation",
    "slowest": "SELECT id, duration FROM sys_invocation ORDER BY duration DESC LIMIT 10",
    "where": "SELECT id FROM sys_invocation WHERE handler = 'add' AND duration > 1000",
}

READ_ALL = frozenset({"group by", "count", "slowest", "where"})
"""Those that look at every invocation."""


async def build(path: Path, rows: int) -> tuple[str, Tally]:
    """So many invocations by real calls; the id of one, and what was written."""
    async with on_stage(Room(path, Durability.OS), Counter) as stage:
        await drive(rows, CALLERS, lambda n: stage.client.actor(Counter, f"key-{n % KEYS}").add(1))
        found = await stage.client.invocations(limit=50)
        return found[-1].id, stage.written


@asynccontextmanager
async def calls_going_on(stage: Stage, taken: list[float]) -> AsyncIterator[None]:
    """Two callers for the block; ``taken`` gets the seconds of each call."""

    async def call(key: str) -> None:
        while True:
            began = time.perf_counter()
            await stage.client.actor(Counter, key).add(1)
            taken.append(time.perf_counter() - began)

    await drive(2, 1, lambda n: stage.client.actor(Counter, "ab"[n]).add(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, "a")
        nursery.start_soon(call, "b")
        yield
        nursery.cancel_scope.cancel()


async def asked(room: Room, *, built: Path, query: str, written: Tally, is_beside: bool) -> Sample:
    """The same query again and again."""
    async with on_stage(room, Counter, at=built / "data", limits=PATIENT) as stage:
        await stage.client.query(query)
        if not is_beside:
            return (await drive(ASKED, 1, lambda _: stage.client.query(query))).milliseconds(written)
        async with calls_going_on(stage, []):
            timing = await drive(ASKED, 1, lambda _: stage.client.query(query))
        # The callers' processor time is in it too, so none is told.
        return Sample(value=timing.milliseconds().value, operations=ASKED, written=written)


async def called(room: Room, *, built: Path, query: str | None) -> Sample:
    """Calls of the two, while a query is asked again and again, or nothing."""
    taken: list[float] = []
    async with on_stage(room, Counter, at=built / "data", limits=PATIENT) as stage:
        async with calls_going_on(stage, taken):
            began = time.perf_counter()
            if query is None:
                await trio.sleep(1.0)
            else:
                await drive(ASKED, 1, lambda _: stage.client.query(query))
            timing = Timing(time.perf_counter() - began, 0.0, list(taken))
        told = timing.milliseconds()
        return Sample(value=told.value, operations=told.operations, p50_ms=told.p50_ms, p99_ms=told.p99_ms)


def cases(size: Size, rows: int = ROWS) -> Iterator[Case]:
    """Every query alone and beside calls, then the calls."""
    (count,) = size.up_to(rows)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        built = Path(place)
        of, written = trio.run(build, built, count)
        queries = {name: query.format(id=of) for name, query in QUERIES.items()}
        for name, query in queries.items():
            for is_beside in (False, True):
                yield Case(
                    name=f"{name}, beside two callers" if is_beside else name,
                    unit="ms",
                    measure=partial(asked, built=built, query=query, written=written, is_beside=is_beside),
                    floor=reading_floor(count, times=ASKED) if name in READ_ALL else None,
                )
        yield Case(name="a call, alone", unit="ms", measure=partial(called, built=built, query=None))
        for name in ("point", "group by"):
            query = queries[name]
            yield Case(name=f"a call beside: {name}", unit="ms", measure=partial(called, built=built, query=query))


QUESTION = Question(
    name="sql",
    asks="How long does SQL over the journal take, alone and beside callers that never rest?",
    floor_is="for what looks at every invocation: as many rows of the store's average size, read once by RocksDB's iterator",
    cases=cases,
    options=(
        click.Option(
            ["--rows"], type=click.IntRange(100), default=ROWS, show_default=True, help="Invocations there are."
        ),
    ),
)
