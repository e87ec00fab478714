"""The two kinds of event in a handler's history, requests and completions, and the comparison of two requests."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import msgspec

from actors.core.inputs import is_same_input
from actors.values.digests import digest
from journal import events as e

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from journal.events import Event

Request: TypeAlias = (
    e.StepScheduled
    | e.SleepScheduled
    | e.DeadlineScheduled
    | e.WaitDropped
    | e.CallScheduled
    | e.AttachScheduled
    | e.CallCancelRequested
    | e.SendScheduled
    | e.SignalAwaited
    | e.SignalReassigned
    | e.QuestionAsked
    | e.VerbScheduled
    | e.PatchMarked
    | e.FieldsChanged
    | e.LogExtended
    | e.MapChanged
    | e.UpdateCompleted
)
"""The events that a handler causes directly."""

Completion: TypeAlias = (
    e.StepCompleted
    | e.StepAborted
    | e.TimerFired
    | e.CallCompleted
    | e.SignalReceived
    | e.VerbAnswered
    | e.CancelRequested
    | e.HistoryCopied
    | e.UpdateAccepted
    | e.UpdateCancelRequested
)
"""The events that a handler receives."""

REQUESTS: frozenset[type] = frozenset(get_args(Request))
COMPLETIONS: frozenset[type] = frozenset(get_args(Completion))


def is_request(event: Event) -> bool:
    """Report whether a handler caused the event directly."""
    return event.__class__ in REQUESTS


def is_completion(event: Event) -> bool:
    """Report whether a handler receives the event."""
    return event.__class__ in COMPLETIONS and not is_deferred(event)


def is_deferred(event: Event) -> bool:
    """Report whether the event is a signal that will be received again (``SignalReceived.deferred``)."""
    return isinstance(event, e.SignalReceived) and event.deferred


def is_same_request(
    recorded: Any,
    attempted: Any,
    also_known_as: tuple[str, ...] = (),
    parameters: Callable[[], tuple[str, ...]] = tuple,
) -> bool:
    """Report whether the handler makes the recorded request. Times and ids may differ; the recorded values are used.
    ``also_known_as`` are other names of the step, or of the target."""
    kind = attempted.__class__
    if recorded.__class__ is not kind:
        return False
    of_fields = _SAME_CHANGES.get(kind)
    if of_fields is not None:
        return of_fields(recorded, attempted)
    if recorded.step != attempted.step:
        return False
    if kind is e.StepScheduled:
        return (recorded.name == attempted.name or recorded.name in also_known_as) and (
            (recorded.argument == attempted.argument and not attempted.argument_bytes)
            or _has_same_arguments(recorded, attempted, parameters)
        )
    if kind in _OF_TARGETS and recorded.target != attempted.target and str(recorded.target) not in also_known_as:
        return False
    at_its_place = _SAME_AT_ITS_PLACE.get(kind)
    return at_its_place is None or at_its_place(recorded, attempted)


def _has_same_arguments(
    recorded: e.StepScheduled, attempted: e.StepScheduled, parameters: Callable[[], tuple[str, ...]]
) -> bool:
    """Report whether the step has its recorded arguments, as far as they can be compared. A positional and a named
    argument for the same parameter are equal."""
    if not recorded.is_compared or not attempted.is_compared:
        return True
    if recorded.argument_bytes or attempted.argument_bytes:
        return recorded.opaque != attempted.opaque or _digest_of(recorded) == _digest_of(attempted)
    names = parameters()
    was, is_now = _by_name(recorded.argument, names), _by_name(attempted.argument, names)
    opaque = {_name_of(place, names) for place in (*recorded.opaque, *attempted.opaque)}
    return was.keys() == is_now.keys() and all(was[name] == is_now[name] for name in was.keys() - opaque)


def _digest_of(step: e.StepScheduled) -> str:
    return step.argument_digest if step.argument_bytes else digest_of_values(step.argument, step.opaque)


def digest_of_values(arguments: bytes, opaque: Sequence[str]) -> str:
    """Return a digest of the arguments of a step that are values."""
    return digest(_values(arguments, opaque)).hex()


def _values(arguments: bytes, opaque: Sequence[str]) -> bytes:
    """Return the arguments that are values, as JSON."""
    if not opaque:
        return arguments
    return msgspec.json.encode({place: value for place, value in _by_place(arguments).items() if place not in opaque})


def _by_place(arguments: bytes) -> dict[str, msgspec.Raw]:
    given = msgspec.json.decode(arguments, type=dict[str, msgspec.Raw] | list[msgspec.Raw]) if arguments else []
    return given if isinstance(given, dict) else {str(place): value for place, value in enumerate(given)}


def _by_name(arguments: bytes, names: Sequence[str]) -> dict[str, bytes]:
    return {_name_of(place, names): bytes(value) for place, value in _by_place(arguments).items()}


def _name_of(place: str, names: Sequence[str]) -> str:
    """Return the name of the parameter that receives an argument, given by position or by name."""
    return names[int(place)] if place.isdecimal() and int(place) < len(names) else place


_Comparison: TypeAlias = "Callable[[Any, Any], bool]"


def _same(*names: str) -> _Comparison:
    values = attrgetter(*names)
    return lambda recorded, attempted: bool(values(recorded) == values(attempted))


_SAME_CHANGES: dict[type, _Comparison] = {
    e.FieldsChanged: _same("fields"),
    e.LogExtended: _same("field", "items"),
    e.MapChanged: _same("field", "items"),
    e.PatchMarked: _same("name"),
    e.SignalReassigned: _same("signal", "step"),
    e.UpdateCompleted: _same("update"),
}
"""For each kind of request without a step: the fields that must agree."""

_OF_TARGETS = (e.CallScheduled, e.SendScheduled)

_SAME_AT_ITS_PLACE: dict[type, _Comparison] = {
    e.CallScheduled: is_same_input,
    e.SendScheduled: is_same_input,
    e.SignalAwaited: _same("name", "question"),
    e.QuestionAsked: _same("name", "choices"),
    e.VerbScheduled: _same("verb", "of"),
    e.AttachScheduled: _same("callee"),
}
"""For each kind of request with a step: the other fields that must agree."""


def describe(event: Any) -> str:
    """Describe a request in words, with the line of code that made it."""
    match event:
        case e.StepScheduled():
            what = f"step {event.name!r}"
        case e.SleepScheduled():
            what = "a sleep"
        case e.DeadlineScheduled():
            what = "a deadline"
        case e.CallScheduled():
            what = f"a call of {event.target} with {_short(event.argument)}"
        case e.SendScheduled():
            what = f"a send to {event.target} with {_short(event.argument)}"
        case e.AttachScheduled():
            what = f"waiting for lock {event.lock!r}" if event.lock else f"waiting for {event.callee}"
        case e.SignalAwaited():
            what = f"waiting for signal {event.name!r}"
        case e.QuestionAsked():
            what = f"question {event.name!r}"
        case e.VerbScheduled():
            what = f"{event.verb.value} of {event.of}"
        case e.FieldsChanged():
            return "a change of " + ", ".join(f"{name} to {_short(value)}" for name, value in event.fields.items())
        case e.LogExtended():
            return f"{len(event.items)} items appended to {event.field}"
        case e.MapChanged():
            return f"a change of {', '.join(event.items)} in {event.field}"
        case e.SignalReassigned():
            where = "no wait" if event.step is None else f"the wait at step {event.step}"
            return f"signal {event.name!r} taken by {where}"
        case e.PatchMarked():
            return f"patched({event.name!r})"
        case e.UpdateCompleted():
            return f"the answer to update {event.update}"
        case e.WaitDropped():
            return f"the end of waiting at step {event.step}"
        case e.CallCancelRequested():
            return f"a cancel of the call at step {event.step}"
        case _:
            return type(event).__name__
    source = f" at {event.source}" if event.source else ""
    return f"{what} (step {event.step}){source}"


def contrast(recorded: Any, attempted: Any) -> tuple[str, str]:
    """Describe two requests in words. For steps that differ only in their arguments, include the arguments that differ."""
    if not is_same_step(recorded, attempted):
        return describe(recorded), describe(attempted)
    one, other = _values(recorded.argument, recorded.opaque), _values(attempted.argument, attempted.opaque)
    same = _length_in_common(one, other)
    was, is_now = _arguments(recorded, one, same), _arguments(attempted, other, same)
    return f"{describe(recorded)} with {was}", f"{describe(attempted)} with {is_now}"


def is_same_step(recorded: Any, attempted: Any) -> bool:
    """Report whether both requests are the same step, so that only the arguments differ."""
    is_step = isinstance(recorded, e.StepScheduled) and isinstance(attempted, e.StepScheduled)
    return is_step and (recorded.name, recorded.step) == (attempted.name, attempted.step)


def _length_in_common(one: bytes, other: bytes) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _arguments(step: e.StepScheduled, values: bytes, same: int) -> str:
    """Return the arguments as text; long ones from shortly before the first difference."""
    if step.argument_bytes:
        return f"arguments of {step.argument_bytes} bytes"
    if not values:
        return "no arguments"
    first = 0 if len(values) <= _SHORT else max(0, same - _SHORT // 4)
    return f"{'…' if first else ''}{_short(values[first:])}"


_SHORT = 60


def _short(value: bytes) -> str:
    text = value.decode(errors="replace")
    return text if len(text) <= _SHORT else text[: _SHORT - 3] + "…"
