"""A process that lives many lives, and says by how many bytes it grew for each.

python -m benchmarks.lives KIND COUNT
"""

from __future__ import annotations

import gc
import sys
import tempfile
from pathlib import Path

import trio

import actors
from benchmarks.measure import Room, drive
from benchmarks.questions.calls import Counter
from benchmarks.questions.signals import Waiter
from benchmarks.stage import Stage, on_stage
from journal.kv.store import Durability
from tests.scale.sleepers import resident_bytes

IN_FLIGHT = 256
WARMING = 1_000
ROOMY = 10_000_000


async def rest(stage: Stage, first: int, count: int) -> None:
    """Objects that have been called once, and are kept in memory for the next call."""
    await drive(count, IN_FLIGHT, lambda n: stage.client.actor(Counter, f"key-{first + n}").add(1))


async def wait(stage: Stage, first: int, count: int) -> None:
    """Invocations that wait for a signal."""
    await drive(count, IN_FLIGHT, lambda _: stage.client.service(Waiter).wait.send(1))


async def suspend(stage: Stage, first: int, count: int) -> None:
    """The same, and they have left memory."""
    await wait(stage, first, count)
    suspended = "SELECT count(*) FROM sys_invocation WHERE status = 'suspended'"
    with trio.fail_after(120):
        while (await stage.client.query(suspended)).rows[0][0] != first + count:  # noqa: ASYNC110  # no event tells that the last one has left
            await trio.sleep(0.1)


LIVES = {
    "object at rest": (rest, actors.Limits(idle_objects=ROOMY)),
    "suspended invocation": (suspend, actors.Limits(unload_after_seconds=0.1, idle_objects=WARMING)),
    "invocation that waits in memory": (wait, actors.Limits(live_attempts=ROOMY, unload_after_seconds=3_600.0)),
}


async def grow(life: str, count: int) -> None:
    """Print by how much this process grows for each of them, once it is warm."""
    begin, limits = LIVES[life]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as path:
        async with on_stage(Room(Path(path), Durability.OS), Counter, Waiter, limits=limits) as stage:
            await begin(stage, 0, WARMING)
            gc.collect()
            before = resident_bytes()
            await begin(stage, WARMING, count)
            gc.collect()
            print((resident_bytes() - before) / count)


if __name__ == "__main__":
    trio.run(grow, sys.argv[1], int(sys.argv[2]))
