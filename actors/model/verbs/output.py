"""The output of an invocation."""

from __future__ import annotations

from typing import Any

from actors.errors import ErrorCode, MisuseError
from actors.model.contexts import context_of, current_step
from actors.model.payloads import json_of
from actors.model.verbs.branches import calling_step, running_branch_for
from actors.replay.branches import current_branch
from actors.values.arguments import MAX_NAME, checked_name
from actors.values.limits import within_limit
from journal.pieces import Piece


def emit(value: Any, *, stream: str = "") -> None:
    """Add a piece to the invocation's output, in a handler or in a step.

    Pieces are stored beside the history and add nothing to it, so a step may emit a hundred thousand. More than
    ``Limits.output_pieces`` or ``Limits.output_bytes`` raise :class:`LimitExceededError` in a step, and pause a handler.

    A step that is retried emits again: each piece is stored with its try and its offset. ``handle.output()`` returns the values of
    the successful try after the step has ended; ``handle.chunks(live=True)`` returns every piece at once, and reports when
    the pieces of a step are void. Readers have no type to decode it with, so ``value`` is a plain JSON value: a text, a number,
    ``True``, ``False``, ``None``, a list, or a dictionary with texts as keys. Any other value raises
    :class:`UnserializableError`.

    ``stream`` is the name of a stream, of at most 256 characters. A reader gets one stream, for example with
    ``handle.output(stream="citations")``; by default the one without a name.

    ::

        async for token in model.stream(prompt):
            actors.emit(token)
    """
    if current_step.get() is None and current_branch.get() is None:
        raise MisuseError(
            "actors.emit() works only in a running handler or step: a piece belongs to the output of its invocation",
            code=ErrorCode.OUTSIDE_HANDLER,
        )
    piece = Piece(json_of(value, "emit()"), checked_name(stream, "stream", MAX_NAME) if stream else "")
    step = calling_step("emit")
    if step is not None:
        step.emit(piece)
        return
    branch = running_branch_for("emit")
    if branch.execution.closed:
        return
    within_limit(piece.value, context_of(branch).limits.payload_bytes, "emit()")
    branch.execution.emit(branch, piece)
