"""Random asyncio programs give in a handler what they give in asyncio, and repeat it in a replay.

The same program runs on an ordinary event loop, on which time jumps, and in a handler on virtual time. ``PLAYHEAD_SEEDS`` raises the number
of programs.
"""

from __future__ import annotations

import asyncio
import heapq
import os
from random import Random
from typing import Any

import pytest
import trio

import actors
from actors import Service, handler, step
from actors.replay.branches import current_branch
from tests.lab import Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

SEEDS = int(os.environ.get("PLAYHEAD_SEEDS", "60"))


class JumpingLoop(asyncio.SelectorEventLoop):
    """asyncio as it is, except that time passes as soon as there is nothing else to do."""

    _at = 0.0

    def time(self) -> float:
        return self._at

    def _run_once(self) -> None:
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        if not self._ready and scheduled:  # type: ignore[attr-defined]
            self._at = max(self._at, scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


@step
async def body(number: int, seconds: float) -> int:
    await trio.sleep(seconds)
    return number


async def work(number: int, seconds: float) -> int:
    if current_branch.get() is not None:
        return await body(number, seconds)
    await asyncio.sleep(seconds)
    return number


def drawn(random: Random, depth: int = 0) -> list[Any]:
    """A program: the name of a construct and its parts."""

    def seconds() -> float:
        return round(random.uniform(0.5, 20), 3)

    def several() -> list[Any]:
        return [drawn(random, depth + 1) for _ in range(random.randint(1, 4))]

    if depth > 3 or random.random() < 0.2 * depth:
        return random.choice([["work", random.randrange(100), seconds()], ["sleep", seconds()], ["fail", seconds()]])
    kind = random.choice(
        [
            "one_by_one",
            "gather",
            "group",
            "within",
            "wait_for",
            "first",
            "cancel",
            "walk",
            "shield",
            "completed",
            "queue",
            "attempt",
        ]
    )
    if kind in ("within", "wait_for", "cancel", "shield"):
        return [kind, seconds(), drawn(random, depth + 1)]
    return [kind, drawn(random, depth + 1)] if kind == "attempt" else [kind, several()]


def names_of(error: BaseException) -> list[Any]:
    if isinstance(error, BaseExceptionGroup):
        return sorted((names_of(each) for each in error.exceptions), key=str)
    return [type(error).__name__]


def shown(result: Any) -> Any:
    return names_of(result) if isinstance(result, BaseException) else result


async def run(program: list[Any]) -> Any:
    """Run a program. Its result is a JSON value."""
    return await globals()[f"run_{program[0]}"](*program[1:])


async def run_work(number: int, seconds: float) -> int:
    return await work(number, seconds)


async def run_sleep(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


async def run_fail(seconds: float) -> None:
    await asyncio.sleep(seconds)
    raise ValueError("drawn")


async def run_attempt(part: list[Any]) -> Any:
    try:
        return await run(part)
    except Exception as error:
        return names_of(error)


async def run_one_by_one(parts: list[Any]) -> list[Any]:
    return [await run(part) for part in parts]


async def run_gather(parts: list[Any]) -> list[Any]:
    return [shown(result) for result in await asyncio.gather(*map(run, parts), return_exceptions=True)]


async def run_group(parts: list[Any]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(part)) for part in parts]
    return [task.result() for task in tasks]


async def run_within(seconds: float, part: list[Any]) -> Any:
    async with asyncio.timeout(seconds):
        return await run(part)


async def run_wait_for(seconds: float, part: list[Any]) -> Any:
    return await asyncio.wait_for(run(part), seconds)


async def run_first(parts: list[Any]) -> list[Any]:
    tasks = [asyncio.create_task(run(part)) for part in parts]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return [shown(task.exception() or task.result()) for task in tasks if task in done]


async def run_cancel(seconds: float, part: list[Any]) -> Any:
    task = asyncio.create_task(run(part))
    await asyncio.wait([task], timeout=seconds)
    task.cancel()
    [result] = await asyncio.gather(task, return_exceptions=True)
    return shown(result)


async def run_walk(parts: list[Any]) -> list[Any]:
    """The order of a set of tasks decides which step comes next."""
    tasks = {asyncio.create_task(run(part)): number for number, part in enumerate(parts)}
    done, _ = await asyncio.wait(set(tasks))
    walked = [[tasks[task], await work(tasks[task], 0.25), shown(task.exception() or task.result())] for task in done]
    return sorted(walked, key=str)


async def run_shield(seconds: float, part: list[Any]) -> Any:
    task = asyncio.create_task(run_attempt(part))
    try:
        return await asyncio.wait_for(asyncio.shield(task), seconds)
    except TimeoutError:
        return ["late", await task]


async def run_completed(parts: list[Any]) -> list[Any]:
    return [await first for first in asyncio.as_completed([run_attempt(part) for part in parts])]


async def run_queue(parts: list[Any]) -> list[Any]:
    queue: asyncio.Queue[Any] = asyncio.Queue(1)

    async def produce(part: list[Any]) -> None:
        await queue.put(await run_attempt(part))

    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(produce(part))
        return [await queue.get() for _ in parts]


class Programs(Service):
    @handler
    async def run(self, seed: int) -> object:
        return await actors.aio.host(run_attempt, drawn(Random(seed)))


def in_asyncio(seed: int) -> Any:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(run_attempt(drawn(Random(seed))))


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
async def test_a_program_gives_what_it_gives_in_asyncio_and_replays_the_same(first: int) -> None:
    for seed in range(first, first + 10):
        expected = in_asyncio(seed)
        async with Lab(Programs).running() as runtime:
            handle = await runtime.client.service(Programs).run.send(seed)
            assert await handle.result() == expected, f"seed {seed}: {drawn(Random(seed))}"
            report = await handle.check()
            assert report.is_compatible, f"seed {seed}: {report.summary}"


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
async def test_a_program_that_dies_and_is_paused_again_and_again_replays_the_same(first: int) -> None:
    """At moments that a seed draws. Its result may differ: a step that was lost takes longer, and timeouts expire."""
    for seed in range(first, first + 10):
        random, lab = Random(seed), Lab(Programs)
        async with lab.running() as runtime:
            handle = await runtime.client.service(Programs).run.send(seed)
        for _ in range(5):
            async with lab.running() as runtime:
                handle = runtime.client.invocation(handle.id)
                with trio.move_on_after(random.uniform(0, 5)):
                    await handle.outcome()
                if (await handle.info()).completed_at is None and random.random() < 0.5:
                    await handle.pause()
                    await trio.sleep(random.uniform(0, 3))
                    await handle.resume()
        async with lab.running() as runtime:
            handle = runtime.client.invocation(handle.id)
            await handle.outcome()
            report = await handle.check()
            assert report.is_compatible, f"seed {seed}: {report.summary}"
