"""Reads invocations from their rows: one as a public record, or many by a filter."""

from __future__ import annotations

import heapq
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING

from actors.core.deadlocks import WaitGraph
from actors.model.info import NOTHING_SPENT, info_of
from actors.model.listing import place_of
from actors.query.counts import invocation_counts
from actors.rows.counters import STATUS
from journal import invocation_keys, keys
from journal.errors import BrokenInvariant, Damaged
from journal.events import Status
from journal.ids import InvocationId, stream_of, stream_of_invocation
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from actors.core.gates import Gates
    from actors.model.info import InvocationInfo
    from actors.model.listing import Listing
    from actors.query.snapshot import JournalSnapshot


def invocation_info(snapshot: JournalSnapshot, row: InvocationRow, gates: Gates) -> InvocationInfo:
    """Return the public record of an invocation, with its waits, from its object. Raises ``Damaged`` if the
    object cannot be read.
    """
    of = row.invocation_id
    if row.outcome is not None:
        return info_of(row, None, gates, budget_spent=_spent_of_budget(snapshot, row))
    stream = stream_of_invocation(of)
    state = snapshot.object(stream)
    if state is None:
        raise Damaged(stream, 0, f"{of} is open according to its row, but has no object")
    opened = state.invocations.get(of)
    if opened is None:
        raise Damaged(stream, 0, f"the row of {of} says that it is {row.status.value}, but its object does not know it")
    circle = WaitGraph(snapshot.object).circle_around(of)
    spent = _spent_of_budget(snapshot, row)
    return info_of(row, opened, gates, state=state, circle=circle, budget_spent=spent)


def _spent_of_budget(snapshot: JournalSnapshot, row: InvocationRow) -> Mapping[str, str]:
    return NOTHING_SPENT if row.budget is None else snapshot.spent_of_budget(row.invocation_id)


def list_invocations(snapshot: JournalSnapshot, listing: Listing) -> list[InvocationRow]:
    """Return the newest invocations that match, newest first, in the order of :func:`actors.model.listing.place_of`."""
    if listing.where is not None:
        raise BrokenInvariant("list_invocations got a condition in SQL, which only actors.query.sql evaluates")
    found = [row for row in _found(snapshot, listing) if listing.wants(row)]
    found.sort(key=place_of, reverse=True)
    return found[: listing.limit]


def _found(snapshot: JournalSnapshot, listing: Listing) -> Iterable[InvocationRow]:
    """Candidates, among them the newest that match. Of the indexes, the one that leads to fewer rows is read."""
    if listing.service is not None and listing.key is not None:
        return _of_object(snapshot, listing.service, listing.key)
    if listing.tags is not None:
        return _newest(listing, _by_tag(snapshot, listing, *next(iter(listing.tags.items()))))
    if listing.status is None or Status.COMPLETED in listing.status:
        return _newest(listing, _by_time(snapshot, listing))
    matching = _count_of(snapshot, listing.status)
    if matching > listing.limit:
        # Where many have the status, a page of them is soon found among the newest; if not, it costs as much again.
        newest = _newest(listing, islice(_by_time(snapshot, listing), matching))
        if len(newest) == listing.limit:
            return newest
    return _by_status(snapshot, listing.status)


def _count_of(snapshot: JournalSnapshot, statuses: frozenset[Status]) -> int:
    counts = invocation_counts(snapshot.view, snapshot.partitions)
    return sum(number for group, number in counts.items() if Status(group[STATUS]) in statuses)


def _of_object(snapshot: JournalSnapshot, service: str, key: str) -> Iterator[InvocationRow]:
    stream = stream_of(service, key)
    for _, data in snapshot.rows_under(invocation_keys.invocations_of(snapshot.partition_of(stream), stream)):
        yield decode_row(InvocationRow, data)


def _by_status(snapshot: JournalSnapshot, statuses: frozenset[Status]) -> Iterator[InvocationRow]:
    for partition in range(snapshot.partitions):
        for status in statuses:
            for name, _ in snapshot.rows_under(invocation_keys.open_prefix(partition, status)):
                yield from _named(snapshot, partition, name)


def _by_tag(snapshot: JournalSnapshot, listing: Listing, name: str, value: str) -> Iterator[InvocationRow]:
    """The invocations with this tag after the place of the filter, newest first."""
    return _merged(snapshot, [_tagged(snapshot, each, listing, name, value) for each in range(snapshot.partitions)])


def _tagged(
    snapshot: JournalSnapshot, partition: int, listing: Listing, name: str, value: str
) -> Iterator[tuple[int, int, bytes]]:
    prefix = invocation_keys.tag_prefix(partition, name, value)
    stop = keys.after_prefix(prefix)
    if listing.after is not None:
        stop = min(stop, invocation_keys.tag_behind(partition, name, value, listing.after[0]))
    for key, _ in snapshot.rows(prefix, stop, reverse=True):
        yield invocation_keys.microseconds_of_tag(key), partition, key


def _by_time(snapshot: JournalSnapshot, listing: Listing) -> Iterator[InvocationRow]:
    """All invocations after the place of the filter, newest first."""
    return _merged(snapshot, [_created(snapshot, each, listing) for each in range(snapshot.partitions)])


def _created(snapshot: JournalSnapshot, partition: int, listing: Listing) -> Iterator[tuple[int, int, bytes]]:
    prefix = invocation_keys.created_prefix(partition)
    stop = keys.after_prefix(prefix)
    if listing.after is not None:
        stop = min(stop, invocation_keys.created_behind(partition, listing.after[0]))
    for name, _ in snapshot.rows(prefix, stop, reverse=True):
        yield invocation_keys.microsecond_of_created(name), partition, name


def _merged(snapshot: JournalSnapshot, indexed: Sequence[Iterator[tuple[int, int, bytes]]]) -> Iterator[InvocationRow]:
    """The rows of index entries, by the exact time of acceptance: that of an index is rounded to the microsecond."""
    for _, together in groupby(heapq.merge(*indexed, reverse=True), key=itemgetter(0)):
        rows = [row for _, partition, name in together for row in _named(snapshot, partition, name)]
        yield from sorted(rows, key=place_of, reverse=True)


def _newest(listing: Listing, rows: Iterator[InvocationRow]) -> list[InvocationRow]:
    return [*islice(filter(listing.wants, rows), max(0, listing.limit))]


def _named(snapshot: JournalSnapshot, partition: int, name: bytes) -> Iterator[InvocationRow]:
    data = snapshot.get(invocation_keys.invocation(partition, InvocationId(invocation_keys.id_at_end(name))))
    if data is not None:  # fsck reports an index entry without a row; a list shows the rows that exist
        yield decode_row(InvocationRow, data)
