"""A wall clock that follows trio's virtual one, so that a wait of days takes no time."""

from __future__ import annotations

import trio

EPOCH = 1_800_000_000.0
"""Where virtual wall time begins, seconds."""


class VirtualClock:
    """Wall time under a ``trio.testing.MockClock``. ``shift`` sets it, as an administrator would."""

    def __init__(self) -> None:
        self._offset = EPOCH

    def now(self) -> float:
        return self._offset + trio.current_time()

    def shift(self, seconds: float) -> None:
        self._offset += seconds

    async def sleep_until(self, at: float) -> None:
        await trio.sleep(max(0.0, at - self.now()))
