"""Counts the invocations that run under one limit, and those that have started within its period."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import attrs

from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.limits import Limit

Entry: TypeAlias = tuple[float, int, InvocationId]
"""A place in a line: the rank, the number of the arrival, and the invocation. A line is a heap of entries."""

LineKey: TypeAlias = tuple[tuple[str, ...], bool]
"""Identifies a line: the limits that count its invocations, and whether these are to start."""


@attrs.define(eq=False)
class RunCount:
    """The counts of one limit, or of one value of a limit for each value. ``kept`` is 1 if a place is kept for the next invocation.
    ``reserved`` counts the granted starts that have not begun, and ``starts`` has the times of the others within the period, oldest first.
    ``has_budget`` reports whether some of the budget is left. ``blocked`` has a heap of the lines that wait for this limit, ordered by
    their first invocation: ``blocked[True]`` has the lines whose invocations have not started, ``blocked[False]`` the others."""

    scope: str
    limit: Limit | None
    running: int = 0
    kept: int = 0
    waiting: int = 0
    reserved: int = 0
    starts: deque[float] = attrs.field(factory=deque)
    blocked: tuple[list[tuple[Entry, LineKey]], list[tuple[Entry, LineKey]]] = attrs.field(factory=lambda: ([], []))
    alarm: float | None = None
    has_budget: Callable[[], bool] | None = None

    def has_room(self, now: float, *, is_start: bool, is_next: bool = False) -> bool:
        """Whether one more invocation may run. ``is_next`` says that the kept place belongs to it."""
        limit = self.limit
        if limit is None:
            return True
        kept = 0 if is_next else self.kept
        if limit.concurrency is not None and self.running + kept >= limit.concurrency:
            return False
        return not is_start or (not self.is_rate_spent(now, kept) and (self.has_budget is None or self.has_budget()))

    def is_rate_spent(self, now: float, kept: int = 0) -> bool:
        """Whether the period permits no further start."""
        if self.limit is None or self.limit.rate is None:
            return False
        starts, period = self.starts, self.limit.period
        if starts and starts[-1] > now:  # the clock was set back
            self.starts = starts = deque(min(start, now) for start in starts)
        while starts and starts[0] + period <= now:
            starts.popleft()
        return len(starts) + self.reserved + kept >= self.limit.rate

    def opens_at(self, now: float) -> float | None:
        """The time at which the rate permits the next start; None if time alone does not permit one."""
        if not self.is_rate_spent(now) or not self.starts or self.limit is None:
            return None
        return self.starts[0] + self.limit.period

    def is_unused(self, now: float) -> bool:
        self.is_rate_spent(now)
        return not (self.running or self.waiting or self.reserved or self.starts)
