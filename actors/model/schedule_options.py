"""The options of a schedule, defined once: for the client's method, the body over HTTP and its schema, and the command line."""

from __future__ import annotations

from typing import Annotated, Any

import attrs
import msgspec

from actors.core.schedules import MAX_BACKFILL, MissedPolicy, OverlapPolicy, Timing
from actors.errors import InvalidArgumentError
from actors.model.payloads import json_of
from actors.model.timetable import (
    LONGEST_INTERVAL,
    MAX_CRON,
    MAX_ZONE,
    SHORTEST_INTERVAL,
    Timetable,
    checked_cron,
    checked_zone,
)
from actors.model.verb_options import ReasonText, checked_reason
from actors.values import parse
from actors.values.arguments import (
    MAX_NAME,
    MAX_WORDS,
    Instant,
    Seconds,
    checked_count,
    checked_instant,
    checked_name,
    checked_seconds,
    checked_text,
    checked_title,
    one_of,
)
from actors.values.texts import shown

MAX_TARGET = 2_048
"""The greatest length of a target, in characters."""


def _target(value: str) -> str:
    return checked_name(value, "target", MAX_TARGET)


def _argument(value: Any) -> Any:
    return None if value is None else parse(json_of(value, "argument"))


def _cron(value: str) -> str:
    return checked_cron(value) if value != "" else ""


def _every(value: Seconds | None) -> float | None:
    if value is None:
        return None
    seconds = checked_seconds(value, "every", is_above_zero=True)
    if not SHORTEST_INTERVAL <= seconds <= LONGEST_INTERVAL:
        raise InvalidArgumentError(
            f"every is {shown(value)}, expected {SHORTEST_INTERVAL:g} second to {LONGEST_INTERVAL:.0f} seconds (ten years)",
            path="every",
        )
    return seconds


def _anchor(value: Instant | None) -> float | None:
    return None if value is None else checked_instant(value, "anchor")


def _start(value: Instant | None) -> float | None:
    return None if value is None else checked_instant(value, "start_at")


def _end(value: Instant | None) -> float | None:
    return None if value is None else checked_instant(value, "end_at")


def _missed(value: str | MissedPolicy) -> MissedPolicy:
    return one_of(MissedPolicy, value, "missed")


def _missed_limit(value: int) -> int:
    return checked_count(value, "missed_limit", at_most=MAX_BACKFILL)


def _overlap(value: str | OverlapPolicy) -> OverlapPolicy:
    return one_of(OverlapPolicy, value, "overlap")


def _time_parameter(value: str) -> str:
    return checked_text(value, "time_parameter", MAX_NAME)


def _note(value: str) -> str:
    return checked_text(value, "note", MAX_WORDS)


LATEST = 1e11
"""The latest time that an option takes, in wall seconds: later than the year 5000."""


@attrs.frozen(kw_only=True)
class ScheduleOptions:
    """The target and the times of a schedule. Exactly one of ``cron`` and ``every`` is given. Times are wall seconds; in Python they may be
    datetimes with a zone, and ``every`` a timedelta."""

    target: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=MAX_TARGET, description="The handler: Service/key/handler, or Service/handler."
        ),
    ] = attrs.field(converter=_target)
    argument: Annotated[Any, msgspec.Meta(description="The argument of the handler (JSON); null for none.")] = (
        attrs.field(default=None, converter=_argument)
    )
    cron: Annotated[
        str, msgspec.Meta(max_length=MAX_CRON, description="A cron line of five fields, or @daily and the like.")
    ] = attrs.field(default="", converter=_cron)
    every: (
        Annotated[
            float,
            msgspec.Meta(ge=SHORTEST_INTERVAL, le=LONGEST_INTERVAL, description="The interval, in seconds."),
        ]
        | None
    ) = attrs.field(default=None, converter=_every)
    anchor: (
        Annotated[
            float,
            msgspec.Meta(
                ge=0, le=LATEST, description="The time from which the interval is counted; by default the creation."
            ),
        ]
        | None
    ) = attrs.field(default=None, converter=_anchor)
    zone: Annotated[
        str, msgspec.Meta(max_length=MAX_ZONE, description="The IANA time zone that the cron line is read in.")
    ] = attrs.field(default="UTC", converter=checked_zone)
    start_at: Annotated[float, msgspec.Meta(ge=0, le=LATEST, description="No run before this time.")] | None = (
        attrs.field(default=None, converter=_start)
    )
    end_at: Annotated[float, msgspec.Meta(ge=0, le=LATEST, description="No run after this time.")] | None = attrs.field(
        default=None, converter=_end
    )
    time_parameter: Annotated[
        str, msgspec.Meta(max_length=MAX_NAME, description="The handler's parameter that gets the nominal time.")
    ] = attrs.field(default="", converter=_time_parameter)
    missed: Annotated[
        MissedPolicy, msgspec.Meta(description="Runs for times that passed while no process was running.")
    ] = attrs.field(default=MissedPolicy.ONE, converter=_missed)
    missed_limit: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=MAX_BACKFILL, description="With 'all': run at most this many missed times, the last ones."
        ),
    ] = attrs.field(default=100, converter=_missed_limit)
    overlap: Annotated[
        OverlapPolicy, msgspec.Meta(description="What to do at a nominal time while an earlier run is open.")
    ] = attrs.field(default=OverlapPolicy.SKIP, converter=_overlap)
    note: Annotated[str, msgspec.Meta(max_length=MAX_WORDS, description="A comment for people.")] = attrs.field(
        default="", converter=_note
    )
    reason: ReasonText = attrs.field(default="", converter=checked_reason)

    def __attrs_post_init__(self) -> None:
        if bool(self.cron) == (self.every is not None):
            raise InvalidArgumentError(
                f"{'both cron and every are' if self.cron else 'neither cron nor every is'} given, expected one of them",
                path="cron",
            )
        if self.anchor is not None and self.cron:
            raise InvalidArgumentError("anchor is given with cron; it is the start of an interval", path="anchor")

    def timing(self, now: float, own: Timing | None) -> Timing:
        """Return the rule for nominal times of a schedule that is created or changed now; ``own`` is its current rule. Raises
        :class:`InvalidArgumentError` for another rule without a nominal time after now."""
        timing = Timing(
            cron=self.cron,
            every=self.every,
            anchor=self._anchor(now, own),
            zone=self.zone,
            start_at=self.start_at,
            end_at=self.end_at,
        )
        if timing != own and Timetable(timing).after(now) is None:
            if self.end_at is not None:
                raise InvalidArgumentError(
                    "end_at is before the next time of the schedule, so it would never run: give a later end",
                    path="end_at",
                )
            raise InvalidArgumentError(
                f"cron is {self.cron!r}, which no date of the next 50 years matches", path="cron"
            )
        return timing

    def _anchor(self, now: float, own: Timing | None) -> float:
        if self.anchor is not None:
            return self.anchor
        return now if own is None or own.every != self.every else own.anchor


def _from(value: Instant) -> float:
    return checked_instant(value, "start")


def _until(value: Instant) -> float:
    return checked_instant(value, "end")


@attrs.frozen(kw_only=True)
class BackfillOptions:
    """A range of past nominal times to run, from ``start`` to ``end``, both included."""

    start: Annotated[float, msgspec.Meta(ge=0, le=LATEST, description="The start of the range.")] = attrs.field(
        converter=_from
    )
    end: Annotated[float, msgspec.Meta(ge=0, le=LATEST, description="The end of the range, at most now.")] = (
        attrs.field(converter=_until)
    )
    reason: ReasonText = attrs.field(default="", converter=checked_reason)

    def __attrs_post_init__(self) -> None:
        if self.end < self.start:
            raise InvalidArgumentError("end is before start: swap them", path="end")


def checked_schedule_name(name: object, parameter: str = "name") -> str:
    """Return the name of a schedule unchanged. Raises :class:`InvalidArgumentError` and ``LimitExceededError``."""
    return checked_title(name, parameter)
