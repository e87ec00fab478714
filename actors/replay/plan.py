"""Puts a history into the order in which its handler lived through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core.requests import COMPLETIONS, REQUESTS, is_deferred, is_request
from actors.errors import CancelledError
from journal import events as e
from journal.errors import CorruptRecord
from journal.ids import StepId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from journal.events import Event, Recorded, Stamp

_NO_STEPS: frozenset[StepId] = frozenset()


@attrs.define(eq=False)
class OrderedCompletion:
    """A completion in the order in which the handler receives it. ``superseded`` says that a cancel has overtaken it."""

    completion: Any
    stamp: Stamp
    superseded: bool = False


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
    any. ``requests`` are the requests that the handler must make, ``kept_parts`` the parts that restarts have copied,
    ``deliveries`` the completions that the handler receives, and ``lived_turns`` the number of turns that it is known
    to have taken.
    """

    started: Stamp
    cancelled: CancelledError | None
    requests: list[Event]
    kept_parts: list[CopiedPart]
    deliveries: list[OrderedCompletion]
    lived_turns: int

    @property
    def ended_steps(self) -> frozenset[StepId]:
        """The steps that have an outcome."""
        if not self.deliveries:
            return _NO_STEPS
        return frozenset(d.completion.step for d in self.deliveries if d.completion.__class__ is e.StepCompleted)


def replay_plan(history: Iterable[Recorded]) -> ReplayPlan:
    """Order the history of one invocation as its handler lived through it.

    That is the order of the journal, except for a cancel. A cancel that arrives while the handler is paused is given
    *before* the completions that arrive during the pause. A cancel that arrives after the handler failed or returned is
    given before the completion on which it failed or returned. So the cancel is raised at an await, and compensations
    run.
    """
    started: Stamp | None = None
    requests: list[Event] = []
    kept_parts: list[CopiedPart] = []
    lived_turns = 0
    order = _Order()
    for recorded in history:
        event = recorded.event
        kind = event.__class__
        if kind in COMPLETIONS:
            if is_deferred(event):
                continue
            if isinstance(event, e.HistoryCopied):
                made = len([r for r in requests if not isinstance(r, e.PatchMarked)])
                kept_parts.append(CopiedPart(made, event.carries))
            order.add(OrderedCompletion(event, recorded.stamp))
            if kind is e.HistoryCopied:
                lived_turns = len(order.deliveries)
        elif kind in REQUESTS:
            if is_request(event):
                requests.append(event)
        elif kind is e.InvocationStarted:
            started = recorded.stamp
        elif isinstance(event, e.AttemptFailed):
            order.attempt_failed(event.handed_over)
            lived_turns = max(lived_turns, event.handed_over)
        elif kind is e.InvocationSuspended:
            lived_turns = len(order.deliveries) + 1
        elif isinstance(event, e.CancelDeliveredEarlier):
            order.cancel_overtook(event.handed_over)
        elif kind is e.AttemptRetried or kind is e.InvocationResumed:
            order.attempt_begins()
    if started is None:
        raise CorruptRecord("the history has no InvocationStarted event, so it cannot be replayed")
    return ReplayPlan(started, order.cancelled, requests, kept_parts, order.deliveries, lived_turns)


class _Order:
    """Completions in the order in which the handler receives them."""

    def __init__(self) -> None:
        self.deliveries: list[OrderedCompletion] = []
        self.cancelled: CancelledError | None = None
        self._failing_after: int | None = None

    def add(self, delivery: OrderedCompletion) -> None:
        cancel = delivery.completion
        if isinstance(cancel, e.HistoryCopied) and cancel.before_last:
            self.deliveries.insert(max(0, len(self.deliveries) - 1), delivery)
            return
        if not isinstance(cancel, e.CancelRequested):
            self.deliveries.append(delivery)
            return
        first = len(self.deliveries) - cancel.overtakes
        if self._failing_after is not None:
            first = min(first, self._failing_after - 1)
        self._give_before(first, delivery)

    def attempt_failed(self, handed_over: int) -> None:
        """Note that the handler failed on the last of ``handed_over`` completions. The handler would never receive a
        later cancel, so the cancel is moved before that completion."""
        self._failing_after = handed_over
        self._bring_forward(handed_over)

    def attempt_begins(self) -> None:
        self._failing_after = None

    def cancel_overtook(self, handed_over: int) -> None:
        """Note that the handler returned on the last of ``handed_over`` completions without meeting the cancel, which
        it may have been given: the cancel overtakes that completion."""
        if not self._bring_forward(handed_over) and handed_over > 0:
            self.deliveries[handed_over - 1] = attrs.evolve(self.deliveries[handed_over - 1], superseded=True)

    def _bring_forward(self, handed_over: int) -> bool:
        """Move a cancel from after ``handed_over`` completions to before the last of them. Returns whether there was a
        cancel to move."""
        for delivery in self.deliveries[handed_over:]:
            if isinstance(delivery.completion, e.CancelRequested):
                self.deliveries.remove(delivery)
                self._give_before(handed_over - 1, delivery)
                return True
        return False

    def _give_before(self, first: int, cancel: OrderedCompletion) -> None:
        """Insert the cancel before the completions from ``first`` on, and mark those as superseded. If ``first`` is
        negative, the handler has no await yet, so the cancel ends it before its first line."""
        if first < 0:
            self.cancelled = CancelledError(cancel.completion.reason)
            return
        self.deliveries[first:] = [cancel, *(attrs.evolve(d, superseded=True) for d in self.deliveries[first:])]
