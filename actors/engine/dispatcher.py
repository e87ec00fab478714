"""Dispatches requests: finds the object, lets it decide, and answers the client."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.core import commands as c
from actors.core.deadlocks import Edge, ObjectNotLoaded, edges_of_call
from actors.core.decide.work import check_same_request
from actors.core.owed import pending
from actors.core.state import existing
from actors.engine.admission import Admission
from actors.engine.control_verbs import ControlVerbs
from actors.engine.deletions import Deletions
from actors.engine.exceptions import passes
from actors.engine.pause_notices import tell_if_paused
from actors.engine.places import leave_places, return_unused
from actors.engine.refusals import VERBS, Refusals
from actors.engine.requests import Accepted, AuditOnly, AwaitOutcome, DeleteObject, Describe, ObjectRequest
from actors.engine.restart_history import is_to_be_repeated, repetition_of, was_stopped
from actors.engine.row_pauses import RowPauses
from actors.errors import DeadlockError, NotFoundError, TerminalError
from actors.model.info import NOTHING_SPENT, info_of
from actors.rows.index import row_of
from actors.values.failures import failed
from journal.errors import BrokenInvariant, CorruptRecord, Damaged
from journal.events import Kind, Mode
from journal.ids import InvocationId, stream_of_invocation
from journal.rows import InvocationRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from actors.engine.deadlocks import DeadlockDetector
    from actors.engine.engine_context import EngineContext
    from actors.engine.executor import Executor
    from actors.engine.faults import Faults
    from actors.engine.first_turns import FirstTurns
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.engine.waiter import Reply
    from journal.events import Caller, Outcome


class Dispatcher:
    """Passes requests from the inbox to the machine."""

    def __init__(
        self,
        machine: Machine,
        executor: Executor,
        context: EngineContext,
        faults: Faults,
        detector: DeadlockDetector,
        first_turns: FirstTurns,
    ) -> None:
        self._machine = machine
        self.row_pauses = RowPauses(machine, context)
        self._executor = executor
        self._first_turns = first_turns
        self._refusals = Refusals(machine, faults)
        self._admission = Admission(machine, context, executor.code_waits, self._refusals)
        self._detector = detector
        self._verbs = ControlVerbs(machine, executor.wait_turns)
        self.deletions = Deletions(machine, self._refusals)

    async def take(self, request: ObjectRequest) -> None:
        """Dispatch a request to the function for its kind."""
        cache = self._machine.cache
        loaded = cache.loaded.get(request.to)
        if loaded is None or loaded.damage is not None:
            if isinstance(request.command, AwaitOutcome) and self._tell_by_row(request.command):
                return
            loaded = loaded or await cache.get(request.to)
        cache.loaded.move_to_end(request.to)  # as present() does
        try:
            if loaded.damage is not None:
                is_done = self._refusals.turn_away(loaded, request, loaded.damage)
                leave_places(self._machine.places, loaded)
            elif (command := request.command).__class__ in _TAKEN_LATER:
                is_done = await self._read_and_take(loaded, request)
            else:
                try:
                    _TAKEN.get(command.__class__, Dispatcher._decide)(self, loaded, request, command)
                    is_done = True
                except ObjectNotLoaded as missing:
                    is_done = await self._read_and_take(loaded, request, missing)
                except (TerminalError, CorruptRecord, Damaged) as refusal:
                    is_done = self._refusals.turn_down(loaded, request, refusal)
            if self._machine.effects:
                self._executor.carry_out()
        except BaseException as error:
            if passes(error):
                raise
            is_done = self._refusals.blame(loaded, request, error)
        if request.position is not None:
            if is_done:
                self._machine.consume(loaded, request.position)  # otherwise its message stays in the inbox
        elif not is_done:
            self._refusals.keep(request)
        elif ((state := loaded.state) is None or state.key is None) and loaded.is_over and loaded.is_idle:
            self._machine.cache.forget(loaded.stream)

    async def _read_and_take(
        self, loaded: LoadedObject, request: ObjectRequest, missing: ObjectNotLoaded | None = None
    ) -> bool:
        """Handle a request that needs more than the object has in memory. Returns whether it is finished and need not
        be delivered again."""
        try:
            if isinstance(request.command, c.RestartInvocation):
                await self._verbs.restart(loaded, request, request.command)
            elif isinstance(request.command, c.PurgeInvocations):
                await self._verbs.purge(loaded, request, request.command)
            elif missing is not None:
                await self._take_with(loaded, request, missing)
        except (TerminalError, CorruptRecord, Damaged) as refusal:
            return self._refusals.turn_down(loaded, request, refusal)
        return True

    async def _take_with(self, loaded: LoadedObject, request: ObjectRequest, missing: ObjectNotLoaded) -> None:
        """Handle the request once every object that it depends on is loaded."""
        try:
            while True:
                await self._detector.load(missing.stream)
                try:
                    _TAKEN.get(request.command.__class__, Dispatcher._decide)(self, loaded, request, request.command)
                except ObjectNotLoaded as another:
                    missing = another
                else:
                    return
        finally:
            self._detector.forget()

    def _decide(self, loaded: LoadedObject, request: ObjectRequest, command: c.Decidable) -> None:
        self._machine.decide(loaded, command, request.stamp)

    def _note(self, loaded: LoadedObject, request: ObjectRequest, note: AuditOnly) -> None:
        self._machine.audit(request, changed=not note.refusal, refusal=note.refusal)
        self._machine.when_durable(partial(note.reply.set, None))

    def _start_waiting(self, loaded: LoadedObject, request: ObjectRequest, command: c.StartWaiting) -> None:
        if loaded.state is not None:
            self._machine.decide(loaded, command, request.stamp)
            self._machine.owe(loaded, pending(loaded.state, self._machine.gates))
        if self._machine.places.is_active:
            return_unused(self._machine.places, self._machine.gates, loaded)
        if request.reply is not None:
            self._machine.when_durable(partial(request.reply.set, None))

    # Invocations.

    def _invoke(self, loaded: LoadedObject, request: ObjectRequest, command: c.Invoke) -> None:
        service = command.target.service
        try:
            deployment, app, definition, handler = self._machine.applications.new_work[service, command.target.handler]
        except NotFoundError as error:
            deployment, app, definition, handler = self._admission.work_of_older_code(loaded, command, error)
        max_duration, longest = command.max_duration, handler.options.max_duration
        if max_duration is None or (longest is not None and longest < max_duration):
            max_duration = longest
        resolved = c.ResolvedInvoke(
            asked=command,
            kind=definition.kind,
            mode=Mode.SHARED if command.debounce is not None and definition.kind is Kind.SERVICE else handler.mode,
            atomic=handler.options.atomic,
            deployment=deployment,
            max_duration=max_duration,
        )
        if (
            request.is_fresh
            and request.act is None
            and max_duration is None
            and self._first_turns.take(loaded, request, resolved, app, definition, handler)
        ):
            return
        ended = None if request.is_fresh else self._machine.completed.row(loaded, command.invocation_id)
        if ended is not None and not request.is_second and self._verbs.purge_if_over(loaded, ended, request.stamp.at):
            # Taken again after the purge, which reads the history, and in the same batch; its message is consumed then.
            again = msgspec.structs.replace(request, is_second=True)
            self._machine.deliveries.add(loaded, again)
            request.position = None
            return
        if definition.is_once(handler) and self._lead_to_restart(loaded, request, command, ended):
            return
        if ended is not None:
            check_same_request(ended.argument_digest, command)
            latest = self._latest_of(loaded, command, ended)
            if isinstance(latest, InvocationRow):
                self._repeat_answer(loaded, request, command, latest)
            else:
                self._call_again(loaded, request, command, latest)
            return
        if command.caller is not None:
            edges = edges_of_call(loaded.state, resolved)
            if edges:
                self._detector.refuse(edges, str(command.target))
        if resolved.mode is Mode.UPDATE:
            if (admitted := self._admission.admitted(loaded, request, resolved)) is None:
                return
            resolved = admitted
        events = self._machine.decide(loaded, resolved, request.stamp)
        if request.act is not None:
            self._machine.audit(request, changed=bool(events))
        if request.reply is not None:
            accepted = Accepted(command.invocation_id, bool(events))
            self._machine.when_durable(partial(request.reply.set, accepted))
        if request.outcome is not None:
            self._wait(loaded, command.invocation_id, request.outcome)

    def _start_due(self, loaded: LoadedObject, request: ObjectRequest, command: c.StartDue) -> None:
        """Queue a delayed message that is due. If its caller holds the key that it needs, the call fails (deadlock) and
        the message stays."""
        deadlocks = [*self._deadlocks_when_due(loaded, command.invocation_id)]
        self._machine.decide(loaded, command, request.stamp)
        for caller, error in deadlocks:
            self._machine.complete_call(loaded, caller, failed(error))

    def _expire(self, loaded: LoadedObject, request: ObjectRequest, command: c.ExpireInvocation) -> None:
        held_back = loaded.held_back.get(command.invocation_id, 0)
        self._machine.decide(loaded, attrs.evolve(command, held_back=held_back), request.stamp)

    def _deadlocks_when_due(self, loaded: LoadedObject, of: InvocationId) -> Iterator[tuple[Caller, DeadlockError]]:
        state, due = loaded.state, loaded.open_state(of)
        if state is None or due is None or state.holder is None or due.mode is Mode.SHARED:
            return
        for caller in due.attached if due.caller is None else [due.caller, *due.attached]:
            edges = [Edge(caller.invocation_id, of, 0.0, caller.step), Edge(of, state.holder, 0.0)]
            try:
                self._detector.refuse(edges, f"{state.name}/{due.handler}")
            except DeadlockError as error:
                yield caller, error

    def _repeat_answer(
        self, loaded: LoadedObject, request: ObjectRequest, command: c.Invoke, ended: InvocationRow
    ) -> None:
        """Answer a repeated request whose invocation has completed."""
        if ended.outcome is None:
            raise BrokenInvariant("the row of a completed invocation has no outcome")
        self._machine.audit(request, changed=False)
        if request.reply is not None:
            self._machine.when_durable(partial(request.reply.set, Accepted(command.invocation_id, is_new=False)))
        if request.outcome is not None:
            self._machine.when_durable(partial(request.outcome.set, ended.outcome))
        if command.caller is not None:
            self._machine.complete_call(loaded, command.caller, ended.outcome)

    def _lead_to_restart(
        self, loaded: LoadedObject, request: ObjectRequest, command: c.Invoke, ended: InvocationRow | None
    ) -> bool:
        """Answer the request of a workflow's run by the latest restart of the run, if there is one. Returns whether there is."""
        opened = loaded.open_state(command.invocation_id)
        first = ended if opened is None else opened
        latest = None if first is None else self._machine.completed.latest_restart(loaded, command.invocation_id)
        if first is None or latest is None:
            return False
        check_same_request(first.argument_digest, command)
        self._machine.audit(request, changed=False)
        if request.reply is not None:
            self._machine.when_durable(partial(request.reply.set, Accepted(latest, is_new=False)))
        if request.outcome is not None:
            self._watch(loaded, request, AwaitOutcome(latest, request.outcome))
        if command.caller is not None:
            self._call_again(loaded, request, command, c.Attach(invocation_id=latest, by=command.caller))
        return True

    def _latest_of(self, loaded: LoadedObject, command: c.Invoke, ended: InvocationRow) -> InvocationRow | c.Command:
        """The row that answers a repeated request: that of the completed invocation. If the call is made again by a restart and
        was stopped with the caller's earlier invocation, how to repeat it."""
        if command.caller is None or not is_to_be_repeated(ended, command.repeats, self._machine.completed.latest_row):
            return ended
        while ended.successors:
            row = self._machine.completed.row(loaded, ended.successors[-1])
            if row is None:
                return c.Attach(invocation_id=ended.successors[-1], by=command.caller)
            ended = row
        return repetition_of(ended, command) if was_stopped(ended) else ended

    def _call_again(self, loaded: LoadedObject, request: ObjectRequest, command: c.Invoke, by: c.Command) -> None:
        """Let the caller wait for the invocation that replaces the stopped one."""
        caller = command.caller
        if caller is None:
            raise BrokenInvariant("a call to repeat has no caller")
        if not isinstance(by, (c.Attach, c.RestartInvocation)):
            raise BrokenInvariant("a repeated call is answered neither by an attach nor by a restart")
        callee = by.invocation_id if isinstance(by, c.Attach) else by.successor
        handed_over = c.TransferCall(invocation_id=caller.invocation_id, step=caller.step, callee=callee)
        self._machine.deliver(loaded, stream_of_invocation(caller.invocation_id), handed_over, by=command.invocation_id)
        self._machine.deliver(loaded, request.to, by, by=caller.invocation_id)

    # Steps, calls and timers.

    def _complete_step(self, loaded: LoadedObject, request: ObjectRequest, command: c.CompleteStep) -> None:
        if not self._executor.step_turns.take_end(loaded, command, request.stamp.at):
            self._machine.decide(loaded, command, request.stamp)

    def _end_wait(self, loaded: LoadedObject, request: ObjectRequest, command: c.CompleteCall | c.FireTimer) -> None:
        if not self._executor.wait_turns.take(loaded, command, request.stamp):
            self._machine.decide(loaded, command, request.stamp)

    # Questions.

    def _watch(self, loaded: LoadedObject, _: ObjectRequest, watch: AwaitOutcome) -> None:
        if loaded.open_state(watch.invocation_id) is not None:
            self._wait(loaded, watch.invocation_id, watch.waiter)
            return
        ended = self._machine.completed.known_row(loaded, watch.invocation_id)
        if ended.outcome is None:
            raise BrokenInvariant("the row of a completed invocation has no outcome")
        self._machine.when_durable(partial(watch.waiter.set, ended.outcome))

    def _tell_by_row(self, watch: AwaitOutcome) -> bool:
        """Answer by the row of the invocation, if that has its outcome. Returns whether it has."""
        outcome = self._machine.completed.stored_outcome(watch.invocation_id)
        if outcome is not None:
            self._machine.when_durable(partial(watch.waiter.set, outcome))
        return outcome is not None

    def _wait(self, loaded: LoadedObject, of: InvocationId, waiter: Reply[Outcome]) -> None:
        loaded.waiters.add(of, waiter)
        if waiter.leaves_at_pause:
            tell_if_paused(loaded, of, waiter, self._machine.when_durable)

    def _look(self, loaded: LoadedObject, _: ObjectRequest, look: Describe) -> None:
        open_state = loaded.open_state(look.invocation_id)
        executor = self._executor
        left = executor.steps.left_behind(loaded, look.invocation_id)
        if open_state is None:
            row = self._machine.completed.known_row(loaded, look.invocation_id)
            info = info_of(row, None, left=left, budget_spent=self._spent_of_budget(row))
        else:
            row = row_of(existing(loaded.state), open_state)
            doing, code_wait = executor.steps.doing(loaded, open_state), executor.code_waits.of(open_state)
            info = info_of(
                row,
                open_state,
                self._machine.gates,
                state=loaded.state,
                doing=doing,
                code_wait=code_wait,
                circle=self._detector.around(look.invocation_id),
                left=left,
                limit_wait=self._machine.places.wait_of(look.invocation_id),
                budget_spent=self._spent_of_budget(row),
            )
        self._machine.when_durable(partial(look.reply.set, info))

    def _spent_of_budget(self, row: InvocationRow) -> Mapping[str, str]:
        return NOTHING_SPENT if row.budget is None else self._machine.budgets.of_invocation(row.invocation_id)

    # Verbs.

    def _obey(self, loaded: LoadedObject, request: ObjectRequest, command: Any) -> None:
        self._verbs.obey(loaded, request, command)

    def _delete_object(self, loaded: LoadedObject, request: ObjectRequest, command: DeleteObject) -> None:
        self.deletions.take(loaded, request, command)

    def _attach(self, loaded: LoadedObject, request: ObjectRequest, command: c.Attach) -> None:
        ended = self._machine.completed.row(loaded, command.invocation_id)
        if ended is None:
            opened = loaded.open_state(command.invocation_id)
            if opened is not None and loaded.state is not None:
                edge = Edge(command.by.invocation_id, opened.invocation_id, 0.0, command.by.step)
                self._detector.refuse([edge], f"{loaded.state.name}/{opened.handler}")
            self._machine.decide(loaded, command, request.stamp)
            return
        if ended.outcome is None:
            raise BrokenInvariant("the row of a completed invocation has no outcome")
        self._machine.complete_call(loaded, command.by, ended.outcome)


_TAKEN_LATER = frozenset({c.RestartInvocation, c.PurgeInvocations})
"""The requests that read histories of invocations."""

_TAKEN: dict[type, Callable[[Dispatcher, LoadedObject, ObjectRequest, Any], None]] = {
    AwaitOutcome: Dispatcher._watch,
    Describe: Dispatcher._look,
    AuditOnly: Dispatcher._note,
    DeleteObject: Dispatcher._delete_object,
    c.StartWaiting: Dispatcher._start_waiting,
    c.StartDue: Dispatcher._start_due,
    c.ExpireInvocation: Dispatcher._expire,
    c.Invoke: Dispatcher._invoke,
    c.Attach: Dispatcher._attach,
    c.CompleteStep: Dispatcher._complete_step,
    c.CompleteCall: Dispatcher._end_wait,
    c.FireTimer: Dispatcher._end_wait,
    **dict.fromkeys(VERBS, Dispatcher._obey),
}
"""The handler of each kind of request. A command that is missing here is decided directly: it comes from the object itself or
from another object."""
