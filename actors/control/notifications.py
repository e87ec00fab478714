"""The client for notifications: changes of invocations that are sent to a URL, or followed by this program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core.notifications import ENDS, NoticeKind
from actors.errors import InvalidArgumentError, NotFoundError
from actors.model.notification_options import NotificationOptions, checked_notification_name, kinds_of
from actors.values.arguments import checked_text
from journal.events import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from actors.control.backend import Backend
    from actors.core.notifications import NotificationChange, PostResult
    from actors.model.info import InvocationInfo
    from actors.model.notification_info import NotificationInfo

_WAIT_SECONDS = 20.0


class NotificationClient:
    """The notifications of a runtime: each sends changes of invocations to one URL, as a signed webhook.

    A notice is durable together with the change that it reports. It arrives at least once, always with the same id, and is tried
    again for three days. A notice has the id of the invocation and its change, but not its argument or result.

    ::

        pager = await client.notifications.create("pager", "https://example.org/hooks", on=["paused", "failed"])
        print(pager.secret)  # shown once: the receiver checks the signatures with it
        print((await pager.info()).last_error)
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def create(
        self,
        name: str,
        url: str,
        *,
        on: str | NoticeKind | Iterable[str | NoticeKind],
        service: str = "",
        key: str | None = None,
        handler: str = "",
        tags: Mapping[str, str] | None = None,
        note: str = "",
        reason: str = "",
    ) -> NotificationHandle:
        """Create a notification; durable on return, and in force for every later change.

        ``on`` are the changes: ``paused``, ``waiting`` (for a signal), ``succeeded``, ``failed``, ``cancelled``, ``killed``, or ``ended``
        for each end. ``service``, ``key``, ``handler`` and ``tags`` narrow the invocations.

        The runtime makes the secret; it is ``secret`` of the handle that is returned, and cannot be read later. The same call again
        changes nothing, and has no secret. Raises :class:`actors.InvalidArgumentError`, :class:`actors.ConflictError` if the name is
        taken, and :class:`actors.LimitExceededError`.
        """
        options = NotificationOptions(
            url=url,
            on=on,
            service=service,
            key=key,
            handler=handler,
            tags=tags,
            note=note,
            reason=reason,
        )
        checked = checked_notification_name(name)
        change = await self._backend.create_notification(checked, options)
        return NotificationHandle(self._backend, checked, change.secret)

    async def create_with(self, name: str, options: NotificationOptions) -> NotificationChange:
        """Create a notification with these options; see :meth:`create`."""
        return await self._backend.create_notification(checked_notification_name(name), options)

    async def list(self) -> tuple[NotificationInfo, ...]:
        """Return all notifications, by name."""
        return await self._backend.list_notifications()

    def notification(self, name: str) -> NotificationHandle:
        """Return a handle to the notification with this name."""
        return NotificationHandle(self._backend, checked_notification_name(name))

    def follow(
        self,
        *,
        on: str | NoticeKind | Iterable[str | NoticeKind],
        service: str = "",
        key: str | None = None,
        handler: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> AsyncIterator[InvocationInfo]:
        """Yield each invocation whose latest change is one of these, from now on, as it becomes durable.

        This is for a program that watches. It misses changes while it is not connected, and of two changes in quick succession it gets only
        the later one. For notices that must not be missed, use :meth:`create`. ``waiting`` is yielded again after each change
        of an invocation that still waits.

        ::

            async for info in client.notifications.follow(on=["paused", "failed"]):
                print(info.id, info.status)
        """
        options = NotificationOptions(
            url="http://localhost",
            on=on,
            service=service,
            key=key,
            handler=handler,
            tags=tags,
        )
        return self._follow(options)

    async def _follow(self, options: NotificationOptions) -> AsyncIterator[InvocationInfo]:
        kinds, position = kinds_of(options.on), (await self._backend.changes(None, 0.0)).position
        while True:
            changed = await self._backend.changes(position, _WAIT_SECONDS)
            position = changed.position
            for each in changed.invocations:
                if each.status not in _FOLLOWED:
                    continue
                try:
                    info = await self._backend.info(each.id)
                except NotFoundError:  # purged since
                    continue
                if _kind_of(info) in kinds and _is_wanted(info, options):
                    yield info


_FOLLOWED = (Status.COMPLETED, Status.PAUSED, Status.SUSPENDED)


def _kind_of(info: InvocationInfo) -> NoticeKind | None:
    if info.outcome is not None:
        return ENDS[info.outcome.kind]
    if info.status is Status.PAUSED:
        return NoticeKind.PAUSED
    return NoticeKind.WAITING if any(wait.kind == "signal" for wait in info.waits) else None


def _is_wanted(info: InvocationInfo, options: NotificationOptions) -> bool:
    target, tags = info.target, options.tags or {}
    return (
        options.service in ("", target.service)
        and options.key in (None, target.key)
        and options.handler in ("", target.handler)
        and tags.items() <= (info.tags or {}).items()
    )


class NotificationHandle:
    """One notification. ``secret`` is empty, except on the handle that :meth:`NotificationClient.create` returns.

    ::

        pager = client.notifications.notification("pager")
        print((await pager.test()).error or "delivered")
        await pager.update(url="https://example.org/other")
    """

    def __init__(self, backend: Backend, name: str, secret: str = "") -> None:
        self._backend = backend
        self.name = name
        self.secret = secret

    def __repr__(self) -> str:
        return f"<NotificationHandle {self.name}>"

    async def info(self) -> NotificationInfo:
        """Return the notification with its counts and its last error. Raises ``NotFoundError``."""
        return await self._backend.notification_info(self.name)

    async def test(self) -> PostResult:
        """Send a sample notice now, once, and return the result."""
        return await self._backend.test_notification(self.name)

    async def update(self, *, reason: str = "", **changes: Any) -> NotificationChange:
        """Change options of :meth:`NotificationClient.create`; the others stay the same. Waiting notices go to the new URL."""
        known = attrs.fields_dict(NotificationOptions)
        unknown = [name for name in changes if name not in known]
        if unknown:
            raise InvalidArgumentError(
                f"a notification has no option {unknown[0]!r}; it has {', '.join(known)}", path=unknown[0]
            )
        info = await self.info()
        options = {name: getattr(info, name) for name in known if hasattr(info, name)}
        return await self.replace(NotificationOptions(**{**options, **changes, "reason": reason}))

    async def replace(self, options: NotificationOptions) -> NotificationChange:
        """Replace all options."""
        return await self._backend.replace_notification(self.name, options)

    async def rotate(self, *, reason: str = "") -> NotificationChange:
        """Make a new secret, which signs from now on, and return it in the answer."""
        return await self._backend.rotate_notification(self.name, checked_text(reason, "reason"))

    async def delete(self, *, reason: str = "") -> NotificationChange:
        """Delete the notification. Waiting notices are dropped."""
        return await self._backend.delete_notification(self.name, checked_text(reason, "reason"))
