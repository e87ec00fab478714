"""Measures how much time the event loop itself has used.

A process that is stopped (SIGSTOP, a debugger, a starved machine) and a long run of the garbage collector delay
everything without being the fault of a handler. The meter counts the time between two readings, minus the time of the
collector. If the second reading came late, because the process did not run or a thread held the interpreter, at most
the processor time of the loop's thread counts. Code that waits in a system call uses no processor time, but does not
delay a reading.
"""

from __future__ import annotations

import gc
import threading
import time
from typing import Any, Protocol

import attrs


@attrs.frozen
class Reading:
    """A reading: wall seconds, processor seconds of the loop's thread, and seconds of garbage collection."""

    now: float
    busy: float
    collected: float


class Meter(Protocol):
    """Takes readings. ``collected`` counts collections that have ended; it is read in every turn."""

    collected: float

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def read(self) -> Reading: ...


def own_seconds(before: Reading, after: Reading, *, longest: float) -> float:
    """The seconds between two readings that the loop itself used; the second reading was planned within ``longest`` seconds."""
    elapsed = after.now - before.now
    if elapsed > longest:
        elapsed = min(elapsed, after.busy - before.busy)
    return max(0.0, elapsed - (after.collected - before.collected))


class LoopMeter:
    """Measures the thread in which it was started."""

    def __init__(self) -> None:
        self.collected = 0.0
        self._collecting_since: float | None = None
        self._processor: int | None = None

    def start(self) -> None:
        """Begin to measure this thread."""
        if hasattr(time, "pthread_getcpuclockid"):
            self._processor = time.pthread_getcpuclockid(threading.get_ident())
        gc.callbacks.append(self._note)

    def stop(self) -> None:
        """Stop measuring."""
        gc.callbacks.remove(self._note)

    def read(self) -> Reading:
        """Take a reading, from any thread."""
        now, since = time.monotonic(), self._collecting_since
        busy = time.process_time() if self._processor is None else time.clock_gettime(self._processor)
        return Reading(now, busy, self.collected + (0.0 if since is None else now - since))

    def _note(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting_since = time.monotonic()
        elif self._collecting_since is not None:
            self.collected += time.monotonic() - self._collecting_since
            self._collecting_since = None
