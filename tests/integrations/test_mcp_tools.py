"""The tools of a server of MCP in handlers: each call is a recorded step, and what goes wrong says which tool it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mcp
import pytest
import trio
from mcp.server import MCPServer, Server
from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult

import actors
import actors.integrations.openai
from actors import Limits, RetryPolicy, Service, handler
from actors.integrations.mcp import McpTools
from tests.integrations.chat_models import MODEL, Says, openai_client
from tests.lab import WORLD, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # as in test_chat_clients.py
]
SERVER = MCPServer("library")
ONCE = RetryPolicy(max_attempts=1, on_exhausted="fail")


@SERVER.tool()
async def search(query: str) -> str:
    """Search the library."""
    WORLD.note(query)
    if query == "nothing":
        raise ValueError("no book has that title")
    if query == "everything":
        return "x" * 2_000_000
    if query == "forever":
        await trio.sleep_forever()
    return f"a book on {query}"


SERVED: list[MCPServer | Server[Any]] = [SERVER]


def library() -> mcp.Client:
    WORLD.note("session")
    return mcp.Client(SERVED[-1])


@pytest.fixture(autouse=True)
def the_library() -> Iterator[None]:
    yield
    del SERVED[1:]


SHARED: list[mcp.Client] = []


class Reader(Service):
    @handler
    async def read(self, query: str, tool: str = "search") -> Any:
        tools = McpTools(SHARED[0] if SHARED else library, retry=ONCE, timeout=30)
        return (await tools.call(tool, {"query": query}))["content"][0]["text"]

    @handler
    async def list_tools(self) -> int:
        return len(await McpTools(library, retry=ONCE).tools())

    @handler
    async def ask(self) -> str:
        said = [{"role": "user", "content": "a book, please"}]
        tools = await McpTools(library).tools()
        answer = await actors.integrations.openai.run_tools(openai_client(), model="small", messages=said, tools=tools)
        return answer.text


async def test_a_call_of_a_tool_is_recorded_with_its_arguments_and_its_result() -> None:
    lab = Lab(Reader)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Reader).read.send("tides")
        assert await handle.result() == "a book on tides"
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        assert (await handle.check()).is_compatible
        events = {entry.name: entry.details async for entry in handle.events()}
    assert events["StepScheduled"]["name"] == "mcp tool search"
    assert events["StepScheduled"]["argument"] == [{"query": "tides"}]
    assert events["StepCompleted"]["outcome"]["value"]["content"][0]["text"] == "a book on tides"
    assert events["StepCompleted"]["attributes"]["gen_ai.tool.name"] == "search"
    assert WORLD.entries == ["session", "tides"]


async def test_what_redact_leaves_out_reaches_the_server_and_is_not_recorded() -> None:
    class Secretive(Service):
        @handler
        async def read(self) -> Any:
            tools = McpTools(library, redact=lambda name, value: f"{name} named {', '.join(value)}")
            return (await tools.call("search", {"query": "diaries"}))["content"][0]["text"]

    async with Lab(Secretive).running() as runtime:
        handle = await runtime.client.service(Secretive).read.send()
        assert await handle.result() == "a book on diaries"
        arguments = [entry.details["argument"] async for entry in handle.events() if entry.name == "StepScheduled"]
    assert arguments == [["arguments named query"]]


async def test_steps_may_share_a_session() -> None:
    async with Lab(Reader).running() as runtime, mcp.Client(SERVER) as session:
        SHARED.append(session)
        try:
            for query in ("tides", "moons"):
                assert await runtime.client.service(Reader).read(query) == f"a book on {query}"
        finally:
            SHARED.clear()
    assert "session" not in WORLD.entries


@pytest.mark.parametrize(
    ("query", "tool", "expected"),
    [
        ("nothing", "search", "ToolError"),
        ("tides", "burn", "ToolError"),
        ("everything", "search", "LimitExceededError"),
        ("forever", "search", "StepTimeoutError"),
    ],
)
async def test_what_goes_wrong_names_the_tool(query: str, tool: str, expected: str) -> None:
    async with Lab(Reader, limits=Limits(payload_bytes=1 << 20)).running() as runtime:
        handle = await runtime.client.service(Reader).read.send(query, tool=tool)
        failure = (await handle.outcome()).failure
    assert failure is not None
    assert expected in f"{failure.type} {failure.message}"
    assert tool in failure.message


async def test_a_list_of_tools_that_never_ends_is_ended() -> None:
    async def page(_: Any, __: Any) -> ListToolsResult:
        WORLD.note("page")
        return ListToolsResult(tools=[], next_cursor="again")

    SERVED.append(Server("endless", on_list_tools=page))
    async with Lab(Reader).running() as runtime:
        failure = (await (await runtime.client.service(Reader).list_tools.send()).outcome()).failure
    assert failure is not None
    assert failure.type == "actors.errors.LimitExceededError"
    assert WORLD.count("page") == 100


async def test_a_result_without_texts_is_told_by_its_structure() -> None:
    async def carry_out(_: Any, params: CallToolRequestParams) -> CallToolResult:
        WORLD.note(params.name)
        return CallToolResult(content=[], structured_content={"books": 2})

    async def tools(_: Any, __: Any) -> ListToolsResult:
        return ListToolsResult(tools=[mcp.types.Tool(name="books/v2.search", input_schema={"type": "object"})])

    SERVED.append(Server("terse", on_list_tools=tools, on_call_tool=carry_out))
    MODEL.will(Says(calls=(("books_v2_search_9e98d782", {}),)), Says("two"))
    async with Lab(Reader).running() as runtime:
        assert await runtime.client.service(Reader).ask() == "two"
    assert MODEL.requests[1]["messages"][-1]["content"] == '{"books":2}'
    assert WORLD.count("books/v2.search") == 1, "a model knows it by a name that its API permits"


async def test_a_model_calls_the_tools_of_a_server() -> None:
    MODEL.will(Says(calls=(("search", {"query": "tides"}), ("search", {"query": "nothing"}))), Says("take it"))
    async with Lab(Reader).running() as runtime:
        handle = await runtime.client.service(Reader).ask.send()
        assert await handle.result() == "take it"
        names = [entry.details["name"] async for entry in handle.events() if entry.name == "StepScheduled"]
        assert (await handle.check()).is_compatible
    assert names == ["mcp tools", "model request", "mcp tool search", "mcp tool search", "model request"]
    assert MODEL.requests[0]["tools"][0]["function"]["parameters"]["required"] == ["query"]
    told = [message["content"] for message in MODEL.requests[1]["messages"][2:]]
    assert told[0] == "a book on tides"
    assert "search" in told[1], "the error of a tool is for the model"
