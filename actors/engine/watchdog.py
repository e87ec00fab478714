"""Notices a handler that blocks the event loop, and names it: after the fact, and while it still does."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from journal.ids import InvocationId

log = logging.getLogger(__name__)

WARN_SECONDS = 0.1
"""A turn of a handler that takes longer is worth a line in the log."""

STUCK_SECONDS = 1.0
"""A turn that has taken this long is reported while it goes on, with the line it is at."""


class Turn(Protocol):
    """Whose turn it is."""

    invocation_id: InvocationId
    name: str


class Watchdog:
    """Told by the engine when a handler has the thread. A thread of its own looks from outside, since the loop cannot."""

    def __init__(self) -> None:
        self._turn: Turn | None = None
        self._since = 0.0
        self._reported = False
        self._watched = threading.get_ident()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self._watched = threading.get_ident()
        self._thread = threading.Thread(target=self._look, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def enter(self, turn: Turn) -> float:
        """A handler begins a turn; when that was."""
        self._since = began = time.monotonic()
        self._reported = False
        self._turn = turn
        return began

    def leave(self, turn: Turn, began: float) -> None:
        """It has ended its turn."""
        self._turn = None
        took = time.monotonic() - began
        if took > WARN_SECONDS:
            log.warning(
                "%s (%s) blocked the event loop for %.2f seconds: nothing else ran meanwhile. Put slow work into a step",
                turn.name,
                turn.invocation_id,
                took,
            )

    def _look(self) -> None:
        while not self._stop.wait(STUCK_SECONDS / 4):
            turn, since = self._turn, self._since
            if turn is None or self._reported or time.monotonic() - since < STUCK_SECONDS:
                continue
            self._reported = True
            frame = sys._current_frames().get(self._watched)
            where = "".join(traceback.format_stack(frame)[-3:]) if frame is not None else "(nowhere)"
            log.error(
                "%s has blocked the event loop for more than %.0f second and still does, at:\n%s",
                turn.name,
                STUCK_SECONDS,
                where,
            )
