"""A process that opens a store of many suspended invocations, and says what that cost.

python -m tests.scale.sleepers DIRECTORY FIRST_DUE SLEEPER WAITER
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path

import trio

import actors
from actors import Service, handler
from actors.environment import Environment

AHEAD_SECONDS = 2.0
"""How long before the first date the store is opened."""

PATIENCE_SECONDS = 30.0


class Many(Service):
    @handler
    async def sleep(self, seconds: float) -> float:
        await actors.sleep(seconds)
        return actors.current_time()

    @handler
    async def wait(self) -> int:
        value: int = await actors.signal("go", int)
        return value


class ShiftedClock:
    """Wall time, moved so that it is ``at`` now."""

    def __init__(self, at: float) -> None:
        self._offset = at - time.time()

    def now(self) -> float:
        return time.time() + self._offset

    async def sleep_until(self, at: float) -> None:
        await trio.sleep(max(0.0, at - self.now()))


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def main(directory: str, first_due: float, sleeper: str, waiter: str) -> None:
    clock = ShiftedClock(first_due - AHEAD_SECONDS)
    gc.collect()
    bytes_before, began, worked = resident_bytes(), time.perf_counter(), time.process_time()
    async with actors.open_runtime(Many, path=directory, environment=Environment(clock=clock)) as runtime:
        opened, opened_processor = time.perf_counter() - began, time.process_time() - worked
        with trio.fail_after(PATIENCE_SECONDS):
            waiting = runtime.client.invocation(waiter)
            asked = time.perf_counter()
            await waiting.signal("go", 7)
            assert await waiting.result() == 7
            answered = time.perf_counter() - asked
            woke_at = await runtime.client.invocation(sleeper).result()
            came_at = clock.now()
        figures = {
            "opening seconds": opened,
            "opening processor seconds": opened_processor,
            "grown megabytes": (resident_bytes() - bytes_before) / 1e6,
            "signal to result seconds": answered,
            "recorded late seconds": woke_at - first_due,
            "result late seconds": came_at - first_due,
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    trio.run(main, sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4])
