"""The points of a history that a restart can go back to: a step, an entry of the journal, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.core.history_cuts import ENDS, OPERATIONS
from actors.core.requests import describe, is_completion, is_deferred, is_request
from actors.errors import InvalidArgumentError, NotFoundError, ResourceKind
from journal import events as e
from journal.events import OutcomeKind, StepRef
from journal.ids import ROOT_STEP, StepId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.events import Event, Recorded


THE_END = StepId("end")
"""The point of a restart that keeps every outcome. No step has this path."""

ENTRY = "entry "
"""The prefix of a point that keeps the journal up to an entry."""

ANEW = "anew "
"""The prefix of a point before a step was requested: see :func:`asked_anew`."""

_WITH_ARGUMENTS = (e.StepScheduled, e.CallScheduled, e.AttachScheduled, e.VerbScheduled)
"""The operations whose argument may come from the input."""

_CHANGES = (e.FieldsChanged, e.LogExtended, e.MapChanged)

_NAMES_SHOWN = 20


def find_point(history: Sequence[Recorded], wanted: str) -> StepId:
    """Return the point that a user names: a step by path or by name, the end, or an entry of the journal.

    Raises :class:`NotFoundError`, and :class:`InvalidArgumentError` for a name of several steps.
    """
    history = without_deferred(history)
    operations = [r.event for r in history if isinstance(r.event, (*OPERATIONS, e.SendScheduled))]
    by_path = [operation.step for operation in operations if operation.step == wanted]
    if by_path:
        return by_path[0]
    by_name = [operation.step for operation in operations if wanted in _names(operation)]
    if wanted == THE_END and by_name:
        raise InvalidArgumentError(
            f"a step is called {wanted!r} ({', '.join(by_name[:_NAMES_SHOWN])}): use its path or, to keep everything, "
            f"'{ENTRY}{len(_entries(history)) - 1}'",
            path="from_step",
        )
    if wanted == THE_END:
        return THE_END if any(map(is_entry, history)) else ROOT_STEP
    if len(by_name) == 1:
        return by_name[0]
    if not by_name and wanted.startswith(ENTRY):
        return _entry(history, wanted)
    known = ", ".join(f"{o.step} ({_label(o)})" for o in operations[:_NAMES_SHOWN]) or "none"
    if by_name:
        raise InvalidArgumentError(
            f"{len(by_name)} steps are called {wanted!r}: {', '.join(by_name[:_NAMES_SHOWN])}. Name one by its path",
            path="from_step",
        )
    more = ", …" if len(operations) > _NAMES_SHOWN else ""
    raise NotFoundError(f"there is no step {wanted!r}; there are {known}{more}", kind=ResourceKind.STEP)


def asked_anew(history: Sequence[Recorded], step: StepId, *, rewinds: bool) -> StepId:
    """Return the point before ``step`` was requested, for a restart with other input or code, which may give the step
    another argument.

    Return ``step`` itself, whose recorded argument is then kept, if going back further would lose something: another
    request or completion before the outcome of the step, or an earlier deadline that has passed. The fields that the
    handler wrote in the turn of the step would be written twice, unless the restart ``rewinds`` them.
    """
    begun = _begun_with_argument(history, step)
    if begun is None or _has_passed_deadline(history, begun) or _is_cancelled_before(history, begun):
        return step
    for recorded in history[begun + 1 :]:
        if _is_over(recorded.event, step):
            break
        if rewinds and isinstance(recorded.event, _CHANGES):
            continue
        if is_entry(recorded) and not _is_unclaimed(recorded.event):
            return step
    return StepId(f"{ANEW}{step}")


def _begun_with_argument(history: Sequence[Recorded], step: StepId) -> int | None:
    return next(
        (at for at, r in enumerate(history) if isinstance(r.event, _WITH_ARGUMENTS) and r.event.step == step), None
    )


def _is_cancelled_before(history: Sequence[Recorded], begun: int) -> bool:
    return any(isinstance(recorded.event, e.CancelRequested) for recorded in history[:begun])


def _is_over(event: Event, step: StepId) -> bool:
    return isinstance(event, e.CancelRequested) or (isinstance(event, ENDS) and event.step == step)


def _is_unclaimed(event: Event) -> bool:
    return isinstance(event, e.SignalReceived) and event.step is None


def _has_passed_deadline(history: Sequence[Recorded], begun: int) -> bool:
    set_before = {r.event.step for r in history[:begun] if isinstance(r.event, e.DeadlineScheduled)}
    return any(isinstance(r.event, e.TimerFired) and r.event.step in set_before for r in history[begun:])


def _entry(history: Sequence[Recorded], wanted: str) -> StepId:
    number, last = wanted.removeprefix(ENTRY), len(_entries(history)) - 1
    if not (number.isascii() and number.isdecimal() and len(number) < 10 and int(number) <= last):
        raise NotFoundError(
            f"{wanted!r} is not in the journal; its entries are '{ENTRY}0' to '{ENTRY}{last}'", kind=ResourceKind.STEP
        )
    return ROOT_STEP if int(number) == 0 else StepId(f"{ENTRY}{int(number)}")


def _entries(history: Sequence[Recorded]) -> list[int]:
    """Return the indexes of the journal's entries as Restate counts them: the input, then each request and each
    completion."""
    return [0, *(position for position, recorded in enumerate(history) if is_entry(recorded))]


def is_entry(recorded: Recorded) -> bool:
    """Whether the event is an entry of the journal: a request or a completion."""
    event = recorded.event
    return is_request(event) or (is_completion(event) and not isinstance(event, e.HistoryCopied))


def in_words(point: StepId) -> str:
    """Describe the point of a restart in words."""
    if point == ROOT_STEP:
        return "the beginning"
    if point == THE_END:
        return "the end"
    if point.startswith(ANEW):
        return f"step {point.removeprefix(ANEW)}, with the argument that it is given now"
    return f"the journal up to {point}" if point.startswith(ENTRY) else f"step {point}"


def _names(operation: Any) -> tuple[str, ...]:
    match operation:
        case e.StepScheduled() | e.SignalAwaited():
            return (operation.name,)
        case e.CallScheduled() | e.SendScheduled():
            return (str(operation.target), operation.target.handler)
        case e.VerbScheduled():
            return (operation.verb.value,)
    return ()


def _label(operation: Any) -> str:
    names = _names(operation)
    return names[0] if names else describe(operation)


def ref_of(operation: Any) -> StepRef:
    """The operation as users see it."""
    return StepRef(operation.step, _label(operation))


def without_deferred(history: Sequence[Recorded]) -> Sequence[Recorded]:
    """Return the history with each signal once: a deferred signal was received again, unless the invocation never
    copied its history."""
    if not any(is_deferred(recorded.event) for recorded in history):
        return history
    if any(isinstance(recorded.event, (e.HistoryCopied, e.FieldsRewound)) for recorded in history):
        return [recorded for recorded in history if not is_deferred(recorded.event)]
    signals, kept = 0, []
    for recorded in history:
        event = recorded.event
        if isinstance(event, e.SignalReceived):
            signals += 1
            event = attrs.evolve(event, deferred=False, signal=signals)
        kept.append(msgspec.structs.replace(recorded, event=event))
    return kept


def prefix_of(history: Sequence[Recorded], point: StepId) -> int:
    """Return the number of events that a point keeps if it is not a step."""
    if point == THE_END:
        return _end_of(history)
    begun = _begun_with_argument(history, StepId(point.removeprefix(ANEW)))
    return _behind_entry(history, point) if begun is None else begun


def _end_of(history: Sequence[Recorded]) -> int:
    """Return the number of kept events for a restart from the end, never beyond a cancel. The last turn of a handler
    that has completed is repeated, possibly by other code."""
    last = 0
    for position, recorded in enumerate(history):
        if isinstance(recorded.event, e.CancelRequested):
            return position
        if isinstance(recorded.event, e.InvocationCompleted) and recorded.event.outcome.kind is not OutcomeKind.KILLED:
            return last
        if is_completion(recorded.event) and not isinstance(recorded.event, e.HistoryCopied):
            last = position + 1
    return len(history)


def _behind_entry(history: Sequence[Recorded], point: StepId) -> int:
    cut = _entries(history)[int(point.removeprefix(ENTRY))] + 1
    return min([cut, *(n for n, r in enumerate(history[:cut]) if isinstance(r.event, e.CancelRequested))])


FROM_THE_START = ROOT_STEP
"""The plan of a restart that keeps nothing."""
