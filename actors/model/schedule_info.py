"""Public records of schedules."""

from __future__ import annotations

import enum
from typing import Any

import attrs

from actors.core.schedules import MissedPolicy, OverlapPolicy, RunCounts, ScheduledRun
from journal.events import Target


class ScheduleState(enum.Enum):
    """The state of a schedule."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    """It has no further nominal time."""


@attrs.frozen(kw_only=True)
class ScheduleInfo:
    """A schedule as of now. Times are wall seconds.

    ``next`` are the next nominal times; every nominal time up to ``reached`` has been decided on. ``open`` are the runs that have not
    ended, ``recent`` are the last ended runs, newest first, and ``waiting`` is the number of runs that start after the open ones.
    ``revision`` counts the changes of the schedule. ``trouble`` is the reason why it cannot compute its times, such as a zone that this
    machine does not know; the schedule tries again every minute.
    """

    name: str
    state: ScheduleState
    target: Target
    argument: Any
    cron: str
    every: float | None
    anchor: float | None
    zone: str
    start_at: float | None
    end_at: float | None
    time_parameter: str
    missed: MissedPolicy
    missed_limit: int
    overlap: OverlapPolicy
    note: str
    next: tuple[float, ...]
    reached: float
    open: tuple[ScheduledRun, ...]
    recent: tuple[ScheduledRun, ...]
    waiting: int
    counts: RunCounts
    created_at: float
    created_by: str
    changed_at: float
    changed_by: str
    revision: int
    paused_at: float | None = None
    paused_by: str = ""
    pause_reason: str = ""
    trouble: str = ""

    @property
    def timing(self) -> str:
        """The nominal times in words."""
        return f"{self.cron} {self.zone}" if self.every is None else f"every {self.every:g}s"
