"""A server of the Model Context Protocol that offers the remote control to an assistant."""

from __future__ import annotations

from contextlib import nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.types import CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations

from actors.control.client import Client
from actors.errors import AccessDeniedError, ActorError, ErrorCode, NotFoundError, RefusedError, ResourceKind
from actors.errors.base import code_of
from actors.integrations.mcp.answers import bounded
from actors.integrations.mcp.tools import TOOLS
from actors.values.failures import type_of
from journal.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from mcp.server import ServerRequestContext
    from mcp.types import CallToolRequestParams, PaginatedRequestParams

INSTRUCTIONS = (
    "playhead runs durable invocations of handlers. Find one with 'list', then use 'why' to learn what it waits for, 'describe' for its "
    "details and 'events' for its history. Long answers are cut and have 'is_cut'. Errors have a 'code'."
)


def remote_control(
    client: Client | Callable[[], AbstractAsyncContextManager[Client]], *, allow: Literal["read", "control"] = "read"
) -> Server[Any]:
    """Return a server of MCP whose tools list, describe and explain invocations and show their histories.

    With ``allow="control"`` it also offers cancel, pause, resume, restart and signal. ``client`` is a client, or a function that opens one for each
    call of a tool, so that a server which is restarted is found again. The client decides what is permitted: over HTTP
    the scope of its token, and the server writes refused and accepted verbs to the audit log, with the name of the token.

    A refused call is a result with ``isError`` and the ``code``, ``type`` and ``message`` of the error. An answer has at most 48 KiB; a longer
    one is cut and has ``is_cut``.

    ::

        async with mcp.Client(remote_control(runtime.client)) as assistant:
            print(await assistant.call_tool("list", {"status": ["paused"]}))
    """

    async def denied(tool: str, _: dict[str, Any]) -> RefusedError:
        return AccessDeniedError(
            f"the tool {tool!r} is not offered: this server only reads. Its operator can start it with 'allow control'",
            code=ErrorCode.FORBIDDEN,
        )

    def here() -> AbstractAsyncContextManager[Client]:
        return nullcontext(client) if isinstance(client, Client) else client()

    return control_server(here, allow=allow, denied=denied)


def control_server(
    open_client: Callable[[], AbstractAsyncContextManager[Client]],
    *,
    allow: Literal["read", "control"],
    denied: Callable[[str, dict[str, Any]], Awaitable[RefusedError]],
) -> Server[Any]:
    """Return the server of :func:`remote_control`. ``denied`` returns the error for a tool that is not allowed, from its name and its
    arguments."""
    offered = {tool.name: tool for tool in TOOLS if allow == "control" or not tool.changes}
    withheld = {tool.name for tool in TOOLS} - {*offered}

    async def list_tools(_: ServerRequestContext[Any], __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(
            tools=[
                Tool(
                    name=tool.name,
                    description=tool.description,
                    input_schema=tool.schema,
                    annotations=ToolAnnotations(
                        read_only_hint=not tool.changes,
                        destructive_hint=tool.name in ("cancel", "restart"),
                        open_world_hint=False,
                    ),
                )
                for tool in offered.values()
            ]
        )

    async def call_tool(_: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        try:
            arguments = dict(params.arguments or {})
            if params.name in withheld:
                raise await denied(params.name, arguments)
            if params.name not in offered:
                raise NotFoundError(
                    f"there is no tool {params.name[:80]!r}; there are {', '.join(offered)}", kind=ResourceKind.PATH
                )
            async with open_client() as opened:
                answer = await offered[params.name].run(opened, arguments)
        except (ActorError, JournalError) as error:
            failure = {"code": code_of(error).value, "type": type_of(error), "message": str(error)}
            return _result(failure, is_error=True)
        return _result(bounded(answer))

    return Server(
        "playhead",
        version=version("playhead"),
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def serve_stdio(
    client: Client | Callable[[], AbstractAsyncContextManager[Client]], *, allow: Literal["read", "control"] = "read"
) -> None:
    """Serve :func:`remote_control` on this process's stdin and stdout, until stdin ends."""
    server = remote_control(client, allow=allow)
    async with stdio_server() as (requests, answers):
        await server.run(requests, answers, server.create_initialization_options())


def _result(answer: dict[str, Any], *, is_error: bool = False) -> CallToolResult:
    # The text is for clients that do not know structured content, as the protocol asks.
    text = TextContent(type="text", text=msgspec.json.encode(answer).decode())
    return CallToolResult(content=[text], structured_content=answer, is_error=is_error)
