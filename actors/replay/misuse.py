"""Errors for code that uses durable operations in the wrong place, and for awaits that are not durable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.errors import ErrorCode, MisuseError

if TYPE_CHECKING:
    from journal.ids import InvocationId


def not_driven(name: str, of: InvocationId, what: str) -> MisuseError:
    """Return the error for an operation that code requests while the engine is not running that code."""
    return MisuseError(
        f"{what} in {name} ({of}) is refused: the engine is not running that code at this "
        "moment. A finaliser, the cleanup of an async generator that was left before its end and another thread cannot use "
        "durable operations. Leave async generators through 'async with contextlib.aclosing(...)'",
        code=ErrorCode.OUTSIDE_HANDLER,
    )


def foreign_await(name: str, coroutine: Any) -> MisuseError:
    """Return the error for an await of the coroutine that is not durable. ``name`` is the branch's."""
    where, what = _await_chain(coroutine)
    return MisuseError(
        f"{where}: {name} awaits {what}, which is not durable: it would be lost in a crash and would run again in a "
        "replay. Put it into a step: decorate the function with @actors.step, or 'await actors.run(function, …)'",
        code=ErrorCode.NON_DURABLE_AWAIT,
    )


def _await_chain(awaitable: Any) -> tuple[str, str]:
    """Return the innermost line of the handler's own file that awaits, as ``file:line``, and the name of the object
    that it awaits."""
    home, where, what = None, "?", "something"
    at = awaitable
    while at is not None:
        frame = getattr(at, "cr_frame", None) or getattr(at, "gi_frame", None) or getattr(at, "ag_frame", None)
        following = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None) or getattr(at, "ag_await", None)
        if frame is not None and home is None and not str(frame.f_globals.get("__name__")).startswith("actors."):
            home = frame.f_code.co_filename  # the frames outside are the engine's own
        if frame is not None and frame.f_code.co_filename == home:
            where = f"{home}:{frame.f_lineno}"
            what = getattr(following, "__qualname__", None) or type(following).__name__
        at = following
    return where, what
