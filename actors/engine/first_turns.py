"""Runs a call of a free object before anything is decided. ::

    call of a free object ──► first turn of the handler ──┬─ has returned ──► one record: accepted, started, fields, completed
                                                          │
                                                          └─ waits, failed ──► decide: accepted, started; then what the turn asked for

Most calls end in their first turn. If such a call were decided first, its state would be made, indexed and queued, only to be
removed a moment later. So the handler runs first, and what it did is recorded at once.

Invariant: the result is that of the long way, event for event and row for row. What the short way may take is said by
``actors.core.fused``; everything else is decided. Nothing outside learns of the call before its record is on disk, and if the
process dies in the first turn, the call was never accepted.

Prior art: an accumulator in front of a state machine, as a database's single-statement transaction needs no transaction record.
Alternative refused: a shorter ``decide`` and ``evolve`` for these calls. It would describe the same rules twice.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core import effects as f
from actors.core.fused import starts_at_once, whole_invocation
from actors.core.state import ObjectState
from actors.engine.attempt import Attempt
from actors.engine.exceptions import passes
from actors.engine.requests import Accepted
from actors.engine.watchdog import Work
from actors.errors import Interruption
from actors.rows.items import ObjectItems
from actors.values.names import is_system
from journal.errors import BrokenInvariant, Unwritable
from journal.events import FieldsChanged, OutcomeKind

if TYPE_CHECKING:
    from actors.core.commands import Command
    from actors.engine.engine_context import EngineContext
    from actors.engine.executor import Executor
    from actors.engine.faults import Faults
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.engine.requests import ObjectRequest
    from actors.model.app import App
    from actors.model.definitions import Definition, HandlerDefinition

CALLS_A_ROUND = 256
"""How many calls one round runs before they are decided. Calls beyond that are queued, so that a handler that sends to itself
again and again lets others have their turn."""


class FirstTurns:
    """The calls of one processor that may run at once."""

    def __init__(self, machine: Machine, executor: Executor, context: EngineContext, faults: Faults) -> None:
        self._machine = machine
        self._executor = executor
        self._faults = faults
        self._context = context
        self._left = 0

    def begin_round(self) -> None:
        """Let the calls of another round run."""
        self._left = CALLS_A_ROUND

    def take(
        self,
        loaded: LoadedObject,
        request: ObjectRequest,
        command: c.ResolvedInvoke,
        app: App,
        definition: Definition,
        handler: HandlerDefinition,
    ) -> bool:
        """Run the call and record it, if it may run at once. Returns whether it did."""
        state = loaded.state
        if not self._may_run(loaded, command, definition):
            return False
        self._left -= 1
        if state is None:
            target = command.asked.target
            state = ObjectState(service=target.service, key=target.key, kind=command.kind)
        attempt = self._make_attempt(loaded, state, request, command, app, definition, handler)
        if attempt is None:
            return False
        commands = attempt.start(self._machine.now)
        last = commands[0] if len(commands) == 1 else None
        if not isinstance(last, c.FinishAttempt) or not self._record(loaded, request, command, handler, last):
            self._decide(loaded, request, command, attempt, commands)
        return True

    def _may_run(self, loaded: LoadedObject, command: c.ResolvedInvoke, definition: Definition) -> bool:
        machine, in_flight = self._machine, self._context.in_flight
        return (
            self._left > 0
            and machine.gates.are_none
            and not loaded.steps
            and not (in_flight is not None and in_flight.strikes)
            and not self._context.threads.abandoned
            and (loaded.state is not None or not definition.prepared)
            and starts_at_once(loaded.state, command, self._context.limits)
        )

    def _make_attempt(
        self,
        loaded: LoadedObject,
        state: ObjectState,
        request: ObjectRequest,
        command: c.ResolvedInvoke,
        app: App,
        definition: Definition,
        handler: HandlerDefinition,
    ) -> Attempt | None:
        """The attempt, or None if it cannot be made. Then the ordinary path tries again, and pauses the accepted invocation."""
        machine, context, asked = self._machine, self._context, command.asked
        items = ObjectItems(machine.rows, machine.partition.number, loaded.stream, state, beside=None)
        stamp, find = request.stamp, app.find
        try:
            if handler.signature.is_builtin:
                return Attempt.of_call(context, definition, handler, state, asked, stamp, items, find)
            make = partial(Attempt.of_call, context, definition, handler, state, asked, stamp, items, find)
            work = Work(asked.invocation_id, str(asked.target), may_be_interrupted=not is_system(state.service))
            return context.watchdog.run(work, make)
        except Interruption:
            context.watchdog.take_interrupted()
            return None
        except BaseException as error:
            if passes(error):
                raise
            return None

    def _record(
        self,
        loaded: LoadedObject,
        request: ObjectRequest,
        command: c.ResolvedInvoke,
        handler: HandlerDefinition,
        finished: c.FinishAttempt,
    ) -> bool:
        """Record the whole invocation. Returns whether it consists of nothing but changed fields and a result."""
        outcome, events = finished.outcome, finished.events
        if outcome.kind is not OutcomeKind.SUCCEEDED or len(events) > 1:
            return False
        fields: dict[str, bytes] | None = None
        if events:
            if not isinstance(events[0], FieldsChanged):
                return False
            fields = events[0].fields
        machine, asked = self._machine, command.asked
        whole = whole_invocation(
            loaded.state, command, request.stamp, ran_at=machine.now, fields=fields, result=outcome.value
        )
        try:
            machine.record_whole(loaded, whole, retention=handler.options.retention)
        except Unwritable:
            return False  # the ordinary path names the event
        if asked.caller is not None:
            machine.complete_call(loaded, asked.caller, outcome, by=asked.invocation_id)
        if request.reply is not None:
            machine.when_durable(partial(request.reply.set, Accepted(asked.invocation_id, is_new=True)))
        if request.outcome is not None:
            machine.when_durable(partial(request.outcome.set, outcome))
        return True

    def _decide(
        self,
        loaded: LoadedObject,
        request: ObjectRequest,
        command: c.ResolvedInvoke,
        attempt: Attempt,
        commands: list[Command],
    ) -> None:
        """Accept and start the invocation, and apply the requests of its first turn."""
        machine, of = self._machine, command.asked.invocation_id
        try:
            events = machine.decide(loaded, command, request.stamp)
        except BaseException:
            attempt.close()
            raise
        if request.reply is not None:
            machine.when_durable(partial(request.reply.set, Accepted(of, bool(events))))
        if request.outcome is not None:
            loaded.waiters.setdefault(of, []).append(request.outcome)
        _, effect, _ = machine.effects.pop()
        if effect != f.StartAttempt(of):
            raise BrokenInvariant(f"{of} starts at once, and its effect is {effect}")
        try:
            self._executor.adopt(loaded, attempt, commands)
        except BaseException as error:
            if passes(error):
                raise
            self._faults.blame(loaded, of, error)
