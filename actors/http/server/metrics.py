"""``/metrics``: metrics in the text format of Prometheus, from memory and from the index by status.

Labels are names from the code, statuses, outcomes and codes, and the scopes of limits, of which there are at most 1,000. No label comes
from a client, so the number of series is bounded. For counts that must read every invocation (by key, by error), use SQL.

The values of all nodes of a cluster add up: what is the same on every node is reported by one of them alone.
"""

from __future__ import annotations

import os
from itertools import accumulate
from typing import TYPE_CHECKING

from actors.http.messages import HttpResponse
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.control.local.metrics import Distribution, Figures
    from actors.http.server.traffic import Traffic
    from actors.model.limit_info import LimitInfo

_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


async def metrics(exchange: Exchange) -> HttpResponse:
    """Report metrics for Prometheus: invocations, failures, limits, commits, objects, gates, requests, memory."""
    figures = await exchange.client.figures()
    lines = (
        *_of_invocations(figures),
        *_of_limits(figures.limits, reports_shared=figures.reports_shared),
        *_of_engine(figures),
        *_of_server(exchange.traffic),
    )
    return HttpResponse(("\n".join(lines) + "\n").encode(), media_type=_MEDIA_TYPE)


def _of_invocations(figures: Figures) -> Iterable[str]:
    yield from _metric(
        "playhead_invocations_open",
        "gauge",
        "Invocations that have not ended, by status.",
        {f'status="{status.value}"': count for status, count in figures.open_invocations.items()},
    )
    yield from _metric(
        "playhead_invocations_ended_total",
        "counter",
        "Invocations that have ended since the start, by service, handler and outcome.",
        {
            _labels(service=service, handler=handler, outcome=outcome.value): count
            for (service, handler, outcome), count in sorted(figures.ended.items(), key=str)
        },
    )
    yield from _metric(
        "playhead_attempts_failed_total",
        "counter",
        "Attempts that have failed, of handlers and of their steps, by service and handler.",
        {
            _labels(service=service, handler=handler, of=of): count
            for of, failed in (("handler", figures.failed_attempts), ("step", figures.failed_steps))
            for (service, handler), count in sorted(failed.items())
        },
    )


def _of_limits(limits: Iterable[LimitInfo], *, reports_shared: bool) -> Iterable[str]:
    """Yield the metrics of limits. There are at most 1,000 limits, which operators have set."""
    limits = tuple(limits)
    for name, about, values in (
        ("running", "Invocations that run under a limit.", {limit.scope: limit.running for limit in limits}),
        ("waiting", "Invocations that wait for a limit.", {limit.scope: limit.waiting for limit in limits}),
    ):
        samples = {_labels(scope=scope): value for scope, value in values.items()}
        yield from _metric(f"playhead_limit_{name}", "gauge", about, samples)
    if not reports_shared:
        return
    for name, about in (("spent", "Amounts that were spent under a budget."), ("budget", "Amounts of a budget.")):
        amounts = {
            _labels(scope=limit.scope, quantity=quantity): float(
                amount if name == "budget" else limit.spent.get(quantity, 0)
            )
            for limit in limits
            for quantity, amount in (limit.budget or {}).items()
        }
        yield from _metric(f"playhead_limit_{name}", "gauge", about, amounts)


def _of_engine(figures: Figures) -> Iterable[str]:
    yield from _distribution(
        "playhead_commit_seconds", "Time until a commit was durable, in seconds.", figures.commit_seconds
    )
    yield from _distribution("playhead_commit_events", "Number of events in one commit.", figures.commit_events)
    dropped = "Spans that the receiver of traces has not accepted."
    yield from _metric("playhead_spans_dropped_total", "counter", dropped, figures.dropped_spans)
    abandoned = "Threads of steps that were timed out or cancelled, and that have not ended."
    for name, about, value in (
        ("playhead_objects_in_memory", "Objects kept in memory.", figures.objects_in_memory),
        ("playhead_arrivals", "Calls, verbs and messages in the engine's queue.", figures.arrivals),
        ("playhead_threads_busy", "Threads that run plain steps.", figures.busy_threads),
        ("playhead_threads_waited_for", "Plain steps that wait for a thread.", figures.threads_waited_for),
        ("playhead_threads_abandoned", abandoned, figures.abandoned_threads),
        ("playhead_has_room", "1 if the disk has room for new work, else 0.", int(figures.has_room)),
    ):
        yield from _metric(name, "gauge", about, value)
    if figures.reports_shared:
        yield from _metric("playhead_gates", "gauge", "Closed gates and exceptions to them.", figures.closed_gates)
        yield from _metric("playhead_deployments", "gauge", "Registered deployments.", figures.deployments)


def _of_server(traffic: Traffic) -> Iterable[str]:
    answered = {
        f'method="{method}",code="{status}"': count for (method, status), count in sorted(traffic.answered.items())
    }
    yield from _metric("playhead_http_requests_total", "counter", "Answered requests.", answered)
    yield from _metric("playhead_http_streams", "gauge", "Open event streams.", traffic.streams)
    resident = "Resident memory of the process, in bytes."
    yield from _metric("process_resident_memory_bytes", "gauge", resident, _resident_bytes())
    cpu = "CPU time used by the process, in seconds."
    yield from _metric("process_cpu_seconds_total", "counter", cpu, _cpu_seconds())
    start = "Start time of the server, in seconds since 1970."
    yield from _metric("process_start_time_seconds", "gauge", start, traffic.started_at)


def _metric(name: str, kind: str, about: str, value: float | Mapping[str, float]) -> Iterable[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    if isinstance(value, (int, float)):
        yield f"{name} {value}"
    else:
        yield from (f"{name}{{{labels}}} {one}" for labels, one in value.items())


def _distribution(name: str, about: str, distribution: Distribution) -> Iterable[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} histogram"
    counts = [*accumulate(distribution.counts)]
    for bound, count in zip((*map(str, distribution.bounds), "+Inf"), counts, strict=True):
        yield f'{name}_bucket{{le="{bound}"}} {count}'
    yield f"{name}_sum {distribution.total}"
    yield f"{name}_count {counts[-1]}"


def _labels(**values: str) -> str:
    return ",".join(f'{name}="{value.translate(_ESCAPED)}"' for name, value in values.items())


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


ROUTES = (Route("GET", "/metrics", TokenScope.READ, metrics, is_documented=False),)
