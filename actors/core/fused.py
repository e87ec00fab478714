"""The short ways: run first, record once.

Most calls find a free object. ``decide`` would accept and start such a call, and complete it when the handler has returned, or
record what it requests. Here the same is said at once: whether the call would start now (:func:`starts_at_once`), what is recorded
of it (:func:`whole_invocation`, :func:`opened_invocation`), and what becomes of the object (:func:`with_whole`,
:func:`with_opened`).

Most steps end with a value that their handler waits for, and waits for alone, and most handlers then request something else or
return. ``decide`` would complete the step, and record the request or the result when the handler has taken its turn. Here too:
whether the turn follows at once (:func:`goes_on_at_once`) and whether it may be the last (:func:`ends_at_once`), what is recorded
of it (:func:`step_turn`, :func:`last_turn`), and what becomes of the object (:func:`with_step_turn`, :func:`with_last_turn`).

Invariant: a short way is the long way, abridged. For every object to which it applies, the events of the frame are those that
``decide`` returns, and the object is their fold through ``evolve``. ``tests/core/test_fused.py`` compares both for random
objects. Whatever a short way does not apply to is decided.

Alternative refused: a second state machine for the short ways. It would be a second description of the same rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core.evolve import SPAN_GAP
from actors.core.evolve.fields import keep_changes
from actors.core.state import InvocationState, ObjectState, Wait, WaitKind
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import Caller, Kind, Link, Mode, Status
from journal.fused import (
    LastTurn,
    OpenedInvocation,
    RequestedSleep,
    RequestedStep,
    StepTurn,
    WholeInvocation,
    requested_in,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.core import commands as c
    from actors.values.limits import Limits
    from journal.events import Event, Outcome, Stamp, Target
    from journal.fused import Requested
    from journal.ids import InvocationId, StepId

# A member of an enum takes several times as long to look up as a name of the module.
_EXCLUSIVE, _COMPLETED = Mode.EXCLUSIVE, Status.COMPLETED

_NO_REQUESTS: dict[str, Status] = {}


def starts_at_once(state: ObjectState | None, command: c.ResolvedInvoke, limits: Limits) -> bool:
    """Report whether ``decide`` would accept the new invocation and start it now, with nothing else to be said.

    Its id must be new. What this leaves to ``decide``, although it might start at once: requests with an idempotency key,
    delayed messages, shared handlers, and objects whose shared handlers are running.
    """
    asked = command.asked
    if (
        command.mode is not _EXCLUSIVE
        or asked.request is not None
        or asked.scheduled_for is not None
        or len(asked.chain) > limits.call_depth
    ):
        return False
    if state is None:
        return True
    if state.holder is not None or state.queue:
        return False
    if state.invocations and not all(i.status is Status.SCHEDULED for i in state.invocations.values()):
        return False
    target = asked.target
    return (state.service == target.service and state.key == target.key) or state.kind is Kind.SERVICE


def whole_invocation(
    state: ObjectState | None,
    command: c.ResolvedInvoke,
    stamp: Stamp,
    *,
    ran_at: float,
    fields: dict[str, bytes] | None,
    result: bytes,
) -> WholeInvocation:
    """Return the record of an invocation that was asked for with this stamp and has returned ``result``."""
    asked = command.asked
    return WholeInvocation(
        asked.invocation_id,
        asked.target.handler,
        command.mode,
        stamp.at,
        stamp.cause,
        stamp.by,
        ran_at,
        asked.argument,
        asked.parameter,
        command.deployment,
        result,
        fields,
        None if state is not None else _created(command),
        None if asked.caller is None else (asked.caller.invocation_id, asked.caller.step),
        _chain(asked.chain) if asked.chain else None,
        command.atomic,
        asked.tags,
        asked.trace,
    )


def opened_invocation(
    state: ObjectState | None, command: c.ResolvedInvoke, stamp: Stamp, requests: Sequence[Event], *, ran_at: float
) -> OpenedInvocation | None:
    """Return the record of an invocation that was asked for with this stamp and whose handler made these requests in its first
    turn; None if they are other than one request that can be a part of a frame, and a change of fields."""
    found = _request_in(requests)
    if found is None:
        return None
    asked = command.asked
    return OpenedInvocation(
        asked.invocation_id,
        asked.target.handler,
        command.mode,
        stamp.at,
        stamp.cause,
        stamp.by,
        ran_at,
        asked.argument,
        asked.parameter,
        command.deployment,
        *found,
        None if state is not None else _created(command),
        None if asked.caller is None else (asked.caller.invocation_id, asked.caller.step),
        _chain(asked.chain) if asked.chain else None,
        command.atomic,
        asked.tags,
        asked.trace,
    )


def _created(command: c.ResolvedInvoke) -> tuple[str, str | None, Kind]:
    target = command.asked.target
    return target.service, target.key, command.kind


def _chain(links: Sequence[Link]) -> list[tuple[InvocationId, str, bool]]:
    return [(link.invocation_id, link.target, link.holds_key) for link in links]


def _request_in(requests: Sequence[Event]) -> tuple[Requested, dict[str, bytes] | None] | None:
    """Return the request of a turn as a part of a frame, and the changed fields. None if there is anything else."""
    fields = None
    if len(requests) == 2:
        changed = requests[1]
        if not isinstance(changed, e.FieldsChanged):
            return None
        fields = changed.fields
    elif len(requests) != 1:
        return None
    request = requests[0]
    requested = RequestedStep.of(request) if isinstance(request, e.StepScheduled) else requested_in(request)
    return None if requested is None else (requested, fields)


def with_whole(state: ObjectState | None, whole: WholeInvocation, last: int) -> ObjectState:
    """Return the object after the invocation, whose last event has the number ``last``."""
    if state is None:
        state = _object_of(whole)
    state.version = last
    if whole.fields is not None:
        # A new dictionary, for the reason that keep_changes gives.
        state.fields_version = last
        state.fields = {**state.fields, **whole.fields}
    return state


def row_of_whole(
    target: Target, kind: Kind, whole: WholeInvocation, outcome: Outcome, first: int, last: int, purge_at: float
) -> tuple[Any, ...]:
    """Return the row of an invocation that is recorded as a whole, as the events ``first`` to ``last``. ``kind`` is that of its
    object, which the ``target`` names as it is stored.

    The row is a tuple of the fields of an ``InvocationRow``, in their order, which is encoded to the same bytes and takes a tenth of
    the time to make.
    """
    caller, ran_at = whole.caller, whole.ran_at
    return (
        whole.invocation_id,
        target,
        kind,
        whole.mode,
        _COMPLETED,
        whole.asked_at,
        whole.by,
        ran_at,
        ((first if whole.created is None else first + 1, last),),
        whole.asked_at,  # started_at
        ran_at,  # completed_at
        None,  # scheduled_for
        purge_at,
        0,  # attempts
        None if caller is None else Caller(*caller),
        None,  # request
        b"",  # argument_digest
        None,  # last_failure
        "",  # pause_reason
        None,  # cancel_reason
        whole.deployment,
        outcome,
        _NO_REQUESTS,
        None,  # restarts
        (),  # successors
        (),  # awaited
        0,  # step_tries
        whole.tags,
        whole.trace,
        None,  # expires_at
        "",  # status_text
    )


def with_opened(state: ObjectState | None, opened: OpenedInvocation, last: int) -> ObjectState:
    """Return the object after the first turn of the invocation, whose last event has the number ``last``."""
    if state is None:
        state = _object_of(opened)
    of, count = opened.invocation_id, opened.count - (opened.created is not None)
    state.version = last
    state.holder = of
    invocation = state.invocations[of] = InvocationState(
        invocation_id=of,
        handler=opened.handler,
        mode=opened.mode,
        status=Status.RUNNING,
        accepted_at=opened.asked_at,
        accepted_by=opened.by,
        started_at=opened.asked_at,
        modified_at=opened.ran_at,
        spans=[(last - count + 1, last)],
        caller=None if opened.caller is None else Caller(*opened.caller),
        chain=[Link(*link) for link in opened.chain or ()],
        atomic=opened.atomic,
        deployment=opened.deployment,
        tags=opened.tags,
        trace=opened.trace,
        event_count=count,
        value_bytes=len(opened.argument),
    )
    _go_on(invocation, opened.request, opened.fields, opened.ran_at)
    return state


def _object_of(call: WholeInvocation | OpenedInvocation) -> ObjectState:
    if call.created is None:
        raise BrokenInvariant(f"{call.invocation_id} is not the first of its object, which has no state")
    service, key, kind = call.created
    return ObjectState(service=service, key=key, kind=kind)


def _go_on(invocation: InvocationState, request: Requested, fields: dict[str, bytes] | None, at: float) -> None:
    """Note what the handler, which waits for nothing else, requested and changed in a turn ``at`` that time."""
    if isinstance(request, RequestedStep):
        invocation.value_bytes += len(request.argument)
        invocation.waits[request.step] = Wait(WaitKind.STEP, at, request.name)
    else:
        if isinstance(request, RequestedSleep):
            wait = Wait(WaitKind.SLEEP, at, at=request.wake_at)
        else:
            wait = Wait(WaitKind.SIGNAL, at, request.name)
        invocation.waits[request.step] = wait
        invocation.status = Status.SUSPENDED
    if fields is not None:
        size = sum(map(len, fields.values()))
        invocation.value_bytes += size
        invocation.changes.write(fields, size)


def goes_on_at_once(invocation: InvocationState, step: StepId, seen: int) -> bool:
    """Report whether the handler would be given the value of the step now, with nothing else to be said: it waits for this
    step alone, and has been given everything up to the event ``seen``.

    What this leaves to ``decide``, although the handler might go on: a step that had failed, and everything about an invocation
    that was cancelled or asked to pause.
    """
    waits = invocation.waits
    wait = waits.get(step)
    return (
        wait is not None
        and len(waits) == 1
        and wait.kind is WaitKind.STEP
        and wait.attempts == 0
        and invocation.status is Status.RUNNING
        and invocation.cancel is None
        and invocation.pending_pause is None
        and invocation.unseen <= seen
    )


def ends_at_once(state: ObjectState, invocation: InvocationState) -> bool:
    """Report whether the invocation, whose last step has ended, would complete with a value now and nothing would follow but the
    answer to its caller.

    What this leaves to ``decide``: an object whose next invocation waits, items of collections that were changed, a time at which the
    invocation would expire, and calls that attached to it.
    """
    changes, of = invocation.changes, invocation.invocation_id
    return (
        not state.queue
        and invocation.expires_at is None
        and invocation.retry_at is None
        and not (changes.logs or changes.maps or invocation.attached)
        and (len(state.invocations) == 1 or all(other.waits_for != of for other in state.invocations.values()))
    )


def step_turn(completed: e.StepCompleted, requests: Sequence[Event], *, at: float, turned_at: float) -> StepTurn | None:
    """Return the record of a step that ended ``at`` with a value, and of the turn after it, in which the handler made these
    requests; None if they are other than one request that can be a part of a frame, and a change of fields, or if the step has
    attributes."""
    found = None if completed.attributes else _request_in(requests)
    if found is None:
        return None
    of, step, value = completed.invocation_id, completed.step, completed.outcome.value
    return StepTurn(of, at, step, value, *found, None if turned_at == at else turned_at)


def with_step_turn(state: ObjectState, turn: StepTurn, first: int) -> None:
    """Change the object as the turn does, whose first event has the number ``first``."""
    invocation, count = state.invocations[turn.invocation_id], 2 if turn.fields is None else 3
    last = state.version = first + count - 1
    invocation.event_count += count
    invocation.unseen = 0
    invocation.value_bytes += len(turn.value)
    _add_span(invocation, first, last)
    del invocation.waits[turn.step]
    at = invocation.modified_at = turn.at if turn.turned_at is None else turn.turned_at
    _go_on(invocation, turn.request, turn.fields, at)


def last_turn(
    completed: e.StepCompleted, changes: Sequence[Event], result: bytes, *, at: float, turned_at: float
) -> LastTurn | None:
    """Return the record of a step that ended ``at`` with a value, and of the turn after it, in which the handler made these changes
    and returned ``result``; None if they are other than a change of fields, or if the step has attributes."""
    fields = None
    if changes:
        changed = changes[0]
        if len(changes) != 1 or not isinstance(changed, e.FieldsChanged):
            return None
        fields = changed.fields
    if completed.attributes:
        return None
    turned = None if turned_at == at else turned_at
    return LastTurn(completed.invocation_id, at, completed.step, completed.outcome.value, result, fields, turned)


def with_last_turn(state: ObjectState, turn: LastTurn, first: int) -> InvocationState:
    """Change the object as the turn does, whose first event has the number ``first``. Returns the invocation as it was at its end."""
    invocation = state.invocations.pop(turn.invocation_id)
    last = state.version = first + turn.count - 1
    _add_span(invocation, first, last)
    if state.holder == turn.invocation_id:
        state.holder = None
    if turn.fields is not None:
        invocation.changes.write(turn.fields, sum(map(len, turn.fields.values())))
    if invocation.changes:
        keep_changes(state, invocation.changes)
    return invocation


def _add_span(invocation: InvocationState, first: int, last: int) -> None:
    since, until = invocation.spans[-1]
    if first - until <= SPAN_GAP:
        invocation.spans[-1] = (since, last)
    else:
        invocation.spans.append((first, last))
