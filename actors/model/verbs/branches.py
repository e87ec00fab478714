"""Finds the branch of the handler that uses a verb, and the source line of the request."""

from __future__ import annotations

import sys

from actors.errors import ErrorCode, MisuseError
from actors.errors.names import plain_text
from actors.model.contexts import StepSurroundings, current_step
from actors.replay.branches import Branch, current_branch
from actors.replay.collection import is_collecting
from actors.values.arguments import MAX_NAME


def branch_for(verb: str) -> Branch:
    """Return the branch that uses the verb. Raises :class:`MisuseError` where no handler runs."""
    branch = current_branch.get()
    if branch is not None:
        return branch
    step = current_step.get()
    if step is not None:
        raise MisuseError(
            f"actors.{verb}() in step {step.name!r}: a step is one side effect and cannot use a durable "
            "verb. Use it in the handler, and pass the result to the step",
            code=ErrorCode.INSIDE_STEP,
        )
    raise MisuseError(
        f"actors.{verb}() works only in a running handler; elsewhere use the client: 'runtime.client'",
        code=ErrorCode.OUTSIDE_HANDLER,
    )


def running_branch_for(verb: str) -> Branch:
    """Return the running branch, for a verb that takes effect without an await: a finaliser could call it in the middle
    of any code.
    """
    branch = branch_for(verb)
    if not branch.execution.closed:
        branch.must_run(f"actors.{verb}()")
    return branch


def calling_step(verb: str) -> StepSurroundings | None:
    """Return the step whose body uses the verb, or None if it is not a step that does. Raises :class:`MisuseError` in a finaliser that
    runs in the middle of a step.
    """
    step = current_step.get()
    if step is None or current_branch.get() is not None:
        return None
    if is_collecting():
        raise MisuseError(
            f"actors.{verb}() in a finaliser that the garbage collector runs in step {step.name!r}",
            code=ErrorCode.OUTSIDE_HANDLER,
        )
    return step


_sources: dict[tuple[str, int], str] = {}


def source_line(depth: int) -> str:
    """Return the line that made the request, ``file.py:12``; ``depth`` frames above the caller."""
    frame = sys._getframe(depth + 1)
    at = (frame.f_code.co_filename, frame.f_lineno)  # not the code: the same code in two files is equal
    known = _sources.get(at)
    if known is None:
        if len(_sources) > 10_000:
            _sources.clear()
        file = plain_text(at[0].rpartition("/")[2], MAX_NAME)
        known = _sources[at] = f"{file}:{frame.f_lineno}"
    return known
