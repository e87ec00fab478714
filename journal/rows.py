"""The rows beside the log, which are looked up by key. Each is written in the same batch as the events that it follows from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import attrs
import msgspec

from journal import keys
from journal.errors import CorruptRecord
from journal.events import Caller, Failure, Kind, Lineage, Mode, Outcome, PauseCause, Status, Target, TraceContext
from journal.fields import described, moment
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FORMAT = 3
"""The format of a store. A store with another format is refused, and never interpreted by a guess."""


@attrs.frozen
class Backlog:
    """The unfinished work that a copy has from its original: invocations accepted before the time ``before``, and, for
    each partition, the unhandled messages with arrival numbers below its number in ``messages``. ``epochs`` are the
    epochs of the last owners, by partition."""

    before: float
    messages: tuple[int, ...]
    epochs: tuple[int, ...]

    def has_message(self, partition: int, position: bytes) -> bool:
        """Report whether the message at this position belongs to the backlog."""
        return not keys.has_date(position) and position < keys.message(partition, self.messages[partition])

    def has_epoch(self, partition: int, epoch: int) -> bool:
        """Report whether an owner with this epoch belonged to the original."""
        return 0 < epoch <= self.epochs[partition]


@attrs.define(kw_only=True)
class StoreIdentity:
    """The identity of a store. ``partitions`` is fixed when it is created. ``secret`` is a random text, the key for hashes that
    no outsider can compute; a copy of the store keeps it, so that repeated requests are recognised there.

    A copy has an id of its own: ``copy_of`` is the id of its original, and ``epoch`` is one more than the original's. ``backlog``
    is the original's unfinished work; while ``is_held``, it must not continue.
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


class StreamHead(msgspec.Struct, gc=False):
    """The end of a stream: its last event, the event of its latest snapshot, and the number of trimmed events."""

    last: int
    snapshot: int = 0
    trimmed: int = 0


@attrs.define(kw_only=True)
class PartitionState:
    """The number of the owner, which fences earlier ones, and the numbers of the next message and of the next one to another partition."""

    epoch: int = 0
    next_arrival: int = 1
    next_outgoing: int = 1


@attrs.frozen
class AwaitedSignal:
    """A signal that an invocation waits for: its name, and the start of the wait."""

    name: str
    since: float


class LimitStart(msgspec.Struct, array_like=True, gc=False):
    """A start that the rates of limits count: its time, and the scopes that they count, such as ``tag:user=ada``."""

    at: float
    scopes: tuple[str, ...]


class SpentRow(msgspec.Struct, array_like=True, gc=False):
    """The amounts that the invocations of one partition have spent under a budget, by the name of the quantity: decimals as texts. ``life`` is that
    of the budget: what was spent under an earlier one does not count. A life below 0 is the time of the first amount, negated: the row of
    the budget of the invocation had not arrived from another node. In the partition of an invocation with a budget of its own,
    ``budget`` is that budget, until the invocation is cancelled or ends."""

    life: int
    spent: dict[str, str]
    budget: dict[str, str] | None = None


class InvocationRow(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """The summary of an invocation, readable without its history. Written whenever its status on disk changes, or the signals
    that it waits for.

    It is stored as an array of its fields, in this order: a new field comes last and has a default.

    ``spans`` are ranges of event numbers that contain its events; others' may be between them. ``argument_digest`` shows whether
    a repeated request asks for the same thing. ``awaited`` are the signals that it waits for, longest first. ``step_tries``
    counts the failed tries of the steps that it waits for. ``tags`` are its tags by name, and ``trace`` is the span of
    its requester; None if there are none. At ``expires_at`` it is cancelled if it has not completed. ``status_text``
    is the text that its handler has set to say what it does. ``spent`` are the amounts that it has used up, by the name of the
    quantity; None if it has spent nothing. ``pause_cause`` says why it is paused. ``budget`` is as in
    :class:`journal.events.InvocationAccepted`, raised since; None if it has none.
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
    applied_requests: dict[str, Status] = {}
    restarts: Lineage | None = None
    successors: list[InvocationId] = []
    awaited: list[AwaitedSignal] = []
    step_tries: int = 0
    tags: dict[str, str] | None = None
    trace: TraceContext | None = None
    expires_at: float | None = None
    status_text: str = ""
    spent: dict[str, str] | None = None
    pause_cause: PauseCause | None = None
    budget: dict[str, str] | None = None


@attrs.define(kw_only=True)
class AuditRow:
    """A control request, applied or refused. Numbers run 1, 2, 3 … in each partition.

    ``by`` and ``source`` are the requester and its address; ``target`` is the object of the request. ``changed``,
    ``before`` and ``after`` are its result; a refused request has a ``refusal`` instead. ``dropped`` counts the denied
    requests since the previous row that have no row of their own because there were too many.
    """

    number: Annotated[int, described("its position in the chain")]
    at: Annotated[float, moment("when it was requested")]
    by: Annotated[str, described("the requester")]
    source: Annotated[str, described("the requester's address, or its kind: process, handler, user:NAME")]
    verb: Annotated[str, described("the verb")]
    target: Annotated[str, described("the target of the verb: an invocation, an object, a gate …")]
    detail: Annotated[str, described("the options of the verb")] = ""
    reason: Annotated[str, described("the reason that the requester gave")] = ""
    request: Annotated[str | None, described("the idempotency key, or the id in the answer to a denied request")] = None
    changed: Annotated[bool, described("whether anything changed")] = False
    before: Annotated[str, described("the target's status before")] = ""
    after: Annotated[str, described("the target's status after")] = ""
    refusal: Annotated[str, described("the reason of a refusal")] = ""
    dropped: Annotated[int, described("the number of denied requests before it that have no row")] = 0


_encode_audit = msgspec.msgpack.Encoder().encode
LINK_BYTES = 32
FIRST_LINK = bytes(LINK_BYTES)
"""The link of the first row of a chain."""


encode_row: Callable[
    [StoreIdentity | StreamHead | PartitionState | LimitStart | SpentRow | InvocationRow | tuple[Any, ...]], bytes
]
encode_row = msgspec.msgpack.Encoder().encode
"""Encodes a row as msgpack. An :class:`InvocationRow` can be a tuple of its fields."""


_T = TypeVar("_T")
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {}


def decode_row(kind: type[_T], data: bytes) -> _T:
    """Decode a row of this kind. Raises :class:`CorruptRecord`."""
    try:
        return _decoder_of(kind).decode(data)
    except (ValueError, RecursionError) as error:
        raise _undecodable(kind, error) from error


def decode_rows(kind: type[_T], many: Iterable[bytes]) -> list[_T]:
    """Decode rows of this kind. Raises :class:`CorruptRecord`."""
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
    """Encode an audit row. Returns its bytes and its link: a hash over the link of the row before and everything in this one."""
    body = _encode_audit(row)
    link = hashlib.sha256(link_before + body).digest()
    return link + body, link


def decode_audit(data: bytes) -> AuditRow:
    """Decode an audit row. Raises :class:`CorruptRecord`."""
    return decode_row(AuditRow, data[LINK_BYTES:])


def link_of_audit(data: bytes) -> bytes:
    """Return the link that a stored row carries."""
    return data[:LINK_BYTES]


def is_linked(data: bytes, link_before: bytes) -> bool:
    """Report whether a stored row follows the one with this link and has not been changed."""
    return hashlib.sha256(link_before + data[LINK_BYTES:]).digest() == data[:LINK_BYTES]
