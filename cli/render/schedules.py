"""A schedule as lines for people. Times are in the zone of the schedule."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from actors.errors import InvalidArgumentError
from actors.model.timetable import zone_named
from cli.render.text_table import TextColumn, TextTable, facts_lines, value_as_json
from cli.targets import written_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.core.schedules import ScheduledRun
    from actors.model.schedule_info import ScheduleInfo


def at_in(zone: str, at: float) -> str:
    """Format a time in a zone, with its offset and the day of the week."""
    try:
        local = datetime.datetime.fromtimestamp(at, zone_named(zone))
    except InvalidArgumentError:  # a zone that this machine does not know
        local = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return local.strftime("%a %Y-%m-%d %H:%M:%S%z")


SCHEDULES: TextTable[ScheduleInfo] = TextTable(
    id_of=lambda info: info.name,
    columns=(
        TextColumn("NAME", lambda info: info.name),
        TextColumn("STATE", lambda info: info.state.value),
        TextColumn("TARGET", lambda info: written_target(info.target)),
        TextColumn("TIMES", lambda info: info.timing),
        TextColumn("NEXT", lambda info: at_in(info.zone, info.next[0]) if info.next else ""),
        TextColumn("LAST", lambda info: info.recent[0].outcome if info.recent else ""),
        TextColumn("OPEN", lambda info: str(len(info.open))),
        TextColumn("MISSED", lambda info: str(info.counts.missed), is_wide=True),
        TextColumn("SKIPPED", lambda info: str(info.counts.skipped), is_wide=True),
        TextColumn("BY", lambda info: info.created_by, is_wide=True),
        TextColumn("NOTE", lambda info: info.trouble or info.pause_reason or info.note),
    ),
)


def schedule_lines(info: ScheduleInfo) -> Iterator[str]:
    """Return the facts about a schedule, one per line."""
    counts = info.counts
    paused = "" if info.paused_at is None else f"{at_in(info.zone, info.paused_at)} by {info.paused_by}"
    facts: list[tuple[str, Any]] = [
        ("name", info.name),
        ("state", info.state.value),
        ("paused", paused),
        ("reason", info.pause_reason),
        ("trouble", info.trouble),
        ("target", written_target(info.target)),
        ("argument", "" if info.argument is None else value_as_json(info.argument)),
        ("time in", info.time_parameter),
        ("times", info.timing),
        ("start", "" if info.start_at is None else at_in(info.zone, info.start_at)),
        ("end", "" if info.end_at is None else at_in(info.zone, info.end_at)),
        ("overlap", info.overlap.value),
        ("missed", f"{info.missed.value}{f' (at most {info.missed_limit})' if info.missed.value == 'all' else ''}"),
        ("note", info.note),
        ("created", f"{at_in(info.zone, info.created_at)} by {info.created_by}"),
        (
            "runs",
            f"{counts.started} started, {counts.succeeded} succeeded, {counts.failed} failed, "
            f"{counts.cancelled + counts.killed} stopped",
        ),
        ("no run", f"{counts.missed} missed, {counts.skipped} skipped"),
        ("waiting", info.waiting or ""),
        *(("next", at_in(info.zone, at)) for at in info.next),
        *(("open", _run(info.zone, run)) for run in info.open),
        *(("ended", _run(info.zone, run)) for run in info.recent),
    ]
    return facts_lines(facts)


def _run(zone: str, run: ScheduledRun) -> str:
    words = [f"nominal time {at_in(zone, run.nominal)}", run.invocation_id, run.outcome, run.cause.value, run.failure]
    return "  ".join(word for word in words if word)
