"""Gives the value of a step to its handler before anything is decided (``actors.engine.resumed_turns``).

If the end of a step were decided first, it would wait in the inbox for a round. So the handler usually takes its turn in the task of
the step. If another request is being decided, or waits for a decision, the value goes to the inbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core.resumed import goes_on_at_once, last_turn, step_turn
from actors.engine.resumed_turns import ResumedTurns
from journal import events as e
from journal.events import OutcomeKind

if TYPE_CHECKING:
    from actors.core import commands as c
    from actors.engine.loaded_object import LoadedObject

_SUCCEEDED = OutcomeKind.SUCCEEDED  # a member of an enum takes several times as long to look up as a name of the module


class StepTurns(ResumedTurns):
    """The turns of one processor's handlers that follow at once from the end of a step."""

    _turn_of = staticmethod(step_turn)
    _end_of = staticmethod(last_turn)

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._write = self._records.record_step_turn

    def take(self, loaded: LoadedObject, command: c.CompleteStep, at: float) -> bool:
        """Give the value of a step that has ended at this time to its handler, if no earlier request waits. Returns whether the handler took its
        turn."""
        of, step, outcome, state = command.invocation_id, command.step, command.outcome, loaded.state
        if outcome.kind is not _SUCCEEDED or state is None or not self._is_first(loaded):
            return False
        if self._machine.places.is_active and self._machine.places.has(of):
            return False  # it may give its place to another
        attempt, invocation = loaded.attempts.get(of), state.invocations.get(of)
        if attempt is None or invocation is None or not goes_on_at_once(invocation, step, attempt.seen):
            return False
        parked = attempt.execution.parked.get(step)
        if parked is None or parked.interruption is not None or command.spent:
            return False
        completed = e.StepCompleted(invocation_id=of, step=step, outcome=outcome, attributes=command.attributes)
        self._resume(loaded, state, invocation, attempt, completed, at, at, None)
        return True
