"""Bulk jobs as data: one verb for every selected invocation."""

from __future__ import annotations

import enum
from typing import Any

import attrs

from journal.events import Status
from journal.ids import InvocationId

MAX_ITEMS = 250_000
"""The most invocations in one job."""

MAX_NAMED = 10_000
"""The most invocations that can be selected by id."""


class JobVerb(enum.Enum):
    """A verb that a job can apply."""

    CANCEL = "cancel"
    KILL = "kill"
    PAUSE = "pause"
    RESUME = "resume"
    RESTART = "restart"
    SIGNAL = "signal"
    PURGE = "purge"


class JobState(enum.Enum):
    """The state of a job."""

    SELECTING = "selecting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    KILLED = "killed"


class ItemResult(enum.Enum):
    """The result for one invocation: the verb changed it, had nothing to change, or was refused."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@attrs.frozen(kw_only=True)
class Choice:
    """A selection of invocations: those that match a condition, those with these ids, or those that another job could not change."""

    where: str = ""
    ids: tuple[InvocationId, ...] = ()
    refused_by: str = ""


@attrs.frozen(kw_only=True)
class JobSpec:
    """The task of a job: the verb, its ``options`` (as ``InvocationHandle`` takes them), the most invocations
    (``limit``), and the most per second (``rate``).

    The oldest invocations are taken first; of those selected by id, the first named. For a selection by id, the spec
    records the number of ids instead of the ids, because the spec is read often and the ids may be many.
    """

    verb: JobVerb
    where: str = ""
    named: int = 0
    refused_by: str = ""
    options: dict[str, Any] = attrs.field(factory=dict)
    limit: int | None = None
    rate: float | None = None


@attrs.frozen(kw_only=True)
class Selected:
    """The invocations that matched the condition at one moment: their number, and the ids that the job takes, separated
    by spaces."""

    matched: int
    ids: str

    def split(self) -> list[str]:
        """Return the ids as a list."""
        return self.ids.split()


@attrs.frozen(kw_only=True)
class ItemStatus:
    """A result that one or more items of a page have. Many items share a result, so a page stores each result once.
    ``reason`` is the location at which the code diverges, for items that were refused because of that."""

    result: ItemResult
    before: Status | None = None
    after: Status | None = None
    error: str = ""
    reason: str = ""


@attrs.frozen(kw_only=True)
class Applied:
    """The results of a page: the distinct results, and for each item that has one, from the first on, the index of its
    result."""

    fates: list[ItemStatus]
    items: list[int]


@attrs.frozen(kw_only=True)
class Recalled:
    """The items of a page that were processed before the job was cancelled, and their results."""

    ids: str
    applied: Applied


@attrs.frozen(kw_only=True)
class JobPage:
    """A page of a job, as it is stored."""

    ids: str
    fates: list[ItemStatus]
    items: list[int]


@attrs.frozen(kw_only=True)
class JobProgress:
    """The progress of a job. ``refused`` counts the refused invocations by error."""

    spec: JobSpec | None
    is_selected: bool
    matched: int
    total: int
    changed: int
    unchanged: int
    refused: dict[str, int]
