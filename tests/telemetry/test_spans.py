"""Invocations as traces: each span once, with the recorded times, below the span that asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from opentelemetry import trace as opentelemetry
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags

import actors
from actors import Actor, RetryPolicy, Service, handler, step
from tests.lab import WORLD, Lab
from tests.virtual import EPOCH, on_virtual_time

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

pytestmark = on_virtual_time

OUTSIDE = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


@step
async def look() -> str:
    await trio.sleep(2.0)
    WORLD.note(opentelemetry.get_current_span().get_span_context())
    return "seen"


@step
def look_in_a_thread() -> str:
    WORLD.note(opentelemetry.get_current_span().get_span_context())
    return "seen"


@step(retry=RetryPolicy(max_attempts=3, initial_delay=5.0))
async def stumble() -> str:
    WORLD.note("try")
    if WORLD.count("try") < 2:
        raise OSError("not yet")
    return "stood"


class Tool(Actor):
    @handler
    async def use(self) -> str:
        return await look()

    @handler
    async def use_a_thread(self) -> str:
        return await look_in_a_thread()


class Agent(Service):
    @handler
    async def run(self) -> str:
        seen = await look()
        await actors.signal("go")
        return seen

    @handler
    async def delegate(self) -> None:
        await actors.actor(Tool, "called").use()
        await actors.actor(Tool, "sent").use.send()

    @handler
    async def stumbles(self) -> str:
        return await stumble()

    @handler(retry=RetryPolicy(max_attempts=2, initial_delay=10.0))
    async def fails_once(self) -> None:
        await actors.sleep(1.0)
        WORLD.note("attempt")
        if WORLD.count("attempt") == 1:
            raise OSError("not yet")


class Spans:
    """The exported spans, by name."""

    def __init__(self, *exporters: InMemorySpanExporter) -> None:
        self.all = [span for exporter in exporters for span in exporter.get_finished_spans()]

    def __getitem__(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.all if span.name == name]
        return found

    @property
    def names(self) -> list[str]:
        return sorted(span.name for span in self.all)


def own(span: ReadableSpan) -> SpanContext:
    assert span.context is not None
    return span.context


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def seconds(span: ReadableSpan) -> tuple[float, float]:
    """The start and the end, in seconds since the lab began."""
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time / 1e9 - EPOCH, span.end_time / 1e9 - EPOCH


async def test_an_invocation_is_a_trace_with_a_span_for_each_attempt_and_step_at_the_recorded_times() -> None:
    exporter = InMemorySpanExporter()
    async with Lab(Agent).running(telemetry=exporter) as runtime:
        began = trio.current_time()
        run = await runtime.client.service(Agent).run.options(tags={"user": "ada", "team": "x"}).send()
        await trio.sleep(3600.0)
        await run.signal("go")
        await run.result()
    spans = Spans(exporter)
    assert spans.names == ["Agent/run", "Agent/run attempt 1", "look"]
    outer = spans["Agent/run"]
    assert seconds(outer) == pytest.approx((began, began + 3600.0), abs=1e-3)
    assert seconds(spans["look"]) == pytest.approx((began, began + 2.0), abs=1e-3)
    assert outer.parent is None
    for inner in ("look", "Agent/run attempt 1"):
        assert parent_of(spans[inner]) == own(outer).span_id
        assert own(spans[inner]).trace_id == own(outer).trace_id
    assert outer.attributes is not None
    assert {name: outer.attributes[name] for name in ("playhead.invocation.id", "playhead.status", "user.id")} == {
        "playhead.invocation.id": run.id,
        "playhead.status": "succeeded",
        "user.id": "ada",
    }
    assert outer.attributes["playhead.tag.team"] == "x"


async def test_a_replay_exports_nothing_again_and_a_later_process_continues_the_trace() -> None:
    lab, first, second = Lab(Agent), InMemorySpanExporter(), InMemorySpanExporter()
    async with lab.running(telemetry=first) as runtime:
        run = await runtime.client.service(Agent).run.send()
        await trio.sleep(10.0)
    async with lab.running(telemetry=second) as runtime:
        await runtime.client.invocation(run.id).signal("go")
        await runtime.client.invocation(run.id).result()
    assert Spans(first).names == ["look"]
    assert Spans(second).names == ["Agent/run", "Agent/run attempt 1"]
    both = Spans(first, second)
    assert parent_of(both["look"]) == own(both["Agent/run"]).span_id
    assert seconds(both["Agent/run attempt 1"])[0] == pytest.approx(seconds(both["look"])[0], abs=1e-3)


async def test_the_span_of_a_client_is_the_parent_and_a_step_has_its_own_as_the_current_one() -> None:
    exporter = InMemorySpanExporter()
    async with Lab(Tool).running(telemetry=exporter) as runtime:
        with opentelemetry.use_span(NonRecordingSpan(OUTSIDE)):
            await runtime.client.actor(Tool, "a").use()
            await runtime.client.actor(Tool, "a").use_a_thread()
    spans = Spans(exporter)
    for name, of in (("Tool/use", "look"), ("Tool/use_a_thread", "look_in_a_thread")):
        assert (own(spans[name]).trace_id, parent_of(spans[name])) == (OUTSIDE.trace_id, OUTSIDE.span_id)
        inside = next(context for context in WORLD.entries if context.span_id == own(spans[of]).span_id)
        assert inside.trace_id == OUTSIDE.trace_id
        assert inside.trace_flags.sampled


async def test_spans_of_other_libraries_in_a_step_are_children_of_its_span() -> None:
    exporter, others = InMemorySpanExporter(), InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(others))

    class Caller(Service):
        @handler
        async def call(self) -> None:
            await actors.run(self.request)

        async def request(self) -> None:
            with provider.get_tracer("a library").start_as_current_span("GET /"):
                await trio.sleep(1.0)

    async with Lab(Caller).running(telemetry=exporter) as runtime:
        await runtime.client.service(Caller).call()
    inner = Spans(others)["GET /"]
    (of_step,) = [span for span in Spans(exporter).all if own(span).span_id == parent_of(inner)]
    assert "playhead.step" in (of_step.attributes or {})
    assert own(inner).trace_id == own(of_step).trace_id


async def test_a_called_invocation_is_in_the_trace_of_its_caller_and_a_sent_one_is_linked_to_it() -> None:
    exporter = InMemorySpanExporter()
    async with Lab(Agent, Tool).running(telemetry=exporter) as runtime:
        await runtime.client.service(Agent).delegate()
        await trio.sleep(10.0)
    spans = Spans(exporter)
    caller = own(spans["Agent/delegate"])
    by_key = {
        span.attributes["playhead.key"]: span for span in spans.all if span.attributes and span.name == "Tool/use"
    }
    called, sent = by_key["called"], by_key["sent"]
    assert (own(called).trace_id, parent_of(called)) == (caller.trace_id, caller.span_id)
    assert called.links == ()
    assert sent.parent is None
    assert own(sent).trace_id != caller.trace_id
    assert [(link.context.trace_id, link.context.span_id) for link in sent.links] == [(caller.trace_id, caller.span_id)]


@pytest.mark.parametrize("is_traced", [False, True])
async def test_a_restart_is_linked_to_its_original(is_traced: bool) -> None:
    exporter = InMemorySpanExporter()
    async with Lab(Tool).running(telemetry=exporter) as runtime:
        with opentelemetry.use_span(NonRecordingSpan(OUTSIDE) if is_traced else opentelemetry.INVALID_SPAN):
            done = await runtime.client.actor(Tool, "a").use.send()
            await done.result()
        again = (await done.restart()).successor.invocation_id
        await runtime.client.invocation(again).result()
    original, successor = (span for span in Spans(exporter).all if span.name == "Tool/use")
    (link,) = successor.links
    assert (link.context.trace_id, link.context.span_id) == (own(original).trace_id, own(original).span_id)
    assert successor.parent is None
    assert own(successor).trace_id != own(original).trace_id


async def test_each_try_of_a_step_and_each_attempt_is_a_span_with_its_error() -> None:
    exporter = InMemorySpanExporter()
    async with Lab(Agent).running(telemetry=exporter) as runtime:
        await runtime.client.service(Agent).stumbles()
        await runtime.client.service(Agent).fails_once()
    spans = Spans(exporter)
    failed, stood = (span for span in spans.all if span.name == "stumble")
    assert own(failed).span_id != own(stood).span_id
    assert (failed.status.status_code, stood.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert [event.attributes["exception.message"] for event in failed.events if event.attributes] == ["not yet"]
    assert seconds(stood)[0] - seconds(failed)[1] >= 2.5
    assert spans["Agent/fails_once attempt 1"].status.status_code is StatusCode.ERROR
    assert spans["Agent/fails_once attempt 2"].status.status_code is StatusCode.UNSET
    assert spans["Agent/fails_once"].status.status_code is StatusCode.UNSET


async def test_the_step_of_a_killed_invocation_is_exported_as_aborted() -> None:
    exporter = InMemorySpanExporter()
    async with Lab(Agent).running(telemetry=exporter) as runtime:
        run = await runtime.client.service(Agent).run.send()
        await trio.sleep(1.0)
        await run.kill()
        await trio.sleep(10.0)
    spans = Spans(exporter)
    assert spans.names == ["Agent/run", "Agent/run attempt 1", "look"]
    assert (spans["look"].attributes or {})["playhead.status"] == "aborted"
    assert (spans["Agent/run"].attributes or {})["playhead.status"] == "killed"


async def test_what_a_caller_does_not_record_is_not_exported() -> None:
    exporter = InMemorySpanExporter()
    unrecorded = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(TraceFlags.DEFAULT))
    async with Lab(Tool).running(telemetry=exporter) as runtime:
        with opentelemetry.use_span(NonRecordingSpan(unrecorded)):
            await runtime.client.actor(Tool, "a").use()
    assert Spans(exporter).all == []


async def test_without_telemetry_nothing_is_stored_but_a_span_that_a_client_has() -> None:
    async with Lab(Agent, Tool).running() as runtime:
        await runtime.client.service(Agent).delegate()
        with opentelemetry.use_span(NonRecordingSpan(OUTSIDE)):
            await runtime.client.actor(Tool, "a").use()
        found = await runtime.client.query("select traceparent from sys_invocation where traceparent is not null")
        assert found.rows == [[f"00-{OUTSIDE.trace_id:032x}-{OUTSIDE.span_id:016x}-01"]]
