"""The events: facts about objects and their invocations. Every event that a stream can hold is a class of this module
and has a tag in ``codec``.

An event never changes once it is written. A field may be added, with a default; a meaning never changes, so a new
meaning needs a new event. The classes are not frozen, because a frozen one costs twice as much to make and a call makes
several; no code assigns to an event, or to a value in one, after it was made.

Times are seconds since 1970-01-01 UTC. Values of users (arguments, results, fields) are JSON as ``bytes`` and are not
interpreted here. ``step`` is the position in the handler at which an operation was started; ``source`` is the line of
code, for people.
"""

from __future__ import annotations

import enum
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, TypeAlias, get_args

import attrs
import msgspec

from journal.ids import ROOT_STEP, InvocationId, StepId

LAST_DATE = 253_370_764_800.0
"""The first day of the year 9999 in wall seconds. Every later time, including infinity, is stored as this one, which
every calendar can show."""

Date: TypeAlias = Annotated[float, msgspec.Meta(ge=-LAST_DATE, le=LAST_DATE)]
"""Wall seconds since 1970. NaN is refused, because an index could not order it."""


class Constant(enum.Enum):
    """An enum whose members hash by identity. The hash of ``Enum`` itself is Python code and runs at every lookup, and so is its
    ``value``."""

    __hash__ = object.__hash__
    if not TYPE_CHECKING:
        value = property(attrgetter("_value_"))


class Kind(Constant):
    """The kind of an object."""

    ACTOR = "actor"
    SERVICE = "service"
    WORKFLOW = "workflow"


class Mode(Constant):
    """Whether an invocation needs exclusive access to its object. An update needs none: the run of its workflow carries it out."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"
    UPDATE = "update"


class Status(Constant):
    """The status of an invocation, whether or not it is in memory. While running, its code or a step of it
    runs; while suspended, everything that it waits for is up to others. ``core.transitions`` draws the transitions."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUSPENDED = "suspended"
    BACKING_OFF = "backing_off"
    PAUSED = "paused"
    COMPLETED = "completed"


class OutcomeKind(Constant):
    """How an invocation or a step ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    KILLED = "killed"


class PauseCause(Constant):
    """Why an invocation is paused."""

    REQUESTED = "requested"
    EXHAUSTED = "exhausted"
    MISMATCH = "mismatch"
    LIMIT = "limit"
    CODE = "code"
    HANDLER = "handler"
    """The handler, one of its values or one of its classes made the engine's own code fail."""
    ENGINE = "engine"
    """The engine failed while it recorded the work of the invocation."""
    BLOCKED = "blocked"
    """The handler's code blocked the event loop."""
    STALLED = "stalled"
    """Code in a hosted event loop waits for something that is not durable."""
    BUDGET = "budget"
    """A budget that counts the invocation is used up."""


class Children(Constant):
    """Which other invocations a cancel reaches: those that its target called, or also those to which it sent one-way
    messages."""

    CALLED = "called"
    ALL = "all"


class Verb(Constant):
    """A request that controls an invocation."""

    CANCEL = "cancel"
    KILL = "kill"
    PAUSE = "pause"
    RESUME = "resume"
    SIGNAL = "signal"
    PURGE = "purge"
    RESTART = "restart"
    RESCHEDULE = "reschedule"


class Stop(Constant):
    """How a restart stops an original that has not completed."""

    CANCEL = "cancel"
    KILL = "kill"


class PauseMode(Constant):
    """How a pause treats steps that are running: it waits for their end, or aborts them."""

    DRAIN = "drain"
    NOW = "now"


@attrs.frozen
class Failure:
    """A recorded error: the full name of its type, its text, and its traceback for people.

    ``details`` and ``carried`` are JSON: the error's data for readers, and the data from which the error is rebuilt.
    """

    type: str
    message: str
    traceback: str = ""
    details: bytes = b""
    carried: bytes = b""


@attrs.define(unsafe_hash=True)
class Outcome:
    """How an invocation or a step ended: with a value, with a failure, or stopped, with the reason. ``expired`` says that the
    invocation was cancelled because its ``max_duration`` was over."""

    kind: OutcomeKind
    value: bytes = b""
    failure: Failure | None = None
    reason: str = ""
    expired: bool = False


@attrs.define(unsafe_hash=True)
class Target:
    """A handler of an object. ``key`` is None for a service."""

    service: str
    key: str | None
    handler: str

    def __str__(self) -> str:
        key = "" if self.key is None else f"{self.key.replace('%', '%25').replace('/', '%2F')}/"
        return f"{self.service}/{key}{self.handler}"


@attrs.frozen
class Caller:
    """An invocation that waits for an answer, and the step at which it waits."""

    invocation_id: InvocationId
    step: StepId


@attrs.frozen
class TraceContext:
    """A span outside of an invocation, as the header ``traceparent`` of W3C Trace Context names it. The invocation is in its trace,
    or, if ``is_link``, begins a trace of its own that is linked to it."""

    traceparent: str
    is_link: bool = False


@attrs.frozen
class Link:
    """One of the callers above an invocation. If ``holds_key``, the caller has exclusive access to its object, so a
    call to that object would wait for itself."""

    invocation_id: InvocationId
    target: str
    holds_key: bool


@attrs.frozen
class StepRef:
    """A step of a history, for people: its position and its name."""

    step: StepId
    name: str


@attrs.frozen
class CallRef:
    """A call that waits for its answer, for people: its position, the name of its target, and the id of the callee."""

    step: StepId
    name: str
    invocation_id: InvocationId


class OverBudget(msgspec.Struct, frozen=True):
    """A budget of an invocation of which nothing is left: whose it is, the ``quantity``, how much of it was ``spent``, and the
    ``budget`` of it: decimals as texts."""

    invocation_id: InvocationId
    quantity: str
    spent: str
    budget: str


@attrs.frozen
class Successor:
    """The invocation that a restart made. ``kept`` are the operations whose outcomes it takes over, ``again`` those
    that had begun and begin again, and ``dropped`` the later ones, which run again if the handler reaches them.

    Of the calls that the original waits for, ``stopped`` are ended with it. ``spared`` have an idempotency key: they continue,
    because the same call of the successor finds them again. ``repeated`` have an idempotency key and were cancelled or killed
    before: the same call repeats them as a new invocation. ``deployment`` is the code that the successor runs on. ``signals`` are the names
    of signals that are kept and that no kept wait has taken, in order: the next wait for such a name takes one at once, without a new question.
    """

    invocation_id: InvocationId
    kept: tuple[StepRef, ...] = ()
    again: tuple[StepRef, ...] = ()
    dropped: tuple[StepRef, ...] = ()
    stopped: tuple[CallRef, ...] = ()
    spared: tuple[CallRef, ...] = ()
    repeated: tuple[CallRef, ...] = ()
    deployment: str = ""
    signals: tuple[str, ...] = ()


@attrs.frozen
class ControlResult:
    """The result of a verb: whether it changed anything, and the target's status before and after; for a restart also
    the successor."""

    changed: bool
    before: Status
    after: Status
    successor: Successor | None = None


@attrs.frozen
class Lineage:
    """The invocation that this one repeats, and the step from which it does; an empty ``step`` means from the
    beginning. If ``rewinds``, the object's fields are reset to their values at that step. ``seed`` is the seed of the
    handler's random numbers, if the copied part has used it."""

    invocation_id: InvocationId
    step: StepId = ROOT_STEP
    rewinds: bool = False
    seed: str = ""


@attrs.define
class Erased:
    """An event was purged. Its number stays taken."""


@attrs.define(kw_only=True)
class ObjectCreated:
    """The object was created. This is the first event of every stream."""

    service: str
    key: str | None
    kind: Kind


@attrs.define(kw_only=True)
class InvocationAccepted:
    """The object has accepted the invocation, which is never lost from here on.

    ``chain`` names the callers above this invocation, outermost first. ``scheduled_for`` is the time at which a delayed
    invocation joins the queue. ``request`` is the idempotency key. ``deployment`` is the code that the invocation runs
    on; empty means the code that is served. ``restarts`` names the invocation that this one repeats; it starts once
    ``behind`` has ended. ``parameter`` is the parameter whose value ``argument`` is, or empty if ``argument`` is an
    object of parameters; None means that ``argument`` is as the caller wrote it. ``tags`` are its tags by name, or None.
    ``trace`` is the span of the requester, or None. ``expires_at`` is the time at which it is cancelled if it has not completed,
    and ``max_duration`` the seconds from which that time follows, so that a restart has as long. ``debounce`` is the key under which a
    later message replaces this one while its time has not come, and ``debounced_since`` the acceptance of the first one that this one
    has replaced, directly or not; None if it is the first. ``budget`` are the amounts that it and what it calls may spend, by the name
    of the quantity: decimals as texts; None if it has no budget of its own. ``budgets`` are the callers above it whose budgets count
    what it spends, the nearest first.
    """

    invocation_id: InvocationId
    handler: str
    mode: Mode
    argument: bytes
    caller: Caller | None = None
    chain: list[Link] = attrs.field(factory=list)
    scheduled_for: Date | None = None
    request: str | None = None
    atomic: bool = False
    deployment: str = ""
    restarts: Lineage | None = None
    behind: InvocationId | None = None
    parameter: str | None = None
    tags: dict[str, str] | None = None
    trace: TraceContext | None = None
    expires_at: Date | None = None
    max_duration: float | None = None
    debounce: str | None = None
    debounced_since: Date | None = None
    budget: dict[str, str] | None = None
    budgets: tuple[InvocationId, ...] = ()


@attrs.define(kw_only=True)
class InvocationDue:
    """The scheduled time has come, and the invocation joins the queue."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class InvocationRescheduled:
    """An invocation whose time has not come joins the queue at ``scheduled_for`` instead."""

    invocation_id: InvocationId
    scheduled_for: Date
    reason: str = ""


@attrs.define(kw_only=True)
class InvocationStarted:
    """The invocation has access to its object, and its handler begins. Happens once per invocation, not once per attempt."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class StepScheduled:
    """A handler requested a side effect. The event is durable before the effect begins.

    ``argument`` are the arguments; if they are too large to be kept it is empty, ``argument_bytes`` is their size, and
    ``argument_digest`` their digest. If ``is_compared``, a replay must pass the same arguments, except for the
    ``opaque`` ones (by position or name): those are not values and are recorded by their ``repr``, which differs
    between processes.
    """

    invocation_id: InvocationId
    step: StepId
    name: str
    source: str = ""
    argument: bytes = b""
    at_most_once: bool = False
    argument_bytes: int = 0
    is_compared: bool = False
    argument_digest: str = ""
    opaque: tuple[str, ...] = ()


@attrs.define(kw_only=True)
class StepCompleted:
    """A step ended with an outcome. The outcome is recorded once and given to the handler in every replay. ``attributes`` describe its
    last try, for readers: a JSON object, or empty."""

    invocation_id: InvocationId
    step: StepId
    outcome: Outcome
    attributes: bytes = b""


@attrs.define(kw_only=True)
class StepAttemptFailed:
    """A try of a step failed. The step is retried at ``retry_at``; if that is None, the next event says how the step
    ended. ``max_attempts`` is the limit of the retry policy, and ``attributes`` are as in :class:`StepCompleted`."""

    invocation_id: InvocationId
    step: StepId
    attempt: int
    failure: Failure
    retry_at: Date | None = None
    max_attempts: int | None = None
    attributes: bytes = b""


@attrs.define(kw_only=True)
class StepHeartbeat:
    """A running step reported its progress. ``details`` are JSON, for the next try of the step if this one does not succeed."""

    invocation_id: InvocationId
    step: StepId
    details: bytes


@attrs.define(kw_only=True)
class StepRetried:
    """The delay after a failed try is over. The body of the step may run again."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class StepAborted:
    """The step was stopped because a scope around it was cancelled. Its body has ended, and the step has no outcome."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class SleepScheduled:
    """A handler began to sleep until ``wake_at``."""

    invocation_id: InvocationId
    step: StepId
    wake_at: Date
    source: str = ""


@attrs.define(kw_only=True)
class DeadlineScheduled:
    """A handler entered a scope that is cancelled at ``expires_at``, or gave an open scope a new deadline; then
    ``block`` is the position at which the scope was entered."""

    invocation_id: InvocationId
    step: StepId
    expires_at: Date
    source: str = ""
    block: StepId = ROOT_STEP


@attrs.define(kw_only=True)
class TimerFired:
    """A sleep or a deadline is due. Recorded once, and never early."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class WaitDropped:
    """The handler stopped waiting at this step: a scope was cancelled, or left before its deadline."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class CallScheduled:
    """A handler requested a call. The id of the callee is fixed here, so a repeated delivery is harmless. ``parameter`` and ``budget``
    are as in :class:`InvocationAccepted`. ``tags`` are all tags of the callee, those of the caller included, and
    ``trace`` is the span of the caller."""

    invocation_id: InvocationId
    step: StepId
    callee: InvocationId
    target: Target
    argument: bytes
    request: str | None = None
    source: str = ""
    parameter: str | None = None
    tags: dict[str, str] | None = None
    trace: TraceContext | None = None
    max_duration: float | None = None
    budget: dict[str, str] | None = None


@attrs.define(kw_only=True)
class AttachScheduled:
    """A handler began to wait for the outcome of an invocation that it did not call. If it waits for a lock, ``lock`` is the name of the
    lock, and ``after`` the invocation that has it or gets it before. ``stays`` is as in :class:`AttachRequested`."""

    invocation_id: InvocationId
    step: StepId
    callee: InvocationId
    source: str = ""
    lock: str = ""
    after: InvocationId | None = None
    stays: bool = False


@attrs.define(kw_only=True)
class CallCompleted:
    """A call, or an invocation that the handler attached to, ended with an outcome."""

    invocation_id: InvocationId
    step: StepId
    outcome: Outcome


@attrs.define(kw_only=True)
class CallCancelRequested:
    """The caller cancelled the call. The callee is cancelled, and the caller waits for the callee's end."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class SendScheduled:
    """A handler sent a one-way message, delayed until ``scheduled_for``. ``parameter``, ``debounce`` and ``budget`` are as
    in :class:`InvocationAccepted`, and ``tags`` and ``trace`` as in :class:`CallScheduled`. ``max_delay`` are the seconds after the first
    message under ``debounce`` within which the last one is due."""

    invocation_id: InvocationId
    step: StepId
    callee: InvocationId
    target: Target
    argument: bytes
    scheduled_for: Date | None = None
    request: str | None = None
    source: str = ""
    parameter: str | None = None
    tags: dict[str, str] | None = None
    trace: TraceContext | None = None
    max_duration: float | None = None
    debounce: str | None = None
    max_delay: float | None = None
    budget: dict[str, str] | None = None


@attrs.define(kw_only=True)
class SignalAwaited:
    """A handler began to wait for the next signal of this name.

    If ``ready``, the signal with the number ``signal`` had arrived before, and the handler had received ``handed_over``
    completions by then. ``schema`` is the JSON schema of the value, for senders. ``again`` says that a restart goes
    back to this wait, so the wait takes only a signal that is sent to it. ``question`` is the question whose answer is awaited: the
    wait takes the answer to it, and the next signal of this name if none has come.
    """

    invocation_id: InvocationId
    step: StepId
    name: str
    ready: bool = False
    source: str = ""
    schema: bytes = b""
    signal: int = 0
    handed_over: int = 0
    again: bool = False
    question: str = ""


@attrs.define(kw_only=True)
class SignalReceived:
    """A client sent a signal. The handler receives the signals of one name in this order.

    ``signal`` is its number among the signals of the invocation. ``step`` is the wait that takes it; None means that it
    is buffered. A later ``SignalReassigned`` or ``SignalAwaited`` overrides this. ``json_loses`` names the types in the
    sender's value that its JSON does not preserve.

    ``deferred`` says that the signal arrived for a restart that had not begun, whose copied waits were still unknown.
    Such a signal has no number. It is received again, with a number, once the restart has copied its history.

    If ``error`` is not None, the wait that takes the signal fails with this text, and ``value`` are the details of the error.
    ``question`` is the question that the signal answers; only a wait for that question takes it.
    """

    invocation_id: InvocationId
    name: str
    value: bytes
    signal: int = 0
    step: StepId | None = None
    json_loses: str = ""
    deferred: bool = False
    error: str | None = None
    question: str = ""


@attrs.define(kw_only=True)
class SignalReassigned:
    """A signal was taken by another wait than recorded on arrival, or by no wait (``step`` is None), and is buffered.

    This happens while a handler catches up: when it receives the signal, it has left the wait that the signal was
    recorded for, or has begun a wait that did not exist when the signal arrived. ``question`` is that of the signal.
    """

    invocation_id: InvocationId
    signal: int
    name: str
    step: StepId | None
    question: str = ""


@attrs.define(kw_only=True)
class QuestionAsked:
    """A handler asked a person a question, which the holder of its signed link may answer.

    ``question`` is its id, which no other question has, and ``name`` the name of the signal that is the answer: one of the
    ``choices``. ``text`` is shown to the person. From ``expires_at`` on the link is refused; None means never. ``asked_by`` is the
    invocation that the link names, which is still the original where a restart has copied the event.
    """

    invocation_id: InvocationId
    step: StepId
    name: str
    question: str
    asked_by: InvocationId
    choices: list[str]
    text: str = ""
    expires_at: Date | None = None
    source: str = ""


@attrs.define(kw_only=True)
class UpdateAccepted:
    """A run has an update to carry out. ``update`` is the invocation that asked for it, which the run answers, and ``number`` its
    number among the updates of the run. ``name``, ``argument`` and ``parameter`` are as in :class:`InvocationAccepted`."""

    invocation_id: InvocationId
    update: InvocationId
    number: int
    name: str
    argument: bytes
    parameter: str | None = None


@attrs.define(kw_only=True)
class UpdateCancelRequested:
    """A cancel of an update was requested, or of a killed one: the run cancels what it does for it. ``kill_at`` is the time at which
    the update is killed if the run has not answered it, and ``expired`` says that its ``max_duration`` was over."""

    invocation_id: InvocationId
    update: InvocationId
    reason: str
    kill_at: Date | None = None
    expired: bool = False


@attrs.define(kw_only=True)
class UpdateCompleted:
    """The run has carried out an update, with this outcome for whoever asked for it."""

    invocation_id: InvocationId
    update: InvocationId
    outcome: Outcome


@attrs.define(kw_only=True)
class VerbScheduled:
    """A handler requested a verb on another invocation. ``argument`` are the options, as the codec of commands encodes
    them."""

    invocation_id: InvocationId
    step: StepId
    verb: Verb
    of: InvocationId
    argument: bytes
    source: str = ""


@attrs.define(kw_only=True)
class VerbAnswered:
    """A verb that a handler requested was applied, with an answer, or refused."""

    invocation_id: InvocationId
    step: StepId
    answer: ControlResult | None
    refusal: Failure | None = None

    def __attrs_post_init__(self) -> None:
        if self.answer is None and self.refusal is None:
            raise ValueError("a verb has neither an answer nor a refusal")


@attrs.define(kw_only=True)
class PatchMarked:
    """``patched(name)`` returned True, and does so in every replay."""

    invocation_id: InvocationId
    name: str


@attrs.define(kw_only=True)
class StatusTextChanged:
    """A handler set the text that describes its current work for people. A replay does not compare it."""

    invocation_id: InvocationId
    text: str


@attrs.define(kw_only=True)
class QuantitiesSpent:
    """The handler, or a try of the step, used up these amounts by the name of their quantity: decimals as texts. A replay does not
    compare it. That of a try is recorded with the end of the try."""

    invocation_id: InvocationId
    spent: dict[str, str]
    step: StepId = ROOT_STEP


@attrs.define(kw_only=True)
class BudgetRaised:
    """The invocation and what it calls may spend these amounts more. Whatever is paused because its budget was used up continues."""

    invocation_id: InvocationId
    more: dict[str, str]
    reason: str = ""


@attrs.define(kw_only=True)
class BudgetUsedUp:
    """An invocation below this one was paused because the budget of this one is used up. ``over`` is the budget as ``paused`` has seen
    it: if it has been raised meanwhile, ``paused`` continues at once."""

    invocation_id: InvocationId
    paused: InvocationId
    over: OverBudget


@attrs.define(kw_only=True)
class FieldsChanged:
    """The handler changed fields of its object to these values."""

    invocation_id: InvocationId
    fields: dict[str, bytes]


@attrs.define(kw_only=True)
class LogExtended:
    """The handler appended items to a ``Log`` field."""

    invocation_id: InvocationId
    field: str
    items: list[bytes]


@attrs.define(kw_only=True)
class MapChanged:
    """The handler set items of a ``Map`` field, or removed them (``None``). ``before`` are their former values."""

    invocation_id: InvocationId
    field: str
    items: dict[str, bytes | None]
    before: dict[str, bytes | None] = attrs.field(factory=dict)


@attrs.define(kw_only=True)
class ReadsPinned:
    """A shared handler that waits has read its object: these are the fields, and the lengths of the logs, that a replay
    sees in place of later values."""

    invocation_id: InvocationId
    fields: dict[str, bytes]
    lengths: dict[str, int]


@attrs.define(kw_only=True)
class ItemsPinned:
    """A shared handler that waits has read items of a ``Map``: these are the values that a replay sees in place of
    later ones."""

    invocation_id: InvocationId
    field: str
    items: dict[str, bytes | None]


@attrs.define(kw_only=True)
class FieldsInitialized:
    """The factories of the object's fields made these values, before the first line of the handler. The object keeps
    them even if the handler fails; a field that has a value keeps that value."""

    invocation_id: InvocationId
    fields: dict[str, bytes]


@attrs.define(kw_only=True)
class LogConverted:
    """The code now declares a plain list field as a ``Log``; the items of the list become its items."""

    invocation_id: InvocationId
    field: str
    items: list[bytes]


@attrs.define(kw_only=True)
class MapConverted:
    """The code now declares a plain dictionary field as a ``Map``; its items become the map's."""

    invocation_id: InvocationId
    field: str
    items: dict[str, bytes]


@attrs.define(kw_only=True)
class AttemptFailed:
    """The handler raised an error that is worth a retry. ``handed_over`` counts the completions that the handler had
    received."""

    invocation_id: InvocationId
    attempt: int
    failure: Failure
    handed_over: int
    retry_at: Date | None = None
    max_attempts: int | None = None


@attrs.define(kw_only=True)
class AttemptRetried:
    """The delay after a failed attempt is over."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class InvocationSuspended:
    """The attempt left memory. Only older stores have this event. Leaving memory is no longer recorded, because the status of
    an invocation does not depend on it."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class CancelRequested:
    """A cancel was requested: the invocation is to end after running its compensations.

    ``kill_at`` is the time at which it is killed if it has not completed. ``overtakes`` counts the latest completions
    that its handler had not received because it was paused: the cancel is delivered before them, at the await where the
    handler is. ``expired`` says that the ``max_duration`` of the invocation was over.
    """

    invocation_id: InvocationId
    reason: str
    children: Children = Children.CALLED
    kill_at: Date | None = None
    overtakes: int = 0
    expired: bool = False


@attrs.define(kw_only=True)
class CancelDeadlineMoved:
    """The kill of an invocation that was cancelled before was moved to ``kill_at``, which is earlier. The handler is
    not informed."""

    invocation_id: InvocationId
    kill_at: Date
    reason: str = ""


@attrs.define(kw_only=True)
class CancelDeliveredEarlier:
    """The handler returned after the last of ``handed_over`` completions without meeting its cancel. The work after
    that completion is void: it is replayed, with the cancel delivered before the completion. Happens at most once."""

    invocation_id: InvocationId
    handed_over: int


@attrs.define(kw_only=True)
class PauseRequested:
    """A pause was requested. The invocation is paused as soon as its running steps have ended; until then nothing else
    of it continues."""

    invocation_id: InvocationId
    reason: str


@attrs.define(kw_only=True)
class InvocationPaused:
    """The invocation is paused. Completions and signals are still recorded. ``over`` is the budget of an invocation, its own or that of
    a caller above it, that is used up; None if it is paused for anything else."""

    invocation_id: InvocationId
    cause: PauseCause
    reason: str
    failure: Failure | None = None
    over: OverBudget | None = None


@attrs.define(kw_only=True)
class InvocationResumed:
    """The invocation continues where it stopped, with its attempts counted from zero."""

    invocation_id: InvocationId
    reason: str


@attrs.define(kw_only=True)
class InvocationMoved:
    """The invocation runs on other code from here on. Its history is replayed on that code."""

    invocation_id: InvocationId
    deployment: str


@attrs.define(kw_only=True)
class AttachRequested:
    """Another invocation began to wait for the outcome of this one. ``stays`` says that no restart of this one answers in its place."""

    invocation_id: InvocationId
    by: Caller
    stays: bool = False


@attrs.define(kw_only=True)
class AttachDropped:
    """An invocation that waited for the outcome of this one, because of :class:`AttachRequested`, no longer waits."""

    invocation_id: InvocationId
    by: Caller


@attrs.define(kw_only=True)
class InvocationCompleted:
    """The invocation ended with an outcome. Every invocation has exactly one such event."""

    invocation_id: InvocationId
    outcome: Outcome


@attrs.define(kw_only=True)
class InvocationRestarted:
    """Another invocation repeats this one. If ``hands_over``, everything that waits for this invocation waits for its
    successor from now on. ``debounced`` says that the successor was sent under the same debounce key, with an argument of its own."""

    invocation_id: InvocationId
    successor: InvocationId
    step: StepId
    reason: str
    hands_over: bool = False
    debounced: bool = False


@attrs.define(kw_only=True)
class FieldsRewound:
    """The fields of the object were reset to their values when the original reached the step.

    ``fields`` are all fields. A log has ``lengths`` items and ends with the items in ``logs``. ``maps`` are the items
    that change, and ``before`` their values until now.
    """

    invocation_id: InvocationId
    fields: dict[str, bytes]
    lengths: dict[str, int]
    logs: dict[str, list[bytes]]
    maps: dict[str, dict[str, bytes | None]]
    before: dict[str, dict[str, bytes | None]]


@attrs.define(kw_only=True)
class HistoryCopied:
    """The events before this one were copied from the restarted invocation. The handler continues from here.

    In the copied part the handler sees its object as it was when the original started: ``fields``, ``lengths`` of logs,
    and the ``maps`` items that have changed since. ``before_last`` says that the handler repeats its work after the
    last copied completion. ``carries`` says that the object does not have the writes of the copied part, because the
    handler was atomic and did not succeed; they are written with the handler's later writes.
    """

    invocation_id: InvocationId
    fields: dict[str, bytes]
    lengths: dict[str, int]
    maps: dict[str, dict[str, bytes | None]]
    before_last: bool = False
    carries: bool = False


@attrs.define(kw_only=True)
class CallsDetached:
    """The calls that the invocation made with an idempotency key continue when the invocation is stopped, because a
    restart will make the same calls again."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class CallTransferred:
    """The callee was restarted. Its successor will answer the call."""

    invocation_id: InvocationId
    step: StepId
    callee: InvocationId


@attrs.define(kw_only=True)
class InvocationsPurged:
    """The histories and results of these invocations were deleted. Their writes to the object stay."""

    invocation_ids: list[InvocationId]


Event: TypeAlias = (
    Erased
    | ObjectCreated
    | InvocationAccepted
    | InvocationDue
    | InvocationStarted
    | StepScheduled
    | StepCompleted
    | StepAttemptFailed
    | StepRetried
    | StepAborted
    | SleepScheduled
    | DeadlineScheduled
    | TimerFired
    | WaitDropped
    | CallScheduled
    | AttachScheduled
    | CallCompleted
    | CallCancelRequested
    | SendScheduled
    | SignalAwaited
    | SignalReceived
    | SignalReassigned
    | QuestionAsked
    | VerbScheduled
    | VerbAnswered
    | PatchMarked
    | FieldsChanged
    | LogExtended
    | MapChanged
    | ReadsPinned
    | ItemsPinned
    | AttemptFailed
    | AttemptRetried
    | InvocationSuspended
    | CancelRequested
    | PauseRequested
    | InvocationPaused
    | InvocationResumed
    | AttachRequested
    | AttachDropped
    | InvocationCompleted
    | InvocationsPurged
    | InvocationMoved
    | InvocationRestarted
    | FieldsRewound
    | HistoryCopied
    | CallTransferred
    | CancelDeadlineMoved
    | CancelDeliveredEarlier
    | CallsDetached
    | FieldsInitialized
    | LogConverted
    | MapConverted
    | InvocationRescheduled
    | StatusTextChanged
    | StepHeartbeat
    | QuantitiesSpent
    | UpdateAccepted
    | UpdateCancelRequested
    | UpdateCompleted
    | BudgetRaised
    | BudgetUsedUp
)

EVENT_TYPES: tuple[type[Event], ...] = get_args(Event)


class Stamp(msgspec.Struct, gc=False):
    """The time, the cause and the requester of an event."""

    at: Date
    cause: str
    by: str


class Recorded(msgspec.Struct):
    """An event with its number in the stream. The numbers are consecutive from 1."""

    number: int
    stamp: Stamp
    event: Event
