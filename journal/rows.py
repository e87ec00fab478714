"""Rows beside the log: what can be looked up by key. Written in the same batch as the events they follow from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import msgspec

from journal import keys
from journal.errors import CorruptRecord
from journal.events import Caller, Failure, Kind, Lineage, Mode, Outcome, Status, Target
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 1
"""The format of a store. A store of another one is refused, never guessed at."""


@attrs.frozen
class Backlog:
    """The work that was under way in the original of a copy: what was accepted ``before``, and, by partition, the letters with
    numbers below these, which have not been taken in yet. ``epochs``: of the last owner that each partition had there."""

    before: float
    messages: tuple[int, ...]
    epochs: tuple[int, ...]

    def has_message(self, partition: int, position: bytes) -> bool:
        """Whether the letter at this position is of it."""
        return not keys.has_date(position) and position < keys.message(partition, self.messages[partition])

    def has_epoch(self, partition: int, epoch: int) -> bool:
        """Whether an owner of this epoch was one of the original's."""
        return 0 < epoch <= self.epochs[partition]


@attrs.define(kw_only=True)
class StoreIdentity:
    """What a store says of itself. ``partitions`` is fixed when it is created. ``secret`` is a random text for hashes that nobody
    outside can work out; a copy of the store keeps it, so that requests that are repeated there are recognised.

    A copy has an id of its own: ``copy_of`` is the id of its original, ``epoch`` is one more than the original's. ``backlog`` is what
    it has of its original's work; while that ``is_held``, it must not go on.
    """

    format: int
    store_id: str
    secret: str
    partitions: int
    created_at: float
    epoch: int = 1
    copy_of: str = ""
    backlog: Backlog | None = None
    is_held: bool = False


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


@attrs.frozen
class AwaitedSignal:
    """A signal that has not come: its name, and since when it is waited for."""

    name: str
    since: float


@attrs.define(kw_only=True)
class InvocationRow:
    """What is known of one invocation without reading its history. Written whenever its status, or what it waits for of people,
    changes on disk.

    ``spans`` are the ranges of event numbers among which its own events lie; others' may lie between. ``argument_digest`` tells
    whether a request that comes again asks for the same thing. ``awaited`` are the signals that it waits for, the one that is
    awaited longest first. ``step_tries`` are those that have failed of the steps that it waits for.
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
    deployment: str = ""
    outcome: Outcome | None = None
    obeyed: dict[str, Status] = attrs.field(factory=dict)
    restarts: Lineage | None = None
    successors: list[InvocationId] = attrs.field(factory=list)
    awaited: list[AwaitedSignal] = attrs.field(factory=list)
    step_tries: int = 0


@attrs.define(kw_only=True)
class AuditRow:
    """A verb or a change was asked for, obeyed or not. Numbers run 1, 2, 3 … in each partition.

    ``by`` and ``origin`` are who and from where, ``target`` what was steered. ``changed``, ``before`` and ``after`` are the
    answer; a ``refusal`` is there instead if there was none. ``dropped`` are tries that were denied since the row before
    it and have no row of their own, because there were too many.
    """

    number: int
    at: float
    by: str
    origin: str
    verb: str
    target: str
    detail: str = ""
    reason: str = ""
    request: str | None = None
    changed: bool = False
    before: str = ""
    after: str = ""
    refusal: str = ""
    dropped: int = 0


LINK_BYTES = 32
FIRST_LINK = bytes(LINK_BYTES)
"""What the first row of a chain is linked to."""


_encode = msgspec.msgpack.Encoder().encode
_T = TypeVar("_T")
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {}


def encode_row(row: StoreIdentity | StreamHead | PartitionState | InvocationRow) -> bytes:
    """The row as msgpack."""
    return _encode(row)


def decode_row(kind: type[_T], data: bytes) -> _T:
    """The bytes as a row of this kind. Raises :class:`CorruptRecord`."""
    try:
        return _decoder_of(kind).decode(data)
    except (ValueError, RecursionError) as error:
        raise _undecodable(kind, error) from error


def decode_rows(kind: type[_T], many: Iterable[bytes]) -> list[_T]:
    """Each of them as a row of this kind. Raises :class:`CorruptRecord`."""
    try:
        return [*map(_decoder_of(kind).decode, many)]
    except (ValueError, RecursionError) as error:
        raise _undecodable(kind, error) from error


def _decoder_of(kind: type[_T]) -> msgspec.msgpack.Decoder[_T]:
    decoder: msgspec.msgpack.Decoder[_T] | None = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    return decoder


def _undecodable(kind: type[_T], error: Exception) -> CorruptRecord:
    return CorruptRecord(f"a {kind.__name__} cannot be decoded: {error}")


def encode_audit(row: AuditRow, link_before: bytes) -> tuple[bytes, bytes]:
    """The row as it is kept, and its link: a hash over the link of the row before it and all that this one says."""
    body = _encode(row)
    link = hashlib.sha256(link_before + body).digest()
    return link + body, link


def decode_audit(data: bytes) -> AuditRow:
    """Back. Raises :class:`CorruptRecord`."""
    return decode_row(AuditRow, data[LINK_BYTES:])


def link_of_audit(data: bytes) -> bytes:
    """The link that a kept row carries."""
    return data[:LINK_BYTES]


def is_linked(data: bytes, link_before: bytes) -> bool:
    """Whether a kept row follows the one with this link, and says what it said when it was written."""
    return hashlib.sha256(link_before + data[LINK_BYTES:]).digest() == data[:LINK_BYTES]
