"""The span in which a client makes a call, if the program uses OpenTelemetry."""

from __future__ import annotations

import sys

from journal.events import TraceContext

OPENTELEMETRY = "opentelemetry.trace"
"""The module that knows the current span. A program that has not imported it has none."""


def current_trace() -> TraceContext | None:
    """Return the context of the current span; None if there is none. Imports nothing. A caller on a hot path tests first whether
    OPENTELEMETRY is in ``sys.modules``."""
    opentelemetry = sys.modules.get(OPENTELEMETRY)
    if opentelemetry is None:
        return None
    context = opentelemetry.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return TraceContext(f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 0xFF:02x}")
