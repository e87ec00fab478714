"""Pauses a suspended invocation by its row alone, without the events of its object.

A row is written with the event that changes it. If that event is still the last one of the object, the row is what the events add
up to, and a suspended invocation has nothing that a pause would end: no step runs, and no retry is due. So the pause is one event
and a changed row. ``tests/core/test_paused_rows.py`` compares this with the decision from the events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.evolve import spans_with
from actors.core.state import REQUEST, with_request
from actors.rows.counters import groups_of_row, recount
from journal import events as e
from journal import invocation_keys
from journal.events import Mode, PauseCause, Status
from journal.rows import encode_row

if TYPE_CHECKING:
    from actors.rows.counters import Counts, Group
    from actors.rows.index import Rows
    from journal.events import Stamp
    from journal.ids import InvocationId
    from journal.rows import InvocationRow, StreamHead


def may_be_paused(row: InvocationRow, head: StreamHead, cause: str) -> bool:
    """Report whether a request with this cause can pause the invocation by its row. ``head`` is that of its object."""
    return (
        row.status is Status.SUSPENDED
        and row.mode is not Mode.UPDATE
        and row.spans[-1][1] == head.last
        and cause not in row.applied_requests
    )


def pause_requested(of: InvocationId, reason: str) -> e.InvocationPaused:
    """Return the event."""
    return e.InvocationPaused(invocation_id=of, cause=PauseCause.REQUESTED, reason=reason)


def pause(row: InvocationRow, number: int, reason: str, stamp: Stamp) -> tuple[Group, ...]:
    """Change the row as the event with this number does. Returns the groups that the invocation was counted in."""
    before = groups_of_row(row)
    if stamp.cause.startswith(REQUEST):
        row.applied_requests = with_request(row.applied_requests, stamp.cause, row.status)
    row.spans = spans_with(row.spans, number)
    row.modified_at, row.pause_reason, row.pause_cause = stamp.at, reason, PauseCause.REQUESTED
    row.status = Status.PAUSED
    return before


def index_paused(
    rows: Rows,
    known: Rows,
    counts: Counts,
    partition: int,
    stored: bytes,
    row: InvocationRow,
    before: tuple[Group, ...],
) -> None:
    """Write the changed row, and move the invocation in the index of statuses and in the counts. ``known`` receives what is stored under
    these keys."""
    of = row.invocation_id
    key = invocation_keys.invocation(partition, of)
    suspended = invocation_keys.open_by_status(partition, Status.SUSPENDED, of)
    paused = invocation_keys.open_by_status(partition, Status.PAUSED, of)
    rows[key], rows[suspended], rows[paused] = encode_row(row), None, b""
    known[key], known[suspended], known[paused] = stored, b"", None
    recount(counts, before, groups_of_row(row))
