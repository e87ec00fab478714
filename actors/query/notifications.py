"""Reads notifications from the registry, with the counts of their lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.model.classes import definition_of, service_name
from actors.model.notification_info import NotificationInfo
from actors.system.notification import Notification, lanes_of
from actors.system.registry import REGISTRY_KEY, Registry, unknown_notification
from actors.system.registry_rows import notifications_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.core.notifications import NotificationRule
    from actors.core.state import ObjectState
    from actors.query.snapshot import JournalSnapshot


def each_notification(snapshot: JournalSnapshot) -> Iterator[NotificationInfo]:
    """Yield all notifications, by name."""
    for rule in _rules(snapshot):
        yield _info(snapshot, rule)


def notification_info(snapshot: JournalSnapshot, name: str) -> NotificationInfo:
    """Return a notification with its counts. Raises :class:`actors.NotFoundError`."""
    for rule in _rules(snapshot):
        if rule.name == name:
            return _info(snapshot, rule)
    raise unknown_notification(name)


def _rules(snapshot: JournalSnapshot) -> tuple[NotificationRule, ...]:
    return notifications_of(snapshot.stored_object(service_name(Registry), REGISTRY_KEY).state())


def _info(snapshot: JournalSnapshot, rule: NotificationRule) -> NotificationInfo:
    states = [snapshot.stored_object(service_name(Notification), lane).state() for lane in lanes_of(rule.name)]
    lanes = [fields for fields in map(_fields, states) if fields["life"] == rule.life] or [_fields(None)]
    failed = max(lanes, key=lambda lane: lane["last_error_at"] or 0.0)
    return NotificationInfo(
        **{name: getattr(rule, name) for name in _OF_RULE},
        delivered=sum(lane["delivered"] for lane in lanes),
        failed_tries=sum(lane["failed_tries"] for lane in lanes),
        given_up=sum(lane["given_up"] for lane in lanes),
        waiting=sum(len(state.invocations) for state in states if state is not None),
        delivered_at=max((lane["delivered_at"] for lane in lanes if lane["delivered_at"]), default=None),
        failing_since=min((lane["failing_since"] for lane in lanes if lane["failing_since"]), default=None),
        last_error=failed["last_error"],
        last_error_at=failed["last_error_at"],
    )


_OF_RULE = (
    *("name", "url", "on", "service", "key", "handler", "tags", "note"),
    *("created_at", "created_by", "changed_at", "changed_by"),
)


def _fields(state: ObjectState | None) -> dict[str, Any]:
    stored = {} if state is None else state.fields
    return {
        field.name: field.decode(stored[field.name]) if field.name in stored else field.make()
        for field in definition_of(Notification).fields.values()
    }
