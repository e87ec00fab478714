"""The rows of completed invocations: written at the end, read until their retention is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import trio

from actors.core.decide import unknown_invocation
from actors.core.evolve import spans_with
from actors.core.state import existing, with_request
from actors.errors import NotFoundError
from actors.rows.index import row_of
from journal import invocation_keys
from journal.errors import CorruptRecord, JournalError
from journal.ids import stream_of_invocation
from journal.rows import InvocationRow, decode_row, encode_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.code.registry import CodeRegistry
    from actors.core.state import InvocationState, ObjectState
    from actors.engine.batch import CommitBatch
    from actors.engine.loaded_object import LoadedObject
    from actors.rows.layers import LayeredRows
    from journal import events as e
    from journal.events import Outcome, Stamp
    from journal.ids import InvocationId


class CompletedInvocations:
    """The completed invocations of one processor's objects. They are kept for ``retention_seconds``, unless their handlers have
    another retention. ``batch`` returns the batch that is forming."""

    def __init__(
        self,
        rows: LayeredRows,
        applications: CodeRegistry,
        *,
        partition: int,
        partitions: int,
        retention_seconds: float,
        batch: Callable[[], CommitBatch],
    ) -> None:
        self._rows = rows
        self._applications = applications
        self._partition = partition
        self._partitions = partitions
        self.retention_seconds = retention_seconds
        self._batch = batch
        self.purge_due_at: float | None = None
        """The earliest end of a retention that is known."""
        self._purge_sooner = trio.Event()

    def add(self, loaded: LoadedObject, number: int, event: e.InvocationCompleted, stamp: Stamp) -> None:
        """Note the row of an invocation that completes with this event, from the state before it."""
        state = existing(loaded.state)
        invocation = state.invocations[event.invocation_id]
        row = self._row_at_end(state, invocation, event.outcome, stamp.at)
        row.applied_requests = with_request(row.applied_requests, stamp.cause, invocation.status)
        row.spans = spans_with(row.spans, number)
        self._add(loaded, row)

    def add_ended(
        self, loaded: LoadedObject, state: ObjectState, invocation: InvocationState, outcome: Outcome, at: float
    ) -> None:
        """Note the row of an invocation that is no longer in its object's state, which is this one."""
        self._add(loaded, self._row_at_end(state, invocation, outcome, at))

    def _add(self, loaded: LoadedObject, row: InvocationRow) -> None:
        loaded.ended[row.invocation_id] = row
        self._batch().ended.append(row)

    def row(self, loaded: LoadedObject, of: InvocationId) -> InvocationRow | None:
        """The row of a completed invocation whose retention has not ended. Raises ``CorruptRecord``."""
        row = loaded.ended.get(of)
        if row is not None or (loaded.state is not None and of in loaded.state.invocations):
            return row
        data = self._rows.get(invocation_keys.invocation(self._partition, of))
        if data is None:
            return None
        row = decode_row(InvocationRow, data)
        if row.outcome is None:
            raise CorruptRecord(f"the row of {of} says that it is {row.status.value}, but its object does not know it")
        return row

    def known_row(self, loaded: LoadedObject, of: InvocationId) -> InvocationRow:
        """The row of a completed invocation. Raises ``NotFoundError``."""
        row = self.row(loaded, of)
        if row is None:
            raise unknown_invocation(of)
        return row

    def latest_restart(self, loaded: LoadedObject, of: InvocationId) -> InvocationId | None:
        """The last restart that is known of an invocation, of its restart, and so on; None if there is none."""
        latest: InvocationId | None = None
        while True:
            known: InvocationState | InvocationRow | None = loaded.open_state(of) or self.row(loaded, of)
            if known is None:
                return latest
            successors = [each for each in known.successors if loaded.open_state(each) or self.row(loaded, each)]
            if not successors:
                return latest
            latest = of = successors[-1]

    def latest_row(self, of: InvocationId) -> InvocationRow | None:
        """The latest row of any invocation of this journal."""
        partition = stream_of_invocation(of) % self._partitions
        data = self._rows.get(invocation_keys.invocation(partition, of))
        return None if data is None else decode_row(InvocationRow, data)

    def stored_outcome(self, of: InvocationId) -> Outcome | None:
        """The outcome in the row of an invocation; None if it has not completed, or if the row cannot be read."""
        try:
            row = self.latest_row(of)
        except JournalError:
            return None
        return None if row is None else row.outcome

    def add_successor(self, loaded: LoadedObject, number: int, event: e.InvocationRestarted) -> None:
        """Note in the row of an invocation that it was restarted."""
        of = event.invocation_id
        row = self.row(loaded, of)
        if row is None:
            return
        successors = [*row.successors, event.successor]
        row = msgspec.structs.replace(row, successors=successors, spans=spans_with(row.spans, number))
        if of in loaded.ended:
            loaded.ended[of] = row
        else:
            self._batch().rows[invocation_keys.invocation(self._partition, of)] = encode_row(row)

    def _row_at_end(
        self, state: ObjectState, invocation: InvocationState, outcome: Outcome, at: float
    ) -> InvocationRow:
        purge_at = self.purge_at(at, self._retention_of(state, invocation))
        return row_of(state, invocation, outcome=outcome, completed_at=at, purge_at=purge_at)

    def purge_sooner(self, due_at: float | None) -> trio.Event:
        """An event that is set when a retention ends before ``due_at``, the earliest end known so far."""
        self.purge_due_at = due_at
        self._purge_sooner = trio.Event()
        return self._purge_sooner

    def purge_at(self, completed_at: float, retention: float | None) -> float:
        """The time at which the retention of an invocation ends, after telling the search for ended retentions. ``retention`` is the handler's own,
        or None."""
        purge_at = completed_at + (self.retention_seconds if retention is None else retention)
        if self.purge_due_at is None or purge_at < self.purge_due_at:
            self.purge_sooner_than(purge_at)
        return purge_at

    def purge_sooner_than(self, due_at: float) -> None:
        """Tell the search for ended retentions of an earlier end, once that is durable."""
        self.purge_due_at = due_at
        self._batch().released.append(self._hurry_purge)  # the search reads rows from the disk

    def _hurry_purge(self) -> None:
        self._purge_sooner.set()

    def _retention_of(self, state: ObjectState, invocation: InvocationState) -> float | None:
        applications = self._applications
        app = applications.find(invocation.deployment, state.service) or applications.newest
        try:
            _, handler = app.handlers[state.service, invocation.handler]
        except NotFoundError:
            return None
        return handler.options.retention
