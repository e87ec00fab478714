"""How long does SQL over the journal take, with calls going on beside it?

Run: ``python -m benchmarks.sql [--rows 100000] [--runs 20]``. It makes that many invocations with real calls on a store of its
own (durability ``os``: making them is not what is measured), then asks each question again and again, first with nothing else
to do, then beside two callers that never rest, whose latency is printed too.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

import apsw
import trio

import actors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEYS = 1_000
CALLERS = 64
PATIENT = actors.Limits(query_seconds=60)


class Tally(actors.Actor):
    """Counts."""

    total: int = 0

    @actors.handler
    async def add(self, number: int) -> int:
        """Add, and say how much it is."""
        self.total += number
        return self.total


QUESTIONS = {
    "point": "SELECT * FROM sys_invocation WHERE id = '{id}'",
    "object": "SELECT id, status FROM sys_invocation WHERE service = 'Tally' AND key = 'k7'",
    "first page": "SELECT id, target, status, created_at FROM sys_invocation ORDER BY created_at DESC, id DESC LIMIT 100",
    "group by": "SELECT service, status, outcome, count(*) FROM sys_invocation GROUP BY 1, 2, 3",
    "count": "SELECT count(*) FROM sys_invocation",
    "slowest": "SELECT id, duration FROM sys_invocation ORDER BY duration DESC LIMIT 10",
    "where": "SELECT id FROM sys_invocation WHERE handler = 'add' AND duration > 1000",
}


async def make_invocations(client: actors.Client, count: int) -> str:
    """The id of one of them."""
    left = iter(range(count))

    async def call() -> None:
        for n in left:
            await client.actor(Tally, f"k{n % KEYS}").add(1)

    async with trio.open_nursery() as nursery:
        for _ in range(CALLERS):
            nursery.start_soon(call)
    found = await client.invocations(limit=50)
    return found[-1].id


@asynccontextmanager
async def calls_going_on(client: actors.Client, taken: list[float]) -> AsyncIterator[None]:
    """Two callers for the block; ``taken`` gets the milliseconds of each call."""

    async def call(key: str) -> None:
        while True:
            began = time.perf_counter()
            await client.actor(Tally, key).add(1)
            taken.append((time.perf_counter() - began) * 1e3)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, "a")
        nursery.start_soon(call, "b")
        await trio.sleep(0.5)
        yield
        nursery.cancel_scope.cancel()


async def ask(client: actors.Client, question: str, runs: int) -> list[float]:
    """Milliseconds of each run."""
    taken: list[float] = []
    for _ in range(runs):
        began = time.perf_counter()
        await client.query(question)
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


def line(name: str, taken: list[float]) -> str:
    """Median and spread."""
    ordered = sorted(taken)
    tenth, ninetieth = ordered[len(ordered) // 10], ordered[-len(ordered) // 10 - 1]
    return f"{name:<24}{statistics.median(ordered):>10.2f}{tenth:>10.2f}{ninetieth:>10.2f}{len(ordered):>8}"


async def main(rows: int, runs: int) -> None:
    """Make them, ask, print."""
    print(f"{platform.platform()}, {platform.processor() or platform.machine()}, CPython {platform.python_version()}")
    print(", ".join(f"{name} {version(name)}" for name in ("apsw", "rocksdict", "msgspec", "trio")), end=", ")
    print(f"SQLite {apsw.sqlite_lib_version()}; {rows} invocations, durability os")
    with tempfile.TemporaryDirectory() as path:
        async with actors.open_runtime(Tally, path=path, durability="os", limits=PATIENT) as runtime:
            client = runtime.client
            of = await make_invocations(client, rows)
            print(f"\n{'milliseconds':<24}{'median':>10}{'10 %':>10}{'90 %':>10}{'runs':>8}")
            for name, question in QUESTIONS.items():
                print(line(name, await ask(client, question.format(id=of), runs)))
            alone: list[float] = []
            async with calls_going_on(client, alone):
                pass
            print(line("a call, alone", alone))
            for name, question in QUESTIONS.items():
                beside: list[float] = []
                async with calls_going_on(client, beside):
                    beside.clear()
                    taken = await ask(client, question.format(id=of), runs)
                print(line(f"{name}, busy", taken))
                print(line("  a call beside it", beside))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    trio.run(main, arguments.rows, arguments.runs)
