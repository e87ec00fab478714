"""Finds the user code that a thread is running, and its line."""

from __future__ import annotations

import gc
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import outcome
import trio

from journal import keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_NOT_IN_THE_MIDST_OF = ("actors.engine.", "journal.", "trio.", "outcome.")
"""Code that must not be interrupted half way. The other code of this package that runs in a turn changes only the attempt, which
is dropped."""

_CALLERS = frozenset(
    {
        ("actors.engine.watchdog", "Watchdog.run"),
        ("actors.engine.handler_object", "root_of"),
        ("actors.engine.step_bodies", "_await"),
        ("trio._core._run", "unrolled_run"),
    }
)
"""The functions of this package that call user code."""

_AROUND = (
    "<attrs generated",
    "<cattrs generated",
    *(f"{Path(str(file)).parent}/" for file in (trio.__file__, outcome.__file__, keys.__file__)),
    f"{Path(__file__).parents[1]}/",
)
"""The folders of code that belongs neither to users nor to a library that they call."""

_COMPILED_FROM_TEXT = "<string>"
"""The file name of code that a library has compiled from text, as a named tuple's or a dataclass's constructor. It has no line
that a person could look at. Code of ``python -c`` has the same name, so it is named where there is no other."""

_DEBUGGERS = frozenset({"bdb", "pdb", "pydevd", "debugpy", "_pydevd_bundle", "_pydevd_frame_eval"})
"""Code under a debugger waits for a person."""

_SHOWN = 10


@attrs.frozen
class CodeLocation:
    """A place in user code: the line (``file.py:12``) and the frames that led there, as in a traceback."""

    line: str
    frames: str


def is_in_users_code(frame: FrameType) -> bool:
    """Whether the frame is user code, or called by it, so that an exception may be raised there."""
    is_foreign = False
    for at in _outwards(frame):
        name = str(at.f_globals.get("__name__", ""))
        if _is_of_the_collector(at):
            return False
        if not at.f_code.co_filename.startswith(_AROUND):
            if name.partition(".")[0] in _DEBUGGERS:
                return False
            is_foreign = True
        elif name.startswith(_NOT_IN_THE_MIDST_OF):
            return is_foreign and (name, at.f_code.co_qualname) in _CALLERS
        elif is_foreign:
            return True
    return False


def _is_of_the_collector(frame: FrameType) -> bool:
    """Whether Python itself called the function (a finaliser, a callback of a weak reference) and would ignore an exception from
    it."""
    code = frame.f_code
    is_of_weak_references = frame.f_globals.get("__name__") in ("weakref", "_weakrefset")
    is_listening = any(getattr(called, "__code__", None) is code for called in gc.callbacks)
    return code.co_name == "__del__" or is_of_weak_references or is_listening


def place_of(frame: FrameType) -> CodeLocation:
    """The innermost place in user code, and the library code that it has called."""
    shown: list[FrameType] = [frame]
    called: list[FrameType] = []
    for at in _outwards(frame):
        name = str(at.f_globals.get("__name__", ""))
        if not at.f_code.co_filename.startswith(_AROUND):
            called.append(at)
        elif any(map(_is_own, called)) or (name, at.f_code.co_qualname) in _CALLERS:
            break  # the frames outside are the surrounding program
        elif called:
            shown, called = called, []  # a library that this package has called; user code may be further out
    shown = called or shown
    own = next(filter(_is_own, shown), next(filter(_is_of_no_library, shown), shown[0]))
    summary = traceback.StackSummary.extract((at, at.f_lineno) for at in reversed(shown[:_SHOWN]))
    return CodeLocation(f"{own.f_code.co_filename}:{own.f_lineno}", "".join(summary.format()).rstrip())


def _is_own(frame: FrameType) -> bool:
    return _is_of_no_library(frame) and frame.f_code.co_filename != _COMPILED_FROM_TEXT


def _is_of_no_library(frame: FrameType) -> bool:
    return not frame.f_code.co_filename.startswith(_libraries())


def _outwards(frame: FrameType) -> Iterator[FrameType]:
    at: FrameType | None = frame
    while at is not None:
        yield at
        at = at.f_back


def _libraries() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({f"{paths[name]}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
