"""What the outside owes because of an event. Each may be done twice.

*Inner* effects stay among the objects of this journal: they are done at once, and what they cause joins the next batch.
*Outer* ones leave it (a side effect begins, a client outside gets an answer): they wait until what they rest on is durable.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from actors.core.commands import Command
from actors.core.state import Changes
from journal.events import Event, FieldsRewound, Outcome
from journal.ids import InvocationId, StepId, StreamId


@attrs.define
class StartAttempt:
    """Run the handler, from its beginning through all that it has caused. Inner: replaying has no effect outside."""

    invocation_id: InvocationId


@attrs.define
class Continue:
    """Hand the event to the handler; if it is not in memory, start an attempt, which reads the event with the rest. Inner."""

    invocation_id: InvocationId
    event: Event


@attrs.define
class EndAttempt:
    """Forget the attempt. ``abort_steps``: stop its running steps as well; else they end and are recorded. Inner."""

    invocation_id: InvocationId
    abort_steps: bool


@attrs.define
class Deliver:
    """Bring a command to an object: directly if it is owned here, as a letter if not. Inner."""

    to: StreamId
    command: Command


@attrs.define
class SetTimer:
    """Bring a command to this object at a date (wall seconds). Inner: a letter of the same batch."""

    at: float
    command: Command


@attrs.define
class RetractTimer:
    """The command need not come any more. Inner."""

    at: float
    command: Command


@attrs.define
class StopSentInvocations:
    """Cancel, or kill, what the invocation has sent one-way. Inner; the history names them."""

    invocation_id: InvocationId
    reason: str


@attrs.define
class CheckDrained:
    """If no step of the invocation runs in this process, say so: its pause waits for that. Inner."""

    invocation_id: InvocationId


@attrs.define
class RunStep:
    """Begin the side effect. Outer."""

    invocation_id: InvocationId
    step: StepId


@attrs.define
class NotifyWaiters:
    """Tell everybody outside who waits for the invocation how it ended. Outer."""

    invocation_id: InvocationId
    outcome: Outcome


@attrs.define
class NotifyPaused:
    """Tell those outside who wait for the invocation, and do not want to wait for a pause to end, that it is paused. Outer."""

    invocation_id: InvocationId
    reason: str


@attrs.define
class WriteItems:
    """Write the items that a handler left in ``Log`` and ``Map`` fields; ``lengths`` are the logs' before. Inner: rows of the
    same batch."""

    changes: Changes
    lengths: dict[str, int]


@attrs.define
class CopyHistory:
    """Give the invocation what its restart keeps of the one that it repeats. Inner: events of the same batch."""

    invocation_id: InvocationId


@attrs.define
class TransferWaiters:
    """The clients outside that wait for the one invocation wait for the other from now on. Inner."""

    invocation_id: InvocationId
    successor: InvocationId


@attrs.define
class RewindItems:
    """Make the items of ``Log`` and ``Map`` fields what the event says; ``lengths`` are the logs' before. Inner: rows of the
    same batch."""

    event: FieldsRewound
    lengths: dict[str, int]


@attrs.define
class EraseHistory:
    """Remove the rows and overwrite the events of these invocations. Inner: rows of the same batch."""

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
    | CopyHistory
    | TransferWaiters
    | RewindItems
    | EraseHistory
)
