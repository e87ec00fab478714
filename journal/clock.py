"""Wall time, as an argument. Messages fall due by it, and events are stamped with it."""

from __future__ import annotations

import time
from typing import Protocol

import trio

_LONGEST_NAP_SECONDS = 1.0
"""The longest time between checks of the clock during a wait, because the clock can be set and a machine can sleep."""


class Clock(Protocol):
    """A source of wall time."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...

    async def sleep_until(self, at: float) -> None:
        """Wait until ``now()`` has reached ``at``. May return earlier, so the caller checks again."""
        ...


class SystemClock:
    """The machine's clock."""

    now = staticmethod(time.time)

    async def sleep_until(self, at: float) -> None:
        await trio.sleep(min(max(0.0, at - self.now()), _LONGEST_NAP_SECONDS))
