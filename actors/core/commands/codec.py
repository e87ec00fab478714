"""Commands as bytes. Commands that are sent between partitions, or wait for a time, have a stable tag, as events do."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.core.commands.attempts import NoteUsedUp, ResumeInBudget
from actors.core.commands.verbs import (
    CancelInvocation,
    KillInvocation,
    PauseInvocation,
    PurgeInvocations,
    RescheduleInvocation,
    RestartInvocation,
    ResumeInvocation,
    SignalInvocation,
)
from actors.core.commands.work import (
    Attach,
    CompleteCall,
    CompleteVerb,
    Detach,
    ExpireInvocation,
    FireTimer,
    Invoke,
    RetryAttempt,
    StartDue,
    TransferCall,
    WithdrawCall,
)
from journal.errors import CorruptRecord
from journal.events import Caller, Verb

if TYPE_CHECKING:
    from actors.core.commands.unions import Command


_TAGS: dict[type, int] = {
    Invoke: 0x01,
    StartDue: 0x02,
    FireTimer: 0x03,
    RetryAttempt: 0x04,
    CompleteCall: 0x05,
    CompleteVerb: 0x06,
    Attach: 0x07,
    CancelInvocation: 0x08,
    KillInvocation: 0x09,
    PauseInvocation: 0x0A,
    ResumeInvocation: 0x0B,
    SignalInvocation: 0x0C,
    PurgeInvocations: 0x0D,
    RestartInvocation: 0x0E,
    TransferCall: 0x0F,
    WithdrawCall: 0x10,
    RescheduleInvocation: 0x11,
    ExpireInvocation: 0x41,
    ResumeInBudget: 0x42,
    NoteUsedUp: 0x43,
    Detach: 0x44,
}


@attrs.define
class Envelope:
    """A command in transit: the requester, the cause, and the encoded command with its tag. ``postponed`` is 0 or the
    epoch of the processor that postponed the command."""

    cause: str
    by: str
    tag: int
    body: bytes
    postponed: int = 0


_encode = msgspec.msgpack.Encoder().encode

_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode

_DECODERS: dict[int, msgspec.msgpack.Decoder[Any]] = {tag: msgspec.msgpack.Decoder(kind) for kind, tag in _TAGS.items()}


def can_be_sent(command: object) -> bool:
    """Report whether the command may travel as a message. Other commands come from the object itself or from its
    steps."""
    return command.__class__ in _TAGS


def encode_command(command: Command, *, cause: str, by: str, postponed: int = 0) -> bytes:
    """Encode the command as the body of a message."""
    return _encode(Envelope(cause, by, _TAGS[type(command)], _encode(command), postponed))


def decode_command(data: bytes) -> tuple[Command, Envelope]:
    """Decode the body of a message. Raises :class:`actors.errors.CorruptRecord`."""
    try:
        envelope = _decode_envelope(data)
        return _DECODERS[envelope.tag].decode(envelope.body), envelope
    except (ValueError, KeyError, struct.error, RecursionError) as error:
        raise CorruptRecord(f"a command cannot be decoded: {error!r}") from error


_VERBS: dict[Verb, type[Any]] = {
    Verb.CANCEL: CancelInvocation,
    Verb.KILL: KillInvocation,
    Verb.PAUSE: PauseInvocation,
    Verb.RESUME: ResumeInvocation,
    Verb.SIGNAL: SignalInvocation,
    Verb.PURGE: PurgeInvocations,
    Verb.RESTART: RestartInvocation,
    Verb.RESCHEDULE: RescheduleInvocation,
}

_VERB_DECODERS: dict[Verb, msgspec.msgpack.Decoder[Any]] = {v: msgspec.msgpack.Decoder(k) for v, k in _VERBS.items()}

VERB_OF_COMMAND: dict[type, Verb] = {kind: verb for verb, kind in _VERBS.items()}


def encode_verb(command: Command) -> bytes:
    """Encode the command for the event that records a handler's request for it."""
    return _encode(command)


_OF_THE_JOURNEY = frozenset(
    {
        "invocation_id",
        "reply_to",
        "spares",
        "caller",
        "chain",
        "budgets",
        "json_loses",
        "question",
    }
)
"""Fields of a verb that address it, or that the receiver fills in."""


def verb_options(verb: Verb, argument: bytes) -> dict[str, Any]:
    """Return the options of a recorded verb by name; user values are JSON as bytes.

    Raises :class:`actors.errors.CorruptRecord`.
    """
    try:
        command = _VERB_DECODERS[verb].decode(argument)
    except (ValueError, RecursionError) as error:
        raise CorruptRecord(f"the options of a {verb.value} cannot be decoded: {error!r}") from error
    return {f.name: getattr(command, f.name) for f in attrs.fields(type(command)) if f.name not in _OF_THE_JOURNEY}


def decode_verb(verb: Verb, argument: bytes, *, reply_to: Caller) -> Command:
    """Decode a recorded verb. Its answer goes to ``reply_to``."""
    answerable: Command = attrs.evolve(_VERB_DECODERS[verb].decode(argument), reply_to=reply_to)
    return answerable
