"""Makes the messages that report changes of invocations, in the batch of the changes.

Invariant: a notice and its change are in one commit. If no notification exists, a commit costs one test of an attribute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core.notifications import ENDS, Notice, NoticeKind
from actors.model.classes import definition_of
from actors.system.notification import Notification, lane_of, lane_target
from actors.values.names import is_system
from journal.events import Status, Target
from journal.ids import stream_of_invocation
from journal.log.protocol import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.core.notifications import NotificationRule
    from actors.core.state import InvocationState, ObjectState
    from actors.environment import Environment
    from actors.rows.index import IndexedState
    from journal.rows import InvocationRow

_ERROR_SHOWN = 1_000
"""How much of an error's text a notice has, in characters."""


class Notices:
    """The notifications of an engine, which the view of the registry keeps up to date."""

    def __init__(self, environment: Environment) -> None:
        self.rules: tuple[NotificationRule, ...] = ()
        self._environment = environment

    def at_end(self, row: InvocationRow) -> Iterator[Message]:
        """Yield the messages about the end of an invocation."""
        outcome = row.outcome
        if outcome is None or is_system(row.target.service) or (row.started_at is None and row.successors):
            return  # the last case: another invocation replaced it before it began
        failure = outcome.failure
        for rule in self._wanting(ENDS[outcome.kind], row.target, row.tags):
            notice = Notice(
                id=_notice_id(self._environment),
                kind=ENDS[outcome.kind],
                at=row.modified_at,
                invocation_id=row.invocation_id,
                target=row.target,
                created_at=row.created_at,
                created_by=row.created_by,
                tags=row.tags or {},
                reason=outcome.reason,
                error_type="" if failure is None else failure.type,
                error="" if failure is None else failure.message[:_ERROR_SHOWN],
            )
            yield _message(rule, notice, self._environment)

    def at_change(
        self,
        state: ObjectState,
        invocation: InvocationState,
        before: IndexedState | None,
        after: IndexedState,
    ) -> Iterator[Message]:
        """Yield the messages about an open invocation whose row has changed."""
        if is_system(state.service):
            return
        target = Target(state.service, state.key, invocation.handler)
        has_paused = after.status is Status.PAUSED and (before is None or before.status is not Status.PAUSED)
        awaited = () if before is None else before.awaited
        has_begun_to_wait = any(each not in awaited for each in after.awaited)
        for kind, is_so in ((NoticeKind.PAUSED, has_paused), (NoticeKind.WAITING, has_begun_to_wait)):
            for rule in self._wanting(kind, target, invocation.tags) if is_so else ():
                failure = invocation.last_failure if kind is NoticeKind.PAUSED else None
                notice = Notice(
                    id=_notice_id(self._environment),
                    kind=kind,
                    at=invocation.modified_at,
                    invocation_id=invocation.invocation_id,
                    target=target,
                    created_at=invocation.accepted_at,
                    created_by=invocation.accepted_by,
                    tags=invocation.tags or {},
                    reason=invocation.pause_reason if kind is NoticeKind.PAUSED else "",
                    error_type="" if failure is None else failure.type,
                    error="" if failure is None else failure.message[:_ERROR_SHOWN],
                    signals=tuple(each.name for each in after.awaited),
                )
                yield _message(rule, notice, self._environment)

    def _wanting(self, kind: NoticeKind, target: Target, tags: dict[str, str] | None) -> list[NotificationRule]:
        return [rule for rule in self.rules if rule.wants(kind, target, tags)]


def _notice_id(environment: Environment) -> str:
    return f"msg_{environment.unique():032x}"


def _message(rule: NotificationRule, notice: Notice, environment: Environment) -> Message:
    target = lane_target(lane_of(rule.name, notice.invocation_id), "deliver")
    signature = definition_of(Notification).handler("deliver").signature
    argument = signature.encode((), {"name": rule.name, "life": rule.life, "notice": notice})
    of = environment.new_id(target.service, target.key)
    command = c.Invoke(invocation_id=of, target=target, argument=argument, parameter=signature.parameter)
    data = c.encode_command(command, cause=notice.id, by=notice.invocation_id)
    return Message(f"{environment.unique():032x}", stream_of_invocation(of), data)
