"""Gives completions to the waits of a handler: the outcome of a step, a timer, a signal, a cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from actors.errors import CancelledError, NoLongerFitsError
from actors.replay import mismatches
from actors.replay.interruptions import Interruptions, gave_way
from actors.replay.misuse import foreign_use
from actors.replay.updates import Update
from actors.values.failures import cancelled_by, failed, is_cancel
from journal import events as e
from journal.events import Outcome, OutcomeKind
from journal.waits import event_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from actors.replay.branches import Operation
    from actors.replay.updates import UpdateDriver


async def _without_updates(accepted: e.UpdateAccepted) -> bytes:
    raise NoLongerFitsError(f"update {accepted.name!r} was accepted by other code: the class takes no updates any more")


class Completions(Interruptions):
    """The base of ``Execution`` that ends waits, and begins and ends updates. ``body_of_update`` makes the coroutine of one."""

    body_of_update: Callable[[e.UpdateAccepted], Coroutine[Any, Any, bytes]] = staticmethod(_without_updates)

    def _complete(self, completion: Any, superseded: bool) -> None:
        kind = completion.__class__
        if kind is e.SignalReceived:
            self._guarded(self._give_signal, completion)
        elif kind is e.CancelRequested:
            self._guarded(self._cancel_root, completion.reason, completion.expired)
        elif kind is e.HistoryCopied:
            self._go_on_living()
        elif kind is e.UpdateAccepted:
            self._begin_update(completion)
        elif kind is e.UpdateCancelRequested:
            self._cancel_update(completion)
        elif kind is e.TimerFired and completion.step in self._deadlines:
            self._guarded(self._deadlines.pop(completion.step).expire)
        else:
            self._end_wait(completion, superseded)

    def _begin_update(self, accepted: e.UpdateAccepted) -> None:
        update = self._updates[accepted.update] = Update(
            cast("UpdateDriver", self), accepted, self.body_of_update(accepted)
        )
        self.add(update.branch)

    def _cancel_update(self, cancel: e.UpdateCancelRequested) -> None:
        update = self._updates.get(cancel.update)
        if update is not None:  # otherwise it has been answered
            update.cancel = CancelledError(cancel.reason, expired=cancel.expired)
            self._guarded(self._interrupt_update, update)

    def end_update(self, update: Update, error: BaseException | None) -> None:
        """Answer an update that has returned, or raised an error. What no longer fits the code is an error of the run: other code
        can carry the update out."""
        del self._updates[update.id]
        if error is None:
            outcome = Outcome(OutcomeKind.SUCCEEDED, update.result)
        elif issubclass(type(error), NoLongerFitsError):
            self.error = error
            return
        else:
            outcome = cancelled_by(error) if is_cancel(error) else failed(foreign_use(error, self.name) or error)
        self._match(e.UpdateCompleted(invocation_id=self.invocation_id, update=update.id, outcome=outcome))

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
                waits = [event_of(parked.event, self.invocation_id) for parked in self.parked.values()]
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
        """Resume the branch with the completion that it waits for. If the cancel of the invocation, or of the update, was about to end
        the wait, it becomes pending for the next await."""
        if isinstance(interruption, CancelledError):
            update = parked.branch.nursery
            if isinstance(update, Update):
                update.cancel = interruption
            else:
                self._pending_cancel = interruption
        self.make_ready(parked.branch, completion)
