"""Decides on a restart, and on the data that it takes from its original."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core import commands as c
from actors.core.decide.turns import is_free_without
from actors.core.decide.verbs import cancel_invocation, kill_invocation
from actors.core.decide.work import expiry
from actors.core.state import InvocationState, ObjectState
from actors.core.traces import linked, trace_of
from actors.errors import ConflictError, ErrorCode, LimitExceededError
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import Kind, Mode, Stop
from journal.ids import ROOT_STEP, life_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.values.limits import Limits
    from journal.events import Event
    from journal.ids import InvocationId


def check_not_restarted(asked: c.RestartInvocation, successors: Sequence[InvocationId]) -> None:
    """Refuse to restart an invocation that has these successors, unless that is what was asked for: two operators, or a repeated
    command, would have every effect twice, each under step keys of its own."""
    earlier = [each for each in successors if each != asked.successor]
    if earlier and not asked.again:
        raise ConflictError(
            f"{asked.invocation_id} was restarted before, as {earlier[-1]}, so the effects that follow would happen once more: restart "
            "that one, or ask for it with again=True (--again)",
            code=ErrorCode.ALREADY_RESTARTED,
        )


def restart(state: ObjectState | None, command: c.ResolvedRestart, now: float, limits: Limits) -> list[Event]:
    """Accept a restart. The caller has found the original: a completed invocation is not in the state."""
    if state is None:
        raise BrokenInvariant("the original of the restart is known, but its object has no state")
    asked = command.asked
    _check_is_no_update(command)
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
    # Each invocation of a service has a stream of its own. Its restarts are in that stream too, and start without a queue.
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
        tags=command.original.tags,
        trace=_trace_of_original(command.original),
        expires_at=expiry(now, None, command.original.max_duration),
        max_duration=command.original.max_duration,
        budget=command.original.budget,
        budgets=command.original.budgets if original is not None and hands_over else asked.budgets,
    )
    restarted = e.InvocationRestarted(
        invocation_id=asked.invocation_id,
        successor=asked.successor,
        step=command.step,
        reason=asked.reason,
        hands_over=hands_over,
    )
    starts = is_over and (mode is Mode.SHARED or is_free_without(state, original))
    starting = [e.InvocationStarted(invocation_id=asked.successor)] if starts else []
    return [accepted, restarted, *stopping, *starting]


def _check_is_no_update(command: c.ResolvedRestart) -> None:
    if command.original.mode is Mode.UPDATE:
        raise ConflictError(
            f"{command.asked.invocation_id} is an update, which the run of its workflow carries out; send it again, or restart the run",
            code=ErrorCode.NOT_POSSIBLE,
        )


def with_input(command: c.ResolvedRestart) -> e.InvocationAccepted:
    """Return the acceptance of the original, with the argument of the restart if it has one."""
    if command.asked.argument is None:
        return command.original
    return attrs.evolve(command.original, argument=command.asked.argument, parameter=command.parameter)


def _trace_of_original(original: e.InvocationAccepted) -> e.TraceContext | None:
    """Return the original's own span, to which the successor's trace is linked; None if it follows from its id."""
    return None if original.trace is None else linked(trace_of(original.invocation_id, original.trace))


def lineage_of(command: c.ResolvedRestart) -> e.Lineage:
    """Return the link from the successor to the original."""
    original, asked = command.original, command.asked
    seed = "" if command.step == ROOT_STEP else seed_of(original.invocation_id, command.original_at, original.restarts)
    return e.Lineage(asked.invocation_id, command.step, asked.rewind_state, seed)


def seed_of(invocation_id: InvocationId, accepted_at: float, restarts: e.Lineage | None) -> str:
    """Return the seed of the handler's random numbers, which is the same wherever a part of its history is replayed."""
    return life_of(invocation_id, accepted_at) if restarts is None or not restarts.seed else restarts.seed


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
        return kill_invocation(
            state, original, c.KillInvocation(invocation_id=command.invocation_id, reason=reason), now, limits
        )
    cancel = c.CancelInvocation(invocation_id=command.invocation_id, reason=reason)
    return cancel_invocation(state, original, c.ResolvedCancel(asked=cancel, held_back=held_back), now, limits)
