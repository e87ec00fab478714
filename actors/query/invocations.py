"""Invocations from the rows of a journal: one by id, many by what they are. Needs no engine, so it reads a store at rest too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.decide import unknown_invocation
from journal import keys
from journal.errors import BrokenInvariant
from journal.events import Status
from journal.ids import InvocationId, stream_of_invocation
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.model.listing import Listing
    from journal.log.protocol import RowSource

_PAGE = 256


def row_of_id(source: RowSource, of: InvocationId) -> InvocationRow:
    """The row of an invocation. Raises :class:`actors.UnknownInvocationError`."""
    data = source.row(keys.invocation(stream_of_invocation(of) % source.partitions, of))
    if data is None:
        raise unknown_invocation(of)
    return decode_row(InvocationRow, data)


def list_invocations(source: RowSource, listing: Listing) -> list[InvocationRow]:
    """The newest of those that are wanted, newest first."""
    if listing.where is not None:
        raise BrokenInvariant("a condition in SQL is a question for actors.sql")
    found = [row for row in _candidates(source, listing) if listing.wants(row)]
    found.sort(key=lambda row: row.created_at, reverse=True)
    return found[: listing.limit]


def _candidates(source: RowSource, listing: Listing) -> Iterator[InvocationRow]:
    for partition in range(source.partitions):
        if listing.status is not None and Status.COMPLETED not in listing.status:
            for status in listing.status:
                prefix = keys.open_prefix(partition, status)
                yield from _rows_named(source, partition, _keys_of(source, prefix, reverse=False))
        else:
            prefix = keys.created_prefix(partition)
            newest_first = _rows_named(source, partition, _keys_of(source, prefix, reverse=True))
            yield from _first_wanted(newest_first, listing)


def _first_wanted(rows: Iterator[InvocationRow], listing: Listing) -> Iterator[InvocationRow]:
    left = listing.limit
    for row in rows:
        if left <= 0:
            return
        if listing.wants(row):
            left -= 1
            yield row


def _rows_named(source: RowSource, partition: int, names: Iterator[bytes]) -> Iterator[InvocationRow]:
    for name in names:
        data = source.row(keys.invocation(partition, InvocationId(keys.id_at_end(name))))
        if data is not None:  # it may have been purged since the index was read
            yield decode_row(InvocationRow, data)


def _keys_of(source: RowSource, prefix: bytes, *, reverse: bool) -> Iterator[bytes]:
    start, stop = prefix, keys.after_prefix(prefix)
    while True:
        page = source.rows(start, stop, limit=_PAGE, reverse=reverse)
        yield from (key for key, _ in page)
        if len(page) < _PAGE:
            return
        if reverse:
            stop = page[-1][0]
        else:
            start = page[-1][0] + b"\x00"
