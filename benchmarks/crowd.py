"""A process that opens a store, calls objects in it, and says what that cost.

python -m benchmarks.crowd DIRECTORY DURABILITY CALLS
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import trio

import actors
from benchmarks.measure import drive, rest
from benchmarks.questions.crowd import Cost
from benchmarks.questions.growth import Old
from tests.scale.sleepers import Many, resident_bytes

CALLED = 1_000
"""Objects that are called, over and over: what a call costs, and not what it takes to read an object."""

IN_FLIGHT = 64


async def main(path: str, durability: str, count: int) -> None:
    """Say when the first call has been answered, then what the others cost."""
    async with actors.open_runtime(Old, Many, path=Path(path), durability=durability) as runtime:
        called = [runtime.client.actor(Old, f"other-{number}") for number in range(CALLED)]
        await called[0].add(1)
        print("answered", flush=True)
        await drive(CALLED, IN_FLIGHT, lambda number: called[number].add(1))
        await rest()
        timing = await drive(count, IN_FLIGHT, lambda number: called[number % CALLED].add(1))
        cost = Cost(resident_bytes() / 1e6, timing.seconds, timing.cpu_seconds)
        print(msgspec.json.encode(cost).decode(), flush=True)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]))
