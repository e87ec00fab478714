"""Gives the end of a wait to its handler before anything is decided. ::

    end of a wait ──► turn of the handler ──┬─ requests one thing ──► one record: completed, scheduled, fields
                                            ├─ returns ──► one record: completed, fields, completed as a whole
                                            └─ anything else ──► record: completed; then decide on the commands of the turn

Most handlers wait for one operation at a time. If the end of such a wait were decided first, its handler would wait in the queue of
ready handlers for a turn. So the handler takes its turn at once, and the end of the wait is recorded together with the next request.
``StepTurns`` does this for steps, and ``WaitTurns`` for calls, sleeps and signals.

Invariant: the result is that of the long way, event for event and row for row, with one exception: if a turn sends two messages to one
object, the first may run before the second is accepted. ``actors.core.resumed`` has the conditions of the short way. It is also closed
while an earlier event waits for a handler, or a fault is to be settled. As on the long way, the handler's request begins once it is on
disk.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from actors.core import commands as c
from actors.core.decide.pauses import beyond_limits
from actors.core.resumed import ends_at_once
from actors.engine.exceptions import effect_lost, passes
from actors.engine.fused_records import FusedRecords
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
    from journal.ids import InvocationId
    from journal.waits import Requested

_NO_EFFECTS: list[Effect] = []
_SUCCEEDED = OutcomeKind.SUCCEEDED  # a member of an enum takes several times as long to look up as a name of the module


@attrs.frozen(eq=False)
class TurnHooks:
    """The functions to call after a turn.

    ``after_turn`` decides on the commands of a turn, whose completion has the given number. ``went_on`` records that an attempt has taken
    a turn. ``follow`` carries out the effects of a recorded request, which is the event with the given number, ``end`` drops the
    attempt of an invocation that has completed, and ``pause_if_too_long`` pauses one whose history is too long.
    """

    after_turn: Callable[[LoadedObject, Attempt, list[Command], int], None]
    went_on: Callable[[LoadedObject, Attempt, float], None]
    follow: Callable[[LoadedObject, Requested, Event, int], None]
    end: Callable[[LoadedObject, InvocationId], None]
    pause_if_too_long: Callable[[LoadedObject, InvocationId], None]


class ResumedTurns:
    """The turns of one processor's handlers that follow at once from the end of a wait. ``ready`` are the handlers that wait for a
    turn.

    ``_turn_of`` and ``_end_of`` make the record of a turn with a request, and of one with a result; None if it must be decided.
    ``_write`` writes the first of the two, and returns its request.
    """

    _turn_of: ClassVar[Callable[..., Any]]
    _end_of: ClassVar[Callable[..., Any]]
    _write: Callable[[LoadedObject, ObjectState, Any], Requested]

    def __init__(
        self, machine: Machine, limits: Limits, faults: Faults, ready: Collection[object], hooks: TurnHooks
    ) -> None:
        self._machine = machine
        self._records = FusedRecords(machine)
        self._limits = limits
        self._faults = faults
        self._ready = ready
        self._hooks = hooks

    def _is_first(self, loaded: LoadedObject) -> bool:
        """Whether no earlier event or fault of the object waits."""
        return not (
            self._ready
            or self._faults.waiting
            or loaded.is_torn
            or loaded.damage is not None
            or not self._machine.gates.are_none
        )

    def _resume(
        self,
        loaded: LoadedObject,
        state: ObjectState,
        invocation: InvocationState,
        attempt: Attempt,
        completed: Any,
        at: float,
        origin: Any,
        stamp: Stamp | None,
    ) -> None:
        """Give the handler the end of its wait, which came ``at`` that time, and record the turn. ``origin`` is for the makers of
        the record, and ``stamp`` that of the end; None if it is the end of a step."""
        machine, number = self._machine, state.version + 1
        commands = attempt.give(completed, number, at, machine.now)
        done = commands[0] if len(commands) == 1 and not attempt.execution.interrupted else None
        if isinstance(done, c.FinishAttempt) and self._record_end(loaded, state, invocation, completed, done, origin):
            return
        if not isinstance(done, c.RecordProgress) or not self._record(loaded, state, attempt, completed, done, origin):
            machine.apply(loaded, _stamp_of_step(completed, at) if stamp is None else stamp, (completed,), _nothing)
            self._hooks.after_turn(loaded, attempt, commands, number)
        elif loaded.outputs or beyond_limits(invocation, self._limits) is not None:
            self._hooks.pause_if_too_long(loaded, invocation.invocation_id)

    def _record(
        self,
        loaded: LoadedObject,
        state: ObjectState,
        attempt: Attempt,
        completed: Any,
        command: c.RecordProgress,
        origin: Any,
    ) -> bool:
        """Record the end of the wait and the turn together, if the handler has made one request. Returns whether they were recorded."""
        machine = self._machine
        if command.output:
            return False
        turn = self._turn_of(completed, command.events, at=origin, turned_at=machine.now)
        if turn is None:
            return False
        number = state.version + 2
        try:
            request = self._write(loaded, state, turn)
        except Unwritable:
            return False  # the long way names the event
        attempt.last_active = machine.now
        self._hooks.follow(loaded, request, command.events[0], number)
        return True

    def _record_end(
        self,
        loaded: LoadedObject,
        state: ObjectState,
        invocation: InvocationState,
        completed: Any,
        command: c.FinishAttempt,
        origin: Any,
    ) -> bool:
        """Record the end of the wait and of the invocation together, and answer the waiting callers, if the handler has returned and nothing
        else follows. Returns whether they were recorded."""
        machine, outcome = self._machine, command.outcome
        if outcome.kind is not _SUCCEEDED or command.output or not ends_at_once(state, invocation):
            return False
        turn = self._end_of(completed, command.events, outcome.value, at=origin, turned_at=machine.now)
        if turn is None:
            return False
        try:
            ended = self._records.record_last_turn(loaded, state, turn, outcome)
        except Unwritable:
            return False  # the long way names the event
        of = ended.invocation_id
        try:
            self._hooks.end(loaded, of)
            if ended.caller is not None:
                machine.complete_call(loaded, ended.caller, outcome, by=of)
            for waiter in loaded.waiters.pop(of, ()):
                machine.when_durable(partial(waiter.set, outcome))
        except BaseException as error:
            if passes(error):
                raise
            raise effect_lost(ended, loaded.stream, error) from error
        return True


def _stamp_of_step(completed: Any, at: float) -> Stamp:
    return Stamp(at, f"step {completed.step}", completed.invocation_id)


def _nothing(_: object, __: Event) -> Sequence[Effect]:
    """The handler has been given the event."""
    return _NO_EFFECTS
