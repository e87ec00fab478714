"""``actors.set_attributes``: what a step says of itself is recorded with the outcome of its try."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import actors
from actors import Actor, InvalidArgumentError, LimitExceededError, RetryPolicy, handler, step
from actors.errors import MisuseError
from actors.model.verbs.attributes import MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTE_VALUE, MAX_ATTRIBUTES
from tests.lab import WORLD, Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

MODEL = {"gen_ai.request.model": "m", "gen_ai.usage.output_tokens": 12}


@step(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
async def ask() -> str:
    actors.set_attributes({"gen_ai.request.model": "m", "cost": 0.5})
    WORLD.note("try")
    if WORLD.count("try") < 2:
        raise OSError("overloaded")
    actors.set_attributes({"gen_ai.usage.output_tokens": 12, "cost": 0.25, "cached": False})
    return "answer"


@step
def ask_in_a_thread() -> str:
    actors.set_attributes(MODEL)
    return "answer"


@step
async def describe(attributes: Any) -> None:
    actors.set_attributes(attributes)


class Agent(Actor):
    @handler
    async def run(self) -> str:
        return await ask()

    @handler
    async def run_in_a_thread(self) -> str:
        return await ask_in_a_thread()

    @handler
    async def run_twice(self) -> str:
        await ask_in_a_thread()
        return await ask_in_a_thread()

    @handler
    async def say(self, attributes: dict[str, Any]) -> None:
        await describe(attributes)

    @handler
    async def by_itself(self) -> None:
        actors.set_attributes(MODEL)


async def recorded(handle: Any) -> list[tuple[str, Any]]:
    """The attributes of each event that ends a try."""
    return [
        (entry.name, entry.details["attributes"]) async for entry in handle.events() if "attributes" in entry.details
    ]


async def test_each_try_is_recorded_with_its_own_attributes_and_its_span_has_them() -> None:
    exporter, lab = InMemorySpanExporter(), Lab(Agent)
    async with lab.running(telemetry=exporter) as runtime:
        handle = await runtime.client.actor(Agent, "a").run.send()
        await handle.result()
        failed = {"gen_ai.request.model": "m", "cost": 0.5}
        done = {**MODEL, "cost": 0.25, "cached": False}
        assert await recorded(handle) == [("StepAttemptFailed", failed), ("StepCompleted", done)]
        found = await runtime.client.query(
            "select details ->> '$.attributes.\"gen_ai.usage.output_tokens\"' from sys_journal where name = 'StepCompleted'"
        )
        assert found.rows == [[12]]
    first, second = (span for span in exporter.get_finished_spans() if span.name == "ask")
    assert failed.items() <= dict(first.attributes or {}).items()
    assert done.items() <= dict(second.attributes or {}).items()
    async with lab.running() as runtime:
        assert len(await recorded(runtime.client.invocation(handle.id))) == 2


async def test_a_thread_describes_its_step_too() -> None:
    async with Lab(Agent).running() as runtime:
        handle = await runtime.client.actor(Agent, "a").run_in_a_thread.send()
        await handle.result()
        assert await recorded(handle) == [("StepCompleted", MODEL)]


async def test_a_step_before_another_keeps_its_attributes() -> None:
    async with Lab(Agent).running() as runtime:
        handle = await runtime.client.actor(Agent, "a").run_twice.send()
        await handle.result()
        assert await recorded(handle) == 2 * [("StepCompleted", MODEL)]


async def test_only_a_step_that_runs_can_be_described() -> None:
    with raises(MisuseError, code="outside_handler"):
        actors.set_attributes(MODEL)
    async with Lab(Agent).running(fail_fast=True) as runtime:
        with raises(MisuseError, code="outside_handler"):
            await runtime.client.actor(Agent, "a").by_itself()


@pytest.mark.parametrize(
    "wrong",
    [{"": 1}, {"x" * (MAX_ATTRIBUTE_NAME + 1): 1}, {"a\n": 1}, {"a": None}, {"a": []}, {"a": 1 << 63}],
    ids=repr,
)
async def test_what_is_no_attribute_is_refused(wrong: dict[str, Any]) -> None:
    async with Lab(Agent).running(fail_fast=True) as runtime:
        with trio.fail_after(60), pytest.raises(InvalidArgumentError):
            await runtime.client.actor(Agent, "a").say(wrong)


async def test_too_many_and_too_long_attributes_are_refused_with_the_limit() -> None:
    async with Lab(Agent).running(fail_fast=True) as runtime:
        say = runtime.client.actor(Agent, "a").say
        with raises(LimitExceededError, limit="attributes", maximum=MAX_ATTRIBUTES, found=MAX_ATTRIBUTES + 1):
            await say({f"name_{number}": number for number in range(MAX_ATTRIBUTES + 1)})
        with raises(LimitExceededError, limit="attribute_value", found=MAX_ATTRIBUTE_VALUE + 1):
            await say({"a": "x" * (MAX_ATTRIBUTE_VALUE + 1)})
