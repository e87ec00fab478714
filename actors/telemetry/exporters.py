"""The exporter and the observer of a runtime."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter

from actors.errors import InvalidArgumentError
from actors.telemetry.span_observer import SpanObserver
from actors.telemetry.span_queue import SpanQueue
from actors.telemetry.spans import SpanWriter
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.environment import Environment

_PATH = "/v1/traces"
_SERVICE_NAME = "service.name"


@asynccontextmanager
async def open_observer(telemetry: str | SpanExporter, environment: Environment) -> AsyncIterator[SpanObserver]:
    """Export spans until the end of the block, to the OTLP receiver at this URL or with this exporter."""
    queue = SpanQueue(_exporter_of(telemetry))
    try:
        yield SpanObserver(queue, SpanWriter(_resource()), environment)
    finally:
        with trio.CancelScope(shield=True):  # it takes some seconds at most, and a server that stops is cancelled
            await environment.offload(queue.close)


def _exporter_of(telemetry: object) -> SpanExporter:
    if isinstance(telemetry, SpanExporter):
        return telemetry
    if not isinstance(telemetry, str) or urlsplit(telemetry).scheme not in ("http", "https"):
        raise InvalidArgumentError(
            f"telemetry is {shown(telemetry)}, expected the URL of an OTLP receiver over HTTP, such as http://127.0.0.1:4318, or "
            "a SpanExporter of opentelemetry-sdk",
            path="telemetry",
        )
    url = telemetry.rstrip("/")
    return OTLPSpanExporter(endpoint=url if url.endswith(_PATH) else url + _PATH)


def _resource() -> Resource:
    """Describe the process, as the variables OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say."""
    found = Resource.create()
    is_named = not str(found.attributes[_SERVICE_NAME]).startswith("unknown_service")
    return found if is_named else found.merge(Resource({_SERVICE_NAME: "playhead"}))
