"""What may be asked of an object. A command may arrive twice; the second time changes nothing.

Those that travel between partitions or wait for a date have a tag, as events do (``encode_command``).
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

import attrs
import msgspec

from actors.values.retries import RetryPolicy
from journal.errors import CorruptRecord
from journal.events import (
    Answer,
    Caller,
    Children,
    Event,
    Failure,
    InvocationAccepted,
    Kind,
    Link,
    Mode,
    Outcome,
    PauseCause,
    PauseMode,
    Stop,
    Target,
    Verb,
)
from journal.ids import ROOT_STEP, InvocationId, StepId


@attrs.define(kw_only=True)
class Invoke:
    """Do some work. The id is the sender's, so that asking again is harmless.

    ``kind``, ``mode`` and ``atomic`` are what the class declares, ``deployment`` is the code that new work runs on; they are
    filled in where the command arrives. ``if_free``: refuse it rather than have it wait. ``repeats`` is the invocation that the
    caller repeats, if it does: what had been called by that one, and was stopped, is repeated, too. ``parameter`` is as in
    :class:`journal.events.InvocationAccepted`.
    """

    invocation_id: InvocationId
    target: Target
    argument: bytes
    caller: Caller | None = None
    chain: list[Link] = attrs.field(factory=list)
    scheduled_for: float | None = None
    request: str | None = None
    kind: Kind = Kind.ACTOR
    mode: Mode = Mode.EXCLUSIVE
    atomic: bool = False
    deployment: str = ""
    if_free: bool = False
    repeats: InvocationId | None = None
    parameter: str | None = None


@attrs.define(kw_only=True)
class StartDue:
    """The date of a scheduled invocation has come."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class StartWaiting:
    """A gate has opened: whatever of this object waits for its turn, and for nothing else, starts."""


@attrs.define(kw_only=True)
class FireTimer:
    """The date of a sleep, a deadline or a step's retry has come."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class RetryAttempt:
    """The wait after a failed attempt is over."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class CompleteCall:
    """The outcome of a call that the invocation made, or of an invocation that it attached to."""

    invocation_id: InvocationId
    step: StepId
    outcome: Outcome


@attrs.define(kw_only=True)
class CompleteVerb:
    """What became of a verb that the invocation asked for."""

    invocation_id: InvocationId
    step: StepId
    answer: Answer | None
    refusal: Failure | None = None


@attrs.define(kw_only=True)
class Attach:
    """Tell ``by`` when this invocation ends."""

    invocation_id: InvocationId
    by: Caller


@attrs.define(kw_only=True)
class CancelInvocation:
    """Stop it, with its compensations. ``kill_after`` seconds later it is killed if it still lives.

    Asked again, the earlier end of patience holds; the rest is as it was asked for first. ``held_back`` counts completions that
    its handler has not been given because of a gate; filled in where the command arrives. ``spares``: it is stopped by a restart
    of what has called it, and what it has called under a key is spared.
    """

    invocation_id: InvocationId
    reason: str
    children: Children = Children.CALLED
    kill_after: float | None = None
    reply_to: Caller | None = None
    held_back: int = 0
    spares: bool = False


@attrs.define(kw_only=True)
class KillInvocation:
    """End it now, without compensation. ``spares`` as for a cancel."""

    invocation_id: InvocationId
    reason: str
    reply_to: Caller | None = None
    spares: bool = False


@attrs.define(kw_only=True)
class PauseInvocation:
    """Hold it."""

    invocation_id: InvocationId
    reason: str
    mode: PauseMode = PauseMode.DRAIN
    reply_to: Caller | None = None


@attrs.define(kw_only=True)
class ResumeInvocation:
    """Let it go on where it stopped; if it is backing off, try again now.

    ``deployment`` moves it to other code before that; ``latest`` becomes the id where the command arrives.
    """

    invocation_id: InvocationId
    reason: str
    deployment: str | None = None
    reply_to: Caller | None = None


@attrs.define(kw_only=True)
class SignalInvocation:
    """Hand it a value under a name."""

    invocation_id: InvocationId
    name: str
    value: bytes
    reply_to: Caller | None = None
    json_loses: str = ""


@attrs.define(kw_only=True)
class PurgeInvocations:
    """Forget the histories and results of these; all of them have ended."""

    invocation_ids: list[InvocationId]
    reply_to: Caller | None = None


@attrs.define(kw_only=True)
class RestartInvocation:
    """Do it again as ``successor``, from the beginning or keeping what came before the outcome of a step.

    ``from_step`` is a step's name or path, or ``end``; empty: from the beginning. ``argument`` takes the place of the original's;
    ``json_loses`` names the types that the sender had there and its JSON does not tell.
    ``stop`` says how the original is stopped if it has not ended. ``hand_over``: what waits for the original then waits for
    the successor. ``dry_run``: only say what would be kept. ``deployment`` is the code that it
    runs on, None: the original's. ``require_compatible``: only if that code gets through what is kept. ``caller`` waits for the
    successor, if it is a call that is repeated; ``chain`` is its chain.

    The rest is filled in where the command arrives: the ``original``'s acceptance, the ``step``, the ``parameter`` that
    ``argument`` is the value of (as in :class:`journal.events.InvocationAccepted`), and, as for a cancel, ``held_back``.
    """

    invocation_id: InvocationId
    successor: InvocationId
    reason: str
    from_step: str = ""
    argument: bytes | None = None
    json_loses: str = ""
    stop: Stop | None = None
    rewind_state: bool = False
    hand_over: bool = True
    dry_run: bool = False
    deployment: str | None = None
    require_compatible: bool = False
    reply_to: Caller | None = None
    original: InvocationAccepted | None = None
    step: StepId = ROOT_STEP
    held_back: int = 0
    caller: Caller | None = None
    chain: list[Link] = attrs.field(factory=list)
    parameter: str | None = None


def needs_code(command: RestartInvocation) -> bool:
    """Whether the code that it will run on is needed before it is accepted: to read other input, or to be tried."""
    return command.argument is not None or command.require_compatible


def is_rehearsed(command: RestartInvocation) -> bool:
    """Whether the handler is replayed through what the restart keeps before it is accepted."""
    return bool(command.from_step) and needs_code(command)


@attrs.define(kw_only=True)
class TransferCall:
    """Another invocation will answer the call."""

    invocation_id: InvocationId
    step: StepId
    callee: InvocationId


@attrs.define(kw_only=True)
class WithdrawCall:
    """A call that has not begun, and never can because its caller holds what it waits for, ends with this outcome."""

    invocation_id: InvocationId
    outcome: Outcome


@attrs.define(kw_only=True)
class RecordProgress:
    """A handler ran until everything in it waits; these are the facts of it, in order."""

    invocation_id: InvocationId
    events: list[Event]


@attrs.define(kw_only=True)
class FinishAttempt:
    """A handler has ended; ``events`` are the last facts of it. ``handed_over`` counts the completions that it has been given,
    ``has_met_cancel`` says whether its cancel, if there is one, has been raised in it."""

    invocation_id: InvocationId
    events: list[Event]
    outcome: Outcome
    handed_over: int = 0
    has_met_cancel: bool = False


@attrs.define(kw_only=True)
class FailAttempt:
    """A handler raised something worth retrying. ``jitter`` is a random number in [0, 1). ``has_been_given_cancel``: its cancel,
    if there is one, is among the ``handed_over`` completions."""

    invocation_id: InvocationId
    failure: Failure
    handed_over: int
    has_been_given_cancel: bool = False
    policy: RetryPolicy
    jitter: float


@attrs.define(kw_only=True)
class PauseAttempt:
    """A handler cannot go on as the code is: it replays differently, or has used up a limit. Pause it, saying why."""

    invocation_id: InvocationId
    cause: PauseCause
    reason: str
    failure: Failure | None = None


@attrs.define(kw_only=True)
class SuspendAttempt:
    """Nothing of it needs to stay in memory."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class CompleteStep:
    """A step's body has ended with an outcome that holds."""

    invocation_id: InvocationId
    step: StepId
    outcome: Outcome


@attrs.define(kw_only=True)
class FailStep:
    """A step's body raised something worth retrying. ``jitter`` is a random number in [0, 1)."""

    invocation_id: InvocationId
    step: StepId
    failure: Failure
    policy: RetryPolicy
    jitter: float


@attrs.define(kw_only=True)
class AbortStep:
    """A step's body was stopped and has ended."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class EmitOutput:
    """A running step has a piece of output; ``offset`` counts those of this run of its body."""

    invocation_id: InvocationId
    step: StepId
    value: bytes
    offset: int = 0


@attrs.define(kw_only=True)
class FinishDrain:
    """No step of it runs any more: a pause that waited for that takes effect."""

    invocation_id: InvocationId


Command: TypeAlias = (
    Invoke
    | StartDue
    | StartWaiting
    | FireTimer
    | RetryAttempt
    | CompleteCall
    | CompleteVerb
    | Attach
    | CancelInvocation
    | KillInvocation
    | PauseInvocation
    | ResumeInvocation
    | SignalInvocation
    | PurgeInvocations
    | RestartInvocation
    | TransferCall
    | WithdrawCall
    | RecordProgress
    | FinishAttempt
    | FailAttempt
    | PauseAttempt
    | SuspendAttempt
    | CompleteStep
    | FailStep
    | AbortStep
    | EmitOutput
    | FinishDrain
)

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
}


@attrs.define
class Envelope:
    """A command on its way: who asked, what caused it, and the command with its tag. ``postponed``:
    the epoch of the owner that could not take it in, if it comes again; else 0."""

    cause: str
    by: str
    tag: int
    body: bytes
    postponed: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_DECODERS: dict[int, msgspec.msgpack.Decoder[Any]] = {tag: msgspec.msgpack.Decoder(kind) for kind, tag in _TAGS.items()}


def can_be_sent(command: object) -> bool:
    """Whether the command may travel as a letter. The others come from the object itself, or from its steps."""
    return command.__class__ in _TAGS


def encode_command(command: Command, *, cause: str, by: str, postponed: int = 0) -> bytes:
    """The command as a letter carries it."""
    return _encode(Envelope(cause, by, _TAGS[type(command)], _encode(command), postponed))


def decode_command(data: bytes) -> tuple[Command, Envelope]:
    """Back. Raises :class:`journal.errors.CorruptRecord`."""
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
}
_VERB_DECODERS: dict[Verb, msgspec.msgpack.Decoder[Any]] = {v: msgspec.msgpack.Decoder(k) for v, k in _VERBS.items()}
VERB_OF_COMMAND: dict[type, Verb] = {kind: verb for verb, kind in _VERBS.items()}


def encode_verb(command: Command) -> bytes:
    """The command as an event of the handler that asked for it keeps it."""
    return _encode(command)


_OF_THE_JOURNEY = frozenset(
    {
        "invocation_id",
        "reply_to",
        "original",
        "step",
        "held_back",
        "spares",
        "caller",
        "chain",
        "json_loses",
        "parameter",
    }
)
"""Fields of a verb that say whom it is for, or are filled in where it arrives."""


def verb_options(verb: Verb, argument: bytes) -> dict[str, Any]:
    """What a verb was asked with, by the names of its options; users' values are JSON as bytes.

    Raises :class:`journal.errors.CorruptRecord`.
    """
    try:
        command = _VERB_DECODERS[verb].decode(argument)
    except (ValueError, RecursionError) as error:
        raise CorruptRecord(f"the options of a {verb.value} cannot be decoded: {error!r}") from error
    return {f.name: getattr(command, f.name) for f in attrs.fields(type(command)) if f.name not in _OF_THE_JOURNEY}


def decode_verb(verb: Verb, argument: bytes, *, reply_to: Caller) -> Command:
    """Back, with the place where the answer goes."""
    command: Any = _VERB_DECODERS[verb].decode(argument)
    command.reply_to = reply_to
    answerable: Command = command
    return answerable
