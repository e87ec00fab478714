"""An MCP server of openai-agents whose calls are steps, over one session that outlives them."""

from __future__ import annotations

import asyncio
from contextvars import Context
from functools import cache
from typing import TYPE_CHECKING, Any

from agents.mcp import MCPServer
from agents.mcp import server as server_module
from pydantic import TypeAdapter

from actors.errors import TerminalError
from actors.integrations.openai_agents.steps import StepSettings, in_hosted_code
from actors.model.verbs.attributes import describe_step

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_CONNECTION_CLOSED = -32000
"""The code of the error that the SDK of MCP raises for a lost connection. Errors with another code are answers of the server."""

_RESULTS = {
    "list_tools": "MCPTool",
    "call_tool": "CallToolResult",
    "list_prompts": "ListPromptsResult",
    "get_prompt": "GetPromptResult",
    "list_resources": "ListResourcesResult",
    "list_resource_templates": "ListResourceTemplatesResult",
    "read_resource": "ReadResourceResult",
}


class KeptSession:
    """Keeps a server connected from the first step that uses it, until its connection is lost or the runtime ends.

    A task of its own in the asyncio loop of steps connects and disconnects: a session of MCP must be left by the task that entered it.
    After a crash, or in another loop, the next step connects again.
    """

    def __init__(self, server: MCPServer) -> None:
        self._server = server
        self._keeper: asyncio.Task[None] | None = None
        self._connected: asyncio.Future[None] | None = None

    async def opened(self) -> asyncio.Task[None]:
        """Connect, unless the server is connected, and return the task that keeps it so. Raises what connecting raises."""
        loop = asyncio.get_running_loop()
        if self._keeper is None or self._connected is None or self._keeper.get_loop() is not loop:
            self._connected = loop.create_future()
            self._keeper = loop.create_task(self._keep(self._connected), name="MCP session", context=Context())
        keeper, connected = self._keeper, self._connected
        await asyncio.shield(connected)
        return keeper

    async def drop(self, keeper: asyncio.Task[None]) -> None:
        """Disconnect what this task has connected, after an error. The next call connects again."""
        if self._keeper is keeper:
            self._keeper = None
        keeper.cancel()
        await asyncio.wait([keeper])

    async def _keep(self, connected: asyncio.Future[None]) -> None:
        try:
            await self._server.connect()  # type: ignore[no-untyped-call]  # declared without a type
        except BaseException as error:
            if self._connected is connected:
                self._keeper = None
            is_ordinary = isinstance(error, Exception)
            # A scope of anyio in the SDK of MCP raises CancelledError for a connection that fails.
            connected.set_exception(error if is_ordinary else ConnectionError(f"connecting was ended by {error!r}"))
            connected.exception()  # otherwise it is logged as never retrieved if the step has ended
            if is_ordinary:
                return
            raise
        try:
            connected.set_result(None)
            await asyncio.get_running_loop().create_future()  # until it is cancelled
        finally:
            await self._server.cleanup()  # type: ignore[no-untyped-call]


class DurableMCPServer(MCPServer):
    """Calls another server in steps. It has the options of that server, such as the tools that need approval."""

    def __init__(self, server: MCPServer, steps: StepSettings) -> None:
        super().__init__(
            use_structured_content=server.use_structured_content,
            tool_meta_resolver=server.tool_meta_resolver,
            custom_data_extractor=server.custom_data_extractor,
            tool_input_guardrails=server.tool_input_guardrails,
            tool_output_guardrails=server.tool_output_guardrails,
        )
        self._needs_approval_policy = server._needs_approval_policy
        self._failure_error_function = server._failure_error_function
        self.server = server
        self._session = KeptSession(server)
        self._steps = steps

    @property
    def name(self) -> str:
        return self.server.name

    async def connect(self) -> None:
        """In a handler, do nothing: the first step that uses the server connects it."""
        if not in_hosted_code():
            await self.server.connect()  # type: ignore[no-untyped-call]

    async def cleanup(self) -> None:
        """In a handler, do nothing: the session is kept for later steps."""
        if not in_hosted_code():
            await self.server.cleanup()  # type: ignore[no-untyped-call]

    async def list_tools(self, run_context: Any = None, agent: Any = None) -> Any:
        return await self._call("list_tools", f"tools of {self.name}", (run_context, agent), ())

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> Any:
        return await self._call("call_tool", f"tool {tool_name}", (), (tool_name, arguments, meta))

    async def list_prompts(self) -> Any:
        return await self._call("list_prompts", f"prompts of {self.name}", (), ())

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        return await self._call("get_prompt", f"prompt {name}", (), (name, arguments))

    async def list_resources(self, cursor: str | None = None) -> Any:
        return await self._call("list_resources", f"resources of {self.name}", (), (cursor,))

    async def list_resource_templates(self, cursor: str | None = None) -> Any:
        return await self._call("list_resource_templates", f"resource templates of {self.name}", (), (cursor,))

    async def read_resource(self, uri: str) -> Any:
        return await self._call("read_resource", f"resource of {self.name}", (), (uri,))

    async def _call(self, method: str, step: str, unrecorded: tuple[Any, ...], recorded: tuple[Any, ...]) -> Any:
        if not in_hosted_code():
            return await getattr(self.server, method)(*unrecorded, *recorded)
        codec = _codec_of(method)

        async def body(*given: Any) -> Any:
            describe_step({"gen_ai.operation.name": "execute_tool", "mcp.method.name": method.replace("_", "/")})
            result = await self._connected(lambda server: getattr(server, method)(*unrecorded, *given))
            return codec.dump_python(result, mode="json", by_alias=True, warnings=False)

        return codec.validate_python(await self._steps.run(step, body, *recorded))

    async def _connected(self, call: Callable[[MCPServer], Awaitable[Any]]) -> Any:
        """Call the server, and return its result. An answer that is an error is not a reason to try again; after any other error
        the session is opened again."""
        keeper = await self._session.opened()
        try:
            return await call(self.server)
        except Exception as error:
            code = getattr(getattr(error, "error", None), "code", None)
            if code is not None and code != _CONNECTION_CLOSED:
                raise TerminalError(str(error)) from error
            await self._session.drop(keeper)
            raise


@cache
def _codec_of(method: str) -> TypeAdapter[Any]:
    """Return what converts the result of a method of MCPServer. Its class is looked up where the framework imports it: there are
    two versions of MCP."""
    result: Any = getattr(server_module, _RESULTS[method])
    several: Any = list.__class_getitem__(result)
    return TypeAdapter(several if method == "list_tools" else result)
