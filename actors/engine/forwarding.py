"""The bytes of a request that one node sends to another, and of its answer.

Both are msgpack, and a command in it has the bytes that it has as a message between objects. Replies do not travel: the receiver makes
its own. A request may arrive late, or a second time, so the receiver never takes the id of an invocation as new
(:attr:`ObjectRequest.is_fresh`).

An error arrives in its class, with its attributes: a terminal one as it is recorded in a history, one of the journal, or another of
this package, by its name. Only names of those two packages are looked up.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
from outcome import Error, Value

from actors import errors
from actors.core import commands as c
from actors.engine.requests import (
    Accepted,
    AuditOnly,
    AwaitOutcome,
    DeleteObject,
    Describe,
    ObjectRequest,
    TakeMessages,
)
from actors.engine.waiter import Reply
from actors.errors import ActorError, TerminalError
from actors.errors.names import instance_dict_of
from actors.model.info import InvocationInfo
from actors.model.object_info import ObjectDeletion
from actors.rows.audit import ControlAction
from actors.values.failures import failure_of
from actors.values.outcomes import error_of
from journal import errors as journal_errors
from journal.errors import BrokenInvariant, CorruptRecord, JournalError, StoreFailed, Unavailable
from journal.events import ControlResult, Failure, Outcome, Stamp
from journal.ids import InvocationId, StreamId
from journal.log.inbox import decode_sent_message, encode_message

if TYPE_CHECKING:
    from outcome import Maybe

    from actors.core.commands import Command


class _Kind(enum.IntEnum):
    """The kind of a request's body. Numbers never change their meaning, because nodes of two versions may run together."""

    COMMAND = 0
    AWAIT_OUTCOME = 1
    DESCRIBE = 2
    AUDIT = 3
    DELETE_OBJECT = 4
    MESSAGES = 5


class _ForwardedRequest(msgspec.Struct, omit_defaults=True):
    """A request, without what the receiver makes itself."""

    to: int
    kind: _Kind
    body: bytes
    at: float
    cause: str
    by: str
    source: str
    act: ControlAction | None = None
    wants_outcome: bool = False
    leaves_at_pause: bool = False


class _Note(msgspec.Struct, omit_defaults=True):
    """The body of an entry of the audit log."""

    act: ControlAction
    refusal: str = ""
    dropped: int = 0


class _ForwardedAnswer(msgspec.Struct, omit_defaults=True):
    """An answer: a value, or an error. ``failure`` is a terminal error, ``error`` the name of another one."""

    value: bytes | None = None
    failure: Failure | None = None
    error: str = ""
    text: str = ""
    invocation_id: InvocationId | None = None
    attributes: dict[str, str | int | float | None] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode_asked = msgspec.msgpack.Decoder(_ForwardedRequest).decode
_decode_answered = msgspec.msgpack.Decoder(_ForwardedAnswer).decode
_decode_note = msgspec.msgpack.Decoder(_Note).decode
_decode_deletion = msgspec.msgpack.Decoder(DeleteObject).decode
_decode_messages = msgspec.msgpack.Decoder(list[bytes]).decode
_MALFORMED = (ValueError, KeyError, RecursionError, CorruptRecord)


# Requests.


def encode_request(request: ObjectRequest) -> bytes:
    """Encode a request of a client."""
    kind, body = _body_of(request)
    stamp = request.stamp
    return _encode(
        _ForwardedRequest(
            to=request.to,
            kind=kind,
            body=body,
            at=stamp.at,
            cause=stamp.cause,
            by=stamp.by,
            source=request.source,
            act=request.act,
            wants_outcome=request.outcome is not None,
            leaves_at_pause=request.leaves_at_pause,
        )
    )


def _body_of(request: ObjectRequest) -> tuple[_Kind, bytes]:
    match command := request.command:
        case AwaitOutcome():
            return _Kind.AWAIT_OUTCOME, command.invocation_id.encode()
        case Describe():
            return _Kind.DESCRIBE, command.invocation_id.encode()
        case AuditOnly():
            return _Kind.AUDIT, _encode(_Note(command.act, command.refusal, command.dropped))
        case DeleteObject():
            return _Kind.DELETE_OBJECT, _encode(command)
        case TakeMessages():
            return _Kind.MESSAGES, _encode([encode_message(message) for message in command.messages])
        case _:
            if not c.can_be_sent(command):
                raise BrokenInvariant(f"{type(command).__name__} is not a request of a client")
            return _Kind.COMMAND, c.encode_command(command, cause="", by="")


def decode_request(data: bytes) -> ObjectRequest:
    """Decode a request. Raises :class:`journal.errors.CorruptRecord`."""
    try:
        asked = _decode_asked(data)
        command = _command_of(asked)
    except _MALFORMED as error:
        raise CorruptRecord(f"a request of another node cannot be decoded: {error}") from error
    has_reply = asked.kind in (_Kind.COMMAND, _Kind.DELETE_OBJECT)
    return ObjectRequest(
        StreamId(asked.to),
        command,
        Stamp(asked.at, asked.cause, asked.by),
        reply=Reply() if has_reply and not asked.wants_outcome else None,
        outcome=Reply(leaves_at_pause=asked.leaves_at_pause) if asked.wants_outcome else None,
        source=asked.source,
        act=asked.act,
    )


def _command_of(
    asked: _ForwardedRequest,
) -> Command | AwaitOutcome | Describe | AuditOnly | DeleteObject | TakeMessages:
    match asked.kind:
        case _Kind.COMMAND:
            return c.decode_command(asked.body)[0]
        case _Kind.AWAIT_OUTCOME:
            of = InvocationId(asked.body.decode())
            return AwaitOutcome(of, Reply(of, asked.leaves_at_pause))
        case _Kind.DESCRIBE:
            of = InvocationId(asked.body.decode())
            return Describe(of, Reply(of))
        case _Kind.AUDIT:
            note = _decode_note(asked.body)
            return AuditOnly(act=note.act, reply=Reply(), refusal=note.refusal, dropped=note.dropped)
        case _Kind.DELETE_OBJECT:
            return _decode_deletion(asked.body)
        case _Kind.MESSAGES:
            return TakeMessages([decode_sent_message(data) for data in _decode_messages(asked.body)])


# Answers.


def encode_answer(answer: Maybe[Any]) -> bytes:
    """Encode an answer to a request."""
    match answer:
        case Value(InvocationInfo() as info):
            return _encode(_ForwardedAnswer(msgspec.json.encode(info)))  # values in it are those of JSON
        case Value(value):
            return _encode(_ForwardedAnswer(_encode(value)))
        case Error(error):
            return _encode(_refused(error))


def _refused(error: BaseException) -> _ForwardedAnswer:
    if isinstance(error, TerminalError):
        failure = attrs.evolve(failure_of(error), traceback="")
        return _ForwardedAnswer(failure=failure, invocation_id=error.invocation_id)
    attributes = {
        name: value
        for name, value in vars(error).items()
        if value is None or (type(value) in (str, int, float) and not name.startswith("_"))
    }
    return _ForwardedAnswer(error=type(error).__name__, text=str(error), attributes=attributes)


def decode_answer(request: ObjectRequest, data: bytes) -> Maybe[Any]:
    """Decode the answer to this request. Raises :class:`journal.errors.CorruptRecord`."""
    try:
        answered = _decode_answered(data)
        if answered.value is not None:
            return Value(_decoder_for(_answer_to(request))(answered.value))
    except _MALFORMED as error:
        raise CorruptRecord(f"the answer of another node cannot be decoded: {error}") from error
    if answered.failure is not None:
        return Error(error_of(answered.failure, answered.invocation_id))
    kind = _ERRORS.get(answered.error, ActorError)
    made = kind.__new__(kind)
    made.args = (answered.text,)
    instance_dict_of(made).update(answered.attributes)
    return Error(made)


def _answer_to(request: ObjectRequest) -> Any:
    match request.command:
        case AwaitOutcome():
            return Outcome
        case Describe():
            return InvocationInfo
        case AuditOnly() | TakeMessages():
            return None
        case DeleteObject():
            return ObjectDeletion
        case c.Invoke():
            return Accepted if request.outcome is None else Outcome
        case _:
            return ControlResult | None


@cache
def _decoder_for(kind: Any) -> Any:
    return msgspec.json.Decoder(kind).decode if kind is InvocationInfo else msgspec.msgpack.Decoder(kind).decode


def _by_name(module: Any, base: type[Exception]) -> dict[str, type[Exception]]:
    return {name: kind for name, kind in vars(module).items() if isinstance(kind, type) and issubclass(kind, base)}


_ERRORS: dict[str, type[Exception]] = {
    **_by_name(journal_errors, JournalError),
    **_by_name(errors, ActorError),
    **dict.fromkeys(_by_name(journal_errors, StoreFailed), Unavailable),  # the disk of another node, not of this one
}
