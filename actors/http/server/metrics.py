"""``/metrics``: metrics in the text format of Prometheus, from memory and from the index by status.

Labels are names from the code, statuses, outcomes and codes, and never keys or ids, so the application's code bounds the number
of series. Questions that need a read of every invocation (by key, by error) are for SQL.
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

    from actors.control.local.metrics import Distribution

_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


async def metrics(exchange: Exchange) -> HttpResponse:
    """Report metrics for Prometheus: invocations, failures, commits, objects, gates, requests, memory."""
    figures, traffic = await exchange.client.figures(), exchange.traffic
    answered = {
        f'method="{method}",code="{status}"': count for (method, status), count in sorted(traffic.answered.items())
    }
    lines = [
        *_metric(
            "playhead_invocations_open",
            "gauge",
            "Invocations that have not ended, by status.",
            {f'status="{status.value}"': count for status, count in figures.open_invocations.items()},
        ),
        *_metric(
            "playhead_invocations_ended_total",
            "counter",
            "Invocations that have ended since the start, by service, handler and outcome.",
            {
                _labels(service=service, handler=handler, outcome=outcome.value): count
                for (service, handler, outcome), count in sorted(figures.ended.items(), key=str)
            },
        ),
        *_metric(
            "playhead_attempts_failed_total",
            "counter",
            "Attempts that have failed, of handlers and of their steps, by service and handler.",
            {
                _labels(service=service, handler=handler, of=of): count
                for of, failed in (("handler", figures.failed_attempts), ("step", figures.failed_steps))
                for (service, handler), count in sorted(failed.items())
            },
        ),
        *_distribution(
            "playhead_commit_seconds", "Time until a commit was durable, in seconds.", figures.commit_seconds
        ),
        *_distribution("playhead_commit_events", "Number of events in one commit.", figures.commit_events),
        *_metric(
            "playhead_spans_dropped_total",
            "counter",
            "Spans that the receiver of traces has not taken.",
            figures.dropped_spans,
        ),
        *_metric("playhead_objects_in_memory", "gauge", "Objects kept in memory.", figures.objects_in_memory),
        *_metric("playhead_arrivals", "gauge", "Calls, verbs and messages in the engine's queue.", figures.arrivals),
        *_metric("playhead_threads_busy", "gauge", "Threads that run plain steps.", figures.busy_threads),
        *_metric(
            "playhead_threads_waited_for", "gauge", "Plain steps that wait for a thread.", figures.threads_waited_for
        ),
        *_metric(
            "playhead_threads_abandoned",
            "gauge",
            "Threads of steps that were timed out or cancelled, and that have not ended.",
            figures.abandoned_threads,
        ),
        *_metric("playhead_gates", "gauge", "Closed gates and exceptions to them.", figures.closed_gates),
        *_metric("playhead_deployments", "gauge", "Registered deployments.", figures.deployments),
        *_metric("playhead_has_room", "gauge", "1 if the disk has room for new work, else 0.", int(figures.has_room)),
        *_metric("playhead_http_requests_total", "counter", "Answered requests.", answered),
        *_metric("playhead_http_streams", "gauge", "Open event streams.", traffic.streams),
        *_metric(
            "process_resident_memory_bytes", "gauge", "Resident memory of the process, in bytes.", _resident_bytes()
        ),
        *_metric("process_cpu_seconds_total", "counter", "CPU time used by the process, in seconds.", _cpu_seconds()),
        *_metric(
            "process_start_time_seconds",
            "gauge",
            "Start time of the server, in seconds since 1970.",
            traffic.started_at,
        ),
    ]
    return HttpResponse(("\n".join(lines) + "\n").encode(), media_type=_MEDIA_TYPE)


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
