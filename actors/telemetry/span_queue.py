"""Hands spans to an exporter, in a thread of its own.

The event loop only appends to a queue. The queue is bounded: if the receiver is slow or dead, spans are dropped and counted, and
nothing waits for it.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

log = SafeLogger(__name__)

MOST_WAITING = 4_096
"""How many spans may wait for the exporter."""

_TOGETHER = 512
_GATHER_SECONDS = 0.2
"""How long the thread lets spans gather before it exports them together."""

_END_SECONDS = 3.0
"""How long the end of a runtime waits for the last spans to be exported, and then once more for the exporter to give up."""


class SpanQueue:
    """The spans on their way to the exporter. Put spans in from one thread."""

    def __init__(self, exporter: SpanExporter, *, most_waiting: int = MOST_WAITING) -> None:
        self.dropped = 0
        self._exporter = exporter
        self._most_waiting = most_waiting
        self._in_hand = 0
        self._waiting: deque[ReadableSpan] = deque()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._export_all, name="playhead spans", daemon=True)
        self._thread.start()

    def put(self, span: ReadableSpan) -> None:
        """Add a span, or drop it if too many wait."""
        if len(self._waiting) >= self._most_waiting:
            self._drop(1, "its receiver is too slow or does not answer")
            return
        self._waiting.append(span)
        self._wake.set()

    def close(self) -> None:
        """Export the waiting spans, and end the thread. Waits a few seconds at most, and drops the rest."""
        self._stop.set()
        self._wake.set()
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():  # the exporter waits for an answer, or to try again; this ends the wait
            self._exporter.shutdown()
            self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            self._drop(self._in_hand + len(self._waiting), "the runtime has ended before they were received")

    def _export_all(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))  # no spans about sending spans
        while not self._stop.is_set():
            self._wake.wait()
            self._stop.wait(_GATHER_SECONDS)
            self._wake.clear()
            while self._waiting:
                self._export([self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))])
        self._exporter.shutdown()

    def _export(self, spans: list[ReadableSpan]) -> None:
        self._in_hand = len(spans)
        try:
            if self._exporter.export(spans) is SpanExportResult.SUCCESS:
                return
            reason = "the receiver refused them or did not answer"
        except Exception as error:  # of the exporter, which may be the user's
            reason = repr(error)
        finally:
            self._in_hand = 0
        self._drop(len(spans), reason)

    def _drop(self, count: int, reason: str) -> None:
        if not self.dropped:
            log.warning("spans are dropped: %s. /metrics counts them as playhead_spans_dropped_total", reason)
        self.dropped += count
