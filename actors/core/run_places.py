"""Decides which invocations may run under the limits.

A *place* belongs to an attempt in this process. Places are in memory, so all of them are free when a process starts. They are given
out once all unfinished work is known, in the order of acceptance. The starts that a rate counts are on disk (``engine.start_log``), and
are read when a process starts. Invocations without a place wait (``core.run_lines``).

Invariant: no limit has more places taken than it permits, except by invocations that ran before it was set or lowered, because a limit
stops no invocation.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from actors.core.limits import LimitWait, Names, counting_limits
from actors.core.run_count import RunCount
from actors.core.run_lines import RunLines
from journal.ids import StreamId, stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from actors.core.limits import Candidate, Limit, UsedUp
    from journal.ids import InvocationId

_SWEEP_AT = 1_000
"""The number of counts from which unused counts are removed."""


@attrs.define(eq=False)
class _Runner:
    """An invocation that has a place. ``is_reserved`` says that its start was granted and has not begun."""

    candidate: Candidate
    counts: tuple[RunCount, ...]
    is_reserved: bool = False


class RunPlaces:
    """The places of one process. ``wake`` starts or continues an invocation that has received a place, ``now`` is the time, and
    ``set_alarm`` reports that :attr:`due` is earlier than before. ``names_of`` returns all names of a service and a handler, and
    ``used_up`` returns the used-up quantity of a limit's budget in a scope that it counts."""

    def __init__(
        self,
        wake: Callable[[InvocationId], None],
        now: Callable[[], float],
        set_alarm: Callable[[], None] = lambda: None,
        names_of: Callable[[str, str], Names] = lambda service, handler: Names((service,), (handler,)),
        used_up: Callable[[str, Limit], UsedUp | None] = lambda _, __: None,
    ) -> None:
        self.is_active = False
        """Whether there is any limit."""
        self.has_budgets = False
        """Whether any limit has a budget."""
        self._wake = wake
        self._now = now
        self._names_of = names_of
        self._used_up = used_up
        self._limits: dict[str, Limit] = {}
        self._counts: dict[str, RunCount] = {}
        self._sweep_at = _SWEEP_AT
        self._running: dict[InvocationId, _Runner] = {}
        self._lines = RunLines(now, self._grant, set_alarm)
        self._granted: dict[StreamId, set[InvocationId]] = {}
        self._searched: set[int] = set()

    # Questions.

    @property
    def limits(self) -> Collection[Limit]:
        """The limits in force."""
        return self._limits.values()

    def figures(self) -> Mapping[str, tuple[int, int]]:
        """Return the number of invocations that run under each limit and the number that wait for it, by scope."""
        found: dict[str, tuple[int, int]] = dict.fromkeys(self._limits, (0, 0))
        for count in self._counts.values():
            if count.limit is not None:
                running, waiting = found[count.limit.scope]
                found[count.limit.scope] = running + count.running, waiting + count.waiting
        return found

    def concerns(self, service: str, key: str | None, handler: str, tags: Mapping[str, str] | None) -> bool:
        """Report whether any limit counts such an invocation."""
        return any(True for _ in counting_limits(self._limits, self._names_of(service, handler), key, tags))

    def budgets_of(self, one: Candidate) -> list[tuple[str, Limit]]:
        """Return the limits with a budget that count an invocation, each with the scope that it counts."""
        limits = counting_limits(self._limits, self._names_of(one.service, one.handler), one.key, one.tags)
        return [(scope, limit) for scope, limit in limits if limit.budget is not None]

    def lives_of(self, scope: str) -> set[int]:
        """Return the lives of the budgets that count a scope, in its own limit or in a limit of each key or value."""
        limits = (self._limits.get(scope), self._limits.get(_of_each(scope)))
        return {limit.life for limit in limits if limit is not None and limit.budget is not None}

    def has(self, of: InvocationId) -> bool:
        """Report whether the invocation has a place."""
        return of in self._running

    def counted_starts(self, of: InvocationId) -> tuple[tuple[str, ...], float]:
        """Return the scopes that count the start of an invocation for a rate, and the longest of their periods."""
        runner = self._running.get(of)
        rated = () if runner is None else [(c.scope, c.limit.period) for c in runner.counts if c.limit and c.limit.rate]
        return tuple(scope for scope, _ in rated), max((period for _, period in rated), default=0.0)

    def unused_in(self, stream: StreamId) -> Collection[InvocationId]:
        """Return the invocations of an object that were woken with a place and have not taken it."""
        return self._granted.get(stream, ())

    def unused(self, of: InvocationId) -> bool:
        """Report whether the invocation was woken with a place and has not taken it."""
        return of in self._granted.get(stream_of_invocation(of), ())

    def wait_of(self, of: InvocationId) -> LimitWait | None:
        """Return a full limit that the invocation waits for, or None."""
        found = self._lines.waiting.get(of)
        if found is None:
            return None
        now, (scopes, is_start) = self._now(), found.key
        full = next((s for s in scopes if not self._counts[s].has_room(now, is_start=is_start)), scopes[0])
        count = self._counts[full]
        limit = count.limit
        if limit is None:
            return None
        ahead = self._lines.ahead_of(found, full)
        opens_at = count.opens_at(now) if is_start else None
        used_up = self._used_up(full, limit) if is_start else None
        return LimitWait(full, limit.concurrency, limit.rate, limit.period, count.running, ahead, opens_at, used_up)

    # Rules.

    def set_limits(self, limits: Iterable[Limit], running: Iterable[Candidate] = ()) -> None:
        """Apply these limits, and give places to the invocations that may run now. ``running`` are the running invocations, with or without a
        place."""
        self._limits = {limit.scope: limit for limit in limits}
        self.is_active = bool(self._limits)
        self.has_budgets = any(limit.budget is not None for limit in self._limits.values())
        reserved = {of for of, runner in self._running.items() if runner.is_reserved}
        now_running = {of: runner.candidate for of, runner in self._running.items()}
        now_running |= {one.invocation_id: one for one in running}
        counts, self._counts, self._running = self._counts, {}, {}
        for scope, count in counts.items():
            self.remember_start((scope,), *count.starts)
        for candidate in now_running.values():
            self._occupy(candidate, self._counts_of(candidate)[1], is_reserved=candidate.invocation_id in reserved)
        for of in [of for woken in self._granted.values() for of in woken if of not in self._running]:
            self._accept(of)
        self._lines.is_searching = True
        for waiter in self._lines.clear():
            scopes, found = self._counts_of(waiter.candidate)
            if scopes:
                self._lines.add(waiter.candidate, (scopes, waiter.key[1]), found)
            else:
                self._wake(waiter.candidate.invocation_id)
        self._go_on()

    def begin_search(self, partition: int) -> None:
        """Grant no place until all unfinished work of a partition is known (:meth:`end_search`), so that places are granted in order."""
        self._searched.add(partition)
        self._lines.is_searching = True

    def end_search(self, partition: int) -> None:
        """Report that the unfinished work of the partition is known, or that this process no longer runs the partition."""
        self._searched.discard(partition)
        self._go_on()

    def _go_on(self) -> None:
        self._lines.is_searching = bool(self._searched)
        self._lines.try_all()

    def remember_start(self, scopes: Iterable[str], *at: float) -> None:
        """Count earlier starts for the limits of these scopes."""
        for scope in scopes:
            limit = self._limits.get(scope) or self._limits.get(_of_each(scope))
            if at and limit is not None and limit.rate is not None:
                count = self._count(scope, limit)
                count.starts = deque(sorted((*count.starts, *at)))

    # Places.

    def take(self, candidate: Candidate, *, is_start: bool) -> bool:
        """Give the invocation a place, unless it must wait for one. Returns whether it may run. An invocation that has a place may call this
        again. ``is_start`` says that the invocation starts, which a rate counts."""
        of, now = candidate.invocation_id, self._now()
        runner = self._running.get(of)
        if runner is not None:
            self._begin(of, runner, now)
            return True
        if of in self._lines.waiting:
            return False
        self.open_due()
        self._sweep(now)
        scopes, counts = self._counts_of(candidate)
        if not scopes:
            return True
        key = scopes, is_start
        has_room = key not in self._lines and all(count.has_room(now, is_start=is_start) for count in counts)
        if has_room and not self._searched:
            self._begin(of, self._occupy(candidate, counts, is_reserved=is_start), now)
            return True
        self._lines.add(candidate, key, counts)
        return False

    def give_up(self, of: InvocationId) -> None:
        """Remove an invocation that has ended before it ran."""
        self._lines.leave(of)
        if self.unused(of):
            self.release(of)

    def release(self, of: InvocationId) -> None:
        """Release the place of an invocation, and give it to the next one."""
        self._accept(of)
        runner = self._running.pop(of, None)
        if runner is None:
            return
        for count in runner.counts:
            count.running -= 1
            count.reserved -= runner.is_reserved
        self._lines.refill(runner.counts)

    def leave_all(self, is_gone: Callable[[InvocationId], bool]) -> None:
        """Remove the invocations for which ``is_gone`` is true."""
        for of in [of for of in self._lines.waiting if is_gone(of)]:
            self._lines.leave(of)
        for of in [of for of in self._running if is_gone(of)]:
            self.release(of)

    @property
    def due(self) -> float | None:
        """When :meth:`open_due` is to be called next."""
        return self._lines.due

    def open_due(self) -> None:
        """Let start what the rates permit now."""
        self._lines.open_due()

    # Inside.

    def _counts_of(self, one: Candidate) -> tuple[tuple[str, ...], tuple[RunCount, ...]]:
        limits = [*counting_limits(self._limits, self._names_of(one.service, one.handler), one.key, one.tags)]
        return tuple(scope for scope, _ in limits), tuple(self._count(scope, limit) for scope, limit in limits)

    def _count(self, scope: str, limit: Limit) -> RunCount:
        count = self._counts.get(scope)
        if count is None:
            count = self._counts[scope] = RunCount(scope, limit)
            if limit.budget is not None:
                count.has_budget = lambda: self._used_up(scope, limit) is None
        return count

    def _sweep(self, now: float) -> None:
        """Drop the unused counts of keys and values if there are many."""
        if len(self._counts) >= self._sweep_at:
            self._counts = {scope: count for scope, count in self._counts.items() if not count.is_unused(now)}
            self._sweep_at = max(_SWEEP_AT, 2 * len(self._counts))

    def _occupy(self, candidate: Candidate, counts: tuple[RunCount, ...], *, is_reserved: bool) -> _Runner:
        runner = _Runner(candidate, counts, is_reserved)
        if counts:
            self._running[candidate.invocation_id] = runner
        for count in counts:
            count.running += 1
            count.reserved += is_reserved
        return runner

    def _grant(self, candidate: Candidate, counts: tuple[RunCount, ...], is_start: bool) -> None:
        """Give a place to an invocation that waited, and wake it."""
        of = candidate.invocation_id
        self._occupy(candidate, counts, is_reserved=is_start)
        self._granted.setdefault(stream_of_invocation(of), set()).add(of)
        self._wake(of)

    def _begin(self, of: InvocationId, runner: _Runner, now: float) -> None:
        """Record that the invocation uses its place, and count its start."""
        self._accept(of)
        if runner.is_reserved:
            runner.is_reserved = False
            for count in runner.counts:
                count.reserved -= 1
                if count.limit is not None and count.limit.rate is not None:
                    count.starts.append(now)
                    self._lines.alarm_if_needed(count)

    def _accept(self, of: InvocationId) -> None:
        """Record that the invocation has taken the place with which it was woken, or has lost it."""
        stream = stream_of_invocation(of)
        woken = self._granted.get(stream)
        if woken is not None:
            woken.discard(of)
            if not woken:
                del self._granted[stream]


def _of_each(scope: str) -> str:
    """Return the scope of each key or value for a scope of one key or value."""
    return scope.partition("=" if scope.startswith("tag:") else "/")[0]
