"""``sys_notification``: one row for each notification, with its counts and its last error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actors.model.notification_info import NotificationInfo
from actors.query.notifications import each_notification
from actors.query.sql.columns import Column, Path, Table, Type, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot


def _every(snapshot: JournalSnapshot, _: Wanted) -> Iterator[NotificationInfo]:
    return each_notification(snapshot)


NOTIFICATIONS = Table[NotificationInfo](
    name="sys_notification",
    about="One row for each notification: which changes are reported, to which address, and how that went.",
    columns=(
        Column("name", Type.TEXT, "its name", lambda info, _: info.name),
        Column("url", Type.TEXT, "the address", lambda info, _: info.url),
        Column(
            "kinds",
            Type.TEXT,
            "the changes that it reports, with spaces between",
            lambda info, _: " ".join(kind.value for kind in info.on),
        ),
        Column("service", Type.TEXT, "the class of the invocations; NULL: all", lambda info, _: info.service or None),
        Column("key", Type.TEXT, "the key of the invocations; NULL: all", lambda info, _: info.key),
        Column("handler", Type.TEXT, "the handler of the invocations; NULL: all", lambda info, _: info.handler or None),
        Column(
            "tags",
            Type.JSON,
            "the tags that the invocations have",
            lambda info, _: msgspec.json.encode(info.tags).decode(),
        ),
        Column("note", Type.TEXT, "the comment for people", lambda info, _: info.note or None),
        Column("delivered", Type.INTEGER, "the notices that were taken", lambda info, _: info.delivered),
        Column("waiting", Type.INTEGER, "the notices that are still to be sent", lambda info, _: info.waiting),
        Column("failed_tries", Type.INTEGER, "the tries that failed", lambda info, _: info.failed_tries),
        Column("given_up", Type.INTEGER, "the notices that are not tried again", lambda info, _: info.given_up),
        Column("delivered_at", Type.TIME, "when a notice was last taken", lambda info, _: info.delivered_at),
        Column(
            "failing_since",
            Type.TIME,
            "the first failed try after the last notice that was taken",
            lambda info, _: info.failing_since,
        ),
        Column("last_error", Type.TEXT, "the error of the last failed try", lambda info, _: info.last_error or None),
        Column("last_error_at", Type.TIME, "when the last try failed", lambda info, _: info.last_error_at),
        Column("created_at", Type.TIME, "when it was created", lambda info, _: info.created_at),
        Column("created_by", Type.TEXT, "the principal who created it", lambda info, _: info.created_by),
        Column("changed_at", Type.TIME, "when it was last changed", lambda info, _: info.changed_at),
        Column("changed_by", Type.TEXT, "the principal who last changed it", lambda info, _: info.changed_by),
    ),
    paths=(Path(name="every", scan=_every, cost=100),),
)
