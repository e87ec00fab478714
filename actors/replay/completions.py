"""Gives completions to the waits of a handler: the outcome of a step, a timer, a signal, a cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.errors import CancelledError
from actors.replay import mismatches
from actors.replay.interruptions import Interruptions, gave_way
from journal import events as e

if TYPE_CHECKING:
    from actors.replay.branches import Operation


class Completions(Interruptions):
    """The base of ``Execution`` that ends waits."""

    def _complete(self, completion: Any, superseded: bool) -> None:
        kind = completion.__class__
        if kind is e.SignalReceived:
            self._guarded(self._give_signal, completion)
        elif kind is e.CancelRequested:
            self._guarded(self._cancel_root, completion.reason, completion.expired)
        elif kind is e.HistoryCopied:
            self._go_on_living()
        elif kind is e.TimerFired and completion.step in self._deadlines:
            self._guarded(self._deadlines.pop(completion.step).expire)
        else:
            self._end_wait(completion, superseded)

    def _give_signal(self, signal: e.SignalReceived) -> None:
        step, is_reassigned = self._signals.receive(signal)
        if is_reassigned:
            self._match(
                e.SignalReassigned(
                    invocation_id=self.invocation_id,
                    signal=signal.signal,
                    name=signal.name,
                    step=step,
                    question=signal.question,
                )
            )
        if step is not None:
            self.make_ready(self.parked.pop(step).branch, signal)

    def _end_wait(self, completion: Any, superseded: bool) -> None:
        step = completion.step
        parked = self.parked.get(step)
        if parked is None:
            if step not in self._dropped and not isinstance(completion, e.StepAborted):
                recorded = self._next_recorded() if self._recorded else None
                waits = [parked.event for parked in self.parked.values()]
                self.mismatch = mismatches.waits_elsewhere(self._full_name, completion, recorded, waits)
            return
        interruption = parked.interruption
        if isinstance(completion, e.StepAborted) and interruption is None:
            return  # this code does not stop the step any more: it has no outcome, so it runs again
        del self.parked[step]
        if interruption is None or not (superseded or gave_way(completion)):
            self._hand_back(parked, interruption, completion)
        else:
            self.make_ready(parked.branch, error=interruption)

    def _hand_back(self, parked: Operation, interruption: BaseException | None, completion: Any) -> None:
        """Resume the branch with the completion that it waits for. If the invocation's cancel was about to end the
        wait, the cancel becomes pending for the next await."""
        if isinstance(interruption, CancelledError):
            self._pending_cancel = interruption
        self.make_ready(parked.branch, completion)
