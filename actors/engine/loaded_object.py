"""An object in memory: its state, the attempts that run, those who wait for it, and what is not on disk yet."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

import attrs

from journal.events import Recorded
from journal.ids import object_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from actors.core.state import ObjectState
    from actors.engine.attempt import Attempt
    from actors.engine.steps import StepTask
    from actors.engine.waiter import Reply
    from actors.errors import ObjectSetAsideError
    from journal.errors import Damaged
    from journal.events import Event, Failure, Outcome, Stamp, Status
    from journal.ids import InvocationId, StepId, StreamId
    from journal.rows import AwaitedSignal, InvocationRow


@attrs.define
class IndexedState:
    """What the row of an open invocation says on disk."""

    status: Status
    failure: Failure | None
    cancelled: bool
    deployment: str
    awaited: tuple[AwaitedSignal, ...] = ()
    step_tries: int = 0


@attrs.define(eq=False)
class LoadedObject:
    """One object, as the owner of its partition has it.

    The state runs ahead of the disk by ``recent``, the events that no commit has confirmed. ``ended`` are the rows of
    invocations that ended since the last commit was sealed. If a commit fails, all of it is dropped and read again.
    ``pending_appends`` are the commits under way, or forming, that it has a part in. ``steps`` run; ``due_steps`` begin once what
    asked for them is durable. ``held_back`` counts the completions that handlers have not been given because a gate is closed
    before them. ``damage`` says why nothing of it goes on; ``is_set_aside``: because of the
    engine, until the next start, so it does not leave memory. ``is_torn``: its state is no longer what its events say. ``weight`` is
    how many bytes its fields, and what its handler has changed, had when it was last weighed.
    """

    stream: StreamId
    state: ObjectState | None
    durable: int = 0
    trimmed: int = 0
    recent: deque[Recorded] = attrs.field(factory=deque)
    ended: dict[InvocationId, InvocationRow] = attrs.field(factory=dict)
    attempts: dict[InvocationId, Attempt] = attrs.field(factory=dict)
    steps: dict[InvocationId, dict[StepId, StepTask]] = attrs.field(factory=dict)
    due_steps: set[tuple[InvocationId, StepId]] = attrs.field(factory=set)
    held_back: dict[InvocationId, int] = attrs.field(factory=dict)
    waiters: dict[InvocationId, list[Reply[Outcome]]] = attrs.field(factory=dict)
    listings: dict[InvocationId, IndexedState] = attrs.field(factory=dict)
    owing_on_disk: bool = False
    snapshot_at: int = 0
    events_since_snapshot: int = 0
    bytes_since_snapshot: int = 0
    snapshot_bytes: int = 0
    pending_appends: int = 0
    weight: int = 0
    damage: Damaged | ObjectSetAsideError | None = None
    is_set_aside: bool = False
    is_torn: bool = False

    @property
    def prefix(self) -> str:
        """What the ids of its invocations begin with."""
        return object_prefix(self.stream)

    @property
    def version(self) -> int:
        """The number of the last event."""
        return 0 if self.state is None else self.state.version

    @property
    def is_idle(self) -> bool:
        """Whether it can leave memory: nothing runs, nobody waits, everything is on disk."""
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
        """Whether nothing new can come to it: it is gone, or a call of a service that has ended."""
        state = self.state
        return state is None or (self.damage is None and state.key is None and not state.invocations)

    def recent_events(self, first: int, last: int) -> Iterator[Recorded]:
        """Those of the events ``first`` to ``last`` that are not durable yet. Their numbers have no hole."""
        if not self.recent:
            return iter(())
        start = self.recent[0].number
        return islice(self.recent, max(0, first - start), max(0, last + 1 - start))

    def confirm(self, number: int) -> None:
        """Events up to this one are durable."""
        self.durable = number
        recent = self.recent
        while recent and recent[0].number <= number:
            recent.popleft()

    def forget_recent(self, after: int) -> None:
        """Take back the events after this number, which no commit has written."""
        while self.recent and self.recent[-1].number > after:
            self.recent.pop()

    def forget_rows_of_open(self) -> None:
        """Take back the rows of invocations that did not end after all."""
        is_open = set() if self.state is None else self.state.invocations.keys()
        self.ended = {of: row for of, row in self.ended.items() if of not in is_open}

    def forget_erased(self, behind: int, events: Iterable[tuple[Stamp, Event]]) -> None:
        """Take over what has become of the events behind this number, which no commit has written yet."""
        self.forget_recent(behind)
        self.recent.extend(Recorded(behind + 1 + at, stamp, event) for at, (stamp, event) in enumerate(events))

    def vanish(self) -> None:
        """As if it had never been; the commit that is being sealed removes it."""
        self.state = None
        self.durable = self.trimmed = self.snapshot_at = 0
        self.recent.clear()
        self.listings.clear()
        self.owing_on_disk = False
        self.events_since_snapshot = self.bytes_since_snapshot = self.snapshot_bytes = 0
