"""What the audit log says of a request: the row of a verb, of a denied request, and of what changes no object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core import commands as c
from actors.core.state import REQUEST
from actors.engine.requests import AuditOnly
from actors.rows.audit import ControlAction
from journal.rows import AuditRow

if TYPE_CHECKING:
    from actors.engine.requests import ObjectRequest
    from journal.events import ControlResult


def act_of(request: ObjectRequest) -> ControlAction | None:
    """The audit entry of a request; None if it controls nothing, or follows from a request that has an entry."""
    if request.act is not None or request.stamp.by == "engine":
        return request.act
    act = _act_of_command(request)
    cause = request.stamp.cause
    return act if act is None or not cause.startswith(REQUEST) else attrs.evolve(act, request=cause[len(REQUEST) :])


def _act_of_command(request: ObjectRequest) -> ControlAction | None:
    command = request.command
    match command:
        case AuditOnly():
            return command.act
        case c.PurgeInvocations() if _is_asked_for(request, command):
            return ControlAction(verb="purge", target=" ".join(command.invocation_ids))
        case c.SignalInvocation() if _is_asked_for(request, command):
            return ControlAction(verb="signal", target=command.invocation_id, detail=command.name)
        case c.RestartInvocation() if not command.dry_run and _is_asked_for(request, command):
            detail = f"as {command.successor}" + (f" from {command.from_step}" if command.from_step else "")
            return ControlAction(verb="restart", target=command.invocation_id, detail=detail, reason=command.reason)
        case c.CancelInvocation() | c.KillInvocation() | c.PauseInvocation() | c.ResumeInvocation() if _is_asked_for(
            request, command
        ):
            verb = c.VERB_OF_COMMAND[type(command)].value
            return ControlAction(
                verb=verb, target=command.invocation_id, detail=_detail_of(command), reason=command.reason
            )
        case _:
            return None


def _is_asked_for(request: ObjectRequest, command: Any) -> bool:
    """Whether a client waits for the answer. No client waits for a verb that follows from another verb or from a date."""
    return request.reply is not None or command.reply_to is not None


def row_of_act(
    request: ObjectRequest,
    act: ControlAction,
    *,
    at: float,
    answer: ControlResult | None = None,
    changed: bool = False,
    refusal: str = "",
) -> AuditRow:
    """The audit row, without its number."""
    return AuditRow(
        number=0,
        at=at,
        by=request.stamp.by,
        source=request.source,
        verb=act.verb,
        target=act.target,
        detail=act.detail,
        reason=act.reason,
        request=act.request,
        changed=changed if answer is None else answer.changed,
        before="" if answer is None else answer.before.value,
        after="" if answer is None else answer.after.value,
        refusal=refusal,
        dropped=request.command.dropped if isinstance(request.command, AuditOnly) else 0,
    )


def _detail_of(command: c.Command) -> str:
    match command:
        case c.CancelInvocation():
            after = "" if command.kill_after is None else f", kill after {command.kill_after:g} seconds"
            return f"children {command.children.value}{after}"
        case c.PauseInvocation():
            return command.mode.value
        case _:
            return ""
