"""Durable timers, and messages that are sent again later: messages with a date, which their ids tell apart."""

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
    """The message of a durable timer. The same command at the same date gives the same message, so it can be retracted."""
    return Message(_timer_id(command), to, c.encode_command(command, cause="timer", by="timer"), at)


def postponed_message(to: StreamId, at: float, command: Any, stamp: Stamp, *, epoch: int) -> Message:
    """A message that the processor of this epoch could not take, to be sent again at a later date."""
    step: StepId = getattr(command, "step", ROOT_STEP)
    name = command.invocation_id if step == ROOT_STEP else f"{command.invocation_id}/{step}"
    data = c.encode_command(command, cause=stamp.cause, by=stamp.by, postponed=epoch)
    return Message(f"{name}{_POSTPONED}", to, data, at)


def is_postponed(message_id: str) -> bool:
    """Whether a message with a date is a postponed message and not a timer."""
    return message_id.endswith(_POSTPONED)


def invocation_of_timer(message_id: str) -> InvocationId:
    """The invocation whose timer has this message id."""
    return InvocationId(message_id.partition("/")[0])


def _timer_id(command: Command) -> str:
    match command:
        case c.FireTimer():
            return f"{command.invocation_id}/{command.step}"
        case c.StartDue():
            return f"{command.invocation_id}/due"
        case c.RetryAttempt():
            return f"{command.invocation_id}/retry"
        case c.KillInvocation():
            return f"{command.invocation_id}/kill"
        case _:
            raise BrokenInvariant(f"{type(command).__name__} is not a timer")
