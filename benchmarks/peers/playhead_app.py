"""What playhead runs."""

from __future__ import annotations

import actors
from benchmarks.peers.asking import STEPS


class Counter(actors.Actor):
    """An object with a key."""

    total: int = 0

    @actors.handler
    async def add(self, amount: int) -> int:
        """Add, and say how much it is."""
        self.total += amount
        return self.total


@actors.step
async def twice(number: int) -> int:
    """Something to do."""
    return number * 2


class Worker(actors.Service):
    """Works in steps."""

    @actors.handler
    async def work(self, number: int) -> int:
        """Ten steps, one after the other."""
        for _ in range(STEPS):
            number = await twice(number) % 1_000
        return number
