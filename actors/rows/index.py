"""The rows that follow from the state of an object: the rows and index entries of its invocations, and the items of its
collections.

They depend on the events alone, so the engine writes them together with the events, and fsck compares them with the
events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.state import WaitKind
from journal import invocation_keys, keys
from journal.events import Outcome, Status, Target
from journal.rows import AwaitedSignal, InvocationRow

if TYPE_CHECKING:
    from actors.core.effects import RewindItems, WriteItems
    from actors.core.state import InvocationState, ObjectState
    from journal.events import Failure
    from journal.ids import InvocationId, StreamId

_SIGNAL = WaitKind.SIGNAL  # a member of an enum takes several times as long to look up as a name of the module

Rows = dict[bytes, bytes | None]


@attrs.define
class IndexedState:
    """The row of an open invocation on disk."""

    status: Status
    failure: Failure | None
    cancelled: bool
    deployment: str
    awaited: tuple[AwaitedSignal, ...] = ()
    step_tries: int = 0
    status_text: str = ""
    spent: dict[str, str] | None = None
    budget: dict[str, str] | None = None


def row_of(
    state: ObjectState,
    invocation: InvocationState,
    *,
    outcome: Outcome | None = None,
    completed_at: float | None = None,
    purge_at: float | None = None,
) -> InvocationRow:
    """Return the row of an open or completed invocation."""
    return InvocationRow(
        invocation_id=invocation.invocation_id,
        target=Target(state.service, state.key, invocation.handler),
        kind=state.kind,
        mode=invocation.mode,
        status=invocation.status if outcome is None else Status.COMPLETED,
        created_at=invocation.accepted_at,
        created_by=invocation.accepted_by,
        modified_at=invocation.modified_at if completed_at is None else completed_at,
        spans=invocation.spans,
        started_at=invocation.started_at,
        completed_at=completed_at,
        scheduled_for=invocation.scheduled_for,
        purge_at=purge_at,
        attempts=invocation.failed_attempts,
        caller=invocation.caller,
        request=invocation.request,
        argument_digest=invocation.argument_digest,
        last_failure=invocation.last_failure,
        pause_reason=invocation.pause_reason,
        cancel_reason=None if invocation.cancel is None else invocation.cancel.reason,
        deployment=invocation.deployment,
        outcome=outcome,
        applied_requests=invocation.applied_requests,
        restarts=invocation.restarts,
        successors=invocation.successors,
        awaited=[] if outcome is not None else [*awaited_signals(invocation)],
        step_tries=0 if outcome is not None else _step_tries(invocation),
        tags=invocation.tags,
        trace=invocation.trace,
        expires_at=invocation.expires_at,
        status_text=invocation.status_text,
        spent=invocation.spent or None,
        pause_cause=invocation.pause_cause,
        budget=invocation.budget,
    )


def tag_keys(partition: int, tags: dict[str, str], created_at: float, of: InvocationId) -> list[bytes]:
    """Return the keys of the index of tags for one invocation."""
    return [invocation_keys.tag(partition, name, value, created_at, of) for name, value in tags.items()]


def awaited_signals(invocation: InvocationState) -> tuple[AwaitedSignal, ...]:
    waits = invocation.waits
    if not waits:
        return ()
    return tuple([AwaitedSignal(wait.name, wait.since) for wait in waits.values() if wait.kind is _SIGNAL])


def _step_tries(invocation: InvocationState) -> int:
    tries = 0
    for wait in invocation.waits.values():
        tries += wait.attempts
    return tries


def listing_of(invocation: InvocationState) -> IndexedState:
    """Return the part of an open invocation's row that its index entries depend on."""
    return IndexedState(
        invocation.status,
        invocation.last_failure,
        invocation.cancel is not None,
        invocation.deployment,
        awaited_signals(invocation),
        _step_tries(invocation),
        invocation.status_text,
        invocation.spent or None,
        invocation.budget,
    )


def index_items(rows: Rows, partition: int, stream: StreamId, kept: WriteItems) -> None:
    """Write the items of collections that a handler changed."""
    for field, items in kept.changes.logs.items():
        start = kept.lengths.get(field, 0)
        for offset, item in enumerate(items):
            rows[keys.log_item(partition, stream, field, start + offset)] = item
    for field, changed in kept.changes.maps.items():
        for key, value in changed.items():
            rows[keys.map_item(partition, stream, field, key.encode())] = value


def rewind_items(rows: Rows, partition: int, stream: StreamId, rewind: RewindItems) -> None:
    """Reset the items of collections to their former values."""
    event = rewind.event
    for field, now in rewind.lengths.items():
        for index in range(event.lengths.get(field, 0), now):
            rows[keys.log_item(partition, stream, field, index)] = None
    for field, items in event.logs.items():
        start = event.lengths[field] - len(items)
        for offset, item in enumerate(items):
            rows[keys.log_item(partition, stream, field, start + offset)] = item
    for field, changed in event.maps.items():
        for key, value in changed.items():
            rows[keys.map_item(partition, stream, field, key.encode())] = value
