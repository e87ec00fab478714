"""Decides on commands, and keeps the decisions: in memory at once, on disk with the next commit. ::

    command ──► decide ──► events ──► encode all ──► evolve each ──► effects of each
                             │           │              │               │
                          (refusal)   batch.append   state, recent   inner: deliveries, and ``effects`` for the executor
                                                                     outer: batch.released, once durable

Every change of an object goes through :meth:`Machine.decide`. Effects inside the journal are carried out here, in the same
commit; effects on running code wait in ``Machine.effects`` until the executor carries them out, before the next decision that
could depend on them; effects that leave the process wait in ``CommitBatch.released``.

Invariant: the state in memory is the fold of the events on disk, in the batch, and in the commit on its way; in that order and
without a gap. If a commit fails, all state is dropped with the processor and read again.

Prior art: the state machine of a Restate partition processor, and event sourcing's decide and evolve. Alternative refused: to
change the state only when its events are durable. Each call in a chain would then wait for a sync of the disk; here a chain of
any length on one partition is one commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import trio

from actors.core import commands as c
from actors.core import effects as f
from actors.core.decide import decide, unknown_invocation
from actors.core.evolve import evolve, spans_with
from actors.core.fused import with_opened, with_step_turn, with_whole
from actors.core.react import react
from actors.core.snapshots import encode_snapshot
from actors.core.state import existing, with_request
from actors.engine.audit import act_of, row_of_act
from actors.engine.batch import CommitBatch, PendingAppend, Purge
from actors.engine.event_log import NOTED, note
from actors.engine.exceptions import effect_lost, passes
from actors.engine.index import index_invocation, index_name, index_owing, index_whole
from actors.engine.outputs import Outputs
from actors.engine.requests import ObjectRequest
from actors.engine.stored_counts import StoredCounts
from actors.errors import InvocationPausedError, NotFoundError
from actors.rows.audit import SET_ASIDE, AuditTrail, detail_of_set_aside
from actors.rows.index import index_items, rewind_items, row_of, row_of_whole
from actors.rows.layers import LayeredRows
from actors.rows.timers import timer_message
from journal import events as e
from journal import invocation_keys, keys
from journal.errors import CorruptRecord
from journal.events import Outcome, OutcomeKind, Recorded, Stamp
from journal.fused import RequestedStep
from journal.ids import InvocationId, StreamId, stream_of_invocation
from journal.log.protocol import Append, Message
from journal.rows import AuditRow, InvocationRow, decode_row, encode_row
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actors.code.registry import CodeRegistry
    from actors.core.commands import Command, Decidable
    from actors.core.gates import Gate, Gates
    from actors.core.state import InvocationState, ObjectState
    from actors.engine.engine_context import EngineContext
    from actors.engine.faults import Faults
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.object_cache import ObjectCache
    from actors.engine.waiter import Reply
    from journal.events import Caller, ControlResult, Event
    from journal.fused import OpenedInvocation, StepTurn, WholeInvocation
    from journal.log.protocol import Journal, Partition

log = SafeLogger(__name__)

SNAPSHOT_EVENTS = 128
"""The number of events after the last snapshot at which a new one is due; later if the snapshot is larger than they are."""

Reaction: TypeAlias = "Callable[[ObjectState | None, Event], Sequence[f.Effect]]"
Delivery: TypeAlias = ObjectRequest | f.StopSentInvocations | f.CopyHistory | f.EraseHistory


class Machine:
    """The decisions of one processor. ``now`` is wall time, set at the beginning of each round; ``gates`` are the rules in force."""

    def __init__(
        self,
        journal: Journal,
        partition: Partition,
        cache: ObjectCache,
        applications: CodeRegistry,
        context: EngineContext,
        *,
        gates: Gates,
        retention_seconds: float,
        faults: Faults,
    ) -> None:
        self.gates = gates
        self._faults = faults
        self.environment = context.environment
        self.now = self.environment.clock.now()
        self.partition = partition
        self.cache = cache
        self.applications = applications
        self.rows = LayeredRows(journal)
        self.outputs = Outputs(self.rows, partition.number, context.limits)
        self._trail = self._next_trail = AuditTrail(journal, partition.number)
        self._purge_due_at: float | None = None
        self._purge_sooner = trio.Event()
        self._unique = context.environment.unique
        self._partitions = journal.partitions
        self._limits = context.limits
        self._retention_seconds = retention_seconds
        self.deliveries: deque[tuple[LoadedObject, Delivery]] = deque()
        """Requests between objects that belong in the current batch."""
        self.effects: deque[tuple[LoadedObject, f.Effect, Recorded]] = deque()
        """The effects of the decisions so far on running code, for the executor (``Executor.carry_out``)."""
        self._batch = self._new_batch()
        self._counts = StoredCounts(journal, partition.number)

    # Decisions.

    def decide(self, loaded: LoadedObject, command: Decidable, stamp: Stamp) -> list[Event]:
        """Apply the command to the object. Returns the events. Raises ``RefusedError`` or ``DeadlockError``."""
        events = decide(loaded.state, command, self.now, self._limits, self.gates)
        if events:
            self.apply(loaded, stamp, events)
        return events

    def decide_as_engine(self, loaded: LoadedObject, command: Command) -> None:
        """Apply a command of the engine's own."""
        self.decide(loaded, command, Stamp(self.now, "engine", "engine"))

    def apply(self, loaded: LoadedObject, stamp: Stamp, events: Sequence[Event], reaction: Reaction = react) -> None:
        """Record all of the events, or none of them; then carry out their effects.

        All events are encoded before the first changes the object, and nothing outside the object is touched before the last has.
        An exception up to that point leaves the batch as it was. The object's own state may be half changed: it is *torn*, and
        read again before anything else is decided (``Containment``).
        """
        if loaded.outputs is None:
            self.outputs.of(loaded)  # before anything changes, because the disk is read
        pending_append = self._batch.pending_append(loaded)
        record, recent, touched = pending_append.events, loaded.recent, pending_append.touched
        added = record.add(stamp, events)
        state, number = loaded.state, pending_append.expected + record.count - len(added)
        owed: list[tuple[Recorded, Sequence[f.Effect]]] = []
        try:
            for _, event in added:
                number += 1
                effects = reaction(state, event)
                if event.__class__ in NOTED:
                    self._note(loaded, number, stamp, event)
                state = loaded.state = evolve(state, number, stamp, event)
                recorded = Recorded(number, stamp, event)
                recent.append(recorded)
                of: InvocationId | None = getattr(event, "invocation_id", None)
                if of is not None:
                    touched[of] = None
                if effects:
                    owed.append((recorded, effects))
        except BaseException:
            length = record.count - len(added)
            record.cut(length)
            loaded.recent.drop_after(pending_append.expected + length)
            loaded.forget_rows_of_open()
            loaded.is_torn = loaded.version != pending_append.expected + length
            raise
        if loaded.outputs:
            self.outputs.settle(pending_append, added, loaded.version)
        if owed:
            self.do(loaded, owed)

    def record_whole(self, loaded: LoadedObject, whole: WholeInvocation, *, retention: float | None) -> Outcome:
        """Record an invocation that has begun and ended, with its row. ``retention`` is its handler's, if it has one of its own.
        Returns its outcome.

        Raises ``Unwritable``, and leaves everything as it was. Any other exception leaves the batch as it was and the object torn,
        as in :meth:`apply`.
        """
        batch = self._batch
        pending_append = batch.pending_append(loaded)
        first = pending_append.expected + pending_append.events.count + 1
        last = first - 1 + pending_append.events.add_fused(whole)
        try:
            loaded.recent.append_fused(first, last, whole)
            state = loaded.state = with_whole(loaded.state, whole, last)
            purge_at = whole.ran_at + (self._retention_seconds if retention is None else retention)
            if self._purge_due_at is None or purge_at < self._purge_due_at:
                self._purge_sooner_than(purge_at)
            outcome = Outcome(OutcomeKind.SUCCEEDED, whole.result)
            row = row_of_whole(state, whole, outcome, first, last, purge_at=purge_at)
            index_whole(batch.rows, batch.new, batch.counts, self.partition.number, row, purge_at)
        except BaseException:
            pending_append.events.cut(first - 1 - pending_append.expected)
            loaded.recent.drop_after(first - 1)
            loaded.is_torn = True
            raise
        batch.ended.append(row)
        return outcome

    def record_opened(self, loaded: LoadedObject, opened: OpenedInvocation) -> None:
        """Record an invocation that has begun, and its first turn. Raises as :meth:`record_whole`."""
        pending_append = self._batch.pending_append(loaded)
        record = pending_append.events
        before = pending_append.expected + record.count
        last = before + record.add_fused(opened)
        try:
            loaded.recent.append_fused(before + 1, last, opened)
            loaded.state = with_opened(loaded.state, opened, last)
        except BaseException:
            record.cut(before - pending_append.expected)
            loaded.recent.drop_after(before)
            loaded.is_torn = True
            raise
        pending_append.touched[opened.invocation_id] = None

    def record_step_turn(self, loaded: LoadedObject, turn: StepTurn) -> None:
        """Record the end of a step and the turn after it. Raises as :meth:`record_whole`."""
        if loaded.outputs is None:
            self.outputs.of(loaded)
        pending_append = self._batch.pending_append(loaded)
        state, record = existing(loaded.state), pending_append.events
        before = state.version
        last = before + record.add_fused(turn)
        try:
            loaded.recent.append_fused(before + 1, last, turn)
            with_step_turn(state, turn, before + 1)
        except BaseException:
            record.cut(before - pending_append.expected)
            loaded.recent.drop_after(before)
            loaded.is_torn = True
            raise
        if loaded.outputs:
            self.outputs.settle(pending_append, turn.expand(before + 1)[:1], before + 1)
        if isinstance(turn.request, RequestedStep):
            pending_append.has_turns = True  # its row says the same as before
        else:
            pending_append.touched[turn.invocation_id] = None

    def do(self, loaded: LoadedObject, owed: Iterable[tuple[Recorded, Iterable[f.Effect]]]) -> None:
        """Carry out the effects of recorded events. Raises ``EffectLost``."""
        effect = None
        try:
            for recorded, effects in owed:
                for effect in effects:
                    deed = _DEEDS.get(effect.__class__)
                    if deed is None:
                        self.effects.append((loaded, effect, recorded))
                    else:
                        deed(self, loaded, effect, recorded)
        except BaseException as error:
            if passes(error):
                raise
            raise effect_lost(effect, loaded.stream, error) from error

    def _note(self, loaded: LoadedObject, number: int, stamp: Stamp, event: Event) -> None:
        """Derive the rows, counts and log lines of an event from the state before it."""
        state = loaded.state
        if isinstance(event, e.InvocationCompleted):
            row = loaded.ended[event.invocation_id] = self._row_at_end(existing(state), number, event, stamp)
            self._batch.ended.append(row)
            if event.outcome.kind is OutcomeKind.SUCCEEDED:
                return
        elif isinstance(event, e.InvocationRestarted):
            self._note_successor(loaded, number, event)
        elif isinstance(event, (e.AttemptFailed, e.StepAttemptFailed)):
            batch, state = self._batch, existing(state)
            failed = batch.failed_attempts if isinstance(event, e.AttemptFailed) else batch.failed_steps
            failed.append((state.service, state.invocations[event.invocation_id].handler))
        note(state, event, stamp)

    def _note_successor(self, loaded: LoadedObject, number: int, event: e.InvocationRestarted) -> None:
        of = event.invocation_id
        row = self.ended(loaded, of)
        if row is None:
            return
        successors = [*row.successors, event.successor]
        row = msgspec.structs.replace(row, successors=successors, spans=spans_with(row.spans, number))
        if of in loaded.ended:
            loaded.ended[of] = row
        else:
            self._batch.rows[invocation_keys.invocation(self.partition.number, of)] = encode_row(row)

    def _row_at_end(self, state: ObjectState, number: int, event: e.InvocationCompleted, stamp: Stamp) -> InvocationRow:
        invocation = state.invocations[event.invocation_id]
        purge_at = self._purge_at(stamp.at, self._retention_of(state, invocation))
        row = row_of(state, invocation, outcome=event.outcome, completed_at=stamp.at, purge_at=purge_at)
        row.applied_requests = with_request(row.applied_requests, stamp.cause, invocation.status)
        row.spans = spans_with(row.spans, number)
        return row

    def _purge_at(self, completed_at: float, retention: float | None) -> float:
        purge_at = completed_at + (self._retention_seconds if retention is None else retention)
        if self._purge_due_at is None or purge_at < self._purge_due_at:
            self._purge_sooner_than(purge_at)
        return purge_at

    def _purge_sooner_than(self, due_at: float) -> None:
        self._purge_due_at = due_at
        self.when_durable(self._hurry_purge)  # the search reads rows from the disk

    def _retention_of(self, state: ObjectState, invocation: InvocationState) -> float | None:
        applications = self.applications
        app = applications.find(invocation.deployment, state.service) or applications.newest
        try:
            _, handler = app.handler(state.service, invocation.handler)
        except NotFoundError:
            return None
        return handler.options.retention

    # Effects.

    def _announce(self, loaded: LoadedObject, effect: f.NotifyWaiters, _: Recorded) -> None:
        for waiter in loaded.waiters.pop(effect.invocation_id, ()):
            self.when_durable(partial(waiter.set, effect.outcome))

    def _announce_pause(self, loaded: LoadedObject, effect: f.NotifyPaused, _: Recorded) -> None:
        waiting = loaded.waiters.get(effect.invocation_id, ())
        for waiter in [waiter for waiter in waiting if waiter.leaves_at_pause]:
            self.tell_paused(waiter, effect.invocation_id, effect.reason)

    def tell_paused(self, waiter: Reply[Outcome], of: InvocationId, reason: str) -> None:
        """Report a pause to a client that does not want to wait for its end, once the pause is durable."""
        error = InvocationPausedError(
            f"{of} is paused{f': {reason}' if reason else ''}. After it is resumed, repeat the request under the same "
            "idempotency key, or wait for its outcome"
        )
        error.invocation_id = of
        self.when_durable(partial(waiter.fail, error))

    def _deliver(self, loaded: LoadedObject, effect: f.Deliver, recorded: Recorded) -> None:
        by: InvocationId | None = getattr(recorded.event, "invocation_id", None)
        self.deliver(loaded, effect.to, effect.command, by=by, number=recorded.number)

    def _set_timer(self, loaded: LoadedObject, effect: f.SetTimer, _: Recorded) -> None:
        self._batch.messages.append(timer_message(loaded.stream, effect.at, effect.command))

    def _retract_timer(self, loaded: LoadedObject, effect: f.RetractTimer, _: Recorded) -> None:
        self._batch.retracted.append(timer_message(loaded.stream, effect.at, effect.command))

    def _keep_items(self, loaded: LoadedObject, effect: f.WriteItems, _: Recorded) -> None:
        index_items(self._batch.rows, self.partition.number, loaded.stream, effect)

    def _rewind_items(self, loaded: LoadedObject, effect: f.RewindItems, _: Recorded) -> None:
        rewind_items(self._batch.rows, self.partition.number, loaded.stream, effect)

    def _hand_over(self, loaded: LoadedObject, effect: f.TransferWaiters, _: Recorded) -> None:
        moved = loaded.waiters.pop(effect.invocation_id, [])
        loaded.waiters.setdefault(effect.successor, []).extend(moved)

    def _queue(
        self, loaded: LoadedObject, effect: f.StopSentInvocations | f.CopyHistory | f.EraseHistory, _: Recorded
    ) -> None:
        self.deliveries.append((loaded, effect))

    def holding(self, state: ObjectState, of: InvocationId) -> list[Gate]:
        """The gates that hold an open invocation now."""
        gates = self.gates
        return [] if gates.are_none else gates.holding_invocation(state, state.invocations[of])

    def owe(self, loaded: LoadedObject, effects: Iterable[f.Effect]) -> None:
        """Carry out effects that the state requires, whatever the number of the event that they follow from."""
        nothing = Recorded(loaded.version, Stamp(self.now, "engine", "engine"), e.Erased())
        self.do(loaded, [(nothing, effects)])

    def deliver(
        self,
        source: LoadedObject,
        to: StreamId,
        command: Command,
        *,
        by: InvocationId | None,
        number: int | None = None,
    ) -> None:
        """Send a command to another object: within this round if its partition is this one, else as a message in this batch."""
        cause = f"{source.stream:016x}#{source.version if number is None else number}"
        stamp = Stamp(self.now, cause, by or "engine")
        if to % self._partitions == self.partition.number:
            is_fresh = isinstance(command, c.Invoke) and command.request is None
            self.deliveries.append((source, ObjectRequest(to, command, stamp, is_fresh=is_fresh)))
            return
        # The number of an event cannot be the message's id: an answer may have no event, and a purged stream counts from 1 again.
        # Nor can the number of the claim with a counter: a claim that failed early may leave its number to the next.
        self.send(self._message(to, command, cause, stamp.by))

    def _message(self, to: StreamId, command: Command, cause: str, by: str) -> Message:
        return Message(f"{self._unique():032x}", to, c.encode_command(command, cause=cause, by=by))

    def answer_purge(
        self, loaded: LoadedObject, request: ObjectRequest, command: c.PurgeInvocations, answer: ControlResult
    ) -> None:
        """Report a purge to the client, the audit log and the requesting handler, once its commit is durable."""
        message, caller = None, command.reply_to
        if caller is not None:
            said = c.CompleteVerb(invocation_id=caller.invocation_id, step=caller.step, answer=answer)
            cause = f"{loaded.stream:016x}#{loaded.version}"
            message = self._message(stream_of_invocation(caller.invocation_id), said, cause, command.invocation_ids[0])
            self.send(message)
        row = self.audit(request, answer=answer)
        purge = Purge(command.invocation_ids, answer, request.reply, row, message)
        self._batch.pending_append(loaded).purges.append(purge)
        self.when_durable(purge.tell)

    def complete_call(
        self, source: LoadedObject, caller: Caller, outcome: Outcome, *, by: InvocationId | None = None
    ) -> None:
        """Send the outcome of an invocation to a caller. ``by`` is the invocation if it has completed just now."""
        command = c.CompleteCall(invocation_id=caller.invocation_id, step=caller.step, outcome=outcome)
        self.deliver(source, stream_of_invocation(caller.invocation_id), command, by=by)

    def send(self, message: Message) -> None:
        """Send a message with the current batch."""
        self._batch.messages.append(message)

    def consume(self, loaded: LoadedObject, position: bytes) -> None:
        """Remove a message from the inbox: it has been handled."""
        if loaded.damage is not None or loaded.is_torn:
            self._batch.consumed.append(position)  # nothing may be added to the object
        else:
            self._batch.pending_append(loaded).consumed.append(position)

    def audit(
        self,
        request: ObjectRequest,
        *,
        answer: ControlResult | None = None,
        changed: bool = False,
        refusal: str = "",
    ) -> AuditRow | None:
        """Write the audit entry of a request, if it is of an audited kind."""
        act = act_of(request)
        if act is None:
            return None
        row = row_of_act(request, act, at=self.now, answer=answer, changed=changed, refusal=refusal)
        self._batch.audit.append(row)
        return row

    def note_set_aside(self, loaded: LoadedObject, name: str, why: str) -> None:
        """Log and audit that an object is set aside."""
        self.cache.set_aside[loaded.stream] = name
        detail = detail_of_set_aside(loaded.stream, max(loaded.version, loaded.durable))
        row = AuditRow(
            number=0,
            at=self.now,
            by="engine",
            source="",
            verb=SET_ASIDE,
            target=name,
            detail=detail,
            reason=why,
            changed=True,
        )
        self._batch.audit.append(row)

    def when_durable(self, action: Callable[[], None]) -> None:
        """Run the action once every decision so far is durable."""
        self._batch.released.append(action)

    # Reading.

    def known(self, loaded: LoadedObject, of: InvocationId) -> InvocationState | InvocationRow:
        """An invocation, open or completed. Raises ``NotFoundError``."""
        found = loaded.open_state(of) or self.ended(loaded, of)
        if found is None:
            raise unknown_invocation(of)
        return found

    async def history_of(self, loaded: LoadedObject, of: InvocationId) -> list[Recorded]:
        """The events of an invocation, open or completed. Raises ``NotFoundError`` or ``Damaged``."""
        return await self.cache.history(loaded, of, self.known(loaded, of).spans)

    def map_item(self, stream: StreamId, field: str, key: str) -> bytes | None:
        """An item of a map, including changes that are not on disk yet."""
        return self.rows.get(keys.map_item(self.partition.number, stream, field, key.encode()))

    # Completed invocations.

    def ended(self, loaded: LoadedObject, of: InvocationId) -> InvocationRow | None:
        """The row of a completed invocation whose retention has not ended. Raises ``CorruptRecord``."""
        row = loaded.ended.get(of)
        if row is not None or (loaded.state is not None and of in loaded.state.invocations):
            return row
        data = self.rows.get(invocation_keys.invocation(self.partition.number, of))
        if data is None:
            return None
        row = decode_row(InvocationRow, data)
        if row.outcome is None:
            raise CorruptRecord(f"the row of {of} says that it is {row.status.value}, but its object does not know it")
        return row

    def row_of(self, of: InvocationId) -> InvocationRow | None:
        """The latest row of any invocation of this journal."""
        partition = stream_of_invocation(of) % self._partitions
        data = self.rows.get(invocation_keys.invocation(partition, of))
        return None if data is None else decode_row(InvocationRow, data)

    def purge_sooner(self, due_at: float | None) -> trio.Event:
        """An event that is set when a retention ends before ``due_at``, the earliest end known so far."""
        self._purge_due_at = due_at
        self._purge_sooner = trio.Event()
        return self._purge_sooner

    def _hurry_purge(self) -> None:
        self._purge_sooner.set()

    # Commits.

    @property
    def batch(self) -> CommitBatch:
        """The batch that is forming."""
        return self._batch

    @property
    def has_news(self) -> bool:
        """Whether there is anything to commit or to release."""
        return bool(self._batch)

    def seal(self) -> CommitBatch:
        """Close the batch, with the index rows that follow from it; the next one begins."""
        sealed, self._batch = self._batch, self._new_batch()
        for pending_append in sealed.pending_appends.values():
            try:
                if pending_append.outputs or pending_append.loaded.outputs:
                    self.outputs.seal(sealed, pending_append)
                self._complete(sealed, pending_append)
            except BaseException as error:
                # The events are the truth and are written; the index rows can be rebuilt from them (``doctor``).
                sealed.forgo_rewriting(pending_append, error)
                self._faults.blame(pending_append.loaded, None, error, is_whole=True)
        return sealed

    def appends(self, sealed: CommitBatch) -> list[Append]:
        """The commit for the journal, with the audit rows chained to the durable ones and the counts added to the
        durable counts."""
        self._next_trail = copy(self._trail)
        sealed.rows.update(self._counts.rows_after(sealed.counts))
        return sealed.appends(dict(map(self._next_trail.extend, sealed.audit)))

    def settle(self, sealed: CommitBatch) -> None:
        """The commit is durable."""
        self._trail = self._next_trail
        self._counts.settle(sealed.counts)
        for pending_append in sealed.pending_appends.values():
            loaded = pending_append.loaded
            loaded.pending_appends -= 1
            if not pending_append.remove:
                loaded.durable = pending_append.expected + pending_append.events.count
                loaded.recent.drop_until(loaded.durable)
            state = loaded.state
            if (state is None or state.key is None) and loaded.is_over and loaded.is_idle:
                self.cache.forget(loaded.stream)
            else:
                self.cache.weigh(loaded)
        self.rows.pop()

    def _complete(self, sealed: CommitBatch, pending_append: PendingAppend) -> None:
        loaded, partition = pending_append.loaded, self.partition.number
        for invocation_id in pending_append.touched:
            index_invocation(sealed.rows, sealed.new, sealed.counts, partition, loaded, invocation_id)
        if loaded.ended:
            loaded.ended.clear()
        if pending_append.expected == 0 and loaded.state is not None:
            index_name(sealed.rows, partition, loaded.state, there=True)
        if pending_append.may_be_empty and self._is_empty(loaded):
            index_name(sealed.rows, partition, existing(loaded.state), there=False)
            pending_append.remove = True
            loaded.vanish()
            return
        # After turns and nothing else, the object waits for a step, as before.
        still_owes = loaded.owing_on_disk and pending_append.has_turns and not pending_append.touched
        if not still_owes and (loaded.owing_on_disk is not False or loaded.state is None or loaded.state.invocations):
            index_owing(sealed.rows, partition, loaded)
        events = loaded.events_since_snapshot = loaded.events_since_snapshot + pending_append.events.count
        size = loaded.bytes_since_snapshot = loaded.bytes_since_snapshot + pending_append.events.size
        trimmed, covered = pending_append.trim_to, pending_append.covered
        if ((trimmed or covered) and max(trimmed, covered) > loaded.snapshot_at) or (
            events >= SNAPSHOT_EVENTS and size >= loaded.snapshot_bytes
        ):
            self._take_snapshot(loaded, pending_append)
        if trimmed > loaded.trimmed:
            loaded.trimmed = trimmed

    def _take_snapshot(self, loaded: LoadedObject, pending_append: PendingAppend) -> None:
        pending_append.snapshot = encode_snapshot(existing(loaded.state))
        loaded.snapshot_at = loaded.version
        loaded.snapshot_bytes = len(pending_append.snapshot)
        loaded.events_since_snapshot = loaded.bytes_since_snapshot = 0

    def _is_empty(self, loaded: LoadedObject) -> bool:
        """Whether nothing of the object is left except its name."""
        state = loaded.state
        if state is None or state.invocations or state.fields or state.lengths or loaded.waiters:
            return False
        prefixes = (
            invocation_keys.invocations_of(self.partition.number, loaded.stream),
            keys.items_of_object(self.partition.number, loaded.stream),
        )
        return not any(self.rows.scan(p, keys.after_prefix(p), limit=1) for p in prefixes)

    def _new_batch(self) -> CommitBatch:
        batch = CommitBatch(self.partition.number)
        self.rows.push(batch.rows)
        return batch


_Deed: TypeAlias = "Callable[[Machine, LoadedObject, Any, Recorded], None]"

_DEEDS: dict[type[f.Effect], _Deed] = {
    f.NotifyWaiters: Machine._announce,
    f.NotifyPaused: Machine._announce_pause,
    f.Deliver: Machine._deliver,
    f.SetTimer: Machine._set_timer,
    f.RetractTimer: Machine._retract_timer,
    f.WriteItems: Machine._keep_items,
    f.RewindItems: Machine._rewind_items,
    f.TransferWaiters: Machine._hand_over,
    f.StopSentInvocations: Machine._queue,
    f.CopyHistory: Machine._queue,
    f.EraseHistory: Machine._queue,
}
"""The function for each effect inside the journal or towards clients; the executor has one for each effect on running code. A test
compares the keys of both with the union of effects."""
