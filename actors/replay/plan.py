"""Puts a history into the order in which its handler lived through it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from actors.core.requests import COMPLETIONS, REQUESTS, is_deferred
from actors.errors import CancelledError
from journal import events as e
from journal.errors import CorruptRecord
from journal.fused import RecordedTurn, StepTurn
from journal.waits import RequestedStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from journal.events import Event, Recorded, Stamp
    from journal.fused import Lived

_PLAIN_COMPLETIONS = COMPLETIONS - {e.SignalReceived, e.CancelRequested, e.HistoryCopied}
"""Events that need no second look: all of the kind are requests, or completions in the order of the journal."""
_OTHERS = frozenset(
    {
        e.InvocationStarted,
        e.SignalReceived,
        e.CancelRequested,
        e.HistoryCopied,
        e.AttemptFailed,
        e.AttemptRetried,
        e.CancelDeliveredEarlier,
        e.InvocationSuspended,
        e.InvocationResumed,
        e.StatusTextChanged,
        e.QuantitiesSpent,
    }
)
"""All other events that a plan depends on."""


@attrs.frozen
class CopiedPart:
    """A part of the history that a restart has copied. ``requests`` is the number of requests up to its end. With
    ``carries``, the handler's writes in it are changes of its own."""

    requests: int
    carries: bool

    def leaves_at(self, made: int) -> bool:
        """Report whether, at the end of the part, the object lacks a change that the handler makes after ``made``
        requests."""
        return self.carries or made >= self.requests


@attrs.define(eq=False)
class ReplayPlan:
    """A history in the order of its replay.

    ``started`` is the stamp of the start, and ``cancelled`` the cancel that ended the handler before its first line, if
    any. ``requests`` are the requests that the handler must make, those of steps in turns as they are recorded, ``kept_parts`` the parts that restarts have copied,
    ``deliveries`` the completions that the handler receives, and ``lived_turns`` the number of turns that it is known
    to have taken. A cancel has overtaken the deliveries with the numbers ``superseded``. ``emitted`` is the number of pieces of
    output that the handler has emitted and that are recorded, ``status_text`` the last recorded status text, and
    ``spends`` the number of its recorded calls of ``spend``.
    """

    started: Stamp
    cancelled: CancelledError | None
    requests: deque[Event | RequestedStep]
    kept_parts: Sequence[CopiedPart]
    deliveries: deque[Lived]
    superseded: Set[int]
    lived_turns: int
    emitted: int = 0
    status_text: str = ""
    spends: int = 0


NOTHING: deque[Any] = deque()
"""The empty queue of all plans: nothing is ever added to a plan, and an empty deque of its own would take 760 bytes."""


def replay_plan(history: Iterable[Lived], rested: int = 0, emitted: int = 0) -> ReplayPlan:
    """Order the history of one invocation as its handler lived through it.

    That is the order of the journal, except for a cancel. A cancel that arrives while the handler is paused is given
    *before* the completions that arrive during the pause. A cancel that arrives after the handler failed or returned is
    given before the completion on which it failed or returned. So the cancel is raised at an await, and compensations
    run.

    ``rested`` is the number of the last event after which the handler is known to have waited again: it has taken all
    turns up to there.
    """
    requests: deque[Event | RequestedStep] = deque()
    deliveries: deque[Lived] = deque()
    order = _Order(requests, deliveries)
    for recorded in history:
        if isinstance(recorded, RecordedTurn):
            deliveries.append(recorded)
            turn: Any = recorded.turn
            request, of = turn.request if turn.__class__ is StepTurn else turn.then, turn.invocation_id
            requests.append(request if isinstance(request, RequestedStep) else request.event(of))
            if turn.fields is not None:
                requests.append(e.FieldsChanged(invocation_id=of, fields=turn.fields))
            continue
        kind = recorded.event.__class__
        if kind in _PLAIN_COMPLETIONS:
            deliveries.append(recorded)
        elif kind in REQUESTS:
            requests.append(recorded.event)
        elif kind in _OTHERS:
            order.note(recorded)
    if order.started is None:
        raise CorruptRecord("the history has no InvocationStarted event, so it cannot be replayed")
    if rested:
        given = len([None for recorded in deliveries if recorded.number <= rested])
        order.lived_turns = max(order.lived_turns, given + 1)
    return ReplayPlan(
        order.started,
        order.cancelled,
        requests or NOTHING,
        order.kept_parts,
        deliveries or NOTHING,
        order.superseded,
        order.lived_turns,
        emitted,
        order.status_text,
        order.spends,
    )


class _Order:
    """The events that change the order of a replay, and their effect."""

    started: Stamp | None = None
    cancelled: CancelledError | None = None
    lived_turns = 0
    kept_parts: Sequence[CopiedPart] = ()
    superseded: Set[int] = frozenset()
    status_text = ""
    spends = 0
    _failing_after: int | None = None

    def __init__(self, requests: deque[Event | RequestedStep], deliveries: deque[Lived]) -> None:
        self.requests = requests
        self.deliveries = deliveries

    def note(self, recorded: Recorded) -> None:
        """Read an event that is not a plain request or completion."""
        match recorded.event:
            case e.InvocationStarted():
                self.started = recorded.stamp
            case e.SignalReceived() as signal:
                if not is_deferred(signal):
                    self.deliveries.append(recorded)
            case e.CancelRequested() as cancel:
                self._cancel(recorded, cancel)
            case e.HistoryCopied() as copied:
                self._copied(recorded, copied)
            case e.AttemptFailed() as failed:
                self._attempt_failed(failed.handed_over)
                self.lived_turns = max(self.lived_turns, failed.handed_over)
            case e.InvocationSuspended():
                self.lived_turns = len(self.deliveries) + 1
            case e.CancelDeliveredEarlier() as earlier:
                self._cancel_overtook(earlier.handed_over)
            case e.StatusTextChanged(text=text):
                self.status_text = text
            case e.QuantitiesSpent(step=step):
                self.spends += not step  # the handler's own
            case e.AttemptRetried() | e.InvocationResumed():
                self._failing_after = None
            case _:
                pass

    def _copied(self, recorded: Recorded, copied: e.HistoryCopied) -> None:
        made = len([r for r in self.requests if not isinstance(r, e.PatchMarked)])
        self.kept_parts = (*self.kept_parts, CopiedPart(made, copied.carries))
        end = len(self.deliveries)
        self.deliveries.insert(max(0, end - 1) if copied.before_last else end, recorded)
        self.lived_turns = len(self.deliveries)

    def _cancel(self, recorded: Recorded, cancel: e.CancelRequested) -> None:
        first = len(self.deliveries) - cancel.overtakes
        if self._failing_after is not None:
            first = min(first, self._failing_after - 1)
        self._give_before(first, recorded, cancel)

    def _attempt_failed(self, handed_over: int) -> None:
        """Note that the handler failed on the last of ``handed_over`` completions. The handler would never receive a
        later cancel, so the cancel is moved before that completion."""
        self._failing_after = handed_over
        self._bring_forward(handed_over)

    def _cancel_overtook(self, handed_over: int) -> None:
        """Note that the handler returned on the last of ``handed_over`` completions without meeting the cancel, which
        it may have been given: the cancel overtakes that completion."""
        if not self._bring_forward(handed_over) and handed_over > 0:
            self.superseded |= {self.deliveries[handed_over - 1].number}

    def _bring_forward(self, handed_over: int) -> bool:
        """Move a cancel from after ``handed_over`` completions to before the last of them. Returns whether there was a
        cancel to move."""
        for recorded in [*self.deliveries][handed_over:]:
            if isinstance(recorded.event, e.CancelRequested):
                self.deliveries.remove(recorded)
                self._give_before(handed_over - 1, recorded, recorded.event)
                return True
        return False

    def _give_before(self, first: int, recorded: Lived, cancel: e.CancelRequested) -> None:
        """Insert the cancel before the completions from ``first`` on, and mark those as superseded. If ``first`` is
        negative, the handler has no await yet, so the cancel ends it before its first line."""
        if first < 0:
            self.cancelled = CancelledError(cancel.reason, expired=cancel.expired)
            return
        self.superseded |= {overtaken.number for overtaken in [*self.deliveries][first:]}
        self.deliveries.insert(first, recorded)
