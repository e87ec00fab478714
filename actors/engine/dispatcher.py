"""Takes in what arrives: finds the object, lets it decide, and answers the client."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from actors.core import commands as c
from actors.core.deadlocks import Edge, NotAtHand, edges_of_call
from actors.core.decide import check_same_request, needed_by, unknown_invocation
from actors.core.react import pending
from actors.core.state import existing
from actors.engine.batch import postponed_letter
from actors.engine.containment import passes
from actors.engine.index import row_of
from actors.engine.requests import Accepted, Arrival, Look, Note, Watch
from actors.engine.restart_beginning import calls_of, is_to_be_repeated, repetition_of, was_stopped
from actors.engine.restart_preparation import prepare_restart, resolve
from actors.errors import (
    ActorError,
    AlreadyCompletedError,
    DeadlockError,
    InternalError,
    InvalidArgumentError,
    MailboxFullError,
    ObjectSetAsideError,
    TerminalError,
    UnavailableError,
    UnknownHandlerError,
    UnknownServiceError,
)
from actors.model.info import info_of
from actors.values.failures import failed, failure_of, text_of, type_of
from journal.errors import BrokenInvariant, CorruptRecord, Damaged, Unwritable
from journal.events import Answer, Mode, Status
from journal.ids import InvocationId, stream_of_invocation
from journal.rows import InvocationRow
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.core.state import InvocationState
    from actors.engine.containment import Containment
    from actors.engine.deadlocks import Circles
    from actors.engine.loaded_object import Resident
    from actors.engine.machine import Ledger
    from actors.engine.waiter import Waiter
    from journal.events import Caller, Outcome

log = SafeLogger(__name__)

_POSTPONE_SECONDS = 1.0
_PASSING = (InternalError, UnavailableError, MailboxFullError, UnknownServiceError, UnknownHandlerError)
"""Refusals that may be over later: there is room again, or other code is served."""

_VERBS = (
    c.CancelInvocation,
    c.KillInvocation,
    c.PauseInvocation,
    c.ResumeInvocation,
    c.SignalInvocation,
)


class Reception:
    """Between the inbox and the ledger."""

    def __init__(self, ledger: Ledger, containment: Containment, circles: Circles) -> None:
        self._ledger = ledger
        self._containment = containment
        self._circles = circles

    async def take(self, arrival: Arrival) -> None:
        """Take one arrival in."""
        directory = self._ledger.directory
        resident = directory.present(arrival.to)
        if resident is None:
            resident = await directory.get(arrival.to)
        try:
            if resident.damage is not None:
                is_done = self._turn_away(resident, arrival, _set_aside(arrival, resident.damage))
            elif arrival.command.__class__ in _TAKEN_LATER:
                is_done = await self._read_and_take(resident, arrival)
            else:
                try:
                    self._take(resident, arrival)
                    is_done = True
                except NotAtHand as missing:
                    is_done = await self._read_and_take(resident, arrival, missing)
                except (TerminalError, CorruptRecord, Damaged) as refusal:
                    is_done = self._turned_down(resident, arrival, refusal)
        except BaseException as error:
            if passes(error):
                raise
            is_done = self._blame(resident, arrival, error)
        if arrival.position is not None:
            if is_done:
                self._ledger.consume(resident, arrival.position)  # else the letter stays where it is
        elif not is_done:
            self._keep(arrival)
        elif resident.is_over and resident.is_idle:
            self._ledger.directory.forget(resident.stream)

    async def _read_and_take(self, resident: Resident, arrival: Arrival, missing: NotAtHand | None = None) -> bool:
        """Take in what needs more than the object has in memory; whether it has been dealt with, and need not come again."""
        try:
            if isinstance(arrival.command, c.RestartInvocation):
                await self._restart(resident, arrival, arrival.command)
            elif isinstance(arrival.command, c.PurgeInvocations):
                await self._purge(resident, arrival, arrival.command)
            elif missing is not None:
                await self._take_with(resident, arrival, missing)
        except (TerminalError, CorruptRecord, Damaged) as refusal:
            return self._turned_down(resident, arrival, refusal)
        return True

    def _turned_down(
        self, resident: Resident, arrival: Arrival, refusal: TerminalError | CorruptRecord | Damaged
    ) -> bool:
        """Say why it is not taken in; whether it has been dealt with."""
        if isinstance(refusal, TerminalError):
            self._refuse(resident, arrival, refusal)
            return True
        return self._turn_away(resident, arrival, _set_aside(arrival, refusal))

    def _turn_away(self, resident: Resident, arrival: Arrival, refusal: ObjectSetAsideError) -> bool:
        """What the object needs cannot be read. Who asked is told, and then nothing of it may be done later; anything else waits for
        the repair. Whether it has been dealt with."""
        if not _is_asked_for(arrival):
            return False
        self._refuse(resident, arrival, refusal)
        return True

    def _keep(self, arrival: Arrival) -> None:
        """It cannot be taken in now, and no letter has it: it comes again as one."""
        if c.can_be_sent(arrival.command):
            again_at = self._ledger.now + _POSTPONE_SECONDS
            epoch = self._ledger.partition.epoch
            self._ledger.send(postponed_letter(arrival.to, again_at, arrival.command, arrival.stamp, epoch=epoch))

    async def _take_with(self, resident: Resident, arrival: Arrival, missing: NotAtHand) -> None:
        """Take it in once what must be known of other objects is loaded."""
        try:
            while True:
                await self._circles.load(missing.stream)
                try:
                    self._take(resident, arrival)
                except NotAtHand as another:
                    missing = another
                else:
                    return
        finally:
            self._circles.forget()

    def _blame(self, resident: Resident, arrival: Arrival, error: BaseException) -> bool:
        """Taking it in has raised. Those who asked are told; where nobody did, its invocation is paused, or its object set aside.
        Whether it has been dealt with."""
        if isinstance(arrival.command, c.StartWaiting):
            self._containment.blame(resident, None, error, is_whole=True)
            if arrival.reply is not None:
                self._ledger.when_durable(partial(arrival.reply.set, None))  # it is told that all have begun that can
            return True
        if _is_asked_for(arrival):
            self._containment.blame(resident, None, error)
            self._refuse_because_of(resident, arrival, error)
            return True
        of: InvocationId | None = getattr(arrival.command, "invocation_id", None)
        self._containment.blame(resident, of, error, is_whole=of is None)
        return False

    def _refuse_because_of(self, resident: Resident, arrival: Arrival, error: BaseException) -> None:
        name, text = _name_of(arrival), text_of(error)
        if isinstance(error, Unwritable):
            refusal: TerminalError = InvalidArgumentError(f"{name}: {text}")
        else:
            refusal = InternalError(
                f"{name}: the engine failed: {type_of(error)}: {text}. Nothing was changed; report this"
            )
        try:
            self._refuse(resident, arrival, refusal)
        except BaseException as another:
            self._containment.blame(resident, None, another)
            arrival.fail(refusal)

    def _take(self, resident: Resident, arrival: Arrival) -> None:
        command: Any = arrival.command
        taken = _TAKEN.get(command.__class__)
        if taken is None:
            self._ledger.decide(resident, command, arrival.stamp)
        else:
            taken(self, resident, arrival, command)

    def _note(self, resident: Resident, arrival: Arrival, note: Note) -> None:
        self._ledger.audit(resident, arrival, changed=not note.refusal, refusal=note.refusal)
        self._ledger.when_durable(partial(note.reply.set, None))

    def _start_waiting(self, resident: Resident, arrival: Arrival, command: c.StartWaiting) -> None:
        if resident.state is not None:
            self._ledger.decide(resident, command, arrival.stamp)
            self._ledger.owe(resident, pending(resident.state, self._ledger.gates))
        if arrival.reply is not None:
            self._ledger.when_durable(partial(arrival.reply.set, None))

    # Work.

    def _invoke(self, resident: Resident, arrival: Arrival, command: c.Invoke) -> None:
        applications, service = self._ledger.applications, command.target.service
        command.deployment = applications.pinned_to(service)
        app = applications.find(command.deployment, service)
        if app is None:
            raise BrokenInvariant("what new invocations take is loaded")
        definition, handler = app.handler_of(command.target)
        command.kind, command.mode, command.atomic = definition.kind, handler.mode, handler.options.atomic
        ended = None if arrival.is_fresh else self._ledger.ended(resident, command.invocation_id)
        if ended is not None:
            check_same_request(ended.argument_digest, command)
            latest = self._latest_of(resident, command, ended)
            if isinstance(latest, InvocationRow):
                self._repeat_answer(resident, arrival, command, latest)
            else:
                self._call_again(resident, arrival, command, latest)
            return
        if command.caller is not None:
            edges = edges_of_call(resident.state, command)
            if edges:
                self._circles.refuse(edges, str(command.target))
        events = self._ledger.decide(resident, command, arrival.stamp)
        if arrival.act is not None:
            self._ledger.audit(resident, arrival, changed=bool(events))
        if arrival.reply is not None:
            accepted = Accepted(command.invocation_id, bool(events))
            self._ledger.when_durable(partial(arrival.reply.set, accepted))
        if arrival.outcome is not None:
            self._wait(resident, command.invocation_id, arrival.outcome)

    def _start_due(self, resident: Resident, arrival: Arrival, command: c.StartDue) -> None:
        """A message for later joins the queue. The one that waits for it may hold what it now waits for: that wait fails, and the
        message stays."""
        deadlocks = [*self._deadlocks_when_due(resident, command.invocation_id)]
        self._ledger.decide(resident, command, arrival.stamp)
        for caller, error in deadlocks:
            self._ledger.complete_call(resident, caller, failed(error))

    def _deadlocks_when_due(self, resident: Resident, of: InvocationId) -> Iterator[tuple[Caller, DeadlockError]]:
        state, due = resident.state, _open_state(resident, of)
        if state is None or due is None or state.holder is None or due.mode is Mode.SHARED:
            return
        for caller in due.attached if due.caller is None else [due.caller, *due.attached]:
            edges = [Edge(caller.invocation_id, of, 0.0, caller.step), Edge(of, state.holder, 0.0)]
            try:
                self._circles.refuse(edges, f"{state.name}/{due.handler}")
            except DeadlockError as error:
                yield caller, error

    def _repeat_answer(self, resident: Resident, arrival: Arrival, command: c.Invoke, ended: InvocationRow) -> None:
        """It was asked for before, and has ended."""
        if ended.outcome is None:
            raise BrokenInvariant("a row without an outcome is of an open invocation")
        self._ledger.audit(resident, arrival, changed=False)
        if arrival.reply is not None:
            accepted = Accepted(command.invocation_id, is_new=False)
            self._ledger.when_durable(partial(arrival.reply.set, accepted))
        if arrival.outcome is not None:
            self._ledger.when_durable(partial(arrival.outcome.set, ended.outcome))
        if command.caller is not None:
            self._ledger.complete_call(resident, command.caller, ended.outcome)

    def _latest_of(self, resident: Resident, command: c.Invoke, ended: InvocationRow) -> InvocationRow | c.Command:
        """What answers a request that was made before: the row of the one that has ended, or, of a call that a restart makes
        again and that was stopped meanwhile, how to have it repeated."""
        if command.caller is None or not is_to_be_repeated(ended, command.repeats, self._ledger.row_of):
            return ended
        while ended.successors:
            row = self._ledger.ended(resident, ended.successors[-1])
            if row is None:
                return c.Attach(invocation_id=ended.successors[-1], by=command.caller)
            ended = row
        return repetition_of(ended, command) if was_stopped(ended) else ended

    def _call_again(self, resident: Resident, arrival: Arrival, command: c.Invoke, by: c.Command) -> None:
        """The caller waits for the invocation that takes the place of the one that was stopped."""
        caller = command.caller
        if caller is None:
            raise BrokenInvariant("only calls are repeated")
        if not isinstance(by, (c.Attach, c.RestartInvocation)):
            raise BrokenInvariant("it is there already, or it is made")
        callee = by.invocation_id if isinstance(by, c.Attach) else by.successor
        handed_over = c.HandOverCall(invocation_id=caller.invocation_id, step=caller.step, callee=callee)
        self._ledger.deliver(
            resident, stream_of_invocation(caller.invocation_id), handed_over, by=command.invocation_id
        )
        self._ledger.deliver(resident, arrival.to, by, by=caller.invocation_id)

    def _refuse(self, resident: Resident, arrival: Arrival, refusal: TerminalError) -> None:
        self._ledger.audit(resident, arrival, refusal=f"{type(refusal).__name__}: {refusal}")
        self._ledger.when_durable(partial(arrival.fail, refusal))
        command = arrival.command
        match command:
            case c.Invoke() if command.caller is not None:
                self._ledger.complete_call(resident, command.caller, failed(refusal))
            case c.Invoke() if arrival.reply is None and arrival.outcome is None:
                self._postpone(arrival, command, refusal)
            case c.Attach():
                self._ledger.complete_call(resident, command.by, failed(refusal))
            case c.RestartInvocation() if command.caller is not None:
                self._ledger.complete_call(resident, command.caller, failed(refusal))
            case c.PurgeInvocations() | c.RestartInvocation() if command.reply_to is not None:
                self._refuse_verb(resident, command.reply_to, refusal)
            case _ if isinstance(command, _VERBS) and command.reply_to is not None:
                self._refuse_verb(resident, command.reply_to, refusal)

    def _postpone(self, arrival: Arrival, command: c.Invoke, refusal: ActorError) -> None:
        """A message that was sent is not lost: what cannot be taken now comes again later. Unless it never can be."""
        if not isinstance(refusal, _PASSING):
            log.error("%s: a message to %s is dropped: %s", command.invocation_id, command.target, refusal)
            return
        log.warning("%s: a message to %s waits: %s", command.invocation_id, command.target, refusal)
        self._keep(arrival)

    # Questions.

    def _watch(self, resident: Resident, _: Arrival, watch: Watch) -> None:
        if _open_state(resident, watch.invocation_id) is not None:
            self._wait(resident, watch.invocation_id, watch.waiter)
            return
        ended = self._known(resident, watch.invocation_id)
        if ended.outcome is None:
            raise BrokenInvariant("a row without an outcome is of an open invocation")
        self._ledger.when_durable(partial(watch.waiter.set, ended.outcome))

    def _wait(self, resident: Resident, of: InvocationId, waiter: Waiter[Outcome]) -> None:
        resident.waiters.setdefault(of, []).append(waiter)
        if waiter.leaves_at_pause:
            state = existing(resident.state).invocations[of]
            if state.status is Status.PAUSED:
                self._ledger.tell_paused(waiter, of, state.pause_reason)

    def _look(self, resident: Resident, _: Arrival, look: Look) -> None:
        open_state = _open_state(resident, look.invocation_id)
        performer = self._ledger.performer
        left = performer.left_behind(resident, look.invocation_id)
        if open_state is None:
            info = info_of(self._known(resident, look.invocation_id), None, left=left)
        else:
            row = row_of(existing(resident.state), open_state)
            doing, code_wait = performer.doing(resident, open_state), performer.code_wait(open_state)
            info = info_of(
                row,
                open_state,
                self._ledger.gates,
                state=resident.state,
                doing=doing,
                code_wait=code_wait,
                circle=self._circles.around(look.invocation_id),
                left=left,
            )
        self._ledger.when_durable(partial(look.reply.set, info))

    def _known(self, resident: Resident, of: InvocationId) -> InvocationRow:
        ended = self._ledger.ended(resident, of)
        if ended is None:
            raise unknown_invocation(of)
        return ended

    # Verbs.

    def _attach(self, resident: Resident, arrival: Arrival, command: c.Attach) -> None:
        ended = self._ledger.ended(resident, command.invocation_id)
        if ended is None:
            opened = _open_state(resident, command.invocation_id)
            if opened is not None and resident.state is not None:
                edge = Edge(command.by.invocation_id, opened.invocation_id, 0.0, command.by.step)
                self._circles.refuse([edge], f"{resident.state.name}/{opened.handler}")
            self._ledger.decide(resident, command, arrival.stamp)
            return
        if ended.outcome is None:
            raise BrokenInvariant("a row without an outcome is of an open invocation")
        self._ledger.complete_call(resident, command.by, ended.outcome)

    def _obey(self, resident: Resident, arrival: Arrival, command: Any) -> None:
        of: InvocationId = command.invocation_id
        before = _open_state(resident, of)
        if before is None:
            obeyed = self._known(resident, of).obeyed.get(arrival.stamp.cause)
            if obeyed is not None:
                self._answer(resident, arrival, command.reply_to, of, Answer(True, obeyed, Status.COMPLETED))
                return
            verb = c.VERB_OF_COMMAND[type(command)].value
            raise AlreadyCompletedError(
                f"{of} has ended, so there is nothing to {verb}. Its outcome can be read; purge deletes it",
                status=Status.COMPLETED,
            )
        status_before = before.status
        obeyed = before.obeyed.get(arrival.stamp.cause)
        if obeyed is not None:
            self._answer(resident, arrival, command.reply_to, of, Answer(True, obeyed, status_before))
            return
        state = resident.state
        if isinstance(command, c.ResumeInvocation) and command.deployment is not None and state is not None:
            deployment = resolve(self._ledger, state, before.handler, command.deployment)
            command = attrs.evolve(command, deployment=deployment)
        if isinstance(command, c.CancelInvocation):
            command = attrs.evolve(command, held_back=resident.held_back.get(of, 0))
        events = self._ledger.decide(resident, command, arrival.stamp)
        after = _open_state(resident, of)
        status_after = Status.COMPLETED if after is None else after.status
        self._answer(resident, arrival, command.reply_to, of, Answer(bool(events), status_before, status_after))

    async def _restart(self, resident: Resident, arrival: Arrival, command: c.RestartInvocation) -> None:
        of = command.invocation_id
        history = await self._ledger.history_of(resident, of)
        state = resident.state
        if state is None:
            raise unknown_invocation(of)
        is_made = self._is_known(resident, command.successor)
        kept = await prepare_restart(self._ledger, resident, state, command, history, is_made=is_made)
        before = _status_of(resident, of)
        made = InvocationId("") if command.dry_run else command.successor
        waits = calls_of(history, kept, _open_state(resident, of), self._ledger.row_of)
        successor = attrs.evolve(
            kept.successor(made),
            stopped=waits.stopped,
            spared=waits.spared,
            repeated=waits.repeated,
            deployment=command.deployment or "",
        )
        answer = Answer(False, before, before, successor)
        if not command.dry_run and not is_made:
            self._ledger.decide(resident, command, arrival.stamp)
        if not command.dry_run:
            answer = attrs.evolve(answer, changed=True, after=_status_of(resident, of))
        self._answer(resident, arrival, command.reply_to, of, answer)

    def _is_known(self, resident: Resident, of: InvocationId) -> bool:
        return _open_state(resident, of) is not None or self._ledger.ended(resident, of) is not None

    async def _purge(self, resident: Resident, arrival: Arrival, command: c.PurgeInvocations) -> None:
        ended = [i for i in command.invocation_ids if self._ledger.ended(resident, i) is not None]
        is_asked_for = arrival.stamp.by != "engine"  # whose retention is over is purged by the engine
        if is_asked_for and not ended and _open_state(resident, command.invocation_ids[0]) is None:
            raise unknown_invocation(command.invocation_ids[0])
        if is_asked_for:
            for invocation_id in ended:  # if it cannot be read, it cannot be erased: refuse before anything is decided
                await self._ledger.history_of(resident, invocation_id)
        state = resident.state
        over = ended if state is None else [i for i in ended if needed_by(state, i) is None]
        purged = command.invocation_ids if is_asked_for else over
        if purged:
            self._ledger.decide(resident, attrs.evolve(command, invocation_ids=purged), arrival.stamp)
        answer = Answer(True, Status.COMPLETED, Status.COMPLETED)
        self._answer(resident, arrival, command.reply_to, command.invocation_ids[0], answer)

    def _answer(
        self, resident: Resident, arrival: Arrival, reply_to: Caller | None, of: InvocationId, answer: Answer
    ) -> None:
        self._ledger.audit(resident, arrival, answer=answer)
        if arrival.reply is not None:
            self._ledger.when_durable(partial(arrival.reply.set, answer))
        if reply_to is not None:
            command = c.CompleteVerb(invocation_id=reply_to.invocation_id, step=reply_to.step, answer=answer)
            self._ledger.deliver(resident, stream_of_invocation(reply_to.invocation_id), command, by=of)

    def _refuse_verb(self, resident: Resident, to: Caller, refusal: TerminalError) -> None:
        command = c.CompleteVerb(invocation_id=to.invocation_id, step=to.step, answer=None, refusal=failure_of(refusal))
        self._ledger.deliver(resident, stream_of_invocation(to.invocation_id), command, by=None)


def _is_asked_for(arrival: Arrival) -> bool:
    """Whether a client outside, or another object, waits for what becomes of it."""
    command: Any = arrival.command
    if arrival.reply is not None or arrival.outcome is not None or isinstance(command, (Watch, Look, Note, c.Attach)):
        return True
    return getattr(command, "caller", None) is not None or getattr(command, "reply_to", None) is not None


def _set_aside(arrival: Arrival, damage: CorruptRecord | Damaged | ObjectSetAsideError) -> ObjectSetAsideError:
    return ObjectSetAsideError(f"{_name_of(arrival)}: {damage}")


def _status_of(resident: Resident, of: InvocationId) -> Status:
    state = _open_state(resident, of)
    return Status.COMPLETED if state is None else state.status


def _name_of(arrival: Arrival) -> str:
    """What the arrival is for, as people know it."""
    match arrival.command:
        case c.Invoke():
            return str(arrival.command.target)
        case c.PurgeInvocations():
            return arrival.command.invocation_ids[0]
        case command:
            return getattr(command, "invocation_id", f"stream {arrival.to:016x}")


def _open_state(resident: Resident, of: InvocationId) -> InvocationState | None:
    return None if resident.state is None else resident.state.invocations.get(of)


_TAKEN_LATER = frozenset({c.RestartInvocation, c.PurgeInvocations})
"""What reads the histories of invocations."""

_TAKEN: dict[type, Callable[[Reception, Resident, Arrival, Any], None]] = {
    Watch: Reception._watch,
    Look: Reception._look,
    Note: Reception._note,
    c.StartWaiting: Reception._start_waiting,
    c.StartDue: Reception._start_due,
    c.Invoke: Reception._invoke,
    c.Attach: Reception._attach,
    **dict.fromkeys(_VERBS, Reception._obey),
}
"""How what arrives is taken in. What is not here is decided as it is: it comes from the object itself, or from its like."""
