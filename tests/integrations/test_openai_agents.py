"""Agents of openai-agents in a handler: no recorded model request and no recorded tool call is repeated."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, WebSearchTool, function_tool
from agents.exceptions import ModelBehaviorError
from agents.mcp import MCPServer
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call
from agents.tool import ApplyPatchTool
from mcp.types import CallToolResult, GetPromptResult, ListPromptsResult, TextContent, Tool

import actors
from actors import Actor, Map, RetryPolicy, Service, handler
from actors.errors import DefinitionError, MisuseError
from actors.integrations.openai_agents import MapSession, durable
from actors.integrations.openai_agents.mcp_servers import KeptSession
from actors.integrations.openai_agents.models import _append
from tests.integrations.deaths import killed_at_each_recorded_step
from tests.lab import WORLD, Lab
from tests.raising import raises
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from agents.items import TResponseInputItem


def outputs(call: ModelCall) -> dict[str, str]:
    given: list[TResponseInputItem] | str = call.input
    return {} if isinstance(given, str) else {i["call_id"]: i["output"] for i in given if "output" in i}  # type: ignore[typeddict-item]


class Scripted(Model):
    """A model that remembers nothing: what it says follows from what it is asked."""

    model = "scripted-1"

    def __init__(self, think: Callable[[ModelCall], Any]) -> None:
        self._think = think

    def _once(self) -> ScriptedModel:
        WORLD.note("model")
        usage = Usage(requests=1, input_tokens=7, output_tokens=3, total_tokens=10)
        return ScriptedModel([ModelStep.respond(self._think)], default_usage=usage)

    async def get_response(self, *args: Any, **options: Any) -> ModelResponse:
        await asyncio.sleep(0)
        return await self._once().get_response(*args, **options)

    def stream_response(self, *args: Any, **options: Any) -> AsyncIterator[Any]:
        return self._once().stream_response(*args, **options)


def forecast(call: ModelCall) -> Any:
    seen = outputs(call)
    if not seen:
        return [function_call("weather", {"city": city}, call_id=city) for city in ("Oslo", "Rome")]
    if len(seen) == 2:
        return [function_call("add", {"a": 1, "b": 2}, call_id="sum")]
    return [assistant_message(f"{seen['Oslo']}, {seen['Rome']}, {seen['sum']}")]


@function_tool(failure_error_function=None)
async def weather(city: str) -> str:
    WORLD.note(f"weather {city}")
    if city == "Rome" and WORLD.count("weather Rome") == 1:
        raise OSError("the line is down")
    await asyncio.sleep(0)
    return {"Oslo": "cold", "Rome": "warm"}[city]


@function_tool
def add(a: int, b: int) -> int:
    WORLD.note("add")
    return a + b


forecaster = durable(
    Agent(name="weather", model=Scripted(forecast), tools=[weather, add]),
    tool_retry=RetryPolicy(max_attempts=3, initial_delay=0.001),
    tool_redact=lambda _, value: {**value, "city": "[a city]"} if "city" in value else value,
)


def hand_over(call: ModelCall) -> Any:
    return [function_call(call.handoffs[0].tool_name, {}, call_id=f"{len(outputs(call))}")]


def finish(call: ModelCall) -> Any:
    if len(outputs(call)) < 3:
        return hand_over(call)
    return [assistant_message("done")]


first = Agent(name="first", model=Scripted(hand_over))
second = Agent(name="second", model=Scripted(finish), handoffs=[first])
first.handoffs.append(second)
circle = durable(first)


def ask_a_person(call: ModelCall) -> Any:
    seen = outputs(call)
    return [assistant_message(seen["1"])] if seen else [function_call("approve", {}, call_id="1")]


@function_tool
async def approve() -> str:
    return "yes" if await actors.signal("approved", bool) else "no"


approver = durable(Agent(name="approver", model=Scripted(ask_a_person), tools=[approve]), in_handler=["approve"])


def ask_the_expert(call: ModelCall) -> Any:
    seen = outputs(call)
    return [assistant_message(seen["1"])] if seen else [function_call("expert", {"input": "how is it?"}, call_id="1")]


chief = durable(
    Agent(name="chief", model=Scripted(ask_the_expert), tools=[forecaster.as_tool("expert", "Knows the weather.")])
)


def confuse(_: ModelCall) -> Any:
    raise ModelBehaviorError("it called a tool that does not exist")


class Refused(Exception):
    status_code = 400


def refuse(_: ModelCall) -> Any:
    raise Refused("no such model")


confused = durable(Agent(name="confused", model=Scripted(confuse)))
refused = durable(Agent(name="refused", model=Scripted(refuse)))


async def show(event: Any) -> None:
    if event.type == "response.output_text.delta":
        actors.emit(event.delta)


shown = durable(Agent(name="shown", model=Scripted(lambda _: [assistant_message("it is warm")])), event_handler=show)


class Notes(MCPServer):
    """An MCP server in this process, whose connection may be lost."""

    name = "notes"

    def __init__(self) -> None:
        super().__init__()
        self._task: asyncio.Task[Any] | None = None

    async def connect(self) -> None:
        WORLD.note("connect")
        self._task = asyncio.current_task()

    async def cleanup(self) -> None:
        assert self._task is asyncio.current_task(), "a session is left by the task that has entered it"
        await asyncio.sleep(0.1)  # of real time, as a connection takes to close
        WORLD.note("cleanup")

    async def list_tools(self, run_context: Any = None, agent: Any = None) -> list[Tool]:
        WORLD.note("list")
        return [Tool(name="read", input_schema={"type": "object", "properties": {"n": {"type": "integer"}}})]

    async def call_tool(self, tool_name: str, arguments: Any, meta: Any = None) -> CallToolResult:
        WORLD.note(f"read {arguments['n']}")
        if WORLD.count("read 2") == 1 and arguments["n"] == 2:
            raise ConnectionResetError("the server is gone")
        return CallToolResult(content=[TextContent(type="text", text=f"note {arguments['n']}")])

    async def list_prompts(self) -> ListPromptsResult:
        raise NotImplementedError

    async def get_prompt(self, name: str, arguments: Any = None) -> GetPromptResult:
        raise NotImplementedError


def read_notes(call: ModelCall) -> Any:
    read = len(outputs(call))
    return [function_call("read", {"n": read + 1}, call_id=f"{read}")] if read < 3 else [assistant_message(str(read))]


reader = durable(
    Agent(name="reader", model=Scripted(read_notes), mcp_servers=[Notes()]),
    tool_retry=RetryPolicy(max_attempts=3, initial_delay=0.001),
)


def remember(call: ModelCall) -> Any:
    said = [item["content"] for item in call.input if item.get("role") == "user"]  # type: ignore[union-attr,typeddict-item]
    return [assistant_message(f"heard {', '.join(map(str, said))}")]


listener = durable(Agent(name="listener", model=Scripted(remember)))

AGENTS = {agent.name: agent for agent in (forecaster, circle, approver, chief, confused, refused, shown, reader)}
QUIET = RunConfig(tracing_disabled=True)


class Conversation(Actor):
    messages: Map[int, dict[str, Any]]

    @handler
    async def say(self, text: str, limit: int | None = None) -> str:
        session = MapSession(self.messages, limit=limit)
        ask = partial(Runner.run, listener, text, session=session, run_config=QUIET)
        return str((await actors.aio.host(ask)).final_output)


class Agents(Service):
    @handler
    async def run_without_durability(self) -> object:
        return await actors.aio.host(partial(Runner.run, first, run_config=QUIET), "how is it?")

    @handler
    async def run(self, name: str) -> str:
        async def main() -> str:
            return str((await Runner.run(AGENTS[name], "how is it?", run_config=QUIET)).final_output)

        return await actors.aio.host(main)

    @handler
    async def stream(self) -> list[str]:
        async def main() -> list[str]:
            result = Runner.run_streamed(shown, "how is it?", run_config=QUIET)
            events = [event async for event in result.stream_events()]
            deltas = [
                event.data.delta
                for event in events
                if event.type == "raw_response_event" and event.data.type.endswith("text.delta")
            ]
            return [*deltas, str(result.final_output)]

        return await actors.aio.host(main)

    @handler
    async def fails(self, name: str) -> str:
        async def main() -> str:
            try:
                await Runner.run(AGENTS[name], "how is it?", run_config=QUIET)
            except (ModelBehaviorError, actors.TerminalError) as error:
                return f"{type(error).__name__}: {error}"
            return ""

        return await actors.aio.host(main)


@pytest.mark.virtual_time
async def test_model_requests_and_tools_are_steps_that_a_replay_does_not_repeat() -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).run.send("weather")
        assert await handle.result() == "cold, warm, 3"
        events = [entry async for entry in handle.events()]
        ran = Counter(WORLD.entries)
        assert (await handle.check()).is_compatible
    steps = [entry.details["name"] for entry in events if entry.name == "StepScheduled"]
    assert Counter(steps) == {"model request": 3, "tool weather": 2, "tool add": 1}
    told = [
        entry.details["argument"][0] for entry in events if entry.name == "StepScheduled" and entry.details["argument"]
    ]
    assert sorted(map(str, told)) == ["{'a': 1, 'b': 2}", "{'city': '[a city]'}", "{'city': '[a city]'}"]
    assert ran == {"model": 3, "weather Oslo": 1, "weather Rome": 2, "add": 1}, "a tool that raises is tried again"
    assert Counter(WORLD.entries) == ran
    described = [entry.details["attributes"] for entry in events if entry.name == "StepCompleted"]
    assert described[0] == {
        "gen_ai.operation.name": "chat",
        "gen_ai.agent.name": "weather",
        "gen_ai.request.model": "scripted-1",
        "gen_ai.response.id": "resp-789",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.output_tokens": 3,
    }
    assert {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.call.id": "sum",
    } in described


@pytest.mark.virtual_time
async def test_a_restart_from_a_step_asks_the_model_only_for_what_follows() -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).run.send("weather")
        await handle.result()
        steps = [entry.details["step"] async for entry in handle.events() if entry.name == "StepScheduled"]
        WORLD.clear()
        answer = await handle.restart(steps[-2])
        assert answer.successor is not None
        assert await runtime.client.invocation(answer.successor.invocation_id).result() == "cold, warm, 3"
    assert Counter(WORLD.entries) == {"add": 1, "model": 1}


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("agent", "result", "requests"),
    [("first", "done", 4), ("chief", "cold, warm, 3", 5)],
    ids=["handoffs in a circle", "an agent as a tool"],
)
async def test_the_agents_that_an_agent_reaches_are_durable(agent: str, result: str, requests: int) -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).run.send(agent)
        assert await handle.result() == result
        assert (await handle.check()).is_compatible
        steps = [entry.details["name"] async for entry in handle.events() if entry.name == "StepScheduled"]
    assert steps.count("model request") == WORLD.count("model") == requests


@pytest.mark.virtual_time
async def test_a_tool_in_the_handler_may_wait_for_a_person() -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).run.send("approver")
        await trio.sleep(3600)
        await handle.signal("approved", True)
        assert await handle.result() == "yes"


@pytest.mark.virtual_time
async def test_an_error_that_would_come_again_is_recorded_and_raised() -> None:
    async with Lab(Agents).running() as runtime:
        client = runtime.client.service(Agents)
        assert await client.fails("confused") == "ModelBehaviorError: it called a tool that does not exist"
        assert "Refused: no such model" in await client.fails("refused")
    assert WORLD.entries == ["model", "model"]


@pytest.mark.virtual_time
async def test_a_streamed_response_is_shown_while_it_arrives_and_recorded_whole() -> None:
    async with Lab(Agents).running() as runtime:
        handle = await runtime.client.service(Agents).stream.send()
        assert await handle.result() == ["it is warm", "it is warm"]
        assert "".join([value async for value in handle.output()]) == "it is warm"
        assert (await handle.check()).is_compatible
    assert WORLD.entries == ["model"]


def test_the_parts_of_a_streamed_text_are_recorded_as_one() -> None:
    stored: list[dict[str, Any]] = []
    for item, delta in (("a", "it "), ("a", "is "), ("b", "cold"), ("a", "warm")):
        _append(stored, {"type": "response.output_text.delta", "item_id": item, "delta": delta, "logprobs": [delta]})
    _append(stored, {"type": "response.completed"})
    assert [(event.get("item_id"), event.get("delta")) for event in stored] == [
        ("a", "it is "),
        ("b", "cold"),
        ("a", "warm"),
        (None, None),
    ]
    assert stored[0]["logprobs"] == ["it ", "is "]


@pytest.mark.virtual_time
async def test_a_session_of_mcp_outlives_its_steps_and_is_opened_anew_when_it_is_lost() -> None:
    lab = Lab(Agents)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Agents).run.send("reader")
        assert await handle.result() == "3"
        assert (await handle.check()).is_compatible
    entries = [entry for entry in WORLD.entries if entry not in ("model", "list")]
    assert entries == ["connect", "read 1", "read 2", "cleanup", "connect", "read 2", "read 3", "cleanup"]
    async with lab.running() as runtime:
        WORLD.clear()
        assert await runtime.client.service(Agents).run("reader") == "3"
    assert WORLD.count("connect") >= 1, "another process, or another loop, connects again"


def test_a_connection_to_mcp_that_ends_in_a_cancel_is_tried_again() -> None:
    class Shaky(Notes):
        async def connect(self) -> None:
            await super().connect()
            if WORLD.count("connect") == 1:
                raise asyncio.CancelledError("cancelled by a scope")

    async def main() -> None:
        session = KeptSession(Shaky())
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(session.opened(), 1)
        await session.drop(await asyncio.wait_for(session.opened(), 1))

    WORLD.clear()
    asyncio.run(main())
    assert WORLD.entries == ["connect", "connect", "cleanup"]


@pytest.mark.virtual_time
async def test_a_session_in_a_field_remembers_what_was_said_in_another_process() -> None:
    lab = Lab(Conversation)
    async with lab.running() as runtime:
        ada = runtime.client.actor(Conversation, "ada")
        assert await ada.say("one") == "heard one"
        assert await ada.say("two") == "heard one, two"
    async with lab.running() as runtime:
        ada = runtime.client.actor(Conversation, "ada")
        handle = await ada.say.send("three")
        assert await handle.result() == "heard one, two, three"
        assert (await handle.check()).is_compatible
        assert await ada.say("four", limit=2) == "heard three, four"
        assert await runtime.client.actor(Conversation, "bob").say("one") == "heard one"


async def test_a_session_in_a_mapping_keeps_the_order_at_any_length() -> None:
    kept: dict[int, dict[str, Any]] = {}
    session = MapSession(kept)
    for length in range(40):
        items = await session.get_items()
        assert [item["content"] for item in items] == list(range(length))  # type: ignore[typeddict-item]
        await session.add_items([{"role": "user", "content": length}])  # type: ignore[typeddict-item]
    assert [item["content"] for item in await session.get_items(2)] == [38, 39]  # type: ignore[typeddict-item]
    assert await session.get_items(0) == []
    assert await session.pop_item() == {"role": "user", "content": 39}
    assert len(kept) == 39
    await session.clear_session()
    assert (kept, await session.pop_item()) == ({}, None)


def test_a_tool_that_cannot_be_recorded_is_refused() -> None:
    patch = Agent(name="editor", tools=[ApplyPatchTool(editor=None)])  # type: ignore[arg-type]
    with raises(DefinitionError, reason="integration", name="ApplyPatchTool"):
        durable(patch)
    expert = Agent(name="expert").as_tool("expert", "Knows.")
    with raises(DefinitionError, reason="integration", name="expert"):
        durable(Agent(name="chief", tools=[expert]))
    search = WebSearchTool()
    assert durable(Agent(name="searcher", tools=[search])).tools == [search]


def test_elsewhere_an_agent_runs_as_without_playhead() -> None:
    async def main() -> list[str]:
        whole = await Runner.run(forecaster, "how is it?", run_config=QUIET)
        streamed = Runner.run_streamed(shown, "how is it?", run_config=QUIET)
        async for _ in streamed.stream_events():
            pass
        return [str(whole.final_output), str(streamed.final_output)]

    WORLD.clear()
    WORLD.note("weather Rome")
    assert asyncio.run(main()) == ["cold, warm, 3", "it is warm"]


def test_a_missing_package_names_its_extra() -> None:
    code = "import sys; sys.modules['agents'] = None\nimport actors.integrations.openai_agents"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "pip install 'playhead[openai-agents]'" in done.stderr


def test_a_process_killed_at_each_recorded_step_repeats_no_recorded_model_call(tmp_path: Path) -> None:
    story = killed_at_each_recorded_step(
        tmp_path,
        "examples.openai_agents_handoff:Support.ask",
        "My lamp arrived broken: order 17.",
        "examples.openai_agents_handoff:Script.get_response",
    )
    assert story.result == "refunds: Sorry about that. 40 for order 17 were refunded."
    assert story.asked_again == []
    assert (len(story.recorded), len(set(story.asked))) == (6, 4)
    assert story.kills >= 5


@pytest.mark.virtual_time
async def test_an_agent_that_nothing_makes_durable_is_refused_before_it_begins() -> None:
    async with Lab(Agents).running() as runtime:
        with raises(MisuseError, code="non_durable_await") as caught:
            await runtime.client.service(Agents).run_without_durability()
    assert str(caught.value).startswith(__file__)
    assert "durable(agent)" in str(caught.value)
    assert WORLD.entries == []
