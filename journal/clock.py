"""Wall time, as an argument. Letters fall due by it; events are stamped with it."""

from __future__ import annotations

import time
from typing import Protocol

import trio

_LONGEST_NAP_SECONDS = 1.0
"""The wall clock can be set, and a machine can sleep: code that waits for a date looks again this often."""


class Clock(Protocol):
    """Seconds since 1970-01-01 UTC, and a way to wait for them."""

    def now(self) -> float:
        """Wall time in seconds."""
        ...

    async def sleep_until(self, at: float) -> None:
        """Return when ``now()`` has reached ``at``, or earlier: the caller looks again."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    async def sleep_until(self, at: float) -> None:
        await trio.sleep(min(max(0.0, at - self.now()), _LONGEST_NAP_SECONDS))
