"""Tracebacks as they are kept: they begin in the user's own code, and are cut in the middle if they are long.

Between the engine and a handler, or a step, lie frames of this package and of trio that tell its author nothing. Frames that
the author's code has called stay: they say what it was doing when it failed.
"""

from __future__ import annotations

import functools
import traceback
from pathlib import Path

TRACEBACK_CHARACTERS = 16_384
"""How much of a traceback is kept: its beginning, where the user's frames are, and its end, where the error is."""


@functools.cache
def _around() -> tuple[str, ...]:
    """Where the packages lie whose frames are around the user's."""
    import outcome  # few processes have an error to show, and importing the API imports neither
    import trio

    return tuple(f"{Path(str(file)).parent}/" for file in (trio.__file__, outcome.__file__, __file__))


def traceback_of(error: BaseException) -> str:
    """The traceback with the user's frames first, of the error and of those that led to it."""
    shown = traceback.TracebackException.from_exception(error, compact=True)
    waiting = [shown]
    while waiting:
        one = waiting.pop()
        one.stack = _from_the_users_code(one.stack)
        waiting += [other for other in (one.__cause__, one.__context__, *(one.exceptions or ())) if other is not None]
    return _cut("".join(shown.format()))


def _from_the_users_code(stack: traceback.StackSummary) -> traceback.StackSummary:
    around = _around()
    first = next((n for n, frame in enumerate(stack) if not frame.filename.startswith(around)), 0)
    return traceback.StackSummary.from_list(stack[first:])


def _cut(text: str) -> str:
    if len(text) <= TRACEBACK_CHARACTERS:
        return text
    half = TRACEBACK_CHARACTERS // 2
    head, tail = text[:half].rpartition("\n")[0], text[-half:].partition("\n")[2]
    left_out = len(text) - len(head) - len(tail)
    return f"{head}\n  … {left_out} characters left out …\n{tail}"
