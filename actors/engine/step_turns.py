"""Hands the value of a step to its handler before anything is decided. ::

    value of a step ──► turn of the handler ──┬─ requests one thing ──► one record: completed, scheduled, fields
                                              ├─ returns ──► one record: completed, fields, completed as a whole
                                              └─ anything else ──► record: completed; then decide on the commands of the turn

Most handlers wait for one step after the other. If the end of such a step were decided first, it would wait in the inbox for a round,
and its handler in the line of ready handlers for a turn. So the handler takes its turn at once, mostly in the task of the step, and
what has ended and what is requested is recorded together.

Invariant: the result is that of the long way, event for event and row for row. To which invocations the short way applies is said
by ``actors.core.fused``. It is also closed while anything waits that was before the step: an input of a handler that is recorded and
not handed over, or a fault. Behind a request that is being decided, or waits to be, the value takes its place in the inbox. The next step begins once its request is on disk, as on the long way.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core.decide.pauses import beyond_limits
from actors.core.fused import ends_at_once, goes_on_at_once, last_turn, step_turn
from actors.engine.exceptions import effect_lost, passes
from actors.engine.fused_records import FusedRecords
from journal import events as e
from journal.errors import Unwritable
from journal.events import OutcomeKind, Stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from actors.core.commands import Command
    from actors.core.effects import Effect
    from actors.core.state import InvocationState, ObjectState
    from actors.engine.attempt import Attempt
    from actors.engine.faults import Faults
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.values.limits import Limits
    from journal.events import Event
    from journal.fused import Requested
    from journal.ids import InvocationId

_NO_EFFECTS: list[Effect] = []


class StepTurns:
    """The turns of one processor's handlers that follow at once from the end of a step.

    ``ready`` are the handlers that wait for a turn. ``after_turn`` decides on the commands of a turn, whose completion has the given
    number. ``follow`` carries out the effects of a recorded request, ``end`` drops the attempt of an invocation that has completed, and
    ``hold_if_too_long`` pauses one whose history is too long.
    """

    def __init__(
        self,
        machine: Machine,
        limits: Limits,
        faults: Faults,
        ready: Collection[object],
        *,
        after_turn: Callable[[LoadedObject, Attempt, list[Command], int], None],
        follow: Callable[[LoadedObject, InvocationId, Requested], None],
        end: Callable[[LoadedObject, InvocationId], None],
        hold_if_too_long: Callable[[LoadedObject, InvocationId], None],
    ) -> None:
        self._machine = machine
        self._records = FusedRecords(machine)
        self._limits = limits
        self._faults = faults
        self._ready = ready
        self._after_turn = after_turn
        self._follow = follow
        self._end = end
        self._hold_if_too_long = hold_if_too_long

    def take(self, loaded: LoadedObject, command: c.CompleteStep, at: float) -> bool:
        """Give the value of a step that has ended at this time to its handler, if nothing else is to come first. Returns whether it
        did."""
        of, step, outcome, state = command.invocation_id, command.step, command.outcome, loaded.state
        if outcome.kind is not OutcomeKind.SUCCEEDED or state is None or not self._is_first(loaded):
            return False
        if self._machine.places.is_active and self._machine.places.has(of):
            return False  # it may give its place to another
        attempt, invocation = loaded.attempts.get(of), state.invocations.get(of)
        if attempt is None or invocation is None or not goes_on_at_once(invocation, step, attempt.seen):
            return False
        parked = attempt.execution.parked.get(step)
        if parked is None or parked.interruption is not None:
            return False
        number = state.version + 1
        completed = e.StepCompleted(invocation_id=of, step=step, outcome=outcome, attributes=command.attributes)
        commands = attempt.give(completed, number, at, self._machine.now)
        done = commands[0] if len(commands) == 1 and not attempt.execution.interrupted else None
        if isinstance(done, c.FinishAttempt) and self._record_end(loaded, state, invocation, completed, done, at):
            return True
        if not isinstance(done, c.RecordProgress) or not self._record(loaded, state, attempt, completed, done, at):
            stamp = Stamp(at, f"step {step}", of)
            self._machine.apply(loaded, stamp, (completed,), _nothing)
            self._after_turn(loaded, attempt, commands, number)
        elif loaded.outputs or beyond_limits(invocation, self._limits) is not None:
            self._hold_if_too_long(loaded, of)
        return True

    def _is_first(self, loaded: LoadedObject) -> bool:
        """Whether nothing is to come before what the object does now."""
        return not (
            self._ready
            or self._faults.waiting
            or loaded.is_torn
            or loaded.damage is not None
            or not self._machine.gates.are_none
        )

    def _record(
        self,
        loaded: LoadedObject,
        state: ObjectState,
        attempt: Attempt,
        completed: e.StepCompleted,
        command: c.RecordProgress,
        at: float,
    ) -> bool:
        """Record the step and the turn together, if the handler has requested one thing. Returns whether it has."""
        machine = self._machine
        if command.output:
            return False
        turn = step_turn(completed, command.events, at=at, turned_at=machine.now)
        if turn is None:
            return False
        try:
            self._records.record_step_turn(loaded, state, turn)
        except Unwritable:
            return False  # the long way names the event
        attempt.last_active = machine.now
        self._follow(loaded, turn.invocation_id, turn.request)
        return True

    def _record_end(
        self,
        loaded: LoadedObject,
        state: ObjectState,
        invocation: InvocationState,
        completed: e.StepCompleted,
        command: c.FinishAttempt,
        at: float,
    ) -> bool:
        """Record the step and the end of the invocation together, and tell those who wait for it, if the handler has returned and
        nothing else follows. Returns whether that is so."""
        machine, outcome = self._machine, command.outcome
        if outcome.kind is not OutcomeKind.SUCCEEDED or command.output or not ends_at_once(state, invocation):
            return False
        turn = last_turn(completed, command.events, outcome.value, at=at, turned_at=machine.now)
        if turn is None:
            return False
        try:
            ended = self._records.record_last_turn(loaded, state, turn, outcome)
        except Unwritable:
            return False  # the long way names the event
        of = ended.invocation_id
        try:
            self._end(loaded, of)
            if ended.caller is not None:
                machine.complete_call(loaded, ended.caller, outcome, by=of)
            for waiter in loaded.waiters.pop(of, ()):
                machine.when_durable(partial(waiter.set, outcome))
        except BaseException as error:
            if passes(error):
                raise
            raise effect_lost(ended, loaded.stream, error) from error
        return True


def _nothing(_: object, __: Event) -> Sequence[Effect]:
    """The handler has been given the event."""
    return _NO_EFFECTS
