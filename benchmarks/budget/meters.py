"""A process that does units of work and counts what they take.

    python -m benchmarks.budget.meters calls call send ...
    valgrind --tool=callgrind ... python -m benchmarks.budget.meters instructions call send ...

Everything that differs between runs is fixed: the ids, the order in which trio takes tasks that are ready together, the moments at
which garbage is collected, and the time, which is virtual. The store is RocksDB, which writes in the loop's thread and does not
flush (durability ``os``), so the size of a batch does not depend on how fast the disk is. The seed of hashes is fixed by
:mod:`benchmarks.budget.count`, which starts this process.
"""

from __future__ import annotations

import cProfile
import gc
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from random import Random
from types import CodeType
from typing import TYPE_CHECKING, Protocol

import attrs
import msgspec
import trio
import trio._core._run as trio_run

import actors
from actors.environment import Environment, offload_inline
from benchmarks.budget.units import UNITS, Unit
from journal.kv.store import Durability
from journal.log.open import open_journal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SEED = 1
EPOCH = 1_800_000_000.0
FOREVER = 1e9
"""Deadlines after this many seconds are not jumped to: trio's for a task that waits without one."""
MARK = "getsid"
"""A function of the C library that nothing else calls. callgrind writes down what it has counted, and begins again, before each
call of it. (It does not see functions that are called by ctypes.)"""


class JumpingClock(trio.abc.Clock):
    """Time that stands still while anything can run, and then jumps to the next deadline.

    It is simpler than ``trio.testing.MockClock``, which would make the journal keep time from jumping while a thread works: here no
    thread works.
    """

    def __init__(self) -> None:
        self._now = 0.0

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        if deadline < FOREVER:
            self._now = max(self._now, deadline)
            return 0.0
        return deadline - self._now


class WallClock:
    """Wall time that begins at the same moment in each run."""

    def now(self) -> float:
        return EPOCH + trio.current_time()

    async def sleep_until(self, at: float) -> None:
        await trio.sleep(max(0.0, at - self.now()))


class Meter(Protocol):
    """Counts what happens in ``work``, by name."""

    async def count(self, work: Callable[[], Awaitable[None]]) -> dict[str, int]: ...


class Calls:
    """Counts calls by cProfile, of functions written in Python and of all, and the objects that only the collector can free."""

    async def count(self, work: Callable[[], Awaitable[None]]) -> dict[str, int]:
        gc.collect()
        profile = cProfile.Profile()
        profile.enable()
        try:
            await work()
        finally:
            profile.disable()
        garbage = gc.collect()
        entries = profile.getstats()
        return {
            "calls": sum(entry.callcount for entry in entries),
            "python_calls": sum(entry.callcount for entry in entries if isinstance(entry.code, CodeType)),
            "garbage": garbage,
        }


@attrs.frozen
class Instructions:
    """Tells callgrind where work begins and ends. The counts are in callgrind's files: there are none here."""

    def __attrs_post_init__(self) -> None:
        """Have callgrind count from now on: what was imported before ran several times as fast."""
        command = ["callgrind_control", "--instr=on", str(os.getpid())]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as control:
            while control.poll() is None:
                pass  # valgrind hears it while this process runs; one that waits has to be traced, which may not be allowed
        if control.returncode:
            sys.exit(f"{' '.join(command)} ended with exit code {control.returncode}")

    async def count(self, work: Callable[[], Awaitable[None]]) -> dict[str, int]:
        gc.collect()
        os.getsid(0)
        try:
            await work()
        finally:
            os.getsid(0)
        return {}


METERS: dict[str, Callable[[], Meter]] = {"calls": Calls, "instructions": Instructions}


@attrs.frozen
class Counted:
    """What a unit took when it was done ``fewer`` and ``more`` times."""

    unit: str
    fewer: dict[str, int]
    more: dict[str, int]


async def count(unit: Unit, meter: Meter, path: Path) -> Counted:
    """Do a unit on a store of its own."""
    clock = WallClock()
    surroundings = Environment(
        clock=clock,
        random=Random(SEED),
        offload=offload_inline,
        offload_detached=offload_inline,
        has_watchdog=False,
    )
    async with (
        open_journal(path, durability=Durability.OS, clock=clock) as journal,
        actors.open_runtime(*unit.classes, journal=journal, environment=surroundings, limits=unit.limits) as runtime,
    ):
        found: list[dict[str, int]] = []

        async def do(operations: int) -> None:
            await unit.prepare(runtime.client, operations)
            found.append(await meter.count(partial(unit.work, runtime.client, operations)))

        await unit.prepare(runtime.client, unit.fewer)
        await unit.work(runtime.client, unit.fewer)  # caches fill, and objects begin to exist
        await do(unit.fewer)
        await do(unit.more)
    return Counted(unit.name, *found)


def main(meter: str, names: list[str]) -> None:
    """Print a line for each unit."""
    gc.disable()
    counter = METERS[meter]()
    for unit in UNITS:
        if unit.name in names:
            trio_run._r.seed(SEED)
            with tempfile.TemporaryDirectory(prefix="budget-") as path:
                counted = trio.run(count, unit, counter, Path(path) / "data", clock=JumpingClock())
            print(msgspec.json.encode(counted).decode(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
