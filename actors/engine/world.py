"""Everything that is not the same twice comes in here: time, chance, threads."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs
import trio

from journal.clock import Clock, SystemClock
from journal.ids import Ulids

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_STEP_THREADS = 64


class Offload(Protocol):
    """Runs what would block the event loop; returns when it has ended, also when it was meant to stop."""

    async def __call__(self, function: Callable[[], Any]) -> Any: ...


def offload_to_threads() -> Offload:
    """Worker threads of trio's, so many at a time. A thread cannot be stopped: a cancelled step waits for its end, and its
    outcome is kept. Inside, ``trio.from_thread.check_cancelled()`` lets it stop early."""
    limiter = trio.CapacityLimiter(_STEP_THREADS)

    async def offload(function: Callable[[], Any]) -> Any:
        return await trio.to_thread.run_sync(function, limiter=limiter)

    return offload


async def offload_inline(function: Callable[[], Any]) -> Any:
    """On the spot; for tests, where a thread would let a virtual clock run away."""
    await trio.lowlevel.checkpoint()
    return function()


@attrs.define(eq=False)
class World:
    """The seams of an engine. The defaults are the real ones."""

    clock: Clock = attrs.field(factory=SystemClock)
    random: random.Random = attrs.field(factory=random.SystemRandom)
    offload: Offload = attrs.field(factory=offload_to_threads)
    unique: Callable[[], int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.unique = Ulids(self.clock.now, self.random).next
