"""A store of many invocations that wait, and what opening it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import trio

from journal import events as e
from journal.ids import StepId
from tests.children import python_path
from tests.scale.builder import Builder, building
from tests.scale.sleepers import Many

ROOT = Path(__file__).parents[2]
COMMITTED_TOGETHER = 500
DAY = 24 * 3600.0
STEP = StepId("1")


def build(path: Path, count: int) -> tuple[float, str, str]:
    """Half of them sleep, half wait for a signal. The first date, who has it, and one that waits for a signal."""
    first_due = time.time() + DAY

    async def main() -> tuple[str, str]:
        sleepers: list[str] = []
        waiters: list[str] = []
        async with building(path, Many) as builder:
            for number in range(0, count, 2):
                sleepers.append(await add_sleeper(builder, first_due + number * 60))
                waiters.append(await add_waiter(builder))
                if len(sleepers) % COMMITTED_TOGETHER == 0:
                    await builder.commit()
            await builder.commit()
        return sleepers[0], waiters[len(waiters) // 2]

    return first_due, *trio.run(main)


async def add_sleeper(builder: Builder, wake_at: float) -> str:
    loaded, of = await builder.begin(Many, None, "sleep", b"86400.0")
    builder.progress(loaded, of, [e.SleepScheduled(invocation_id=of, step=STEP, wake_at=wake_at)])
    return of


async def add_waiter(builder: Builder) -> str:
    loaded, of = await builder.begin(Many, None, "wait")
    builder.progress(loaded, of, [e.SignalAwaited(invocation_id=of, step=STEP, name="go")])
    return of


def figures_of(path: Path, first_due: float, sleeper: str, waiter: str) -> dict[str, float]:
    """What opening the store cost a process of its own."""
    command = [sys.executable, "-m", "tests.scale.sleepers", str(path), repr(first_due), sleeper, waiter]
    environment = os.environ | {"PYTHONPATH": python_path(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
