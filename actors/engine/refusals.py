"""Refuses requests: answers the waiting callers with the reason, and keeps messages for which there is no room yet."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from actors.core import commands as c
from actors.engine.requests import AuditOnly, AwaitOutcome, DeleteObject, Describe
from actors.errors import (
    ActorError,
    ErrorCode,
    InternalError,
    InvalidArgumentError,
    TerminalError,
    UnavailableError,
)
from actors.errors.base import code_of
from actors.rows.timers import postponed_message
from actors.values.failures import failed, failure_of, text_of, type_of
from journal.errors import CorruptRecord, Damaged, Unwritable
from journal.ids import InvocationId, stream_of_invocation
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from actors.engine.faults import Faults
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.engine.requests import ObjectRequest
    from journal.events import Caller

log = SafeLogger(__name__)

_POSTPONE_SECONDS = 1.0
_PASSING = {
    ErrorCode.BUSY,
    ErrorCode.DAMAGED,
    ErrorCode.DISK_FULL,
    ErrorCode.INTERNAL,
    ErrorCode.NOT_FOUND,
    ErrorCode.SET_ASIDE,
    ErrorCode.UNAVAILABLE,
}
"""Codes of refusals that may be temporary: until there is room, or until other code is served."""

VERBS = (
    c.CancelInvocation,
    c.KillInvocation,
    c.PauseInvocation,
    c.ResumeInvocation,
    c.SignalInvocation,
    c.RescheduleInvocation,
)
"""The requests that change one open invocation."""


class Refusals:
    """The requests of one processor that cannot be done, or not now."""

    def __init__(self, machine: Machine, faults: Faults) -> None:
        self._machine = machine
        self._faults = faults

    def turn_down(
        self, loaded: LoadedObject, request: ObjectRequest, refusal: TerminalError | CorruptRecord | Damaged
    ) -> bool:
        """Answer with a refusal. Returns whether the request is finished."""
        if isinstance(refusal, TerminalError):
            self._refuse(loaded, request, refusal)
            return True
        return self.turn_away(loaded, request, refusal)

    def turn_away(
        self, loaded: LoadedObject, request: ObjectRequest, damage: CorruptRecord | Damaged | UnavailableError
    ) -> bool:
        """Refuse a request whose object cannot be read. A client gets the error, and its request is dropped; a message waits for the
        repair. Returns whether the request is finished."""
        if not _is_asked_for(request):
            return False
        refusal = UnavailableError(f"{_name_of(request)}: {damage}", code=ErrorCode.SET_ASIDE)
        self._refuse(loaded, request, refusal)
        return True

    def keep(self, request: ObjectRequest) -> None:
        """Send the request to this partition again as a message, because it cannot be handled now and no message carries it."""
        if c.can_be_sent(request.command):
            again_at = self._machine.now + _POSTPONE_SECONDS
            epoch = self._machine.partition.epoch
            self._machine.send(postponed_message(request.to, again_at, request.command, request.stamp, epoch=epoch))

    def blame(self, loaded: LoadedObject, request: ObjectRequest, error: BaseException) -> bool:
        """Handle an exception raised by a request. Waiting clients get the error; without one, the invocation is paused or its
        object set aside. Returns whether the request is dealt with."""
        if isinstance(request.command, c.StartWaiting):
            self._faults.blame(loaded, None, error, is_whole=True)
            if request.reply is not None:
                self._machine.when_durable(
                    partial(request.reply.set, None)
                )  # the sender waits for every start that is possible now
            return True
        if _is_asked_for(request):
            self._faults.blame(loaded, None, error)
            self._refuse_because_of(loaded, request, error)
            return True
        of: InvocationId | None = getattr(request.command, "invocation_id", None)
        self._faults.blame(loaded, of, error, is_whole=of is None)
        return False

    def _refuse_because_of(self, loaded: LoadedObject, request: ObjectRequest, error: BaseException) -> None:
        name, text = _name_of(request), text_of(error)
        if isinstance(error, Unwritable):
            refusal: TerminalError = InvalidArgumentError(f"{name}: {text}")
        else:
            refusal = InternalError(
                f"{name}: the engine failed: {type_of(error)}: {text}. Nothing was changed; report this"
            )
        try:
            self._refuse(loaded, request, refusal)
        except BaseException as another:
            self._faults.blame(loaded, None, another)
            request.fail(refusal)

    def _refuse(self, loaded: LoadedObject, request: ObjectRequest, refusal: TerminalError) -> None:
        self._machine.audit(request, refusal=f"{code_of(refusal)}: {refusal}")
        self._machine.when_durable(partial(request.fail, refusal))
        command = request.command
        match command:
            case c.Invoke() if command.caller is not None:
                self._machine.complete_call(loaded, command.caller, failed(refusal))
            case c.Invoke() if request.reply is None and request.outcome is None:
                self._postpone(request, command, refusal)
            case c.Attach():
                self._machine.complete_call(loaded, command.by, failed(refusal))
            case c.RestartInvocation() if command.caller is not None:
                self._machine.complete_call(loaded, command.caller, failed(refusal))
            case c.PurgeInvocations() | c.RestartInvocation() if command.reply_to is not None:
                self._refuse_verb(loaded, command.reply_to, refusal)
            case _ if isinstance(command, VERBS) and command.reply_to is not None:
                self._refuse_verb(loaded, command.reply_to, refusal)

    def _postpone(self, request: ObjectRequest, command: c.Invoke, refusal: ActorError) -> None:
        """Postpone a one-way message that cannot be accepted now, unless it never can be: a sent message is not lost."""
        if code_of(refusal) not in _PASSING:
            log.error("%s: a message to %s is dropped: %s", command.invocation_id, command.target, refusal)
            return
        log.warning("%s: a message to %s waits: %s", command.invocation_id, command.target, refusal)
        self.keep(request)

    def _refuse_verb(self, loaded: LoadedObject, to: Caller, refusal: TerminalError) -> None:
        command = c.CompleteVerb(invocation_id=to.invocation_id, step=to.step, answer=None, refusal=failure_of(refusal))
        self._machine.deliver(loaded, stream_of_invocation(to.invocation_id), command, by=None)


def _is_asked_for(request: ObjectRequest) -> bool:
    """Whether a client or another object waits for the result."""
    command: Any = request.command
    if (
        request.reply is not None
        or request.outcome is not None
        or isinstance(command, (AwaitOutcome, Describe, AuditOnly, c.Attach))
    ):
        return True
    return getattr(command, "caller", None) is not None or getattr(command, "reply_to", None) is not None


def _name_of(request: ObjectRequest) -> str:
    """The name of the request's target, for messages."""
    match request.command:
        case c.Invoke():
            return str(request.command.target)
        case c.PurgeInvocations():
            return request.command.invocation_ids[0]
        case DeleteObject(service=service, key=key):
            return f"{service}/{key}"
        case command:
            return getattr(command, "invocation_id", f"stream {request.to:016x}")
