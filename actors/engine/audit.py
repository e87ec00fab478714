"""The audit log of one partition: who controlled what, as a hash chain in which a changed or missing row shows.

A row is written in the same commit as the change that it describes, so neither exists without the other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

from actors.core import commands as c
from actors.core.state import REQUEST
from actors.engine.requests import AuditOnly, ControlAction
from journal import keys
from journal.ids import StreamId
from journal.log.protocol import Append
from journal.rows import FIRST_LINK, AuditRow, decode_audit, encode_audit, link_of_audit

if TYPE_CHECKING:
    from actors.engine.requests import ObjectRequest, Principal
    from journal.events import ControlResult
    from journal.log.protocol import Journal


NOBODY = StreamId(0)
"""The target of entries that concern no object."""


SET_ASIDE = "set-aside"
"""The engine's verb for an object that it has set aside after an internal error."""

_SET_ASIDE_AT = re.compile(r"stream ([0-9a-f]{16}), event ([0-9]{1,18})")


def detail_of_set_aside(stream: StreamId, version: int) -> str:
    """The audit detail of a set-aside object: its name and its last event."""
    return f"stream {stream:016x}, event {version}"


def place_of_set_aside(row: AuditRow) -> tuple[StreamId, int] | None:
    """Parse such a detail. None for an entry of another verb."""
    found = _SET_ASIDE_AT.fullmatch(row.detail) if row.verb == SET_ASIDE else None
    return None if found is None else (StreamId(int(found[1], 16)), int(found[2]))


class AuditTrail:
    """The end of the chain, to which the next row is linked."""

    def __init__(self, journal: Journal, partition: int) -> None:
        self._partition = partition
        self._number, self._link = 0, FIRST_LINK
        prefix = keys.audit_prefix(partition)
        for _, data in journal.scan(prefix, keys.after_prefix(prefix), limit=1, reverse=True):
            self._number, self._link = decode_audit(data).number, link_of_audit(data)

    def extend(self, row: AuditRow) -> tuple[bytes, bytes]:
        """Link a row to the chain. Returns its key and its value."""
        self._number += 1
        value, self._link = encode_audit(attrs.evolve(row, number=self._number), self._link)
        return keys.audit(self._partition, self._number), value


async def note_at_rest(journal: Journal, act: ControlAction, who: Principal, refusal: str = "") -> None:
    """Write an audit-only entry, as :meth:`actors.engine.engine.Engine.note` does, into a journal that no engine runs."""
    partition = NOBODY % journal.partitions
    row = AuditRow(
        number=0,
        at=journal.clock.now(),
        by=who.by,
        origin=who.origin,
        verb=act.verb,
        target=act.target,
        detail=act.detail,
        reason=act.reason,
        request=act.request,
        changed=not refusal,
        refusal=refusal,
    )
    async with journal.claim(partition, who.by) as claimed:
        key, value = AuditTrail(journal, partition).extend(row)
        await claimed.commit([Append(stream=NOBODY, expected=0, events=(), rows={key: value})])


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
        origin=request.origin,
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
