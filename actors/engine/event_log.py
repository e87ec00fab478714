"""Logs the events that an operator on call needs: failures, pauses, and verbs with their users."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from actors.model.history import summary_of
from actors.values.names import EDIT, is_system
from journal import events as e
from journal.events import OutcomeKind, PauseCause
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from actors.core.state import InvocationState, ObjectState
    from journal.events import Event, Failure, Recorded, Stamp, Target

log = SafeLogger(__name__)

NOTED: dict[type, int] = {
    e.StepAttemptFailed: logging.WARNING,
    e.AttemptFailed: logging.WARNING,
    e.InvocationPaused: logging.WARNING,
    e.PauseRequested: logging.INFO,
    e.InvocationResumed: logging.INFO,
    e.InvocationMoved: logging.INFO,
    e.CancelRequested: logging.INFO,
    e.UpdateCancelRequested: logging.INFO,
    e.CancelDeadlineMoved: logging.INFO,
    e.InvocationRestarted: logging.INFO,
    e.InvocationCompleted: logging.INFO,
}
"""The level of the log line for each event that may have one."""


_PAUSED = {
    PauseCause.REQUESTED: logging.INFO,
    PauseCause.CODE: logging.DEBUG,  # the engine reports their number once: thousands may run on the same code
}


def note(state: ObjectState | None, event: Event, stamp: Stamp) -> None:
    """Log one line for a failure, a pause or a verb, with the traceback of a final failure; log nothing for normal progress."""
    level = NOTED.get(event.__class__)
    if level is not None:
        _note(state, event, stamp, level)


def _note(state: ObjectState | None, event: Any, stamp: Stamp, level: int) -> None:
    if isinstance(event, e.InvocationCompleted) and event.outcome.kind is OutcomeKind.SUCCEEDED:
        return
    if isinstance(event, e.InvocationPaused):
        level = _PAUSED.get(event.cause, level)
    if not log.isEnabledFor(level):
        return  # a bulk job would make thousands of texts that nothing writes
    opened = None if state is None else state.invocations.get(event.invocation_id)
    target = "" if state is None or opened is None else f" ({state.name}/{opened.handler})"
    is_own = state is not None and (is_system(state.service) or (opened is not None and opened.handler == EDIT))
    failure = None if is_own else _last_failure(opened, event)
    traceback = "" if failure is None else failure.traceback.rstrip()
    _write(level, target, event, stamp, traceback)


def note_pause(target: Target, recorded: Recorded) -> None:
    """Log one line for a pause that was requested, of an invocation whose object is not in memory."""
    level = _PAUSED[PauseCause.REQUESTED]
    if log.isEnabledFor(level):
        name = target.service if target.key is None else f"{target.service}/{target.key}"
        _write(level, f" ({name}/{target.handler})", recorded.event, recorded.stamp, "")


def _write(level: int, target: str, event: Any, stamp: Stamp, traceback: str) -> None:
    by = "" if stamp.by in (event.invocation_id, "engine") else f", by {stamp.by}"
    text = f"{event.invocation_id}{target}: {summary_of(event)}{by}"
    # Also in a field of its own, for log formats with one line per event.
    log.log(level, "%s%s", text, f"\n{traceback}" if traceback else "", extra={"traceback": traceback})


def _last_failure(invocation: InvocationState | None, event: Any) -> Failure | None:
    """The failure whose traceback is logged: a final one that was not logged just before."""
    match event:
        case e.AttemptFailed(retry_at=None) | e.StepAttemptFailed(retry_at=None):
            failure: Failure = event.failure
            return failure
        case e.InvocationCompleted() if invocation is None or invocation.last_failure != event.outcome.failure:
            return event.outcome.failure
    return None
