"""Runs a call of a free object before anything is decided. ::

    call of a free object ──► first turn ──┬─ has returned ──► one record: accepted, started, fields, completed
                                           ├─ requests one thing ──► one record: accepted, started, scheduled, fields
                                           └─ anything else ──► decide: accepted, started; then the commands of the turn

Most calls end in their first turn. If such a call were decided first, its state would be created, indexed and queued, and removed a
moment later. So the handler runs first, and the whole call is recorded at once. Most other calls make one request in their first turn,
such as a step: the call and that request are recorded together.

Invariant: the result is that of the long way, event for event and row for row, with one exception: if a turn sends two messages to one
object, the first may run before the second is accepted. ``actors.core.fused`` has the conditions of the short way; all other calls are
decided. Nothing outside learns of the call before its record is on disk, and if the process dies in the first turn, the call was never
accepted.

Prior art: the fast path of a free lock (futex), which does not touch the queue of waiters.
Alternative refused: a shorter ``decide`` and ``evolve`` for these calls. It would describe the same rules twice.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from outcome import Value
from trio._core._run import GLOBAL_RUN_CONTEXT  # trio has no public way to run code outside of every task

from actors.core import commands as c
from actors.core import effects as f
from actors.core.fused import opened_invocation, starts_at_once, whole_invocation
from actors.core.state import ObjectState
from actors.engine.attempt import Attempt
from actors.engine.exceptions import effect_lost, passes
from actors.engine.fused_records import FusedRecords
from actors.engine.handler_object import instance_of, root_of, view_type
from actors.engine.requests import Accepted
from actors.engine.watchdog import Work
from actors.errors import Interruption
from actors.model.field_view import FieldView
from actors.replay.first_branch import FirstBranch
from actors.rows.items import ObjectItems
from actors.values.names import is_system
from journal.errors import BrokenInvariant, Unwritable
from journal.events import FieldsChanged, Outcome, OutcomeKind, PauseCause
from journal.in_flight import TURN_BYTES

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
    from journal.events import Event
    from journal.ids import InvocationId

_attempt_of_call = Attempt.of_call


class FirstTurns:
    """The calls of one processor that may run at once."""

    def __init__(self, machine: Machine, executor: Executor, context: EngineContext, faults: Faults) -> None:
        self._machine = machine
        self._records = FusedRecords(machine)
        self._executor = executor
        self._faults = faults
        self._context = context

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
        state, context = loaded.state, self._context
        if (
            self._machine.calls_left <= 0
            or not self._machine.gates.are_none
            or (self._machine.places.is_active and self._is_limited(command.asked))
            or loaded.steps
            or (context.in_flight is not None and context.in_flight.strikes)
            or context.threads.abandoned
            or (state is None and definition.prepared)
            or not starts_at_once(state, command, context.limits)
        ):
            return False
        self._machine.calls_left -= 1
        if state is None:
            target = command.asked.target
            state = ObjectState(service=target.service, key=target.key, kind=command.kind)
        branch = self._branch(loaded, state, request, command, app, definition, handler)
        if branch is None:
            return False
        watchdog, trio_context = context.watchdog, GLOBAL_RUN_CONTEXT.__dict__
        commands: list[Command] | None
        task = trio_context.pop("task")  # as outside_trio() does
        try:
            commands = watchdog.run(branch, branch.take_turn)
        except Interruption:
            commands = []
        except BaseException as error:  # from its values or from its classes of errors, as in Attempt
            if passes(error):
                raise
            commands = [branch.attempt().hold(PauseCause.HANDLER, error)]
        finally:
            trio_context["task"] = task
        if watchdog.interrupted is not None:
            commands = [branch.attempt().hold_for_blocking()]
        fields, result = (branch.fields, branch.result) if commands is None else _end_in(commands)
        if result is None or not self._record(loaded, request, command, handler, fields, result):
            if commands is None:
                commands = [_finished(branch)]
            attempt = branch.attempt()
            if result is not None or not self._open(loaded, request, command, attempt, commands):
                self._decide(loaded, request, command, attempt, commands)
        return True

    def _is_limited(self, asked: c.Invoke) -> bool:
        target = asked.target
        return self._machine.places.concerns(target.service, target.key, target.handler, asked.tags)

    def _branch(
        self,
        loaded: LoadedObject,
        state: ObjectState,
        request: ObjectRequest,
        command: c.ResolvedInvoke,
        app: App,
        definition: Definition,
        handler: HandlerDefinition,
    ) -> FirstBranch[Attempt] | None:
        """The branch of the handler. None if its argument cannot be decoded: then the long way tries again, and pauses
        the accepted invocation."""
        machine, context, asked = self._machine, self._context, command.asked
        of, signature, watchdog = asked.invocation_id, handler.signature, context.watchdog
        service, key = state.service, state.key
        name = f"{service}/{asked.target.handler}" if key is None else f"{service}/{key}/{asked.target.handler}"
        is_users = not is_system(service)
        try:
            if signature.is_builtin:
                arguments = signature.arguments(asked.argument, asked.parameter)
            else:
                work = Work(of, name, may_be_interrupted=is_users)
                arguments = watchdog.run(work, signature.arguments, asked.argument, asked.parameter)
        except Interruption:
            watchdog.take_interrupted()
            return None
        except BaseException as error:
            if passes(error):
                raise
            return None
        if loaded.looked_at_for is not definition:
            loaded.looked_at_for = definition
            if state.fields or state.lengths or state.maps:
                context.undeclared.look(state, definition)
        view_of = view_type(definition, state) if definition.field_aliases else FieldView
        view = view_of(
            of,
            state.fields,
            partial(ObjectItems, machine.rows, machine.partition.number, loaded.stream, state),
            context.limits.payload_bytes if is_users else sys.maxsize,
            definition.prepared,
        )
        coroutine = root_of(handler, instance_of(definition, state, view), view, arguments, context.limits)
        make = partial(_attempt_of_call, context, definition, handler, state, asked, request.stamp, view, app.find)
        mark = b"" if context.in_flight is None else of.encode().ljust(TURN_BYTES, b"\0")  # as turn_mark() does
        return FirstBranch(of, name, coroutine, view, make, machine.now, mark, is_users)

    def _record(
        self,
        loaded: LoadedObject,
        request: ObjectRequest,
        command: c.ResolvedInvoke,
        handler: HandlerDefinition,
        fields: dict[str, bytes],
        result: bytes,
    ) -> bool:
        """Record the whole invocation. Returns whether that was possible."""
        machine, asked = self._machine, command.asked
        whole = whole_invocation(
            loaded.state, command, request.stamp, ran_at=machine.now, fields=fields or None, result=result
        )
        try:
            outcome = self._records.record_whole(loaded, asked.target, whole, retention=handler.options.retention)
        except Unwritable:
            return False  # the long way names the event
        if asked.caller is not None:
            try:
                machine.complete_call(loaded, asked.caller, outcome, by=asked.invocation_id)
            except BaseException as error:
                if passes(error):
                    raise
                raise effect_lost(asked.caller, loaded.stream, error) from error
        released = machine.batch.released  # as when_durable() does
        if request.reply is not None:
            released.append(partial(request.reply.answer, Value(Accepted(asked.invocation_id, is_new=True))))
        if request.outcome is not None:
            released.append(partial(request.outcome.answer, Value(outcome)))
        return True

    def _open(
        self,
        loaded: LoadedObject,
        request: ObjectRequest,
        command: c.ResolvedInvoke,
        attempt: Attempt,
        commands: list[Command],
    ) -> bool:
        """Record the invocation and its first turn, if its handler has requested one thing. Returns whether it has."""
        if len(commands) != 1 or attempt.execution.interrupted:
            return False
        progress, machine, of = commands[0], self._machine, command.asked.invocation_id
        if not isinstance(progress, c.RecordProgress) or progress.output:
            return False
        opened = opened_invocation(loaded.state, command, request.stamp, progress.events, ran_at=machine.now)
        if opened is None:
            return False
        try:
            number = self._records.record_opened(loaded, opened)
        except Unwritable:
            return False  # the long way names the event
        self._promise(loaded, request, of, is_new=True)
        self._executor.adopt_opened(loaded, attempt, opened.request, number)
        return True

    def _promise(self, loaded: LoadedObject, request: ObjectRequest, of: InvocationId, *, is_new: bool) -> None:
        """Tell the client that the invocation is accepted once it is durable, and keep the replies that wait for its outcome."""
        if request.reply is not None:
            self._machine.when_durable(partial(request.reply.set, Accepted(of, is_new)))
        if request.outcome is not None:
            loaded.waiters.add(of, request.outcome)

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
        self._promise(loaded, request, of, is_new=bool(events))
        _, effect, _ = machine.effects.pop()
        if effect != f.StartAttempt(of):
            raise BrokenInvariant(f"{of} starts at once, and its effect is {effect}")
        try:
            self._executor.adopt(loaded, attempt, commands)
        except BaseException as error:
            if passes(error):
                raise
            self._faults.blame(loaded, of, error)


def _end_in(commands: list[Command]) -> tuple[dict[str, bytes], bytes | None]:
    """The changed fields and the result, if the commands have only these; otherwise no result."""
    match commands:
        case [c.FinishAttempt(events=[], output=[], outcome=Outcome(OutcomeKind.SUCCEEDED, result))]:
            return {}, result
        case [
            c.FinishAttempt(
                events=[FieldsChanged(fields=fields)], output=[], outcome=Outcome(OutcomeKind.SUCCEEDED, result)
            )
        ]:
            return fields, result
        case _:
            return {}, None


def _finished(branch: FirstBranch[Attempt]) -> Command:
    """The end of a handler that has returned without a driver, for ``decide``."""
    of, fields, result = branch.invocation_id, branch.fields, branch.result
    if result is None:
        raise BrokenInvariant("a handler that has asked for nothing has returned")
    changed: list[Event] = [FieldsChanged(invocation_id=of, fields=fields)] if fields else []
    return c.FinishAttempt(invocation_id=of, events=changed, outcome=Outcome(OutcomeKind.SUCCEEDED, result))
