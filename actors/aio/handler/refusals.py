"""Errors for hosted asyncio code that uses a function that is not durable, with the user's line first."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.errors import ErrorCode, MisuseError

if TYPE_CHECKING:
    import asyncio
    from types import FrameType

_PACKAGE = f"{Path(__file__).parents[2]}/"


def refusal(what: str) -> MisuseError:
    """Return the error for ``what``, which the running code asks for."""
    return MisuseError(
        f"{_calling_line()}: {what} is not durable, and asyncio code in a handler may use only durable operations. Put it into a "
        "step: decorate the function with @actors.step, or 'await actors.run(function, …)'",
        code=ErrorCode.NON_DURABLE_AWAIT,
    )


def stalled(name: str, waits: list[str]) -> MisuseError:
    """Return the error for a handler whose tasks wait for something that nothing durable will bring."""
    return MisuseError(
        f"{'; '.join(waits)}: {name} waits, and no step, timer, signal or call is under way that could end the wait. Does it wait "
        "for a lock, an event or a queue that another invocation, a thread or a socket has? Use an actor or a signal between "
        "invocations; then resume it",
        code=ErrorCode.NON_DURABLE_AWAIT,
    )


def place_of(task: asyncio.Task[Any]) -> str:
    """Return the innermost line of the user's code at which the task waits."""
    own = ""
    at: Any = task.get_coro()
    first = ""
    while at is not None:
        frame = getattr(at, "cr_frame", None) or getattr(at, "gi_frame", None) or getattr(at, "ag_frame", None)
        if frame is not None:
            first = first or _line_of(frame)
            if _is_own(frame):
                own = _line_of(frame)
        at = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None) or getattr(at, "ag_await", None)
    return own or first or task.get_name()


def _calling_line() -> str:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _is_own(frame):
        frame = frame.f_back
    return "?" if frame is None else _line_of(frame)


def _line_of(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_own(frame: FrameType) -> bool:
    return not frame.f_code.co_filename.startswith((_PACKAGE, "<", *_libraries()))


def _libraries() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({f"{paths[name]}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
