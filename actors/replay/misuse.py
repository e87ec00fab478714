"""Errors for code that uses durable operations in the wrong place, and for awaits that are not durable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.errors import ErrorCode, MisuseError
from actors.errors.names import module_of
from actors.values.failures import frames_of

if TYPE_CHECKING:
    from types import FrameType

    from journal.ids import InvocationId


PUT_INTO_A_STEP = "Put it into a step: decorate the function with @actors.step, or 'await actors.run(function, …)'"

_FOREIGN_LIBRARIES = ("trio", "anyio", "asyncio", "sniffio")


def not_driven(name: str, of: InvocationId, what: str) -> MisuseError:
    """Return the error for an operation that code requests while the engine is not running that code."""
    return MisuseError(
        f"{what} in {name} ({of}) is refused: the engine is not running that code at this "
        "moment. A finaliser, the cleanup of an async generator that was left before its end and another thread cannot use "
        "durable operations. Leave async generators through 'async with contextlib.aclosing(...)'",
        code=ErrorCode.OUTSIDE_HANDLER,
    )


def not_durable(where: str, name: str, what: str, remedy: str) -> MisuseError:
    """Return the error for ``what``, which the branch with the name uses at the line ``where``, and which no replay repeats. ``remedy``
    says what to use."""
    return MisuseError(f"{where or '?'}: {name} uses {what}. {remedy}", code=ErrorCode.NON_DURABLE_AWAIT)


def foreign_await(name: str, coroutine: Any) -> MisuseError:
    """Return the error for an await of the coroutine that is not durable. ``name`` is the branch's."""
    where, what = _await_chain(coroutine)
    return MisuseError(
        f"{where}: {name} awaits {what}, which is not durable: it would be lost in a crash and would run again in a "
        f"replay. {PUT_INTO_A_STEP}",
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


def foreign_use(error: BaseException, name: str) -> MisuseError | None:
    """Return the error of a library that needs an event loop in terms of durable code; None for any other error."""
    if not issubclass(type(error), (RuntimeError, TypeError)) or module_of(type(error)).startswith("actors"):
        return None
    frames = frames_of(error)
    if not frames or not is_of_event_loop(frames[-1][0]):
        return None
    where, line = next(((f, n) for f, n in reversed(frames) if not is_of_event_loop(f)), frames[0])
    what = next(f.f_code.co_qualname for f, _ in frames if is_of_event_loop(f))
    return MisuseError(
        f"{where.f_code.co_filename}:{line}: {name} uses {what}, which needs an event loop and is not durable. "
        f"{PUT_INTO_A_STEP}",
        code=ErrorCode.NON_DURABLE_AWAIT,
    )


def is_of_event_loop(frame: FrameType) -> bool:
    """Report whether the frame runs code of a library that has or uses an event loop."""
    name = dict.get(frame.f_globals, "__name__")
    return type(name) is str and name.partition(".")[0] in _FOREIGN_LIBRARIES
