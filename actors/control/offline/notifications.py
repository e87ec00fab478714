"""Notifications of a data directory at rest, as of the last stop and read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.control.offline.reader import OfflineReader
from actors.query.notifications import each_notification, notification_info

if TYPE_CHECKING:
    from actors.core.notifications import NotificationChange, PostResult
    from actors.model.notification_info import NotificationInfo
    from actors.model.notification_options import NotificationOptions


class OfflineNotifications(OfflineReader):
    """Reads notifications."""

    async def list_notifications(self) -> tuple[NotificationInfo, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(each_notification(self.snapshot))

    async def notification_info(self, name: str) -> NotificationInfo:
        await trio.lowlevel.checkpoint()
        return notification_info(self.snapshot, name)

    async def create_notification(self, name: str, options: NotificationOptions) -> NotificationChange:
        self.refuse("creating a notification")

    async def replace_notification(self, name: str, options: NotificationOptions) -> NotificationChange:
        self.refuse("changing a notification")

    async def rotate_notification(self, name: str, reason: str) -> NotificationChange:
        self.refuse("changing the secret of a notification")

    async def test_notification(self, name: str) -> PostResult:
        self.refuse("a test of a notification")

    async def delete_notification(self, name: str, reason: str) -> NotificationChange:
        self.refuse("deleting a notification")
