"""A query in a thread and the loop beside it take turns: neither is in the other's way, and neither waits for one that has ended."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

from actors import Limits
from actors.environment import Environment, environment_of_run, offload_inline
from actors.model.listing import Listing
from actors.query.sql.queries import Queries, QueryTarget
from actors.query.sql.turns import Turns
from tests.sql.kept import NOW, in_memory, row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from actors.query.snapshot import JournalSnapshot
    from journal.rows import InvocationRow

PATIENCE_SECONDS = 60.0
SLOW = "SELECT count(*) FROM sys_invocation a JOIN sys_invocation b ON a.created_at < b.created_at + 1"
PAIRS = 300 * 301 // 2
ROWS = [row(n, created_at=NOW - n) for n in range(300)]


class Kept:
    """Three hundred rows, asked as a runtime's are."""

    def __init__(self, world: Environment, rows: Sequence[InvocationRow] = ROWS) -> None:
        self.source = in_memory(rows)
        self.queries = Queries(world, Limits(query_seconds=PATIENCE_SECONDS))
        self.asked = QueryTarget(snapshot=self._snapshot)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[JournalSnapshot]:
        await trio.lowlevel.checkpoint()
        yield self.source

    async def count(self) -> int:
        result = await self.queries.query(self.asked, SLOW, ())
        return result.rows[0][0]


async def test_other_tasks_run_while_a_query_is_worked_out() -> None:
    rounds = 0

    async def never_rest() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await trio.lowlevel.checkpoint()

    kept = Kept(Environment())
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(never_rest)
            assert await kept.count() == PAIRS
            nursery.cancel_scope.cancel()
    assert rounds > 10


def test_under_a_mocked_clock_a_query_ends_and_takes_no_time() -> None:
    async def main() -> None:
        began, kept = trio.current_time(), Kept(environment_of_run())
        assert await kept.count() == PAIRS
        assert trio.current_time() == began

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_several_at_once_all_come_to_an_end() -> None:
    kept = Kept(Environment())
    found: list[int] = []

    async def ask() -> None:
        found.append(await kept.count())

    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ask)
    assert len(set(found)) == 1


async def test_a_query_that_nobody_waits_for_any_more_does_not_wait_for_its_turn() -> None:
    kept = Kept(Environment())
    with trio.fail_after(PATIENCE_SECONDS):
        for _ in range(20):
            with trio.move_on_after(0.01) as scope:
                await kept.count()
            assert scope.cancelled_caught


async def test_what_is_worked_out_in_the_loops_own_thread_waits_for_nobody() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        assert await Kept(Environment(offload=offload_inline)).count() == PAIRS


async def test_a_list_that_looks_at_many_and_finds_none_is_worked_out_beside_the_loop() -> None:
    offloaded: list[object] = []

    async def offload(function: Callable[[], Any]) -> Any:
        offloaded.append(function)
        return await trio.to_thread.run_sync(function)

    many = [row(n, created_at=NOW - n) for n in range(5_000)]
    kept = Kept(Environment(offload=offload), many)
    with trio.fail_after(PATIENCE_SECONDS):
        assert await kept.queries.listed(kept.asked, Listing(service="Nobody")) == []
        newest = await kept.queries.listed(kept.asked, Listing(limit=3, system=True))
    assert len(offloaded) >= 1
    assert [found.created_at for found in newest] == [NOW, NOW - 1, NOW - 2]


async def test_a_turn_that_ends_while_it_is_measured_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.001, 0.001, 0.001, 1.0])  # three rounds of the loop in time; then the machine does something else
    monkeypatch.setattr("actors.query.sql.turns.time", SimpleNamespace(monotonic=times.__next__))
    turns = Turns.__new__(Turns)
    turns._seconds = 0.002
    with trio.fail_after(PATIENCE_SECONDS):
        await turns._let_others_run(0.0)
    assert list(times) == []


async def test_while_the_thread_has_its_turn_the_loop_stands_still() -> None:
    turns = Turns()
    is_in_a_turn = False
    seen: list[bool] = []

    def work() -> None:
        nonlocal is_in_a_turn
        for _ in range(20):
            is_in_a_turn = False
            turns._ends = 0.0  # this turn has lasted long enough
            turns.pass_on()
            is_in_a_turn = True
            ends = time.monotonic() + 0.001
            while time.monotonic() < ends:
                pass
        is_in_a_turn = False
        turns.end()

    async def look() -> None:
        while True:
            seen.append(is_in_a_turn)
            await trio.lowlevel.checkpoint()

    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(turns.share)
            nursery.start_soon(look)
            await trio.to_thread.run_sync(work)
            nursery.cancel_scope.cancel()
    assert len(seen) > 20
    assert sum(seen) < len(seen) / 4, "only where the machine has kept the thread from its turn for long"
