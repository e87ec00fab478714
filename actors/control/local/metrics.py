"""How much there is of what, for monitoring from outside."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from actors.query.counts import count_rows
from journal import keys
from journal.events import Status

if TYPE_CHECKING:
    from actors.engine.engine import Engine
    from actors.engine.totals import Histogram
    from journal.events import OutcomeKind


@attrs.frozen
class Distribution:
    """How often something was up to each of the bounds and above the one before; the last count is for what lies above all.

    ``total`` is the sum of all that was counted."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


@attrs.frozen(kw_only=True)
class Figures:
    """``open_invocations`` counts those that have not ended, by status. ``arrivals`` are waiting to be taken in; ``has_room``:
    new work is taken, as far as the disk goes. ``busy_threads`` run plain steps, ``threads_waited_for`` counts the tries that wait
    for one, ``abandoned_threads`` those of tries that were timed out or cancelled and that have not ended.

    The rest is of this process since it began: invocations that have ended by service, handler and outcome, attempts that have
    failed by service and handler (``failed_steps`` are those of steps), and of each commit how long it took and how many events
    it held."""

    open_invocations: dict[Status, int]
    objects_in_memory: int
    arrivals: int
    closed_gates: int
    deployments: int
    has_room: bool
    busy_threads: int
    threads_waited_for: int
    abandoned_threads: int
    ended: dict[tuple[str, str, OutcomeKind], int]
    failed_attempts: dict[tuple[str, str], int]
    failed_steps: dict[tuple[str, str], int]
    commit_seconds: Distribution
    commit_events: Distribution


@attrs.frozen(kw_only=True)
class EndedSecond:
    """How many of users' invocations ended in a second, by the wall clock: those that succeeded, and the others."""

    at: int
    succeeded: int
    otherwise: int


def ended_lately(engine: Engine) -> tuple[EndedSecond, ...]:
    """By the second, of the last minutes that this engine has run, oldest first; seconds in which none ended are left out."""
    found = sorted(engine.counters.recent.by_second.items())
    return tuple(EndedSecond(at=at, succeeded=good, otherwise=bad) for at, (good, bad) in found)


async def figures_of(engine: Engine) -> Figures:
    """As of now. The open invocations are counted in the index by status, and the loop goes on between its pages."""
    counted: dict[Status, int] = {
        status: await count_rows(engine.journal, engine.journal.partitions, partial(keys.open_prefix, status=status))
        for status in Status
        if status is not Status.COMPLETED
    }
    counters, threads = engine.counters, engine.threads
    return Figures(
        open_invocations=counted,
        objects_in_memory=engine.objects_in_memory,
        arrivals=engine.arrivals,
        closed_gates=sum(1 for _ in engine.registry.gates),
        deployments=len(engine.applications.registered.known),
        has_room=engine.journal.has_room(),
        busy_threads=threads.busy,
        threads_waited_for=threads.waiting,
        abandoned_threads=len(threads.abandoned),
        ended=dict(counters.ended),
        failed_attempts=dict(counters.failed_attempts),
        failed_steps=dict(counters.failed_steps),
        commit_seconds=_distribution(counters.commit_seconds),
        commit_events=_distribution(counters.commit_events),
    )


def _distribution(histogram: Histogram) -> Distribution:
    return Distribution(histogram.bounds, tuple(histogram.counts), histogram.total)
