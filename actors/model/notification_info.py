"""The public record of a notification."""

from __future__ import annotations

import attrs

from actors.core.notifications import NoticeKind


@attrs.frozen(kw_only=True)
class NotificationInfo:
    """A notification as of now. Times are wall seconds, None if there is none.

    ``delivered`` counts the notices that the receiver accepted, ``waiting`` the notices that are still to be sent, ``failed_tries`` the
    failed tries, and ``given_up`` the notices that the receiver did not accept within three days. ``failing_since`` is the time of the
    first failed try after the last accepted notice.
    """

    name: str
    url: str
    on: tuple[NoticeKind, ...]
    service: str
    key: str | None
    handler: str
    tags: dict[str, str]
    note: str
    created_at: float
    created_by: str
    changed_at: float
    changed_by: str
    delivered: int
    waiting: int
    failed_tries: int
    given_up: int
    delivered_at: float | None
    failing_since: float | None
    last_error: str
    last_error_at: float | None
