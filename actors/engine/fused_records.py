"""Records frames that contain several events: the work of a short way, recorded at once.

``Machine.apply`` records events one by one, and derives their effects and rows from each. Here the frame is applied to the
object as a whole, and its row and effects are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.fused import row_of_whole, with_opened, with_whole
from actors.core.resumed import with_last_turn, with_resumed_turn, with_step_turn
from actors.engine.index import index_tags
from journal import invocation_keys
from journal.events import Outcome, OutcomeKind
from journal.rows import encode_row
from journal.waits import RequestedStep

if TYPE_CHECKING:
    from actors.core.state import InvocationState, ObjectState
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from journal.events import Target
    from journal.fused import LastTurn, OpenedInvocation, ResumedTurn, StepTurn, WholeInvocation
    from journal.waits import Requested

_SUCCEEDED = OutcomeKind.SUCCEEDED  # a member of an enum takes several times as long to look up as a name of the module


class FusedRecords:
    """Records frames in the batch of a machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def record_whole(
        self, loaded: LoadedObject, target: Target, whole: WholeInvocation, *, retention: float | None
    ) -> Outcome:
        """Record an invocation of the target that has begun and ended, with its row. ``retention`` is its handler's, if it has one of
        its own. Returns its outcome.

        Raises ``Unwritable``, and leaves everything as it was. Any other exception leaves the batch as it was and the object torn,
        as in :meth:`Machine.apply`.
        """
        machine = self._machine
        batch = machine.batch
        pending_append = batch.pending_append(loaded)
        first = pending_append.expected + pending_append.events.count + 1
        count = 3 + (whole.created is not None) + (whole.fields is not None)  # whole.count, in fewer calls
        pending_append.events.add_fused(whole, count)
        last = first - 1 + count
        try:
            loaded.recent.parts.append((first, last, whole))
            state = loaded.state = with_whole(loaded.state, whole, last)
            completed = machine.completed
            purge_at = whole.ran_at + (completed.retention_seconds if retention is None else retention)
            if completed.purge_due_at is None or purge_at < completed.purge_due_at:
                completed.purge_sooner_than(purge_at)
            outcome = Outcome(_SUCCEEDED, whole.result)
            row = row_of_whole(target, state.kind, whole, outcome, first, last, purge_at)
            # As index_invocation() does.
            partition, rows = machine.partition.number, batch.rows
            key, created, due = invocation_keys.of_ended(partition, whole.asked_at, purge_at, whole.invocation_id)
            rows[key] = encode_row(row)
            rows[created] = rows[due] = b""
            batch.new += (key, created, due)
            if whole.tags:
                index_tags(rows, batch.new, partition, whole.tags, whole.asked_at, whole.invocation_id)
        except BaseException:
            pending_append.events.cut(first - 1 - pending_append.expected)
            loaded.recent.drop_after(first - 1)
            loaded.is_torn = True
            raise
        batch.ended_at_once.append(row)
        ended = target.service, target.handler, whole.deployment, whole.ran_at
        batch.succeeded[ended] = batch.succeeded.get(ended, 0) + 1
        return outcome

    def record_opened(self, loaded: LoadedObject, opened: OpenedInvocation) -> int:
        """Record an invocation that has begun, and its first turn. Returns the number of its request. Raises as
        :meth:`record_whole`."""
        pending_append = self._machine.batch.pending_append(loaded)
        record = pending_append.events
        before = pending_append.expected + record.count
        count = opened.count
        record.add_fused(opened, count)
        last = before + count
        try:
            loaded.recent.parts.append((before + 1, last, opened))
            loaded.state = with_opened(loaded.state, opened, last)
        except BaseException:
            record.cut(before - pending_append.expected)
            loaded.recent.drop_after(before)
            loaded.is_torn = True
            raise
        pending_append.touched[opened.invocation_id] = None
        return last if opened.fields is None else last - 1

    def record_step_turn(self, loaded: LoadedObject, state: ObjectState, turn: StepTurn) -> Requested:
        """Record the end of a step and the turn after it, of the object with this state. Returns the request. Raises as
        :meth:`record_whole`."""
        if loaded.outputs is None:
            self._machine.outputs.of(loaded)
        pending_append = self._machine.batch.pending_append(loaded)
        record = pending_append.events
        before = state.version
        count = turn.count
        record.add_fused(turn, count)
        last = before + count
        try:
            loaded.recent.parts.append((before + 1, last, turn))
            with_step_turn(state, turn, before + 1)
        except BaseException:
            record.cut(before - pending_append.expected)
            loaded.recent.drop_after(before)
            loaded.is_torn = True
            raise
        if loaded.outputs:
            self._machine.outputs.settle(pending_append, turn.expand(before + 1)[:1], before + 1)
        request = turn.request
        if isinstance(request, RequestedStep):
            pending_append.has_turns = True  # its row is the same as before
        else:
            pending_append.touched[turn.invocation_id] = None
        return request

    def record_resumed_turn(self, loaded: LoadedObject, state: ObjectState, turn: ResumedTurn) -> Requested:
        """Record the end of a wait and the turn after it, which is not the last, of the object with this state. Returns the request.
        Raises as :meth:`record_whole`."""
        if loaded.outputs is None:
            self._machine.outputs.of(loaded)
        pending_append = self._machine.batch.pending_append(loaded)
        record = pending_append.events
        before = state.version
        count = turn.count
        record.add_fused(turn, count)
        try:
            loaded.recent.parts.append((before + 1, before + count, turn))
            request = with_resumed_turn(state, turn, before + 1)
        except BaseException:
            record.cut(before - pending_append.expected)
            loaded.recent.drop_after(before)
            loaded.is_torn = True
            raise
        if isinstance(request, RequestedStep):
            pending_append.touched[turn.invocation_id] = None
        else:
            pending_append.resumed[turn.invocation_id] = None
        return request

    def record_last_turn(
        self, loaded: LoadedObject, state: ObjectState, turn: LastTurn | ResumedTurn, outcome: Outcome
    ) -> InvocationState:
        """Record the end of a wait and of its invocation, with its row. Returns the invocation as it was at its end. Raises as
        :meth:`record_whole`."""
        machine = self._machine
        if loaded.outputs is None:
            machine.outputs.of(loaded)
        pending_append = machine.batch.pending_append(loaded)
        record = pending_append.events
        before = state.version
        count = turn.count
        record.add_fused(turn, count)
        last = before + count
        try:
            loaded.recent.parts.append((before + 1, last, turn))
            invocation = with_last_turn(state, turn, before + 1)
            machine.completed.add_ended(loaded, state, invocation, outcome, turn.ended_at)
        except BaseException:
            record.cut(before - pending_append.expected)
            loaded.recent.drop_after(before)
            loaded.is_torn = True
            raise
        if loaded.outputs:
            machine.outputs.settle(pending_append, turn.expand(before + 1)[:1], before + 1)
        pending_append.touched[turn.invocation_id] = None
        return invocation
