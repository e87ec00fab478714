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
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs

from actors.core.decide.pauses import beyond_limits
from actors.core.resumed import ends_at_once
from actors.engine.exceptions import effect_lost, passes
from actors.engine.fused_records import FusedRecords
from journal.errors import Unwritable
from journal.events import Outcome, OutcomeKind

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
    from journal.events import Event, Stamp
    from journal.fused import LastTurn, ResumedTurn
    from journal.ids import InvocationId, StepId
    from journal.waits import Requested, TurnPart

_NO_EFFECTS: list[Effect] = []
_SUCCEEDED = OutcomeKind.SUCCEEDED  # a member of an enum takes several times as long to look up as a name of the module


@attrs.frozen(eq=False)
class TurnHooks:
    """The functions to call after a turn.

    ``after_turn`` decides on the commands of a turn, whose completion has the given number. ``went_on`` records that an attempt has taken
    a turn. ``follow`` carries out the effects of a recorded request of an invocation, which is the event with the given number, ``end`` drops the
    attempt of an invocation that has completed, and ``pause_if_too_long`` pauses one whose history is too long.
    """

    after_turn: Callable[[LoadedObject, Attempt, list[Command], int], None]
    went_on: Callable[[LoadedObject, Attempt, float], None]
    follow: Callable[[LoadedObject, InvocationId, Requested, int], None]
    end: Callable[[LoadedObject, InvocationId], None]
    pause_if_too_long: Callable[[LoadedObject, InvocationId], None]


class WaitEnd(Protocol):
    """The end of the only wait of an invocation, which a handler is given before it is recorded."""

    @property
    def step(self) -> StepId:
        """The step of the wait."""
        ...

    @property
    def at(self) -> float:
        """When it ended, in wall seconds."""
        ...

    @property
    def given(self) -> Any:
        """The value that the handler is given."""
        ...

    def recorded(self, of: InvocationId, /) -> tuple[Stamp, Event]:
        """The event of the invocation, and its stamp."""
        ...


W = TypeVar("W", bound=WaitEnd)


class ResumedTurns(Generic[W]):
    """The turns of one processor's handlers that follow at once from the end of a wait. ``ready`` are the handlers that wait for a
    turn."""

    def __init__(
        self, machine: Machine, limits: Limits, faults: Faults, ready: Collection[object], hooks: TurnHooks
    ) -> None:
        self._machine = machine
        self._records = FusedRecords(machine)
        self._limits = limits
        self._faults = faults
        self._ready = ready
        self._hooks = hooks

    def _write_turn(
        self, loaded: LoadedObject, state: ObjectState, of: InvocationId, end: W, parts: Sequence[TurnPart]
    ) -> Requested | None:
        """Write the record of a turn with these parts. Returns its request; None if it must be decided. Raises ``Unwritable``."""
        raise NotImplementedError

    def _last_turn_of(
        self, of: InvocationId, end: W, parts: Sequence[TurnPart], result: bytes
    ) -> LastTurn | ResumedTurn | None:
        """The record of a turn with these parts in which the handler returned; None if it must be decided."""
        raise NotImplementedError

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
        self, loaded: LoadedObject, state: ObjectState, invocation: InvocationState, attempt: Attempt, end: W
    ) -> None:
        """Give the handler the end of its wait, and record the turn."""
        machine, number = self._machine, state.version + 1
        commands = attempt.give(end.step, end.given, number, end.at, machine.now)
        if commands is None:
            execution = attempt.execution
            if not execution.output and not execution.interrupted:
                if execution.result is not None:
                    if self._record_end(loaded, state, invocation, end, execution.progress, execution.result):
                        return
                elif self._record(loaded, state, attempt, end):
                    if loaded.outputs or beyond_limits(invocation, self._limits) is not None:
                        self._hooks.pause_if_too_long(loaded, invocation.invocation_id)
                    return
            commands = attempt.commands()
        stamp, event = end.recorded(invocation.invocation_id)
        machine.apply(loaded, stamp, (event,), _nothing)
        self._hooks.after_turn(loaded, attempt, commands, number)

    def _record(self, loaded: LoadedObject, state: ObjectState, attempt: Attempt, end: W) -> bool:
        """Record the end of the wait and the turn together, if the handler has made one request. Returns whether they were recorded."""
        execution, number = attempt.execution, state.version + 2
        try:
            request = self._write_turn(loaded, state, attempt.invocation_id, end, execution.progress)
        except Unwritable:
            return False  # the long way names the event
        if request is None:
            return False
        execution.progress = []
        attempt.last_active = self._machine.now
        self._hooks.follow(loaded, attempt.invocation_id, request, number)
        return True

    def _record_end(
        self,
        loaded: LoadedObject,
        state: ObjectState,
        invocation: InvocationState,
        end: W,
        parts: Sequence[TurnPart],
        result: bytes,
    ) -> bool:
        """Record the end of the wait and of the invocation together, and answer the waiting callers, if nothing else follows. Returns
        whether they were recorded."""
        machine, of = self._machine, invocation.invocation_id
        turn = self._last_turn_of(of, end, parts, result) if ends_at_once(state, invocation) else None
        if turn is None:
            return False
        outcome = Outcome(_SUCCEEDED, result)
        try:
            ended = self._records.record_last_turn(loaded, state, turn, outcome)
        except Unwritable:
            return False  # the long way names the event
        try:
            self._hooks.end(loaded, of)
            if ended.caller is not None:
                machine.complete_call(loaded, ended.caller, outcome, by=of)
            for waiter in loaded.waiters.pop(of, ()):
                waiter.waiters = None
                machine.when_durable(partial(waiter.set, outcome))
        except BaseException as error:
            if passes(error):
                raise
            raise effect_lost(ended, loaded.stream, error) from error
        return True


def _nothing(_: object, __: Event) -> Sequence[Effect]:
    """The handler has been given the event."""
    return _NO_EFFECTS
