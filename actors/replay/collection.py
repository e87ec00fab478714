"""Whether the garbage collector is at work here.

It runs finalisers in the middle of whatever code has just allocated something: in the turn of any handler, in a worker thread,
and at another moment in every replay. Code that may only do what every replay does again asks this first.
"""

from __future__ import annotations

import gc
import threading


class _Collector:
    """The thread that collects, while it does. A finaliser may switch threads, so the others are told apart."""

    def __init__(self) -> None:
        self.thread: int | None = None

    def note(self, phase: str, _: dict[str, int]) -> None:
        self.thread = threading.get_ident() if phase == "start" else None


_collector = _Collector()
gc.callbacks.append(_collector.note)


def is_collecting() -> bool:
    """Whether the garbage collector runs this code."""
    return _collector.thread is not None and _collector.thread == threading.get_ident()
