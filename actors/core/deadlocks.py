"""The wait-for graph of invocations, and the search for a cycle in it.

An invocation waits for each invocation that it has called or attached to; a queued one waits for the holder of the key;
a restart may wait for the invocation that it repeats. The graph is not stored: each edge is read from the state of the
object where it begins. The last edge closes a cycle, so a search is needed only when an edge is added whose target
itself waits. A call to a free object waits for nothing and costs no search.

Prior art: the lock managers of databases keep this graph for transactions (PostgreSQL,
``src/backend/storage/lmgr/README``, "The Deadlock Detection Algorithm"). They search after a lock has been awaited for
some time; here the search is cheaper than a timer.

Alternative refused: to ignore waits inside a scope with a deadline. The cycle would still stop everything in it until
the deadline, and the work that the deadline ends has failed as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.state import WaitKind
from actors.errors import CircleLink, DeadlockError
from journal.errors import BrokenInvariant, CorruptRecord
from journal.events import Mode
from journal.ids import InvocationId, StepId, StreamId, stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from actors.core import commands as c
    from actors.core.state import InvocationState, ObjectState

    ObjectOf = Callable[[StreamId], ObjectState | None]

FARTHEST = 10_000
"""The most invocations that one search visits. A longer cycle is not found."""


class ObjectNotLoaded(Exception):
    """The search has reached an object that is not in memory."""

    def __init__(self, stream: StreamId) -> None:
        super().__init__(stream)
        self.stream = stream


@attrs.frozen
class Edge:
    """One wait: at a ``step`` of the handler or, if ``step`` is None, in the queue. ``is_own`` says that only this call
    requested the awaited invocation."""

    waiter: InvocationId
    awaited: InvocationId
    since: float
    step: StepId | None = None
    is_own: bool = False


@attrs.frozen
class WaitCycle:
    """A cycle of edges, each beginning where the previous one ends. ``links`` names its invocations, with the first
    repeated at the end."""

    edges: tuple[Edge, ...]
    links: tuple[CircleLink, ...]

    @property
    def closing(self) -> Edge:
        """The newest edge at which a handler waits, so that this handler can receive the error."""
        return max((edge for edge in self.edges if edge.step is not None), key=lambda edge: (edge.since, edge.waiter))

    @property
    def error(self) -> DeadlockError:
        """The error for the handler at the closing edge."""
        first = self.edges.index(self.closing)
        return deadlock([*self.links[first:-1], *self.links[: first + 1]])


def deadlock(links: Iterable[CircleLink]) -> DeadlockError:
    """Return the error that names these invocations. The first and the last are the invocation that receives it."""
    chain = tuple(links)
    path, ids = " → ".join(link.target for link in chain), " → ".join(link.invocation_id for link in chain)
    return DeadlockError(
        f"{chain[0].target} would wait for itself (deadlock): {path} ({ids}). Call keys in the same order everywhere, send instead of "
        "calling, or call a plain method",
        details={"chain": [{"invocation_id": link.invocation_id, "target": link.target} for link in chain]},
    )


def edges_of_call(state: ObjectState | None, command: c.ResolvedInvoke) -> list[Edge]:
    """Return the edges that the call adds if it is accepted now; none if the object is free."""
    asked = command.asked
    if state is None or asked.caller is None:
        return []
    caller, callee = asked.caller, asked.invocation_id
    call = Edge(caller.invocation_id, callee, 0.0, caller.step)
    if callee in state.invocations:
        return [call]
    is_queued = command.mode is Mode.EXCLUSIVE and asked.scheduled_for is None and state.holder is not None
    return [call, Edge(callee, state.holder, 0.0)] if is_queued and state.holder is not None else []


def edges_from(state: ObjectState, invocation: InvocationState) -> Iterator[Edge]:
    """Yield the waits of the invocation for other invocations."""
    of = invocation.invocation_id
    if invocation.is_started:
        for step, wait in invocation.waits.items():
            if wait.kind in (WaitKind.CALL, WaitKind.ATTACH):
                if wait.callee is None:
                    raise CorruptRecord(f"{of} waits at step {step} for an invocation without an id")
                is_own = wait.kind is WaitKind.CALL and not wait.is_fixed
                yield Edge(of, wait.callee, wait.since, step, is_own)
        return
    if state.holder is not None and of in state.queue:
        yield Edge(of, state.holder, invocation.accepted_at)
    if invocation.waits_for is not None and invocation.waits_for in state.invocations:
        yield Edge(of, invocation.waits_for, invocation.accepted_at)


class WaitGraph:
    """The graph over these objects. Every method raises :class:`ObjectNotLoaded` if it reaches an object that is not in
    memory."""

    def __init__(self, object_of: ObjectOf) -> None:
        self._object_of = object_of

    def circle_around(self, of: InvocationId) -> WaitCycle | None:
        """Return the cycle that contains the invocation, or None."""
        came_by = self._reach(of, until=of)
        return self._circle(_path(came_by, of, of)) if of in came_by else None

    def closed_by(self, edges: Sequence[Edge], target: str) -> WaitCycle | None:
        """Return the cycle that these edges would close, or None. The edges form a path; ``target`` is the name of the
        target of the first one."""
        waiter, start = edges[0].waiter, edges[-1].awaited
        came_by = self._reach(start, until=waiter)
        if start != waiter and waiter not in came_by:
            return None
        back = [] if start == waiter else _path(came_by, start, waiter)
        return self._circle([*edges, *back], {edges[0].awaited: target})

    def error_of(self, edges: Sequence[Edge], target: str) -> DeadlockError | None:
        """Return the error for the sender of these edges if they would close a cycle, else None."""
        circle = self.closed_by(edges, target)
        return None if circle is None else deadlock(circle.links)

    def _reach(self, start: InvocationId, *, until: InvocationId) -> dict[InvocationId, Edge]:
        """Return every invocation that ``start`` waits for, directly or not, each with the edge that leads to it. The
        search stops at ``until``, which may be ``start`` itself."""
        came_by: dict[InvocationId, Edge] = {}
        ahead = [start]
        while ahead and len(came_by) < FARTHEST:
            of = ahead.pop()
            state = self._object_of(stream_of_invocation(of))
            invocation = None if state is None else state.invocations.get(of)
            if state is None or invocation is None:
                continue
            for edge in edges_from(state, invocation):
                if edge.awaited in came_by:
                    continue
                came_by[edge.awaited] = edge
                if edge.awaited == until:
                    return came_by
                ahead.append(edge.awaited)
        return came_by

    def _circle(self, edges: Sequence[Edge], targets: dict[InvocationId, str] | None = None) -> WaitCycle:
        known = targets or {}
        ids = [edge.waiter for edge in edges] + [edges[0].waiter]
        return WaitCycle(tuple(edges), tuple(CircleLink(of, known.get(of) or self._target_of(of)) for of in ids))

    def _target_of(self, of: InvocationId) -> str:
        state = self._object_of(stream_of_invocation(of))
        if state is None:
            raise BrokenInvariant(f"the object of {of}, which waits, has no state")
        return f"{state.name}/{state.invocations[of].handler}"


def _path(came_by: dict[InvocationId, Edge], start: InvocationId, to: InvocationId) -> list[Edge]:
    edges = [came_by[to]]
    while edges[-1].waiter != start:
        edges.append(came_by[edges[-1].waiter])
    return edges[::-1]
