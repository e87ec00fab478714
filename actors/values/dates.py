"""Dates and times.

An aware datetime comes back with its instant, its offset and its zone. A datetime with a ``ZoneInfo`` is written with
the name of the zone in brackets, as in RFC 9557 (``2030-01-02T09:00:00+01:00[Europe/Berlin]``). If the rules of the
zone have changed since, the instant is kept. Other kinds of ``tzinfo`` are refused, because they cannot be rebuilt.
"""

from __future__ import annotations

import datetime
import re
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

import msgspec

from actors.values.problem import Misfit, reason_of, show
from actors.values.scalars import TextShape
from actors.values.shape import Shape

if TYPE_CHECKING:
    import zoneinfo

_OFFSET_WITH_SECONDS = re.compile(r"[+-]\d\d:\d\d:\d\d(\.\d{6})?$")
_ZONED = re.compile(r"(?P<date>[^\[]+)\[(?P<zone>[^\]!]+)\]$")


def date_shapes() -> dict[Any, Shape]:
    """Return the shapes of dates and times, by type."""
    return {
        datetime.datetime: TextShape(datetime.datetime, _write_datetime, _read_datetime),
        datetime.date: TextShape(
            datetime.date, datetime.date.isoformat, lambda text: msgspec.convert(text, datetime.date)
        ),
        datetime.time: TextShape(datetime.time, _write_time, _read_time),
        datetime.timedelta: TextShape(datetime.timedelta, msgspec.to_builtins, _read_timedelta),
    }


def _write_datetime(value: datetime.datetime) -> str:
    zone = value.tzinfo
    if _is_by_name(zone):
        return _write_zoned(value, zone)
    if value.fold:
        raise Misfit(f"{show(value)} has fold=1, which would be lost; make it aware of its zone, or use fold=0")
    return _with_z(value.isoformat(), zone)


def _write_zoned(value: datetime.datetime, zone: zoneinfo.ZoneInfo) -> str:
    if not zone.key or _zone(zone.key) is not zone:
        raise Misfit(f"{show(value)}: its zone is not the one that ZoneInfo finds by name; use ZoneInfo(name)")
    if value.fold and value.replace(fold=0).utcoffset() == value.utcoffset():
        raise Misfit(f"{show(value)} has fold=1 where the hour does not repeat, which would be lost; use fold=0")
    return f"{value.isoformat()}[{zone.key}]"


def _write_time(value: datetime.time) -> str:
    if value.fold:
        raise Misfit(f"{show(value)} has fold=1, which would be lost; use fold=0")
    if _is_by_name(value.tzinfo):
        raise Misfit("a time in a ZoneInfo has no offset without a date; use datetime.timezone, or a datetime")
    return _with_z(value.isoformat(), value.tzinfo)


def _with_z(text: str, zone: datetime.tzinfo | None) -> str:
    if zone is None:
        return text
    if type(zone) is not datetime.timezone:
        raise Misfit(
            f"its time zone is of type {type(zone).__name__}, which cannot be kept: "
            "use zoneinfo.ZoneInfo, datetime.UTC or datetime.timezone"
        )
    return f"{text[:-6]}Z" if not zone.utcoffset(None) else text


def _read_datetime(text: str) -> datetime.datetime:
    zoned = _ZONED.match(text) if text.endswith("]") else None
    if zoned is not None:
        return _in_zone(_read_instant(zoned["date"]), _zone(zoned["zone"]))
    return _read_instant(text)


def _read_instant(text: str) -> datetime.datetime:
    try:
        return msgspec.convert(text, datetime.datetime)
    except msgspec.ValidationError:
        if not _OFFSET_WITH_SECONDS.search(text):
            raise
        return datetime.datetime.fromisoformat(text)


def _in_zone(value: datetime.datetime, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    offset = value.utcoffset()
    if offset is None:
        raise ValueError("a time with a zone must also have a UTC offset")
    for fold in (0, 1):
        there = value.replace(tzinfo=zone, fold=fold)
        if there.utcoffset() == offset:
            return there
    return value.astimezone(zone)


def _is_by_name(zone: datetime.tzinfo | None) -> TypeGuard[zoneinfo.ZoneInfo]:
    """Report whether the zone is a ``ZoneInfo``, without importing that module."""
    module = None if zone is None else sys.modules.get("zoneinfo")
    return module is not None and type(zone) is module.ZoneInfo


def _zone(name: str) -> zoneinfo.ZoneInfo:
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}: {reason_of(error)}") from error


def _read_time(text: str) -> datetime.time:
    try:
        return msgspec.convert(text, datetime.time)
    except msgspec.ValidationError:
        if not _OFFSET_WITH_SECONDS.search(text):
            raise
        return datetime.time.fromisoformat(text)


def _read_timedelta(text: str) -> datetime.timedelta:
    return msgspec.convert(text, datetime.timedelta)
