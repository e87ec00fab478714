"""Spans as OpenTelemetry's exporters take them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from actors.core.traces import is_sampled, span_id_in, trace_id_in, trace_of

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from journal.events import Failure, Target, TraceContext
    from journal.ids import InvocationId
    from journal.rows import InvocationRow

_OWN_NAMES = {"user": "user.id", "session": "session.id"}
"""The tags for which OpenTelemetry's semantic conventions have an attribute."""


def attributes_of(
    of: InvocationId, target: Target, tags: dict[str, str] | None, *, attempt: int, status: str
) -> dict[str, Any]:
    """Return the attributes of every span of an invocation."""
    found: dict[str, Any] = {
        "playhead.invocation.id": of,
        "playhead.service": target.service,
        "playhead.handler": target.handler,
        "playhead.attempt": attempt,
        "playhead.status": status,
    }
    if target.key is not None:
        found["playhead.key"] = target.key
    for name, value in (tags or {}).items():
        found[f"playhead.tag.{name}"] = value
        if name in _OWN_NAMES:
            found[_OWN_NAMES[name]] = value
    return found


def span_context(trace: TraceContext, span: str, *, is_remote: bool = False) -> SpanContext:
    """Return the context of a span of the trace; ``span`` is its id in hexadecimal digits."""
    flags = TraceFlags(TraceFlags.SAMPLED if is_sampled(trace) else TraceFlags.DEFAULT)
    return SpanContext(int(trace_id_in(trace), 16), int(span, 16), is_remote=is_remote, trace_flags=flags)


def _outside(trace: TraceContext) -> SpanContext:
    return span_context(trace, span_id_in(trace), is_remote=True)


class SpanWriter:
    """Makes spans. ``resource`` describes the process."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._scope = InstrumentationScope("playhead", _version())

    def outer(
        self,
        row: InvocationRow,
        trace: TraceContext,
        attributes: dict[str, Any],
        ended_at: float,
        failure: Failure | None,
    ) -> ReadableSpan:
        """Return the span of a completed invocation, below the span of its requester or linked to it."""
        given = row.trace
        if given is None and row.restarts is not None:
            linked_to: TraceContext | None = trace_of(row.restarts.invocation_id, None)
        else:
            linked_to = given if given is not None and given.is_link else None
        return self._span(
            name=f"{row.target.service}/{row.target.handler}",
            context=span_context(trace, span_id_in(trace)),
            parent=None if given is None or given.is_link else _outside(given),
            links=() if linked_to is None else (Link(_outside(linked_to)),),
            kind=SpanKind.SERVER,
            attributes=attributes,
            times=(row.created_at if row.started_at is None else row.started_at, ended_at),
            failure=failure,
        )

    def inner(
        self,
        trace: TraceContext,
        span: str,
        name: str,
        began_at: float,
        ended_at: float,
        attributes: dict[str, Any],
        failure: Failure | None,
    ) -> ReadableSpan:
        """Return the span of an attempt or of a try of a step, below that of its invocation."""
        return self._span(
            name=name,
            context=span_context(trace, span),
            parent=span_context(trace, span_id_in(trace)),
            links=(),
            kind=SpanKind.INTERNAL,
            attributes=attributes,
            times=(began_at, ended_at),
            failure=failure,
        )

    def _span(
        self,
        *,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        links: tuple[Link, ...],
        kind: SpanKind,
        attributes: dict[str, Any],
        times: tuple[float, float],
        failure: Failure | None,
    ) -> ReadableSpan:
        began, ended = (int(seconds * 1e9) for seconds in times)
        return ReadableSpan(
            name=name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            events=() if failure is None else (_exception(failure, ended),),
            links=links,
            kind=kind,
            status=Status(StatusCode.UNSET) if failure is None else Status(StatusCode.ERROR, failure.message),
            start_time=began,
            end_time=max(began, ended),
            instrumentation_scope=self._scope,
        )


def _exception(failure: Failure, at: int) -> Event:
    attributes = {
        "exception.type": failure.type,
        "exception.message": failure.message,
        "exception.stacktrace": failure.traceback,
    }
    return Event("exception", attributes, at)


def _version() -> str:
    try:
        return version("playhead")
    except PackageNotFoundError:
        return ""
