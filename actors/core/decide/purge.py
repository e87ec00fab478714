"""Decides on a purge of completed invocations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core.owed import has_yet_to_keep
from actors.core.state import InvocationState, ObjectState
from actors.errors import ConflictError, ErrorCode
from journal import events as e
from journal.events import Kind, Mode

if TYPE_CHECKING:
    from journal.events import Event
    from journal.ids import InvocationId


def purge(state: ObjectState | None, command: c.PurgeInvocations) -> list[Event]:
    """Purge completed invocations. The caller has checked that they exist: they are not in the state."""
    for invocation_id in command.invocation_ids:
        invocation = None if state is None else state.invocations.get(invocation_id)
        if invocation is not None:
            raise ConflictError(
                f"{invocation_id} is {invocation.status.value}, only a completed invocation can be purged; "
                "cancel it or kill it first",
                status=invocation.status,
                code=ErrorCode.NOT_COMPLETED,
            )
        waiting = None if state is None else needed_by(state, invocation_id)
        if waiting is not None and waiting.restarts is not None:
            raise ConflictError(
                f"{waiting.invocation_id} waits for its turn and will keep a part of the history of "
                f"{waiting.restarts.invocation_id}, for which it needs the history of {invocation_id}; purge {invocation_id} when "
                f"{waiting.invocation_id} has started",
                status=waiting.status,
                code=ErrorCode.NOT_COMPLETED,
            )
    return [e.InvocationsPurged(invocation_ids=command.invocation_ids)]


def needed_by(state: ObjectState, ended: InvocationId) -> InvocationState | None:
    """Return the restart that still needs the history of a completed invocation, because it has not copied that history
    yet; None if there is none.

    A restart that rewinds fields also needs the object as it was, and so the history of every other invocation since.
    """
    for waiting in state.invocations.values():
        if waiting.restarts is None or not has_yet_to_keep(waiting):
            continue
        needs_all = waiting.mode is Mode.EXCLUSIVE and state.kind is not Kind.SERVICE
        if needs_all or waiting.restarts.invocation_id == ended:
            return waiting
    return None
