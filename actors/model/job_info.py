"""Public records of bulk jobs."""

from __future__ import annotations

from typing import Any

import attrs

from actors.core.jobs import ItemResult, JobSpec, JobState, JobVerb
from actors.model.info import InvocationInfo
from actors.model.pages import cursor_of, parse_cursor
from journal.events import Status
from journal.ids import InvocationId


@attrs.frozen(kw_only=True)
class JobPreview:
    """A preview of a job's selection: the number of invocations now, and the first of them: the oldest matches, or the first named.
    Nothing has changed."""

    count: int
    sample: tuple[InvocationInfo, ...]


@attrs.frozen(kw_only=True)
class JobInfo:
    """The progress of a job. Times are wall seconds.

    Its invocations are those that matched ``where``, the ``named`` number of ids, or those that the job ``refused_by`` could not
    change. ``matched`` was their number when the job began; it takes ``total`` of them, fewer only if it has a ``limit``.
    ``done`` are processed: ``changed``, ``unchanged``, or ``refused`` (counted by error code). ``failure`` is the reason why it
    failed or does not advance. ``invocation_id`` is the job as an invocation and ``status`` that invocation's status: it can be
    paused and resumed like others.
    """

    id: str
    invocation_id: InvocationId
    verb: JobVerb
    where: str
    options: dict[str, Any]
    limit: int | None
    rate: float | None
    state: JobState
    status: Status
    started_by: str
    started_at: float
    ended_at: float | None = None
    matched: int = 0
    total: int = 0
    done: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: dict[str, int] = attrs.field(factory=dict)
    failure: str = ""
    named: int = 0
    refused_by: str = ""

    @property
    def which(self) -> str:
        """The selection of the job, in words."""
        return words_of(self, self.named)


def words_of(chosen: JobSpec | JobInfo, named: int) -> str:
    """Describe the selection in words; ``named`` is the number of its ids."""
    if named:
        return f"of {named} named"
    return (
        f"the invocations that {chosen.refused_by} could not change" if chosen.refused_by else f"where {chosen.where}"
    )


@attrs.frozen(kw_only=True)
class JobItem:
    """The result for one invocation: its status before and after, or the type of the refusal, and for a compatibility check the
    ``reason``."""

    id: InvocationId
    result: ItemResult
    before: Status | None = None
    after: Status | None = None
    error: str = ""
    reason: str = ""


@attrs.frozen(kw_only=True)
class JobItems:
    """Results, in the order of processing. ``next`` requests the following ones; None means that there are no more yet."""

    items: tuple[JobItem, ...]
    next: int | None = None


_KIND = "jobs"


def job_cursor(job: str) -> str:
    """Return the cursor for the jobs that a list has after this one."""
    return cursor_of(_KIND, job)


def job_in(after: str | None) -> str | None:
    """Return the job in a cursor. Raises :class:`actors.InvalidArgumentError`."""
    return None if after is None else parse_cursor(after, _KIND, tuple[str])[0]
