"""How much of the time that passes is the event loop's own doing.

A process that is stopped (SIGSTOP, a debugger, a machine that starves it) and a long run of the garbage collector hold up
everything, and no handler is to blame. Between two looks so much counts: the time that has passed, without that of the collector;
and if the look itself came late, because nothing of the process ran or a thread held the interpreter, no more than the loop's
thread was at work. Code that waits in a system call is at work in no sense, but does not keep others from looking.
"""

from __future__ import annotations

import gc
import threading
import time
from typing import Any, Protocol

import attrs


@attrs.frozen
class Reading:
    """At one moment: seconds that have passed, that the loop's thread has used the processor, that the collector has run."""

    now: float
    busy: float
    collected: float


class Meter(Protocol):
    """Reads what it takes. ``collected`` is of runs that have ended, and is read at every turn."""

    collected: float

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def read(self) -> Reading: ...


def own_seconds(before: Reading, after: Reading, *, longest: float) -> float:
    """How much of the time between two looks is the loop's own, if the second was to come within ``longest`` seconds."""
    elapsed = after.now - before.now
    if elapsed > longest:
        elapsed = min(elapsed, after.busy - before.busy)
    return max(0.0, elapsed - (after.collected - before.collected))


class LoopMeter:
    """Of the thread in which it was started."""

    def __init__(self) -> None:
        self.collected = 0.0
        self._collecting_since: float | None = None
        self._processor: int | None = None

    def start(self) -> None:
        """Measure this thread."""
        if hasattr(time, "pthread_getcpuclockid"):
            self._processor = time.pthread_getcpuclockid(threading.get_ident())
        gc.callbacks.append(self._note)

    def stop(self) -> None:
        """Measure no more."""
        gc.callbacks.remove(self._note)

    def read(self) -> Reading:
        """Now; in any thread."""
        now, since = time.monotonic(), self._collecting_since
        busy = time.process_time() if self._processor is None else time.clock_gettime(self._processor)
        return Reading(now, busy, self.collected + (0.0 if since is None else now - since))

    def _note(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting_since = time.monotonic()
        elif self._collecting_since is not None:
            self.collected += time.monotonic() - self._collecting_since
            self._collecting_since = None
