"""A wall clock that follows trio's virtual one, so that a wait of days takes no time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

EPOCH = 1_800_000_000.0
"""Where virtual wall time begins, seconds."""

LONGEST_TEST_SECONDS = 30 * 24 * 3600.0
"""Virtual seconds after which a test hangs: something waits for what will never come."""


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


def run_on_virtual_time(
    test: Callable[[], Awaitable[None]], *, clock: trio.abc.Clock | None, instruments: Sequence[trio.abc.Instrument]
) -> Any:
    """What stands for ``trio.run`` in a test marked ``on_virtual_time``."""
    jumping = clock if clock is not None else trio.testing.MockClock(autojump_threshold=0)

    async def bounded() -> None:
        with trio.fail_after(LONGEST_TEST_SECONDS):
            await test()

    return trio.run(bounded, clock=jumping, instruments=instruments)


on_virtual_time = pytest.mark.virtual_time
"""For tests, and modules of them, in which time passes as soon as there is nothing else to do."""
