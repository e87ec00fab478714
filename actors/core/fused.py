"""The short way of a call: run first, record once.

Most calls find a free object. ``decide`` would accept and start such a call, and then record the result or the requests of its handler.
This module does the same in one step: :func:`starts_at_once` reports whether the call would start now, :func:`whole_invocation` and
:func:`opened_invocation` return its record, and :func:`with_whole` and :func:`with_opened` return the object after it.
The turns after the first have a short way of their own (``actors.core.resumed``).

Invariant: the short way has the same result as the long way. For every object to which it applies, the events of the frame are the
events that ``decide`` returns, and the object is their fold through ``evolve``. ``tests/core/test_fused.py`` compares both for random
objects. All other calls take the long way.

Alternative refused: a second state machine for the short ways. It would be a second description of the same rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core.state import InvocationState, ObjectState, Wait, WaitKind
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import Caller, Kind, Link, Mode, Status, Target
from journal.fused import OpenedInvocation, WholeInvocation
from journal.waits import RequestedCall, RequestedSleep, RequestedStep, requested_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.core import commands as c
    from actors.values.limits import Limits
    from journal.events import Outcome, Stamp
    from journal.ids import InvocationId
    from journal.waits import Requested, TurnPart

# A member of an enum takes several times as long to look up as a name of the module.
_EXCLUSIVE, _COMPLETED, _RUNNING, _SUSPENDED = Mode.EXCLUSIVE, Status.COMPLETED, Status.RUNNING, Status.SUSPENDED
_STEP, _CALL, _SLEEP, _SIGNAL = WaitKind.STEP, WaitKind.CALL, WaitKind.SLEEP, WaitKind.SIGNAL

_NO_REQUESTS: dict[str, Status] = {}


def starts_at_once(state: ObjectState | None, command: c.ResolvedInvoke, limits: Limits) -> bool:
    """Report whether ``decide`` would return exactly two events: the acceptance and the start of this new invocation.

    Its id must be new. The answer is also False for some calls that might start at once: requests with an idempotency key,
    delayed messages, calls that a budget of an invocation counts, shared handlers, and objects whose shared handlers are running.
    """
    asked = command.asked
    if (
        command.mode is not _EXCLUSIVE
        or asked.request is not None
        or asked.scheduled_for is not None
        or asked.budget is not None
        or asked.budgets
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
    """Return the record of an invocation whose request has this stamp and whose handler has returned ``result``."""
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
    state: ObjectState | None,
    command: c.ResolvedInvoke,
    stamp: Stamp,
    requests: Sequence[TurnPart],
    *,
    ran_at: float,
) -> OpenedInvocation | None:
    """Return the record of an invocation whose request has this stamp and whose handler made these requests in its first turn. Return
    None unless they are a single request that can be a part of a frame, with or without a change of fields."""
    found = request_in(requests)
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


def request_in(requests: Sequence[TurnPart]) -> tuple[Requested, dict[str, bytes] | None] | None:
    """Return the request of a turn as a part of a frame, and the changed fields; None if the turn has other events."""
    fields = None
    if len(requests) == 2:
        changed = requests[1]
        if not isinstance(changed, e.FieldsChanged):
            return None
        fields = changed.fields
    elif len(requests) != 1:
        return None
    request = requests[0]
    if isinstance(request, RequestedStep):
        return request, fields
    requested = requested_in(request)
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
        None,  # spent
        None,  # pause_cause
        None,  # budget
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
        status=_RUNNING,
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
    go_on(invocation, opened.request, opened.fields, opened.ran_at)
    return state


def _object_of(call: WholeInvocation | OpenedInvocation) -> ObjectState:
    if call.created is None:
        raise BrokenInvariant(f"{call.invocation_id} is not the first of its object, which has no state")
    service, key, kind = call.created
    return ObjectState(service=service, key=key, kind=kind)


def go_on(invocation: InvocationState, request: Requested, fields: dict[str, bytes] | None, at: float) -> None:
    """Apply the request and the changes of a turn ``at`` that time to an invocation that waits for nothing else."""
    if isinstance(request, RequestedStep):
        invocation.value_bytes += len(request.argument)
        invocation.waits[request.step] = Wait(_STEP, at, request.name)
        invocation._running_steps = 1
        invocation.status = _RUNNING
    else:
        if isinstance(request, RequestedCall):
            invocation.value_bytes += len(request.argument)
            wait = Wait(_CALL, at, str(Target(*request.target)), callee=request.callee)
        elif isinstance(request, RequestedSleep):
            wait = Wait(_SLEEP, at, at=request.wake_at)
        else:
            wait = Wait(_SIGNAL, at, request.name)
        invocation.waits[request.step] = wait
        invocation.status = _SUSPENDED
    if fields is not None:
        size = sum(map(len, fields.values()))
        invocation.value_bytes += size
        invocation.changes.write(fields, size)
