"""Trace contexts of invocations, as of the W3C recommendation Trace Context.

The ids of spans are derived from ids of invocations, so each process computes the same ids: a span has the same id after a crash and
in a replay, and a child can name its parent before the parent has ended.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from journal.events import TraceContext

if TYPE_CHECKING:
    from journal.ids import InvocationId, StepId

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_SAMPLED = 1


def read_traceparent(text: str | None) -> TraceContext | None:
    """Return the context in the header ``traceparent``. None if there is none, or if it is not one of version 00: the standard
    says to ignore it then."""
    return None if text is None or _TRACEPARENT.fullmatch(text) is None else TraceContext(text)


def trace_of(of: InvocationId, given: TraceContext | None) -> TraceContext:
    """Return the context that the invocation passes to its calls: its trace and its own span. The trace is the caller's, or a new one if the
    caller is only linked."""
    span = span_id("invocation", of)
    if given is None or given.is_link:
        return TraceContext(f"00-{_digest('trace', of)[:32]}-{span}-01")
    return TraceContext(f"{given.traceparent[:36]}{span}{given.traceparent[-3:]}")


def linked(trace: TraceContext) -> TraceContext:
    """Return the context for an invocation that begins a new trace with a link to this one."""
    return TraceContext(trace.traceparent, is_link=True)


def span_id(kind: str, of: InvocationId, *parts: StepId | int) -> str:
    """Return the id of a span of the invocation, in hexadecimal digits."""
    return _digest(kind, of, *parts)[:16]


def trace_id_in(trace: TraceContext) -> str:
    """Return the id of the trace, in hexadecimal digits."""
    return trace.traceparent[3:35]


def span_id_in(trace: TraceContext) -> str:
    """Return the id of the span, in hexadecimal digits."""
    return trace.traceparent[36:52]


def is_sampled(trace: TraceContext) -> bool:
    """Report whether the caller records the trace."""
    return bool(int(trace.traceparent[-2:], 16) & _SAMPLED)


def _digest(*parts: str | int) -> str:
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()
