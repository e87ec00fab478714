"""The record of a question for the person who may answer it."""

from __future__ import annotations

import attrs

from journal.events import Target
from journal.ids import InvocationId


@attrs.frozen(kw_only=True)
class QuestionInfo:
    """An open question: the signal that is its answer, its text and its choices, and the handler that asked it. Times are wall seconds;
    ``expires_at`` is None if the link works as long as the question is open."""

    invocation_id: InvocationId
    name: str
    text: str
    choices: tuple[str, ...]
    target: Target
    asked_at: float
    expires_at: float | None
