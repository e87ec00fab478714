"""Durable timers, and messages that are sent again later: both are messages with a due time, and their ids differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core import commands as c
from journal.errors import BrokenInvariant
from journal.ids import ROOT_STEP, InvocationId, StepId, StreamId
from journal.log.protocol import Message

if TYPE_CHECKING:
    from actors.core.commands import Command
    from journal.events import Stamp

_POSTPONED = "/again"


def timer_message(to: StreamId, at: float, command: Command) -> Message:
    """Return the message of a durable timer. The same command with the same due time gives the same message, so the
    timer can be retracted."""
    return Message(_timer_id(command), to, c.encode_command(command, cause="timer", by="timer"), at)


def postponed_message(to: StreamId, at: float, command: Any, stamp: Stamp, *, epoch: int) -> Message:
    """Return a message that sends a command again at the time ``at``, because the processor of this epoch could not
    take it."""
    step: StepId = getattr(command, "step", ROOT_STEP)
    name = command.invocation_id if step == ROOT_STEP else f"{command.invocation_id}/{step}"
    data = c.encode_command(command, cause=stamp.cause, by=stamp.by, postponed=epoch)
    return Message(f"{name}{_POSTPONED}", to, data, at)


def is_postponed(message_id: str) -> bool:
    """Report whether a message with a due time is a postponed message and not a timer."""
    return message_id.endswith(_POSTPONED)


def invocation_of_timer(message_id: str) -> InvocationId:
    """Return the invocation that the timer with this message id belongs to."""
    return InvocationId(message_id.partition("/")[0])


def _timer_id(command: Command) -> str:
    match command:
        case c.FireTimer():
            return f"{command.invocation_id}/{command.step}"
        case c.StartDue():
            return f"{command.invocation_id}/due"
        case c.ExpireInvocation():
            return f"{command.invocation_id}/expiry"
        case c.RetryAttempt():
            return f"{command.invocation_id}/retry"
        case c.KillInvocation():
            return f"{command.invocation_id}/kill"
        case _:
            raise BrokenInvariant(f"{type(command).__name__} is not a timer")
