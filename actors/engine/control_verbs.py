"""Takes the verbs of the remote control, such as cancel, restart and purge: decides on them, audits them, and answers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from actors.core import commands as c
from actors.core.decide import unknown_invocation
from actors.core.decide.purge import needed_by
from actors.core.decide.restart import check_not_restarted
from actors.core.state import InvocationState, existing
from actors.engine.restart_history import calls_of
from actors.engine.restart_preparation import prepare_restart, resolve
from actors.errors import ConflictError, ErrorCode
from actors.model.definitions import RUN
from journal.events import ControlResult, Kind, Stamp, Status
from journal.ids import InvocationId, stream_of_invocation

if TYPE_CHECKING:
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.engine.requests import ObjectRequest
    from actors.engine.wait_turns import WaitTurns
    from journal.events import Caller
    from journal.rows import InvocationRow

_RESUMED = ControlResult(True, Status.SUSPENDED, Status.RUNNING)


class ControlVerbs:
    """The verbs on the invocations of one processor's objects. ``turns`` gives a signal to its handler at once."""

    def __init__(self, machine: Machine, turns: WaitTurns) -> None:
        self._machine = machine
        self._turns = turns

    def obey(self, loaded: LoadedObject, request: ObjectRequest, command: Any) -> None:
        of: InvocationId = command.invocation_id
        before = loaded.open_state(of)
        if before is None:
            applied = self._machine.completed.known_row(loaded, of).applied_requests.get(request.stamp.cause)
            if applied is not None:
                self._answer(loaded, request, command.reply_to, of, ControlResult(True, applied, Status.COMPLETED))
                return
            verb = c.VERB_OF_COMMAND[type(command)].value
            raise ConflictError(
                f"{of} has completed, so there is nothing to {verb}. Its outcome can be read; purge deletes it",
                status=Status.COMPLETED,
                code=ErrorCode.ALREADY_COMPLETED,
            )
        status_before = before.status
        applied = before.applied_requests.get(request.stamp.cause)
        if applied is not None:
            self._answer(loaded, request, command.reply_to, of, ControlResult(True, applied, status_before))
            return
        if command.__class__ is c.SignalInvocation and command.reply_to is None:
            told = partial(self._answer, loaded, request, None, of, _RESUMED)
            if self._turns.take(loaded, command, request.stamp, told):
                return
        events = self._machine.decide(loaded, self._resolved(loaded, before, command), request.stamp)
        after = loaded.open_state(of)
        status_after = Status.COMPLETED if after is None else after.status
        self._answer(loaded, request, command.reply_to, of, ControlResult(bool(events), status_before, status_after))

    def _resolved(self, loaded: LoadedObject, invocation: InvocationState, command: c.Decidable) -> c.Decidable:
        """The verb with the values that only this processor knows."""
        match command:
            case c.CancelInvocation(invocation_id=of):
                return c.ResolvedCancel(asked=command, held_back=loaded.held_back.get(of, 0))
            case c.ResumeInvocation(deployment=None):
                return c.ResolvedResume(asked=command)
            case c.ResumeInvocation(deployment=str(wanted)):
                deployment = resolve(self._machine, existing(loaded.state), invocation.handler, wanted)
                return c.ResolvedResume(asked=command, deployment=deployment)
            case _:
                return command

    async def restart(self, loaded: LoadedObject, request: ObjectRequest, command: c.RestartInvocation) -> None:
        of = command.invocation_id
        history = await self._machine.history_of(loaded, of)
        state = loaded.state
        if state is None:
            raise unknown_invocation(of)
        is_made = self._is_known(loaded, command.successor)
        resolved, kept = await prepare_restart(self._machine, loaded, state, command, history, is_made=is_made)
        check_not_restarted(command, self._machine.known(loaded, of).successors)  # another may have been faster
        before = _status_of(loaded, of)
        made = InvocationId("") if command.dry_run else command.successor
        waits = calls_of(history, kept, loaded.open_state(of), self._machine.completed.latest_row)
        successor = attrs.evolve(
            kept.successor(made),
            stopped=waits.stopped,
            spared=waits.spared,
            repeated=waits.repeated,
            deployment=resolved.deployment,
        )
        answer = ControlResult(False, before, before, successor)
        if not command.dry_run and not is_made:
            self._machine.decide(loaded, resolved, request.stamp)
        if not command.dry_run:
            answer = attrs.evolve(answer, changed=True, after=_status_of(loaded, of))
        self._answer(loaded, request, command.reply_to, of, answer)

    def _is_known(self, loaded: LoadedObject, of: InvocationId) -> bool:
        return loaded.open_state(of) is not None or self._machine.completed.row(loaded, of) is not None

    async def purge(self, loaded: LoadedObject, request: ObjectRequest, command: c.PurgeInvocations) -> None:
        ended = [i for i in command.invocation_ids if self._machine.completed.row(loaded, i) is not None]
        is_asked_for = request.stamp.by != "engine"  # the engine purges invocations whose retention is over
        if is_asked_for and not ended and loaded.open_state(command.invocation_ids[0]) is None:
            raise unknown_invocation(command.invocation_ids[0])
        if is_asked_for:
            for (
                invocation_id
            ) in ended:  # a history that cannot be read cannot be erased: refuse before anything is decided
                await self._machine.history_of(loaded, invocation_id)
        over = [i for i in ended if self.may_be_purged(loaded, i)]
        purged = command.invocation_ids if is_asked_for else over
        answer = ControlResult(True, Status.COMPLETED, Status.COMPLETED)
        if purged:
            self._machine.decide(loaded, attrs.evolve(command, invocation_ids=purged), request.stamp)
            self._machine.answer_purge(loaded, request, command, answer)
        elif request.reply is not None:
            self._machine.when_durable(partial(request.reply.set, answer))

    def purge_if_over(self, loaded: LoadedObject, ended: InvocationRow, now: float) -> bool:
        """Purge an invocation whose retention is over now, before the search finds it. Returns whether it was purged, which frees its key."""
        of = ended.invocation_id
        if ended.purge_at is None or now < ended.purge_at or not self.may_be_purged(loaded, of):
            return False
        self._machine.decide(loaded, c.PurgeInvocations(invocation_ids=[of]), Stamp(now, "retention", "engine"))
        return True

    def may_be_purged(self, loaded: LoadedObject, ended: InvocationId) -> bool:
        """Report whether an invocation whose retention is over may be purged: no restart and no key needs it."""
        is_needed = loaded.state is not None and needed_by(loaded.state, ended) is not None
        return not is_needed and not self._leads_to_restart(loaded, ended)

    def _leads_to_restart(self, loaded: LoadedObject, of: InvocationId) -> bool:
        """Report whether the key of a workflow leads from this run to a retained restart. Without the run, the key would start a new run."""
        row = self._machine.completed.row(loaded, of)
        if row is None or row.kind is not Kind.WORKFLOW or row.target.handler != RUN:
            return False
        return self._machine.completed.latest_restart(loaded, of) is not None

    def _answer(
        self,
        loaded: LoadedObject,
        request: ObjectRequest,
        reply_to: Caller | None,
        of: InvocationId,
        answer: ControlResult,
    ) -> None:
        self._machine.audit(request, answer=answer)
        if request.reply is not None:
            self._machine.when_durable(partial(request.reply.set, answer))
        if reply_to is not None:
            command = c.CompleteVerb(invocation_id=reply_to.invocation_id, step=reply_to.step, answer=answer)
            self._machine.deliver(loaded, stream_of_invocation(reply_to.invocation_id), command, by=of)


def _status_of(loaded: LoadedObject, of: InvocationId) -> Status:
    state = loaded.open_state(of)
    return Status.COMPLETED if state is None else state.status
