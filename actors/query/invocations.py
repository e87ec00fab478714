"""Reads invocations from their rows: one as a public record, or many by a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.deadlocks import WaitGraph
from actors.model.info import info_of
from journal import keys
from journal.errors import BrokenInvariant, Damaged
from journal.events import Status
from journal.ids import InvocationId, stream_of_invocation
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.core.gates import Gates
    from actors.model.info import InvocationInfo
    from actors.model.listing import Listing
    from actors.query.snapshot import JournalSnapshot


def invocation_info(snapshot: JournalSnapshot, row: InvocationRow, gates: Gates) -> InvocationInfo:
    """Return the public record of an invocation, with what it waits for, from its object. Raises ``Damaged`` if the
    object cannot be read.
    """
    of = row.invocation_id
    if row.outcome is not None:
        return info_of(row, None, gates)
    stream = stream_of_invocation(of)
    state = snapshot.object(stream)
    if state is None:
        raise Damaged(stream, 0, f"{of} is open according to its row, but has no object")
    opened = state.invocations.get(of)
    if opened is None:
        raise Damaged(stream, 0, f"the row of {of} says that it is {row.status.value}, but its object does not know it")
    circle = WaitGraph(snapshot.object).circle_around(of)
    return info_of(row, opened, gates, state=state, circle=circle)


def list_invocations(snapshot: JournalSnapshot, listing: Listing) -> list[InvocationRow]:
    """Return the newest invocations that match, newest first."""
    if listing.where is not None:
        raise BrokenInvariant("list_invocations got a condition in SQL, which only actors.query.sql evaluates")
    found = [row for row in _candidates(snapshot, listing) if listing.wants(row)]
    found.sort(key=lambda row: row.created_at, reverse=True)
    return found[: listing.limit]


def _candidates(snapshot: JournalSnapshot, listing: Listing) -> Iterator[InvocationRow]:
    for partition in range(snapshot.partitions):
        if listing.status is not None and Status.COMPLETED not in listing.status:
            for status in listing.status:
                prefix = keys.open_prefix(partition, status)
                yield from _rows_named(snapshot, partition, prefix, reverse=False)
        else:
            prefix = keys.created_prefix(partition)
            newest_first = _rows_named(snapshot, partition, prefix, reverse=True)
            yield from _first_wanted(newest_first, listing)


def _first_wanted(rows: Iterator[InvocationRow], listing: Listing) -> Iterator[InvocationRow]:
    left = listing.limit
    for row in rows:
        if left <= 0:
            return
        if listing.wants(row):
            left -= 1
            yield row


def _rows_named(snapshot: JournalSnapshot, partition: int, prefix: bytes, *, reverse: bool) -> Iterator[InvocationRow]:
    for name, _ in snapshot.rows_under(prefix, reverse=reverse):
        data = snapshot.get(keys.invocation(partition, InvocationId(keys.id_at_end(name))))
        if data is not None:  # fsck reports an index entry without a row; a list shows the rows that exist
            yield decode_row(InvocationRow, data)
