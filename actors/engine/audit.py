"""The audit entries of requests: of verbs, of denied requests, and of requests that change no object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core import commands as c
from actors.core.state import REQUEST
from actors.engine.requests import AuditOnly
from actors.rows.audit import SET_ASIDE, ControlAction
from actors.values.amounts import pairs_of_amounts
from journal.rows import AuditRow

if TYPE_CHECKING:
    from actors.engine.requests import ObjectRequest
    from journal.events import ControlResult


def act_of(request: ObjectRequest) -> ControlAction | None:
    """The audit entry of a request; None if it controls nothing, or follows from a request that has an entry."""
    if request.act is not None or request.stamp.by == "engine":
        return request.act
    if isinstance(request.command, AuditOnly):
        return request.command.act
    cause = request.stamp.cause
    return _act_of_command(request, cause[len(REQUEST) :] if cause.startswith(REQUEST) else None)


def row_of_set_aside(name: str, *, at: float, detail: str, why: str) -> AuditRow:
    """The audit entry of an object that the engine has set aside."""
    return AuditRow(
        number=0, at=at, by="engine", source="", verb=SET_ASIDE, target=name, detail=detail, reason=why, changed=True
    )


def _act_of_command(request: ObjectRequest, key: str | None) -> ControlAction | None:
    command: Any = request.command
    if command.__class__ not in _AUDITED or not _is_asked_for(request, command):
        return None
    match command:
        case c.PurgeInvocations():
            return ControlAction(verb="purge", target=" ".join(command.invocation_ids), request=key)
        case c.SignalInvocation():
            return ControlAction(
                verb="signal",
                target=command.invocation_id,
                detail=command.name,
                reason=command.error or "",
                request=key,
            )
        case c.RestartInvocation():
            if command.dry_run:
                return None
            detail = f"as {command.successor}" + (f" from {command.from_step}" if command.from_step else "")
            reason = command.reason
            return ControlAction(
                verb="restart", target=command.invocation_id, detail=detail, reason=reason, request=key
            )
        case (
            c.CancelInvocation()
            | c.KillInvocation()
            | c.PauseInvocation()
            | c.ResumeInvocation()
            | c.RescheduleInvocation()
        ):
            verb, of = c.VERB_OF_COMMAND[command.__class__].value, command.invocation_id
            return ControlAction(verb=verb, target=of, detail=_detail_of(command), reason=command.reason, request=key)
        case _:
            return None


_AUDITED = frozenset(
    {
        c.PurgeInvocations,
        c.SignalInvocation,
        c.RestartInvocation,
        c.CancelInvocation,
        c.KillInvocation,
        c.PauseInvocation,
        c.ResumeInvocation,
        c.RescheduleInvocation,
    }
)


def _is_asked_for(request: ObjectRequest, command: Any) -> bool:
    """Whether a client waits for the answer. No client waits for a verb that follows from another verb or from a timer."""
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


def _detail_of(command: Any) -> str:
    match command:
        case c.CancelInvocation():
            after = "" if command.kill_after is None else f", kill after {command.kill_after:g} seconds"
            return f"children {command.children.value}{after}"
        case c.PauseInvocation():
            return command.mode.value
        case c.ResumeInvocation(budget=dict(more)):
            return f"more budget: {', '.join(pairs_of_amounts(more))}"
        case c.RescheduleInvocation(at=float(at)):
            return f"to {at:.3f}"
        case c.RescheduleInvocation():
            return f"in {command.delay or 0:g} seconds"
        case _:
            return ""
