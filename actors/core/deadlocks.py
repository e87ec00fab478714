"""Who waits for whom, and where that leads back to itself.

The graph has an edge from each invocation to every one whose end it waits for: to those that it has called or waits for by
their ids; from one that is queued to the one that holds the key; from one that repeats another to that one. It is nowhere
kept: each edge is read off the state of the object that it begins in. A circle is closed by the edge that comes last, so it
is enough to look, whenever an edge is added that leads to something that itself waits, whether the graph leads back from
there. What is free waits for nothing, and costs no search.

Prior art: the lock managers of databases keep this graph for transactions (PostgreSQL, ``src/backend/storage/lmgr/README``,
"The Deadlock Detection Algorithm"). They look once a lock has been waited for for a while; here looking is cheaper than a timer.

A scope with a deadline around a wait does not make it less of a deadlock: until then nothing of the circle goes on, and what
the deadline ends has failed as well.
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
"""Invocations that one search visits at most. A circle behind more of them is not found."""


class ObjectNotLoaded(Exception):
    """The search comes to an object that is not in memory."""

    def __init__(self, stream: StreamId) -> None:
        super().__init__(stream)
        self.stream = stream


@attrs.frozen
class Edge:
    """One wait: at a ``step`` of the handler, or, without one, for its turn. ``is_own``: only its waiter has asked for what is
    awaited, by this call."""

    waiter: InvocationId
    awaited: InvocationId
    since: float
    step: StepId | None = None
    is_own: bool = False


@attrs.frozen
class WaitCycle:
    """Edges, each from where the one before leads to, the last to where the first begins; and those that they join, by name, the
    first once more at the end."""

    edges: tuple[Edge, ...]
    links: tuple[CircleLink, ...]

    @property
    def closing(self) -> Edge:
        """The one that was added last, of those that a handler waits at: it can be told that it failed."""
        return max((edge for edge in self.edges if edge.step is not None), key=lambda edge: (edge.since, edge.waiter))

    @property
    def error(self) -> DeadlockError:
        """What the handler at the closing edge is told."""
        first = self.edges.index(self.closing)
        return deadlock([*self.links[first:-1], *self.links[: first + 1]])


def deadlock(links: Iterable[CircleLink]) -> DeadlockError:
    """The error that names these, from the one that is told to itself."""
    chain = tuple(links)
    path, ids = " → ".join(link.target for link in chain), " → ".join(link.invocation_id for link in chain)
    return DeadlockError(
        f"{chain[0].target} would wait for itself: {path} ({ids}). Ask for keys in one order everywhere, send instead of "
        "calling, or call a plain method",
        details={"chain": [{"invocation_id": link.invocation_id, "target": link.target} for link in chain]},
    )


def edges_of_call(state: ObjectState | None, command: c.Invoke) -> list[Edge]:
    """The edges that a call adds if it is taken now; none if it waits for nothing that may wait itself."""
    if state is None or command.caller is None:
        return []
    caller, callee = command.caller, command.invocation_id
    call = Edge(caller.invocation_id, callee, 0.0, caller.step)
    if callee in state.invocations:
        return [call]
    is_queued = command.mode is Mode.EXCLUSIVE and command.scheduled_for is None and state.holder is not None
    return [call, Edge(callee, state.holder, 0.0)] if is_queued and state.holder is not None else []


def edges_from(state: ObjectState, invocation: InvocationState) -> Iterator[Edge]:
    """What the invocation waits for, as far as it is the end of others."""
    of = invocation.invocation_id
    if invocation.is_started:
        for step, wait in invocation.waits.items():
            if wait.kind in (WaitKind.CALL, WaitKind.ATTACH):
                if wait.callee is None:
                    raise CorruptRecord(f"{of} waits for another invocation at step {step}, which is not named")
                is_own = wait.kind is WaitKind.CALL and not wait.is_fixed
                yield Edge(of, wait.callee, wait.since, step, is_own)
        return
    if state.holder is not None and of in state.queue:
        yield Edge(of, state.holder, invocation.accepted_at)
    if invocation.behind is not None and invocation.behind in state.invocations:
        yield Edge(of, invocation.behind, invocation.accepted_at)


class WaitGraph:
    """The graph over these objects. Every method raises :class:`ObjectNotLoaded`."""

    def __init__(self, object_of: ObjectOf) -> None:
        self._object_of = object_of

    def circle_around(self, of: InvocationId) -> WaitCycle | None:
        """The circle that an invocation is in, if it is in one."""
        came_by = self._reach(of, until=of)
        return self._circle(_path(came_by, of, of)) if of in came_by else None

    def closed_by(self, edges: Sequence[Edge], target: str) -> WaitCycle | None:
        """The circle that these edges would close, which lead from one to the next. ``target`` is the first that they lead to."""
        waiter, start = edges[0].waiter, edges[-1].awaited
        came_by = self._reach(start, until=waiter)
        if start != waiter and waiter not in came_by:
            return None
        back = [] if start == waiter else _path(came_by, start, waiter)
        return self._circle([*edges, *back], {edges[0].awaited: target})

    def error_of(self, edges: Sequence[Edge], target: str) -> DeadlockError | None:
        """What the one is told that asks for these edges, if they would close a circle."""
        circle = self.closed_by(edges, target)
        return None if circle is None else deadlock(circle.links)

    def _reach(self, start: InvocationId, *, until: InvocationId) -> dict[InvocationId, Edge]:
        """Everything that ``start`` waits for, however far away, each with the edge that the search came by; as far as
        ``until``, which may be where it starts."""
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
            raise BrokenInvariant("who waits has an object")
        return f"{state.name}/{state.invocations[of].handler}"


def _path(came_by: dict[InvocationId, Edge], start: InvocationId, to: InvocationId) -> list[Edge]:
    edges = [came_by[to]]
    while edges[-1].waiter != start:
        edges.append(came_by[edges[-1].waiter])
    return edges[::-1]
