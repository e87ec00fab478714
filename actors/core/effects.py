"""Effects: the work that events require of the engine. An effect may be carried out twice.

*Inner* effects change only this journal. They are carried out at once, and the events that they cause join the next batch. *Outer*
effects are visible outside (a side effect begins, a client gets an answer), so they wait until the events that caused them are durable.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs
import msgspec

from actors.core.commands import Command
from actors.core.state import Changes
from journal.events import Event, FieldsRewound, Outcome
from journal.ids import InvocationId, StepId, StreamId


@attrs.define
class StartAttempt:
    """Run the handler from its beginning through its history. Inner: a replay has no effect outside."""

    invocation_id: InvocationId


@attrs.define
class Continue:
    """Give the event to the handler. If the handler is not in memory, start an attempt, which reads the event with the
    rest of the history. Inner."""

    invocation_id: InvocationId
    event: Event


@attrs.define
class EndAttempt:
    """Drop the attempt. With ``abort_steps``, also stop its running steps; otherwise they end and are recorded. Inner."""

    invocation_id: InvocationId
    abort_steps: bool


@attrs.define
class Deliver:
    """Send a command to an object: directly if this process owns its partition, else as a message. Inner."""

    to: StreamId
    command: Command


@attrs.define
class SetTimer:
    """Send a command to this object at a time in wall seconds. Inner: a message in the same batch."""

    at: float
    command: Command


@attrs.define
class RetractTimer:
    """Withdraw the command that a timer was going to send. Inner."""

    at: float
    command: Command


@attrs.define
class StopSentInvocations:
    """Cancel or kill the invocations that this one has sent, which its history names. Inner."""

    invocation_id: InvocationId
    reason: str


@attrs.define
class CheckDrained:
    """Check whether a step of the invocation runs in this process. If none does, the invocation's pause takes effect.
    Inner."""

    invocation_id: InvocationId


@attrs.define
class RunStep:
    """Begin the side effect of a step. Outer."""

    invocation_id: InvocationId
    step: StepId


@attrs.define
class NotifyWaiters:
    """Give the outcome to every client that waits for the invocation. Outer."""

    invocation_id: InvocationId
    outcome: Outcome


@attrs.define
class NotifyPaused:
    """Report the pause to every client that does not want to wait for its end. Outer."""

    invocation_id: InvocationId
    reason: str


@attrs.define
class WriteItems:
    """Write the items that a handler changed in ``Log`` and ``Map`` fields; ``lengths`` are the lengths of the logs before.
    Inner: rows of the same batch."""

    changes: Changes
    lengths: dict[str, int]


class KeepBudget(msgspec.Struct):
    """Keep the budget of an invocation where what it calls finds it; None ends it. Inner: a row of the same batch."""

    invocation_id: InvocationId
    budget: dict[str, str] | None


class AddSpent(msgspec.Struct):
    """Add amounts to what was spent of the budgets of these invocations. Inner: rows of the same batch."""

    budgets: tuple[InvocationId, ...]
    spent: dict[str, str]


@attrs.define
class CopyHistory:
    """Copy into a restart the part of the original's history that it keeps. Inner: events of the same batch."""

    invocation_id: InvocationId


@attrs.define
class TransferWaiters:
    """Let the clients that wait for an invocation wait for its successor. Inner."""

    invocation_id: InvocationId
    successor: InvocationId


@attrs.define
class RewindItems:
    """Reset the items of ``Log`` and ``Map`` fields to those in the event; ``lengths`` are the lengths of the logs before. Inner:
    rows of the same batch."""

    event: FieldsRewound
    lengths: dict[str, int]


@attrs.define
class EraseHistory:
    """Delete the rows of these invocations and overwrite their events. Inner: rows of the same batch."""

    invocation_ids: list[InvocationId]


Effect: TypeAlias = (
    StartAttempt
    | Continue
    | EndAttempt
    | Deliver
    | SetTimer
    | RetractTimer
    | StopSentInvocations
    | CheckDrained
    | RunStep
    | NotifyWaiters
    | NotifyPaused
    | WriteItems
    | KeepBudget
    | AddSpent
    | CopyHistory
    | TransferWaiters
    | RewindItems
    | EraseHistory
)
