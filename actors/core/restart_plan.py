"""Plans a restart: what it keeps of a history, and what it does again. ::

    original   accept ── step a ── step b ── signal x ── b completed ── step c ── failed
                                                       ▲
                         restart from b: cut here ─────┘
    successor  accept ── step a ── signal x ┃ step b runs again ── step c ── …
               └─ copied, with their stamps ┘

A restart *from a step* goes back to the moment before the outcome of the step was known. It keeps everything recorded by then:
outcomes of other steps, including those that ran beside it, answers of calls, signals. Operations that had begun by then and had
no outcome begin again, the step itself first of all. Later signals are kept too, so that a person need not approve twice, except
the signal that was the outcome of the step. A wait to which the restart goes back takes no kept signal: it asks again. A restart
*from the end* keeps every outcome and repeats what the handler did after the last one.

Invariant: the successor's history is complete without the original's. Events are copied rather than referred to, so the original
can be purged, and the successor can be restarted in its turn. A sleep or deadline that was running has as much time left as it
had at the cut.

Prior art: Restate's restart names a prefix of the journal, and Temporal's reset a workflow task; both can end at a point where a
sibling step was running. Alternative refused: a prefix only. Its end depends on the timing of sibling branches, so a user who
means "before step b" cannot find the right entry. A prefix can still be named (``entry N``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core.history_cuts import ENDS, OPERATIONS, HistoryCut, cut_at, cut_before_outcome
from actors.core.output import void_pieces
from actors.core.requests import describe, is_completion, is_deferred, is_request
from actors.errors import InvalidArgumentError, NotFoundError, ResourceKind
from journal import events as e
from journal.events import OutcomeKind, Stamp, StepRef
from journal.ids import ROOT_STEP, InvocationId, StepId, StreamId, derived_unique, invocation_id, stream_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from journal.events import Event, Recorded, Successor

GIVEN_UP = (*OPERATIONS, e.SendScheduled)
"""The operations that are done again if the handler comes to them again."""

THE_END = StepId("end")
"""The point of a restart that keeps every outcome. No step has this path."""

_ENTRY = "entry "
"""The prefix of a point that keeps the journal up to an entry."""

_ANEW = "anew "
"""The prefix of a point before a step was requested: see :func:`asked_anew`."""

_WITH_ARGUMENTS = (e.StepScheduled, e.CallScheduled, e.AttachScheduled, e.VerbScheduled)
"""The operations whose argument may come from the input."""

_CHANGES = (e.FieldsChanged, e.LogExtended, e.MapChanged)

_OUTCOMES = (e.StepCompleted, e.TimerFired, e.CallCompleted, e.VerbAnswered)
_KEPT_BESIDES = (e.ReadsPinned, e.ItemsPinned, e.HistoryCopied)
_NAMES_SHOWN = 20


@attrs.frozen
class RestartPlan:
    """The part of a history that a restart keeps, in order, renamed and with the original stamps; ``late`` signals come after it.

    ``again`` are the kept events that have no outcome, so that their operations must be requested again. ``pinned`` is the mark
    of an earlier restart if the cut is before it: it has the object as it was. ``dropped`` are the operations after the cut.
    ``before_last`` says that the work after the last completion is done again. ``asked_anew`` is the step that is not kept at
    all, not even its argument: the handler requests it as the code now does.
    """

    events: list[tuple[Stamp, Event]]
    late: list[tuple[Stamp, Event]]
    again: list[Event]
    pinned: e.HistoryCopied | None
    dropped: tuple[StepRef, ...] = ()
    before_last: bool = False
    asked_anew: StepRef | None = None

    def successor(self, of: InvocationId) -> Successor:
        """The public record of the plan."""
        again = {event.step for event in self.again if isinstance(event, OPERATIONS)}
        operations = self.operations
        anew = () if self.asked_anew is None else (self.asked_anew,)
        return e.Successor(
            of,
            kept=tuple(_ref(event) for event in operations if event.step not in again),
            again=(*(_ref(event) for event in operations if event.step in again), *anew),
            dropped=tuple(ref for ref in self.dropped if ref not in anew),
        )

    @property
    def operations(self) -> list[Any]:
        """The operations that the successor requests as recorded."""
        return [event for _, event in self.events if isinstance(event, OPERATIONS)]


def find_point(history: Sequence[Recorded], wanted: str) -> StepId:
    """The point that a user names: a step by path or by name, the end, or an entry of the journal.

    Raises :class:`NotFoundError`, and :class:`InvalidArgumentError` for a name of several steps.
    """
    history = _without_deferred(history)
    operations = [r.event for r in history if isinstance(r.event, (*OPERATIONS, e.SendScheduled))]
    by_path = [operation.step for operation in operations if operation.step == wanted]
    if by_path:
        return by_path[0]
    by_name = [operation.step for operation in operations if wanted in _names(operation)]
    if wanted == THE_END and by_name:
        raise InvalidArgumentError(
            f"a step is called {wanted!r} ({', '.join(by_name[:_NAMES_SHOWN])}): use its path or, to keep everything, "
            f"'{_ENTRY}{len(_entries(history)) - 1}'",
            path="from_step",
        )
    if wanted == THE_END:
        return THE_END if any(map(_is_entry, history)) else ROOT_STEP
    if len(by_name) == 1:
        return by_name[0]
    if not by_name and wanted.startswith(_ENTRY):
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
    """The point before ``step`` was requested, for a restart with other input or code, which may give the step another argument.

    The result is ``step`` itself, whose recorded argument is then kept, if going back further would lose something: another
    request or completion before the outcome of the step, or an earlier deadline that has passed. The fields that the handler
    wrote in the turn of the step would be written twice, unless the restart ``rewinds`` them.
    """
    begun = _begun_with_argument(history, step)
    if begun is None or _has_passed_deadline(history, begun) or _is_cancelled_before(history, begun):
        return step
    for recorded in history[begun + 1 :]:
        if _is_over(recorded.event, step):
            break
        if rewinds and isinstance(recorded.event, _CHANGES):
            continue
        if _is_entry(recorded) and not _is_unclaimed(recorded.event):
            return step
    return StepId(f"{_ANEW}{step}")


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
    number, last = wanted.removeprefix(_ENTRY), len(_entries(history)) - 1
    if not (number.isascii() and number.isdecimal() and len(number) < 10 and int(number) <= last):
        raise NotFoundError(
            f"{wanted!r} is not in the journal; its entries are '{_ENTRY}0' to '{_ENTRY}{last}'", kind=ResourceKind.STEP
        )
    return ROOT_STEP if int(number) == 0 else StepId(f"{_ENTRY}{int(number)}")


def _entries(history: Sequence[Recorded]) -> list[int]:
    """The indexes of the journal's entries as Restate counts them: the input, then each request and each completion."""
    return [0, *(position for position, recorded in enumerate(history) if _is_entry(recorded))]


def _is_entry(recorded: Recorded) -> bool:
    event = recorded.event
    return is_request(event) or (is_completion(event) and not isinstance(event, e.HistoryCopied))


def in_words(point: StepId) -> str:
    """The point of a restart, in words."""
    if point == ROOT_STEP:
        return "the beginning"
    if point == THE_END:
        return "the end"
    if point.startswith(_ANEW):
        return f"step {point.removeprefix(_ANEW)}, with the argument that it is given now"
    return f"the journal up to {point}" if point.startswith(_ENTRY) else f"step {point}"


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


def _ref(operation: Any) -> StepRef:
    return StepRef(operation.step, _label(operation))


def plan_restart(
    history: Sequence[Recorded], step: StepId, *, successor: InvocationId, now: float, again_by: str
) -> RestartPlan:
    """Plan a restart as ``successor`` from before the outcome of ``step``, or from another point.

    Raises :class:`ConflictError` if the step belongs to a compensation: a cancel is not kept, so the successor never reaches
    it.
    """
    history = _without_deferred(history)
    takers = _takers(history)
    consumed = {signal for signal, taker in takers.items() if taker == step}
    before_last = False
    if step == THE_END or step.startswith((_ENTRY, _ANEW)):
        cut = cut_at(history, _prefix_of(history, step))
        chosen = _up_to(history, cut.at)
        before_last = _ends_with_completion(chosen)
    else:
        cut = cut_before_outcome(history, step)
        chosen = [
            _without_taker(r, step)
            for at, r in enumerate(history[: cut.at])
            if at not in cut.not_lived and _may_be_kept(r.event, consumed)
        ]
    outcomes, void = _steps_with_outcome(chosen), void_pieces(history)
    chosen = [r for r in chosen if r.number not in void and not _is_lost_output(r.event, outcomes)]
    chosen = _as_handed_over(chosen, history)
    waiting = _waiting(chosen, step)
    events: list[tuple[Stamp, Event]] = []
    again: list[Event] = []
    for recorded in chosen:
        event = _renamed(recorded.event, successor)
        if id(recorded) in waiting:
            event = _begun_again(event, recorded.stamp.at, successor, step, cut, now=now)
            again.append(event)
        events.append((recorded.stamp, event))
    asking = {event.step for event in again if isinstance(event, e.SignalAwaited)}
    late: list[tuple[Stamp, Event]] = [
        (Stamp(now, again_by, r.stamp.by), _come_late(r.event, successor, takers, asking))
        for r in history[cut.at :]
        if isinstance(r.event, e.SignalReceived) and r.event.signal not in consumed
    ]
    marks = [r.event for r in history[cut.at :] if isinstance(r.event, e.HistoryCopied)]
    dropped = tuple(_ref(r.event) for r in history[cut.at :] if isinstance(r.event, GIVEN_UP))
    anew = next((ref for ref in dropped if step == f"{_ANEW}{ref.step}"), None)
    return RestartPlan(events, late, again, marks[0] if marks else None, dropped, before_last, anew)


def _without_deferred(history: Sequence[Recorded]) -> Sequence[Recorded]:
    """The history with each signal once: a deferred signal was received again, unless the invocation never copied its history."""
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
        kept.append(attrs.evolve(recorded, event=event))
    return kept


def _prefix_of(history: Sequence[Recorded], point: StepId) -> int:
    """The number of events that a point keeps if it is not a step."""
    if point == THE_END:
        return _end_of(history)
    begun = _begun_with_argument(history, StepId(point.removeprefix(_ANEW)))
    return _behind_entry(history, point) if begun is None else begun


def _renamed(event: Any, successor: InvocationId) -> Any:
    return attrs.evolve(event, invocation_id=successor)


def _may_be_kept(event: Event, consumed: Collection[int]) -> bool:
    match event:
        case e.SignalReceived() | e.SignalReassigned():
            return event.signal not in consumed
        case e.CancelRequested():
            return False
    return is_request(event) or is_completion(event) or isinstance(event, (e.OutputEmitted, *_KEPT_BESIDES))


def _without_taker(recorded: Recorded, step: StepId) -> Recorded:
    """A signal that came for this wait, which then took another one, is not for the wait when it asks again."""
    event = recorded.event
    if not isinstance(event, (e.SignalReceived, e.SignalReassigned)) or event.step != step:
        return recorded
    return attrs.evolve(recorded, event=attrs.evolve(event, step=None))


def _end_of(history: Sequence[Recorded]) -> int:
    """The end of the kept part, never after a cancel. The last turn of a handler that has completed is done again, possibly by
    other code."""
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
    cut = _entries(history)[int(point.removeprefix(_ENTRY))] + 1
    return min([cut, *(n for n, r in enumerate(history[:cut]) if isinstance(r.event, e.CancelRequested))])


def _up_to(history: Sequence[Recorded], cut: int) -> list[Recorded]:
    """The events before the cut, with the outcomes of the operations requested there, wherever these are."""
    asked = {r.event.step for r in history[:cut] if isinstance(r.event, (*OPERATIONS, e.DeadlineScheduled))}
    chosen = [r for r in history[:cut] if _may_be_kept(r.event, ())]
    for recorded in history[cut:]:
        event: Any = recorded.event
        if isinstance(event, e.CancelRequested):
            break
        if isinstance(event, _OUTCOMES) and event.step in asked:
            chosen.append(recorded)
    return chosen


def _ends_with_completion(chosen: Sequence[Recorded]) -> bool:
    """Whether the handler requested nothing after the last completion: its next requests are not recorded, or not kept."""
    for recorded in reversed(chosen):
        if _is_entry(recorded):
            return is_completion(recorded.event)
    return False


def _come_late(
    signal: e.SignalReceived, successor: InvocationId, takers: Mapping[int, StepId | None], asking: Collection[StepId]
) -> e.SignalReceived:
    """A late signal. It goes to the wait that took it if that wait begins again too."""
    taker = takers[signal.signal]
    return attrs.evolve(signal, invocation_id=successor, step=taker if taker in asking else None)


def _takers(history: Iterable[Recorded]) -> dict[int, StepId | None]:
    """The wait that took each signal, by the number of the signal."""
    takers: dict[int, StepId | None] = {}
    taken: dict[StepId, int] = {}
    for recorded in history:
        event: Any = recorded.event
        match event:
            case e.SignalReceived() | e.SignalReassigned():
                step: StepId | None = event.step
                if step is not None:
                    if step in taken:
                        takers[taken[step]] = None  # the signal came for this wait, which then took another one
                    taken[step] = event.signal
                takers[event.signal] = step
            case e.SignalAwaited(ready=True):
                takers[event.signal] = event.step
            case e.WaitDropped() if event.step in taken:
                takers[taken[event.step]] = None  # the handler left the wait before it received the signal
    return takers


def _as_handed_over(chosen: list[Recorded], history: Sequence[Recorded]) -> list[Recorded]:
    """The kept events, with the completions counted that are left."""
    kept = {r.number for r in chosen}
    left: list[int] = [0]
    for recorded in history:
        if is_completion(recorded.event):
            left.append(left[-1] + (recorded.number in kept))
    return [_counted_anew(recorded, left) for recorded in chosen]


def _counted_anew(recorded: Recorded, left: Sequence[int]) -> Recorded:
    event = recorded.event
    if not isinstance(event, e.SignalAwaited) or not event.ready:
        return recorded
    return attrs.evolve(recorded, event=attrs.evolve(event, handed_over=left[event.handed_over]))


def _steps_with_outcome(chosen: Iterable[Recorded]) -> frozenset[StepId]:
    return frozenset(r.event.step for r in chosen if isinstance(r.event, e.StepCompleted))


def _is_lost_output(event: Event, outcomes: frozenset[StepId]) -> bool:
    """Whether this is output of a step that runs again and emits it again."""
    return isinstance(event, e.OutputEmitted) and event.attempt > 0 and event.step not in outcomes


def _waiting(chosen: Iterable[Recorded], step: StepId) -> frozenset[int]:
    """The kept records that request something and have no answer among them; for a signal taken at once, only ``step``."""
    open_: dict[StepId, Recorded] = {}
    for recorded in chosen:
        event: Any = recorded.event
        match event:
            case e.SignalReceived() | e.SignalReassigned():
                if event.step is not None:
                    open_.pop(event.step, None)
            case e.SignalAwaited(ready=True) if event.step != step:
                pass
            case _ if isinstance(event, ENDS):
                open_.pop(event.step, None)
            case _ if isinstance(event, (*OPERATIONS, e.DeadlineScheduled)):
                open_[event.step] = recorded
    return frozenset(map(id, open_.values()))


def _begun_again(
    event: Any, begun_at: float, successor: InvocationId, step: StepId, cut: HistoryCut, *, now: float
) -> Any:
    delay = now - cut.moment
    match event:
        case e.SleepScheduled():
            return attrs.evolve(event, wake_at=max(now, event.wake_at + delay))
        case e.DeadlineScheduled() if event.step == cut.stopped_by:
            return attrs.evolve(event, expires_at=now + (event.expires_at - begun_at))
        case e.DeadlineScheduled():
            return attrs.evolve(event, expires_at=max(now, event.expires_at + delay))
        case e.CallScheduled() if event.request is None:
            return attrs.evolve(event, callee=_new_callee(event, successor))
        case e.SignalAwaited() if event.step == step:
            return attrs.evolve(event, ready=False, signal=0, handed_over=0, again=True)
    return event


def _new_callee(call: e.CallScheduled, successor: InvocationId) -> InvocationId:
    """The id of another invocation of the same handler, always the same for this place in this successor."""
    unique = derived_unique("restart", successor, call.step)
    if call.target.key is None:
        return invocation_id(StreamId(unique & (2**64 - 1)), unique)
    return invocation_id(stream_of(call.target.service, call.target.key), unique)


def nothing_of(history: Iterable[Recorded]) -> RestartPlan:
    """The plan of a restart from the beginning: it keeps nothing and repeats everything."""
    return RestartPlan([], [], [], None, tuple(_ref(r.event) for r in history if isinstance(r.event, GIVEN_UP)))


FROM_THE_START = ROOT_STEP
"""The plan of a restart that keeps nothing."""
