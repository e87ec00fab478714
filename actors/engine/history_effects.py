"""Carries out the effects that read histories: stop what was sent, copy a history into a restart, erase one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from actors.core import commands as c
from actors.core import effects as f
from actors.core.decide.calls import received_signal
from actors.core.past import OF_NO_INVOCATION
from actors.core.react import react
from actors.core.state import existing
from actors.engine.exceptions import passes
from actors.engine.index import forget_invocation
from actors.engine.restart_history import history_of_restart
from actors.errors import RefusedError
from actors.rows.counters import Counts, add_counts
from actors.rows.spent import scope_of
from actors.values.failures import failure_of
from journal import events as e
from journal import keys
from journal.errors import BrokenInvariant, Damaged
from journal.events import PauseCause, Recorded, Stamp
from journal.ids import stream_of_invocation
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from actors.core.state import InvocationState, ObjectState
    from actors.engine.faults import Faults
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from journal.events import Event
    from journal.ids import InvocationId

log = SafeLogger(__name__)

_READ_TOGETHER = 64

HistoryEffect: TypeAlias = f.StopSentInvocations | f.CopyHistory | f.EraseHistory


class HistoryEffects:
    """The effects of one processor that must wait for the disk before they can be decided."""

    def __init__(self, machine: Machine, faults: Faults) -> None:
        self._machine = machine
        self._faults = faults

    async def carry_out(self, loaded: LoadedObject, effect: HistoryEffect) -> None:
        """Carry out one effect. The object is blamed if the effect fails."""
        if loaded.damage is not None:
            return
        try:
            if isinstance(effect, f.StopSentInvocations):
                await self._stop_sends(loaded, effect)
            elif isinstance(effect, f.CopyHistory):
                await self._keep_history(loaded, effect.invocation_id)
            else:
                await self._erase_history(loaded, effect)
        except Damaged:
            log.exception("%s is given up", effect)
        except BaseException as error:
            if passes(error):
                raise
            of = None if isinstance(effect, f.EraseHistory) else effect.invocation_id
            self._faults.blame(loaded, of, error, is_whole=of is None)

    async def _stop_sends(self, loaded: LoadedObject, effect: f.StopSentInvocations) -> None:
        invocation = existing(loaded.state).invocations.get(effect.invocation_id)
        if invocation is None:
            return
        for recorded in await self._machine.cache.history(loaded, invocation.invocation_id, invocation.spans):
            if isinstance(recorded.event, e.SendScheduled):
                callee = recorded.event.callee
                command = c.CancelInvocation(invocation_id=callee, reason=effect.reason)
                self._machine.deliver(loaded, stream_of_invocation(callee), command, by=effect.invocation_id)

    async def _keep_history(self, loaded: LoadedObject, of: InvocationId) -> None:
        """Copy into a restart that has just started the history that it keeps, in the same batch."""
        invocation = existing(loaded.state).invocations.get(of)
        if invocation is None:
            return
        if invocation.restarts is None:
            raise BrokenInvariant("the invocation is not a restart, so there is no history to copy")
        try:
            history = await self._machine.history_of(loaded, invocation.restarts.invocation_id)
            beginning = await history_of_restart(
                invocation,
                existing(loaded.state),
                history,
                self._machine.cache.past(loaded),
                now=self._machine.now,
                map_item=partial(self._machine.map_item, loaded.stream),
            )
            deferred = await self._deferred_signals(loaded, invocation)
            output = self._machine.outputs.kept_of(loaded, invocation.restarts.invocation_id, beginning.output)
        except (RefusedError, Damaged) as error:
            reason = f"the history of {invocation.restarts.invocation_id} is not available: {error}"
            held = c.PauseAttempt(invocation_id=of, cause=PauseCause.MISMATCH, reason=reason, failure=failure_of(error))
            self._machine.decide_as_engine(loaded, held)
            return
        for event in beginning.rewound:
            self._machine.apply(loaded, Stamp(self._machine.now, "restart", of), [event])
        before_first = loaded.version
        for stamp, event in beginning.kept:
            self._machine.apply(loaded, stamp, [event], _no_reaction)
        pending_append = self._machine.batch.pending_append(loaded)
        self._machine.outputs.copy(pending_append, of, output, beginning.output, before_first)
        for stamp, signal in deferred:
            self._machine.apply(loaded, stamp, [received_signal(invocation, signal)], _no_reaction)
        again = (Recorded(loaded.version, Stamp(self._machine.now, "restart", of), event) for event in beginning.again)
        self._machine.do(loaded, ((recorded, react(loaded.state, recorded.event)) for recorded in again))

    async def _deferred_signals(
        self, loaded: LoadedObject, invocation: InvocationState
    ) -> list[tuple[Stamp, e.SignalReceived]]:
        """The signals that arrived before a restart had its copied waits, as events that deliver them again."""
        if not invocation.deferred_signals:
            return []
        return [
            (Stamp(self._machine.now, "restart", recorded.stamp.by), recorded.event)
            for recorded in await self._machine.history_of(loaded, invocation.invocation_id)
            if isinstance(recorded.event, e.SignalReceived) and recorded.event.deferred
        ]

    async def _erase_history(self, loaded: LoadedObject, effect: f.EraseHistory) -> None:
        pending_append = self._machine.batch.pending_append(loaded)
        for invocation_id in effect.invocation_ids:
            row = self._machine.completed.row(loaded, invocation_id)
            if row is None:
                continue
            try:
                history = await self._machine.cache.history(loaded, invocation_id, row.spans)
            except Damaged as damage:
                # Its row stays, so that the history can be found, and purged, after the disk is repaired.
                log.exception("%s cannot be erased", invocation_id)
                for purge in pending_append.purges:
                    if invocation_id in purge.invocation_ids:
                        self._machine.batch.refuse(purge, damage)
                continue
            gone: dict[bytes, bytes | None] = {}
            uncounted: Counts = {}
            forget_invocation(gone, uncounted, self._machine.partition.number, loaded, row)
            gone.update(self._machine.outputs.forget(pending_append, invocation_id))
            if row.budget is not None:
                gone[keys.spent(self._machine.partition.number, scope_of(invocation_id))] = None
            self._machine.batch.rows.update(gone)
            self._machine.batch.deleted.update(gone)
            add_counts(self._machine.batch.counts, uncounted)
            pending_append.forgotten += gone
            add_counts(pending_append.uncounted, uncounted)
            pending_append.touched.pop(invocation_id, None)
            pending_append.resumed.pop(invocation_id, None)
            for recorded in history:
                pending_append.erase(recorded.number)
        loaded.forget_erased(pending_append.expected, pending_append.events.events)
        pending_append.may_be_empty = True
        first_kept = await self._first_kept(loaded, frozenset(pending_append.erased))
        # Trim to a snapshot, so that the object can be rebuilt as of every event that stays.
        found = await self._machine.partition.snapshot(loaded.stream, first_kept - 1)
        pending_append.trim_to = 0 if found is None else found[0]

    async def _first_kept(self, loaded: LoadedObject, erased: frozenset[int]) -> int:
        """The number of the first durable event that a reader or a restart may still need."""
        first = loaded.trimmed + 1
        while first <= loaded.durable:
            last = min(first + _READ_TOGETHER - 1, loaded.durable)
            for recorded in await self._machine.partition.history(loaded.stream, [(first, last)]):
                if recorded.number not in erased and not isinstance(recorded.event, OF_NO_INVOCATION):
                    return recorded.number
            first = last + 1
        return first


def _no_reaction(_: ObjectState | None, __: Event) -> list[f.Effect]:
    """The copied events had their effects in the original."""
    return []
