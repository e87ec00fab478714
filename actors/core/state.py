"""What is known of an object: the fold of its events.

Small on purpose. Ended invocations are not in it, histories are not in it (only where they lie), items of ``Log`` and
``Map`` fields are not in it. A snapshot is this, as msgpack.
"""

from __future__ import annotations

import contextlib
import hashlib
import math

import attrs
import msgspec

from journal.errors import BrokenInvariant
from journal.events import Caller, Constant, Failure, Kind, Lineage, Link, Mode, PauseCause, Status
from journal.ids import InvocationId, StepId

REQUEST = "request:"
"""What the cause of an event begins with when a client outside asked for it under a key of its own."""

_REMEMBERED_REQUESTS = 16


def with_request(obeyed: dict[str, Status], cause: str, before: Status) -> dict[str, Status]:
    """The requests that have been obeyed, each with the status that it found, and this one; the latest are remembered."""
    if not cause.startswith(REQUEST) or cause in obeyed:
        return obeyed
    kept = list(obeyed.items())[1 - _REMEMBERED_REQUESTS :]
    return {**dict(kept), cause: before}


def digest(argument: bytes, mark: bytes = b"") -> bytes:
    """Sixteen bytes that tell one argument from another, however its JSON is spelled: white space, the order of names, escapes
    and the ways to write a number do not count. ``mark`` tells different uses of the same JSON apart."""
    with contextlib.suppress(msgspec.DecodeError, RecursionError):  # as of no argument at all
        argument = _ENCODER.encode(_DECODER.decode(argument))
    return hashlib.sha256(mark + argument).digest()[:16]


def _number(written: str) -> float | int | str:
    value = float(written)
    if not math.isfinite(value):
        return written
    return int(value) if value.is_integer() else value


_DECODER = msgspec.json.Decoder(float_hook=_number)
_ENCODER = msgspec.json.Encoder(order="sorted")


class WaitKind(Constant):
    """What an invocation can wait for."""

    STEP = "step"
    STEP_RETRY = "step_retry"
    SLEEP = "sleep"
    DEADLINE = "deadline"
    CALL = "call"
    ATTACH = "attach"
    SIGNAL = "signal"
    VERB = "verb"


@attrs.define
class Wait:
    """Something that has been started and has not ended: what, since when, under which name, until when, of whom.
    ``is_fixed``: a key determines the id of the callee."""

    kind: WaitKind
    since: float
    name: str = ""
    at: float | None = None
    callee: InvocationId | None = None
    attempts: int = 0
    max_attempts: int | None = None
    is_fixed: bool = False


@attrs.define
class Cancel:
    """A cancel that has been asked for. ``overtook``: the handler returned once without having met it."""

    reason: str
    by: str
    at: float
    kill_at: float | None = None
    overtook: bool = False


@attrs.define
class Changes:
    """What a handler has written and not yet left to its object: that happens when it ends.

    Until then a replay starts from the object as it was, and makes the same changes again. ``size`` is the bytes of all values.
    """

    fields: dict[str, bytes] = attrs.field(factory=dict)
    logs: dict[str, list[bytes]] = attrs.field(factory=dict)
    maps: dict[str, dict[str, bytes | None]] = attrs.field(factory=dict)
    size: int = 0

    def write(self, fields: dict[str, bytes], size: int) -> None:
        """Change fields; ``size`` is how many bytes the new values have."""
        known = self.fields
        self.size += size - sum([len(known[name]) for name in known.keys() & fields.keys()]) if known else size
        known.update(fields)

    def extend(self, field: str, items: list[bytes]) -> None:
        """A ``Log`` has more items."""
        self.size += sum(map(len, items))
        self.logs.setdefault(field, []).extend(items)

    def change(self, field: str, items: dict[str, bytes | None]) -> None:
        """Items of a ``Map`` have other values, or none."""
        kept = self.maps.setdefault(field, {})
        for key, value in items.items():
            self.size += len(value or b"") - len(kept.get(key) or b"")
            kept[key] = value

    def __bool__(self) -> bool:
        return bool(self.fields or self.logs or self.maps)


@attrs.define(kw_only=True)
class InvocationState:
    """An invocation that has not ended.

    ``spans`` are the ranges of event numbers among which its own lie. ``failed_attempts`` counts since it last went on by
    a client's will. ``parked``: nothing of it is in memory, and nothing needs to be. ``signals`` are the numbers of those that have come and that no wait has taken, by name; ``signals_received``
    is the number of the last one, and ``deferred_signals`` counts those that come again. ``pausing`` is the reason of a pause
    that waits for running steps. ``held_back`` counts the completions that came while it was held, which its handler has not been
    given. ``value_bytes`` is what its events hold of users' values.
    ``obeyed`` are the latest requests that changed it. ``restarts`` is the one that it repeats, ``has_kept`` whether it has taken
    over what it keeps of that; ``behind`` is the one whose end it waits for, ``successors`` are those that repeat it. ``spares``: what it has called under a key goes on when it is
    stopped.
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
    parked: bool = False
    signals: dict[str, list[int]] = attrs.field(factory=dict)
    signals_received: int = 0
    deferred_signals: int = 0
    attached: list[Caller] = attrs.field(factory=list)
    changes: Changes = attrs.field(factory=Changes)
    cancel: Cancel | None = None
    pausing: str | None = None
    held_back: int = 0
    max_attempts: int | None = None
    pause_reason: str = ""
    paused_by: str = ""
    paused_at: float | None = None
    pause_cause: PauseCause | None = None
    last_failure: Failure | None = None
    event_count: int = 0
    value_bytes: int = 0
    obeyed: dict[str, Status] = attrs.field(factory=dict)
    restarts: Lineage | None = None
    has_kept: bool = False
    behind: InvocationId | None = None
    successors: list[InvocationId] = attrs.field(factory=list)
    spares: bool = False

    @property
    def is_started(self) -> bool:
        """Whether its handler has begun."""
        return self.started_at is not None


@attrs.define(kw_only=True)
class ObjectState:
    """An object. ``holder`` is the invocation that has it for itself, ``queue`` those that wait for it, in order.
    ``fields_version`` is the number of the event that changed its fields last, ``maps`` are the fields that have had items by
    keys."""

    service: str
    key: str | None
    kind: Kind
    version: int = 0
    fields: dict[str, bytes] = attrs.field(factory=dict)
    lengths: dict[str, int] = attrs.field(factory=dict)
    maps: set[str] = attrs.field(factory=set)
    fields_version: int = 0
    invocations: dict[InvocationId, InvocationState] = attrs.field(factory=dict)
    queue: list[InvocationId] = attrs.field(factory=list)
    holder: InvocationId | None = None

    @property
    def name(self) -> str:
        """As people write it."""
        return self.service if self.key is None else f"{self.service}/{self.key}"


def existing(state: ObjectState | None) -> ObjectState:
    """The state of an object that has events. Raises :class:`journal.errors.BrokenInvariant` if there is none."""
    if state is None:
        raise BrokenInvariant("an object that has events has a state")
    return state
