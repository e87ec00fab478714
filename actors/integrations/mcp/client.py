"""Tools of a server of the Model Context Protocol in handlers: each call is a recorded step."""

from __future__ import annotations

import hashlib
import re
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import mcp
import msgspec

from actors.errors import ErrorCode, LimitExceededError
from actors.integrations.chat.errors import ToolError
from actors.integrations.chat.records import describe_tool
from actors.integrations.chat.tools import ModelTool, ToolResult
from actors.model.verbs.steps import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from actors.model.step_options import Redactor
    from actors.values.arguments import Seconds
    from actors.values.retries import RetryPolicy

_MOST_PAGES = 100
"""The most pages of a list of tools."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64

_REFUSED = frozenset({-32_600, -32_601, -32_602})
"""The errors of JSON-RPC that another try does not change: a wrong request, an unknown method, wrong parameters."""


class McpTools:
    """The tools of a server of MCP, for handlers on trio.

    ``client`` is a function that opens a session, which each step does for itself: ``lambda: mcp.Client("https://example.org/mcp")``. For a session
    that all steps share, give a client that is connected, and keep it open as long as the runtime. ``retry``, ``timeout`` and
    ``redact`` are the options of the steps; ``redact`` is called with ``"arguments"`` and the arguments of a tool, and returns what is recorded.

    ::

        server = McpTools(lambda: mcp.Client(url), timeout=60)

        found = await server.call("search", {"query": "tides"})  # in a handler
        answer = await run_tools(client, model="gpt-5", messages=said, tools=await server.tools())
    """

    def __init__(
        self,
        client: mcp.Client | Callable[[], AbstractAsyncContextManager[mcp.Client]],
        *,
        retry: RetryPolicy | None = None,
        timeout: Seconds | None = None,
        redact: Redactor | None = None,
    ) -> None:
        self._client = client
        self._retry = retry
        self._timeout = timeout
        self._redact = redact

    async def tools(self) -> list[ModelTool]:
        """Return the tools that the server lists, for a tool loop. The list is a recorded step, named ``mcp tools``. Raises
        :class:`actors.LimitExceededError` for a list that does not end."""

        async def body() -> list[dict[str, Any]]:
            found, cursor = list[dict[str, Any]](), None
            async with self._session() as session:
                for _ in range(_MOST_PAGES):
                    page = await session.list_tools(cursor=cursor, cache_mode="bypass")
                    found += [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in page.tools]
                    cursor = page.next_cursor
                    if cursor is None:
                        return found
            raise LimitExceededError(
                f"the server of MCP lists its tools on more than {_MOST_PAGES} pages; does it return the same page again?",
                limit="pages",
                maximum=_MOST_PAGES,
                code=ErrorCode.TOO_MANY,
            )

        listed: list[dict[str, Any]] = await run(
            body, name="mcp tools", retry=self._retry, timeout=self._timeout, result_type=list[dict[str, Any]]
        )
        return [_ServerTool(self, tool) for tool in listed]

    async def call(self, tool: str, arguments: dict[str, Any] | None = None, *, call_id: str = "") -> dict[str, Any]:
        """Call a tool as a recorded step, named ``mcp tool NAME``, and return its result as the protocol has it: ``content``, and
        ``structuredContent`` if there is some. A tool that answers with an error, and a call that the server refuses, raise
        :class:`ToolError`. Other errors are retried. A result that is larger than ``Limits.payload_bytes`` raises
        :class:`actors.LimitExceededError`.
        """

        async def body(arguments: dict[str, Any]) -> dict[str, Any]:
            describe_tool(tool, call_id)
            async with self._session() as session:
                try:
                    result: mcp.types.CallToolResult | mcp.MCPError = await session.call_tool(tool, arguments)
                except mcp.MCPError as error:
                    result = error
            if isinstance(result, mcp.MCPError):  # raised here, because the session would put it into a group
                if result.code not in _REFUSED:
                    raise result
                raise ToolError(f"the server refuses the call of {tool!r}: {result.message}") from result
            if result.is_error:
                raise ToolError(_text_of(result.content) or f"the tool {tool!r} failed, without a message")
            return result.model_dump(
                mode="json", by_alias=True, exclude_none=True, include={"content", "structured_content"}
            )

        answer: dict[str, Any] = await run(
            body,
            {} if arguments is None else arguments,
            name=f"mcp tool {tool}",
            retry=self._retry,
            timeout=self._timeout,
            redact=self._redact or (),
            result_type=dict[str, Any],
        )
        return answer

    def _session(self) -> AbstractAsyncContextManager[mcp.Client]:
        return nullcontext(self._client) if isinstance(self._client, mcp.Client) else self._client()


def _text_of(content: Any) -> str:
    return "\n".join(block.text for block in content if block.type == "text")


def _name_for_models(tool: str) -> str:
    """Return a name that the APIs of models permit. Names of MCP may have dots and slashes and be long. One that is changed ends with a
    hash of the tool's own, so that no two tools of a server get the same."""
    name = _NOT_IN_NAMES.sub("_", tool)
    if name == tool and len(name) <= _LONGEST_NAME:
        return name
    mark = hashlib.blake2b(tool.encode(), digest_size=4).hexdigest()
    return f"{name[: _LONGEST_NAME - len(mark) - 1]}_{mark}"


class _ServerTool(ModelTool):
    """A tool of the server."""

    def __init__(self, server: McpTools, listed: dict[str, Any]) -> None:
        self._tool: str = listed["name"]
        self.name = _name_for_models(self._tool)
        self.description = listed.get("description", "")
        self._schema: dict[str, Any] = listed["inputSchema"]
        self._server = server

    @property
    def schema(self) -> dict[str, Any]:
        return self._schema

    async def call(self, call_id: str, arguments: bytes) -> ToolResult:
        try:
            given = msgspec.json.decode(arguments or b"{}", type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return ToolResult(call_id, f"the arguments are wrong: {error}", is_error=True)
        try:
            answer = await self._server.call(self._tool, given, call_id=call_id)
        except ToolError as error:
            return ToolResult(call_id, str(error), is_error=True)
        texts = [block["text"] for block in answer["content"] if block["type"] == "text"]
        if len(texts) < len(answer["content"]):
            return ToolResult(call_id, msgspec.json.encode(answer["content"]).decode())
        if not texts and "structuredContent" in answer:
            return ToolResult(call_id, msgspec.json.encode(answer["structuredContent"]).decode())
        return ToolResult(call_id, "\n".join(texts))
