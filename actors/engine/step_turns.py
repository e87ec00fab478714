"""Gives the value of a step to its handler before anything is decided (``actors.engine.resumed_turns``).

If the end of a step were decided first, it would wait in the inbox for a round. So the handler usually takes its turn in the task of
the step. If another request is being decided, or waits for a decision, the value goes to the inbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actors.core.resumed import continues_at_once, last_turn, plain_value, step_turn
from actors.engine.resumed_turns import ResumedTurns
from journal import events as e
from journal.events import Outcome, OutcomeKind, Stamp
from journal.ids import StepId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.core import commands as c
    from actors.core.state import ObjectState
    from actors.engine.loaded_object import LoadedObject
    from journal.events import Event
    from journal.fused import LastTurn
    from journal.ids import InvocationId
    from journal.waits import Requested, TurnPart


class StepEnd(msgspec.Struct, eq=False, gc=False):
    """A step that ended with a value alone."""

    step: StepId
    at: float
    given: bytes

    def recorded(self, of: InvocationId, /) -> tuple[Stamp, Event]:
        """The event of the invocation, and its stamp."""
        outcome = Outcome(OutcomeKind.SUCCEEDED, self.given)
        return (
            Stamp(self.at, f"step {self.step}", of),
            e.StepCompleted(invocation_id=of, step=self.step, outcome=outcome),
        )


class StepTurns(ResumedTurns[StepEnd]):
    """The turns of one processor's handlers that follow at once from the end of a step."""

    def take(self, loaded: LoadedObject, of: InvocationId, step: StepId, value: bytes, at: float) -> bool:
        """Give the value of a step that has ended at this time to its handler, if no earlier request waits. Returns whether the handler took its
        turn."""
        state, places = loaded.state, self._machine.places
        if state is None or not self._is_first(loaded):
            return False
        if places.is_active and places.has(of):
            return False  # it may give its place to another
        attempt, invocation = loaded.attempts.get(of), state.invocations.get(of)
        if attempt is None or invocation is None or not continues_at_once(invocation, step, attempt.seen):
            return False
        parked = attempt.execution.parked.get(step)
        if parked is None or parked.interruption is not None:
            return False
        self._resume(loaded, state, invocation, attempt, StepEnd(step, at, value))
        return True

    def take_end(self, loaded: LoadedObject, command: c.CompleteStep, at: float) -> bool:
        """Do the same for the end of a step, whatever it is."""
        value = plain_value(command)
        return value is not None and self.take(loaded, command.invocation_id, command.step, value, at)

    def _write_turn(
        self, loaded: LoadedObject, state: ObjectState, of: InvocationId, end: StepEnd, parts: Sequence[TurnPart]
    ) -> Requested | None:
        turn = step_turn(of, end.step, end.given, parts, at=end.at, turned_at=self._machine.now)
        return None if turn is None else self._records.record_step_turn(loaded, state, turn)

    def _last_turn_of(
        self, of: InvocationId, end: StepEnd, parts: Sequence[TurnPart], result: bytes
    ) -> LastTurn | None:
        return last_turn(of, end.step, end.given, parts, result, at=end.at, turned_at=self._machine.now)
