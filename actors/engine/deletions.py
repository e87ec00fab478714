"""Deletes objects, as the last change before a batch is sealed. ::

    request ──► wanted ──► (end of the round, no commit on its way) ──► rows of its invocations, items, stream: gone ──► seal
                              calls of the same round come before it

A deletion removes the stream of the object, and a batch has at most one append for each stream. So no append to the object may follow in
the same batch: the deletion is carried out after the last decision of the batch. A later call, in the next batch, creates a new object.

Alternative refused: an event that empties the object and leaves its stream. Every record would have to be overwritten, and snapshots
would still contain the values of the fields.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.core.decide.deletion import check_deletion
from actors.engine.exceptions import passes
from actors.engine.index import forget_invocation
from actors.errors import ErrorCode, LimitExceededError, TerminalError
from actors.model.object_info import ObjectDeletion
from actors.rows.counters import add_counts
from journal import invocation_keys, keys
from journal.errors import CorruptRecord, Damaged
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.engine.refusals import Refusals
    from actors.engine.requests import DeleteObject, ObjectRequest
    from actors.rows.counters import Counts
    from journal.ids import InvocationId

MAX_INVOCATIONS = 10_000
"""How many ended invocations an object may have when it is deleted: their rows go in one commit."""


class Deletions:
    """The deletions of one processor's objects."""

    def __init__(self, machine: Machine, refusals: Refusals) -> None:
        self._machine = machine
        self._refusals = refusals
        self.wanted: list[tuple[LoadedObject, ObjectRequest, DeleteObject]] = []
        """Those to carry out before the batch is sealed."""

    def take(self, loaded: LoadedObject, request: ObjectRequest, command: DeleteObject) -> None:
        """Delete the object before the batch is sealed. Raises ``ConflictError`` if it has an open invocation."""
        if not check_deletion(loaded.state, command.service, command.key):
            self._answer(request, ObjectDeletion(changed=False))
            return
        self._machine.batch.pending_append(loaded)  # so that the object stays in memory until then
        self.wanted.append((loaded, request, command))

    def carry_out(self) -> None:
        """Carry out the deletions. No decision may follow in this batch, and no commit may be being written."""
        while self.wanted:
            loaded, request, command = self.wanted.pop(0)
            try:
                self._answer(request, self._delete(loaded, command))
            except (TerminalError, CorruptRecord, Damaged) as refusal:
                self._refusals.turn_down(loaded, request, refusal)
            except BaseException as error:
                if passes(error):
                    raise
                self._refusals.blame(loaded, request, error)

    def _answer(self, request: ObjectRequest, answer: ObjectDeletion) -> None:
        self._machine.audit(request, changed=answer.changed)
        if request.reply is not None:
            self._machine.when_durable(partial(request.reply.set, answer))

    def _delete(self, loaded: LoadedObject, command: DeleteObject) -> ObjectDeletion:
        machine, batch = self._machine, self._machine.batch
        pending = batch.pending_append(loaded)
        if pending.remove or not check_deletion(loaded.state, command.service, command.key):
            return ObjectDeletion(changed=False)
        ended = self._ended(loaded, command)
        gone: dict[bytes, bytes | None] = {}
        for of in ended:
            gone |= machine.outputs.forget(pending, of)
        uncounted: Counts = {}
        for row in ended.values():
            forget_invocation(gone, uncounted, batch.partition, loaded, row)
        start = keys.items_of_object(batch.partition, loaded.stream)
        stop = keys.after_prefix(start)
        gone |= dict.fromkeys(key for key in batch.rows if start <= key < stop)
        batch.rows.update(gone)
        batch.deleted.update(gone)
        add_counts(batch.counts, uncounted)
        batch.cleared.append((start, stop))
        pending.remove = True
        return ObjectDeletion(changed=True, invocations=len(ended))

    def _ended(self, loaded: LoadedObject, command: DeleteObject) -> dict[InvocationId, InvocationRow]:
        """The rows of the object's invocations, all of which have ended. Raises ``LimitExceededError`` and ``CorruptRecord``."""
        found = dict(loaded.ended)
        start = invocation_keys.invocations_of(self._machine.partition.number, loaded.stream)
        stop = keys.after_prefix(start)
        while page := self._machine.rows.scan(start, stop):
            for _, data in page:
                row = decode_row(InvocationRow, data)
                found.setdefault(row.invocation_id, row)
            if len(found) > MAX_INVOCATIONS:
                raise LimitExceededError(
                    f"{command.service}/{command.key} has more than {MAX_INVOCATIONS} invocations, too many to delete with it in one "
                    "commit; purge them first",
                    limit="invocations",
                    maximum=MAX_INVOCATIONS,
                    code=ErrorCode.TOO_MANY,
                )
            start = page[-1][0] + b"\x00"
        return found
