"""Bulk jobs as data: one verb for every invocation that a condition fits."""

from __future__ import annotations

import enum
from typing import Any

import attrs

from journal.events import Status
from journal.ids import InvocationId

MAX_ITEMS = 250_000
"""Invocations that one job takes."""

MAX_NAMED = 10_000
"""Invocations that can be chosen by their ids."""


class JobVerb(enum.Enum):
    """What a job can ask of each invocation."""

    CANCEL = "cancel"
    KILL = "kill"
    PAUSE = "pause"
    RESUME = "resume"
    RESTART = "restart"
    SIGNAL = "signal"
    PURGE = "purge"


class JobState(enum.Enum):
    """Where a job is."""

    SELECTING = "selecting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    KILLED = "killed"


class ItemResult(enum.Enum):
    """What became of one invocation: the verb changed it, or had nothing to change, or was refused."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@attrs.frozen(kw_only=True)
class Choice:
    """Which invocations: those that a condition fits, those of these ids, or those that another job was refused."""

    where: str = ""
    ids: tuple[InvocationId, ...] = ()
    refused_by: str = ""


@attrs.frozen(kw_only=True)
class JobSpec:
    """What a job is to do. ``options`` are those of the verb, as ``InvocationHandle`` takes them; ``limit`` is how many
    invocations it takes at most, the oldest first, or the first of those that were named; ``rate`` is how many a second.

    Its invocations are those of its :class:`Choice`. Of ids it says how many they are: they are many, and it is looked at often.
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
    """The invocations that the condition fitted at one moment: how many, and the ids of those that are taken."""

    matched: int
    ids: str

    def split(self) -> list[str]:
        """The ids."""
        return self.ids.split()


@attrs.frozen(kw_only=True)
class ItemStatus:
    """One way in which items ended. Many end alike, so a page names each way once. ``reason`` is where the code diverges, of
    those that were refused for that."""

    result: ItemResult
    before: Status | None = None
    after: Status | None = None
    error: str = ""
    reason: str = ""


@attrs.frozen(kw_only=True)
class Applied:
    """What a page came to: for each item from its beginning that has an answer, the number of its fate."""

    fates: list[ItemStatus]
    items: list[int]


@attrs.frozen(kw_only=True)
class Recalled:
    """Items of a page that were asked before the job was stopped, and what that came to."""

    ids: str
    applied: Applied


@attrs.frozen(kw_only=True)
class JobPage:
    """A page as it is kept."""

    ids: str
    fates: list[ItemStatus]
    items: list[int]


@attrs.frozen(kw_only=True)
class JobProgress:
    """How far a job has come."""

    spec: JobSpec | None
    is_selected: bool
    matched: int
    total: int
    changed: int
    unchanged: int
    refused: dict[str, int]
