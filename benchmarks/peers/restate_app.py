"""What Restate runs, with its Python SDK."""

from __future__ import annotations

import restate

from benchmarks.peers.asking import STEPS, look_for_garbage_rarely

counter = restate.VirtualObject("Counter")
worker = restate.Service("Worker")


@counter.handler()
async def add(ctx: restate.ObjectContext, amount: int) -> int:
    """Add, and say how much it is."""
    total = (await ctx.get("total", type_hint=int) or 0) + amount
    ctx.set("total", total)
    return total


async def twice(number: int) -> int:
    """Something to do."""
    return number * 2


@worker.handler()
async def work(ctx: restate.Context, number: int) -> int:
    """Ten steps, one after the other."""
    for _ in range(STEPS):
        number = await ctx.run_typed("twice", twice, number=number) % 1_000
    return number


look_for_garbage_rarely()
app = restate.app([counter, worker])
