"""Turns the outcome of a call into the result or the error of the command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.errors import ActorError
from actors.values.outcomes import end_in_words
from journal.events import OutcomeKind

if TYPE_CHECKING:
    from actors.model.info import OutcomeInfo
    from journal.ids import InvocationId


class CallEndedError(ActorError):
    """The called invocation ended without a result.

    Its recorded failure may have the class of a refusal, such as ``NotFoundError``; the command itself was not refused.
    """


def result_of(outcome: OutcomeInfo, of: InvocationId) -> Any:
    """Return the result of a succeeded call. Raises :class:`CallEndedError` with the id for every other outcome."""
    if outcome.kind is OutcomeKind.SUCCEEDED:
        return outcome.value
    raise CallEndedError(end_in_words(outcome, of))
