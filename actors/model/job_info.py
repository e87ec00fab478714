"""What can be seen of bulk jobs."""

from __future__ import annotations

from typing import Any

import attrs

from actors.core.jobs import ItemResult, JobSpec, JobState, JobVerb
from actors.model.info import InvocationInfo
from journal.events import Status
from journal.ids import InvocationId


@attrs.frozen(kw_only=True)
class JobPreview:
    """What a job would take now: how many invocations are chosen, and the oldest that a condition fits, or the first of others,
    as far as they are there. Nothing has changed."""

    count: int
    sample: tuple[InvocationInfo, ...]


@attrs.frozen(kw_only=True)
class JobInfo:
    """How a job stands. Times are wall seconds.

    Its invocations are those that ``where`` fitted, those that were ``named`` by their ids, so many, or those that the job
    ``refused_by`` was refused. ``matched`` was their number when the job began; it takes ``total`` of them, fewer only if it was
    given a ``limit``. ``done`` are dealt with: ``changed``, ``unchanged``, or ``refused`` (counted by the type of the refusal).
    ``failure`` says why it failed, or what it does not get past. ``invocation_id`` is the job as an invocation, ``status`` how
    that stands: it can be paused and resumed like others.
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
        """Which invocations, in words."""
        return words_of(self)


def words_of(chosen: JobSpec | JobInfo) -> str:
    """Which invocations, in words."""
    if chosen.named:
        return f"of {chosen.named} named"
    return f"of those that {chosen.refused_by} was refused" if chosen.refused_by else f"where {chosen.where}"


@attrs.frozen(kw_only=True)
class JobItem:
    """What became of one invocation: its status before and after, or the type of the refusal; where that was asked for, also
    the ``reason`` for which the code would not get through its history."""

    id: InvocationId
    result: ItemResult
    before: Status | None = None
    after: Status | None = None
    error: str = ""
    reason: str = ""


@attrs.frozen(kw_only=True)
class JobItems:
    """Outcomes, in the order in which they were dealt with. ``next`` asks for the following ones; None: there are no more yet."""

    items: tuple[JobItem, ...]
    next: int | None = None
