"""Lets a query in a thread and the event loop take turns with the interpreter.

Both are Python. SQLite releases the interpreter's lock at every step and takes it again for every value. While the loop
waits for the lock, each of these costs the query microseconds at best. At worst the loop gets the lock every time and
keeps it for a switch interval: a query of half a second was observed to take more than a minute. So during the query's
turn the loop sleeps without waiting for the lock, and during the loop's turn the thread waits.
"""

from __future__ import annotations

import threading
import time

import trio

from journal.mock_clock import is_mocked

_SHORTEST_SECONDS = 0.002
_LONGEST_SECONDS = 0.005
_PATIENCE_SECONDS = 0.02
"""How long the loop sleeps during a turn that does not end: SQLite's own work needs no interpreter."""
_IDLE_SECONDS = 0.0001
"""A round of the loop that takes less time had nothing to do."""
_ROUNDS = 3
"""The number of rounds until a task that a thread has woken has run."""


class Turns:
    """The turns of one thread. Created and shared in the loop's own thread."""

    def __init__(self) -> None:
        self._loop = threading.get_ident()
        self._go = threading.Event()
        self._passed = threading.Event()
        self._seconds = _SHORTEST_SECONDS
        self._ends = time.monotonic() + self._seconds
        self._is_over = False

    # In the thread.

    def pass_on(self) -> None:
        """Give the loop its turn if this one has lasted long enough. Called often; does nothing in the loop's own thread."""
        if time.monotonic() < self._ends or threading.get_ident() == self._loop:
            return
        self._go.clear()
        if not self._is_over:  # checked after clearing: the setter of the one sets the other after it
            self._passed.set()
            self._go.wait()
        self._ends = time.monotonic() + self._seconds

    def end(self) -> None:
        """End the thread's turns: it takes no further one."""
        self._passed.set()

    # In the loop.

    async def share(self) -> None:
        """Sleep during the thread's turn, and let other tasks run during the loop's; until cancelled."""
        try:
            while True:
                self._passed.clear()
                self._go.set()
                self._passed.wait(
                    self._seconds
                )  # work without the interpreter may take longer, and the loop does not wait for it
                began = time.monotonic()
                await self._let_others_run(began)
                self._seconds = min(max(time.monotonic() - began, _SHORTEST_SECONDS), _LONGEST_SECONDS)
        finally:
            self._is_over = True
            self._go.set()

    async def _let_others_run(self, began: float) -> None:
        for _ in range(_ROUNDS):
            await trio.lowlevel.checkpoint()
            if time.monotonic() - began >= self._seconds:
                return
        taken = time.monotonic() - began
        if (
            taken > _IDLE_SECONDS
        ):  # another task has something to do, and may have more once a thread or a socket answers
            await _rest(max(0.0, self._seconds - taken))  # the turn may have ended since the check


async def _rest(seconds: float) -> None:
    """Let other tasks run for this time, in real seconds. A mocked clock stands still while the thread is waited for, and no sleep ends."""
    if not is_mocked():
        await trio.sleep(seconds)
        return
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        await trio.lowlevel.checkpoint()
