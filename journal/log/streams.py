"""The layout of a stream in a store: its head and its records, and how they are read and rewritten.

Everything that is read is checked: a stream has no gap and reaches as far as its head says. Wrong bytes raise ``Damaged`` with
the name of the stream.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from journal import keys
from journal.codec import decode_into, decode_record, erase
from journal.errors import CorruptRecord, Damaged
from journal.fused import last_number
from journal.ids import StreamId
from journal.kv.store import scan_all
from journal.rows import StreamHead, decode_row
from journal.stored_stream import StoredStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from journal.events import Recorded
    from journal.fused import Lived
    from journal.kv.store import Batch, Readable

NO_STREAM = StreamHead(last=0)


@contextmanager
def damage_context(stream: StreamId, number: int, what: str) -> Iterator[None]:
    """Convert a ``CorruptRecord`` raised in the block to ``Damaged``, which names the stream and the event."""
    try:
        yield
    except CorruptRecord as error:
        raise Damaged(stream, number, f"{what}: {error}") from error


def read_head(store: Readable, partition: int, stream: StreamId) -> StreamHead:
    """Return the head of the stream; an empty head if there is none. Raises ``Damaged``."""
    return read_head_and_row(store, partition, stream)[0]


def read_head_and_row(store: Readable, partition: int, stream: StreamId) -> tuple[StreamHead, bytes | None]:
    """Return the head of the stream and its stored bytes, None if there is no stream. Raises ``Damaged``."""
    try:
        data = store.get(keys.head(partition, stream))
        return head_of(data), data
    except CorruptRecord as error:
        raise Damaged(stream, 0, f"the head: {error}") from error


def head_of(row: bytes | None) -> StreamHead:
    """Return the head that is stored in this row; an empty head if there is none. Raises ``CorruptRecord``."""
    return NO_STREAM if row is None else decode_row(StreamHead, row)


def load_stream(store: Readable, partition: int, stream: StreamId, head: StreamHead) -> StoredStream | None:
    """Return the stored stream of the object, or None if there is none. Raises ``Damaged``."""
    if head.last == 0:
        return None
    snapshot = None
    if head.snapshot:
        with damage_context(stream, head.snapshot, "the snapshot"):
            snapshot = store.get(keys.snapshot(partition, stream, head.snapshot))
        if snapshot is None:
            raise Damaged(stream, head.snapshot, "the snapshot is missing")
    events = read_events(store, partition, stream, head.snapshot + 1, head.last)
    return StoredStream(head.last, head.trimmed, head.snapshot, snapshot, events)


def read_snapshot(store: Readable, partition: int, stream: StreamId, at: int) -> tuple[int, bytes] | None:
    """Return the latest snapshot as of event ``at`` or before, with the number of its event. Raises ``Damaged``."""
    with damage_context(stream, at, "a snapshot"):
        found = _last_up_to(store, keys.snapshot(partition, stream, 0), keys.snapshot(partition, stream, at))
    return (keys.number_of_snapshot(found[0]), found[1]) if found else None


def read_events(store: Readable, partition: int, stream: StreamId, first: int, last: int) -> list[Recorded]:
    """Return the events ``first`` to ``last``, every one of them. Raises ``Damaged`` for a gap or a wrong record."""
    found: list[Recorded] = _read_records(store, partition, stream, first, last, keeps_turns=False)
    if not found:
        return found
    # The found records have no gap, so the first shows where the others begin.
    skipped = first - found[0].number
    return found if not skipped and found[-1].number == last else found[skipped : last + 1 - found[0].number]


def read_lived(store: Readable, partition: int, stream: StreamId, first: int, last: int) -> list[Lived]:
    """Return the events ``first`` to ``last`` as a replay reads them. A turn is returned as a whole also if only a part of it is
    among them. Raises as :func:`read_events`."""
    found: list[Lived] = _read_records(store, partition, stream, first, last, keeps_turns=True)
    start, stop = 0, len(found)
    while start < stop and last_number(found[start]) < first:
        start += 1
    while stop > start and found[stop - 1].number > last:
        stop -= 1
    return found if stop - start == len(found) else found[start:stop]


def _read_records(
    store: Readable, partition: int, stream: StreamId, first: int, last: int, *, keeps_turns: bool
) -> list[Any]:
    """Return everything in the records of these events."""
    if first > last:
        return []
    number = first
    found: list[Any] = []
    try:
        start, value = record_with(store, partition, stream, first)
        number = keys.first_number_of(start)
        number = decode_into(found, value, number, keeps_turns=keeps_turns)
        stop = keys.record(partition, stream, last + 1)
        for key, value in scan_all(store, start + b"\x00", stop) if number <= last else ():
            if keys.first_number_of(key) != number:
                raise Damaged(stream, number, f"events are missing up to {keys.first_number_of(key) - 1}")
            number = decode_into(found, value, number, keeps_turns=keeps_turns)
    except CorruptRecord as error:
        raise Damaged(stream, number, str(error)) from error
    if number <= last:
        raise Damaged(
            stream, number, f"the stream ends before event {number}; its head says that event {last} is the last"
        )
    return found


def record_with(store: Readable, partition: int, stream: StreamId, number: int) -> tuple[bytes, bytes]:
    """Return the key and the value of the last record that begins at event ``number`` or before. Raises ``Damaged`` if
    there is none."""
    with damage_context(stream, number, "the record"):
        found = _last_up_to(store, keys.record(partition, stream, 0), keys.record(partition, stream, number))
    if found is None:
        raise Damaged(stream, number, "the event is missing")
    return found


def _last_up_to(store: Readable, start: bytes, key: bytes) -> tuple[bytes, bytes] | None:
    """Return the row with this key, or the last one before it."""
    value = store.get(key)
    if value is not None:
        return key, value
    try:
        found = store.scan(start, key, limit=1, reverse=True)
    except CorruptRecord:
        # Backwards, RocksDB also reads the row before the one that it returns, which may belong to another stream. Forwards it
        # does not, and the whole stream before it is read instead.
        found = list(scan_all(store, start, key))
    return found[-1] if found else None


def redact_events(store: Readable, batch: Batch, partition: int, stream: StreamId, numbers: Iterable[int]) -> None:
    """Overwrite events in place, rewriting each record that contains one of them. Raises ``Damaged``."""
    remaining = sorted(set(numbers))
    while remaining:
        key, value = record_with(store, partition, stream, remaining[0])
        first = keys.first_number_of(key)
        with damage_context(stream, remaining[0], "the record"):
            end = first + len(decode_record(value, first))
            here = [number for number in remaining if number < end]
            batch.rows[key] = erase(value, first, here)
        if not here:
            raise Damaged(stream, remaining[0], f"the event is missing; the record before it ends at event {end - 1}")
        remaining = remaining[len(here) :]


def trim(store: Readable, batch: Batch, partition: int, stream: StreamId, up_to: int, last: int) -> int:
    """Clear the whole records that end at or before ``up_to``. Returns the number of the last cleared event. Raises ``Damaged``.

    The last snapshot up to there stays, so the object can be rebuilt as of every event that is kept.
    """
    if up_to < last:
        kept, _ = record_with(store, partition, stream, up_to + 1)
    else:
        kept = keys.record(partition, stream, last + 1)
    batch.cleared.append((keys.record(partition, stream, 0), kept))
    found = read_snapshot(store, partition, stream, up_to)
    if found is not None:
        batch.cleared.append((keys.snapshot(partition, stream, 0), keys.snapshot(partition, stream, found[0])))
    return keys.first_number_of(kept) - 1


def clear_stream(batch: Batch, partition: int, stream: StreamId) -> None:
    """Delete everything of the stream."""
    batch.cleared.append((keys.record(partition, stream, 0), keys.record(partition, stream, 2**64 - 1)))
    items = keys.items_of_object(partition, stream)
    batch.cleared.append((items, keys.after_prefix(items)))
    batch.rows[keys.head(partition, stream)] = None
    batch.cleared.append((keys.snapshot(partition, stream, 0), keys.snapshot(partition, stream, 2**64 - 1)))
    batch.rows[keys.owing(partition, stream)] = None
