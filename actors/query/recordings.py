"""Recordings: an invocation in a line of a file, with all that its replay needs, so that it can be replayed where its data is not.

A recording has the row of the invocation, its events, and its object with all items of ``Log`` and ``Map`` fields as of its start, as
the journal has them. JSON would not do: it does not distinguish an argument that is null from none, or a value that is null from an
item that was deleted.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from actors.core.snapshots import decode_snapshot, encode_snapshot
from actors.errors import InvalidArgumentError, LimitExceededError
from actors.rows.invocations import RecordedInvocation
from actors.rows.items import ObjectItems, writer_beside
from journal import codec, keys
from journal.errors import CorruptRecord, Damaged
from journal.events import Mode
from journal.ids import stream_of_invocation
from journal.kv.memory import MemoryStore
from journal.rows import InvocationRow, decode_row, encode_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMAT = 1
"""The format of a recording. One with another format is refused."""

MAX_BYTES = 64 * 1024 * 1024
"""The largest recording, before it is compressed."""

KIND = "recording"


class _Recording(msgspec.Struct, frozen=True):
    """``items`` are rows without the part of their keys that names the object."""

    format: int
    row: bytes
    numbers: list[int]
    record: bytes
    state: bytes | None
    version: int
    items: list[tuple[bytes, bytes]]


_decode = msgspec.msgpack.Decoder(_Recording).decode


def recording_of(kept: RecordedInvocation) -> str:
    """Return the recording of an invocation, as a line of JSON. Raises :class:`LimitExceededError` if it is too large."""
    of = kept.row.invocation_id
    record = codec.encode_record([(recorded.stamp, recorded.event) for recorded in kept.history])
    items: list[tuple[bytes, bytes]] = []
    size = len(record)
    for key, value in () if kept.items is None else kept.items.rows():
        size += len(key) + len(value)
        if size > MAX_BYTES:
            raise LimitExceededError(
                f"the recording of {of}, with the items of its object, is larger than {MAX_BYTES} bytes",
                limit="recording_bytes",
                maximum=MAX_BYTES,
            )
        items.append((key, value))
    recording = _Recording(
        format=FORMAT,
        row=encode_row(kept.row),
        numbers=[recorded.number for recorded in kept.history],
        record=record,
        state=None if kept.state is None else encode_snapshot(kept.state),
        version=0 if kept.state is None else kept.state.version,
        items=items,
    )
    data = base64.b64encode(zlib.compress(msgspec.msgpack.encode(recording))).decode()
    return msgspec.json.encode({"kind": KIND, "id": of, KIND: data}).decode()


def read_recordings(lines: Iterable[bytes], where: str) -> Iterator[RecordedInvocation]:
    """Yield the invocations of a file with recordings, one a line; lines of an export that are of another kind are skipped. Raises
    :class:`InvalidArgumentError`, naming the line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            kept = _read(line)
        except (ValueError, KeyError, TypeError, RecursionError, zlib.error, CorruptRecord, Damaged) as error:
            raise InvalidArgumentError(
                f"{where}, line {number}: this is not a recording that this version of playhead reads ({error}); expected the output "
                "of 'playhead invocations export --recording'",
                path="file",
            ) from error
        if kept is not None:
            yield kept


def _read(line: bytes) -> RecordedInvocation | None:
    entry: Any = msgspec.json.decode(line)
    if not isinstance(entry, dict) or "kind" not in entry:
        raise ValueError("it is not a line of an export")
    if entry["kind"] != KIND:
        return None
    packed = zlib.decompressobj()
    data = packed.decompress(base64.b64decode(entry[KIND], validate=True), 2 * MAX_BYTES)
    if packed.unconsumed_tail:
        raise ValueError(f"it is larger than {2 * MAX_BYTES} bytes")
    recording = _decode(data)
    if recording.format != FORMAT:
        raise ValueError(f"its format is {recording.format}, expected {FORMAT}")
    return _invocation_of(recording)


def _invocation_of(recording: _Recording) -> RecordedInvocation:
    row = decode_row(InvocationRow, recording.row)
    history = codec.decode_record(recording.record, 1)
    if len(history) != len(recording.numbers) or not history:
        raise ValueError(f"it has {len(history)} events and {len(recording.numbers)} numbers of events")
    numbered = [
        msgspec.structs.replace(recorded, number=number)
        for recorded, number in zip(history, recording.numbers, strict=True)
    ]
    if recording.state is None:
        return RecordedInvocation(row=row, history=numbered, state=None, items=None)
    stream = stream_of_invocation(row.invocation_id)
    state = decode_snapshot(stream, recording.version, recording.state)
    if row.invocation_id not in state.invocations:
        raise ValueError("its object does not know the invocation")
    prefix = keys.items_of_object(0, stream)
    rows = MemoryStore([(prefix + key, value) for key, value in recording.items])
    beside = None if row.mode is Mode.EXCLUSIVE else writer_beside(state)
    return RecordedInvocation(
        row=row, history=numbered, state=state, items=ObjectItems(rows, 0, stream, state, beside=beside)
    )
