"""Commands: the requests that an object can receive. A command may arrive twice; the second time changes nothing.

Commands that travel between partitions, or wait for a date, have a stable tag, as events do (``encode_command``).
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

import attrs
import msgspec

from actors.values.retries import RetryPolicy
from journal.errors import CorruptRecord
from journal.events import (
    Caller,
    Children,
    ControlResult,
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


@attrs.frozen(kw_only=True)
class Invoke:
    """Run a handler. The sender chooses the id, so a repeated request is harmless.

    ``if_free`` refuses the invocation instead of queueing it. ``repeats`` is set when a
    restarted caller makes its calls again: it names the caller's earlier invocation, and a call that was stopped with that
    invocation is repeated as well. ``parameter`` is as in :class:`journal.events.InvocationAccepted`.
    """

    invocation_id: InvocationId
    target: Target
    argument: bytes
    caller: Caller | None = None
    chain: list[Link] = attrs.field(factory=list)
    scheduled_for: float | None = None
    request: str | None = None
    if_free: bool = False
    repeats: InvocationId | None = None
    parameter: str | None = None


@attrs.frozen(kw_only=True)
class ResolvedInvoke:
    """An invocation with what the receiving processor knows: ``kind``, ``mode`` and ``atomic`` come from the class, and
    ``deployment`` is the code that new work runs on."""

    asked: Invoke
    kind: Kind = Kind.ACTOR
    mode: Mode = Mode.EXCLUSIVE
    atomic: bool = False
    deployment: str = ""


@attrs.frozen(kw_only=True)
class StartDue:
    """The date of a scheduled invocation has come."""

    invocation_id: InvocationId


@attrs.frozen(kw_only=True)
class StartWaiting:
    """A gate has opened: start every invocation of this object that waits only for its turn."""


@attrs.frozen(kw_only=True)
class FireTimer:
    """The date of a sleep, a deadline or a step's retry has come."""

    invocation_id: InvocationId
    step: StepId


@attrs.frozen(kw_only=True)
class RetryAttempt:
    """The delay after a failed attempt is over."""

    invocation_id: InvocationId


@attrs.frozen(kw_only=True)
class CompleteCall:
    """Deliver the outcome of a call that the invocation made, or of an invocation that it attached to."""

    invocation_id: InvocationId
    step: StepId
    outcome: Outcome


@attrs.frozen(kw_only=True)
class CompleteVerb:
    """Deliver the result of a verb (cancel, restart, …) that the invocation requested."""

    invocation_id: InvocationId
    step: StepId
    answer: ControlResult | None
    refusal: Failure | None = None


@attrs.frozen(kw_only=True)
class Attach:
    """Send the outcome of this invocation to ``by`` when it completes."""

    invocation_id: InvocationId
    by: Caller


@attrs.frozen(kw_only=True)
class CancelInvocation:
    """Cancel the invocation and let its compensations run. It is killed ``kill_after`` seconds later if it has not completed.

    A repeated cancel can only move the kill to an earlier time; everything else stays as first requested. ``held_back`` counts
    the completions that a gate has kept from the handler; it is filled in where the command arrives. ``spares`` is set when the
    invocation is stopped because its caller is restarted: the calls that it made with an idempotency key then continue.
    """

    invocation_id: InvocationId
    reason: str
    children: Children = Children.CALLED
    kill_after: float | None = None
    reply_to: Caller | None = None
    held_back: int = 0
    spares: bool = False


@attrs.frozen(kw_only=True)
class KillInvocation:
    """End the invocation now, without compensation. ``spares`` is as for a cancel."""

    invocation_id: InvocationId
    reason: str
    reply_to: Caller | None = None
    spares: bool = False


@attrs.frozen(kw_only=True)
class PauseInvocation:
    """Pause the invocation."""

    invocation_id: InvocationId
    reason: str
    mode: PauseMode = PauseMode.DRAIN
    reply_to: Caller | None = None


@attrs.frozen(kw_only=True)
class ResumeInvocation:
    """Continue a paused invocation where it stopped. If it is backing off, retry it now.

    ``deployment`` moves it to other code first; ``latest`` is replaced by an id where the command arrives.
    """

    invocation_id: InvocationId
    reason: str
    deployment: str | None = None
    reply_to: Caller | None = None


@attrs.frozen(kw_only=True)
class SignalInvocation:
    """Deliver a value to the invocation under a signal name."""

    invocation_id: InvocationId
    name: str
    value: bytes
    reply_to: Caller | None = None
    json_loses: str = ""


@attrs.frozen(kw_only=True)
class PurgeInvocations:
    """Delete the histories and results of these invocations, all of which have completed."""

    invocation_ids: list[InvocationId]
    reply_to: Caller | None = None


@attrs.frozen(kw_only=True)
class RestartInvocation:
    """Run the invocation again as ``successor``, from the beginning or from a step, keeping everything before that step's
    outcome.

    ``from_step`` is the name or path of a step, or ``end``; empty means the beginning. ``argument`` replaces the original
    argument; ``json_loses`` names the types in it that its JSON does not preserve. ``stop`` says how to stop the original if it
    has not completed. With ``hand_over``, everything that waits for the original then waits for the successor. With ``dry_run``,
    the command only reports what would be kept. ``deployment`` is the code that the successor runs on; None keeps the original's.
    ``require_compatible`` refuses the restart unless the kept history replays on that code. ``caller`` waits for the successor if
    a call is repeated; ``chain`` is that caller's chain.
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
    caller: Caller | None = None
    chain: list[Link] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class ResolvedRestart:
    """A restart with what the receiving processor knows.

    ``original`` is the acceptance of the invocation that is repeated, ``deployment`` the id of the code that the successor runs on,
    ``step`` the step that ``from_step`` names. ``parameter`` is the parameter whose value the new ``argument`` is (as in
    :class:`journal.events.InvocationAccepted`), ``held_back`` as in a cancel.
    """

    asked: RestartInvocation
    original: InvocationAccepted
    deployment: str
    step: StepId = ROOT_STEP
    parameter: str | None = None
    held_back: int = 0


def needs_code(command: RestartInvocation) -> bool:
    """Whether the successor's code must be loaded before the restart is accepted, to check its input or to replay on it."""
    return command.argument is not None or command.require_compatible


def is_rehearsed(command: RestartInvocation) -> bool:
    """Whether the kept history is replayed before the restart is accepted."""
    return bool(command.from_step) and needs_code(command)


@attrs.frozen(kw_only=True)
class TransferCall:
    """Another invocation will answer the call."""

    invocation_id: InvocationId
    step: StepId
    callee: InvocationId


@attrs.frozen(kw_only=True)
class WithdrawCall:
    """Complete a call with this outcome although it has not begun: it never can, because its caller holds the key that it waits
    for."""

    invocation_id: InvocationId
    outcome: Outcome


@attrs.frozen(kw_only=True)
class RecordProgress:
    """Record the events of one turn: the handler has run until every branch of it waits. They are in order."""

    invocation_id: InvocationId
    events: list[Event]


@attrs.frozen(kw_only=True)
class FinishAttempt:
    """The handler has returned or raised. ``events`` are those of its last turn, ``handed_over`` counts the completions that it
    received, and ``has_met_cancel`` says whether a pending cancel was raised in it."""

    invocation_id: InvocationId
    events: list[Event]
    outcome: Outcome
    handed_over: int = 0
    has_met_cancel: bool = False


@attrs.frozen(kw_only=True)
class FailAttempt:
    """The handler raised an error that is worth a retry. ``jitter`` is a random number in [0, 1). ``has_been_given_cancel`` says
    whether a pending cancel is among the ``handed_over`` completions."""

    invocation_id: InvocationId
    failure: Failure
    handed_over: int
    has_been_given_cancel: bool = False
    policy: RetryPolicy
    jitter: float


@attrs.frozen(kw_only=True)
class PauseAttempt:
    """Pause the invocation because its handler cannot continue on this code: the replay differs, or a limit is reached."""

    invocation_id: InvocationId
    cause: PauseCause
    reason: str
    failure: Failure | None = None


@attrs.frozen(kw_only=True)
class SuspendAttempt:
    """The handler waits, and nothing of it has to stay in memory."""

    invocation_id: InvocationId


@attrs.frozen(kw_only=True)
class CompleteStep:
    """The body of a step has ended with a final outcome."""

    invocation_id: InvocationId
    step: StepId
    outcome: Outcome


@attrs.frozen(kw_only=True)
class FailStep:
    """The body of a step raised an error that is worth a retry. ``jitter`` is a random number in [0, 1)."""

    invocation_id: InvocationId
    step: StepId
    failure: Failure
    policy: RetryPolicy
    jitter: float


@attrs.frozen(kw_only=True)
class AbortStep:
    """The body of a step was stopped and has ended."""

    invocation_id: InvocationId
    step: StepId


@attrs.frozen(kw_only=True)
class EmitOutput:
    """A running step emitted a piece of output; ``offset`` counts the pieces of this run of its body."""

    invocation_id: InvocationId
    step: StepId
    value: bytes
    offset: int = 0


@attrs.frozen(kw_only=True)
class FinishDrain:
    """No step of the invocation runs any more, so a pause that waited for its steps takes effect."""

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

Decidable: TypeAlias = Command | ResolvedInvoke | ResolvedRestart
"""What ``decide`` is given. It refuses an ``Invoke`` or a ``RestartInvocation`` that is not resolved: what the class declares and what
the history says is known only to the processor of the object."""

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
    """A command in transit: who asked, the cause, and the encoded command with its tag. ``postponed`` is 0, or, if a processor
    had to put the command off, the epoch of that processor."""

    cause: str
    by: str
    tag: int
    body: bytes
    postponed: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_DECODERS: dict[int, msgspec.msgpack.Decoder[Any]] = {tag: msgspec.msgpack.Decoder(kind) for kind, tag in _TAGS.items()}


def can_be_sent(command: object) -> bool:
    """Whether the command may travel as a message. The others come from the object itself or from its steps."""
    return command.__class__ in _TAGS


def encode_command(command: Command, *, cause: str, by: str, postponed: int = 0) -> bytes:
    """Encode the command as the body of a message."""
    return _encode(Envelope(cause, by, _TAGS[type(command)], _encode(command), postponed))


def decode_command(data: bytes) -> tuple[Command, Envelope]:
    """Decode the body of a message. Raises :class:`journal.errors.CorruptRecord`."""
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
    """Encode the command for the event that records a handler's request for it."""
    return _encode(command)


_OF_THE_JOURNEY = frozenset(
    {
        "invocation_id",
        "reply_to",
        "held_back",
        "spares",
        "caller",
        "chain",
        "json_loses",
    }
)
"""Fields of a verb that address it, or that are filled in where it arrives."""


def verb_options(verb: Verb, argument: bytes) -> dict[str, Any]:
    """The options of a recorded verb, by name; user values are JSON as bytes.

    Raises :class:`journal.errors.CorruptRecord`.
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
