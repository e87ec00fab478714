"""The metrics of a runtime, for monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.model.limit_info import limit_info
from actors.query.counts import open_by_status
from actors.query.snapshot import open_snapshot
from actors.system.registry import registry_stream
from actors.values.names import is_system

if TYPE_CHECKING:
    from actors.engine.engine import Engine
    from actors.engine.totals import Histogram
    from actors.model.limit_info import LimitInfo
    from journal.events import OutcomeKind, Status


@attrs.frozen
class Distribution:
    """A histogram: for each bound, the number of observations up to it and above the previous bound; the last count has the rest.

    ``total`` is the sum of all observations.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


@attrs.frozen(kw_only=True)
class Figures:
    """The metrics. ``open_invocations`` counts by status. ``arrivals`` is the number of queued requests; ``has_room`` says
    whether the disk has room for new work. ``busy_threads`` is the number of threads that run plain steps, ``threads_waited_for`` the
    number of tries that wait for a thread, and ``abandoned_threads`` the number of unended threads of tries that timed out or were cancelled.

    The other figures count since the start of this process: completed invocations by service, handler and outcome, failed attempts by
    service and handler (``failed_steps`` are tries of steps), and for each commit its duration and its number of events.
    ``dropped_spans`` are spans that the receiver of traces has not accepted. ``limits`` are the limits in force, with their counts.
    ``reports_shared`` says whether this process reports what is the same on every node of a cluster: gates, deployments, budgets and
    what was spent. Exactly one node does, so that the sums over all nodes are right.
    """

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
    dropped_spans: int = 0
    limits: tuple[LimitInfo, ...] = ()
    reports_shared: bool = True


@attrs.frozen(kw_only=True)
class EndedSecond:
    """The user invocations that completed in one second of the wall clock, succeeded and other."""

    at: int
    succeeded: int
    otherwise: int


def ended_lately(engine: Engine) -> tuple[EndedSecond, ...]:
    """Return the completions per second of the last minutes of this engine, oldest first. Omits seconds without
    completions.
    """
    found = sorted(engine.counters.recent.by_second.items())
    return tuple(EndedSecond(at=at, succeeded=good, otherwise=bad) for at, (good, bad) in found)


async def figures_of(engine: Engine) -> Figures:
    """Return the current metrics. The number of open invocations comes from counters, and excludes built-in objects; of a node of a
    cluster it is that of the partitions that the node owns, so that the numbers of all nodes add up."""
    async with open_snapshot(engine.journal) as snapshot:
        owned = range(snapshot.partitions) if engine.router is None else engine.router.owned
        counted = open_by_status(snapshot.view, owned)
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
        ended={of: count for of, count in counters.ended.items() if not is_system(of[0])},
        failed_attempts=dict(counters.failed_attempts),
        failed_steps=dict(counters.failed_steps),
        commit_seconds=_distribution(counters.commit_seconds),
        commit_events=_distribution(counters.commit_events),
        dropped_spans=engine.dropped_spans,
        limits=limits_of(engine),
        reports_shared=registry_stream() % engine.journal.partitions in owned,
    )


def limits_of(engine: Engine) -> tuple[LimitInfo, ...]:
    """Return the limits, with the numbers of running and waiting invocations in this process, and with the amounts spent."""
    places, spent_under = engine.run_limits.places, engine.run_limits.budgets.spent_under
    node = "" if engine.router is None else engine.router.node
    figures = places.figures()
    return tuple(
        limit_info(
            limit,
            running=figures[limit.scope][0],
            waiting=figures[limit.scope][1],
            spent=None if limit.budget is None else spent_under(limit.scope, limit.life),
            node=node,
        )
        for limit in places.limits
    )


def _distribution(histogram: Histogram) -> Distribution:
    return Distribution(histogram.bounds, tuple(histogram.counts), histogram.total)
