"""The runs of a schedule as data: their nominal times, their arguments, and the keys that they run under."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import attrs

from actors.core.schedules import MAX_BACKFILL, MissedPolicy, ScheduleSpec, TimeForm, Timing, WaitingRun
from actors.errors import ConflictError, ErrorCode, LimitExceededError, NotFoundError, ResourceKind
from actors.model.timetable import Timetable
from actors.values import encode_json, parse
from actors.values.sameness import difference
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journal.ids import InvocationId


def times_within(timing: Timing, start: float, end: float) -> Iterator[float]:
    """Yield the nominal times from ``start`` to ``end``, both included."""
    return takewhile(lambda at: at <= end, Timetable(timing).times_after(math.nextafter(start, -math.inf)))


def is_same(own: ScheduleSpec, other: ScheduleSpec, is_anchored: bool) -> bool:
    """Report whether a description is equal to the schedule's own. A missing anchor equals any anchor.

    Properties that follow from the handler's signature are not compared, because the handler may have a new parameter.
    """
    if not is_anchored:
        other = attrs.evolve(other, timing=attrs.evolve(other.timing, anchor=own.timing.anchor))
    is_same_argument = own.said == other.said or difference(_by_name(own), _by_name(other)) is None
    return is_same_argument and own == attrs.evolve(other, **derived_from_handler(own))


def derived_from_handler(spec: ScheduleSpec) -> dict[str, Any]:
    """Return the part of a description that depends on the handler's signature: the argument, and how to pass it and the time."""
    return {
        "argument": spec.argument,
        "parameter": spec.parameter,
        "time_form": spec.time_form,
        "said": spec.said,
    }


def _by_name(spec: ScheduleSpec) -> Any:
    if not spec.argument:
        return {}
    value = parse(spec.argument)
    return {spec.parameter: value} if spec.parameter and not spec.time_parameter else value


def late_to_run(spec: ScheduleSpec, late: list[float], *, has_newer: bool) -> list[float]:
    """Return the late nominal times that are run nevertheless. ``has_newer``: a nominal time that is not late follows them."""
    match spec.missed:
        case MissedPolicy.SKIP:
            return []
        case MissedPolicy.ONE:
            return [] if has_newer else late[-1:]
        case MissedPolicy.ALL:
            return late[-spec.missed_limit :]


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


def unknown_schedule(name: str) -> NotFoundError:
    """Return the error to raise for an unknown schedule."""
    return NotFoundError(f"there is no schedule {shown(name)}", kind=ResourceKind.SCHEDULE)


def another_exists(name: str) -> ConflictError:
    """Return the error to raise if a schedule is created under the name of another one."""
    return ConflictError(
        f"there is a schedule {name!r} already, and it is another one: update it, or choose another name",
        code=ErrorCode.ALREADY_EXISTS,
    )


def changed_since(name: str, revision: int, expected: int) -> ConflictError:
    """Return the error to raise if a schedule has another revision than the caller expects."""
    return ConflictError(
        f"the schedule {name!r} has changed since it was read: its revision is {revision}, expected {expected}; read it again",
        code=ErrorCode.VERSION_CONFLICT,
    )


def still_open(name: str, of: InvocationId, *, is_paused: bool) -> ConflictError:
    """Return the error to raise if a run is open, and no other may start or wait."""
    why = "is paused" if is_paused else "its overlap policy is skip"
    return ConflictError(
        f"the schedule {name!r} has an open run, {of}, and {why}: wait for the run, or cancel it",
        code=ErrorCode.STILL_OPEN,
    )
