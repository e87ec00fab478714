"""Times on the command line, as ISO 8601."""

from __future__ import annotations

import datetime

import click


def instant(text: str, name: str, zone: str | None) -> float:
    """Parse a time to wall seconds; one without an offset is in the zone, or local if that is None."""
    from actors.model.timetable import zone_named

    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"{name} is {text!r}, expected a time such as 2026-03-29, 2026-03-29T02:30 or 2026-03-29T02:30+02:00"
        ) from None
    return (at if at.tzinfo is not None else at.replace(tzinfo=None if zone is None else zone_named(zone))).timestamp()
