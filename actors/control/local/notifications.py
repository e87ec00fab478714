"""Notifications for a client in this process."""

from __future__ import annotations

from actors.control.local.registry import LocalRegistry
from actors.control.local.webhooks import payload_of, post, signed_headers, webhook_secret
from actors.core.notifications import (
    Notice,
    NoticeKind,
    NotificationChange,
    NotificationRule,
    PostResult,
)
from actors.extras import require
from actors.model.notification_info import NotificationInfo
from actors.model.notification_options import NotificationOptions
from actors.query.audit import AuditQuery, list_audit
from actors.query.notifications import each_notification, notification_info
from actors.rows.audit import ControlAction
from actors.system.registry import unknown_notification
from journal.events import Target
from journal.ids import InvocationId

_GIVE_UP = "give-up-notice"


class LocalNotifications(LocalRegistry):
    """Creates, changes, reads and tests notifications, and sends their notices."""

    async def create_notification(self, name: str, options: NotificationOptions) -> NotificationChange:
        """Create a notification, and return its secret if it is new."""
        require("client")
        rule = self._rule(name, options)
        act = _act("create-notification", name, options.reason, _in_words(options))
        if not await self.ask_registry("create_notification", act, rule=rule):
            return NotificationChange(changed=False)
        return NotificationChange(changed=True, secret=self._signing_secret(rule))

    async def replace_notification(self, name: str, options: NotificationOptions) -> NotificationChange:
        """Replace the options of a notification."""
        act = _act("update-notification", name, options.reason, _in_words(options))
        changed = await self.ask_registry("replace_notification", act, rule=self._rule(name, options))
        return NotificationChange(changed=changed)

    async def rotate_notification(self, name: str, reason: str) -> NotificationChange:
        """Give a notification a new secret, and return it."""
        act = _act("rotate-notification", name, reason)
        rule = await self.ask_registry("rotate_notification", act, name=name, by=self.who.by)
        return NotificationChange(changed=True, secret=self._signing_secret(rule))

    async def delete_notification(self, name: str, reason: str) -> NotificationChange:
        """Delete a notification with its counts. Waiting notices are dropped."""
        await self.ask_registry("delete_notification", _act("delete-notification", name, reason), name=name)
        return NotificationChange(changed=True)

    async def list_notifications(self) -> tuple[NotificationInfo, ...]:
        """Return all notifications, by name."""
        async with self.snapshot() as snapshot:
            return tuple(each_notification(snapshot))

    async def notification_info(self, name: str) -> NotificationInfo:
        """Return a notification with its counts."""
        async with self.snapshot() as snapshot:
            return notification_info(snapshot, name)

    async def test_notification(self, name: str) -> PostResult:
        """Send a sample notice now, once."""
        rule = self._rule_named(name)
        if rule is None:
            raise unknown_notification(name)
        await self.engine.note(_act("test-notification", name, ""), self.who)
        now = self.environment.clock.now()
        sample = Notice(
            id=f"msg_{self.environment.unique():032x}",
            kind=rule.on[0],
            at=now,
            invocation_id=InvocationId("inv_test"),
            target=Target("Test", None, "test"),
            created_at=now,
            created_by=self.who.by,
            tags={},
            reason="a test of the notification",
        )
        return await self._post(rule, sample)

    async def post_notice(self, name: str, life: str, notice: Notice) -> PostResult:
        """Send a notice once, unless its notification was deleted."""
        rule = self._rule_named(name)
        if rule is None or rule.life != life:
            return PostResult(is_dropped=True)
        return await self._post(rule, notice)

    async def give_up_notice(self, name: str, notice: Notice, error: str) -> None:
        """Write the audit entry of an abandoned notice, unless it was written before a crash. Only the last entries are searched, because few
        can have been written since."""
        detail = f"{notice.id}: {notice.kind.value} {notice.invocation_id}"
        async with self.snapshot() as snapshot:
            latest = list_audit(snapshot, AuditQuery()).entries
        if all((entry.verb, entry.detail) != (_GIVE_UP, detail) for entry in latest):
            await self.engine.note(_act(_GIVE_UP, name, error, detail), self.who)

    async def _post(self, rule: NotificationRule, notice: Notice) -> PostResult:
        body = payload_of(notice, rule.name)
        now = self.environment.clock.now()
        return await post(rule.url, body, signed_headers(self._signing_secret(rule), notice.id, now, body))

    def _rule_named(self, name: str) -> NotificationRule | None:
        return next((rule for rule in self.engine.notices.rules if rule.name == name), None)

    def _signing_secret(self, rule: NotificationRule) -> str:
        return webhook_secret(self.engine.journal.secret, rule)

    def _rule(self, name: str, options: NotificationOptions) -> NotificationRule:
        now, by = self.environment.clock.now(), self.who.by
        kinds = {kind: None for kind in NoticeKind if kind in options.kinds}  # in one order, however they were given
        return NotificationRule(
            name=name,
            url=options.url,
            on=tuple(kinds),
            service=options.service,
            key=options.key,
            handler=options.handler,
            tags=options.tags or {},
            note=options.note,
            life=f"{self.environment.unique():032x}",
            secret_number=1,
            created_at=now,
            created_by=by,
            changed_at=now,
            changed_by=by,
        )


def _act(verb: str, name: str, reason: str, detail: str = "") -> ControlAction:
    return ControlAction(verb=verb, target=name, detail=detail, reason=reason)


def _in_words(options: NotificationOptions) -> str:
    return f"{' '.join(kind.value for kind in options.kinds)} to {options.url}"
