"""Cuts a history at the moment before the outcome of a step was known, so that an invocation can go back to that moment.

After a pause, a gate or a retry, the journal's order is not the order in which the handler received events: the journal has an event
where it arrived, and the handler receives it later. Two kinds of deadline need care. A deadline around the step may have passed in
the journal before the handler received it; if it were kept, it would end the step at once. A deadline that stopped the step, or was
about to, starts again with its full time; otherwise it would stop the step a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core.requests import is_completion
from actors.errors import ConflictError, ErrorCode
from journal import events as e
from journal.ids import StepId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.events import Recorded

OPERATIONS = (
    e.StepScheduled,
    e.SleepScheduled,
    e.CallScheduled,
    e.AttachScheduled,
    e.SignalAwaited,
    e.VerbScheduled,
)
"""The operations that a handler awaits."""

ENDS = (e.StepCompleted, e.StepAborted, e.TimerFired, e.CallCompleted, e.VerbAnswered, e.WaitDropped)
"""The events that end an operation. A signal ends one as well."""

_BEGINNINGS = (e.InvocationStarted, e.HistoryCopied)


@attrs.frozen
class HistoryCut:
    """A cut in a history, before the event at index ``at``. ``moment`` is the time in wall seconds at which the handler
    reached it.

    ``not_lived`` are the indexes of deadlines around the step that passed before that event but that the handler had not received. ``stopped_by`` is the deadline that ended the step.
    """

    at: int
    moment: float
    not_lived: frozenset[int] = frozenset()
    stopped_by: StepId | None = None


def cut_before_outcome(history: Sequence[Recorded], step: StepId) -> HistoryCut:
    """Cut before the outcome of the step, or at the end if it has none, but never after a cancel of the invocation.

    Raises :class:`ConflictError` if the step was begun after the cancel.
    """
    cancelled = next((at for at, r in enumerate(history) if isinstance(r.event, e.CancelRequested)), len(history))
    begun = next(at for at, r in enumerate(history) if _begins(r.event, step))
    if cancelled < begun:
        raise ConflictError(
            f"step {step} was begun after the cancel, by a compensation, which a restart does not run. "
            "Restart from an earlier step, or from the start",
            code=ErrorCode.NOT_POSSIBLE,
        )
    operation: Any = history[begun].event
    if isinstance(operation, e.SendScheduled):
        return cut_at(history, begun)
    if isinstance(operation, e.SignalAwaited):
        return _cut_before_signal(history, begun, operation, cancelled)
    end = next((at for at in range(begun, len(history)) if _ends(history[at].event, step)), len(history))
    return _cut_before_end(history, begun, min(end, cancelled))


def _begins(event: Any, step: StepId) -> bool:
    return isinstance(event, (*OPERATIONS, e.SendScheduled)) and event.step == step


def _ends(event: Any, step: StepId) -> bool:
    return isinstance(event, ENDS) and event.step == step


def cut_at(history: Sequence[Recorded], at: int, stopped_by: StepId | None = None) -> HistoryCut:
    """Cut at this index, as if the handler had received every event before it."""
    return HistoryCut(at, history[min(at, len(history) - 1)].stamp.at, stopped_by=stopped_by)


# Signals.


def _cut_before_signal(history: Sequence[Recorded], begun: int, wait: e.SignalAwaited, cancelled: int) -> HistoryCut:
    if wait.ready:
        return _cut_as_lived(history, begun, begun + 1, wait.handed_over)
    end = _taken_or_left_at(history, begun, wait.step)
    if end < cancelled:
        taken: Any = history[end].event
        if isinstance(taken, e.SignalReassigned):
            came = next(at for at, r in enumerate(history) if _is_signal(r.event, taken.signal))
            return _cut_as_lived(history, begun, end, sum(is_completion(r.event) for r in history[:came]))
    return _cut_before_end(history, begun, min(end, cancelled))


def _is_signal(event: Any, signal: int) -> bool:
    return isinstance(event, e.SignalReceived) and event.signal == signal


def _taken_or_left_at(history: Sequence[Recorded], begun: int, step: StepId) -> int:
    """Return the index at which the wait that begins at index ``begun`` took its signal or was left; the length of the
    history if it still waits."""
    taken, signal = len(history), 0
    for at in range(begun, len(history)):
        event: Any = history[at].event
        match event:
            case e.SignalReceived() | e.SignalReassigned() if event.step == step:
                taken, signal = at, event.signal
            case e.SignalReassigned() if event.signal == signal:
                taken, signal = len(history), 0
            case e.WaitDropped() if event.step == step:
                return at
    return taken


def _cut_as_lived(history: Sequence[Recorded], begun: int, at: int, lived: int) -> HistoryCut:
    """Return the cut before index ``at``, at which the handler had received ``lived`` completions when it took the
    signal."""
    came = [place for place, r in enumerate(history[:at]) if is_completion(r.event)]
    last = came[lived - 1] if lived else next(i for i, r in enumerate(history) if isinstance(r.event, _BEGINNINGS))
    around = _deadlines_around(history, begun, at)
    not_lived = frozenset(place for place in came[lived:] if _passes(history[place].event) in around)
    return HistoryCut(at, history[last].stamp.at, not_lived)


# Deadlines.


def _cut_before_end(history: Sequence[Recorded], begun: int, end: int) -> HistoryCut:
    if end == len(history) or _may_have_been_stopped(history, begun, end):
        around = _deadlines_around(history, begun, end)
        for at in range(begun, end):
            deadline = _passes(history[at].event)
            if deadline in around:
                return cut_at(history, at, deadline)
    return cut_at(history, end)


def _may_have_been_stopped(history: Sequence[Recorded], begun: int, end: int) -> bool:
    """Report whether the handler may have been about to abandon the operation. A step that is stopped may still have an outcome. For
    other operations the handler records that it abandons them, possibly after an answer that it never received has arrived."""
    operation: Any = history[begun].event
    if isinstance(operation, e.StepScheduled) or isinstance(history[end].event, e.CancelRequested):
        return True
    leaves = (e.WaitDropped, e.CallCancelRequested)
    return any(isinstance(r.event, leaves) and r.event.step == operation.step for r in history[begun:])


def _passes(event: Any) -> StepId | None:
    return event.step if isinstance(event, e.TimerFired) else None


def _deadlines_around(history: Sequence[Recorded], begun: int, end: int) -> frozenset[StepId]:
    """Return the deadlines set before index ``end`` whose block contains the operation that begins at ``begun``. A
    deadline set later counts too if its block was entered before, because a scope can be given another deadline."""
    operation: Any = history[begun].event
    blocks: dict[StepId, StepId] = {}
    for at, recorded in enumerate(history[:end]):
        event = recorded.event
        if isinstance(event, e.DeadlineScheduled):
            blocks[event.step] = event.block or event.step
        elif isinstance(event, e.WaitDropped) and at < begun:
            blocks.pop(event.step, None)
    return frozenset(step for step, block in blocks.items() if _can_hold(block, operation.step))


def _can_hold(block: StepId, inner: StepId) -> bool:
    """Report whether a block entered at position ``block`` can contain the position ``inner``: it is in the same
    branch, or in a branch started from it, and not before the block."""
    branch, _, place = block.rpartition(".")
    path = f"{branch}." if branch else ""
    first = inner[len(path) :].partition(".")[0]
    return (
        inner.startswith(path) and first.isdecimal() and int(first) >= int(place)
    )  # an update is in no block of the body
