"""Finds code that starts an event loop while a copy of its module is executed.

A script whose last line is ``trio.run(main)`` would run ``main()`` once more, in the process that loads the script as earlier code. The
calls of the executing thread are watched for as long as the module is executed, by their code and not by their names, so that
``from trio import run`` and ``anyio.run`` are found too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Coroutine
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_STARTS = {
    ("trio._core._run", "run"): "trio.run()",
    ("trio._core._run", "start_guest_run"): "trio.lowlevel.start_guest_run()",
    ("asyncio.runners", "run"): "asyncio.run()",
    ("asyncio.base_events", "run_until_complete"): "run_until_complete()",
    ("asyncio.base_events", "run_forever"): "run_forever()",
    ("actors.sync", "open_runtime"): "actors.sync.open_runtime()",
}
"""What is called, by the module and the name of the function that every way to call it leads to."""

_NAMES = frozenset(name for _, name in _STARTS)


class EventLoopStarted(BaseException):
    """The module in ``file`` called ``what`` in this line while it was executed. It is no ``Exception``, so the module's own handlers
    of errors do not catch it."""

    def __init__(self, what: str, file: str, line: int) -> None:
        super().__init__(what)
        self.file = file
        self.line = line

    def __str__(self) -> str:
        return f"{Path(self.file).name}, line {self.line}, starts an event loop when it is imported ({self.args[0]})"

    def is_at_the_end_of(self, source: bytes) -> bool:
        """Report whether the line belongs to the last statement of the module, so that all its definitions come before it."""
        last = ast.parse(source).body[-1]
        return last.lineno <= self.line <= (last.end_lineno or last.lineno)


@contextmanager
def no_loop_starts(file: str) -> Iterator[None]:
    """Execute the module in ``file`` in the block. A start of an event loop in this thread raises :class:`EventLoopStarted`."""
    before = sys.getprofile()

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_name in _NAMES:
            what = _STARTS.get((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
            if what is not None:
                for value in frame.f_locals.values():
                    if isinstance(value, Coroutine):
                        value.close()  # the main task, which Python would say was never awaited
                raise EventLoopStarted(what, file, _line_in(file, frame))

    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(
            before if callable(before) else None
        )  # what a profiler in C has installed cannot be installed again


def _line_in(file: str, frame: FrameType | None) -> int:
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename == file:
            return frame.f_lineno
        frame = frame.f_back
    return 0
