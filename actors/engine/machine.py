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
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from actors.core import commands as c
from actors.core import effects as f
from actors.core.decide import decide, unknown_invocation
from actors.core.evolve import evolve
from actors.core.react import react
from actors.core.state import existing
from actors.engine.audit import act_of, row_of_act, row_of_set_aside
from actors.engine.batch import CommitBatch, Purge
from actors.engine.completed_invocations import CompletedInvocations
from actors.engine.deliveries import Deliveries
from actors.engine.event_log import NOTED, note
from actors.engine.exceptions import effect_lost, passes
from actors.engine.outputs import Outputs
from actors.engine.pause_notices import tell_of_pause
from actors.engine.places import apply_in_places
from actors.engine.requests import ObjectRequest
from actors.engine.sealer import Sealer
from actors.rows.audit import detail_of_set_aside
from actors.rows.index import index_items, rewind_items
from actors.rows.layers import Layer, LayeredRows
from actors.rows.timers import timer_message
from journal import events as e
from journal import keys
from journal.events import Outcome, OutcomeKind, Recorded, Stamp
from journal.ids import InvocationId, StreamId, stream_of_invocation
from journal.log.protocol import Message
from journal.rows import AuditRow, InvocationRow
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
    from actors.engine.run_limits import RunLimits
    from journal.events import Caller, ControlResult, Event
    from journal.log.protocol import Journal, Partition

log = SafeLogger(__name__)

Reaction: TypeAlias = "Callable[[ObjectState | None, Event], Sequence[f.Effect]]"


class Machine:
    """The decisions of one processor, by the rules in ``gates``. A round begins with ``now``, wall time, and with ``calls_left`` and
    ``waits_left``, how many calls and ends of waits it may give to their handlers before they are decided."""

    def __init__(
        self,
        journal: Journal,
        partition: Partition,
        cache: ObjectCache,
        applications: CodeRegistry,
        context: EngineContext,
        *,
        gates: Gates,
        run_limits: RunLimits,
        retention_seconds: float,
        faults: Faults,
    ) -> None:
        self.gates = gates
        self.run_limits, self.places = run_limits, run_limits.places
        self.budgets = run_limits.budgets
        self.environment = context.environment
        self.now, self.calls_left, self.waits_left = self.environment.clock.now(), 0, 0
        self.journal, self.partition = journal, partition
        self.cache = cache
        self.applications = applications
        self.rows = LayeredRows(journal)
        self.budgets.join(partition.number, self.rows)
        self.outputs = Outputs(self.rows, partition.number, context.limits)
        self._unique = context.environment.unique
        self._partitions = journal.partitions
        self._limits = context.limits
        self.deliveries = Deliveries()
        """Requests between objects that belong in the current batch."""
        self.effects: deque[tuple[LoadedObject, f.Effect, Recorded]] = deque()
        """The effects of the decisions so far on running code, for the executor (``Executor.carry_out``)."""
        self.batch = self._new_batch()
        """The batch that is forming."""
        self.completed = CompletedInvocations(
            self.rows,
            applications,
            partition=partition.number,
            partitions=journal.partitions,
            retention_seconds=retention_seconds,
            batch=lambda: self.batch,
        )
        self.sealer = Sealer(journal, partition.number, cache, self.rows, self.outputs, faults, context.notices)
        """Completes the batches, and records when they are durable."""

    # Decisions.

    def decide(self, loaded: LoadedObject, command: Decidable, stamp: Stamp) -> list[Event]:
        """Apply the command to the object. Returns the events. Raises ``RefusedError`` or ``DeadlockError``."""
        events = decide(loaded.state, command, self.now, self._limits, self.gates)
        if events and self.places.is_active:
            return apply_in_places(self.run_limits, self._limits, self.batch, loaded, stamp, events, self.apply)
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
        pending_append = self.batch.pending_append(loaded)
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
            self.completed.add(loaded, number, event, stamp)
            if event.outcome.kind is OutcomeKind.SUCCEEDED:
                return
        elif isinstance(event, e.InvocationRestarted):
            self.completed.add_successor(loaded, number, event)
        elif isinstance(event, e.UpdateCancelRequested):
            # The event is of the run, and changes the row of the update too.
            self.batch.pending_append(loaded).touched[event.update] = None
        elif isinstance(event, (e.AttemptFailed, e.StepAttemptFailed)):
            batch, state = self.batch, existing(state)
            failed = batch.failed_attempts if isinstance(event, e.AttemptFailed) else batch.failed_steps
            failed.append((state.service, state.invocations[event.invocation_id].handler))
        note(state, event, stamp)

    # Effects.

    def _announce(self, loaded: LoadedObject, effect: f.NotifyWaiters, _: Recorded) -> None:
        for waiter in loaded.waiters.pop(effect.invocation_id, ()):
            waiter.waiters = None
            self.when_durable(partial(waiter.set, effect.outcome))

    def _announce_pause(self, loaded: LoadedObject, effect: f.NotifyPaused, _: Recorded) -> None:
        tell_of_pause(loaded, effect.invocation_id, effect.reason, self.when_durable)

    def _deliver(self, loaded: LoadedObject, effect: f.Deliver, recorded: Recorded) -> None:
        by: InvocationId | None = getattr(recorded.event, "invocation_id", None)
        self.deliver(loaded, effect.to, effect.command, by=by, number=recorded.number)

    def _set_timer(self, loaded: LoadedObject, effect: f.SetTimer, _: Recorded) -> None:
        self.batch.messages.append(timer_message(loaded.stream, effect.at, effect.command))

    def _retract_timer(self, loaded: LoadedObject, effect: f.RetractTimer, _: Recorded) -> None:
        self.batch.retracted.append(timer_message(loaded.stream, effect.at, effect.command))

    def _keep_items(self, loaded: LoadedObject, effect: f.WriteItems, _: Recorded) -> None:
        index_items(self.batch.rows, self.partition.number, loaded.stream, effect)

    def _rewind_items(self, loaded: LoadedObject, effect: f.RewindItems, _: Recorded) -> None:
        rewind_items(self.batch.rows, self.partition.number, loaded.stream, effect)

    def _change_budget(self, _: LoadedObject, effect: f.KeepBudget | f.AddSpent, recorded: Recorded) -> None:
        self.budgets.carry_out(self.batch.rows, self.partition.number, effect, recorded.stamp.at)

    def _hand_over(self, loaded: LoadedObject, effect: f.TransferWaiters, _: Recorded) -> None:
        loaded.waiters.hand_over(effect.invocation_id, effect.successor)

    def _queue(
        self, loaded: LoadedObject, effect: f.StopSentInvocations | f.CopyHistory | f.EraseHistory, _: Recorded
    ) -> None:
        self.deliveries.add(loaded, effect)

    def holding(self, state: ObjectState, of: InvocationId) -> list[Gate]:
        """The gates that hold an open invocation now."""
        gates = self.gates
        return [] if gates.are_none else gates.holding_invocation(state, state.invocations[of])

    def owe(self, loaded: LoadedObject, effects: Iterable[f.Effect]) -> None:
        """Carry out effects that follow from the state rather than from one event."""
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
            self.deliveries.add(source, ObjectRequest(to, command, stamp, is_fresh=is_fresh))
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
        self.batch.pending_append(loaded).purges.append(purge)
        self.when_durable(purge.tell)

    def complete_call(
        self, source: LoadedObject, caller: Caller, outcome: Outcome, *, by: InvocationId | None = None
    ) -> None:
        """Send the outcome of an invocation to a caller. ``by`` is the invocation if it has completed just now."""
        command = c.CompleteCall(invocation_id=caller.invocation_id, step=caller.step, outcome=outcome)
        self.deliver(source, stream_of_invocation(caller.invocation_id), command, by=by)

    def send(self, message: Message) -> None:
        """Send a message with the current batch."""
        self.batch.messages.append(message)

    def consume(self, loaded: LoadedObject, position: bytes) -> None:
        """Remove a message from the inbox: it has been handled."""
        if loaded.damage is not None or loaded.is_torn:
            self.batch.consumed.append(position)  # nothing may be added to the object
        else:
            self.batch.pending_append(loaded).consumed.append(position)

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
        self.batch.audit.append(row)
        return row

    def note_set_aside(self, loaded: LoadedObject, name: str, why: str) -> None:
        """Log and audit that an object is set aside."""
        self.cache.set_aside[loaded.stream] = name
        detail = detail_of_set_aside(loaded.stream, max(loaded.version, loaded.durable))
        self.batch.audit.append(row_of_set_aside(name, at=self.now, detail=detail, why=why))

    def when_durable(self, action: Callable[[], None]) -> None:
        """Run the action once every decision so far is durable."""
        self.batch.released.append(action)

    # Reading.

    def known(self, loaded: LoadedObject, of: InvocationId) -> InvocationState | InvocationRow:
        """An invocation, open or completed. Raises ``NotFoundError``."""
        found = loaded.open_state(of) or self.completed.row(loaded, of)
        if found is None:
            raise unknown_invocation(of)
        return found

    async def history_of(self, loaded: LoadedObject, of: InvocationId) -> list[Recorded]:
        """The events of an invocation, open or completed. Raises ``NotFoundError`` or ``Damaged``."""
        return await self.cache.history(loaded, of, self.known(loaded, of).spans)

    def map_item(self, stream: StreamId, field: str, key: str) -> bytes | None:
        """An item of a map, including changes that are not on disk yet."""
        return self.rows.get(keys.map_item(self.partition.number, stream, field, key.encode()))

    # Commits.

    def seal(self) -> CommitBatch:
        """Close the batch, with the rows that follow from it; the next one begins."""
        sealed, self.batch = self.batch, self._new_batch()
        self.sealer.complete(sealed)
        return sealed

    def _new_batch(self) -> CommitBatch:
        batch = CommitBatch(self.partition.number)
        self.rows.layers.insert(0, Layer(batch.rows, batch.cleared))
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
    f.KeepBudget: Machine._change_budget,
    f.AddSpent: Machine._change_budget,
    f.TransferWaiters: Machine._hand_over,
    f.StopSentInvocations: Machine._queue,
    f.CopyHistory: Machine._queue,
    f.EraseHistory: Machine._queue,
}
"""The function for each effect inside the journal or towards clients; the executor has one for each effect on running code. A test
compares the keys of both with the union of effects."""
