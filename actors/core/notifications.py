"""Notifications as data: which changes of which invocations are sent to which URL.

A *notification* is a rule. A *notice* is the report of one change, which is sent to the rule's URL.
"""

from __future__ import annotations

import enum

import attrs

from journal.events import OutcomeKind, Target
from journal.ids import InvocationId

MAX_NOTIFICATIONS = 100
"""The most notifications in one runtime."""


class NoticeKind(enum.Enum):
    """The change of an invocation that a notice reports."""

    PAUSED = "paused"
    WAITING = "waiting"
    """It has begun to wait for a signal."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    KILLED = "killed"


ENDED = "ended"
"""All kinds of end."""

ENDS = {
    OutcomeKind.SUCCEEDED: NoticeKind.SUCCEEDED,
    OutcomeKind.FAILED: NoticeKind.FAILED,
    OutcomeKind.CANCELLED: NoticeKind.CANCELLED,
    OutcomeKind.KILLED: NoticeKind.KILLED,
}
"""The kind for each way to end."""


@attrs.frozen(kw_only=True)
class NotificationRule:
    """One notification. An empty ``service`` or ``handler`` and a ``key`` that is None match all; an invocation must have all ``tags``.

    ``life`` distinguishes it from an earlier notification of the same name. The signing secret is derived from ``life``,
    ``secret_number`` and the secret of the store, so it is not stored.
    """

    name: str
    url: str
    on: tuple[NoticeKind, ...]
    service: str
    key: str | None
    handler: str
    tags: dict[str, str]
    note: str
    life: str
    secret_number: int
    created_at: float
    created_by: str
    changed_at: float
    changed_by: str

    def wants(self, kind: NoticeKind, target: Target, tags: dict[str, str] | None) -> bool:
        """Whether this change is to be reported."""
        return (
            kind in self.on
            and self.service in ("", target.service)
            and self.key in (None, target.key)
            and self.handler in ("", target.handler)
            and (not self.tags or self.tags.items() <= (tags or {}).items())
        )


@attrs.frozen(kw_only=True)
class NotificationChange:
    """The result of a request: whether anything changed, and the secret if it is new."""

    changed: bool
    secret: str = ""


@attrs.frozen(kw_only=True)
class Notice:
    """The report of one change. ``reason`` is that of a pause, a cancel or a kill; ``error_type`` and ``error`` are those of a failure;
    ``signals`` are the names of the signals that the invocation waits for. Times are wall seconds."""

    id: str
    kind: NoticeKind
    at: float
    invocation_id: InvocationId
    target: Target
    created_at: float
    created_by: str
    tags: dict[str, str]
    reason: str = ""
    error_type: str = ""
    error: str = ""
    signals: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class PostResult:
    """The answer to one try to send a notice. ``error`` is empty if the receiver accepted it. ``is_final``: no further try is made.
    ``is_dropped``: the notification was deleted."""

    error: str = ""
    is_final: bool = False
    is_dropped: bool = False
