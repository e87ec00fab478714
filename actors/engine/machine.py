"""Decides, and keeps what was decided: in memory at once, on disk with the commit that forms.

Everything that changes an object goes through :meth:`Ledger.decide`. What follows from a decision inside the journal is done
here, in the same commit; what concerns running code is passed on to the :class:`Performer`; what leaves the process waits in
``Forming.released``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import attrs
import trio

from actors.core import commands as c
from actors.core import effects as f
from actors.core.decide import decide, received_signal, unknown_invocation
from actors.core.evolve import evolve, spans_with
from actors.core.past import OF_NO_INVOCATION
from actors.core.react import react
from actors.core.snapshots import encode_snapshot
from actors.core.state import existing, with_request
from actors.engine.audit import SET_ASIDE, AuditTrail, act_of, detail_of_set_aside, row_of_act
from actors.engine.batch import Extension, Forming, timer_letter
from actors.engine.containment import EffectLost, passes
from actors.engine.event_log import NOTED, note
from actors.engine.index import (
    forget_invocation,
    index_invocation,
    index_items,
    index_name,
    index_owing,
    rewind_items,
    row_of,
)
from actors.engine.requests import Arrival
from actors.engine.restart_beginning import beginning_of
from actors.engine.rows import RowsAhead
from actors.errors import InvocationPausedError, Refused, UnknownHandlerError, UnknownServiceError
from actors.values.failures import failure_of
from journal import events as e
from journal import keys
from journal.errors import BrokenInvariant, CorruptRecord, Damaged
from journal.events import OutcomeKind, PauseCause, Recorded, Stamp
from journal.ids import InvocationId, StepId, StreamId, stream_of_invocation
from journal.log.protocol import Letter
from journal.rows import AuditRow, InvocationRow, decode_row, encode_row
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actors.code.registry import Applications
    from actors.core.commands import Command
    from actors.core.gates import Gate, Gates
    from actors.core.state import InvocationState, ObjectState
    from actors.engine.attempt import Setting
    from actors.engine.containment import Containment
    from actors.engine.loaded_object import Resident
    from actors.engine.object_cache import Directory
    from actors.engine.waiter import Waiter
    from actors.model.info import CodeWait, LeftBehind, StepDoing
    from journal.events import Answer, Caller, Event, Outcome
    from journal.log.protocol import Journal, Partition

log = SafeLogger(__name__)

SNAPSHOT_EVENTS = 128
"""Events behind the last snapshot after which a new one is due; later if the snapshot is larger than they are."""

_READ_TOGETHER = 64

Reaction: TypeAlias = "Callable[[ObjectState | None, Event], list[f.Effect]]"
Delivery: TypeAlias = Arrival | f.StopSends | f.KeepHistory | f.EraseHistory


class Performer(Protocol):
    """Who runs handlers and steps."""

    def start_attempt(self, resident: Resident, of: InvocationId) -> None: ...
    def continue_attempt(self, resident: Resident, of: InvocationId, recorded: Recorded) -> None: ...
    def end_attempt(self, resident: Resident, of: InvocationId, *, abort_steps: bool) -> None: ...
    def run_step(self, resident: Resident, of: InvocationId, step: StepId) -> None: ...
    def check_pause(self, resident: Resident, of: InvocationId) -> None: ...
    def code_wait(self, invocation: InvocationState) -> CodeWait | None: ...
    def doing(self, resident: Resident, invocation: InvocationState) -> dict[StepId, StepDoing]: ...
    def left_behind(self, resident: Resident, of: InvocationId) -> LeftBehind: ...
    def forget(self, resident: Resident) -> None: ...


class Ledger:
    """What one owner has decided. ``now`` is wall time, set at the beginning of each round; ``gates`` say what may go on."""

    performer: Performer

    def __init__(
        self,
        journal: Journal,
        partition: Partition,
        directory: Directory,
        applications: Applications,
        setting: Setting,
        *,
        gates: Gates,
        retention_seconds: float,
        containment: Containment,
    ) -> None:
        self.gates = gates
        self._containment = containment
        self.world = setting.world
        self.now = self.world.clock.now()
        self.partition = partition
        self.directory = directory
        self.applications = applications
        self.rows = RowsAhead(journal)
        self._trail = AuditTrail(journal, partition.number)
        self._purge_due_at: float | None = None
        self._purge_sooner = trio.Event()
        self._unique = setting.world.unique
        self._partitions = journal.partitions
        self._limits = setting.limits
        self._retention_seconds = retention_seconds
        self.deliveries: deque[tuple[Resident, Delivery]] = deque()
        """What objects have for each other that belongs in the commit that forms."""
        self._forming = self._new_forming()

    # Deciding.

    def decide(self, resident: Resident, command: Command, stamp: Stamp) -> list[Event]:
        """Let the object obey the command; the events that it led to. Raises ``Refused`` or ``DeadlockError``."""
        events = decide(resident.state, command, self.now, self._limits, self.gates)
        if events:
            self._apply(resident, stamp, events)
        return events

    def decide_as_engine(self, resident: Resident, command: Command) -> None:
        """The same, with the engine as the one who asks."""
        self.decide(resident, command, Stamp(self.now, "engine", "engine"))

    def _apply(self, resident: Resident, stamp: Stamp, events: Sequence[Event], reaction: Reaction = react) -> None:
        """Record all of the events, or none of them; then do what follows from them.

        They are encoded before the first of them changes the object, and nothing outside of the object is touched before the last of
        them has. So whatever raises until then leaves the commit that forms as it was. The object's own state may be half changed:
        it is *torn*, and read again before anything else is decided (``Containment``).
        """
        extension = self._forming.extension(resident)
        record, recent, touched = extension.events, resident.recent, extension.touched
        added = record.add(stamp, events)
        state, number = resident.state, extension.expected + len(record.entries) - len(added)
        owed: list[tuple[Recorded, list[f.Effect]]] = []
        try:
            for _, event in added:
                number += 1
                effects = reaction(state, event)
                if event.__class__ in NOTED:
                    self._note(resident, number, stamp, event)
                state = resident.state = evolve(state, number, stamp, event)
                recorded = Recorded(number, stamp, event)
                recent.append(recorded)
                of: InvocationId | None = getattr(event, "invocation_id", None)
                if of is not None:
                    touched[of] = None
                if effects:
                    owed.append((recorded, effects))
        except BaseException:
            length = len(record.entries) - len(added)
            record.cut(length)
            resident.forget_recent(extension.expected + length)
            resident.forget_rows_of_open()
            resident.is_torn = resident.version != extension.expected + length
            raise
        if owed:
            self._do(resident, owed)

    def _do(self, resident: Resident, owed: Iterable[tuple[Recorded, Iterable[f.Effect]]]) -> None:
        effect = None
        try:
            for recorded, effects in owed:
                for effect in effects:
                    _DEEDS[effect.__class__](self, resident, effect, recorded)
        except BaseException as error:
            if passes(error):
                raise
            raise EffectLost(f"{type(effect).__name__} of {resident.stream:016x}") from error

    def _note(self, resident: Resident, number: int, stamp: Stamp, event: Event) -> None:
        """What an event means for rows and for people, as long as the state is the one before it."""
        state = resident.state
        if isinstance(event, e.InvocationCompleted):
            row = resident.ended[event.invocation_id] = self._row_at_end(existing(state), number, event, stamp)
            self._forming.ended.append(row)
            if event.outcome.kind is OutcomeKind.SUCCEEDED:
                return
        elif isinstance(event, e.InvocationRestarted):
            self._note_successor(resident, number, event)
        elif isinstance(event, (e.AttemptFailed, e.StepAttemptFailed)):
            forming, state = self._forming, existing(state)
            failed = forming.failed_attempts if isinstance(event, e.AttemptFailed) else forming.failed_steps
            failed.append((state.service, state.invocations[event.invocation_id].handler))
        note(state, event, stamp)

    def _note_successor(self, resident: Resident, number: int, event: e.InvocationRestarted) -> None:
        of = event.invocation_id
        row = self.ended(resident, of)
        if row is None:
            return
        row = attrs.evolve(row, successors=[*row.successors, event.successor], spans=spans_with(row.spans, number))
        if of in resident.ended:
            resident.ended[of] = row
        else:
            self._forming.rows[keys.invocation(self.partition.number, of)] = encode_row(row)

    def _row_at_end(self, state: ObjectState, number: int, event: e.InvocationCompleted, stamp: Stamp) -> InvocationRow:
        invocation = state.invocations[event.invocation_id]
        purge_at = stamp.at + self._retention_of(state, invocation)
        if self._purge_due_at is None or purge_at < self._purge_due_at:
            self._purge_due_at = purge_at
            self.when_durable(self._hurry_purge)  # a search for it reads what is on disk
        row = row_of(state, invocation, outcome=event.outcome, completed_at=stamp.at, purge_at=purge_at)
        row.obeyed = with_request(row.obeyed, stamp.cause, invocation.status)
        row.spans = spans_with(row.spans, number)
        return row

    def _retention_of(self, state: ObjectState, invocation: InvocationState) -> float:
        applications = self.applications
        app = applications.find(invocation.deployment, state.service) or applications.newest
        try:
            _, handler = app.handler(state.service, invocation.handler)
        except (UnknownServiceError, UnknownHandlerError):
            return self._retention_seconds
        retention = handler.options.retention
        return self._retention_seconds if retention is None else retention

    # What follows from what happened.

    def _announce(self, resident: Resident, effect: f.Announce, _: Recorded) -> None:
        for waiter in resident.waiters.pop(effect.invocation_id, ()):
            self.when_durable(partial(waiter.set, effect.outcome))

    def _announce_pause(self, resident: Resident, effect: f.AnnouncePause, _: Recorded) -> None:
        waiting = resident.waiters.get(effect.invocation_id, ())
        for waiter in [waiter for waiter in waiting if waiter.leaves_at_pause]:
            self.tell_paused(waiter, effect.invocation_id, effect.reason)

    def tell_paused(self, waiter: Waiter[Outcome], of: InvocationId, reason: str) -> None:
        """Have one who does not want to wait for a pause to end know of it, once it is durable."""
        error = InvocationPausedError(
            f"{of} is paused{f': {reason}' if reason else ''}. Ask again after it is resumed, under the same "
            "idempotency key, or for its outcome"
        )
        error.invocation_id = of
        self.when_durable(partial(waiter.fail, error))

    def _run_step(self, resident: Resident, effect: f.RunStep, _: Recorded) -> None:
        resident.due_steps.add((effect.invocation_id, effect.step))
        self.when_durable(partial(self.performer.run_step, resident, effect.invocation_id, effect.step))

    def _deliver(self, resident: Resident, effect: f.Deliver, recorded: Recorded) -> None:
        by: InvocationId | None = getattr(recorded.event, "invocation_id", None)
        self.deliver(resident, effect.to, effect.command, by=by, number=recorded.number)

    def _set_timer(self, resident: Resident, effect: f.SetTimer, _: Recorded) -> None:
        self._forming.letters.append(timer_letter(resident.stream, effect.at, effect.command))

    def _retract_timer(self, resident: Resident, effect: f.RetractTimer, _: Recorded) -> None:
        self._forming.retracted.append(timer_letter(resident.stream, effect.at, effect.command))

    def _keep_items(self, resident: Resident, effect: f.KeepItems, _: Recorded) -> None:
        index_items(self._forming.rows, self.partition.number, resident.stream, effect)

    def _rewind_items(self, resident: Resident, effect: f.RewindItems, _: Recorded) -> None:
        rewind_items(self._forming.rows, self.partition.number, resident.stream, effect)

    def _hand_over(self, resident: Resident, effect: f.HandOver, _: Recorded) -> None:
        moved = resident.waiters.pop(effect.invocation_id, [])
        resident.waiters.setdefault(effect.successor, []).extend(moved)

    def _queue(self, resident: Resident, effect: f.StopSends | f.KeepHistory | f.EraseHistory, _: Recorded) -> None:
        self.deliveries.append((resident, effect))

    def holding(self, state: ObjectState, of: InvocationId) -> list[Gate]:
        """The gates that hold an open invocation now."""
        gates = self.gates
        return [] if gates.are_none else gates.holding_invocation(state, state.invocations[of])

    def owe(self, resident: Resident, effects: Iterable[f.Effect]) -> None:
        """Do what a state that was just read owes."""
        nothing = Recorded(resident.version, Stamp(self.now, "engine", "engine"), e.Erased())
        self._do(resident, [(nothing, effects)])

    def deliver(
        self, source: Resident, to: StreamId, command: Command, *, by: InvocationId | None, number: int | None = None
    ) -> None:
        """Bring a command to another object: within this round if it lives here, as a letter of this commit if not."""
        cause = f"{source.stream:016x}#{source.version if number is None else number}"
        stamp = Stamp(self.now, cause, by or "engine")
        if to % self._partitions == self.partition.number:
            is_fresh = isinstance(command, c.Invoke) and command.request is None
            self.deliveries.append((source, Arrival(to, command, stamp, is_fresh=is_fresh)))
            return
        # The number of an event would not do: an answer may go without one, and a stream that was purged counts from 1 again. Nor
        # would the number of the claim and a count: a claim that died young may leave its number to the next.
        self.send(Letter(f"{self._unique():032x}", to, c.encode_command(command, cause=cause, by=stamp.by)))

    def complete_call(self, source: Resident, caller: Caller, outcome: Outcome) -> None:
        """Tell a caller how the invocation it waits for has ended."""
        command = c.CompleteCall(invocation_id=caller.invocation_id, step=caller.step, outcome=outcome)
        self.deliver(source, stream_of_invocation(caller.invocation_id), command, by=None)

    def send(self, letter: Letter) -> None:
        """Send a letter with the commit that forms."""
        self._forming.letters.append(letter)

    def consume(self, resident: Resident, position: bytes) -> None:
        """A letter has been dealt with."""
        if resident.damage is not None or resident.is_torn:
            self._forming.consumed.append(position)  # nothing may be added to the object
        else:
            self._forming.extension(resident).consumed.append(position)

    def audit(
        self,
        resident: Resident,
        arrival: Arrival,
        *,
        answer: Answer | None = None,
        changed: bool = False,
        refusal: str = "",
    ) -> None:
        """Note what became of something that was asked for, if it is of the kind that is audited."""
        act = act_of(arrival)
        if act is None:
            return
        row = row_of_act(arrival, act, at=self.now, answer=answer, changed=changed, refusal=refusal)
        self._chain(row)

    def note_set_aside(self, resident: Resident, name: str, why: str) -> None:
        """Have people know of an object that the engine failed on."""
        self.directory.set_aside[resident.stream] = name
        detail = detail_of_set_aside(resident.stream, max(resident.version, resident.durable))
        row = AuditRow(
            number=0,
            at=self.now,
            by="engine",
            origin="",
            verb=SET_ASIDE,
            target=name,
            detail=detail,
            reason=why,
            changed=True,
        )
        self._chain(row)

    def _chain(self, row: AuditRow) -> None:
        key, value = self._trail.extend(row)
        self._forming.rows[key] = value

    def when_durable(self, action: Callable[[], None]) -> None:
        """Do it once everything decided so far is durable."""
        self._forming.released.append(action)

    async def next_delivery(self) -> Arrival | None:
        """Take the next one. An arrival is the caller's to take in; the rest is done here."""
        source, delivery = self.deliveries.popleft()
        if isinstance(delivery, Arrival):
            return delivery
        if source.damage is not None:
            return None
        try:
            if isinstance(delivery, f.StopSends):
                await self._stop_sends(source, delivery)
            elif isinstance(delivery, f.KeepHistory):
                await self._keep_history(source, delivery.invocation_id)
            else:
                await self._erase_history(source, delivery)
        except Damaged:
            log.exception("%s is given up", delivery)
        except BaseException as error:
            if passes(error):
                raise
            of = None if isinstance(delivery, f.EraseHistory) else delivery.invocation_id
            self._containment.blame(source, of, error, is_whole=of is None)
        return None

    async def _stop_sends(self, resident: Resident, effect: f.StopSends) -> None:
        invocation = existing(resident.state).invocations.get(effect.invocation_id)
        if invocation is None:
            return
        for recorded in await self.directory.history(resident, invocation.invocation_id, invocation.spans):
            if isinstance(recorded.event, e.SendScheduled):
                callee = recorded.event.callee
                command = c.CancelInvocation(invocation_id=callee, reason=effect.reason)
                self.deliver(resident, stream_of_invocation(callee), command, by=effect.invocation_id)

    # Restarts.

    async def history_of(self, resident: Resident, of: InvocationId) -> list[Recorded]:
        """The events of an invocation, open or ended. Raises ``UnknownInvocationError``, ``Damaged``."""
        opened = None if resident.state is None else resident.state.invocations.get(of)
        known = opened or self.ended(resident, of)
        if known is None:
            raise unknown_invocation(of)
        return await self.directory.history(resident, of, known.spans)

    async def _keep_history(self, resident: Resident, of: InvocationId) -> None:
        """Give an invocation that just started what it takes over, in the same commit."""
        invocation = existing(resident.state).invocations.get(of)
        if invocation is None:
            return
        if invocation.restarts is None:
            raise BrokenInvariant("only a restart keeps a history")
        try:
            history = await self.history_of(resident, invocation.restarts.invocation_id)
            beginning = await beginning_of(
                invocation,
                existing(resident.state),
                history,
                self.directory.past(resident),
                now=self.now,
                map_item=partial(self.map_item, resident.stream),
            )
            deferred = await self._deferred_signals(resident, invocation)
        except (Refused, Damaged) as error:
            reason = f"what it should keep of {invocation.restarts.invocation_id} is not to be had: {error}"
            held = c.HoldAttempt(invocation_id=of, cause=PauseCause.MISMATCH, reason=reason, failure=failure_of(error))
            self.decide_as_engine(resident, held)
            return
        for event in beginning.rewound:
            self._apply(resident, Stamp(self.now, "restart", of), [event])
        for stamp, event in beginning.kept:
            self._apply(resident, stamp, [event], _no_reaction)
        for stamp, signal in deferred:
            self._apply(resident, stamp, [received_signal(invocation, signal)], _no_reaction)
        again = (Recorded(resident.version, Stamp(self.now, "restart", of), event) for event in beginning.again)
        self._do(resident, ((recorded, react(resident.state, recorded.event)) for recorded in again))

    async def _deferred_signals(
        self, resident: Resident, invocation: InvocationState
    ) -> list[tuple[Stamp, e.SignalReceived]]:
        """The signals that came before a restart had the waits that it keeps, as they come again."""
        if not invocation.deferred_signals:
            return []
        return [
            (Stamp(self.now, "restart", recorded.stamp.by), recorded.event)
            for recorded in await self.history_of(resident, invocation.invocation_id)
            if isinstance(recorded.event, e.SignalReceived) and recorded.event.deferred
        ]

    def map_item(self, stream: StreamId, field: str, key: str) -> bytes | None:
        """An item of a map, as it will be when all that was decided is on disk."""
        return self.rows.get(keys.map_item(self.partition.number, stream, field, key.encode()))

    # Ended invocations.

    def ended(self, resident: Resident, of: InvocationId) -> InvocationRow | None:
        """The row of an invocation that has ended and is retained. Raises ``CorruptRecord``."""
        row = resident.ended.get(of)
        if row is not None or (resident.state is not None and of in resident.state.invocations):
            return row
        data = self.rows.get(keys.invocation(self.partition.number, of))
        if data is None:
            return None
        row = decode_row(InvocationRow, data)
        if row.outcome is None:
            raise CorruptRecord(f"the row of {of} says that it is {row.status.value}, and its object does not know it")
        return row

    def row_of(self, of: InvocationId) -> InvocationRow | None:
        """The row of any invocation of this journal, as it was written last."""
        partition = stream_of_invocation(of) % self._partitions
        data = self.rows.get(keys.invocation(partition, of))
        return None if data is None else decode_row(InvocationRow, data)

    def purge_sooner(self, due_at: float | None) -> trio.Event:
        """Set when a retention ends before ``due_at``, the first end that is known of."""
        self._purge_due_at = due_at
        self._purge_sooner = trio.Event()
        return self._purge_sooner

    def _hurry_purge(self) -> None:
        self._purge_sooner.set()

    async def _erase_history(self, resident: Resident, effect: f.EraseHistory) -> None:
        extension = self._forming.extension(resident)
        for invocation_id in effect.invocation_ids:
            row = self.ended(resident, invocation_id)
            if row is None:
                continue
            try:
                history = await self.directory.history(resident, invocation_id, row.spans)
            except Damaged:
                # Its row stays, so that the history can still be found, and purged once the disk is repaired.
                log.exception("%s cannot be erased", invocation_id)
                continue
            gone: dict[bytes, bytes | None] = {}
            forget_invocation(gone, self.partition.number, resident, row)
            self._forming.rows.update(gone)
            extension.forgotten += gone
            extension.touched.pop(invocation_id, None)
            for recorded in history:
                extension.erase(recorded.number)
        resident.forget_erased(extension.expected, extension.events.entries)
        extension.may_be_empty = True
        first_kept = await self._first_kept(resident, frozenset(extension.erased))
        # As far as a snapshot, so that the object as of any event that stays can be had.
        found = await self.partition.snapshot(resident.stream, first_kept - 1)
        extension.trim_to = 0 if found is None else found[0]

    async def _first_kept(self, resident: Resident, erased: frozenset[int]) -> int:
        """The number of the first durable event that anybody may still want to read."""
        first = resident.trimmed + 1
        while first <= resident.durable:
            last = min(first + _READ_TOGETHER - 1, resident.durable)
            for recorded in await self.partition.history(resident.stream, [(first, last)]):
                if recorded.number not in erased and not isinstance(recorded.event, OF_NO_INVOCATION):
                    return recorded.number
            first = last + 1
        return first

    # Commits.

    @property
    def has_news(self) -> bool:
        """Whether there is anything to commit, or to release."""
        return bool(self._forming)

    def seal(self) -> Forming:
        """Close the commit that forms, with the rows that follow from it; the next one begins."""
        sealed, self._forming = self._forming, self._new_forming()
        for extension in sealed.extensions.values():
            try:
                self._complete(sealed, extension)
            except BaseException as error:
                # The events are the truth and are written; rows can be built again from them (``doctor``).
                sealed.forgo_rewriting(extension)
                self._containment.blame(extension.resident, None, error, is_whole=True)
        return sealed

    def settle(self, sealed: Forming) -> None:
        """The commit is durable."""
        for extension in sealed.extensions.values():
            resident = extension.resident
            resident.extensions -= 1
            if not extension.remove:
                resident.confirm(extension.expected + len(extension.events.entries))
            if resident.is_over and resident.is_idle:
                self.directory.forget(resident.stream)
            else:
                self.directory.weigh(resident)
        self.rows.pop()

    def _complete(self, sealed: Forming, extension: Extension) -> None:
        resident, partition = extension.resident, self.partition.number
        for invocation_id in extension.touched:
            index_invocation(sealed.rows, sealed.new, partition, resident, invocation_id)
        resident.ended.clear()
        if extension.expected == 0 and resident.state is not None:
            index_name(sealed.rows, partition, resident.state, there=True)
        if extension.may_be_empty and self._is_empty(resident):
            index_name(sealed.rows, partition, existing(resident.state), there=False)
            extension.remove = True
            resident.vanish()
            return
        index_owing(sealed.rows, partition, resident)
        resident.events_since_snapshot += len(extension.events.entries)
        resident.bytes_since_snapshot += extension.events.size
        uncovered = max(extension.trim_to, extension.covered) > resident.snapshot_at
        if uncovered or self._is_snapshot_due(resident):
            self._take_snapshot(resident, extension)
        resident.trimmed = max(resident.trimmed, extension.trim_to)

    def _is_snapshot_due(self, resident: Resident) -> bool:
        return (
            resident.events_since_snapshot >= SNAPSHOT_EVENTS
            and resident.bytes_since_snapshot >= resident.snapshot_bytes
        )

    def _take_snapshot(self, resident: Resident, extension: Extension) -> None:
        extension.snapshot = encode_snapshot(existing(resident.state))
        resident.snapshot_at = resident.version
        resident.snapshot_bytes = len(extension.snapshot)
        resident.events_since_snapshot = resident.bytes_since_snapshot = 0

    def _is_empty(self, resident: Resident) -> bool:
        """Whether nothing is left of the object but its name."""
        state = resident.state
        if state is None or state.invocations or state.fields or state.lengths or resident.waiters:
            return False
        prefixes = (
            keys.invocations_of(self.partition.number, resident.stream),
            keys.items_of_object(self.partition.number, resident.stream),
        )
        return not any(next(self.rows.scan(p, keys.after_prefix(p)), None) for p in prefixes)

    def _new_forming(self) -> Forming:
        forming = Forming(self.partition.number)
        self.rows.push(forming.rows)
        return forming


def _no_reaction(_: ObjectState | None, __: Event) -> list[f.Effect]:
    """What is kept from another invocation has had its effects."""
    return []


_Deed: TypeAlias = "Callable[[Ledger, Resident, Any, Recorded], None]"

_DEEDS: dict[type[f.Effect], _Deed] = {
    f.Continue: lambda ledger, resident, effect, recorded: ledger.performer.continue_attempt(
        resident, effect.invocation_id, recorded
    ),
    f.StartAttempt: lambda ledger, resident, effect, _: ledger.performer.start_attempt(resident, effect.invocation_id),
    f.EndAttempt: lambda ledger, resident, effect, _: ledger.performer.end_attempt(
        resident, effect.invocation_id, abort_steps=effect.abort_steps
    ),
    f.CheckPause: lambda ledger, resident, effect, _: ledger.performer.check_pause(resident, effect.invocation_id),
    f.RunStep: Ledger._run_step,
    f.Announce: Ledger._announce,
    f.AnnouncePause: Ledger._announce_pause,
    f.Deliver: Ledger._deliver,
    f.SetTimer: Ledger._set_timer,
    f.RetractTimer: Ledger._retract_timer,
    f.KeepItems: Ledger._keep_items,
    f.RewindItems: Ledger._rewind_items,
    f.HandOver: Ledger._hand_over,
    f.StopSends: Ledger._queue,
    f.KeepHistory: Ledger._queue,
    f.EraseHistory: Ledger._queue,
}
"""How each effect is done. A test holds this against the union of effects."""
