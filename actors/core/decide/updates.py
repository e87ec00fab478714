"""Decides on updates: invocations of a workflow that its run carries out and answers.

An update is accepted as any invocation is, and started at once; ``UpdateAccepted`` adds it to the history of the run, whose handler is
given it as it is given a signal. The run's ``UpdateCompleted`` completes the update, and the end of the run completes those that it
has not answered. If a restart repeats the run, it takes them over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core import commands as c
from actors.core.decide.calls import attach, detach
from actors.core.owed import has_yet_to_keep, keeps_something
from actors.core.state import InvocationState, ObjectState
from actors.errors import (
    ConflictError,
    ErrorCode,
    InvalidArgumentError,
    LimitExceededError,
    UnavailableError,
    UpdateLostError,
)
from actors.values.failures import failed
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import Mode, Outcome, OutcomeKind, Status

if TYPE_CHECKING:
    from actors.values.limits import Limits
    from journal.events import Event
    from journal.ids import InvocationId

_REFUSED: dict[type, str] = {
    c.PauseInvocation: "pause",
    c.ResolvedResume: "resume",
    c.SignalInvocation: "signal",
    c.RescheduleInvocation: "reschedule",
}


def open_run(state: ObjectState) -> InvocationState | None:
    """Return the open run of a workflow: of an original that ends and its restart, the restart."""
    runs = (one for one in state.invocations.values() if one.mode is Mode.EXCLUSIVE and not one.successors)
    return next(runs, None)


def run_for_update(state: ObjectState | None, asked: c.Invoke) -> InvocationState:
    """Return the run that carries out new updates. Raises ``RefusedError`` if there is none."""
    run = None if state is None else open_run(state)
    if run is None:
        raise ConflictError(
            f"{asked.target}: the workflow has no run that takes updates; it was not started, or has ended",
            code=ErrorCode.NO_RUN,
        )
    if run.cancel is not None:
        raise ConflictError(
            f"{asked.target}: the run {run.invocation_id} is cancelled and takes no more updates",
            status=run.status,
            code=ErrorCode.NO_RUN,
        )
    if has_yet_to_keep(run):
        raise UnavailableError(
            f"{asked.target}: the run {run.invocation_id} is a restart that has not begun; try again later"
        )
    return run


def update(
    state: ObjectState | None, command: c.ResolvedInvoke, accepted: e.InvocationAccepted, limits: Limits
) -> list[Event]:
    """Accept an update, whose acceptance as an invocation is given."""
    asked = command.asked
    if asked.scheduled_for is not None or asked.debounce is not None:
        raise InvalidArgumentError(
            f"{asked.target}: an update has no delay and no debounce key, because its run may have ended by then; leave them out",
            path="delay",
        )
    if asked.budget is not None:
        raise InvalidArgumentError(
            f"{asked.target}: an update has no budget of its own; its amounts count for its run, so give the run a budget",
            path="budget",
        )
    run = run_for_update(state, asked)
    waiting = sum(one.mode is Mode.UPDATE for one in _existing(state).invocations.values())
    if waiting >= limits.mailbox:
        raise LimitExceededError(
            f"{waiting} updates of {run.invocation_id} are open already (limit `mailbox`={limits.mailbox}); try again later",
            limit="mailbox",
            maximum=limits.mailbox,
            found=waiting,
            code=ErrorCode.BUSY,
        )
    of = asked.invocation_id
    return [
        accepted,
        e.InvocationStarted(invocation_id=of),
        e.UpdateAccepted(
            invocation_id=run.invocation_id,
            update=of,
            number=run.updates_received + 1,
            name=asked.target.handler,
            argument=asked.argument,
            parameter=asked.parameter,
        ),
    ]


def _existing(state: ObjectState | None) -> ObjectState:
    if state is None:
        raise BrokenInvariant("a run was found in an object without a state")
    return state


def decide_on_update(
    state: ObjectState, invocation: InvocationState, command: Any, now: float, limits: Limits
) -> list[Event]:
    """Decide on a command about an open update."""
    match command:
        case c.ResolvedCancel(asked=asked):
            kill_at = None if asked.kill_after is None else now + asked.kill_after
            return _cancel(state, invocation, asked.reason, kill_at=kill_at)
        case c.ExpireInvocation() if invocation.expires_at is not None:
            return _cancel(state, invocation, "it did not complete within its max_duration", expired=True)
        case c.KillInvocation():
            ended = e.InvocationCompleted(
                invocation_id=invocation.invocation_id, outcome=Outcome(OutcomeKind.KILLED, reason=command.reason)
            )
            return [*_stop(state, invocation, command.reason), ended]
        case c.Attach():
            return attach(state, invocation, command, now, limits)
        case c.Detach():
            return detach(state, invocation, command, now, limits)
    verb = _REFUSED.get(command.__class__)
    if verb is not None:
        run = invocation.run or "its run"
        raise ConflictError(
            f"{invocation.invocation_id} is an update, which {run} carries out; there is nothing of its own to {verb}. "
            f"Name {run} instead",
            status=invocation.status,
            code=ErrorCode.NOT_POSSIBLE,
        )
    return []


def _stop(state: ObjectState, invocation: InvocationState, reason: str) -> list[Event]:
    """Cancel what the run does for the update, unless it is being cancelled already."""
    run = _open_run(state, invocation)
    if invocation.cancel is not None or run is None:
        return []
    return [e.UpdateCancelRequested(invocation_id=run, update=invocation.invocation_id, reason=reason)]


def _open_run(state: ObjectState, invocation: InvocationState) -> InvocationId | None:
    """Return the run that carries the update out; None if it has ended, and its restart has not begun."""
    return invocation.run if invocation.run in state.invocations else None


def _cancel(
    state: ObjectState,
    invocation: InvocationState,
    reason: str,
    *,
    kill_at: float | None = None,
    expired: bool = False,
) -> list[Event]:
    of, cancel = invocation.invocation_id, invocation.cancel
    if cancel is not None:
        if kill_at is None or (cancel.kill_at is not None and cancel.kill_at <= kill_at):
            return []
        return [e.CancelDeadlineMoved(invocation_id=of, kill_at=kill_at, reason=reason)]
    run = _open_run(state, invocation)
    if run is None:
        outcome = Outcome(OutcomeKind.CANCELLED, reason=reason, expired=expired)
        return [e.InvocationCompleted(invocation_id=of, outcome=outcome)]
    return [e.UpdateCancelRequested(invocation_id=run, update=of, reason=reason, kill_at=kill_at, expired=expired)]


def with_answers(state: ObjectState, events: list[Event]) -> list[Event]:
    """Return the events with the ends of updates that follow from them: of those that the run has answered, and of those that are open
    when it ends."""
    left = {of: one for of, one in state.invocations.items() if one.mode is Mode.UPDATE}
    if not left:
        return events
    answered: list[Event] = []
    for event in events:
        answered.append(event)
        if isinstance(event, e.UpdateCompleted):
            one = left.pop(event.update, None)
            if one is not None:
                answered.append(e.InvocationCompleted(invocation_id=event.update, outcome=_answer(one, event.outcome)))
        elif isinstance(event, e.InvocationCompleted) and left.pop(event.invocation_id, None) is None:
            if _has_heir(state, events, event.invocation_id):
                continue
            for of in [of for of, one in left.items() if _is_lost(state, one, event.invocation_id)]:
                del left[of]
                answered.append(_lost(of, event.invocation_id))
    return answered


def _answer(one: InvocationState, outcome: Outcome) -> Outcome:
    has_expired = one.cancel is not None and one.cancel.expired and outcome.kind is OutcomeKind.CANCELLED
    return attrs.evolve(outcome, expired=True) if has_expired else outcome


def _is_lost(state: ObjectState, one: InvocationState, ended: InvocationId) -> bool:
    return one.run == ended or one.run not in state.invocations


def _lost(of: InvocationId, run: InvocationId) -> Event:
    error = UpdateLostError(f"the run {run} ended before it had answered this update, {of}")
    return e.InvocationCompleted(invocation_id=of, outcome=failed(error))


def _has_heir(state: ObjectState, events: list[Event], ended: InvocationId) -> bool:
    """Report whether a restart of the run will take over its updates."""
    for event in events:
        if isinstance(event, e.InvocationAccepted) and _repeats(event.restarts, ended):
            return True
    return any(
        has_yet_to_keep(one) and _repeats(one.restarts, ended) and one.status is not Status.COMPLETED
        for one in state.invocations.values()
    )


def _repeats(lineage: e.Lineage | None, ended: InvocationId) -> bool:
    return lineage is not None and lineage.invocation_id == ended and keeps_something(lineage) and bool(lineage.step)
