"""Rows beside the log: what can be looked up by key. Written in the same batch as the events they follow from."""

from __future__ import annotations

from typing import TypeVar

import attrs
import msgspec

from journal.errors import CorruptRecord
from journal.events import Caller, Failure, Kind, Mode, Outcome, Status, Target
from journal.ids import InvocationId

FORMAT = 1
"""The format of a store. A store of another one is refused, never guessed at."""


@attrs.define(kw_only=True)
class StoreIdentity:
    """What a store says of itself. ``partitions`` is fixed when it is created."""

    format: int
    store_id: str
    partitions: int
    created_at: float


@attrs.define(kw_only=True)
class StreamHead:
    """How far a stream goes: its last event, the last one of its latest snapshot, how many are cut off in front."""

    last: int
    snapshot: int = 0
    trimmed: int = 0


@attrs.define(kw_only=True)
class PartitionState:
    """The owner's number, which fences earlier ones, and the number that the next letter gets."""

    epoch: int = 0
    next_arrival: int = 1


@attrs.define(kw_only=True)
class InvocationRow:
    """What is known of one invocation without reading its history. Written whenever its status changes on disk.

    ``spans`` are the ranges of event numbers among which its own events lie; others' may lie between. ``key_digest`` tells
    whether a request that comes again asks for the same thing.
    """

    invocation_id: InvocationId
    target: Target
    kind: Kind
    mode: Mode
    status: Status
    created_at: float
    created_by: str
    modified_at: float
    spans: list[tuple[int, int]]
    started_at: float | None = None
    completed_at: float | None = None
    scheduled_for: float | None = None
    purge_at: float | None = None
    attempts: int = 0
    caller: Caller | None = None
    request: str | None = None
    argument_digest: bytes = b""
    last_failure: Failure | None = None
    pause_reason: str = ""
    cancel_reason: str | None = None
    outcome: Outcome | None = None


_encode = msgspec.msgpack.Encoder().encode
_T = TypeVar("_T")
_decoders: dict[type, msgspec.msgpack.Decoder[object]] = {}


def encode_row(row: StoreIdentity | StreamHead | PartitionState | InvocationRow) -> bytes:
    """The row as msgpack."""
    return _encode(row)


def decode_row(kind: type[_T], data: bytes) -> _T:
    """The bytes as a row of this kind. Raises :class:`CorruptRecord`."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        row = decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CorruptRecord(f"a {kind.__name__} cannot be decoded: {error}") from error
    assert isinstance(row, kind)
    return row
