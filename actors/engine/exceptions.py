"""Decides whether an unhandled exception concerns the whole processor or only the invocation that caused it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from actors.core import commands as c
from actors.values.texts import failure_in_words
from journal.errors import CorruptRecord, Damaged, JournalError, Unwritable
from journal.events import PauseCause

if TYPE_CHECKING:
    from journal.events import Failure
    from journal.ids import InvocationId, StreamId

_ABOUT_ONE_OBJECT = (CorruptRecord, Damaged, Unwritable)

_BLAMED = {
    PauseCause.HANDLER: "the handler's code or values made the engine fail",
    PauseCause.ENGINE: "the engine failed: a fault of playhead; please report it",
}


class EffectLost(Exception):
    """An event was recorded and one of its effects could not be carried out. The object would wait for it forever."""


def effect_lost(effect: object, stream: StreamId, error: BaseException) -> EffectLost:
    """The error for an effect that could not be carried out because of ``error``."""
    lost = EffectLost(f"{type(effect).__name__} of {stream:016x}")
    lost.__cause__ = error
    return lost


def passes(error: BaseException) -> bool:
    """Whether the error concerns the processor as a whole. User code can raise anything, even a stray ``trio.Cancelled``."""
    kind = type(error)
    if issubclass(kind, trio.Cancelled):
        return trio.current_effective_deadline() == -math.inf
    return issubclass(kind, JournalError) and not issubclass(kind, _ABOUT_ONE_OBJECT)


def held_for(of: InvocationId, cause: PauseCause, failure: Failure) -> c.PauseAttempt:
    """The command that pauses an invocation after an error of its own or of the engine."""
    reason = f"{_BLAMED[cause]}: {failure_in_words(failure)}\n{failure.traceback}"
    return c.PauseAttempt(invocation_id=of, cause=cause, reason=reason, failure=failure)
