"""Finds the branch of the handler that uses a verb, and the source line of the request."""

from __future__ import annotations

import sys

from actors.errors import ErrorCode, MisuseError
from actors.errors.names import plain_text
from actors.model.contexts import current_step
from actors.replay.branches import Branch, current_branch
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
