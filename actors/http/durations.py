"""Spans of time as people and other clients write them."""

from __future__ import annotations

import re

from actors.core.errors import InvalidArgumentError

_SIMPLE = re.compile(r"(?P<number>[0-9]{1,12}(\.[0-9]{1,6})?) ?(?P<unit>ms|s|m|h|d|)")
_ISO = re.compile(
    r"P(?:(?P<days>[0-9]{1,6})D)?"
    r"(?:T(?:(?P<hours>[0-9]{1,6})H)?(?:(?P<minutes>[0-9]{1,6})M)?(?:(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,6})?)S)?)?"
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_SECONDS = 100 * 366 * 86400.0


def parse_duration(text: str, *, bare: str) -> float:
    """Seconds in ``10s``, ``500ms``, ``2h``, ``PT10S`` and the like; ``bare`` is the unit of a number alone.

    Raises :class:`actors.InvalidArgumentError`.
    """
    seconds = _seconds(text, bare)
    if seconds is None:
        raise InvalidArgumentError(f"{text[:80]!r} is no duration; write 10s, 500ms, 2m, 1h, 3d or PT10S")
    if seconds > _LONGEST_SECONDS:
        raise InvalidArgumentError(f"{text!r} is longer than a hundred years")
    return seconds


def _seconds(text: str, bare: str) -> float | None:
    simple = _SIMPLE.fullmatch(text)
    if simple is not None:
        return float(simple["number"]) * _UNITS[simple["unit"] or bare]
    iso = _ISO.fullmatch(text)
    if iso is None or not any(iso.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in iso.group("days", "hours", "minutes", "seconds"))
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
