"""``sys_schedule``: one row for each schedule, with its next time, its last run and its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actors.model.schedule_info import ScheduleInfo
from actors.query.schedules import each_schedule
from actors.query.sql.columns import Column, Path, Table, Type, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.core.schedules import RunCounts, ScheduledRun
    from actors.query.snapshot import JournalSnapshot


def _every(snapshot: JournalSnapshot, _: Wanted) -> Iterator[ScheduleInfo]:
    return each_schedule(snapshot)


def _last(info: ScheduleInfo) -> ScheduledRun | None:
    """Return the run that was started last."""
    return max((*info.open, *info.recent), key=lambda run: run.started_at, default=None)


def _count(name: str, about: str) -> Column[ScheduleInfo]:
    def value(info: ScheduleInfo, _: JournalSnapshot) -> int:
        counts: RunCounts = info.counts
        number: int = getattr(counts, name)
        return number

    return Column(name, Type.INTEGER, about, value)


SCHEDULES = Table[ScheduleInfo](
    name="sys_schedule",
    about="One row for each schedule. Its runs are in sys_invocation, with the tag schedule.",
    columns=(
        Column("name", Type.TEXT, "its name", lambda info, _: info.name),
        Column("state", Type.TEXT, "active, paused or ended", lambda info, _: info.state.value),
        Column("service", Type.TEXT, "the class that it calls", lambda info, _: info.target.service),
        Column("key", Type.TEXT, "the key of the object that it calls", lambda info, _: info.target.key),
        Column("handler", Type.TEXT, "the handler that it calls", lambda info, _: info.target.handler),
        Column(
            "argument",
            Type.JSON,
            "the argument, without the nominal time",
            lambda info, _: msgspec.json.encode(info.argument).decode(),
        ),
        Column("cron", Type.TEXT, "the cron line; NULL for an interval", lambda info, _: info.cron or None),
        Column("every", Type.REAL, "the interval in seconds; NULL for a cron line", lambda info, _: info.every),
        Column("zone", Type.TEXT, "the time zone of the cron line", lambda info, _: info.zone),
        Column("overlap", Type.TEXT, "the policy while an earlier run is open", lambda info, _: info.overlap.value),
        Column("missed_policy", Type.TEXT, "the policy for missed times", lambda info, _: info.missed.value),
        Column("note", Type.TEXT, "the comment for people", lambda info, _: info.note or None),
        Column("next_at", Type.TIME, "the next nominal time", lambda info, _: info.next[0] if info.next else None),
        Column(
            "last_nominal_at",
            Type.TIME,
            "the nominal time of the last run",
            lambda info, _: None if (run := _last(info)) is None else run.nominal,
        ),
        Column(
            "last_invocation_id",
            Type.TEXT,
            "the invocation of the last run",
            lambda info, _: None if (run := _last(info)) is None else run.invocation_id,
        ),
        Column(
            "last_outcome",
            Type.TEXT,
            "succeeded, failed, cancelled or killed; NULL while the last run is open",
            lambda info, _: None if (run := _last(info)) is None else run.outcome or None,
        ),
        Column("open", Type.INTEGER, "the runs that have not ended", lambda info, _: len(info.open)),
        Column("waiting", Type.INTEGER, "the runs that wait for their turn", lambda info, _: info.waiting),
        _count("started", "the runs that were started"),
        _count("succeeded", "the runs that succeeded"),
        _count("failed", "the runs that failed"),
        _count("cancelled", "the runs that were cancelled"),
        _count("killed", "the runs that were killed"),
        _count("missed", "the nominal times without a run because no process was running"),
        _count("skipped", "the nominal times without a run because an earlier run was open"),
        Column("paused_by", Type.TEXT, "the principal who paused it", lambda info, _: info.paused_by or None),
        Column("pause_reason", Type.TEXT, "the reason of the pause", lambda info, _: info.pause_reason or None),
        Column("trouble", Type.TEXT, "why it cannot compute its times", lambda info, _: info.trouble or None),
        Column("created_at", Type.TIME, "when it was created", lambda info, _: info.created_at),
        Column("created_by", Type.TEXT, "the principal who created it", lambda info, _: info.created_by),
        Column("changed_at", Type.TIME, "when it was last changed", lambda info, _: info.changed_at),
        Column("changed_by", Type.TEXT, "the principal who last changed it", lambda info, _: info.changed_by),
    ),
    paths=(Path(name="every", scan=_every, cost=1_000),),
)
