"""The runs of a schedule as data: their nominal times, their arguments, and the keys that they run under."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import attrs

from actors.core.schedules import MAX_BACKFILL, ScheduleSpec, TimeForm, Timing, WaitingRun
from actors.errors import ErrorCode, LimitExceededError
from actors.model.timetable import Timetable
from actors.values import encode_json, parse

if TYPE_CHECKING:
    from collections.abc import Iterator


def times_within(timing: Timing, start: float, end: float) -> Iterator[float]:
    """Yield the nominal times from ``start`` to ``end``, both included."""
    return takewhile(lambda at: at <= end, Timetable(timing).times_after(math.nextafter(start, -math.inf)))


def is_same(own: ScheduleSpec, other: ScheduleSpec, is_anchored: bool) -> bool:
    """Report whether a description says what the schedule's own says; without an anchor of its own, at any time of asking."""
    if not is_anchored:
        other = attrs.evolve(other, timing=attrs.evolve(other.timing, anchor=own.timing.anchor))
    return own == other


def argument_at(spec: ScheduleSpec, nominal: float) -> tuple[bytes, str]:
    """Return the argument of the run for a nominal time, and the parameter whose value it is, as ``Signature.encode`` does."""
    if not spec.time_parameter:
        return spec.argument, spec.parameter
    time = time_in(spec.time_form, spec.timing, nominal)
    if spec.parameter:
        return encode_json(time), spec.parameter
    others = parse(spec.argument) if spec.argument else {}
    return encode_json({**others, spec.time_parameter: time}), ""


def time_in(form: TimeForm, timing: Timing, nominal: float) -> Any:
    """Return a nominal time as JSON."""
    match form:
        case TimeForm.SECONDS:
            return nominal
        case TimeForm.TEXT:
            return Timetable(timing).local(nominal).isoformat()
        case TimeForm.ZONED:
            return f"{Timetable(timing).local(nominal).isoformat()}[{timing.zone}]"
        case TimeForm.DATE:
            return Timetable(timing).local(nominal).date().isoformat()


def request_of(name: str, life: str, spec: ScheduleSpec, run: WaitingRun) -> str:
    """Return the idempotency key of a run. A nominal time has one, however often its turn is repeated."""
    at = Timetable(spec.timing).local(run.nominal).isoformat()
    return f"schedule {name} {life} {run.mark + ' ' if run.mark else ''}{at}"


def too_many_wait(name: str, waiting: int, number: int) -> LimitExceededError:
    """Return the error to raise if this number of runs cannot wait as well."""
    return LimitExceededError(
        f"{waiting} runs of the schedule {name!r} wait for their turn, and {number} more are too many "
        f"(limit {MAX_BACKFILL}); try again when some have ended",
        limit="waiting_runs",
        maximum=MAX_BACKFILL,
        found=waiting + number,
        code=ErrorCode.BUSY,
    )
