"""What an engine has done since it began, as totals: what has ended and how, what has failed, what commits took.

Counted once a commit is durable, so that a decision which was dropped with a failed write is not in it. There is a total for each
handler and outcome, and none for a key or an id: they do not become more than the code has handlers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING

import attrs

from actors.values.names import is_system
from journal.errors import BrokenInvariant
from journal.events import OutcomeKind

if TYPE_CHECKING:
    from actors.engine.batch import CommitBatch

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)


@attrs.define(eq=False)
class Histogram:
    """How often something was how much. ``counts`` belong to ``bounds``, each up to and with its bound; the last is what lies above."""

    bounds: tuple[float, ...]
    counts: list[int] = attrs.field(init=False)
    total: float = 0

    def __attrs_post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, amount: float) -> None:
        """It was so much once more."""
        self.counts[bisect_left(self.bounds, amount)] += 1
        self.total += amount


RECENT_SECONDS = 300
"""For so long it is known how much ended in each second."""


@attrs.define(eq=False)
class Recent:
    """How many of users' invocations ended in each of the last seconds: those that succeeded, and the others. A second in which
    none did is not in it."""

    by_second: dict[int, list[int]] = attrs.field(factory=dict)

    def add(self, at: float, *, has_succeeded: bool) -> None:
        """One ended."""
        second = int(at)
        counts = self.by_second.get(second)
        if counts is None:
            self.forget_before(second - RECENT_SECONDS)
            counts = self.by_second[second] = [0, 0]
        counts[not has_succeeded] += 1

    def forget_before(self, second: int) -> None:
        """Drop what is older; also where the clock was set back and the oldest does not stand first."""
        for old in [known for known in self.by_second if known < second]:
            del self.by_second[old]


@attrs.define(eq=False)
class EngineCounters:
    """The totals, and what ended lately. ``ended`` are invocations by service, handler and outcome; ``failed_attempts`` by service and handler, and
    ``failed_steps``, which are attempts of steps, by those of their invocation."""

    ended: dict[tuple[str, str, OutcomeKind], int] = attrs.field(factory=lambda: defaultdict(int))
    failed_attempts: dict[tuple[str, str], int] = attrs.field(factory=lambda: defaultdict(int))
    failed_steps: dict[tuple[str, str], int] = attrs.field(factory=lambda: defaultdict(int))
    recent: Recent = attrs.field(factory=Recent)
    commit_seconds: Histogram = attrs.field(factory=lambda: Histogram(_SECONDS))
    commit_events: Histogram = attrs.field(factory=lambda: Histogram(_EVENTS))

    def count(self, kept: CommitBatch, seconds: float) -> None:
        """This commit is durable, after so long."""
        self.commit_seconds.add(seconds)
        self.commit_events.add(
            sum([len(pending_append.events.entries) for pending_append in kept.pending_appends.values()])
        )
        ended = self.ended
        for row in kept.ended:
            if row.outcome is None:
                raise BrokenInvariant("it has ended")
            ended[row.target.service, row.target.handler, row.outcome.kind] += 1
            if row.completed_at is not None and not is_system(row.target.service):
                self.recent.add(row.completed_at, has_succeeded=row.outcome.kind is OutcomeKind.SUCCEEDED)
        for of in kept.failed_attempts:
            self.failed_attempts[of] += 1
        for of in kept.failed_steps:
            self.failed_steps[of] += 1
