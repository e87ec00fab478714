"""Decides on a command: given an object's state, the events that follow from it, or the reason why it is refused.

Nothing is looked up and nothing is done here. A command that was applied before, or that comes too late to matter, gives no
events. A command that cannot be applied raises an :class:`actors.errors.RefusedError` that says what would work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core import commands as c
from actors.core.deadlocks import deadlock
from actors.core.gates import NO_GATES, Gates
from actors.core.inputs import has_digest
from actors.core.react import has_yet_to_keep
from actors.core.state import Cancel, InvocationState, ObjectState, WaitKind
from actors.core.transitions import ACTIVE, STARTED
from actors.errors import (
    CircleLink,
    ConflictError,
    ErrorCode,
    LimitExceededError,
    NotFoundError,
    ResourceKind,
)
from actors.values.limits import NEVER
from actors.values.retries import Exhausted, delay_seconds, is_exhausted
from actors.values.texts import failure_in_words
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import Caller, Kind, Mode, Outcome, OutcomeKind, PauseCause, PauseMode, Status, Stop
from journal.ids import ROOT_STEP

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.commands import Decidable
    from actors.values.limits import Limits
    from journal.events import Event
    from journal.ids import InvocationId


def decide(
    state: ObjectState | None, command: Decidable, now: float, limits: Limits, gates: Gates = NO_GATES
) -> list[Event]:
    """The events that follow from the command; none if it changes nothing. Raises ``RefusedError`` or ``DeadlockError``.

    An invocation that a gate holds does not start; it waits for :class:`actors.core.commands.StartWaiting`.
    """
    events = _decide(state, command, now, limits)
    return _without_held(state, events, limits, gates) if events and not gates.are_none else events


def _without_held(state: ObjectState | None, events: list[Event], limits: Limits, gates: Gates) -> list[Event]:
    """The events without the starts that a gate forbids; those invocations stay in the queue.

    A shared handler needs no turn, so no queue limits how many of them wait: they are counted here.
    """
    owner = state if state is not None else events[0]
    if not isinstance(owner, (ObjectState, e.ObjectCreated)):
        raise BrokenInvariant("the first event of an object says whose it is")
    starting = {event.invocation_id for event in events if isinstance(event, e.InvocationStarted)}
    if not starting:
        return events
    known: dict[InvocationId, InvocationState | e.InvocationAccepted] = {}
    if state is not None:
        known |= {of: state.invocations[of] for of in starting & state.invocations.keys()}
    known |= {event.invocation_id: event for event in events if isinstance(event, e.InvocationAccepted)}
    moved = {event.invocation_id: event.deployment for event in events if isinstance(event, e.InvocationMoved)}

    held = {of for of in starting if _is_held(owner, known[of], moved.get(of, known[of].deployment), gates)}
    if any(isinstance(known[of], e.InvocationAccepted) and known[of].mode is Mode.SHARED for of in held):
        _check_room_for_readers(state, limits)
    return [event for event in events if not (isinstance(event, e.InvocationStarted) and event.invocation_id in held)]


def _is_held(
    owner: ObjectState | e.ObjectCreated, known: InvocationState | e.InvocationAccepted, deployment: str, gates: Gates
) -> bool:
    if isinstance(known, e.InvocationAccepted):
        return bool(gates.holding(owner.service, owner.key, known.handler, deployment))
    return bool(gates.holding(owner.service, owner.key, known.handler, deployment, accepted_at=known.accepted_at))


def _check_room_for_readers(state: ObjectState | None, limits: Limits) -> None:
    waiting = 0 if state is None else sum(i.status is Status.QUEUED for i in state.invocations.values())
    if waiting >= limits.mailbox:
        if state is None:
            raise BrokenInvariant("a caller waits for it")
        raise LimitExceededError(
            f"a gate holds {state.name}, {waiting} invocations wait for it already (limit `mailbox`={limits.mailbox}); "
            "try again when it is open",
            limit="mailbox",
            maximum=limits.mailbox,
            found=waiting,
            code=ErrorCode.BUSY,
        )


def _decide(state: ObjectState | None, command: Decidable, now: float, limits: Limits) -> list[Event]:
    decision: Callable[..., list[Event]] | None = _DECISIONS.get(command.__class__)
    if decision is None:
        return _decide_of_object(state, command, now, limits)
    of = command.invocation_id  # type: ignore[union-attr]  # those in the table speak to one
    invocation = None if state is None else state.invocations.get(of)
    if invocation is None:
        if isinstance(command, _FROM_OUTSIDE):
            raise unknown_invocation(of)
        return []  # it has completed: this command comes too late
    return decision(state, invocation, command, now, limits)


def _decide_of_object(state: ObjectState | None, command: Decidable, now: float, limits: Limits) -> list[Event]:
    match command:
        case c.ResolvedInvoke():
            return _invoke(state, command, limits)
        case c.StartWaiting():
            return _start_waiting(state)
        case c.PurgeInvocations():
            return _purge(state, command)
        case c.ResolvedRestart():
            return _restart(state, command, now, limits)
        case _:
            raise BrokenInvariant(f"{type(command).__name__} is neither in the table nor resolved")


def unknown_invocation(invocation_id: InvocationId) -> NotFoundError:
    """The refusal for an unknown id."""
    return NotFoundError(
        f"there is no invocation {invocation_id}: it never existed, or retention has purged it",
        kind=ResourceKind.INVOCATION,
    )


# Accepting work.


def check_same_request(argument_digest: bytes, command: c.Invoke) -> None:
    """Raise ``ConflictError`` if a repeated request asks for something else."""
    if command.request is not None and not has_digest(command, argument_digest):
        raise ConflictError(
            f"{command.target} was requested under the key {command.request!r} before, with another argument, as "
            f"{command.invocation_id}. Use a new key for a new request",
            code=ErrorCode.IDEMPOTENCY_CONFLICT,
        )


def _invoke(state: ObjectState | None, command: c.ResolvedInvoke, limits: Limits) -> list[Event]:
    asked = command.asked
    if len(asked.chain) > limits.call_depth:
        raise LimitExceededError(
            f"{asked.target}: calls within calls are {len(asked.chain)} deep, the limit is {limits.call_depth}. "
            "Send instead of calling where the answer is not needed",
            limit="call_depth",
            maximum=limits.call_depth,
            found=len(asked.chain),
        )
    if state is None:
        created = e.ObjectCreated(service=asked.target.service, key=asked.target.key, kind=command.kind)
        return [created, *_accept(None, command)]
    if (state.service, state.key) != (asked.target.service, asked.target.key) and state.kind is not Kind.SERVICE:
        raise ConflictError(
            f"{asked.target} and {state.name} have the same 64-bit stream number by accident. "
            f"{state.name} was here first; use another key",
            code=ErrorCode.KEY_COLLISION,
        )
    before = state.invocations.get(asked.invocation_id)
    if before is not None:
        check_same_request(before.argument_digest, asked)
        return _join(state, before, asked.caller)
    if command.mode is Mode.EXCLUSIVE:
        _check_deadlock(state, asked)
        if asked.if_free:
            _check_free(state)
        if len(state.queue) >= limits.mailbox:
            raise LimitExceededError(
                f"{len(state.queue)} invocations wait for {state.name} already (limit `mailbox`={limits.mailbox}); try again later",
                limit="mailbox",
                maximum=limits.mailbox,
                found=len(state.queue),
                code=ErrorCode.BUSY,
            )
    return _accept(state, command)


def _join(state: ObjectState, asked_for: InvocationState, caller: Caller | None) -> list[Event]:
    """Attach the caller to an invocation that its idempotency key already names."""
    if caller is None or caller == asked_for.caller or caller in asked_for.attached:
        return []
    return [e.AttachRequested(invocation_id=asked_for.invocation_id, by=caller)]


def _check_free(state: ObjectState) -> None:
    if state.holder is None and not state.queue:
        return
    held = "nobody" if state.holder is None else state.holder
    raise ConflictError(
        f"{state.name} is held by {held}, and {len(state.queue)} wait for it. Pass queue=True to wait for its turn, or "
        "cancel the holder",
        code=ErrorCode.KEY_HELD,
    )


def _accept(state: ObjectState | None, command: c.ResolvedInvoke) -> list[Event]:
    asked = command.asked
    accepted = e.InvocationAccepted(
        invocation_id=asked.invocation_id,
        handler=asked.target.handler,
        mode=command.mode,
        argument=asked.argument,
        caller=asked.caller,
        chain=asked.chain,
        scheduled_for=asked.scheduled_for,
        request=asked.request,
        atomic=command.atomic,
        deployment=command.deployment,
        parameter=asked.parameter,
    )
    is_free = state is None or (state.holder is None and not state.queue)
    if asked.scheduled_for is None and (command.mode is Mode.SHARED or is_free):
        return [accepted, e.InvocationStarted(invocation_id=asked.invocation_id)]
    return [accepted]


def _check_deadlock(state: ObjectState, command: c.Invoke) -> None:
    """Refuse a call to an object that one of its own callers holds. Cycles through other objects are found by the dispatcher."""
    if command.caller is None or state.holder is None:
        return
    for position, link in enumerate(command.chain):
        if link.invocation_id == state.holder and link.holds_key:
            callee = CircleLink(command.invocation_id, str(command.target))
            above = [CircleLink(one.invocation_id, one.target) for one in command.chain[position:]]
            raise deadlock([above[-1], callee, *above])


def _start_due(state: ObjectState, invocation: InvocationState, _: Any, __: float, ___: Limits) -> list[Event]:
    if invocation.scheduled_for is None:
        return []
    due: Event = e.InvocationDue(invocation_id=invocation.invocation_id)
    if invocation.status is Status.PAUSED:
        return [due]
    if invocation.mode is Mode.SHARED or (state.holder is None and not state.queue):
        return [due, e.InvocationStarted(invocation_id=invocation.invocation_id)]
    return [due]


# The handler.


def _record_progress(_: ObjectState, __: Any, command: c.RecordProgress, ___: float, ____: Limits) -> list[Event]:
    return command.events


def _finish_attempt(
    state: ObjectState, invocation: InvocationState, command: c.FinishAttempt, _: float, __: Limits
) -> list[Event]:
    """Complete the invocation, unless its handler returned without meeting a pending cancel. Then the last turn is void, and the
    replay delivers the cancel at the await before it. If the handler still does not meet it (a shield), its work stands and the
    outcome is *cancelled*."""
    cancel = invocation.cancel
    if cancel is None:
        return [*command.events, *_complete(state, invocation, command.outcome)]
    outcome = outcome_when_cancelled(command, cancel.reason)
    if outcome is not command.outcome and not cancel.overtook:
        return [e.CancelDeliveredEarlier(invocation_id=invocation.invocation_id, handed_over=command.handed_over)]
    return [*command.events, *_complete(state, invocation, outcome)]


def outcome_when_cancelled(command: c.FinishAttempt, reason: str) -> Outcome:
    """The outcome of a cancelled invocation: it succeeds only if its handler met the cancel and returned a value all the same."""
    if command.has_met_cancel or command.outcome.kind is not OutcomeKind.SUCCEEDED:
        return command.outcome
    return Outcome(OutcomeKind.CANCELLED, reason=reason)


def _complete(state: ObjectState, invocation: InvocationState, outcome: Outcome) -> list[Event]:
    """Complete the invocation and start the next one."""
    completed = e.InvocationCompleted(invocation_id=invocation.invocation_id, outcome=outcome)
    return [completed, *_start_next(state, without=invocation), *_start_behind(state, invocation)]


def _start_behind(state: ObjectState, ended: InvocationState) -> list[Event]:
    """Start the restarts that waited only for this invocation to complete."""
    return [
        e.InvocationStarted(invocation_id=waiting.invocation_id)
        for waiting in state.invocations.values()
        if waiting.behind == ended.invocation_id and waiting.mode is Mode.SHARED and waiting.status is Status.QUEUED
    ]


def _start_next(state: ObjectState, *, without: InvocationState) -> list[Event]:
    """Start the head of the queue once ``without`` has left. A paused head is not overtaken: the queue is first come, first
    served."""
    if state.holder not in (None, without.invocation_id):
        return []
    for waiting in state.queue:
        if waiting == without.invocation_id:
            continue
        is_held = state.invocations[waiting].status is Status.PAUSED
        return [] if is_held else [e.InvocationStarted(invocation_id=waiting)]
    return []


def _fail_attempt(
    state: ObjectState, invocation: InvocationState, command: c.FailAttempt, now: float, _: Limits
) -> list[Event]:
    attempt = invocation.failed_attempts + 1
    # A handler that failed while its cancel was on its way is retried at once: the cancel is delivered before the completion that
    # it failed on.
    is_cancelled = invocation.cancel is not None and not command.has_been_given_cancel
    exhausted = is_exhausted(command.policy, attempt) and not is_cancelled
    delay = 0.0 if is_cancelled or exhausted else delay_seconds(command.policy, attempt, command.jitter)
    retry_at = None if exhausted else min(now + delay, NEVER)
    failed = e.AttemptFailed(
        invocation_id=invocation.invocation_id,
        attempt=attempt,
        failure=command.failure,
        handed_over=command.handed_over,
        retry_at=retry_at,
        max_attempts=command.policy.max_attempts,
    )
    if is_cancelled:
        return [failed, e.AttemptRetried(invocation_id=invocation.invocation_id)]
    if not exhausted:
        return [failed]
    if command.policy.on_exhausted is Exhausted.FAIL:
        return [failed, *_complete(state, invocation, Outcome(OutcomeKind.FAILED, failure=command.failure))]
    return [failed, _paused_when_exhausted(invocation, command.failure, attempt, "its handler failed")]


def _paused_when_exhausted(
    invocation: InvocationState, failure: e.Failure, attempts: int, what: str
) -> e.InvocationPaused:
    times = "once" if attempts == 1 else f"{attempts} times"
    return e.InvocationPaused(
        invocation_id=invocation.invocation_id,
        cause=PauseCause.EXHAUSTED,
        reason=f"{what} {times}, last with {failure_in_words(failure)}",
        failure=failure,
    )


def _retry_attempt(_: ObjectState, invocation: InvocationState, __: Any, ___: float, ____: Limits) -> list[Event]:
    if invocation.retry_at is None or invocation.status is not Status.BACKING_OFF:
        return []
    return [e.AttemptRetried(invocation_id=invocation.invocation_id)]


def _hold_attempt(
    _: ObjectState, invocation: InvocationState, command: c.PauseAttempt, __: float, ___: Limits
) -> list[Event]:
    return _paused_at(invocation, command.cause, command.reason, command.failure)


def _paused_at(
    invocation: InvocationState, cause: PauseCause, reason: str, failure: e.Failure | None = None
) -> list[Event]:
    if invocation.status is Status.PAUSED:
        return []
    return [
        e.InvocationPaused(invocation_id=invocation.invocation_id, cause=cause, reason=reason, failure=failure),
    ]


def beyond_limits(invocation: InvocationState, limits: Limits) -> str | None:
    """The limit that the history has reached, in words, or None."""
    if invocation.event_count <= limits.history_events and invocation.value_bytes <= limits.history_bytes:
        return None
    return (
        f"its history has {invocation.event_count} events and {invocation.value_bytes} bytes of values, the limits are "
        f"{limits.history_events} and {limits.history_bytes}. Continue a long life in a new invocation (send to "
        "itself and return), or raise the limit and resume"
    )


def _suspend(_: ObjectState, invocation: InvocationState, __: Any, ___: float, ____: Limits) -> list[Event]:
    if invocation.status not in ACTIVE or invocation.pausing is not None or invocation.parked:
        return []
    if has_running_steps(invocation):
        return []  # it has been woken since it was found idle, or one of its steps waits for a slot
    return [e.InvocationSuspended(invocation_id=invocation.invocation_id)]


# Completions.


def _fire_timer(
    _: ObjectState, invocation: InvocationState, command: c.FireTimer, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None:
        return []
    if wait.kind is WaitKind.STEP_RETRY:
        if invocation.status is Status.PAUSED or wait.at is None:
            return []
        return [e.StepRetried(invocation_id=invocation.invocation_id, step=command.step)]
    if wait.kind not in (WaitKind.SLEEP, WaitKind.DEADLINE):
        return []  # a retry that has already begun
    return [e.TimerFired(invocation_id=invocation.invocation_id, step=command.step)]


def _complete_step(
    _: ObjectState, invocation: InvocationState, command: c.CompleteStep, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind is not WaitKind.STEP:
        return []
    completed = e.StepCompleted(invocation_id=invocation.invocation_id, step=command.step, outcome=command.outcome)
    return [completed, *_pause_if_settled(invocation, command.step)]


def _fail_step(_: ObjectState, invocation: InvocationState, command: c.FailStep, now: float, __: Limits) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind is not WaitKind.STEP:
        return []
    attempt = wait.attempts + 1
    exhausted = is_exhausted(command.policy, attempt)
    failed = e.StepAttemptFailed(
        invocation_id=invocation.invocation_id,
        step=command.step,
        attempt=attempt,
        failure=command.failure,
        retry_at=None if exhausted else min(now + delay_seconds(command.policy, attempt, command.jitter), NEVER),
        max_attempts=command.policy.max_attempts,
    )
    if not exhausted:
        return [failed, *_pause_if_settled(invocation, command.step)]
    if command.policy.on_exhausted is Exhausted.PAUSE and invocation.status is Status.PAUSED:
        return [failed]
    if command.policy.on_exhausted is Exhausted.PAUSE:
        return [failed, _paused_when_exhausted(invocation, command.failure, attempt, f"step {wait.name!r} failed")]
    outcome = Outcome(OutcomeKind.FAILED, failure=command.failure)
    completed = e.StepCompleted(invocation_id=invocation.invocation_id, step=command.step, outcome=outcome)
    return [failed, completed, *_pause_if_settled(invocation, command.step)]


def _abort_step(
    _: ObjectState, invocation: InvocationState, command: c.AbortStep, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind not in (WaitKind.STEP, WaitKind.STEP_RETRY):
        return []
    aborted = e.StepAborted(invocation_id=invocation.invocation_id, step=command.step)
    return [aborted, *_pause_if_settled(invocation, command.step)]


def _emit(_: ObjectState, invocation: InvocationState, command: c.EmitOutput, __: float, limits: Limits) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind is not WaitKind.STEP:
        return []
    too_long = beyond_limits(invocation, limits)
    if too_long is not None:
        return _paused_at(invocation, PauseCause.LIMIT, too_long)
    return [
        e.OutputEmitted(
            invocation_id=invocation.invocation_id,
            step=command.step,
            value=command.value,
            attempt=wait.attempts + 1,
            offset=command.offset,
        )
    ]


def _complete_call(
    _: ObjectState, invocation: InvocationState, command: c.CompleteCall, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind not in (WaitKind.CALL, WaitKind.ATTACH):
        return []
    return [e.CallCompleted(invocation_id=invocation.invocation_id, step=command.step, outcome=command.outcome)]


def _complete_verb(
    _: ObjectState, invocation: InvocationState, command: c.CompleteVerb, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind is not WaitKind.VERB:
        return []
    return [
        e.VerbAnswered(
            invocation_id=invocation.invocation_id,
            step=command.step,
            answer=command.answer,
            refusal=command.refusal,
        )
    ]


def _attach(state: ObjectState, invocation: InvocationState, command: c.Attach, _: float, __: Limits) -> list[Event]:
    if command.by == invocation.caller or command.by in invocation.attached:
        return []
    waiting, awaited = command.by.invocation_id, invocation.invocation_id
    link = CircleLink(awaited, f"{state.name}/{invocation.handler}")
    if waiting == awaited:
        raise deadlock([link, link])
    if awaited in state.queue and waiting == state.holder:
        holder = CircleLink(waiting, f"{state.name}/{state.invocations[waiting].handler}")
        raise deadlock([holder, link, holder])
    return [e.AttachRequested(invocation_id=invocation.invocation_id, by=command.by)]


# Verbs.


def _cancel(
    state: ObjectState, invocation: InvocationState, command: c.CancelInvocation, now: float, _: Limits
) -> list[Event]:
    if not invocation.is_started:
        outcome = Outcome(OutcomeKind.CANCELLED, reason=command.reason)
        return _complete(state, invocation, outcome)
    kill_at = None if command.kill_after is None else now + command.kill_after
    spared = _spare_calls(invocation, command)
    if invocation.cancel is not None:
        return [*spared, *_hasten(invocation, invocation.cancel, command, kill_at)]
    return [
        *spared,
        e.CancelRequested(
            invocation_id=invocation.invocation_id,
            reason=command.reason,
            children=command.children,
            kill_at=kill_at,
            overtakes=invocation.held_back + command.held_back,
        ),
    ]


def _hasten(
    invocation: InvocationState, cancel: Cancel, command: c.CancelInvocation, kill_at: float | None
) -> list[Event]:
    """Move the kill of a cancelled invocation to an earlier time. A cancel is delivered once, so a repeated one can only shorten
    the wait."""
    if kill_at is None or (cancel.kill_at is not None and cancel.kill_at <= kill_at):
        return []
    return [e.CancelDeadlineMoved(invocation_id=invocation.invocation_id, kill_at=kill_at, reason=command.reason)]


def _kill(
    state: ObjectState, invocation: InvocationState, command: c.KillInvocation, _: float, __: Limits
) -> list[Event]:
    outcome = Outcome(OutcomeKind.KILLED, reason=command.reason)
    return [*_spare_calls(invocation, command), *_complete(state, invocation, outcome)]


def _spare_calls(invocation: InvocationState, command: c.CancelInvocation | c.KillInvocation) -> list[Event]:
    if not command.spares or invocation.spares or not invocation.is_started:
        return []
    return [e.CallsDetached(invocation_id=invocation.invocation_id)]


def _pause(
    _: ObjectState, invocation: InvocationState, command: c.PauseInvocation, __: float, ___: Limits
) -> list[Event]:
    if invocation.status is Status.PAUSED:
        return []
    drains = command.mode is PauseMode.DRAIN and has_running_steps(invocation)
    if drains and invocation.pausing is not None:
        return []
    if drains:
        return [e.PauseRequested(invocation_id=invocation.invocation_id, reason=command.reason)]
    return [_paused_on_request(invocation, command.reason)]


def has_running_steps(invocation: InvocationState) -> bool:
    """Whether a step has begun, or is about to, and has not ended."""
    return invocation.status in STARTED and any(w.kind is WaitKind.STEP for w in invocation.waits.values())


def _pause_if_settled(invocation: InvocationState, ended: object) -> list[Event]:
    """Pause the invocation now if no step of it runs."""
    if invocation.pausing is None:
        return []
    running = any(w.kind is WaitKind.STEP for step, w in invocation.waits.items() if step != ended)
    return [] if running else [_paused_on_request(invocation, invocation.pausing)]


def _paused_on_request(invocation: InvocationState, reason: str) -> e.InvocationPaused:
    return e.InvocationPaused(invocation_id=invocation.invocation_id, cause=PauseCause.REQUESTED, reason=reason)


def _settle_pause(_: ObjectState, invocation: InvocationState, __: Any, ___: float, ____: Limits) -> list[Event]:
    if invocation.pausing is None or invocation.status not in ACTIVE:
        return []
    return [_paused_on_request(invocation, invocation.pausing)]


def _resume(
    state: ObjectState, invocation: InvocationState, command: c.ResumeInvocation, _: float, __: Limits
) -> list[Event]:
    moved = _move(invocation, command.deployment)
    if invocation.pausing is not None:
        return [*moved, e.InvocationResumed(invocation_id=invocation.invocation_id, reason=command.reason)]
    if invocation.status is Status.BACKING_OFF:
        return [*moved, *_retry_now(invocation)]
    if invocation.status is Status.QUEUED and moved:
        return [
            *moved,
            *_start_if_its_turn(state, invocation),
        ]  # a gate on the code that it leaves may have held it
    if invocation.status is not Status.PAUSED:
        return moved
    resumed: Event = e.InvocationResumed(invocation_id=invocation.invocation_id, reason=command.reason)
    return [*moved, resumed, *_start_if_its_turn(state, invocation)]


def _move(invocation: InvocationState, deployment: str | None) -> list[Event]:
    if deployment is None or deployment == invocation.deployment:
        return []
    if invocation.status is Status.RUNNING:
        raise ConflictError(
            f"{invocation.invocation_id} is running, and the code of a running handler cannot change. "
            "Pause it, then resume it on the other deployment",
            status=invocation.status,
            code=ErrorCode.STILL_RUNNING,
        )
    return [e.InvocationMoved(invocation_id=invocation.invocation_id, deployment=deployment)]


def _start_if_its_turn(state: ObjectState, invocation: InvocationState) -> list[Event]:
    if invocation.is_started or invocation.scheduled_for is not None or invocation.behind in state.invocations:
        return []
    is_head = state.holder is None and state.queue[:1] == [invocation.invocation_id]
    if invocation.mode is Mode.SHARED or is_head:
        return [e.InvocationStarted(invocation_id=invocation.invocation_id)]
    return []


def _start_waiting(state: ObjectState | None) -> list[Event]:
    if state is None:
        return []
    queued = [invocation for invocation in state.invocations.values() if invocation.status is Status.QUEUED]
    return [started for invocation in queued for started in _start_if_its_turn(state, invocation)]


def _retry_now(invocation: InvocationState) -> list[Event]:
    retried: list[Event] = [
        e.StepRetried(invocation_id=invocation.invocation_id, step=step)
        for step, wait in invocation.waits.items()
        if wait.kind is WaitKind.STEP_RETRY
    ]
    if invocation.retry_at is not None:
        retried.append(e.AttemptRetried(invocation_id=invocation.invocation_id))
    return retried


def _restart(state: ObjectState | None, command: c.ResolvedRestart, now: float, limits: Limits) -> list[Event]:
    """Accept a restart. The caller has found the original: a completed invocation is not in the state."""
    if state is None:
        raise BrokenInvariant("an original that is known has an object")
    asked = command.asked
    original = state.invocations.get(asked.invocation_id)
    if asked.successor in state.invocations:
        return []
    if original is not None and asked.stop is None:
        raise ConflictError(
            f"{asked.invocation_id} is {original.status.value}; stop it first: stop='cancel' runs its "
            "compensations, stop='kill' does not",
            status=original.status,
            code=ErrorCode.STILL_OPEN,
        )
    # Each invocation of a service has a stream of its own, and its restarts live in the same one and wait for no turn.
    mode = Mode.SHARED if state.kind is Kind.SERVICE else command.original.mode
    if mode is Mode.EXCLUSIVE and len(state.queue) >= limits.mailbox:
        raise LimitExceededError(
            f"{len(state.queue)} invocations wait for {state.name} already (limit `mailbox`={limits.mailbox})",
            limit="mailbox",
            maximum=limits.mailbox,
            found=len(state.queue),
            code=ErrorCode.BUSY,
        )
    stopping = [] if original is None else _stop(state, original, asked, now, limits, held_back=command.held_back)
    is_over = original is None or any(
        isinstance(s, e.InvocationCompleted) and s.invocation_id == original.invocation_id for s in stopping
    )
    hands_over = original is not None and asked.hand_over
    given = with_input(command)
    accepted = e.InvocationAccepted(
        invocation_id=asked.successor,
        handler=command.original.handler,
        mode=mode,
        argument=given.argument,
        parameter=given.parameter,
        caller=original.caller if original is not None and hands_over else asked.caller,
        chain=original.chain if original is not None and hands_over else asked.chain,
        atomic=command.original.atomic,
        deployment=command.deployment,
        restarts=lineage_of(command),
        behind=None if is_over else asked.invocation_id,
    )
    restarted = e.InvocationRestarted(
        invocation_id=asked.invocation_id,
        successor=asked.successor,
        step=command.step,
        reason=asked.reason,
        hands_over=hands_over,
    )
    starts = is_over and (mode is Mode.SHARED or _is_free_without(state, original))
    starting = [e.InvocationStarted(invocation_id=asked.successor)] if starts else []
    return [accepted, restarted, *stopping, *starting]


def with_input(command: c.ResolvedRestart) -> e.InvocationAccepted:
    """The acceptance of the original, with the restart's argument if it has one."""
    if command.asked.argument is None:
        return command.original
    return attrs.evolve(command.original, argument=command.asked.argument, parameter=command.parameter)


def lineage_of(command: c.ResolvedRestart) -> e.Lineage:
    """The link from the successor to the original."""
    original, asked = command.original, command.asked
    seed = "" if command.step == ROOT_STEP else seed_of(original.invocation_id, original.restarts)
    return e.Lineage(asked.invocation_id, command.step, asked.rewind_state, seed)


def seed_of(invocation_id: InvocationId, restarts: e.Lineage | None) -> str:
    """The seed of the handler's random numbers, the same wherever a part of its history is replayed."""
    return invocation_id if restarts is None or not restarts.seed else restarts.seed


def _stop(
    state: ObjectState,
    original: InvocationState,
    command: c.RestartInvocation,
    now: float,
    limits: Limits,
    *,
    held_back: int,
) -> list[Event]:
    reason = command.reason or f"started again as {command.successor}"
    if command.stop is Stop.KILL:
        return _kill(state, original, c.KillInvocation(invocation_id=command.invocation_id, reason=reason), now, limits)
    cancel = c.CancelInvocation(invocation_id=command.invocation_id, reason=reason, held_back=held_back)
    return _cancel(state, original, cancel, now, limits)


def _is_free_without(state: ObjectState, ended: InvocationState | None) -> bool:
    gone = None if ended is None else ended.invocation_id
    return state.holder in (None, gone) and all(waiting == gone for waiting in state.queue)


def _hand_over_call(
    _: ObjectState, invocation: InvocationState, command: c.TransferCall, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind not in (WaitKind.CALL, WaitKind.ATTACH) or wait.callee == command.callee:
        return []
    return [e.CallTransferred(invocation_id=invocation.invocation_id, step=command.step, callee=command.callee)]


def _withdraw_call(
    state: ObjectState, invocation: InvocationState, command: c.WithdrawCall, _: float, __: Limits
) -> list[Event]:
    return [] if invocation.is_started else _complete(state, invocation, command.outcome)


def _signal(
    _: ObjectState, invocation: InvocationState, command: c.SignalInvocation, __: float, limits: Limits
) -> list[Event]:
    if sum(map(len, invocation.signals.values())) + invocation.deferred_signals >= limits.signals:
        raise LimitExceededError(
            f"{limits.signals} signals wait for {invocation.invocation_id} already, and it has awaited none of them",
            limit="signals",
            maximum=limits.signals,
            found=limits.signals,
            code=ErrorCode.BUSY,
        )
    return [received_signal(invocation, command)]


def received_signal(invocation: InvocationState, signal: c.SignalInvocation | e.SignalReceived) -> e.SignalReceived:
    """Record a signal for its first wait of that name, if there is one. A restart that has not copied its history yet has waits
    that it does not know of, so it defers the signal."""
    waiting = (step for step, w in invocation.waits.items() if w.kind is WaitKind.SIGNAL and w.name == signal.name)
    deferred = has_yet_to_keep(invocation)
    return e.SignalReceived(
        invocation_id=invocation.invocation_id,
        name=signal.name,
        value=signal.value,
        json_loses=signal.json_loses,
        signal=0 if deferred else invocation.signals_received + 1,
        step=next(waiting, None),
        deferred=deferred,
    )


def _purge(state: ObjectState | None, command: c.PurgeInvocations) -> list[Event]:
    """Purge completed invocations. The caller has checked that they exist: they are not in the state."""
    for invocation_id in command.invocation_ids:
        invocation = None if state is None else state.invocations.get(invocation_id)
        if invocation is not None:
            raise ConflictError(
                f"{invocation_id} is {invocation.status.value}, only a completed invocation can be purged; "
                "cancel it or kill it first",
                status=invocation.status,
                code=ErrorCode.NOT_COMPLETED,
            )
        waiting = None if state is None else needed_by(state, invocation_id)
        if waiting is not None and waiting.restarts is not None:
            raise ConflictError(
                f"{waiting.invocation_id} waits for its turn and will keep a part of the history of "
                f"{waiting.restarts.invocation_id}, for which it needs the history of {invocation_id}; purge {invocation_id} when "
                f"{waiting.invocation_id} has started",
                status=waiting.status,
                code=ErrorCode.NOT_COMPLETED,
            )
    return [e.InvocationsPurged(invocation_ids=command.invocation_ids)]


def needed_by(state: ObjectState, ended: InvocationId) -> InvocationState | None:
    """The restart that still needs the history of a completed invocation, because it has not copied it yet.

    A restart that rewinds fields also needs the object as it was, and so the history of every other invocation since.
    """
    for waiting in state.invocations.values():
        if waiting.restarts is None or not has_yet_to_keep(waiting):
            continue
        needs_all = waiting.mode is Mode.EXCLUSIVE and state.kind is not Kind.SERVICE
        if needs_all or waiting.restarts.invocation_id == ended:
            return waiting
    return None


_FROM_OUTSIDE = (
    c.Attach,
    c.CancelInvocation,
    c.KillInvocation,
    c.PauseInvocation,
    c.ResumeInvocation,
    c.SignalInvocation,
)

_DECISIONS: dict[type, Callable[..., list[Event]]] = {
    c.StartDue: _start_due,
    c.RecordProgress: _record_progress,
    c.FinishAttempt: _finish_attempt,
    c.FailAttempt: _fail_attempt,
    c.RetryAttempt: _retry_attempt,
    c.PauseAttempt: _hold_attempt,
    c.SuspendAttempt: _suspend,
    c.FireTimer: _fire_timer,
    c.CompleteStep: _complete_step,
    c.FailStep: _fail_step,
    c.AbortStep: _abort_step,
    c.EmitOutput: _emit,
    c.CompleteCall: _complete_call,
    c.CompleteVerb: _complete_verb,
    c.Attach: _attach,
    c.CancelInvocation: _cancel,
    c.KillInvocation: _kill,
    c.PauseInvocation: _pause,
    c.FinishDrain: _settle_pause,
    c.ResumeInvocation: _resume,
    c.SignalInvocation: _signal,
    c.TransferCall: _hand_over_call,
    c.WithdrawCall: _withdraw_call,
}
