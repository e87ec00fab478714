"""Decides on a request for an invocation: accepts it, attaches its caller to an earlier invocation, or refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core.deadlocks import deadlock
from actors.core.decide.turns import complete
from actors.core.decide.updates import run_for_update, update
from actors.core.inputs import has_digest
from actors.core.state import InvocationState, ObjectState
from actors.errors import CircleLink, ConflictError, ErrorCode, LimitExceededError
from actors.values.limits import NEVER
from journal import events as e
from journal.events import Caller, Kind, Mode, Outcome, OutcomeKind, Status
from journal.ids import ROOT_STEP

if TYPE_CHECKING:
    from actors.values.limits import Limits
    from journal.events import Event


def check_same_request(argument_digest: bytes, command: c.Invoke) -> None:
    """Raise ``ConflictError`` if a request with the same idempotency key had another argument."""
    if command.request is not None and not has_digest(command, argument_digest):
        raise ConflictError(
            f"{command.target} was requested under the key {command.request!r} before, with another argument, as "
            f"{command.invocation_id}. Use a new key for a new request",
            code=ErrorCode.IDEMPOTENCY_CONFLICT,
        )


def invoke(state: ObjectState | None, command: c.ResolvedInvoke, now: float, limits: Limits) -> list[Event]:
    asked = command.asked
    if len(asked.chain) > limits.call_depth:
        raise LimitExceededError(
            f"{asked.target}: calls within calls are {len(asked.chain)} deep, the limit is {limits.call_depth}. "
            "Send instead of calling where the answer is not needed",
            limit="call_depth",
            maximum=limits.call_depth,
            found=len(asked.chain),
        )
    if state is None and command.mode is Mode.UPDATE:
        run_for_update(None, asked)
    if state is None:
        created = e.ObjectCreated(service=asked.target.service, key=asked.target.key, kind=command.kind)
        return [created, *_accept(None, command, now)]
    if (state.service, state.key) != (asked.target.service, asked.target.key) and state.kind is not Kind.SERVICE:
        raise ConflictError(
            f"{asked.target} and {state.name} have the same 64-bit stream number by accident. "
            f"{state.name} was here first; use another key",
            code=ErrorCode.KEY_COLLISION,
        )
    before = state.invocations.get(asked.invocation_id)
    if before is not None:
        check_same_request(before.argument_digest, asked)
        return _join(before, asked.caller)
    if command.mode is Mode.UPDATE:
        return update(state, command, _acceptance(command, now), limits)
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
    replaced = None if asked.debounce is None else _debounced(state, asked)
    if replaced is not None:
        return _replace(state, replaced, command, now)
    return _accept(state, command, now)


def _debounced(state: ObjectState, asked: c.Invoke) -> InvocationState | None:
    """Return the scheduled invocation with the same handler and debounce key, or None. A paused invocation is not replaced, because an
    operator has paused it."""
    for invocation in state.invocations.values():
        if (
            invocation.debounce == asked.debounce
            and invocation.handler == asked.target.handler
            and invocation.status is Status.SCHEDULED
        ):
            return invocation
    return None


def _replace(state: ObjectState, replaced: InvocationState, command: c.ResolvedInvoke, now: float) -> list[Event]:
    """Accept the message in place of an earlier one, whose callers then wait for the new invocation. It is due at its own time, but at
    most ``max_delay`` seconds after the first message of the series was accepted."""
    asked, of = command.asked, replaced.invocation_id
    since = replaced.accepted_at if replaced.debounced_since is None else replaced.debounced_since
    due = asked.scheduled_for
    if due is not None and asked.max_delay is not None:
        due = max(now, min(due, since + asked.max_delay))
    successor = asked.invocation_id
    reason = f"{successor} was sent under the same debounce key"
    return [
        *_accept(state, command, now, due=due, debounced_since=since),
        e.InvocationRestarted(
            invocation_id=of, successor=successor, step=ROOT_STEP, reason=reason, hands_over=True, debounced=True
        ),
        *complete(state, replaced, Outcome(OutcomeKind.CANCELLED, reason=reason)),
    ]


def _join(asked_for: InvocationState, caller: Caller | None) -> list[Event]:
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


def _accept(
    state: ObjectState | None,
    command: c.ResolvedInvoke,
    now: float,
    *,
    due: float | None = None,
    debounced_since: float | None = None,
) -> list[Event]:
    """Accept the invocation. ``due`` replaces the scheduled time of the request."""
    asked = command.asked
    scheduled_for = asked.scheduled_for if due is None else due
    accepted = _acceptance(command, now, scheduled_for, debounced_since)
    is_free = state is None or (state.holder is None and not state.queue)
    if scheduled_for is None and (command.mode is Mode.SHARED or is_free):
        return [accepted, e.InvocationStarted(invocation_id=asked.invocation_id)]
    return [accepted]


def _acceptance(
    command: c.ResolvedInvoke, now: float, scheduled_for: float | None = None, debounced_since: float | None = None
) -> e.InvocationAccepted:
    asked = command.asked
    return e.InvocationAccepted(
        invocation_id=asked.invocation_id,
        handler=asked.target.handler,
        mode=command.mode,
        argument=asked.argument,
        caller=asked.caller,
        chain=asked.chain,
        scheduled_for=scheduled_for,
        request=asked.request,
        atomic=command.atomic,
        deployment=command.deployment,
        parameter=asked.parameter,
        tags=asked.tags,
        trace=asked.trace,
        expires_at=expiry(now, scheduled_for, command.max_duration),
        max_duration=command.max_duration,
        debounce=asked.debounce,
        debounced_since=debounced_since,
        budget=asked.budget,
        budgets=asked.budgets,
    )


def expiry(now: float, scheduled_for: float | None, max_duration: float | None) -> float | None:
    """Return the time at which an invocation accepted ``now`` is cancelled: ``max_duration`` seconds after ``scheduled_for``, or after ``now``."""
    if max_duration is None:
        return None
    return min((now if scheduled_for is None else scheduled_for) + max_duration, NEVER)


def _check_deadlock(state: ObjectState, command: c.Invoke) -> None:
    """Raise ``DeadlockError`` for a call to an object that one of its own callers holds. The dispatcher finds cycles
    through other objects."""
    if command.caller is None or state.holder is None:
        return
    for position, link in enumerate(command.chain):
        if link.invocation_id == state.holder and link.holds_key:
            callee = CircleLink(command.invocation_id, str(command.target))
            above = [CircleLink(one.invocation_id, one.target) for one in command.chain[position:]]
            raise deadlock([above[-1], callee, *above])
