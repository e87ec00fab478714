"""Errors for hosted asyncio code that uses a function that is not durable, with the user's line first."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.errors import ErrorCode, MisuseError

if TYPE_CHECKING:
    from types import CodeType, FrameType

_PACKAGE = f"{Path(__file__).parents[2]}/"


def refusal(what: str, where: str = "") -> MisuseError:
    """Return the error for ``what``, which the code asks for at ``where``, by default the line that has called."""
    return MisuseError(
        f"{where or line_within(None) or '?'}: {what} is not durable, and asyncio code in a handler may use only durable operations. Put it into a "
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


def name_of_awaited(awaited: object) -> str:
    """Return the name of an object that no task of the loop can await."""
    if asyncio.isfuture(awaited):
        return "a future of another event loop"
    kind = type(awaited)
    return f"an await of {kind.__module__}.{kind.__qualname__}"


def function_of_trio() -> str:
    """Return the name of the function of trio that the user's code has called."""
    frame: FrameType | None = sys._getframe(1)
    name = ""
    while frame is not None and (not name or _is_of_trio(frame)):
        if _is_of_trio(frame):
            name = frame.f_code.co_qualname
        frame = frame.f_back
    return f"{name}() of trio"


def _is_of_trio(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "trio"


def place_of(task: asyncio.Task[Any]) -> str:
    """Return the innermost line of the user's code at which the task waits."""
    own, first = places_in(task.get_coro())
    return own or first or task.get_name()


def places_in(coroutine: Any) -> tuple[str, str]:
    """Return the innermost line of the user's code at which the coroutine waits, and its outermost line of any code. Each may be
    empty."""
    own = ""
    at = coroutine
    first = ""
    while at is not None:
        frame = getattr(at, "cr_frame", None) or getattr(at, "gi_frame", None) or getattr(at, "ag_frame", None)
        if frame is not None:
            first = first or _line_of(frame)
            if _is_own(frame):
                own = _line_of(frame)
        at = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None) or getattr(at, "ag_await", None)
    return own, first


def line_within(outermost: CodeType | None) -> str:
    """Return the innermost line of the user's code that is running, in a call of this code; an empty text if there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not outermost:
        if _is_own(frame):
            return _line_of(frame)
        frame = frame.f_back
    return ""


def _line_of(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_own(frame: FrameType) -> bool:
    return not frame.f_code.co_filename.startswith((_PACKAGE, "<", *_libraries()))


def _libraries() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({f"{paths[name]}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
