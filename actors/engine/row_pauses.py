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
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from actors.core import commands as c
from actors.engine.batch import RowPause
from actors.engine.event_log import note_pause
from actors.engine.sealer import SNAPSHOT_EVENTS
from actors.rows.pauses import may_be_paused, pause, pause_requested
from journal import invocation_keys, keys
from journal.codec import Record
from journal.errors import CorruptRecord, JournalError
from journal.events import ControlResult, Recorded, Status
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable

    from actors.engine.engine_context import EngineContext
    from actors.engine.machine import Machine
    from actors.engine.requests import ObjectRequest
    from actors.engine.waiter import Reply
    from journal.ids import InvocationId, StreamId
    from journal.rows import StreamHead

AT_ONCE = 128
"""How many requests are looked at together."""

_PAUSED = ControlResult(True, Status.SUSPENDED, Status.PAUSED)


class RowPauses:
    """The pauses by rows of one processor, which takes its requests from ``inbox``."""

    def __init__(self, machine: Machine, context: EngineContext) -> None:
        self._machine = machine
        self._context = context
        self._left = 0
        """How many of the first requests in the inbox are left to their objects."""

    def take(self, inbox: deque[ObjectRequest]) -> bool:
        """Take the pauses at the head of the inbox that rows are enough for, and leave the others there, in order. Returns whether it
        took any. The answers come once the pauses are durable."""
        if self._left:
            self._left -= 1
            return False
        if self._context.observer is not None or self._context.notices.rules:
            return False  # they are told of the object
        asked: list[Any] = [*takewhile(_is_pause, islice(inbox, AT_ONCE))]
        stored = self._read(asked)
        told: list[Reply[Any]] = []
        left: list[ObjectRequest] = []
        for request in asked:
            of = request.command.invocation_id
            if of in stored and self._pause(request, request.command, *stored.pop(of)):
                told.append(request.reply)
            else:
                left.append(request)
        if not told:
            self._left = len(left) - 1  # the first of them is taken now
            return False
        for _ in asked:
            inbox.popleft()
        inbox.extendleft(reversed(left))
        self._left = len(left)
        self._machine.when_durable(partial(_tell, told))
        return True

    def _read(self, asked: Iterable[Any]) -> dict[InvocationId, tuple[bytes, StreamHead]]:
        """Read, in two reads in all, the row and the head of the object of each invocation that can perhaps be paused by its row alone. At most
        one invocation of each object is read."""
        machine, number = self._machine, self._machine.partition.number
        loaded, unsettled = machine.cache.loaded, machine.cache.row_pauses
        streams: dict[StreamId, InvocationId] = {}
        seen: set[StreamId] = set()
        for request in asked:
            stream, command = request.to, request.command
            if stream not in seen and stream not in loaded and stream not in unsettled:
                seen.add(stream)
                if request.reply is not None and command.reply_to is None:
                    streams[stream] = command.invocation_id
        rows_of = [invocation_keys.invocation(number, of) for of in streams.values()]
        owing_of = [keys.owing(number, stream) for stream in streams]
        try:
            found = machine.journal.get_many([*rows_of, *owing_of])
            heads = machine.partition.heads_of([*streams])
        except CorruptRecord:
            return {}  # the objects say what is damaged
        changed = machine.rows.is_changed
        return {
            of: (row, head)
            for of, row, owing, head, key, other in zip(
                streams.values(), found, found[len(streams) :], heads, rows_of, owing_of, strict=False
            )
            # An object that owes something may owe something else after the pause.
            if row is not None and owing is None and not changed(key) and not changed(other)
        }

    def _pause(self, request: ObjectRequest, command: c.PauseInvocation, stored: bytes, head: StreamHead) -> bool:
        """Pause the invocation with this stored row. Returns False if its object must decide."""
        machine, stream, stamp = self._machine, request.to, request.stamp
        try:
            row = decode_row(InvocationRow, stored)
            if not may_be_paused(row, head, stamp.cause) or head.last + 1 - head.snapshot >= SNAPSHOT_EVENTS:
                return False
            number = head.last + 1
            record = Record(number)
            ((_, event),) = record.add(stamp, (pause_requested(command.invocation_id, command.reason),))
        except JournalError:
            return False  # the object says what is damaged, or why the event cannot be written
        before = pause(row, number, command.reason, stamp)
        recorded = Recorded(number, stamp, event)
        machine.batch.row_pauses[stream] = machine.cache.row_pauses[stream] = RowPause(
            stream=stream,
            expected=head.last,
            events=record,
            batch=machine.batch,
            stored=stored,
            row=row,
            before=before,
            recorded=recorded,
        )
        note_pause(row.target, recorded)
        machine.audit(request, answer=_PAUSED)
        return True


def _is_pause(request: ObjectRequest) -> bool:
    return request.command.__class__ is c.PauseInvocation


def _tell(replies: Iterable[Reply[Any]]) -> None:
    for reply in replies:
        reply.set(_PAUSED)
