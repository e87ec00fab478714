"""Notifications: create, list, show, change, test, delete."""

from __future__ import annotations

from actors.control.notifications import NotificationHandle
from actors.core.notifications import NotificationChange, PostResult
from actors.http.models import NotificationList
from actors.http.requests import CreateNotificationBody, ReasonBody
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.model.notification_info import NotificationInfo
from actors.model.notification_options import NotificationOptions


async def list_notifications(exchange: Exchange) -> NotificationList:
    """List all notifications, by name."""
    return NotificationList(notifications=list(await exchange.client.notifications.list()))


async def create_notification(exchange: Exchange, body: CreateNotificationBody) -> NotificationChange:
    """Create a notification; returns its secret, if it is new, once it is durable."""
    return await exchange.client.notifications.create_with(body.name, body)


async def get_notification(exchange: Exchange) -> NotificationInfo:
    """Show a notification with its counts and its last error."""
    return await _named(exchange).info()


async def replace_notification(exchange: Exchange, body: NotificationOptions) -> NotificationChange:
    """Replace the options of a notification. Waiting notices go to the new URL."""
    return await _named(exchange).replace(body)


async def rotate_notification(exchange: Exchange, body: ReasonBody) -> NotificationChange:
    """Give a notification a new secret, which is returned once."""
    return await _named(exchange).rotate(reason=body.reason)


async def test_notification(exchange: Exchange) -> PostResult:
    """Send a sample notice now, once."""
    return await _named(exchange).test()


async def delete_notification(exchange: Exchange, body: ReasonBody) -> NotificationChange:
    """Delete a notification. Waiting notices are dropped."""
    return await _named(exchange).delete(reason=body.reason)


def _named(exchange: Exchange) -> NotificationHandle:
    return exchange.client.notifications.notification(exchange.path["notification"])


_ONE = "/notifications/{notification}"

# The server connects to a URL that the client chooses, even one that only the server can reach.
ROUTES = (
    Route("GET", "/notifications", TokenScope.READ, list_notifications),
    Route("POST", "/notifications", TokenScope.ADMIN, create_notification, status=201),
    Route("GET", _ONE, TokenScope.READ, get_notification),
    Route("PATCH", _ONE + "/replace", TokenScope.ADMIN, replace_notification),
    Route("PATCH", _ONE + "/rotate", TokenScope.ADMIN, rotate_notification),
    Route("PATCH", _ONE + "/test", TokenScope.ADMIN, test_notification),
    Route("PATCH", _ONE + "/delete", TokenScope.ADMIN, delete_notification),
)
