"""Public records of invocations, the same from a live runtime, over HTTP, or from a data directory at rest.

The classes are plain data and are sent as JSON unchanged. User values in them are plain Python values that JSON represents.

::

    InvocationRow (journal.rows) ──┐
    InvocationState, while open ───┼─► InvocationInfo ──► client, HTTP and the command line, as JSON
    gates, running steps, code ────┘          └─────────► the columns of sys_invocation: names, types, descriptions

:class:`InvocationInfo` is the one public record. It is not the stored row, for two reasons. First, some properties change without a write of the
row, so they are added when the record is read: whether the key, a gate or the code holds the invocation, the phases of its steps, and
its waits. Second, every commit of an invocation writes the row, so it is a short array of fields in a fixed order, with outcomes as the
bytes that the handler produced. Decoding these bytes costs more than the rest of the row, and only readers do it. In a common class,
many fields would be unset on disk or outdated in memory.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import msgspec

from actors.core.gates import NO_GATES, Gates
from actors.core.limits import LimitWait
from actors.core.state import REQUEST
from actors.errors import CircleLink, ErrorCode
from actors.model.gate_info import GateInfo, gate_info
from actors.model.wait_info import LOCK_WAIT, NOTHING_LEFT, CodeWait, KeyWait, LeftBehind, StepDoing, WaitInfo
from actors.values.error_details import recorded_code
from journal.events import (
    Caller,
    Failure,
    Kind,
    Lineage,
    Mode,
    Outcome,
    OutcomeKind,
    PauseCause,
    Status,
    Target,
)
from journal.fields import described, moment
from journal.ids import InvocationId, StepId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.core.deadlocks import WaitCycle
    from actors.core.gates import Gate
    from actors.core.state import InvocationState, ObjectState, Wait
    from journal.rows import InvocationRow


@attrs.frozen(kw_only=True)
class FailureInfo:
    """The public record of an error. ``code`` says what happened if it is one of :mod:`actors.errors`, and is None otherwise."""

    type: str
    message: str
    traceback: str = ""
    details: Any = None
    code: ErrorCode | None = None


@attrs.frozen(kw_only=True)
class OutcomeInfo:
    """The public record of an outcome: a value, a failure, or the reason why it was stopped. ``expired`` says that it was
    cancelled because its ``max_duration`` was over."""

    kind: OutcomeKind
    value: Any = None
    failure: FailureInfo | None = None
    reason: str = ""
    expired: bool = False


@attrs.frozen(kw_only=True)
class InvocationInfo:
    """The public record of an invocation. Times are wall seconds.

    ``restarts`` is the invocation that this one repeats, and from which step; ``successors`` are its own restarts. ``phase`` is
    ``cancelling`` or ``pausing`` until a requested cancel or pause takes effect, and ``held`` while a closed ``gate`` holds it
    (the widest, if there are several). Its events are between ``first_event`` and ``last_event`` in the log of its object, mixed
    with others'. ``waits_for`` is its original, if it waits for the original's end; of an
    update, the run that carries it out. ``deployment`` is the code that it runs
    on; empty means the code that is served. ``requests`` are the latest requests with an idempotency key that were applied to it,
    each with the status before. ``circle`` are the invocations that wait for each other, if it is one of them.
    ``abandoned_steps`` are its plain steps that timed out or were cancelled and whose threads have not ended. ``unwinding`` are
    stopped invocations that had its key before and whose steps have not stopped: it begins after them, or after ten seconds.
    ``limit_wait`` is the limit
    that it waits for. ``tags`` are its tags by name. At ``expires_at`` it is cancelled if it has not ended: its ``max_duration`` is over.
    ``status_text`` is the text that its handler set with :func:`actors.set_status_text`, and ``spent`` has the sums of its own calls of
    :func:`actors.spend`. ``budget`` is its own budget, and ``budget_spent`` has the amounts of it that it and the invocations that it
    called have spent. ``pause_cause`` is the cause of its pause.
    """

    id: Annotated[InvocationId, described("the invocation's id")]
    target: Target
    kind: Annotated[Kind, described("actor, service or workflow")]
    mode: Annotated[Mode, described("exclusive or shared")]
    status: Annotated[Status, described("scheduled, queued, running, suspended, backing_off, paused or completed")]
    created_at: Annotated[float, moment("when it was accepted")]
    created_by: Annotated[str, described("the requester")]
    modified_at: Annotated[float, moment("when its row was last written")]
    phase: str = ""
    started_at: Annotated[float | None, moment("when its handler began")] = None
    completed_at: Annotated[float | None, moment("when it ended")] = None
    scheduled_for: Annotated[float | None, moment("the time at which it is to start")] = None
    purge_at: Annotated[float | None, moment("when its history is to be deleted")] = None
    failed_attempts: Annotated[int, described("the number of failed attempts since it was last resumed")] = 0
    max_attempts: int | None = None
    retry_at: float | None = None
    caller: Caller | None = None
    idempotency_key: Annotated[str | None, described("the idempotency key of the request")] = None
    last_failure: FailureInfo | None = None
    pause_reason: Annotated[str, described("why it is paused")] = ""
    paused_by: str = ""
    paused_at: float | None = None
    key_wait: KeyWait | None = None
    code_wait: CodeWait | None = None
    limit_wait: LimitWait | None = None
    waits_for: InvocationId | None = None
    cancel_reason: Annotated[str | None, described("the reason of the requested cancel")] = None
    deployment: Annotated[str, described("the deployment whose code it runs on, once it has started")] = ""
    outcome: OutcomeInfo | None = None
    restarts: Lineage | None = None
    successors: tuple[InvocationId, ...] = ()
    gate: GateInfo | None = None
    requests: dict[str, Status] = attrs.field(factory=dict)
    circle: tuple[CircleLink, ...] = ()
    abandoned_steps: tuple[str, ...] = ()
    unwinding: tuple[InvocationId, ...] = ()
    waits: tuple[WaitInfo, ...] = ()
    tags: Annotated[dict[str, str], described("its tags by name")] = attrs.field(factory=dict)
    expires_at: Annotated[float | None, moment("when it is cancelled if it has not ended")] = None
    status_text: Annotated[str, described("the text that its handler has set to say what it does")] = ""
    pause_cause: Annotated[
        PauseCause | None, described("the cause of its pause, such as requested, exhausted or budget")
    ] = None
    spent: Annotated[dict[str, str], described("the amounts that it has used up, by the name of the quantity")] = (
        attrs.field(factory=dict)
    )
    budget: Annotated[
        dict[str, str] | None,
        described("how much it and the invocations that it calls may spend, by the name of the quantity"),
    ] = None
    budget_spent: Annotated[
        dict[str, str], described("the amounts of its budget that it and the invocations that it called have spent")
    ] = attrs.field(factory=dict)
    first_event: int = 0
    last_event: int = 0


NOTHING_SPENT: Mapping[str, str] = {}


def info_of(
    row: InvocationRow,
    open_state: InvocationState | None,
    gates: Gates = NO_GATES,
    *,
    state: ObjectState | None = None,
    doing: Mapping[StepId, StepDoing] | None = None,
    code_wait: CodeWait | None = None,
    circle: WaitCycle | None = None,
    left: LeftBehind = NOTHING_LEFT,
    limit_wait: LimitWait | None = None,
    budget_spent: Mapping[str, str] = NOTHING_SPENT,
) -> InvocationInfo:
    """Return the public record of an invocation. Its sources are the row; while it is open, its state, its object's state and the gates
    that hold it; and, from the process that runs its steps, what they are ``doing`` and what they have ``left``.
    """
    gate, at, open_waits = _gate_of(row, gates), doing or {}, {} if open_state is None else open_state.waits
    return attrs.evolve(
        recorded_info(row),
        phase=_phase_of(row, open_state, is_held=gate is not None),
        max_attempts=None if open_state is None else open_state.max_attempts,
        retry_at=None if open_state is None else open_state.retry_at,
        pause_reason=_pause_reason(row, open_state),
        paused_by="" if open_state is None else open_state.paused_by,
        paused_at=None if open_state is None else open_state.paused_at,
        code_wait=code_wait,
        key_wait=_key_wait(state, row.invocation_id),
        limit_wait=limit_wait,
        waits_for=_waits_for(state, open_state),
        gate=None if gate is None else gate_info(gate),
        circle=() if circle is None else circle.links,
        abandoned_steps=left.steps,
        unwinding=left.unwinding,
        waits=tuple(_wait_info(step, wait, at.get(step)) for step, wait in open_waits.items()),
        budget_spent=dict(budget_spent),
    )


def recorded_info(row: InvocationRow) -> InvocationInfo:
    """Return the part of an invocation's record that its row has."""
    return InvocationInfo(
        id=row.invocation_id,
        target=row.target,
        kind=row.kind,
        mode=row.mode,
        status=row.status,
        created_at=row.created_at,
        created_by=row.created_by,
        modified_at=row.modified_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        scheduled_for=row.scheduled_for,
        purge_at=row.purge_at,
        failed_attempts=row.attempts,
        caller=row.caller,
        idempotency_key=row.request,
        last_failure=failure_info(row.last_failure),
        cancel_reason=row.cancel_reason,
        deployment=row.deployment,
        outcome=None if row.outcome is None else outcome_info(row.outcome),
        restarts=row.restarts,
        successors=tuple(row.successors),
        requests={cause.removeprefix(REQUEST): before for cause, before in row.applied_requests.items()},
        tags=row.tags or {},
        expires_at=row.expires_at,
        status_text=row.status_text,
        pause_cause=row.pause_cause,
        spent=row.spent or {},
        budget=row.budget,
        first_event=row.spans[0][0],
        last_event=row.spans[-1][1],
    )


def _gate_of(row: InvocationRow, gates: Gates) -> Gate | None:
    """Return the first closed gate that holds the invocation; None if it is not held or has completed."""
    if row.status is Status.COMPLETED:
        return None
    target = row.target
    holding = gates.holding(target.service, target.key, target.handler, row.deployment, accepted_at=row.created_at)
    return holding[0] if holding else None


def _pause_reason(row: InvocationRow, open_state: InvocationState | None) -> str:
    return row.pause_reason if open_state is None or open_state.pending_pause is None else open_state.pending_pause


def _key_wait(state: ObjectState | None, of: InvocationId) -> KeyWait | None:
    if state is None or of not in state.queue:
        return None
    return KeyWait(holder=state.holder, ahead=state.queue.index(of))


def _waits_for(state: ObjectState | None, open_state: InvocationState | None) -> InvocationId | None:
    if open_state is not None and open_state.run is not None:
        return open_state.run
    predecessor = None if open_state is None else open_state.waits_for
    return predecessor if state is not None and predecessor in state.invocations else None


def outcome_info(outcome: Outcome) -> OutcomeInfo:
    """Return the public form of an outcome."""
    return OutcomeInfo(
        kind=outcome.kind,
        value=plain(outcome.value),
        failure=failure_info(outcome.failure),
        reason=outcome.reason,
        expired=outcome.expired,
    )


def failure_info(failure: Failure | None) -> FailureInfo | None:
    """Return the public form of a failure."""
    if failure is None:
        return None
    return FailureInfo(
        type=failure.type,
        message=failure.message,
        traceback=failure.traceback,
        details=plain(failure.details),
        code=recorded_code(failure),
    )


def plain(value: Any) -> Any:
    """Return a value as JSON represents it. Bytes in events are JSON already; other bytes are shown as text, so that
    one unreadable value hides nothing else.
    """
    if isinstance(value, bytes):
        return _read_json(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if attrs.has(type(value)):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    return value


def _read_json(value: bytes) -> Any:
    if not value:
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value.decode("utf-8", "backslashreplace")


def _phase_of(row: InvocationRow, invocation: InvocationState | None, *, is_held: bool) -> str:
    """Return a requested change that has not taken effect yet, or the gate that holds it."""
    if invocation is not None and invocation.pending_pause is not None:
        return "pausing"
    if is_held and row.status is not Status.PAUSED:
        return "held"
    return "cancelling" if invocation is not None and invocation.cancel is not None else ""


def belongs_to(event: Any, invocation_id: InvocationId) -> bool:
    """Report whether the event belongs to the invocation's history."""
    return getattr(event, "invocation_id", None) == invocation_id


def _wait_info(step: StepId, wait: Wait, doing: StepDoing | None) -> WaitInfo:
    return WaitInfo(
        step=step,
        kind=LOCK_WAIT if wait.after is not None else wait.kind.value,
        name=wait.name,
        since=wait.since,
        until=wait.at,
        invocation_id=wait.after or wait.callee,
        failed_attempts=wait.attempts,
        max_attempts=wait.max_attempts,
        phase=None if doing is None else doing.phase,
        note="" if doing is None else doing.note,
        heartbeat=plain(wait.heartbeat) if wait.heartbeat else None,
    )
