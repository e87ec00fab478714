"""Counters of an engine since its start: completed invocations, failures, commits.

They are counted once a commit is durable, so a decision that was dropped with a failed write is not included. There is one
counter for each handler and outcome and none for a key or an id, so the code bounds their number.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING

import attrs

from actors.values.names import is_system
from journal.events import OutcomeKind

if TYPE_CHECKING:
    from actors.engine.batch import CommitBatch

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_END = attrgetter("target.service", "target.handler", "outcome.kind", "completed_at")
_EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)


@attrs.define(eq=False)
class Histogram:
    """A histogram. ``counts`` belong to ``bounds``, each up to and including its bound; the last counts everything above."""

    bounds: tuple[float, ...]
    counts: list[int] = attrs.field(init=False)
    total: float = 0

    def __attrs_post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, amount: float) -> None:
        """Add one observation."""
        self.counts[bisect_left(self.bounds, amount)] += 1
        self.total += amount


RECENT_SECONDS = 300
"""How far back the counts for single seconds reach."""


@attrs.define(eq=False)
class Recent:
    """The user invocations that completed in each of the last seconds: those that succeeded, and the others. Seconds without one
    are left out."""

    by_second: dict[int, list[int]] = attrs.field(factory=dict)

    def add(self, second: int, *, has_succeeded: bool, number: int) -> None:
        """Count this number of completions."""
        counts = self.by_second.get(second)
        if counts is None:
            self.forget_before(second - RECENT_SECONDS)
            counts = self.by_second[second] = [0, 0]
        counts[not has_succeeded] += number

    def forget_before(self, second: int) -> None:
        """Drop older seconds. The clock may have been set back, so the oldest need not be first."""
        for old in [known for known in self.by_second if known < second]:
            del self.by_second[old]


@attrs.define(eq=False)
class EngineCounters:
    """The counters. ``ended`` are completed invocations by service, handler and outcome; ``failed_attempts`` counts by service
    and handler, and ``failed_steps`` (failed tries of steps) by those of their invocation."""

    ended: dict[tuple[str, str, OutcomeKind], int] = attrs.field(factory=lambda: defaultdict(int))
    failed_attempts: dict[tuple[str, str], int] = attrs.field(factory=lambda: defaultdict(int))
    failed_steps: dict[tuple[str, str], int] = attrs.field(factory=lambda: defaultdict(int))
    recent: Recent = attrs.field(factory=Recent)
    commit_seconds: Histogram = attrs.field(factory=lambda: Histogram(_SECONDS))
    commit_events: Histogram = attrs.field(factory=lambda: Histogram(_EVENTS))

    def count(self, kept: CommitBatch, seconds: float) -> None:
        """Count a commit that is durable after this time."""
        self.commit_seconds.add(seconds)
        events = sum([pending_append.events.count for pending_append in kept.pending_appends.values()])
        self.commit_events.add(events + len(kept.row_pauses))
        for (service, handler, _, at), number in kept.succeeded.items():
            self._count_ended(service, handler, OutcomeKind.SUCCEEDED, at, number)
        if kept.ended:
            for (service, handler, kind, at), number in Counter(map(_END, kept.ended)).items():
                self._count_ended(service, handler, kind, at, number)
        for of in kept.failed_attempts:
            self.failed_attempts[of] += 1
        for of in kept.failed_steps:
            self.failed_steps[of] += 1

    def _count_ended(self, service: str, handler: str, kind: OutcomeKind, at: float, number: int) -> None:
        self.ended[service, handler, kind] += number
        if not is_system(service):
            self.recent.add(int(at), has_succeeded=kind is OutcomeKind.SUCCEEDED, number=number)
