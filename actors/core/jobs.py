"""Bulk jobs as data: one verb for every selected invocation."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Self

import attrs
import msgspec

from actors.values.arguments import MAX_COUNT, MAX_NAME
from journal.events import Status
from journal.ids import ID_PATTERN, InvocationId

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
    RESCHEDULE = "reschedule"


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


Condition = Annotated[str, msgspec.Meta(max_length=8_192, description="A condition in SQL over sys_invocation.")]


@attrs.frozen(kw_only=True)
class Choice:
    """A selection of invocations: those that match a condition, those with these ids, or those that another job could not change."""

    where: Condition = ""
    ids: Annotated[
        tuple[Annotated[InvocationId, msgspec.Meta(pattern=ID_PATTERN)], ...],
        msgspec.Meta(max_length=MAX_NAMED, description="At most 10,000."),
    ] = ()
    refused_by: Annotated[
        str,
        msgspec.Meta(
            max_length=MAX_NAME, description="The id of a completed job: the invocations that it could not change."
        ),
    ] = ""

    def distinct(self) -> Self:
        """Return the selection with each id once."""
        return attrs.evolve(self, ids=tuple(dict.fromkeys(self.ids)))


@attrs.frozen(kw_only=True)
class JobSpec(Choice):
    """The description of a job: a verb with its ``options`` (as ``InvocationHandle`` takes them), and a selection of invocations. The job
    takes at most ``limit`` of them, the oldest or the first in the list of ids, and applies the verb ``rate`` times per second."""

    verb: JobVerb
    options: dict[str, Any] = attrs.field(factory=dict)
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] | None = None
    rate: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | None = None


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
    """The progress of a job. ``refused`` counts the refused invocations by error. ``spec`` is without its ids, which may be many;
    ``named`` is their number."""

    spec: JobSpec | None
    named: int
    is_selected: bool
    matched: int
    total: int
    changed: int
    unchanged: int
    refused: dict[str, int]
