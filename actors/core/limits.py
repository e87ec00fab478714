"""Limits of concurrency: how many invocations of a scope may run at once. ::

    service:Agent    50 at once ──┐  an invocation under several limits runs
    tag:user=ada      2 at once ──┘  once all of them have room

The rules are durable, in the registry. The places are not: a place belongs to an attempt in this process, so after a start all are
free. :class:`RunPlaces` decides who gets one. Those that wait for the same limits wait in one line, ordered by the time of their
acceptance, so whoever was accepted first runs first, also when it continues after a wait. If one line cannot go on because of
another of its limits, the others do.

Invariant: at most as many invocations as every limit allows have a place. An exception are those that ran already when a limit was
set or lowered: nothing is stopped.

Prior art: the fair semaphore, with one queue for each set of semaphores that is taken together, so none is held while another
is awaited, and there is no order in which to take them.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, TypeAlias

import attrs

from actors.core.gates import GateScope, ScopeKind, parse_scope
from actors.errors import InvalidArgumentError
from actors.values.names import EDIT, is_system
from actors.values.texts import shown
from journal.ids import StreamId, stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from journal.ids import InvocationId

_Entry: TypeAlias = "tuple[float, int, InvocationId]"
"""A place in a line: the time of acceptance, the number of the arrival, and who it is. A line is a heap of them."""

_TAG = "tag:"
_KINDS = frozenset({ScopeKind.EVERYTHING, ScopeKind.SERVICE, ScopeKind.HANDLER, ScopeKind.KEY})


@attrs.frozen(kw_only=True)
class Limit:
    """At most ``concurrency`` invocations of the scope run at once; since when, by whom and why. ``scope`` is as text."""

    name: str
    scope: str
    concurrency: int
    since: float
    by: str
    reason: str = ""


@attrs.frozen
class LimitChange:
    """The result of setting or deleting a limit: whether it changed, and the limit before and after."""

    changed: bool
    before: Limit | None
    after: Limit | None


def checked_limit_scope(text: str) -> str:
    """Return the text of a scope that a limit can have. Raises :class:`actors.InvalidArgumentError`."""
    name, equals, value = text.removeprefix(_TAG).partition("=")
    if text.startswith(_TAG):
        if name and equals and value:
            return text
    else:
        try:
            if parse_scope(text).kind in _KINDS:
                return text
        except InvalidArgumentError:
            pass
    raise InvalidArgumentError(
        f"the scope is {shown(text)}, expected everything, service:NAME, handler:NAME/HANDLER, key:NAME/KEY or tag:NAME=VALUE",
        path="scope",
    )


@attrs.frozen(kw_only=True)
class Candidate:
    """An invocation, as far as limits are concerned with it."""

    invocation_id: InvocationId
    service: str
    key: str | None
    handler: str
    tags: Mapping[str, str] | None
    accepted_at: float


@attrs.frozen
class LimitWait:
    """An invocation waits for a limit: its name, the places that it has, how many are taken, and how many invocations are
    before it."""

    name: str
    concurrency: int
    running: int
    ahead: int


@attrs.frozen
class _InLine:
    """One that waits for limits: ``entry`` is its place in the line."""

    candidate: Candidate
    names: tuple[str, ...]
    entry: _Entry


class RunPlaces:
    """The places of one process. ``wake`` starts an invocation that has got one."""

    def __init__(self, wake: Callable[[InvocationId], None]) -> None:
        self.is_active = False
        """Whether there is any limit."""
        self._wake = wake
        self._limits: dict[str, Limit] = {}
        self._scopes: list[tuple[str, GateScope | tuple[str, str]]] = []
        self._running: dict[InvocationId, tuple[Candidate, tuple[str, ...]]] = {}
        self._taken: dict[str, int] = {}
        self._waiting: dict[InvocationId, _InLine] = {}
        self._lines: dict[tuple[str, ...], list[_Entry]] = {}
        self._arrivals = 0
        self._granted: dict[StreamId, set[InvocationId]] = {}

    @property
    def limits(self) -> Iterable[Limit]:
        """The limits in force."""
        return self._limits.values()

    def running(self, name: str) -> int:
        """Return how many places of the limit are taken."""
        return self._taken.get(name, 0)

    def waiting(self, name: str) -> int:
        """Return how many invocations wait for the limit."""
        return sum(name in one.names for one in self._waiting.values())

    def set_limits(self, limits: Iterable[Limit], running: Iterable[Candidate] = ()) -> None:
        """Apply these limits: whoever may run now gets a place. ``running`` are those that run, also without a place until now."""
        self._limits = {limit.name: limit for limit in limits}
        self._scopes = [(limit.name, _scope_of(limit.scope)) for limit in self._limits.values()]
        self.is_active = bool(self._limits)
        now_running = {one.invocation_id: one for one, _ in self._running.values()}
        now_running |= {one.invocation_id: one for one in running}
        waiting = self._waiting
        self._running, self._waiting, self._taken, self._lines = {}, {}, {}, {}
        for candidate in now_running.values():
            if names := self._names_of(candidate):
                self._occupy(candidate, names)
        for of in [of for woken in self._granted.values() for of in woken if of not in self._running]:
            self._accept(of)
        freed = [one.candidate for one in waiting.values() if not self._names_of(one.candidate)]
        for one in waiting.values():
            if names := self._names_of(one.candidate):
                self._enqueue(one.candidate, names)
        for candidate in freed:
            self._wake(candidate.invocation_id)
        self._grant()

    def concerns(self, service: str, key: str | None, handler: str, tags: Mapping[str, str] | None) -> bool:
        """Report whether any limit counts such an invocation."""
        return any(_matches(scope, service, key, handler, tags) for _, scope in self._scopes)

    def has(self, of: InvocationId) -> bool:
        """Report whether the invocation has a place."""
        return of in self._running

    def take(self, candidate: Candidate) -> bool:
        """Give the invocation a place, unless it must wait for one. Returns whether it may run. It may take one again that it has."""
        of = candidate.invocation_id
        if of in self._running:
            self._accept(of)
            return True
        if of in self._waiting:
            return False
        names = self._names_of(candidate)
        if not names:
            return True
        if self._have_room(names) and self._first(names) is None:
            self._occupy(candidate, names)
            return True
        self._enqueue(candidate, names)
        return False

    def give_up(self, of: InvocationId) -> None:
        """Forget an invocation that has ended before it ran."""
        self._waiting.pop(of, None)
        if self.unused(of):
            self.release(of)

    def release(self, of: InvocationId) -> None:
        """Take the place of an invocation back, and give it to the next one."""
        self._accept(of)
        found = self._running.pop(of, None)
        if found is not None:
            for name in found[1]:
                self._taken[name] -= 1
            self._grant()

    def leave_all(self, is_gone: Callable[[InvocationId], bool]) -> None:
        """Forget the invocations for which ``is_gone`` is true."""
        for of in [of for of in self._waiting if is_gone(of)]:
            del self._waiting[of]
        for of in [of for of in self._running if is_gone(of)]:
            self.release(of)

    def unused_in(self, stream: StreamId) -> Collection[InvocationId]:
        """Return the invocations of an object that were woken with a place and have not taken it."""
        return self._granted.get(stream, ())

    def unused(self, of: InvocationId) -> bool:
        """Report whether the invocation was woken with a place and has not taken it."""
        return of in self._granted.get(stream_of_invocation(of), ())

    def wait_of(self, of: InvocationId) -> LimitWait | None:
        """Return what the invocation waits for: of several limits, one that is full."""
        found = self._waiting.get(of)
        if found is None:
            return None
        names = found.names
        full = next((name for name in names if not self._have_room((name,))), names[0])
        ahead = sum(one.entry < found.entry for one in self._waiting.values() if full in one.names)
        return LimitWait(full, self._limits[full].concurrency, self.running(full), ahead)

    def _accept(self, of: InvocationId) -> None:
        """Note that the invocation has taken the place with which it was woken, or lost it."""
        stream = stream_of_invocation(of)
        woken = self._granted.get(stream)
        if woken is not None:
            woken.discard(of)
            if not woken:
                del self._granted[stream]

    def _names_of(self, candidate: Candidate) -> tuple[str, ...]:
        if is_system(candidate.service) or candidate.handler == EDIT:
            return ()
        service, key, handler, tags = candidate.service, candidate.key, candidate.handler, candidate.tags
        return tuple(name for name, scope in self._scopes if _matches(scope, service, key, handler, tags))

    def _have_room(self, names: tuple[str, ...]) -> bool:
        return all(self._taken.get(name, 0) < self._limits[name].concurrency for name in names)

    def _occupy(self, candidate: Candidate, names: tuple[str, ...]) -> None:
        self._running[candidate.invocation_id] = candidate, names
        for name in names:
            self._taken[name] = self._taken.get(name, 0) + 1

    def _enqueue(self, candidate: Candidate, names: tuple[str, ...]) -> None:
        self._arrivals += 1
        entry = candidate.accepted_at, self._arrivals, candidate.invocation_id
        self._waiting[candidate.invocation_id] = _InLine(candidate, names, entry)
        heapq.heappush(self._lines.setdefault(names, []), entry)

    def _first(self, names: tuple[str, ...]) -> _Entry | None:
        """Return the first one in the line that has not left it."""
        line = self._lines.get(names)
        while line:
            found = self._waiting.get(line[0][2])
            if found is not None and found.entry is line[0]:
                return line[0]
            heapq.heappop(line)
        self._lines.pop(names, None)
        return None

    def _heads(self) -> Iterator[tuple[_Entry, tuple[str, ...]]]:
        for names in list(self._lines):
            if self._have_room(names) and (first := self._first(names)) is not None:
                yield first, names

    def _grant(self) -> None:
        """Give each free place to whoever came first among those that it lets run."""
        while heads := list(self._heads()):
            (_, _, of), names = min(heads)
            heapq.heappop(self._lines[names])
            self._occupy(self._waiting.pop(of).candidate, names)
            self._granted.setdefault(stream_of_invocation(of), set()).add(of)
            self._wake(of)


def _scope_of(text: str) -> GateScope | tuple[str, str]:
    if not text.startswith(_TAG):
        return parse_scope(text)
    name, _, value = text.removeprefix(_TAG).partition("=")
    return name, value


def _matches(
    scope: GateScope | tuple[str, str], service: str, key: str | None, handler: str, tags: Mapping[str, str] | None
) -> bool:
    if isinstance(scope, tuple):
        return tags is not None and tags.get(scope[0]) == scope[1]
    match scope.kind:
        case ScopeKind.EVERYTHING:
            return True
        case ScopeKind.SERVICE:
            return scope.service == service
        case ScopeKind.HANDLER:
            return scope.service == service and scope.name == handler
        case _:
            return scope.service == service and scope.name == key
