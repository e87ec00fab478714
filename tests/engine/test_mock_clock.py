"""A runtime under ``trio.testing.MockClock``, as the tests of an application open it: they pass the clock and nothing else."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

import actors
from actors import RetryPolicy, Service, handler, step
from actors.environment import environment_of_run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

WEEK = 7 * 86_400.0
TRIES: list[float] = []


@step
def in_a_thread(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


@step(retry=RetryPolicy(max_attempts=3, initial_delay=3_600.0))
async def flaky() -> int:
    TRIES.append(trio.current_time())
    if len(TRIES) < 3:
        raise ValueError("not yet")
    return len(TRIES)


class Slow(Service):
    @handler
    async def wait(self) -> bool:
        with actors.move_on_after(WEEK) as scope:
            await actors.signal("never", bool)
        return scope.cancelled_caught

    @handler
    async def sleep(self) -> float:
        before = actors.current_time()
        await actors.sleep(WEEK)
        return actors.current_time() - before

    @handler
    async def thread(self) -> str:
        with actors.fail_after(5):
            return await in_a_thread(0.05)

    @handler
    async def flaky(self) -> int:
        return await flaky()


def on_mock_clock(main: Callable[[], Awaitable[Any]]) -> Any:
    return trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_wait_of_days_takes_no_time(tmp_path: Path, is_kept: bool) -> None:
    where: dict[str, Any] = {"path": tmp_path / "data"} if is_kept else {"durability": "memory"}

    async def main() -> None:
        TRIES.clear()
        async with actors.open_runtime(Slow, **where) as runtime:
            slow = runtime.client.service(Slow)
            assert await slow.wait() is True
            assert await slow.sleep() == pytest.approx(WEEK)
            assert await slow.flaky() == 3

    on_mock_clock(main)


@pytest.mark.parametrize("is_kept", [False, True])
def test_time_stands_still_while_a_thread_is_waited_for(tmp_path: Path, is_kept: bool) -> None:
    where: dict[str, Any] = {"path": tmp_path / "data"} if is_kept else {"durability": "memory"}

    async def main() -> None:
        async with actors.open_runtime(Slow, **where) as runtime:
            began = trio.current_time()
            with trio.fail_after(5):
                assert await runtime.client.service(Slow).thread() == "done"
            assert trio.current_time() - began < 1

    on_mock_clock(main)


def test_a_thread_that_must_not_be_left_is_waited_for_when_cancelled() -> None:
    async def main() -> None:
        done: list[str] = []

        began = threading.Event()

        async def begun() -> None:
            while not began.is_set():
                await trio.lowlevel.checkpoint()

        def work() -> None:
            began.set()
            time.sleep(0.05)
            done.append("work")

        offload = environment_of_run().offload
        async with trio.open_nursery() as nursery:
            nursery.start_soon(offload, work)
            await begun()
            nursery.cancel_scope.cancel()
        assert done == ["work"]

    on_mock_clock(main)


def test_what_sleeps_goes_on_in_the_next_runtime(tmp_path: Path) -> None:
    async def main() -> None:
        async with actors.open_runtime(Slow, path=tmp_path / "data") as runtime:
            handle = await runtime.client.service(Slow).sleep.send()
        async with actors.open_runtime(Slow, path=tmp_path / "data") as runtime:
            assert await runtime.client.invocation(handle.id).result() == pytest.approx(WEEK)

    on_mock_clock(main)


def test_another_clock_than_a_mocked_one_is_the_machines() -> None:
    async def main() -> float:
        async with actors.open_runtime(Slow, durability="memory") as runtime:
            handle = await runtime.client.service(Slow).sleep.send()
            return (await handle.info()).created_at

    before = time.time()
    assert before <= trio.run(main) <= time.time()
