"""Notifications of a server, over a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core.notifications import NotificationChange, PostResult
from actors.http.client.connection import Connection, path_of
from actors.http.models import NotificationList
from actors.model.notification_info import NotificationInfo

if TYPE_CHECKING:
    from actors.model.notification_options import NotificationOptions


class RemoteNotifications:
    """Controls and shows notifications."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create_notification(self, name: str, options: NotificationOptions) -> NotificationChange:
        return await self._connection.post("/notifications", NotificationChange, {"name": name, **_body(options)})

    async def replace_notification(self, name: str, options: NotificationOptions) -> NotificationChange:
        path = path_of("notifications", name, "replace")
        return await self._connection.patch(path, NotificationChange, _body(options))

    async def rotate_notification(self, name: str, reason: str) -> NotificationChange:
        path = path_of("notifications", name, "rotate")
        return await self._connection.patch(path, NotificationChange, {"reason": reason})

    async def list_notifications(self) -> tuple[NotificationInfo, ...]:
        return tuple((await self._connection.get("/notifications", NotificationList)).notifications)

    async def notification_info(self, name: str) -> NotificationInfo:
        return await self._connection.get(path_of("notifications", name), NotificationInfo)

    async def test_notification(self, name: str) -> PostResult:
        return await self._connection.patch(path_of("notifications", name, "test"), PostResult, {})

    async def delete_notification(self, name: str, reason: str) -> NotificationChange:
        path = path_of("notifications", name, "delete")
        return await self._connection.patch(path, NotificationChange, {"reason": reason})


def _body(options: NotificationOptions) -> dict[str, Any]:
    return attrs.asdict(options, recurse=False)
