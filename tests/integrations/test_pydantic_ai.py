"""An agent of pydantic-ai in a handler: no recorded model request and no recorded tool call is repeated."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import trio
from mcp.server import MCPServer
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import actors
from actors import RetryPolicy, Service, Status, handler
from actors.errors import MisuseError
from actors.integrations.pydantic_ai import PlayheadDurability
from tests.integrations.deaths import killed_at_each_recorded_step
from tests.lab import WORLD, Lab
from tests.raising import raises
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


async def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    WORLD.note("model")
    await trio.sleep(1)
    returned = [part.content for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    if len(messages) == 1:
        return ModelResponse(parts=[ToolCallPart("weather", {"city": "oslo"}), ToolCallPart("add", {"a": 1, "b": 2})])
    if "cold" not in returned:
        return ModelResponse(parts=[ToolCallPart("weather", {"city": "Oslo"})])
    return ModelResponse(parts=[TextPart("3 cold" if 3 in returned else "")])


async def speak(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    WORLD.note("model")
    for word in ("it ", "is ", "warm"):
        await trio.sleep(1)
        yield word


async def show(ctx: Any, events: Any) -> None:
    async for event in events:
        actors.emit(type(event).__name__)


agent = Agent(
    FunctionModel(think, stream_function=speak),
    name="weather",
    capabilities=[PlayheadDurability(tool_retry=RetryPolicy(max_attempts=3), loop="trio")],
)


@agent.tool_plain
async def weather(city: str) -> str:
    WORLD.note(f"weather {city}")
    if city == "oslo":
        raise ModelRetry("names of cities begin with a capital letter")
    if WORLD.count(f"weather {city}") == 1:
        raise OSError("the line is down")
    return "cold"


@agent.tool_plain
def add(a: int, b: int) -> int:
    WORLD.note("add")
    return a + b


async def refuse(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    WORLD.note("model")
    raise ModelHTTPError(503, "busy", {"error": "overloaded"})


busy = Agent(FunctionModel(refuse), name="busy", capabilities=[PlayheadDurability(loop="trio")])

watched = Agent(
    FunctionModel(think, stream_function=speak),
    name="watched",
    capabilities=[PlayheadDurability(event_stream_handler=show, loop="trio")],
)


async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    await asyncio.sleep(0)
    return ModelResponse(parts=[TextPart("in asyncio") if len(messages) > 1 else ToolCallPart("look", {})])


async def answer_in_parts(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    for word in ("in ", "asyncio"):
        await asyncio.sleep(0)
        yield word


ordinary = Agent(
    FunctionModel(answer, stream_function=answer_in_parts), name="ordinary", capabilities=[PlayheadDurability()]
)
shown = Agent(
    FunctionModel(stream_function=answer_in_parts),
    name="shown",
    capabilities=[PlayheadDurability(event_stream_handler=show)],
)


library = MCPServer("library")


@library.tool()
async def search(query: str) -> str:
    """Search the library."""
    WORLD.note(f"search {query}")
    if query == "Tides":
        raise ValueError("no title begins with a capital letter")
    return f"a book on {query}"


async def read(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    await asyncio.sleep(0)
    WORLD.note("model")
    told = [str(part.content) for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    if not told or not told[-1].startswith("a book"):
        return ModelResponse(parts=[ToolCallPart("search", {"query": "Tides" if len(messages) == 1 else "tides"})])
    return ModelResponse(parts=[TextPart(told[-1])])


librarian = Agent(
    FunctionModel(read),
    name="librarian",
    toolsets=[MCPToolset(library, id="library")],
    capabilities=[PlayheadDurability()],
)


@ordinary.tool_plain
async def look() -> str:
    await asyncio.sleep(0)
    return "around"


def of_price(model: FunctionModel, name: str, **options: Any) -> Agent[None, str]:
    return Agent(model, name=name, capabilities=[PlayheadDurability(loop="trio", **options)], tools=[weather, add])


def broken_price(response: ModelResponse) -> None:
    raise ValueError(f"no price for {response.model_name}")


PRICED = {
    "listed": of_price(FunctionModel(think, model_name="gpt-4o"), "listed"),
    "own": of_price(FunctionModel(think), "own", price=lambda _: "0.30"),
    "unknown": of_price(FunctionModel(think), "unknown"),
    "broken": of_price(FunctionModel(think), "broken", price=broken_price),
}


bare = Agent(FunctionModel(think), name="bare")


class Agents(Service):
    @handler
    async def run_without_durability(self) -> str:
        return (await actors.aio.host(bare.run, "how is it?")).output

    @handler
    async def run_priced(self, which: str) -> str:
        return (await actors.aio.host(PRICED[which].run, "how is it?")).output

    @handler
    async def ask_the_library(self) -> str:
        return (await actors.aio.host(librarian.run, "a book, please")).output

    @handler
    async def in_asyncio(self, which: str) -> str:
        return (await actors.aio.host((ordinary if which == "ordinary" else shown).run, "how is it?")).output

    @handler
    async def run(self) -> str:
        return (await actors.aio.host(agent.run, "how is it?")).output

    @handler
    async def stream(self) -> list[str]:
        async def main() -> list[str]:
            async with agent.run_stream("how is it?") as result:
                return [text async for text in result.stream_text(debounce_by=None)]

        return await actors.aio.host(main)

    @handler
    async def watch(self) -> str:
        return (await actors.aio.host(watched.run, "how is it?")).output

    @handler
    async def is_busy(self) -> list[Any]:
        async def main() -> list[Any]:
            try:
                await busy.run("how is it?")
            except ModelHTTPError as error:
                return [error.status_code, error.model_name, error.body]
            return []

        return await actors.aio.host(main)


@pytest.mark.virtual_time
async def test_model_requests_and_tools_are_steps_that_a_replay_does_not_repeat() -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).run.send()
        assert await handle.result() == "3 cold"
        events = [entry async for entry in handle.events()]
        names = [entry.details["name"] for entry in events if entry.name == "StepScheduled"]
        described = [entry.details["attributes"] for entry in events if entry.name == "StepCompleted"]
        ran = Counter(WORLD.entries)
        report = await handle.check()
    assert Counter(names) == {"model request": 3, "tool weather": 2, "tool add": 1}
    assert report.is_compatible, report.summary
    assert Counter(WORLD.entries) == ran
    assert ran == {"model": 3, "weather oslo": 1, "add": 1, "weather Oslo": 2}, (
        "a retry that the model is asked for is an outcome, and an error of a tool is tried again"
    )
    assert described[0]["gen_ai.agent.name"] == "weather"
    assert described[0]["gen_ai.usage.output_tokens"] > 0
    assert {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "add"} in described


@pytest.mark.virtual_time
async def test_a_restart_from_a_step_asks_the_model_only_for_what_follows() -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).run.send()
        result = await handle.result()
        steps = [entry.details["step"] async for entry in handle.events() if entry.name == "StepScheduled"]
        WORLD.clear()
        answer = await handle.restart(steps[-1])
        assert answer.successor is not None
        assert await runtime.client.invocation(answer.successor.invocation_id).result() == result
    assert WORLD.entries == ["model"]


@pytest.mark.virtual_time
async def test_a_cancel_stops_the_model_request() -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).run.send()
        await trio.sleep(0.5)
        await handle.cancel(reason="a newer message came")
        outcome = await handle.outcome()
        at = trio.current_time()
    assert (outcome.kind.value, outcome.reason) == ("cancelled", "a newer message came")
    assert at < 1
    assert WORLD.entries == ["model"]


@pytest.mark.virtual_time
async def test_a_streamed_response_is_recorded_whole() -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).stream.send()
        assert (await handle.result())[-1] == "it is warm"
        [described] = [entry.details["attributes"] async for entry in handle.events() if entry.name == "StepCompleted"]
        assert described["gen_ai.usage.output_tokens"] > 0
        assert (await handle.check()).is_compatible
    assert WORLD.entries == ["model"]


@pytest.mark.virtual_time
async def test_the_events_of_a_stream_are_seen_while_it_arrives() -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).watch.send()
        chunks = handle.chunks(live=True)
        seen = [trio.current_time() async for chunk in chunks if chunk.value == "PartDeltaEvent"]
        assert await handle.result() == "it is warm"
    assert len(set(seen)) > 1


@pytest.mark.virtual_time
async def test_an_error_of_the_framework_is_recorded_and_raised_with_its_type() -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).is_busy.send()
        assert await handle.result() == [503, "busy", {"error": "overloaded"}]
        assert (await handle.check()).is_compatible
    assert WORLD.entries == ["model"], "the SDK has retried already"


@pytest.mark.parametrize("which", ["ordinary", "shown"])
async def test_models_and_tools_run_on_asyncio_unless_they_ask_for_trio(which: str, tmp_path: Path) -> None:
    async with actors.open_runtime(Agents, path=tmp_path, durability="os", code=None) as runtime:
        handle = await runtime.client.service(Agents).in_asyncio.send(which)
        with trio.fail_after(60):
            assert await handle.result() == "in asyncio"
        pieces = [value async for value in handle.output()]
        assert ("PartDeltaEvent" in pieces) == (which == "shown")
        assert (await handle.check(deployment="keep")).is_compatible


async def test_the_tools_of_an_mcp_server_are_steps(tmp_path: Path) -> None:
    WORLD.clear()
    async with actors.open_runtime(Agents, path=tmp_path, durability="os", code=None) as runtime:
        handle = await runtime.client.service(Agents).ask_the_library.send()
        with trio.fail_after(60):
            assert await handle.result() == "a book on tides"
        names = [entry.details["name"] async for entry in handle.events() if entry.name == "StepScheduled"]
        ran = [*WORLD.entries]
        assert (await handle.check(deployment="keep")).is_compatible
    assert [name for name in names if name != "model request"] == ["tools of library", "tool search", "tool search"]
    assert Counter(ran) == {"model": 3, "search Tides": 1, "search tides": 1}
    assert ran == WORLD.entries, "a replay repeats nothing"


def test_a_missing_package_names_its_extra() -> None:
    code = "import sys; sys.modules['pydantic_ai'] = None\nimport actors.integrations.pydantic_ai"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "pip install 'playhead[pydantic-ai]'" in done.stderr


def test_a_process_killed_at_each_recorded_step_repeats_no_recorded_model_call(tmp_path: Path) -> None:
    story = killed_at_each_recorded_step(
        tmp_path,
        "examples.agent:Forecast.ask",
        "Where is it warmer?",
        "pydantic_ai.models.function:FunctionModel.request",
    )
    assert story.result == "It is 17 degrees warmer in Rome."
    assert story.asked_again == []
    assert (len(story.recorded), len(set(story.asked))) == (6, 3)
    assert story.kills >= 5


@pytest.mark.virtual_time
async def test_each_model_request_spends_its_price_in_dollars(caplog: pytest.LogCaptureFixture) -> None:
    async with Lab(Agents).running() as runtime:
        agents, spent = runtime.client.service(Agents), {}
        for which in PRICED:
            handle = await agents.run_priced.send(which)
            assert await handle.result() == "3 cold"
            WORLD.clear()
            spent[which] = (await handle.info()).spent.get("usd")
    assert spent["own"] == "0.9"
    assert spent["listed"] is not None
    assert Decimal(spent["listed"]) > 0, "pydantic-ai has a list of prices"
    assert [spent["unknown"], spent["broken"]] == [None, None]
    assert "no price for" in caplog.text, "the request has been paid for, and is not repeated"


@pytest.mark.virtual_time
async def test_a_budget_in_dollars_pauses_an_agent_and_more_lets_it_continue() -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).run_priced.options(budget={"usd": "0.50"}).send("own")
        async for event in handle.follow():
            if event.name == "InvocationPaused":
                break
        info = await handle.info()
        assert (info.status, info.spent["usd"]) == (Status.PAUSED, "0.6")
        await handle.resume(budget={"usd": 1})
        assert await handle.result() == "3 cold"
        assert WORLD.count("model") == 3


@pytest.mark.virtual_time
async def test_an_agent_that_nothing_makes_durable_is_refused_before_it_begins() -> None:
    async with Lab(Agents).running() as runtime:
        with raises(MisuseError, code="non_durable_await") as caught:
            await runtime.client.service(Agents).run_without_durability()
    assert str(caught.value).startswith(__file__)
    assert "PlayheadDurability()" in str(caught.value)
    assert WORLD.entries == []
