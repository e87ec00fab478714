"""Calls whose target and argument a built-in object has stored: its replay needs no class of the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.model.contexts import context_of
from actors.model.request_ids import requested_id
from actors.model.verbs.branches import branch_for
from actors.model.verbs.operations import AttachOperation
from actors.replay.branches import Operation
from journal import events as e

if TYPE_CHECKING:
    from journal.ids import InvocationId


class StoredCallOperation(Operation, kw_only=True):
    """A handler awaits a call whose target and argument are data."""

    callee: InvocationId
    target: e.Target
    argument: bytes
    parameter: str
    asked_key: str
    tags: dict[str, str]

    request = e.CallScheduled
    completion = e.CallCompleted

    def is_recorded_as(self, recorded: e.CallScheduled) -> bool:
        return recorded.callee == self.callee and recorded.argument == self.argument

    def schedule(self) -> None:
        self.event = e.CallScheduled(
            invocation_id=self.branch.execution.invocation_id,
            step=self.step,
            callee=self.callee,
            target=self.target,
            argument=self.argument,
            parameter=self.parameter,
            request=self.asked_key,
            tags=self.tags,
        )


def id_of_stored_call(target: e.Target, idempotency_key: str) -> InvocationId:
    """Return the id of the invocation that :func:`call_stored` makes under this key."""
    return requested_id(target, idempotency_key, context_of(branch_for("call")).secret)


async def call_stored(
    target: e.Target, argument: bytes, parameter: str, idempotency_key: str, tags: dict[str, str]
) -> e.Outcome:
    """Call a handler with stored JSON and return the outcome of any kind. ``parameter`` is as in ``InvocationAccepted``."""
    branch = branch_for("call")
    completed: e.CallCompleted = await StoredCallOperation(
        branch,
        branch.following_step,
        callee=id_of_stored_call(target, idempotency_key),
        target=target,
        argument=argument,
        parameter=parameter,
        asked_key=idempotency_key,
        tags=tags,
    )
    return completed.outcome


async def outcome_of(of: InvocationId, *, stays: bool = False) -> e.Outcome:
    """Wait until an invocation completes and return its outcome of any kind; with ``stays``, the invocation itself and no restart that
    takes its place. The outcome is a failure with ``NotFoundError`` if there is no such invocation."""
    branch = branch_for("invocation")
    completed: e.CallCompleted = await AttachOperation(branch, branch.following_step, callee=of, source="", stays=stays)
    return completed.outcome
