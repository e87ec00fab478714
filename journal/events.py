"""The facts. A closed union: every event that a stream can hold is a class of this module and has a tag in ``codec``.

An event is never changed once it is written. A field may be added, with a default; a meaning never changes, a new event
is born instead. The classes are not frozen, because making a frozen one costs twice as much and one call makes several;
nothing assigns to an event after it was made.

Times are seconds since 1970-01-01 UTC. Values of users (arguments, results, fields) are JSON as ``bytes``; they mean
nothing here. ``step`` says where in the handler an operation was started, ``source`` the line that asked, for people.
"""

from __future__ import annotations

import enum
from typing import Annotated, TypeAlias, get_args

import attrs
import msgspec

from journal.ids import ROOT_STEP, InvocationId, StepId

LAST_DATE = 253_370_764_800.0
"""The first day of the year 9999, wall seconds: a later date, infinity too, means this one, which every calendar can show."""

Date: TypeAlias = Annotated[float, msgspec.Meta(ge=-LAST_DATE, le=LAST_DATE)]
"""Wall seconds since 1970. NaN is none, and would make a key that no index can hold."""


class Constant(enum.Enum):
    """One of a few words. A member is there once, so its identity is its hash; Enum's own goes through Python code each time."""

    __hash__ = object.__hash__


class Kind(Constant):
    """What an object is."""

    ACTOR = "actor"
    SERVICE = "service"
    WORKFLOW = "workflow"


class Mode(Constant):
    """Whether an invocation needs its object for itself."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"


class Status(Constant):
    """Where an invocation is in its life. ``core.transitions`` draws the arrows."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUSPENDED = "suspended"
    BACKING_OFF = "backing_off"
    PAUSED = "paused"
    COMPLETED = "completed"


class OutcomeKind(Constant):
    """How something ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    KILLED = "killed"


class PauseCause(Constant):
    """Why an invocation is held."""

    REQUESTED = "requested"
    EXHAUSTED = "exhausted"
    MISMATCH = "mismatch"
    LIMIT = "limit"
    CODE = "code"
    HANDLER = "handler"
    """What its handler raised, returned or asked for made the engine's own code fail; the handler's values and classes did."""
    ENGINE = "engine"
    """The engine failed while it recorded what the invocation did."""
    BLOCKED = "blocked"
    """Its code kept the event loop to itself."""


class Children(Constant):
    """Whom a cancel reaches besides its target."""

    CALLED = "called"
    ALL = "all"


class Verb(Constant):
    """What may be asked of an invocation from outside."""

    CANCEL = "cancel"
    KILL = "kill"
    PAUSE = "pause"
    RESUME = "resume"
    SIGNAL = "signal"
    PURGE = "purge"
    RESTART = "restart"


class Stop(Constant):
    """How an invocation that has not ended is stopped before it is started again."""

    CANCEL = "cancel"
    KILL = "kill"


class PauseMode(Constant):
    """What a pause does with a step that is running: wait for its end, or abort it."""

    DRAIN = "drain"
    NOW = "now"


@attrs.frozen
class Failure:
    """An error as it is kept: its type's full name, its text, and for people where it came from.

    ``details`` and ``carried`` are JSON: what the error tells its readers, and what it is made again from.
    """

    type: str
    message: str
    traceback: str = ""
    details: bytes = b""
    carried: bytes = b""


@attrs.frozen
class Outcome:
    """How an invocation or a step ended: a value, a failure, or who stopped it and why."""

    kind: OutcomeKind
    value: bytes = b""
    failure: Failure | None = None
    reason: str = ""


@attrs.frozen
class Target:
    """A handler of an object. A service has no key."""

    service: str
    key: str | None
    handler: str

    def __str__(self) -> str:
        key = "" if self.key is None else f"{self.key.replace('%', '%25').replace('/', '%2F')}/"
        return f"{self.service}/{key}{self.handler}"


@attrs.frozen
class Caller:
    """Who waits for an answer: an invocation, at a step."""

    invocation_id: InvocationId
    step: StepId


@attrs.frozen
class Link:
    """One of the callers above an invocation. While ``holds_key``, a call to its object would wait for itself."""

    invocation_id: InvocationId
    target: str
    holds_key: bool


@attrs.frozen
class StepRef:
    """A step of a history, for people: where it was started, and what it is called."""

    step: StepId
    name: str


@attrs.frozen
class CallRef:
    """A call that waits for its answer, for people: where it was made, the target, and the invocation that it became."""

    step: StepId
    name: str
    invocation_id: InvocationId


@attrs.frozen
class Successor:
    """The invocation that a restart made. ``kept`` are the operations whose outcomes it takes over, ``again`` those that had
    begun and begin again, ``dropped`` those that came later: if the handler comes to them, they are done once more.

    Of the calls that the stopped one waits for, ``stopped`` end with it. ``spared`` are those whose id is fixed by a key: they go
    on, because the same call of the new invocation finds them again. ``repeated`` are those under a key that were cancelled or
    killed before: the same call repeats them, too, as a new invocation. ``deployment`` is the code that it runs on.
    """

    invocation_id: InvocationId
    kept: tuple[StepRef, ...] = ()
    again: tuple[StepRef, ...] = ()
    dropped: tuple[StepRef, ...] = ()
    stopped: tuple[CallRef, ...] = ()
    spared: tuple[CallRef, ...] = ()
    repeated: tuple[CallRef, ...] = ()
    deployment: str = ""


@attrs.frozen
class ControlResult:
    """What a verb did: whether anything changed, and the target's status before and after; a restart, what it made."""

    changed: bool
    before: Status
    after: Status
    successor: Successor | None = None


@attrs.frozen
class Lineage:
    """Which invocation this one repeats, and from which step on; from its beginning if there is none. ``rewinds``: the
    fields of its object are then what they were at that step. ``seed`` is what chance in the handler is drawn from, where a
    part that is kept has drawn from it."""

    invocation_id: InvocationId
    step: StepId = ROOT_STEP
    rewinds: bool = False
    seed: str = ""


@attrs.define
class Erased:
    """An event stood here and was purged; its number stays taken."""


@attrs.define(kw_only=True)
class ObjectCreated:
    """The first event of every stream: whose it is."""

    service: str
    key: str | None
    kind: Kind


@attrs.define(kw_only=True)
class InvocationAccepted:
    """The object has taken the work; from here on it is never lost.

    ``chain`` names the callers that wait above this one, outermost first. ``scheduled_for`` is set when it must wait for a
    date before it joins the queue. ``request`` is the key under which asking again finds this invocation. ``deployment`` is
    the code that it runs on; empty: whatever is served. ``restarts`` names the one that it repeats; it starts once
    ``behind`` has ended. ``parameter`` is the one that ``argument`` is the value of, and empty if ``argument`` names its
    parameters; None: ``argument`` is as the caller wrote it.
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


@attrs.define(kw_only=True)
class InvocationDue:
    """Its date has come; it joins the queue."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class InvocationStarted:
    """It has the object, if it needs it for itself, and its handler begins. Happens once, however many attempts follow."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class StepScheduled:
    """A handler asked for a side effect. Durable before the effect begins. ``argument`` are the arguments; where they are too
    large to be kept it is empty, ``argument_bytes`` says how large they were, and ``argument_digest`` what they were.
    ``is_compared``: a replay must give the same, except for those that are ``opaque`` (by position or name): they are not values
    and recorded by their ``repr``, which is another one in each process."""

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
    """The step's outcome, recorded once and handed over at every replay."""

    invocation_id: InvocationId
    step: StepId
    outcome: Outcome


@attrs.define(kw_only=True)
class StepAttemptFailed:
    """The step's body failed. It is tried again at ``retry_at``, or, without one, what follows says what became of it.
    ``max_attempts`` is what its policy allows."""

    invocation_id: InvocationId
    step: StepId
    attempt: int
    failure: Failure
    retry_at: Date | None = None
    max_attempts: int | None = None


@attrs.define(kw_only=True)
class StepRetried:
    """The wait after a failed attempt is over; the step's body may run again."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class StepAborted:
    """The step was stopped and has no outcome: a scope around it was cancelled. Its body has ended."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class SleepScheduled:
    """A handler sleeps until ``wake_at``."""

    invocation_id: InvocationId
    step: StepId
    wake_at: Date
    source: str = ""


@attrs.define(kw_only=True)
class DeadlineScheduled:
    """A handler entered a scope that is cancelled at ``expires_at``, or gave one another deadline: then ``block`` is where the scope
    was entered."""

    invocation_id: InvocationId
    step: StepId
    expires_at: Date
    source: str = ""
    block: StepId = ROOT_STEP


@attrs.define(kw_only=True)
class TimerFired:
    """The date of a sleep or a deadline has come. Never early, and once."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class WaitDropped:
    """The handler no longer waits there: a scope was cancelled, or left before its deadline."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class CallScheduled:
    """A handler asked for a call. The callee's id is fixed here, so that sending it twice is harmless. ``parameter`` is as in
    :class:`InvocationAccepted`."""

    invocation_id: InvocationId
    step: StepId
    callee: InvocationId
    target: Target
    argument: bytes
    request: str | None = None
    source: str = ""
    parameter: str | None = None


@attrs.define(kw_only=True)
class AttachScheduled:
    """A handler waits for the outcome of an invocation that it did not call."""

    invocation_id: InvocationId
    step: StepId
    callee: InvocationId
    source: str = ""


@attrs.define(kw_only=True)
class CallCompleted:
    """The outcome of a call, or of an invocation attached to."""

    invocation_id: InvocationId
    step: StepId
    outcome: Outcome


@attrs.define(kw_only=True)
class CallCancelRequested:
    """The caller no longer wants the call; the callee is cancelled, and its end awaited."""

    invocation_id: InvocationId
    step: StepId


@attrs.define(kw_only=True)
class SendScheduled:
    """A handler sent a message and goes on. ``scheduled_for`` delays it. ``parameter`` is as in :class:`InvocationAccepted`."""

    invocation_id: InvocationId
    step: StepId
    callee: InvocationId
    target: Target
    argument: bytes
    scheduled_for: Date | None = None
    request: str | None = None
    source: str = ""
    parameter: str | None = None


@attrs.define(kw_only=True)
class SignalAwaited:
    """A handler wants the next signal of this name. ``ready``: it had come before, and is the one with the number ``signal``; the
    handler had then been given so many completions (``handed_over``). ``schema`` describes the value for senders. ``again``: a
    restart goes back to this wait, so it takes only a signal that comes for it."""

    invocation_id: InvocationId
    step: StepId
    name: str
    ready: bool = False
    source: str = ""
    schema: bytes = b""
    signal: int = 0
    handed_over: int = 0
    again: bool = False


@attrs.define(kw_only=True)
class SignalReceived:
    """A value came from outside. Values of one name are handed over in this order.

    ``signal`` is its number among the signals of the invocation. ``step`` is the wait that takes it; None: no handler waits for
    it, and it is kept. What a ``SignalReassigned`` or a ``SignalAwaited`` says of it later holds instead. ``json_loses`` names the
    types that the sender's value had and its JSON does not tell; empty if it tells all.

    ``deferred``: it came for a restart that had not begun, of which nobody knows yet which waits it keeps. It has no number, and
    comes again as soon as the restart has what it keeps. The handler is given that one.
    """

    invocation_id: InvocationId
    name: str
    value: bytes
    signal: int = 0
    step: StepId | None = None
    json_loses: str = ""
    deferred: bool = False


@attrs.define(kw_only=True)
class SignalReassigned:
    """A signal was taken by another wait than was recorded when it came, or by none (None) and is kept.

    That happens while a handler catches up: at the moment when it is given the signal, it has left the wait that the signal came
    for, or has begun one that it had not begun when the signal came.
    """

    invocation_id: InvocationId
    signal: int
    name: str
    step: StepId | None


@attrs.define(kw_only=True)
class OutputEmitted:
    """One piece of the invocation's output stream. Under a step, ``attempt`` is the try that it came from, and ``offset`` its
    place in that run of the body: 0 is the first piece of another run, and those of the one before are void (-1: an older record,
    which does not say)."""

    invocation_id: InvocationId
    step: StepId
    value: bytes
    attempt: int = 0
    offset: int = -1


@attrs.define(kw_only=True)
class VerbScheduled:
    """A handler asked something of another invocation. ``argument`` is the verb's own, as the codec of commands writes it."""

    invocation_id: InvocationId
    step: StepId
    verb: Verb
    of: InvocationId
    argument: bytes
    source: str = ""


@attrs.define(kw_only=True)
class VerbAnswered:
    """What became of it: an answer, or the refusal."""

    invocation_id: InvocationId
    step: StepId
    answer: ControlResult | None
    refusal: Failure | None = None

    def __attrs_post_init__(self) -> None:
        if self.answer is None and self.refusal is None:
            raise ValueError("a verb is answered or refused")


@attrs.define(kw_only=True)
class PatchMarked:
    """``patched(name)`` answered yes, and does so at every replay."""

    invocation_id: InvocationId
    name: str


@attrs.define(kw_only=True)
class FieldsChanged:
    """The handler changed fields of its object; the new values."""

    invocation_id: InvocationId
    fields: dict[str, bytes]


@attrs.define(kw_only=True)
class LogExtended:
    """The handler appended to a ``Log`` field."""

    invocation_id: InvocationId
    field: str
    items: list[bytes]


@attrs.define(kw_only=True)
class MapChanged:
    """The handler set items of a ``Map`` field, or removed them (``None``). ``before`` is what they were."""

    invocation_id: InvocationId
    field: str
    items: dict[str, bytes | None]
    before: dict[str, bytes | None] = attrs.field(factory=dict)


@attrs.define(kw_only=True)
class ReadsPinned:
    """What a shared handler saw of its object, kept because it outlives the moment: it replays on this, not on today's."""

    invocation_id: InvocationId
    fields: dict[str, bytes]
    lengths: dict[str, int]


@attrs.define(kw_only=True)
class ItemsPinned:
    """Items of a ``Map`` that a shared handler read, for the same reason."""

    invocation_id: InvocationId
    field: str
    items: dict[str, bytes | None]


@attrs.define(kw_only=True)
class FieldsInitialized:
    """What the factories of fields gave for this object, before the first line of the handler. The object has it from here on,
    whatever becomes of the invocation; a field that has a value keeps it."""

    invocation_id: InvocationId
    fields: dict[str, bytes]


@attrs.define(kw_only=True)
class LogConverted:
    """The code declares a field as a ``Log`` that was a plain list so far; its items are those of the list from here on."""

    invocation_id: InvocationId
    field: str
    items: list[bytes]


@attrs.define(kw_only=True)
class MapConverted:
    """The same of a ``Map`` that was a plain dictionary."""

    invocation_id: InvocationId
    field: str
    items: dict[str, bytes]


@attrs.define(kw_only=True)
class AttemptFailed:
    """The handler raised something worth retrying. ``handed_over`` counts the completions it had been given."""

    invocation_id: InvocationId
    attempt: int
    failure: Failure
    handed_over: int
    retry_at: Date | None = None
    max_attempts: int | None = None


@attrs.define(kw_only=True)
class AttemptRetried:
    """The wait after a failed attempt is over."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class InvocationSuspended:
    """Everything it waits for is written down, and nothing of it is in memory."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class CancelRequested:
    """It is to be stopped, with its compensations. ``kill_at`` is when patience ends. ``overtakes`` counts the latest
    completions that its handler had not been given, because it was held: the cancel is given before them, at the await where
    the handler stands."""

    invocation_id: InvocationId
    reason: str
    children: Children = Children.CALLED
    kill_at: Date | None = None
    overtakes: int = 0


@attrs.define(kw_only=True)
class CancelDeadlineMoved:
    """It was cancelled before, and has less time now: patience ends at ``kill_at``, which is earlier than it was. The handler hears
    nothing of it."""

    invocation_id: InvocationId
    kill_at: Date
    reason: str = ""


@attrs.define(kw_only=True)
class CancelDeliveredEarlier:
    """The handler returned on the last of ``handed_over`` completions, and had not met its cancel. Nothing of that turn is kept:
    it is replayed, and given the cancel before that completion. Happens once at most."""

    invocation_id: InvocationId
    handed_over: int


@attrs.define(kw_only=True)
class PauseRequested:
    """It is to be held as soon as its running steps have ended; nothing else of it goes on meanwhile."""

    invocation_id: InvocationId
    reason: str


@attrs.define(kw_only=True)
class InvocationPaused:
    """It is held. Completions and signals are still recorded."""

    invocation_id: InvocationId
    cause: PauseCause
    reason: str
    failure: Failure | None = None


@attrs.define(kw_only=True)
class InvocationResumed:
    """It goes on where it stopped, with all its attempts ahead of it again."""

    invocation_id: InvocationId
    reason: str


@attrs.define(kw_only=True)
class InvocationMoved:
    """From here on it runs on other code: it is replayed there, up to where it stands."""

    invocation_id: InvocationId
    deployment: str


@attrs.define(kw_only=True)
class AttachRequested:
    """Another invocation waits for the outcome of this one."""

    invocation_id: InvocationId
    by: Caller


@attrs.define(kw_only=True)
class InvocationCompleted:
    """The end. Exactly one of each invocation."""

    invocation_id: InvocationId
    outcome: Outcome


@attrs.define(kw_only=True)
class InvocationRestarted:
    """It is repeated by another one. ``hands_over``: what waits for this one waits for that one from now on."""

    invocation_id: InvocationId
    successor: InvocationId
    step: StepId
    reason: str
    hands_over: bool = False


@attrs.define(kw_only=True)
class FieldsRewound:
    """The fields of the object are what they were when the invocation that is repeated reached the step.

    ``fields`` are all of them; a log is as long as ``lengths`` says and ends with the items of ``logs``; ``maps`` holds the
    items that differ from what they were a moment ago, which ``before`` names.
    """

    invocation_id: InvocationId
    fields: dict[str, bytes]
    lengths: dict[str, int]
    logs: dict[str, list[bytes]]
    maps: dict[str, dict[str, bytes | None]]
    before: dict[str, dict[str, bytes | None]]


@attrs.define(kw_only=True)
class HistoryCopied:
    """What stands before this is kept from the invocation that is repeated; what comes behind it is lived.

    As far as it is kept, the handler sees its object as it was when the one that is repeated started: ``fields``,
    ``lengths`` of logs, and the ``maps``' items that have changed since. ``before_last``: what the handler does once it is given
    the last completion before this is lived already. ``carries``: what the kept part wrote is not in the object, since it was
    atomic and did not succeed; it is written with the rest.
    """

    invocation_id: InvocationId
    fields: dict[str, bytes]
    lengths: dict[str, int]
    maps: dict[str, dict[str, bytes | None]]
    before_last: bool = False
    carries: bool = False


@attrs.define(kw_only=True)
class CallsDetached:
    """What it has called under a key goes on when it is stopped: it is stopped because a restart repeats what it is a part of,
    and the same call will be made again."""

    invocation_id: InvocationId


@attrs.define(kw_only=True)
class CallTransferred:
    """The callee was restarted, and its successor will answer."""

    invocation_id: InvocationId
    step: StepId
    callee: InvocationId


@attrs.define(kw_only=True)
class InvocationsPurged:
    """The history and the results of these are gone; what they wrote into the object stays."""

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
    | OutputEmitted
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
)

EVENT_TYPES: tuple[type[Event], ...] = get_args(Event)


@attrs.define
class Stamp:
    """What every event carries: when it was decided, what caused it, who asked."""

    at: Date
    cause: str
    by: str


@attrs.define
class Recorded:
    """An event where it stands in its stream. Numbers run 1, 2, 3 … without a hole."""

    number: int
    stamp: Stamp
    event: Event
