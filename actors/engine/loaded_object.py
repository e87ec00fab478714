"""An object in memory: its state, its attempts, its waiting clients, and its events that are not on disk yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.engine.waiter import Waiters
from journal.events import Recorded
from journal.ids import object_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from actors.core.state import InvocationState, ObjectState, Wait
    from actors.engine.attempt import Attempt
    from actors.engine.output_tail import OutputTail
    from actors.engine.steps import StepTask
    from actors.errors import UnavailableError
    from actors.model.definitions import Definition
    from actors.rows.index import IndexedState
    from journal.errors import Damaged
    from journal.events import Event, Stamp
    from journal.fused import Fused
    from journal.ids import InvocationId, StepId, StreamId
    from journal.rows import InvocationRow


class RecentEvents:
    """The events of one object that no commit has confirmed, in order and without a gap.

    What was recorded as one frame stays one until it is read event by event.
    """

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[Recorded | tuple[int, int, Fused]] = []
        """The events; a frame is here with the numbers of its first and its last event. A list, because most objects have none, and an
        empty deque takes 760 bytes."""

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self._expanded())

    def append(self, recorded: Recorded) -> None:
        """Add the next event."""
        self.parts.append(recorded)

    def extend(self, more: Iterable[Recorded]) -> None:
        """Add the next events."""
        self.parts.extend(more)

    def between(self, first: int, last: int) -> Sequence[Recorded]:
        """The events ``first`` to ``last``."""
        parts = self._expanded()
        if not parts:
            return ()
        start = parts[0].number
        return parts[max(0, first - start) : max(0, last + 1 - start)]

    def drop_until(self, number: int) -> None:
        """Drop the events up to this number."""
        parts = self.parts
        for place, part in enumerate(parts):
            if (part.number if isinstance(part, Recorded) else part[1]) > number:
                del parts[:place]
                return
        parts.clear()

    def drop_after(self, number: int) -> None:
        """Drop the events after this number."""
        parts = self._expanded()
        while parts and parts[-1].number > number:
            parts.pop()

    def clear(self) -> None:
        """Drop all events."""
        self.parts.clear()

    def _expanded(self) -> list[Recorded]:
        parts: Any = self.parts
        if not any(part.__class__ is tuple for part in parts):
            return parts  # type: ignore[no-any-return]
        single: list[Recorded] = []
        for part in parts:
            if isinstance(part, Recorded):
                single.append(part)
            else:
                first, _, fused = part
                single.extend(Recorded(first + n, *entry) for n, entry in enumerate(fused.expand(first)))
        self.parts = single  # type: ignore[assignment]  # lists are invariant
        return single


@attrs.define(eq=False)
class LoadedObject:
    """One object, as the processor of its partition holds it.

    The state is ahead of the disk by ``recent``, the events that no commit has confirmed. ``ended`` are the rows of invocations
    that completed since the last commit was sealed. After a failed commit all of it is dropped and read again.
    ``outputs`` are the ends of the outputs of its open invocations; None if they have not been read from the disk.
    ``pending_appends`` counts the unfinished commits that it has a part in. ``steps`` run; ``due_steps`` begin once their
    requests are durable. ``held_back`` counts the completions that a gate has kept from handlers. ``rested`` keeps, for
    handlers that have left memory, the number of the last event after which they waited again. ``owing_on_disk`` says whether the
    index of unfinished work has the object; None if that must be read from the disk. ``damage`` is the reason why
    the object cannot be used; ``is_set_aside`` says that an internal error is that reason, so that the object stays in memory
    until the next start. ``is_torn`` says that the state no longer matches its events. ``weight`` is the number of bytes of its
    fields and pending changes when last measured. ``looked_at_for``
    is the class for which its stored fields were last compared with the declared ones.
    """

    stream: StreamId
    state: ObjectState | None
    durable: int = 0
    trimmed: int = 0
    recent: RecentEvents = attrs.field(factory=RecentEvents)
    ended: dict[InvocationId, InvocationRow] = attrs.field(factory=dict)
    attempts: dict[InvocationId, Attempt] = attrs.field(factory=dict)
    steps: dict[InvocationId, dict[StepId, StepTask]] = attrs.field(factory=dict)
    due_steps: dict[tuple[InvocationId, StepId], None] = attrs.field(factory=dict)
    held_back: dict[InvocationId, int] = attrs.field(factory=dict)
    rested: dict[InvocationId, int] = attrs.field(factory=dict)
    waiters: Waiters = attrs.field(factory=Waiters)
    outputs: dict[InvocationId, OutputTail] | None = attrs.field(factory=dict)
    listings: dict[InvocationId, IndexedState] = attrs.field(factory=dict)
    owing_on_disk: bool | None = False
    snapshot_at: int = 0
    events_since_snapshot: int = 0
    bytes_since_snapshot: int = 0
    snapshot_bytes: int = 0
    pending_appends: int = 0
    weight: int = 0
    damage: Damaged | UnavailableError | None = None
    is_set_aside: bool = False
    is_torn: bool = False
    looked_at_for: Definition | None = None

    @property
    def prefix(self) -> str:
        """The prefix of the ids of its invocations."""
        return object_prefix(self.stream)

    @property
    def version(self) -> int:
        """The number of its last event."""
        return 0 if self.state is None else self.state.version

    @property
    def is_idle(self) -> bool:
        """Whether it can leave memory: nothing runs, no client waits, everything is on disk."""
        return not (
            self.attempts
            or self.steps
            or self.waiters
            or self.recent
            or self.ended
            or self.pending_appends
            or self.is_set_aside
        )

    @property
    def is_over(self) -> bool:
        """Whether nothing new can reach it: it was removed, or it is a service's invocation that has completed."""
        state = self.state
        return state is None or (state.key is None and self.damage is None and not state.invocations)

    def open_state(self, of: InvocationId) -> InvocationState | None:
        """The state of an invocation of the object; None once it has completed."""
        return None if self.state is None else self.state.invocations.get(of)

    def wait_of(self, of: InvocationId, step: StepId) -> Wait | None:
        """The wait of an open invocation with the id of this step."""
        invocation = self.open_state(of)
        return None if invocation is None else invocation.waits.get(step)

    def forget_rows_of_open(self) -> None:
        """Drop the rows of invocations that did not complete after all."""
        is_open = set() if self.state is None else self.state.invocations.keys()
        self.ended = {of: row for of, row in self.ended.items() if of not in is_open}

    def forget_erased(self, behind: int, events: Iterable[tuple[Stamp, Event]]) -> None:
        """Replace the events after this number, which no commit has written, by their erased form."""
        self.recent.drop_after(behind)
        self.recent.extend(Recorded(behind + 1 + at, stamp, event) for at, (stamp, event) in enumerate(events))

    def vanish(self) -> None:
        """Reset the object as if it had never existed; the commit that is being sealed removes it."""
        self.state = None
        self.durable = self.trimmed = self.snapshot_at = 0
        self.recent.clear()
        self.listings.clear()
        self.outputs = {}
        self.owing_on_disk = False
        self.events_since_snapshot = self.bytes_since_snapshot = self.snapshot_bytes = 0
