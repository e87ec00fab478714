"""The way to the receiver: over OTLP; and one that is slow, dead or wrong delays nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import trio
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import actors
from actors import InvalidArgumentError, Service, handler, step
from actors.telemetry.span_queue import SpanQueue
from tests.http.served import serving
from tests.lab import Lab
from tests.telemetry.receiver import receiving
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

PARENT = f"00-{0xABC:032x}-{0xDEF:016x}-01"


@step
async def note(text: str) -> str:
    return text


class Agent(Service):
    @handler
    async def run(self) -> str:
        return await note("done")


class Stuck(SpanExporter):
    """An exporter that waits for an answer until it is shut down."""

    def __init__(self) -> None:
        self.is_waiting = threading.Event()
        self.has_ended = threading.Event()

    def export(self, spans: Any) -> SpanExportResult:
        self.is_waiting.set()
        self.has_ended.wait(60.0)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.has_ended.set()


class Refusing(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        raise ConnectionError("nobody there")


async def test_spans_arrive_at_an_otlp_receiver_with_the_parent_that_a_request_names(tmp_path: Path) -> None:
    with receiving() as receiver:
        async with serving(tmp_path, Agent, telemetry=receiver.url) as served:
            response = await served.http.post("/Agent/run", headers={"traceparent": PARENT})
            assert response.status_code == 200
            assert (await served.http.post("/Agent/run", headers={"traceparent": "00-0-0-01"})).status_code == 200
        assert receiver.services == {"playhead"}
        assert sorted(span.name for span in receiver.spans) == 2 * ["Agent/run"] + 2 * ["Agent/run attempt 1"] + 2 * [
            "note"
        ]
        outer = [span for span in receiver.spans if span.name == "Agent/run"]
        assert {span.parent_span_id.hex() for span in outer} == {"", f"{0xDEF:016x}"}
        (in_trace,) = [
            span for span in receiver.spans if span.name == "note" and span.trace_id.hex() == f"{0xABC:032x}"
        ]
        (above,) = [span for span in outer if span.parent_span_id]
        assert in_trace.parent_span_id == above.span_id


@on_virtual_time
async def test_an_exporter_that_never_answers_delays_nothing_and_what_it_does_not_take_is_counted() -> None:
    exporter = Stuck()
    async with Lab(Agent).running(telemetry=exporter) as runtime:
        for _ in range(50):
            assert await runtime.client.service(Agent).run() == "done"
        assert exporter.is_waiting.wait(10.0)
        assert await runtime.client.service(Agent).run() == "done"
    assert runtime.engine.dropped_spans > 0


async def test_a_receiver_that_is_not_there_delays_nothing_and_its_spans_are_counted() -> None:
    with receiving() as receiver:
        url = receiver.url  # nothing listens there after the block
    async with actors.open_runtime(Agent, durability="memory", telemetry=url) as runtime:
        with trio.fail_after(5.0):
            assert await runtime.client.service(Agent).run() == "done"
    assert runtime.engine.dropped_spans == 3


def test_a_full_queue_drops_and_counts() -> None:
    exporter = Stuck()
    queue = SpanQueue(exporter, most_waiting=2)
    span: Any = object()
    queue.put(span)
    assert exporter.is_waiting.wait(10.0)
    for _ in range(5):
        queue.put(span)
    assert queue.dropped == 3
    exporter.shutdown()
    queue.close()
    assert queue.dropped == 6


def test_an_exporter_that_raises_loses_its_spans_and_the_queue_goes_on() -> None:
    queue = SpanQueue(Refusing())
    span: Any = object()
    queue.put(span)
    queue.close()
    assert queue.dropped == 1


@pytest.mark.parametrize("wrong", ["127.0.0.1:4318", "ftp://x", 5])
async def test_something_else_than_a_receiver_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        async with actors.open_runtime(Agent, durability="memory", telemetry=wrong):
            pass


async def test_the_metrics_count_dropped_spans(tmp_path: Path) -> None:
    async with serving(tmp_path, Agent, telemetry=Refusing()) as served:
        await served.http.post("/Agent/run")
        assert "playhead_spans_dropped_total " in (await served.http.get("/metrics")).text
