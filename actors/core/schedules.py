"""Schedules as data: the times at which a handler is to be called, and the result of each time.

A *nominal time* is a time that follows from the cron line or the interval. A *scheduled run* is the invocation for one nominal time,
or an invocation that a user has triggered. A schedule decides once for each nominal time: it starts a run, or counts the time as
missed or skipped.
"""

from __future__ import annotations

import enum

import attrs

from journal.events import Target
from journal.ids import InvocationId

MAX_SCHEDULES = 1_000
"""The most schedules in one runtime."""

MAX_BACKFILL = 1_000
"""The most nominal times in one backfill, and the most runs that wait for their turn."""

MAX_OPEN_RUNS = 100
"""The most runs of one schedule that are open at a time."""

RUNS_SHOWN = 20
"""How many completed runs a schedule remembers."""

LATE_SECONDS = 60.0
"""A nominal time that is older when the schedule wakes is late, and the policy for missed times applies."""


class OverlapPolicy(enum.Enum):
    """The action at a nominal time while an earlier run is open."""

    SKIP = "skip"
    """Start no run, and count the time as skipped."""
    QUEUE = "queue"
    """Start the run when the earlier ones have ended, in order."""
    ALLOW = "allow"
    """Start the run beside the earlier ones."""
    CANCEL_PREVIOUS = "cancel_previous"
    """Cancel the earlier runs, and start the run when they have ended."""


class MissedPolicy(enum.Enum):
    """The action for nominal times that passed while no process was running."""

    SKIP = "skip"
    """Start no run for them."""
    ONE = "one"
    """Start one run, for the last of them."""
    ALL = "all"
    """Start a run for each, one after the other: for the last ``missed_limit``."""


class RunCause(enum.Enum):
    """Why a scheduled run was started."""

    TIME = "time"
    """Its nominal time has come."""
    MISSED = "missed"
    """Its nominal time had passed while no process was running."""
    TRIGGER = "trigger"
    """A client asked for it."""
    BACKFILL = "backfill"
    """A client asked for a run for each nominal time of a range."""


class TimeForm(enum.Enum):
    """How a handler's parameter takes the nominal time."""

    ZONED = "zoned"
    """A datetime in the zone of the schedule."""
    TEXT = "text"
    """A text as in RFC 3339, with the offset of the zone."""
    DATE = "date"
    """The date in the zone of the schedule."""
    SECONDS = "seconds"
    """Seconds since 1970 UTC."""


@attrs.frozen(kw_only=True)
class Timing:
    """The rule for nominal times: a cron line in a zone, or an interval in seconds from an anchor; from ``start_at`` to ``end_at``, both
    included. Times are wall seconds."""

    cron: str = ""
    every: float | None = None
    anchor: float = 0.0
    zone: str = "UTC"
    start_at: float | None = None
    end_at: float | None = None


@attrs.frozen(kw_only=True)
class ScheduleSpec:
    """The description of a schedule, checked.

    ``said`` is the argument as the caller wrote it, as JSON. ``argument`` is the JSON of the target's argument, as ``parameter`` says (:class:`actors.values.Signature`), without the
    parameter ``time_parameter``, which gets the nominal time.
    """

    target: Target
    argument: bytes
    parameter: str
    timing: Timing
    time_parameter: str = ""
    time_form: TimeForm = TimeForm.TEXT
    missed: MissedPolicy = MissedPolicy.ONE
    missed_limit: int = 100
    overlap: OverlapPolicy = OverlapPolicy.SKIP
    note: str = ""
    said: bytes = b""


@attrs.frozen(kw_only=True)
class SchedulePause:
    """A pause of a schedule: since when, by whom, and why."""

    since: float
    by: str
    reason: str = ""


@attrs.frozen(kw_only=True)
class WaitingRun:
    """A run that starts when the earlier ones have ended. ``mark`` names the trigger or the backfill that requested it."""

    nominal: float
    cause: RunCause
    mark: str = ""


@attrs.frozen(kw_only=True)
class ScheduledRun:
    """A run of a schedule: its nominal time in wall seconds, why it was started, and its invocation.

    ``outcome`` is ``succeeded``, ``failed``, ``cancelled`` or ``killed``, empty while it is open; ``failure`` is its error.
    """

    nominal: float
    cause: RunCause
    invocation_id: InvocationId
    started_at: float
    ended_at: float | None = None
    outcome: str = ""
    failure: str = ""


@attrs.frozen(kw_only=True)
class RunCounts:
    """Counts of the nominal times and the requests of a schedule since it was created, by result.

    ``started`` runs are open or have ended as ``succeeded``, ``failed``, ``cancelled`` or ``killed``. ``missed`` nominal times
    passed without a run while no process was running. ``skipped`` nominal times had no run because an earlier run was open, or too many
    runs waited.
    """

    started: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    killed: int = 0
    missed: int = 0
    skipped: int = 0


@attrs.frozen(kw_only=True)
class TriggeredRun:
    """The answer to a trigger: the id of the run's invocation. It has started, or it ``waits`` until the earlier runs have ended."""

    invocation_id: InvocationId
    waits: bool = False


@attrs.frozen(kw_only=True)
class ScheduleChange:
    """The answer to a verb of a schedule: whether it changed anything, and the revision of the schedule after it."""

    changed: bool
    revision: int
