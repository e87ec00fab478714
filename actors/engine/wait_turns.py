"""Gives the outcome of a call, the end of a sleep, or a signal to the waiting handler before anything is decided
(``actors.engine.resumed_turns``).

This happens while requests are taken, at the point at which the end of the wait would be decided. On the long way the handler takes its
turn after all messages between objects have been taken, so the short way is closed while one of these messages is for the same object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from actors.core import commands as c
from actors.core.decide.calls import signal_invocation
from actors.core.resumed import resumed_end, resumed_turn, resumes_at_once
from actors.engine.resumed_turns import ResumedTurns
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import Stamp, Status
from journal.ids import StepId
from journal.waits import Ended, ended_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.core.state import InvocationState, ObjectState
    from actors.engine.loaded_object import LoadedObject
    from journal.events import Event
    from journal.fused import ResumedTurn
    from journal.ids import InvocationId
    from journal.waits import Requested, TurnPart

WaitEnd: TypeAlias = c.CompleteCall | c.FireTimer | c.SignalInvocation
"""The commands that end a wait."""

_SUSPENDED = Status.SUSPENDED  # a member of an enum takes several times as long to look up as a name of the module


class _EndOfWait(msgspec.Struct, eq=False):
    """The end of a call, of a sleep, or of the wait for a signal. ``ended`` is the event, which the handler is ``given``, as a part of a
    frame."""

    step: StepId
    at: float
    given: e.CallCompleted | e.TimerFired | e.SignalReceived
    ended: Ended
    stamp: Stamp

    def recorded(self, _: InvocationId, /) -> tuple[Stamp, Event]:
        """The event, and its stamp."""
        return self.stamp, self.given


class WaitTurns(ResumedTurns[_EndOfWait]):
    """The turns of one processor's handlers that follow at once from the end of a call, of a sleep, or of the wait for a signal."""

    def take(
        self, loaded: LoadedObject, command: WaitEnd, stamp: Stamp, told: Callable[[], None] | None = None
    ) -> bool:
        """Give the end of a wait to its handler, if no earlier event waits. Returns whether the handler took its turn. ``told`` is called before
        the turn. Raises ``RefusedError`` for a signal that cannot be taken."""
        of, state, machine = command.invocation_id, loaded.state, self._machine
        attempt = loaded.attempts.get(of)
        if attempt is None or state is None or machine.waits_left <= 0:
            return False
        invocation = state.invocations.get(of)
        if (
            invocation is None
            or len(invocation.waits) != 1
            or invocation.status is not _SUSPENDED
            or machine.places.is_active
            or not self._is_first(loaded)
            or machine.deliveries.has_one_for(loaded.stream)
        ):
            return False
        completed = self._end_in(state, invocation, command)
        ended = ended_in(completed)
        if ended is None or not resumes_at_once(invocation, completed, stamp, attempt.seen):
            return False
        parked = attempt.execution.parked.get(ended.step)
        if parked is None or parked.interruption is not None:
            return False
        machine.waits_left -= 1
        if told is not None:
            told()
        end = _EndOfWait(ended.step, stamp.at, completed, ended, stamp)
        self._resume(loaded, state, invocation, attempt, end)
        if loaded.attempts.get(of) is attempt:
            self._hooks.went_on(loaded, attempt, machine.now)
        return True

    def _write_turn(
        self, loaded: LoadedObject, state: ObjectState, of: InvocationId, end: _EndOfWait, parts: Sequence[TurnPart]
    ) -> Requested | None:
        turn = resumed_turn(of, (end.ended, end.stamp), parts, turned_at=self._machine.now)
        return None if turn is None else self._records.record_resumed_turn(loaded, state, turn)

    def _last_turn_of(
        self, of: InvocationId, end: _EndOfWait, parts: Sequence[TurnPart], result: bytes
    ) -> ResumedTurn | None:
        return resumed_end(of, (end.ended, end.stamp), parts, result, turned_at=self._machine.now)

    def _end_in(
        self, state: ObjectState, invocation: InvocationState, command: WaitEnd
    ) -> e.CallCompleted | e.TimerFired | e.SignalReceived:
        """The event that would be decided if the invocation waits for it."""
        if isinstance(command, c.CompleteCall):
            return e.CallCompleted(invocation_id=command.invocation_id, step=command.step, outcome=command.outcome)
        if isinstance(command, c.FireTimer):
            return e.TimerFired(invocation_id=command.invocation_id, step=command.step)
        (received,) = signal_invocation(state, invocation, command, self._machine.now, self._limits)
        if not isinstance(received, e.SignalReceived):
            raise BrokenInvariant(f"a signal is recorded as {type(received).__name__}")
        return received
