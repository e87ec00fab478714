"""Turns the outcome of a call into a result or an error of the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import ActorError, TerminalError, type_name
from actors.values.failures import text_of, type_of
from actors.values.outcomes import value_of
from journal.events import OutcomeKind

if TYPE_CHECKING:
    from journal.events import Outcome
    from journal.ids import InvocationId


class CallEndedError(ActorError):
    """The called invocation ended without a result.

    Its recorded failure may have the class of a refusal, such as ``NotFoundError``; the command itself was not refused.
    """


def result_of(outcome: Outcome, of: InvocationId) -> bytes:
    """The result. Raises :class:`CallEndedError` with the id for every other outcome."""
    try:
        return value_of(outcome, of)
    except TerminalError as error:
        text = text_of(error)
        if outcome.kind is OutcomeKind.FAILED:
            # The text of an error that stands for another names that already.
            named = type_of(error)
            kind = f"{named}: " if named == type_name(type(error)) and type(error) is not TerminalError else ""
            text = f"{of} failed: {kind}{text}"
        raise CallEndedError(text) from error
