"""Time under ``trio.testing.MockClock``: wall time follows trio's, and both stop while a task waits for a thread.

With ``autojump_threshold`` such a clock jumps to the next deadline as soon as no task can run. A task that waits for a thread
cannot run either, so the clock would jump to the next timer during a commit to the disk or a step that is a plain function. A
task that stays awake meanwhile prevents that.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAP_SECONDS = 0.0002

_waiting: trio.lowlevel.RunVar[int] = trio.lowlevel.RunVar("waiting_for_threads", default=0)


def is_mocked() -> bool:
    """Report whether trio runs on a ``MockClock``."""
    testing = sys.modules.get("trio.testing")
    return testing is not None and isinstance(trio.lowlevel.current_clock(), testing.MockClock)


class MockedClock:
    """Wall time that begins at the machine's time and follows trio's clock."""

    def __init__(self) -> None:
        self._offset = time.time() - trio.current_time()

    def now(self) -> float:
        return self._offset + trio.current_time()

    async def sleep_until(self, at: float) -> None:
        await trio.sleep(max(0.0, at - self.now()))


@contextmanager
def still() -> Iterator[None]:
    """Stop time for the block."""
    if _waiting.get() == 0:
        trio.lowlevel.spawn_system_task(_stay_awake)
    _waiting.set(_waiting.get() + 1)
    try:
        yield
    finally:
        _waiting.set(_waiting.get() - 1)


async def _stay_awake() -> None:
    while _waiting.get():
        time.sleep(_NAP_SECONDS)  # noqa: ASYNC251 - only a thread can end the wait, and it gets the interpreter
        await trio.lowlevel.checkpoint()
