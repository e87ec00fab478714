"""Finds the lines of users' code: those that are neither of this package nor of an installed one."""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType, FrameType

_PACKAGE = f"{Path(__file__).parents[1]}/"


def line_within() -> str:
    """Return the innermost line of the user's code in the handler that is running; an empty text if there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _resumes_handlers(frame.f_code):
        if is_users(frame.f_code.co_filename):
            return line_of(frame)
        frame = frame.f_back
    return ""


def _resumes_handlers(code: CodeType) -> bool:
    return code.co_name in ("_resume", "take_turn", "_run_ready") and is_own(code.co_filename)


def line_of(frame: FrameType) -> str:
    """Return the line that the frame is at, as ``file:line``."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def is_own(file: str) -> bool:
    """Report whether the file is one of this package."""
    return file.startswith(_PACKAGE)


def is_users(file: str) -> bool:
    """Report whether the file is the user's own."""
    return not file.startswith((_PACKAGE, "<", *_libraries()))


@cache
def _libraries() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({f"{paths[name]}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
