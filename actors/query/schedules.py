"""Reads schedules from their objects: the list of schedules, and one of them with its next times."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import trio

from actors.core.schedules import ScheduleSpec
from actors.errors import InvalidArgumentError
from actors.model.classes import definition_of, service_name
from actors.model.fields import FieldKind
from actors.model.schedule_info import ScheduleInfo, ScheduleState
from actors.model.timetable import Timetable
from actors.query.objects import object_names
from actors.system.schedule import Schedule
from actors.system.scheduled_runs import unknown_schedule
from actors.values import parse
from actors.values.arguments import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot

_NEXT_SHOWN = 5


def each_schedule(snapshot: JournalSnapshot) -> Iterator[ScheduleInfo]:
    """Yield all schedules, by name."""
    for name in _names(snapshot):
        fields = _stored(snapshot, name)
        if fields["spec"]:
            yield _info(name, fields, _NEXT_SHOWN)


async def schedule_infos(snapshot: JournalSnapshot) -> tuple[ScheduleInfo, ...]:
    """Return all schedules, by name."""
    found: list[ScheduleInfo] = []
    for info in each_schedule(snapshot):
        found.append(info)
        await trio.lowlevel.checkpoint()
    return tuple(found)


async def count_schedules(snapshot: JournalSnapshot) -> int:
    """Return the number of schedules."""
    return len(await schedule_infos(snapshot))


def stored_spec(snapshot: JournalSnapshot, name: str) -> ScheduleSpec | None:
    """Return the description of a schedule, None if there is none with this name."""
    spec: ScheduleSpec | None = _stored(snapshot, name)["spec"]
    return spec


def _names(snapshot: JournalSnapshot) -> list[str]:
    """Return the names of all schedules, and of deleted ones, whose objects are empty."""
    return [name.key for name in object_names(snapshot, service_name(Schedule), None, MAX_COUNT)]


def schedule_info(snapshot: JournalSnapshot, name: str, *, shown: int = _NEXT_SHOWN) -> ScheduleInfo:
    """Return a schedule with its next ``shown`` nominal times. Raises :class:`actors.NotFoundError`."""
    fields = _stored(snapshot, name)
    if not fields["spec"]:
        raise unknown_schedule(name)
    return _info(name, fields, shown)


def _stored(snapshot: JournalSnapshot, name: str) -> dict[str, Any]:
    state = snapshot.stored_object(service_name(Schedule), name).state()
    stored = {} if state is None else state.fields
    return {
        field.name: field.decode(stored[field.name]) if field.name in stored else field.make()
        for field in definition_of(Schedule).fields.values()
        if field.kind is FieldKind.PLAIN
    }


def _info(name: str, fields: dict[str, Any], shown: int) -> ScheduleInfo:
    spec: ScheduleSpec = fields["spec"]
    timing, pause = spec.timing, fields["paused"]
    following, trouble = _following(spec, fields["reached"], shown)
    has_ended = not following and not trouble and not fields["late"]
    return ScheduleInfo(
        name=name,
        state=ScheduleState.PAUSED if pause else ScheduleState.ENDED if has_ended else ScheduleState.ACTIVE,
        target=spec.target,
        argument=parse(spec.argument) if spec.argument else None,
        cron=timing.cron,
        every=timing.every,
        anchor=None if timing.every is None else timing.anchor,
        zone=timing.zone,
        start_at=timing.start_at,
        end_at=timing.end_at,
        time_parameter=spec.time_parameter,
        missed=spec.missed,
        missed_limit=spec.missed_limit,
        overlap=spec.overlap,
        note=spec.note,
        next=tuple(following),
        open=tuple(fields["open"]),
        recent=tuple(reversed(fields["recent"])),
        waiting=fields["behind"] - fields["first"],
        trouble=trouble or fields["trouble"],
        **{each: fields[each] for each in _AS_STORED},
        **({} if pause is None else {"paused_at": pause.since, "paused_by": pause.by, "pause_reason": pause.reason}),
    )


_AS_STORED = ("reached", "counts", "created_at", "created_by", "changed_at", "changed_by", "revision")


def _following(spec: ScheduleSpec, reached: float, shown: int) -> tuple[list[float], str]:
    """Return the next nominal times, or the reason why they cannot be computed here."""
    try:
        return [*islice(Timetable(spec.timing).times_after(reached), shown)], ""
    except InvalidArgumentError as error:
        return [], str(error)
