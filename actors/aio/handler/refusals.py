"""Errors for hosted asyncio code that uses a function that is not durable, with the user's line first."""

from __future__ import annotations

import asyncio
from typing import Any

from actors.errors import ErrorCode, MisuseError
from actors.model.user_lines import is_users, line_of, line_within


def refusal(what: str, where: str = "") -> MisuseError:
    """Return the error for ``what``, which the code asks for at ``where``, by default the line that has called."""
    return MisuseError(
        f"{where or line_within() or '?'}: {what} is not durable, and asyncio code in a handler may use only durable operations. Put it into a "
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
            first = first or line_of(frame)
            if is_users(frame.f_code.co_filename):
                own = line_of(frame)
        at = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None) or getattr(at, "ag_await", None)
    return own, first
