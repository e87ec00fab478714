"""The lines of invocations that wait for limits. ::

    take ──┬─ all its limits have room ──► it runs
           └─ one is full ──► its line ──► the line waits for that limit ──► room in it ──► grant

Invocations that are counted by the same limits wait in one line, ordered by rank: with equal priorities, the one accepted first runs
first, even if it continues after a wait. An invocation that has started does not count for a rate, so there are separate lines for
these. A line waits for one of its limits that is full. When that limit has room, the line with the oldest first invocation is tried
first; if another of its limits is full, it waits for that one. If the places of two limits become free in turn, an invocation that
needs both could wait forever. So an invocation that has been passed by often becomes *next*: each of its limits keeps a place for it
until it has all of them. Only one invocation at a time is next.

Invariant: no line waits for a limit that has room. So a place that becomes free costs a search of the lines that can proceed, and of
those that are now blocked by another limit, regardless of the number of waiting invocations.

Prior art: the fair semaphore, acquired for a whole set of resources at once, so that none is held while another is awaited; and the
sliding log of a rate limiter. Alternative refused: a token bucket. It needs less memory, but permits twice the rate in one period.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import attrs

from actors.core.run_count import Entry, LineKey, RunCount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actors.core.limits import Candidate
    from journal.ids import InvocationId

_PATIENCE = 16
"""How often the first invocation of a line finds another limit full before places are kept for it."""


@attrs.define(eq=False)
class _Line:
    """The invocations that wait for the same limits. ``ticket`` is the valid entry of the line in a heap of ``RunCount``; its other entries
    are void. ``passed`` counts how often the first invocation was tried while another of its limits was full."""

    key: LineKey
    counts: tuple[RunCount, ...]
    entries: list[Entry] = attrs.field(factory=list)
    ticket: Entry | None = None
    passed: int = 0

    def full(self, now: float, *, is_next: bool = False) -> RunCount | None:
        """Return one of the counts that has no room for the first invocation of the line; None if all have room."""
        is_start = self.key[1]
        return next((c for c in self.counts if not c.has_room(now, is_start=is_start, is_next=is_next)), None)


@attrs.define(eq=False)
class Waiter:
    """An invocation that waits in a line, at the place ``entry``."""

    candidate: Candidate
    key: LineKey
    entry: Entry


class RunLines:
    """The lines of one process. ``grant`` gives a place to an invocation that may run, and ``set_alarm`` reports that :attr:`due` is earlier
    than before. While ``is_searching``, no place is granted."""

    def __init__(
        self,
        now: Callable[[], float],
        grant: Callable[[Candidate, tuple[RunCount, ...], bool], None],
        set_alarm: Callable[[], None],
    ) -> None:
        self.waiting: dict[InvocationId, Waiter] = {}
        """The waiting invocations."""
        self.is_searching = False
        self._now = now
        self._grant_place = grant
        self._set_alarm = set_alarm
        self._lines: dict[LineKey, _Line] = {}
        self._arrivals = 0
        self._alarms: list[tuple[float, int, RunCount]] = []
        self._next: Waiter | None = None

    def __contains__(self, key: LineKey) -> bool:
        """Report whether an invocation waits in the line."""
        return key in self._lines

    @property
    def due(self) -> float | None:
        """The time at which :meth:`open_due` is to be called next."""
        return self._alarms[0][0] if self._alarms else None

    def ahead_of(self, waiter: Waiter, scope: str) -> int:
        """Return the number of invocations that wait for the limit before this one."""
        return sum(one.entry < waiter.entry for one in self.waiting.values() if scope in one.key[0])

    def clear(self) -> list[Waiter]:
        """Empty all lines. Returns the invocations that waited, in the order of their arrival."""
        waiting = [*self.waiting.values()]
        self.waiting, self._lines, self._alarms, self._next = {}, {}, [], None
        return waiting

    def add(self, candidate: Candidate, key: LineKey, counts: tuple[RunCount, ...]) -> None:
        """Add an invocation for which a limit has no room."""
        self._arrivals += 1
        entry = candidate.rank, self._arrivals, candidate.invocation_id
        self.waiting[candidate.invocation_id] = Waiter(candidate, key, entry)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(key, counts)
        heapq.heappush(line.entries, entry)
        for count in counts:
            count.waiting += 1
        if not self.is_searching:
            self._park(line)

    def leave(self, of: InvocationId) -> None:
        """Remove a waiting invocation."""
        waiter = self.waiting.pop(of, None)
        if waiter is not None:
            line = self._lines[waiter.key]
            for count in line.counts:
                count.waiting -= 1
            self._first(line)
            if waiter is self._next:
                self.refill(self._end_next(line))

    def refill(self, counts: Sequence[RunCount]) -> None:
        """Give each free place of these limits to the first invocation that can run with it."""
        if self.is_searching:
            return
        while True:
            now = self._now()
            if self._next is not None:
                counts = (*counts, *self._try_next(self._next, now))
            heaps = [
                (count.blocked[is_start], count)
                for count in counts
                for is_start in (False, True)
                if count.blocked[is_start] and count.has_room(now, is_start=is_start)
            ]
            if not heaps:
                break
            heap, count = min(heaps, key=lambda one: one[0][0])
            entry, key = heapq.heappop(heap)
            line = self._lines.get(key)
            if line is not None and line.ticket is entry:
                line.ticket = None
                self._try(line, entry, count, now)
        for count in counts:
            self.alarm_if_needed(count)

    def try_all(self) -> None:
        """Try each line, the one with the oldest invocation first."""
        if self.is_searching:
            return
        entrance = RunCount("", None)
        for line in [*self._lines.values()]:
            line.ticket = None
            self._park(line, entrance)
        self.refill((entrance,))

    # Time.

    def open_due(self) -> None:
        """Start the invocations that the rates permit now."""
        now = self._now()
        while self._alarms and self._alarms[0][0] <= now:
            at, _, count = heapq.heappop(self._alarms)
            if count.alarm == at:
                count.alarm = None
                self.refill((count,))

    def alarm_if_needed(self, count: RunCount) -> None:
        """Set the alarm for the time at which the rate permits the next start."""
        at = count.opens_at(self._now()) if count.blocked[True] and count.alarm is None else None
        if at is not None:
            count.alarm = at
            self._arrivals += 1
            heapq.heappush(self._alarms, (at, self._arrivals, count))
            if self._alarms[0][2] is count:
                self._set_alarm()

    # Inside.

    def _first(self, line: _Line) -> Entry | None:
        """Return the first invocation in the line that has not left it. An empty line is removed."""
        while line.entries:
            waiter = self.waiting.get(line.entries[0][2])
            if waiter is not None and waiter.entry is line.entries[0]:
                return waiter.entry
            heapq.heappop(line.entries)
        self._lines.pop(line.key, None)
        return None

    def _park(self, line: _Line, back: RunCount | None = None) -> None:
        """Let the line wait for a limit that is full, or for ``back``, if it is to be tried again."""
        first = self._first(line)
        if first is None or (line.ticket is not None and line.ticket <= first and back is None):
            return
        full = back or line.full(self._now())
        if full is None:
            self.try_all()
            return
        line.ticket = first
        heapq.heappush(full.blocked[line.key[1]], (first, line.key))
        self.alarm_if_needed(full)

    def _try(self, line: _Line, entry: Entry, at: RunCount, now: float) -> None:
        """Let the first invocation of a line run if all of its limits have room. The line waited for ``at``, with ``entry``."""
        first = self._first(line)
        if first is None:
            return
        if first is not entry:
            self._park(line, at)
            return
        full = line.full(now)
        if full is None:
            self._grant(line)
            self._park(line, at)
            return
        line.passed += 1
        if line.passed >= _PATIENCE and self._next is None:
            self._next = self.waiting[entry[2]]
            for count in line.counts:
                count.kept = 1
        self._park(line, full)

    def _grant(self, line: _Line) -> None:
        """Give a place to the first invocation of the line."""
        of = heapq.heappop(line.entries)[2]
        candidate = self.waiting.pop(of).candidate
        for count in line.counts:
            count.waiting -= 1
        line.passed = 0
        self._grant_place(candidate, line.counts, line.key[1])

    def _try_next(self, waiter: Waiter, now: float) -> Iterable[RunCount]:
        """Let the next invocation run if all of its limits have room for it. Returns the limits that no longer keep a place."""
        line = self._lines[waiter.key]
        if self._first(line) is not waiter.entry:  # an older invocation has joined the line and goes first
            return self._end_next(line)
        if line.full(now, is_next=True) is not None:
            return ()
        self._end_next(line)
        self._grant(line)
        line.ticket = None
        self._park(line)
        return line.counts

    def _end_next(self, line: _Line) -> tuple[RunCount, ...]:
        """Stop keeping places for the next invocation, which is in this line. Returns the limits that have a place more."""
        self._next = None
        for count in line.counts:
            count.kept = 0
        return line.counts
