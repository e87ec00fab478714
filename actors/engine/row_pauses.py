"""Pauses invocations of objects that are not in memory, without loading them.

A job pauses thousands of suspended invocations. To read the events of each object, fold them and let the object decide costs
several times as much as the pause. So the row of the invocation is changed instead (``actors.rows.pauses``), and the event is
appended without reading the earlier events. If the row is not enough for a decision, :meth:`RowPauses.take` returns False and changes
nothing, and the object decides.

Invariant: an object that is loaded before such an event is durable has the event in its state. If the batch is still forming, the
event becomes a part of the object's own append, because a commit has one append for each object.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.engine.batch import RowPause
from actors.engine.event_log import note_pause
from actors.engine.sealer import SNAPSHOT_EVENTS
from actors.rows.pauses import may_be_paused, pause, pause_requested
from journal import invocation_keys, keys
from journal.codec import Record
from journal.errors import JournalError
from journal.events import ControlResult, Recorded, Status
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from actors.engine.engine_context import EngineContext
    from actors.engine.machine import Machine
    from actors.engine.requests import ObjectRequest

_PAUSED = ControlResult(True, Status.SUSPENDED, Status.PAUSED)


class RowPauses:
    """The pauses by rows of one processor."""

    def __init__(self, machine: Machine, context: EngineContext) -> None:
        self._machine = machine
        self._context = context

    def take(self, request: ObjectRequest, command: c.PauseInvocation) -> bool:
        """Pause the invocation by its row, and answer once that is durable. Returns False if its object must decide."""
        machine, context = self._machine, self._context
        if request.reply is None or command.reply_to is not None or request.to in machine.cache.row_pauses:
            return False
        if context.observer is not None or context.notices.rules:
            return False  # they are told of the object
        try:
            found = self._found(request, command)
        except JournalError:
            return False  # the object says what is damaged, or why the event cannot be written
        if found is None:
            return False
        machine.batch.row_pauses[request.to] = machine.cache.row_pauses[request.to] = found
        note_pause(found.row.target, found.recorded)
        machine.audit(request, answer=_PAUSED)
        machine.when_durable(partial(request.reply.set, _PAUSED))
        return True

    def _found(self, request: ObjectRequest, command: c.PauseInvocation) -> RowPause | None:
        machine, stream, stamp, of = self._machine, request.to, request.stamp, command.invocation_id
        partition = machine.partition
        data = machine.rows.get(invocation_keys.invocation(partition.number, of))
        if data is None:
            return None
        row, head = decode_row(InvocationRow, data), partition.head(stream)
        if not may_be_paused(row, head, stamp.cause) or head.last + 1 - head.snapshot >= SNAPSHOT_EVENTS:
            return None
        if machine.rows.get(keys.owing(partition.number, stream)) is not None:
            return None  # what a start looks at may have to change
        number = head.last + 1
        record = Record(number)
        ((_, event),) = record.add(stamp, (pause_requested(of, command.reason),))
        before = pause(row, number, command.reason, stamp)
        return RowPause(
            stream=stream,
            expected=head.last,
            events=record,
            batch=machine.batch,
            row=row,
            before=before,
            recorded=Recorded(number, stamp, event),
        )
