"""Detects code that the garbage collector is running.

The collector runs finalisers in the middle of any code that has just allocated an object: in the turn of any handler, in a worker
thread, and at a different moment in every replay. Code that may do only what every replay repeats checks this first.
"""

from __future__ import annotations

import gc
import threading


class _Collector:
    """The thread that is collecting, if any. A finaliser may switch threads, so the other threads must be told apart."""

    def __init__(self) -> None:
        self.thread: int | None = None

    def note(self, phase: str, _: dict[str, int]) -> None:
        self.thread = threading.get_ident() if phase == "start" else None


_collector = _Collector()
gc.callbacks.append(_collector.note)


def is_collecting() -> bool:
    """Report whether the garbage collector runs the calling code."""
    return _collector.thread is not None and _collector.thread == threading.get_ident()
