"""Explains why an invocation does not continue: its obstacles, in the order in which they would have to be removed."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from actors.core.limits import written_rate
from actors.model.wait_info import StepPhase
from actors.values.texts import failure_in_words, shown
from journal.events import Mode, Status
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from actors.core.limits import LimitWait
    from actors.model.info import InvocationInfo
    from actors.model.wait_info import WaitInfo


class WaitCause(enum.Enum):
    """The things that an invocation can wait for."""

    NOTHING = "nothing"
    GATE = "gate"
    LIMIT = "limit"
    RESUME = "resume"
    DATE = "date"
    KEY = "key"
    CODE = "code"
    INVOCATION = "invocation"
    RETRY = "retry"
    STEP = "step"
    TURN = "turn"
    THREAD = "thread"
    TIMER = "timer"
    SIGNAL = "signal"
    LOCK = "lock"


@attrs.frozen(kw_only=True)
class WaitReason:
    """One obstacle of an invocation, in words and as data.

    ``since`` and ``until`` are wall seconds. ``by`` and ``because`` are the requester and the reason. ``invocation_id`` is the
    invocation that is waited for.
    """

    waits_for: WaitCause
    text: str
    since: float | None = None
    until: float | None = None
    by: str = ""
    because: str = ""
    invocation_id: InvocationId | None = None


def reasons(info: InvocationInfo) -> tuple[WaitReason, ...]:
    """Return the reasons why an invocation does not continue. Never empty: a completed or running invocation has a
    reason that says so.
    """
    if info.status is Status.COMPLETED:
        return (_ended(info), *_left_behind(info))
    found = [
        *_held(info),
        *_limited(info),
        *_unwinding(info),
        *_in_a_circle(info),
        *_not_started(info),
        *_without_code(info),
        *_retrying(info),
        *(_waiting(wait, info) for wait in info.waits),
        *_carried_out(info),
    ]
    runs = WaitReason(waits_for=WaitCause.NOTHING, text="it runs", since=info.started_at)
    return (*(found or [runs]), *_left_behind(info))


def _carried_out(info: InvocationInfo) -> Iterator[WaitReason]:
    run = info.waits_for
    if run is not None and info.mode is Mode.UPDATE:
        yield WaitReason(
            waits_for=WaitCause.INVOCATION,
            text=f"the run {run} carries it out and has not answered",
            since=info.started_at,
            invocation_id=run,
        )


def _ended(info: InvocationInfo) -> WaitReason:
    outcome = info.outcome
    text = "it has ended: completed" if outcome is None else f"it has ended: {outcome.kind.value}"
    if outcome is not None and outcome.failure is not None:
        text += f": {failure_in_words(outcome.failure)}"
    because = "" if outcome is None else outcome.reason
    return WaitReason(waits_for=WaitCause.NOTHING, text=text, since=info.completed_at, because=because)


def _left_behind(info: InvocationInfo) -> Iterator[WaitReason]:
    """Yield the steps that still run although the invocation does not wait for them."""
    told = {wait.name for wait in info.waits if wait.phase in (StepPhase.EARLIER_TRY, StepPhase.ABANDONED)}
    for name in info.abandoned_steps:
        if name in told:
            continue
        yield WaitReason(
            waits_for=WaitCause.NOTHING,
            text=f"the thread of step {name!r} was abandoned and has not ended: its result will be dropped",
        )


def _unwinding(info: InvocationInfo) -> Iterator[WaitReason]:
    for of in info.unwinding:
        yield WaitReason(
            waits_for=WaitCause.KEY,
            text=f"a step of {of}, which had the key before and was stopped, has not ended",
            invocation_id=of,
        )


def _in_a_circle(info: InvocationInfo) -> Iterator[WaitReason]:
    if info.circle:
        path = " → ".join(f"{link.target} ({link.invocation_id})" for link in info.circle)
        yield WaitReason(
            waits_for=WaitCause.INVOCATION,
            text=f"it waits for itself: {path}. Cancel one of them",
            invocation_id=info.circle[1].invocation_id,
        )


def _held(info: InvocationInfo) -> Iterator[WaitReason]:
    if info.gate is not None:
        gate = info.gate
        yield WaitReason(
            waits_for=WaitCause.GATE,
            text=f"the gate {gate.scope} is closed",
            since=gate.since,
            by=gate.by,
            because=gate.reason,
        )
    if info.status is Status.PAUSED or info.phase == "pausing":
        text = "it is paused until it is resumed" if info.status is Status.PAUSED else "it pauses once its steps end"
        yield WaitReason(
            waits_for=WaitCause.RESUME,
            text=text,
            since=info.paused_at,
            by="" if info.paused_by == info.id else info.paused_by,
            because=info.pause_reason,
        )


def _limited(info: InvocationInfo) -> Iterator[WaitReason]:
    wait = info.limit_wait
    if wait is not None:
        ahead = "" if not wait.ahead else f", and {wait.ahead} {'waits' if wait.ahead == 1 else 'wait'} before it"
        yield WaitReason(
            waits_for=WaitCause.LIMIT,
            text=f"the limit of {wait.scope}: {_fullness(wait)}{ahead}",
            since=info.created_at if info.started_at is None else info.modified_at,
            until=wait.opens_at,
        )


def _fullness(wait: LimitWait) -> str:
    if wait.used_up is not None:
        return f"its budget is used up, {wait.used_up} are spent"
    if wait.opens_at is not None and wait.rate is not None:
        return f"as many have started as {written_rate(wait.rate, wait.period)} permits"
    return f"{wait.running} run" if wait.concurrency is None else f"{wait.running} of {wait.concurrency} run"


def _not_started(info: InvocationInfo) -> Iterator[WaitReason]:
    if info.started_at is not None:
        return
    if info.scheduled_for is not None:
        yield WaitReason(
            waits_for=WaitCause.DATE, text="its scheduled time has not been reached", until=info.scheduled_for
        )
    if info.waits_for is not None:
        yield WaitReason(
            waits_for=WaitCause.INVOCATION,
            text=f"it repeats {info.waits_for}, which has not completed",
            invocation_id=info.waits_for,
        )
    wait = info.key_wait
    is_limited = info.limit_wait is not None and wait is not None and wait.holder is None  # it is next
    if (
        wait is not None and not is_limited and (info.target.key is not None or wait.holder is not None)
    ):  # a service has no key to wait for
        name = info.target.service if info.target.key is None else f"{info.target.service}/{info.target.key}"
        holder = f"{name} is held by {wait.holder}" if wait.holder is not None else f"{name} is free"
        ahead = f", and {wait.ahead} wait before it" if wait.ahead else ""
        yield WaitReason(waits_for=WaitCause.KEY, text=holder + ahead, since=info.created_at, invocation_id=wait.holder)


def _without_code(info: InvocationInfo) -> Iterator[WaitReason]:
    wait = info.code_wait
    if wait is None:
        return
    if not wait.error:
        yield WaitReason(waits_for=WaitCause.CODE, text=f"its code {wait.deployment} is being loaded")
        return
    yield WaitReason(
        waits_for=WaitCause.CODE,
        text=f"its code {wait.deployment} cannot be loaded; it will be retried:  {_tries(wait.tries, None)}",
        until=wait.again_at,
        because=wait.error,
    )


def _retrying(info: InvocationInfo) -> Iterator[WaitReason]:
    if info.retry_at is None:
        return
    failure = info.last_failure
    yield WaitReason(
        waits_for=WaitCause.RETRY,
        text=f"its handler failed and will be retried: {_tries(info.failed_attempts, info.max_attempts)}",
        until=info.retry_at,
        because="" if failure is None else failure_in_words(failure),
    )


def _waiting(wait: WaitInfo, info: InvocationInfo) -> WaitReason:
    waits_for, words = _WORDS[wait.kind]
    text = words(wait)
    if wait.kind == "step" and wait.phase in _PHASES:
        waits_for, verb = _PHASES[wait.phase]
        text = f"step {wait.name!r} (step {wait.step}) {verb}"
    if wait.heartbeat is not None:
        text += f", last heartbeat {shown(wait.heartbeat)}"
    return WaitReason(
        waits_for=waits_for,
        text=f"{text}: {wait.note}" if wait.note else text,
        since=wait.since,
        until=wait.until,
        because=_failure_of(wait, info),
        invocation_id=wait.invocation_id,
    )


def _failure_of(wait: WaitInfo, info: InvocationInfo) -> str:
    """Return the reason why the last try of a step failed, if known."""
    failed = [other for other in info.waits if other.kind == "step_retry"]
    failure = info.last_failure
    if failure is None or failed != [wait] or failure.message == info.pause_reason:
        return ""
    return failure_in_words(failure)


def _tries(failed: int, limit: int | None) -> str:
    if limit is not None:
        return f"{failed} of {limit} tries have failed"
    return "one try has failed" if failed == 1 else f"{failed} tries have failed"


def _is_used_up(wait: WaitInfo) -> bool:
    return wait.until is None and wait.max_attempts is not None and wait.failed_attempts >= wait.max_attempts


_PHASES = {
    StepPhase.TURN: (WaitCause.TURN, "waits for its turn"),
    StepPhase.THREAD: (WaitCause.THREAD, "waits for a thread"),
    StepPhase.EARLIER_TRY: (WaitCause.THREAD, "waits for a thread"),
    StepPhase.STOPPED_THREAD: (WaitCause.THREAD, "waits for a thread"),
    StepPhase.RUNS: (WaitCause.STEP, "is running"),
    StepPhase.STOPPING: (WaitCause.STEP, "is being stopped"),
    StepPhase.ABANDONED: (WaitCause.STEP, "was abandoned"),
}
"""The description of each phase of a step in this process; of other steps it is known only that they have no outcome."""

_WORDS: dict[str, tuple[WaitCause, Callable[[WaitInfo], str]]] = {
    "step": (WaitCause.STEP, lambda w: f"step {w.name!r} (step {w.step}) has no outcome yet"),
    "step_retry": (
        WaitCause.RETRY,
        lambda w: (
            f"step {w.name!r} (step {w.step}) {'has no tries left' if _is_used_up(w) else 'is tried again'}: "
            f"{_tries(w.failed_attempts, w.max_attempts)}"
        ),
    ),
    "sleep": (WaitCause.TIMER, lambda w: f"it sleeps (step {w.step})"),
    "deadline": (WaitCause.TIMER, lambda w: f"a scope has a deadline (step {w.step})"),
    "call": (WaitCause.INVOCATION, lambda w: f"it has called {w.name} (step {w.step}), which has not completed"),
    "attach": (WaitCause.INVOCATION, lambda w: f"it waits for {w.invocation_id} (step {w.step}) to end"),
    "lock": (
        WaitCause.LOCK,
        lambda w: f"it waits for the lock {w.name!r} (step {w.step}), which {w.invocation_id} has or gets before it",
    ),
    "signal": (WaitCause.SIGNAL, lambda w: f"signal {w.name!r} (step {w.step}) has not arrived"),
    "verb": (WaitCause.INVOCATION, lambda w: f"it has asked {w.invocation_id} to {w.name} (step {w.step})"),
}
