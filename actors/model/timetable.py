"""The nominal times of a schedule: a cron line in a time zone, or an interval.

A cron line has five fields (minute, hour, day of the month, month, day of the week) and is read by cronsim, which behaves as the
cron of Debian does. When clocks change:

- A line with a fixed minute and hour runs once a day. A time that does not exist (02:30 in Berlin on the last Sunday of March)
  runs at the first minute after the gap; a time that occurs twice runs the first time.
- A line whose minute or hour begins with ``*`` runs by elapsed time: ``*/30 * * * *`` runs in both of the repeated hours, and not in
  the hour that is left out.

An interval counts elapsed seconds from its anchor, so no change of clocks moves it.

cronsim was chosen over croniter (three times the code, with its own extensions) and APScheduler (a scheduler with its own storage). It
only computes times, is typed, has no dependencies, and follows cron's well-known rules when clocks change.
"""

from __future__ import annotations

import datetime
import math
import re
from typing import TYPE_CHECKING

from actors.errors import InvalidArgumentError
from actors.values.arguments import checked_text
from actors.values.limits import NEVER
from actors.values.texts import shown

if TYPE_CHECKING:
    import zoneinfo
    from collections.abc import Iterator

    from actors.core.schedules import Timing

MAX_CRON = 256
"""The greatest length of a cron line, in characters."""

MAX_ZONE = 64
"""The greatest length of the name of a zone, in characters."""

SHORTEST_INTERVAL, LONGEST_INTERVAL = 1.0, 10 * 366 * 86_400.0
"""The bounds of an interval, in seconds: a second, and ten years."""

_SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = (
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day-of-month", "1-31, L or LW"),
    ("month", "1-12 or JAN-DEC"),
    ("day-of-week", "0-7 or SUN-SAT, 1#2 or 5L"),
)

_TERM = re.compile(r"(\*|(?!L)[0-9A-Z]+(-[0-9A-Z]+)?)(/[0-9]+)?|[0-9A-Z]+#[1-5]|LW?|[0-7]L")
"""The accepted parts of a field. cronsim accepts some more, and for others it raises errors of other libraries."""


class Timetable:
    """Computes nominal times. Raises :class:`InvalidArgumentError` for a timing that cannot be read."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._zone = zone_named(timing.zone)
        self._cron = _SHORTHANDS.get(timing.cron, timing.cron)

    def after(self, at: float) -> float | None:
        """Return the first nominal time after ``at``, or None if there is none."""
        return next(self.times_after(at), None)

    def times_after(self, at: float) -> Iterator[float]:
        """Yield the nominal times after ``at``, in order."""
        timing = self._timing
        if timing.start_at is not None and timing.start_at > at:
            at = math.nextafter(timing.start_at, -math.inf)
        end = NEVER if timing.end_at is None else timing.end_at
        for nominal in self._cron_after(at) if self._cron else self._intervals_after(at):
            if nominal > end:
                return
            yield nominal

    def local(self, nominal: float) -> datetime.datetime:
        """Return a nominal time in the zone."""
        return datetime.datetime.fromtimestamp(nominal, self._zone)

    def _cron_after(self, at: float) -> Iterator[float]:
        from cronsim import CronSim

        try:
            for moment in CronSim(self._cron, self.local(math.ceil(at) - 1)):
                nominal = moment.timestamp()
                # In the second of two equal hours, cronsim starts with times of the first.
                if nominal > at:
                    yield nominal
        except (OverflowError, ValueError):
            return  # after the year 9999

    def _intervals_after(self, at: float) -> Iterator[float]:
        every, anchor = self._timing.every or LONGEST_INTERVAL, self._timing.anchor
        number = math.floor((at - anchor) / every)
        while True:
            nominal = anchor + number * every
            if nominal > at:
                yield nominal
            number += 1


def checked_cron(text: str, name: str = "cron") -> str:
    """Return a cron line with single spaces. Raises :class:`InvalidArgumentError`, which names the field that cannot be read."""
    from cronsim import CronSim, CronSimError

    line = " ".join(checked_text(text, name, MAX_CRON).split())
    fields = _SHORTHANDS.get(line.lower(), line).split(" ")
    if len(fields) != len(_FIELDS):
        raise InvalidArgumentError(
            f"{name} is {shown(text)}, expected five fields (minute hour day-of-month month day-of-week) or one of "
            f"{', '.join(_SHORTHANDS)}; for less than a minute use an interval",
            path=name,
        )
    for number, (title, expected) in enumerate(_FIELDS):
        if not _can_be_read(number, fields[number]):
            raise InvalidArgumentError(
                f"{name} is {shown(line)}: its {title} is {shown(fields[number])}, expected {expected}, '*', or these with "
                "'-', '/' and ','",
                path=name,
            )
    try:
        CronSim(" ".join(fields), datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))
    except CronSimError:
        raise InvalidArgumentError(
            f"{name} is {shown(line)}, which no date matches: the month has fewer days", path=name
        ) from None
    return line.lower() if line.startswith("@") else line.upper()


def _can_be_read(number: int, field: str) -> bool:
    """Report whether a field of a line can be read, by itself."""
    from cronsim import CronSim, CronSimError

    line = ["*"] * len(_FIELDS)
    line[number] = field
    if not all(map(_TERM.fullmatch, field.upper().split(","))):
        return False
    try:
        CronSim(" ".join(line), datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))
    except CronSimError:
        return False
    return True


def checked_zone(text: str, name: str = "zone") -> str:
    """Return the name of a time zone unchanged. Raises :class:`InvalidArgumentError` for one that is not known."""
    zone_named(checked_text(text, name, MAX_ZONE), name)
    return text


def zone_named(zone: str, name: str = "zone") -> zoneinfo.ZoneInfo:
    """Return a time zone of the system's database, or of the package tzdata. Raises :class:`InvalidArgumentError`."""
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidArgumentError(
            f"{name} is {shown(zone)}, expected a name of the IANA time zone database, such as 'Europe/Berlin' or 'UTC'",
            path=name,
        ) from None
