"""How a query in a thread shares the interpreter with the event loop: in turns, handed over.

Both are Python. SQLite lets go of the interpreter's lock at every step and takes it again for every value that it asks for. A
loop that waits for the lock meanwhile costs the query microseconds each time at best; at worst it has the lock each time, and
keeps it for a switch interval: a query of half a second was observed to take more than a minute. So while the query has its
turn the loop stands still and does not wait for the lock, and while the loop has its own the thread waits.
"""

from __future__ import annotations

import threading
import time

import trio

_SHORTEST_SECONDS = 0.002
_LONGEST_SECONDS = 0.005
_PATIENCE_SECONDS = 0.02
"""How long the loop stands still for a turn that does not end: what SQLite does for itself needs no interpreter."""
_IDLE_SECONDS = 0.0001
"""Rounds of the loop that take less have had nothing to do."""
_ROUNDS = 3
"""As many as it takes until a task that a thread has woken has run."""


class Turns:
    """The turns of one thread. Made, and given the loop, in the loop's own thread."""

    def __init__(self) -> None:
        self._loop = threading.get_ident()
        self._go = threading.Event()
        self._passed = threading.Event()
        self._seconds = _SHORTEST_SECONDS
        self._ends = time.monotonic() + self._seconds
        self._is_over = False

    # In the thread.

    def pass_on(self) -> None:
        """Let the loop have its turn if this one has lasted long enough. Asked often; in the loop's own thread, for nothing."""
        if time.monotonic() < self._ends or threading.get_ident() == self._loop:
            return
        self._go.clear()
        if not self._is_over:  # looked at behind the clearing: what sets the one sets the other after it
            self._passed.set()
            self._go.wait()
        self._ends = time.monotonic() + self._seconds

    def end(self) -> None:
        """There will be no further turn of the thread."""
        self._passed.set()

    # In the loop.

    async def share(self) -> None:
        """Stand still while the thread has its turn, and let other tasks run while it has not; until cancelled."""
        try:
            while True:
                self._passed.clear()
                self._go.set()
                self._passed.wait(
                    self._seconds
                )  # what it does without the interpreter may take longer; nobody waits for that
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
            await trio.sleep(max(0.0, self._seconds - taken))  # the turn may have ended since it was looked at
