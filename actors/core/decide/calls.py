"""Decides on the results that an invocation waits for: outcomes of calls, results of verbs, and signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core.deadlocks import deadlock
from actors.core.decide.turns import complete
from actors.core.owed import has_yet_to_keep
from actors.core.state import InvocationState, ObjectState, Wait, WaitKind
from actors.errors import CircleLink, ConflictError, ErrorCode, LimitExceededError, UnavailableError
from journal import events as e

if TYPE_CHECKING:
    from actors.values.limits import Limits
    from journal.events import Event


def complete_call(
    _: ObjectState, invocation: InvocationState, command: c.CompleteCall, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind not in (WaitKind.CALL, WaitKind.ATTACH):
        return []
    return [e.CallCompleted(invocation_id=invocation.invocation_id, step=command.step, outcome=command.outcome)]


def complete_verb(
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


def attach(state: ObjectState, invocation: InvocationState, command: c.Attach, _: float, __: Limits) -> list[Event]:
    if command.by == invocation.caller or command.by in (*invocation.attached, *invocation.watchers):
        return []
    waiting, awaited = command.by.invocation_id, invocation.invocation_id
    link = CircleLink(awaited, f"{state.name}/{invocation.handler}")
    if waiting == awaited:
        raise deadlock([link, link])
    if awaited in state.queue and waiting == state.holder:
        holder = CircleLink(waiting, f"{state.name}/{state.invocations[waiting].handler}")
        raise deadlock([holder, link, holder])
    return [e.AttachRequested(invocation_id=invocation.invocation_id, by=command.by, stays=command.stays)]


def detach(_: ObjectState, invocation: InvocationState, command: c.Detach, __: float, ___: Limits) -> list[Event]:
    if command.by not in (*invocation.attached, *invocation.watchers):
        return []
    return [e.AttachDropped(invocation_id=invocation.invocation_id, by=command.by)]


def hand_over_call(
    _: ObjectState, invocation: InvocationState, command: c.TransferCall, __: float, ___: Limits
) -> list[Event]:
    wait = invocation.waits.get(command.step)
    if wait is None or wait.kind not in (WaitKind.CALL, WaitKind.ATTACH) or wait.callee == command.callee:
        return []
    return [e.CallTransferred(invocation_id=invocation.invocation_id, step=command.step, callee=command.callee)]


def withdraw_call(
    state: ObjectState, invocation: InvocationState, command: c.WithdrawCall, _: float, __: Limits
) -> list[Event]:
    return [] if invocation.is_started else complete(state, invocation, command.outcome)


def signal_invocation(
    _: ObjectState, invocation: InvocationState, command: c.SignalInvocation, now: float, limits: Limits
) -> list[Event]:
    if command.question:
        _check_question(invocation, command, now)
    if sum(map(len, invocation.signals.values())) + invocation.deferred_signals >= limits.signals:
        raise LimitExceededError(
            f"{limits.signals} signals wait for {invocation.invocation_id} already, and it has awaited none of them",
            limit="signals",
            maximum=limits.signals,
            found=limits.signals,
            code=ErrorCode.BUSY,
        )
    return [received_signal(invocation, command)]


def _check_question(invocation: InvocationState, command: c.SignalInvocation, now: float) -> None:
    """Refuse an answer by a link whose question is not open, or that has expired."""
    of = invocation.invocation_id
    if has_yet_to_keep(invocation):
        raise UnavailableError(
            f"{of} is a restart that has not begun, so its questions are not open yet; try again later"
        )
    question = invocation.questions.get(command.question)
    if question is None or question.is_closed:
        raise closed_question(command.name)
    if question.has_expired(now):
        raise expired_link(command.name)


def expired_link(name: str) -> ConflictError:
    """Return the error for an expired link. ``name`` is the name of its question, or empty if it is not known."""
    which = f"the link to question {name!r}" if name else "this link"
    return ConflictError(f"{which} has expired; ask the sender for a new one", code=ErrorCode.LINK_EXPIRED)


def closed_question(name: str) -> ConflictError:
    """Return the error for a link to a question that cannot be answered any more. ``name`` is empty if it is not known."""
    which = f"question {name!r}" if name else "the question of this link"
    return ConflictError(
        f"{which} is closed: it has been answered, or its handler no longer waits for the answer",
        code=ErrorCode.QUESTION_CLOSED,
    )


def _can_take(wait: Wait, signal: c.SignalInvocation | e.SignalReceived) -> bool:
    is_asked = not signal.question or wait.question == signal.question
    return wait.kind is WaitKind.SIGNAL and wait.name == signal.name and is_asked


def received_signal(invocation: InvocationState, signal: c.SignalInvocation | e.SignalReceived) -> e.SignalReceived:
    """Return the event that records a signal for its first wait of that name, or for the wait for the question that it
    answers, if there is one. A restart that has not copied its history yet does not know all of its waits, so it defers the
    signal."""
    waiting = (step for step, wait in invocation.waits.items() if _can_take(wait, signal))
    deferred = has_yet_to_keep(invocation)
    return e.SignalReceived(
        invocation_id=invocation.invocation_id,
        name=signal.name,
        value=signal.value,
        json_loses=signal.json_loses,
        signal=0 if deferred else invocation.signals_received + 1,
        step=next(waiting, None),
        deferred=deferred,
        error=signal.error,
        question=signal.question,
    )
