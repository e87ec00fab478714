"""What an object has been through does not make its next call dearer: neither in what is read, nor in what is written.

Rows and bytes are counted at the store; they are the same on every machine. Seconds are printed beside them.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio
import trio.testing

import actors
from actors import Actor, Log, Map, handler, shared
from journal import events as e
from journal.kv.store import SCAN_PAGE, Batch, Durability
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal
from tests.scale.builder import Builder, building

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from actors.engine.loaded_object import LoadedObject
    from journal.kv.store import Store

SIZES = (100, 1_000, 10_000, 100_000)
AT_MOST = 1.05
"""How many more bytes may be read or written with the longest past than with the shortest: numbers grow longer."""

BEHIND_SNAPSHOT = 8
"""Every past ends so many events behind a snapshot, so that all have the same to fold."""


KEY = "methuselah"
GROWN_TOGETHER = 1_000


class Old(Actor):
    total: int = 0
    lines: Log[int]
    marks: Map[str, int]

    @handler
    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total

    @handler
    async def append(self, line: int) -> int:
        self.lines.append(line)
        return len(self.lines)

    @handler
    async def extend(self, start: int, stop: int) -> int:
        self.lines.extend(range(start, stop))
        return len(self.lines)

    @handler
    async def mark(self, name: str) -> int:
        self.marks[name] = self.marks.get(name, 0) + 1
        return self.marks[name]

    @handler
    async def put(self, start: int, stop: int) -> None:
        for number in range(start, stop):
            self.marks[str(number)] = number

    @shared
    async def sum(self) -> int:
        return self.total

    @shared
    async def last(self) -> int:
        return self.lines[-1]


@attrs.define
class Cost:
    """What happened at the store during a call."""

    rows_read: int = 0
    bytes_read: int = 0
    rows_written: int = 0
    bytes_written: int = 0
    seconds: float = 0.0


class Counting:
    """A store in front of another, which counts what passes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.cost = Cost()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, key: bytes) -> bytes | None:
        value = self._store.get(key)
        self._count([(key, value or b"")])
        return value

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        found = self._store.scan(start, stop, limit=limit, reverse=reverse)
        self._count(found)
        return found

    async def commit(self, batch: Batch) -> None:
        self.cost.rows_written += len(batch.rows) + len(batch.cleared)
        self.cost.bytes_written += sum(len(key) + len(value or b"") for key, value in batch.rows.items())
        await self._store.commit(batch)

    def _count(self, rows: list[tuple[bytes, bytes]]) -> None:
        self.cost.rows_read += len(rows)
        self.cost.bytes_read += sum(len(key) + len(value) for key, value in rows)


@asynccontextmanager
async def counted(path: Path) -> AsyncIterator[tuple[Counting, Old]]:
    """The runtime on this store, opened anew."""
    async with open_journal(path, durability=Durability.OS) as journal:
        counting = Counting(journal._store)
        reader: Any = KvJournal(counting, partitions=journal.partitions)
        async with actors.open_runtime(Old, journal=reader) as runtime:
            yield counting, runtime.client.actor(Old, KEY)


async def cost_of(counting: Counting, call: Callable[[], Awaitable[object]]) -> Cost:
    """What one call costs."""
    await trio.testing.wait_all_tasks_blocked(0.01)
    counting.cost = Cost()
    began = time.perf_counter()
    await call()
    counting.cost.seconds = time.perf_counter() - began
    await trio.testing.wait_all_tasks_blocked(0.01)
    return counting.cost


async def has_lived(path: Path, invocations: int) -> None:
    """Let the object have at least so many invocations more, each in a commit of its own, up to the same distance behind a
    snapshot."""
    async with building(path, Old) as builder:
        done = 0
        while True:
            loaded = await has_lived_once(builder, done)
            done += 1
            if done >= invocations and loaded.events_since_snapshot == BEHIND_SNAPSHOT:
                return


async def has_lived_once(builder: Builder, total: int) -> LoadedObject:
    loaded, of = await builder.begin(Old, KEY, "add", b"1")
    change = e.FieldsChanged(invocation_id=of, fields={"total": b"%d" % (100_000 + total)})
    builder.end(loaded, of, [change], b"1")
    await builder.commit()
    return loaded


async def grow(path: Path, start: int, stop: int) -> None:
    """Items of a log and of a map, a page at a time."""
    async with counted(path) as (_, old):
        for first in range(start, stop, GROWN_TOGETHER):
            last = min(stop, first + GROWN_TOGETHER)
            await old.extend(first, last)
            await old.put(first, last)
    await has_lived(path, 1)


Curve = dict[str, dict[int, Cost]]


def show(curve: Curve) -> None:
    """Print it: a line for each call and size."""
    print(f"\n{'':24}{'past':>8} {'rows read':>10} {'bytes read':>11} {'rows written':>13} {'bytes':>7} {'ms':>7}")
    for name, costs in curve.items():
        for size, cost in costs.items():
            print(
                f"{name:24}{size:8} {cost.rows_read:10} {cost.bytes_read:11} {cost.rows_written:13} "
                f"{cost.bytes_written:7} {cost.seconds * 1000:7.2f}"
            )


def check_flat(curve: Curve) -> None:
    """No call reads or writes more because of what has been."""
    for name, costs in curve.items():
        first, last = costs[SIZES[0]], costs[SIZES[-1]]
        assert (last.rows_read, last.rows_written) == (first.rows_read, first.rows_written), f"{name}: {costs}"
        assert last.bytes_read <= first.bytes_read * AT_MOST, f"{name}: {costs}"
        assert last.bytes_written <= first.bytes_written * AT_MOST, f"{name}: {costs}"


def test_a_call_costs_the_same_however_many_invocations_an_object_has_had(tmp_path: Path) -> None:
    curve: Curve = {"first call": {}, "next call": {}, "call of a reader": {}}

    async def main() -> None:
        before = 0
        for size in SIZES:
            await has_lived(tmp_path, size - before)
            before = size
            async with counted(tmp_path) as (counting, old):
                curve["first call"][size] = await cost_of(counting, lambda: old.add(1))
                curve["next call"][size] = await cost_of(counting, lambda: old.add(1))
                curve["call of a reader"][size] = await cost_of(counting, old.sum)

    trio.run(main)
    show(curve)
    check_flat(curve)


def test_an_append_and_a_read_cost_the_same_however_long_a_log_or_a_map_is(tmp_path: Path) -> None:
    curve: Curve = {"first append": {}, "next append": {}, "read of the last line": {}, "change of one mark": {}}

    async def main() -> None:
        before = 0
        for size in SIZES:
            await grow(tmp_path, before, size)
            before = size
            async with counted(tmp_path) as (counting, old):
                curve["first append"][size] = await cost_of(counting, lambda: old.append(1))
                curve["next append"][size] = await cost_of(counting, lambda: old.append(1))
                curve["read of the last line"][size] = await cost_of(counting, old.last)
                curve["change of one mark"][size] = await cost_of(counting, lambda: old.mark("42"))

    trio.run(main)
    show(curve)
    check_flat(curve)
