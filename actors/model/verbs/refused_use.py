"""Refuses in a handler what is for code outside of handlers: an event loop, a client, a runtime."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from actors.model.user_lines import is_own, line_within
from actors.replay.branches import Branch, current_branch
from actors.replay.misuse import PUT_INTO_A_STEP, is_of_event_loop, not_durable
from actors.replay.refusals import refuse, running_branch

if TYPE_CHECKING:
    from types import FrameType

    from actors.errors import MisuseError

_USE_A_VERB = (
    "In a handler, actors.actor(), actors.service() and actors.workflow() reach objects, actors.call() and actors.send() handlers by "
    "name, and actors.invocation() has the verbs. Put anything else into a step, whose body may use a client"
)


def refused_use() -> MisuseError | None:
    """Refuse the function that the code of a handler has called, directly or through functions of an event loop or of this package.
    Returns the error to raise; None in any other code."""
    branch = current_branch.get()
    running = running_branch(branch) if isinstance(branch, Branch) else None
    if running is None:
        return None
    name, is_client = _called(sys._getframe(1))
    what, remedy = f"{name}(), which needs an event loop and is not durable", PUT_INTO_A_STEP
    if is_client:
        what = f"a client or a runtime ({name}), which is for code outside of handlers and is not recorded"
        remedy = _USE_A_VERB
    error = not_durable(line_within() or running.line, running.name, what, remedy)
    refuse(running, error, is_raised=True)
    return error


def require_no_handler() -> None:
    """Raise :class:`actors.errors.MisuseError` in the code of a handler, which uses a client."""
    if current_branch.get() is not None:
        error = refused_use()
        if error is not None:
            raise error


def _called(frame: FrameType | None) -> tuple[str, bool]:
    """Return the name of the function that code of others has called, and whether it is one of this package."""
    name, is_client = "", False
    while frame is not None:
        is_client_now = is_own(frame.f_code.co_filename)
        if not is_client_now and not is_of_event_loop(frame):
            break
        name, is_client = frame.f_code.co_qualname, is_client_now
        if not is_client:
            name = f"{str(frame.f_globals.get('__name__')).partition('.')[0]}.{name}"
        frame = frame.f_back
    return name, is_client
