"""What can be seen of invocations, from a live runtime, over HTTP, or from a data directory at rest.

The classes are plain data: they are sent as JSON as they are. Users' values in them are plain Python (what JSON has a word for).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.core.gates import NO_GATES, Gate, GateChange, Gates, GateState
from actors.core.state import REQUEST
from actors.errors import CircleLink
from actors.model.fields import FieldKind
from journal.events import (
    Caller,
    Failure,
    Kind,
    Lineage,
    Mode,
    Outcome,
    OutcomeKind,
    PauseMode,
    Status,
    Target,
)
from journal.ids import InvocationId, StepId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.core.deadlocks import WaitCycle
    from actors.core.state import InvocationState, ObjectState, Wait
    from journal.rows import InvocationRow


@attrs.frozen(kw_only=True)
class HandlerInfo:
    """A handler that is served: its name, what it takes and gives as JSON schemas (empty: anything), and what it
    cannot do without."""

    name: str
    mode: Mode
    parameters: dict[str, Any]
    aliases: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    result: Any = None
    doc: str = ""


@attrs.frozen(kw_only=True)
class FieldInfo:
    """A field of the objects of a class: how it is kept, the JSON schema of its value, or of its items (empty: anything), of the
    keys of a map, and what a plain one is where it was never written."""

    name: str
    kind: FieldKind
    value: Any = None
    key: Any = None
    default: Any = None


@attrs.frozen(kw_only=True)
class ServiceInfo:
    """A class that is served; or, without ``is_served``, one that the app lacks though objects of it are stored, of which nothing but
    its name and kind is known."""

    name: str
    kind: Kind
    handlers: tuple[HandlerInfo, ...]
    aliases: tuple[str, ...] = ()
    is_served: bool = True
    fields: tuple[FieldInfo, ...] = ()
    doc: str = ""


class StepPhase(enum.Enum):
    """What a step that has been asked for is at, in the process that runs it."""

    TURN = "turn"
    """It waits: ``Limits.running_steps`` others run."""
    EARLIER_TRY = "earlier_try"
    """It waits for the abandoned thread of an earlier try of it."""
    THREAD = "thread"
    """It waits for a thread: all ``Limits.threads`` are taken."""
    RUNS = "runs"
    STOPPING = "stopping"
    """It was timed out, cancelled or aborted, and its body has not given way yet."""
    ABANDONED = "abandoned"
    """As ``stopping``, and nothing that it says counts any more: it begins again if its invocation goes on."""


@attrs.frozen(kw_only=True)
class WaitInfo:
    """Something that an invocation waits for: a step, a timer, a call, a signal; since when, until when (wall seconds).

    ``phase`` is what a step is at, where it is known: in the process that runs it. ``note`` says more of that in words.
    """

    step: StepId
    kind: str
    name: str
    since: float
    until: float | None = None
    invocation_id: InvocationId | None = None
    failed_attempts: int = 0
    max_attempts: int | None = None
    phase: StepPhase | None = None
    note: str = ""


@attrs.frozen(kw_only=True)
class StepDoing:
    """What a step of a running process is at, and what there is to say of it."""

    phase: StepPhase
    note: str = ""


@attrs.frozen(kw_only=True)
class LeftBehind:
    """What was stopped and has not ended: the names of an invocation's own ``steps`` in abandoned threads, and the invocations whose
    steps it waits for (``unwinding``)."""

    steps: tuple[str, ...] = ()
    unwinding: tuple[InvocationId, ...] = ()


NOTHING_LEFT = LeftBehind()


@attrs.frozen(kw_only=True)
class CodeWait:
    """The code of an invocation is not loaded: the error of the last of so many ``tries``, and when the next one is, in wall
    seconds. Without an error it is being loaded."""

    deployment: str
    error: str = ""
    tries: int = 0
    again_at: float | None = None


@attrs.frozen(kw_only=True)
class KeyWait:
    """An invocation waits for its object: who has it, and how many are before it in the mailbox."""

    holder: InvocationId | None
    ahead: int


@attrs.frozen(kw_only=True)
class FailureInfo:
    """An error as it is kept."""

    type: str
    message: str
    traceback: str = ""
    details: Any = None


@attrs.frozen(kw_only=True)
class OutcomeInfo:
    """How it ended: with a value, or with a failure, or stopped for a reason."""

    kind: OutcomeKind
    value: Any = None
    failure: FailureInfo | None = None
    reason: str = ""


@attrs.frozen(kw_only=True)
class GateInfo:
    """A gate: what it holds, as text (``service:Agent``), since when, by whom and why; or, open, an exception to a wider one."""

    scope: str
    state: GateState
    mode: PauseMode
    since: float
    by: str
    reason: str = ""


@attrs.frozen(kw_only=True)
class GateAnswer:
    """What closing or opening a scope did: whether any gate changed, and the state of the scope before and after.

    ``gate`` is the closed one that holds the scope now, its own or a wider one.
    """

    scope: str
    changed: bool
    before: GateState
    after: GateState
    gate: GateInfo | None = None


@attrs.frozen(kw_only=True)
class InvocationInfo:
    """Everything that is known of an invocation. Times are wall seconds.

    ``restarts`` is the invocation that this one repeats, and from which step; ``successors`` are those that repeat it.
    ``phase`` is ``cancelling`` or ``pausing`` while it has been asked to and has not obeyed yet, and ``held`` while a ``gate`` is
    closed before it (the widest, if there are several). Its events lie between ``first_event`` and ``last_event`` in the log of
    its object, with others' between them. ``behind`` is the one that it repeats and whose end it waits for. ``deployment`` is the
    code that it runs on; empty: whatever is served. ``requests`` are the latest that it obeyed under an idempotency key, each
    with the status that it had before. ``circle`` names those that wait for each other, if it is one of them. ``abandoned_steps``
    are its plain steps that were timed out or cancelled and whose threads have not ended. ``unwinding`` are those that had its key
    before and were stopped, and whose steps have not given way: it begins after them, or after ten seconds.
    """

    id: InvocationId
    target: Target
    kind: Kind
    mode: Mode
    status: Status
    created_at: float
    created_by: str
    modified_at: float
    phase: str = ""
    started_at: float | None = None
    completed_at: float | None = None
    scheduled_for: float | None = None
    purge_at: float | None = None
    failed_attempts: int = 0
    max_attempts: int | None = None
    retry_at: float | None = None
    caller: Caller | None = None
    idempotency_key: str | None = None
    last_failure: FailureInfo | None = None
    pause_reason: str = ""
    paused_by: str = ""
    paused_at: float | None = None
    key_wait: KeyWait | None = None
    code_wait: CodeWait | None = None
    behind: InvocationId | None = None
    cancel_reason: str | None = None
    deployment: str = ""
    outcome: OutcomeInfo | None = None
    restarts: Lineage | None = None
    successors: tuple[InvocationId, ...] = ()
    gate: GateInfo | None = None
    requests: dict[str, Status] = attrs.field(factory=dict)
    circle: tuple[CircleLink, ...] = ()
    abandoned_steps: tuple[str, ...] = ()
    unwinding: tuple[InvocationId, ...] = ()
    waits: tuple[WaitInfo, ...] = ()
    first_event: int = 0
    last_event: int = 0


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
) -> InvocationInfo:
    """What is known, from its row, from its own and its object's state while it is open, from the gates before it, and from what
    the process that runs its steps is ``doing`` and has ``left``."""
    target, is_open = row.target, row.status is not Status.COMPLETED
    holding = (
        gates.holding(target.service, target.key, target.handler, row.deployment, accepted_at=row.created_at)
        if is_open
        else []
    )
    at = {} if doing is None else doing
    open_waits = {} if open_state is None else open_state.waits
    waits = tuple(_wait_info(step, wait, at.get(step)) for step, wait in open_waits.items())
    return InvocationInfo(
        id=row.invocation_id,
        target=row.target,
        kind=row.kind,
        mode=row.mode,
        status=row.status,
        phase=_phase_of(row, open_state, is_held=bool(holding)),
        created_at=row.created_at,
        created_by=row.created_by,
        modified_at=row.modified_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        scheduled_for=row.scheduled_for,
        purge_at=row.purge_at,
        failed_attempts=row.attempts,
        max_attempts=None if open_state is None else open_state.max_attempts,
        retry_at=None if open_state is None else open_state.retry_at,
        caller=row.caller,
        idempotency_key=row.request,
        last_failure=failure_info(row.last_failure),
        pause_reason=_pause_reason(row, open_state),
        paused_by="" if open_state is None else open_state.paused_by,
        paused_at=None if open_state is None else open_state.paused_at,
        code_wait=code_wait,
        key_wait=_key_wait(state, row.invocation_id),
        behind=_behind(state, open_state),
        cancel_reason=row.cancel_reason,
        deployment=row.deployment,
        outcome=None if row.outcome is None else outcome_info(row.outcome),
        restarts=row.restarts,
        successors=tuple(row.successors),
        gate=gate_info(holding[0]) if holding else None,
        requests={cause.removeprefix(REQUEST): before for cause, before in row.obeyed.items()},
        circle=() if circle is None else circle.links,
        abandoned_steps=left.steps,
        unwinding=left.unwinding,
        waits=waits,
        first_event=row.spans[0][0],
        last_event=row.spans[-1][1],
    )


def _pause_reason(row: InvocationRow, open_state: InvocationState | None) -> str:
    return row.pause_reason if open_state is None or open_state.pausing is None else open_state.pausing


def _key_wait(state: ObjectState | None, of: InvocationId) -> KeyWait | None:
    if state is None or of not in state.queue:
        return None
    return KeyWait(holder=state.holder, ahead=state.queue.index(of))


def _behind(state: ObjectState | None, open_state: InvocationState | None) -> InvocationId | None:
    behind = None if open_state is None else open_state.behind
    return behind if state is not None and behind in state.invocations else None


def outcome_info(outcome: Outcome) -> OutcomeInfo:
    """How it ended, for readers."""
    return OutcomeInfo(
        kind=outcome.kind,
        value=plain(outcome.value),
        failure=failure_info(outcome.failure),
        reason=outcome.reason,
    )


def failure_info(failure: Failure | None) -> FailureInfo | None:
    """A failure for readers."""
    if failure is None:
        return None
    return FailureInfo(
        type=failure.type,
        message=failure.message,
        traceback=failure.traceback,
        details=plain(failure.details),
    )


def plain(value: Any) -> Any:
    """As JSON has it. Bytes in events are JSON already; bytes that are not are shown as text, so that one value that cannot
    be read hides nothing else."""
    if isinstance(value, bytes):
        return _read_json(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
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
    """What was asked of it and has not happened yet, or what keeps it from going on."""
    if invocation is not None and invocation.pausing is not None:
        return "pausing"
    if is_held and row.status is not Status.PAUSED:
        return "held"
    return "cancelling" if invocation is not None and invocation.cancel is not None else ""


def gate_info(gate: Gate) -> GateInfo:
    """A gate for readers."""
    return GateInfo(
        scope=str(gate.scope), state=gate.state, mode=gate.mode, since=gate.since, by=gate.by, reason=gate.reason
    )


def gate_answer(change: GateChange) -> GateAnswer:
    """What became of a gate, for readers."""
    return GateAnswer(
        scope=str(change.scope),
        changed=change.changed,
        before=change.before,
        after=change.after,
        gate=None if change.gate is None else gate_info(change.gate),
    )


def belongs_to(event: Any, invocation_id: InvocationId) -> bool:
    """Whether the event is part of the invocation's history."""
    return getattr(event, "invocation_id", None) == invocation_id


def _wait_info(step: StepId, wait: Wait, doing: StepDoing | None) -> WaitInfo:
    return WaitInfo(
        step=step,
        kind=wait.kind.value,
        name=wait.name,
        since=wait.since,
        until=wait.at,
        invocation_id=wait.callee,
        failed_attempts=wait.attempts,
        max_attempts=wait.max_attempts,
        phase=None if doing is None else doing.phase,
        note="" if doing is None else doing.note,
    )
