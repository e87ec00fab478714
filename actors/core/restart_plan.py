"""Plans a restart: which part of a history it keeps, and which operations run again. ::

    original   accept ── step a ── step b ── signal x ── b completed ── step c ── failed
                                                       ▲
                         restart from b: cut here ─────┘
    successor  accept ── step a ── signal x ┃ step b runs again ── step c ── …
               └─ copied, with their stamps ┘

A restart *from a step* goes back to the moment before the outcome of the step was known. It keeps everything recorded by then:
outcomes of other steps, including those that ran beside it, answers of calls, signals. Operations that had begun by then and had
no outcome begin again, the step itself first of all. Later signals are kept too, so that a person need not approve twice, except
the signal that was the outcome of the step; so are later updates, which are carried out again. A wait to which the restart goes back takes no kept signal: it asks again. A restart
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
import msgspec

from actors.core.history_cuts import ENDS, OPERATIONS, HistoryCut, cut_at, cut_before_outcome
from actors.core.locks import check_no_lock
from actors.core.output import NO_OUTPUT, KeptOutput
from actors.core.requests import is_completion, is_request
from actors.core.restart_points import ANEW, ENTRY, THE_END, is_entry, prefix_of, ref_of, without_deferred
from journal import events as e
from journal.events import OutcomeKind, Stamp, StepRef
from journal.ids import InvocationId, StepId, StreamId, derived_unique, invocation_id, stream_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from journal.events import Event, Recorded, Successor

GIVEN_UP = (*OPERATIONS, e.SendScheduled)
"""The operations that are repeated if the handler reaches them again."""


_OUTCOMES = (e.StepCompleted, e.TimerFired, e.CallCompleted, e.VerbAnswered)
_KEPT_BESIDES = (e.ReadsPinned, e.ItemsPinned, e.HistoryCopied)


@attrs.frozen
class RestartPlan:
    """The part of a history that a restart keeps, in order, renamed and with the original stamps; ``late`` signals and updates come
    after it.

    ``again`` are the kept requests without an outcome, whose operations must be requested again. ``pinned`` is the mark of an earlier
    restart if the cut is before that mark, which has the earlier state of the object. ``dropped`` are the operations after the cut.
    ``before_last`` says that the handler's work after the last completion is repeated. ``asked_anew`` is the step that is not kept at
    all, not even its argument: the handler requests it as the code now does. ``output`` is the kept part of the output. ``signals`` are the
    names of the signals that are kept and that no wait has taken.
    """

    events: list[tuple[Stamp, Event]]
    late: list[tuple[Stamp, Event]]
    again: list[Event]
    pinned: e.HistoryCopied | None
    dropped: tuple[StepRef, ...] = ()
    before_last: bool = False
    asked_anew: StepRef | None = None
    output: KeptOutput = NO_OUTPUT
    signals: tuple[str, ...] = ()

    def successor(self, of: InvocationId) -> Successor:
        """Return the public record of the plan."""
        again = {event.step for event in self.again if isinstance(event, OPERATIONS)}
        operations = self.operations
        anew = () if self.asked_anew is None else (self.asked_anew,)
        return e.Successor(
            of,
            kept=tuple(ref_of(event) for event in operations if event.step not in again),
            again=(*(ref_of(event) for event in operations if event.step in again), *anew),
            dropped=tuple(ref for ref in self.dropped if ref not in anew),
            signals=self.signals,
        )

    @property
    def operations(self) -> list[Any]:
        """The recorded operations that the successor requests in the same form."""
        return [event for _, event in self.events if isinstance(event, OPERATIONS)]


def plan_restart(
    history: Sequence[Recorded], step: StepId, *, successor: InvocationId, now: float, again_by: str
) -> RestartPlan:
    """Plan a restart as ``successor`` from before the outcome of ``step``, or from another point.

    Raises :class:`ConflictError` if the step belongs to a compensation: a cancel is not kept, so the successor never reaches
    it, or to the block of a lock.
    """
    history = without_deferred(history)
    takers = _takers(history)
    consumed = {signal for signal, taker in takers.items() if taker == step}
    before_last = False
    if step == THE_END or step.startswith((ENTRY, ANEW)):
        cut = cut_at(history, prefix_of(history, step))
        chosen = _up_to(history, cut.at)
        before_last = _ends_with_completion(chosen)
    else:
        cut = cut_before_outcome(history, step)
        chosen = [
            _without_taker(r, step)
            for at, r in enumerate(history[: cut.at])
            if at not in cut.not_lived and _may_be_kept(r.event, consumed)
        ]
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
    check_no_lock((event for _, event in events), step)
    asking = {event.step for event in again if isinstance(event, e.SignalAwaited)}
    asked = {event.question for _, event in events if isinstance(event, e.QuestionAsked)}
    late_updates = _late_updates(history, cut.at)
    late: list[tuple[Stamp, Event]] = []
    for recorded in history[cut.at :]:
        event = recorded.event
        stamp = Stamp(now, again_by, recorded.stamp.by)
        if isinstance(event, e.SignalReceived) and event.signal not in consumed:
            late.append((stamp, _come_late(event, successor, takers, asking, asked)))
        elif isinstance(event, (e.UpdateAccepted, e.UpdateCancelRequested)) and event.update in late_updates:
            late.append((stamp, _renamed(event, successor)))
    marks = [r.event for r in history[cut.at :] if isinstance(r.event, e.HistoryCopied)]
    dropped = tuple(ref_of(r.event) for r in history[cut.at :] if isinstance(r.event, GIVEN_UP))
    anew = next((ref for ref in dropped if step == f"{ANEW}{ref.step}"), None)
    # The handler's own pieces are recorded with their turn. The turns before the cut are replayed, and later turns run again.
    cut_off = history[cut.at].number if cut.at < len(history) else history[-1].number + 1
    output = KeptOutput(cut_off, _steps_with_outcome(chosen), tuple(recorded.number for recorded in chosen))
    signals = _untaken([*chosen, *(e.Recorded(0, *each) for each in late)])
    return RestartPlan(events, late, again, marks[0] if marks else None, dropped, before_last, anew, output, signals)


def _renamed(event: Any, successor: InvocationId) -> Any:
    return attrs.evolve(event, invocation_id=successor)


def _may_be_kept(event: Event, consumed: Collection[int]) -> bool:
    match event:
        case e.SignalReceived() | e.SignalReassigned():
            return event.signal not in consumed
        case e.CancelRequested():
            return False
    return is_request(event) or is_completion(event) or isinstance(event, _KEPT_BESIDES)


def _without_taker(recorded: Recorded, step: StepId) -> Recorded:
    """Remove the step from a signal that was recorded for this wait. Another signal was taken there, and the wait that
    begins again must not take this one."""
    event = recorded.event
    if not isinstance(event, (e.SignalReceived, e.SignalReassigned)) or event.step != step:
        return recorded
    return msgspec.structs.replace(recorded, event=attrs.evolve(event, step=None))


def _up_to(history: Sequence[Recorded], cut: int) -> list[Recorded]:
    """Return the events before the cut, together with the outcomes, at any position, of the operations requested
    there."""
    asked = {r.event.step for r in history[:cut] if isinstance(r.event, (*OPERATIONS, e.DeadlineScheduled))}
    chosen = [r for r in history[:cut] if _may_be_kept(r.event, ())]
    for recorded in history[cut:]:
        event: Any = recorded.event
        if isinstance(event, e.CancelRequested):
            break
        if isinstance(event, _OUTCOMES) and event.step in asked:
            chosen.append(recorded)
    return chosen


def _late_updates(history: Sequence[Recorded], cut: int) -> frozenset[InvocationId]:
    """Return the updates of which something comes after the cut: those that were accepted or cancelled there, but not those that a
    cancel has ended since they were accepted there."""
    accepted = {r.event.update for r in history[cut:] if isinstance(r.event, e.UpdateAccepted)}
    cancelled = {r.event.update for r in history[cut:] if isinstance(r.event, e.UpdateCancelRequested)}
    ended = {
        r.event.update
        for r in history[cut:]
        if isinstance(r.event, e.UpdateCompleted) and r.event.outcome.kind is OutcomeKind.CANCELLED
    }
    return frozenset((accepted | cancelled) - (accepted & ended))


def _ends_with_completion(chosen: Sequence[Recorded]) -> bool:
    """Report whether the handler requested nothing after the last completion: its next requests are not recorded, or
    not kept."""
    for recorded in reversed(chosen):
        if is_entry(recorded):
            return is_completion(recorded.event)
    return False


def _come_late(
    signal: e.SignalReceived,
    successor: InvocationId,
    takers: Mapping[int, StepId | None],
    asking: Collection[StepId],
    asked: Collection[str],
) -> e.SignalReceived:
    """Return the signal readdressed to the successor; keep its wait only if that wait is repeated, else leave it
    buffered. The answer to a question that will be asked again becomes a signal of its name, so that a person need not answer
    twice."""
    taker = takers[signal.signal]
    return attrs.evolve(
        signal,
        invocation_id=successor,
        step=taker if taker in asking else None,
        question=signal.question if signal.question in asked else "",
    )


def _untaken(kept: Sequence[Recorded]) -> tuple[str, ...]:
    """Return the names of the signals that no wait has taken, in order."""
    takers = _takers(kept)
    signals = [recorded.event for recorded in kept if isinstance(recorded.event, e.SignalReceived)]
    return tuple(signal.name for signal in signals if takers[signal.signal] is None and not signal.question)


def _takers(history: Iterable[Recorded]) -> dict[int, StepId | None]:
    """Return, by the number of the signal, the wait that took it; None for a buffered signal."""
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
                takers[taken[event.step]] = None  # the handler abandoned the wait before it received the signal
    return takers


def _as_handed_over(chosen: list[Recorded], history: Sequence[Recorded]) -> list[Recorded]:
    """Return the kept events, with each ``handed_over`` reduced to the kept completions."""
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
    return msgspec.structs.replace(recorded, event=attrs.evolve(event, handed_over=left[event.handed_over]))


def _steps_with_outcome(chosen: Iterable[Recorded]) -> frozenset[StepId]:
    return frozenset(r.event.step for r in chosen if isinstance(r.event, e.StepCompleted))


def _waiting(chosen: Iterable[Recorded], step: StepId) -> frozenset[int]:
    """Return the ids (``id()``) of the kept records that request something and have no answer among them. A signal that
    was taken at once counts as unanswered only for ``step``."""
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
    """Return the id of another invocation of the same handler, always the same for this step of this successor."""
    unique = derived_unique("restart", successor, call.step)
    if call.target.key is None:
        return invocation_id(StreamId(unique & (2**64 - 1)), unique)
    return invocation_id(stream_of(call.target.service, call.target.key), unique)


def nothing_of(history: Iterable[Recorded]) -> RestartPlan:
    """Return the plan of a restart from the beginning: it keeps nothing and repeats everything."""
    return RestartPlan([], [], [], None, tuple(ref_of(r.event) for r in history if isinstance(r.event, GIVEN_UP)))
