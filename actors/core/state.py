"""The state of an object: the fold of its events.

It is small, because a snapshot is this class as msgpack and many objects are in memory. It does not contain completed
invocations, histories (only their positions), or the items of ``Log`` and ``Map`` fields.
"""

from __future__ import annotations

import attrs
import msgspec

from journal.errors import BrokenInvariant
from journal.events import Caller, Constant, Failure, Kind, Lineage, Link, Mode, PauseCause, Status, TraceContext
from journal.ids import InvocationId, StepId

REQUEST = "request:"
"""The prefix of an event's cause if a client requested the event under an idempotency key."""

_REMEMBERED_REQUESTS = 16


def with_request(applied: dict[str, Status], cause: str, before: Status) -> dict[str, Status]:
    """Return the latest applied requests, each with the status that it found, with this one added."""
    if not cause.startswith(REQUEST) or cause in applied:
        return applied
    kept = list(applied.items())[1 - _REMEMBERED_REQUESTS :]
    return {**dict(kept), cause: before}


class WaitKind(Constant):
    """The kinds of wait of an invocation."""

    STEP = "step"
    STEP_RETRY = "step_retry"
    SLEEP = "sleep"
    DEADLINE = "deadline"
    CALL = "call"
    ATTACH = "attach"
    SIGNAL = "signal"
    VERB = "verb"


class Wait(msgspec.Struct, gc=False):
    """An operation that has begun and not ended. ``since`` is its start, ``at`` the time at which it is due, and
    ``callee`` the awaited invocation. ``is_fixed`` says that an idempotency key determines the id of the callee. ``question`` is the
    question whose answer is awaited, and ``heartbeat`` are the details of a step's last heartbeat, as JSON. ``after`` is the invocation that
    has an awaited lock or gets it before."""

    kind: WaitKind
    since: float
    name: str = ""
    at: float | None = None
    callee: InvocationId | None = None
    attempts: int = 0
    max_attempts: int | None = None
    is_fixed: bool = False
    question: str = ""
    heartbeat: bytes = b""
    after: InvocationId | None = None


@attrs.define
class OpenQuestion:
    """A question without an answer. ``number`` is the event that asked it. Its link is refused from ``expires_at`` on, and while
    ``is_closed`` is true: the handler has stopped waiting for the answer, or has received another signal instead."""

    number: int
    expires_at: float | None
    is_closed: bool = False

    def has_expired(self, now: float) -> bool:
        """Report whether its link has expired."""
        return self.expires_at is not None and now >= self.expires_at


@attrs.define
class Cancel:
    """A cancel that was requested. ``overtook`` says that the handler returned once without meeting it, and ``expired`` that
    the ``max_duration`` of the invocation was over."""

    reason: str
    by: str
    at: float
    kill_at: float | None = None
    overtook: bool = False
    expired: bool = False


@attrs.define
class Changes:
    """The writes of a handler that are not in its object yet; they are applied when the handler completes.

    Until then a replay starts from the object as it was and makes the same writes again. ``size`` is the number of
    bytes of all values.
    """

    fields: dict[str, bytes] = attrs.field(factory=dict)
    logs: dict[str, list[bytes]] = attrs.field(factory=dict)
    maps: dict[str, dict[str, bytes | None]] = attrs.field(factory=dict)
    size: int = 0

    def write(self, fields: dict[str, bytes], size: int) -> None:
        """Set fields; ``size`` is the number of bytes of the new values."""
        known = self.fields
        self.size += size - sum([len(known[name]) for name in known.keys() & fields.keys()]) if known else size
        known.update(fields)

    def extend(self, field: str, items: list[bytes]) -> None:
        """Append items to a ``Log``."""
        self.size += sum(map(len, items))
        self.logs.setdefault(field, []).extend(items)

    def change(self, field: str, items: dict[str, bytes | None]) -> None:
        """Set items of a ``Map``, or delete them (None)."""
        kept = self.maps.setdefault(field, {})
        for key, value in items.items():
            self.size += len(value or b"") - len(kept.get(key) or b"")
            kept[key] = value

    @property
    def field_names(self) -> set[str]:
        """The names of the changed fields."""
        return self.fields.keys() | self.logs.keys() | self.maps.keys()

    def __bool__(self) -> bool:
        return bool(self.fields or self.logs or self.maps)


@attrs.define(kw_only=True)
class InvocationState:
    """An invocation that has not completed.

    ``spans`` are ranges of event numbers that contain its events. ``failed_attempts`` counts the failures since a client
    last resumed it. ``unseen`` is the number of the last event that its handler must be given; 0 once the handler has been
    given it and has recorded a request since. ``signals`` are the numbers of the buffered signals by name, or by
    question if they answer one, ``signals_received`` is the number of the last one, and ``deferred_signals`` counts those that
    will be received again.
    ``pending_pause`` is the reason of a pause that waits for running steps. ``held_back`` counts the completions that came
    while it was paused and that its handler has not received. ``value_bytes`` is the size of the user values in its events.
    ``applied_requests`` are the latest requests that changed it. ``restarts`` names the invocation that it repeats,
    ``has_copied_history`` says whether it has copied that history, ``waits_for`` names the invocation for whose end it
    waits, and ``successors`` are its own restarts. ``spares`` says that its calls with an idempotency key continue when it
    is stopped. ``tags`` are its tags by name, and ``trace`` is the span of its requester; None if there are none. At
    ``expires_at`` it is cancelled. ``status_text`` is the text that its handler has set to say what it does. ``questions`` are
    those without an answer, by id. ``debounce`` and ``debounced_since`` are as in :class:`journal.events.InvocationAccepted`.
    ``spent`` has the amounts that it has used up, by the name of the quantity, without the amounts of events that a restart has copied.
    ``updates_received`` is the number of its last update. Of an update, ``run`` is the run that carries it out, and
    ``updates_received`` its own number.
    ``budget`` is its own, with what was added since, and ``budgets`` are the invocations whose budgets count its spending: itself, if it
    has a budget, and callers above it. ``over_budget`` are invocations below it that are paused because its budget is used up.
    ``watchers`` are invocations that wait for its own end, and for that of no restart.
    ``paused_for`` is the invocation whose budget it is paused for; None if it is paused for the budget of a limit, or is not paused.
    ``_running_steps`` and ``_failed_steps`` count the waits of the kinds STEP and STEP_RETRY, so that the status needs no look at
    thousands of waits. Snapshots do not have them.
    """

    invocation_id: InvocationId
    handler: str
    mode: Mode
    status: Status
    accepted_at: float
    accepted_by: str
    spans: list[tuple[int, int]]
    caller: Caller | None = None
    chain: list[Link] = attrs.field(factory=list)
    request: str | None = None
    argument_digest: bytes = b""
    atomic: bool = False
    deployment: str = ""
    started_at: float | None = None
    scheduled_for: float | None = None
    modified_at: float = 0.0
    failed_attempts: int = 0
    retry_at: float | None = None
    waits: dict[StepId, Wait] = attrs.field(factory=dict)
    unseen: int = 0
    signals: dict[str, list[int]] = attrs.field(factory=dict)
    signals_received: int = 0
    deferred_signals: int = 0
    attached: list[Caller] = attrs.field(factory=list)
    changes: Changes = attrs.field(factory=Changes)
    cancel: Cancel | None = None
    pending_pause: str | None = None
    held_back: int = 0
    max_attempts: int | None = None
    pause_reason: str = ""
    paused_by: str = ""
    paused_at: float | None = None
    pause_cause: PauseCause | None = None
    last_failure: Failure | None = None
    event_count: int = 0
    value_bytes: int = 0
    applied_requests: dict[str, Status] = attrs.field(factory=dict)
    restarts: Lineage | None = None
    has_copied_history: bool = False
    waits_for: InvocationId | None = None
    successors: list[InvocationId] = attrs.field(factory=list)
    spares: bool = False
    tags: dict[str, str] | None = None
    trace: TraceContext | None = None
    expires_at: float | None = None
    status_text: str = ""
    questions: dict[str, OpenQuestion] = attrs.field(factory=dict)
    debounce: str | None = None
    debounced_since: float | None = None
    spent: dict[str, str] = attrs.field(factory=dict)
    updates_received: int = 0
    run: InvocationId | None = None
    budget: dict[str, str] | None = None
    budgets: tuple[InvocationId, ...] = ()
    over_budget: list[InvocationId] = attrs.field(factory=list)
    paused_for: InvocationId | None = None
    watchers: list[Caller] = attrs.field(factory=list)
    _running_steps: int = 0
    _failed_steps: int = 0

    @property
    def is_started(self) -> bool:
        """Whether the handler has begun."""
        return self.started_at is not None

    def count_steps(self) -> None:
        """Count the steps among the waits, after these were set together."""
        kinds = [wait.kind for wait in self.waits.values()]
        self._running_steps, self._failed_steps = kinds.count(WaitKind.STEP), kinds.count(WaitKind.STEP_RETRY)


@attrs.define(kw_only=True)
class ObjectState:
    """An object. ``holder`` is the invocation that has the key, and ``queue`` are the invocations that wait for it, in
    order. ``fields_version`` is the number of the event that last changed the fields; ``maps`` names the ``Map`` fields
    that have ever had items."""

    service: str
    key: str | None
    kind: Kind
    version: int = 0
    fields: dict[str, bytes] = attrs.field(factory=dict)
    lengths: dict[str, int] = attrs.field(factory=dict)
    maps: frozenset[str] = frozenset()
    fields_version: int = 0
    invocations: dict[InvocationId, InvocationState] = attrs.field(factory=dict)
    queue: list[InvocationId] = attrs.field(factory=list)
    holder: InvocationId | None = None

    @property
    def name(self) -> str:
        """The name of the object, as users write it."""
        return self.service if self.key is None else f"{self.service}/{self.key}"

    @property
    def field_names(self) -> set[str]:
        """The names under which the object stores fields."""
        return self.fields.keys() | self.lengths.keys() | self.maps


def existing(state: ObjectState | None) -> ObjectState:
    """Return the state. Raises :class:`journal.errors.BrokenInvariant` if it is None."""
    if state is None:
        raise BrokenInvariant("the object has events but no state")
    return state
