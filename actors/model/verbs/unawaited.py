"""Finds coroutines that the code of a handler drops without awaiting them: the ``await`` of a step, a call or another verb is missing.

Python finalises such a coroutine in the statement that drops it and warns of it. The warning is easy to miss, and the work is
lost in silence. So the function of the standard library that Python calls for the warning is replaced by one that asks first whether
a handler is running. It costs nothing where every coroutine is awaited.

Alternative refused: to count the coroutines that verbs make and those that begin. Each step would pay for it, and the coroutines of the
user's own functions would not be counted.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from actors.errors import ErrorCode, MisuseError
from actors.model.requests import Request
from actors.model.user_lines import is_own, is_users, line_within
from actors.model.verbs.step_requests import run_step
from actors.replay.branches import Branch, current_branch
from actors.replay.collection import is_collecting
from actors.replay.refusals import is_over, refuse, running_branch

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CoroutineType, FrameType

    Coroutine = CoroutineType[Any, Any, Any]

_NAME = "_warn_unawaited_coroutine"


class _Watch:
    """Called by Python for each coroutine that is finalised before it has begun."""

    def __init__(self, warn: Callable[[Coroutine], None]) -> None:
        self._warn = warn

    def __call__(self, coroutine: Coroutine) -> None:
        branch = current_branch.get()
        if not isinstance(branch, Branch) or is_collecting():
            self._warn(coroutine)
            return
        if is_over(branch):
            return  # a handler that leaves memory drops what it would have awaited later
        running = running_branch(branch)
        where = None if running is None else _place(sys._getframe(1), coroutine)
        if running is None or where is None:
            self._warn(coroutine)
        else:
            _refuse(running, where, coroutine)


def watch_unawaited() -> None:
    """Have each coroutine that a handler drops unawaited end the handler with :class:`actors.errors.MisuseError`."""
    module: Any = warnings  # the name is not public
    warn = getattr(module, _NAME, None)
    if warn is not None and not isinstance(warn, _Watch):
        setattr(module, _NAME, _Watch(warn))


def _place(frame: FrameType, coroutine: Coroutine) -> str | None:
    """Return the line of the user's code that drops the coroutine, or that has made the step; an empty text if it is not known. Return
    None for a library that drops a coroutine of another."""
    file = frame.f_code.co_filename
    is_ours = is_own(coroutine.cr_code.co_filename)
    if not is_ours and not is_own(file) and not is_users(file):
        return None
    for made_in, line, _ in coroutine.cr_origin or ():
        if is_users(made_in):
            return f"{made_in}:{line}"
    where = line_within()
    made_at = str(_given(coroutine).get("source", "")) if is_ours else ""
    return where if where.endswith(f"/{made_at}") else made_at or where


def _refuse(branch: Branch, where: str, coroutine: Coroutine) -> None:
    message = (
        f"{where or '?'}: {branch.name} never awaits {_name_of(coroutine)}, so it does nothing. Write 'await' before the call, or give the "
        "function to nursery.start_soon(); a coroutine that is not wanted any more needs close()"
    )
    refuse(branch, MisuseError(message, code=ErrorCode.NEVER_AWAITED), is_raised=False)


def _name_of(coroutine: Coroutine) -> str:
    given = _given(coroutine)
    if coroutine.cr_code is run_step.__code__:
        return f"step {given['definition'].name!r}"
    request = given.get("request")
    if not is_own(coroutine.cr_code.co_filename):
        return f"{coroutine.__qualname__}()"
    if isinstance(request, Request):
        return f"the {coroutine.__name__} to {request.target}"
    return f"actors.{coroutine.__qualname__}()"


def _given(coroutine: Coroutine) -> dict[str, Any]:
    """Return the arguments that the coroutine was made with."""
    frame: FrameType | None = coroutine.cr_frame
    return {} if frame is None else frame.f_locals
