"""Makes an agent of openai-agents durable, by replacing the parts that the framework lets users replace: models, tools, handoffs and MCP servers."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from agents import (
    Agent,
    CodeInterpreterTool,
    FileSearchTool,
    FunctionTool,
    Handoff,
    HostedMCPTool,
    ImageGenerationTool,
    ModelProvider,
    MultiProvider,
    RunContextWrapper,
    ToolSearchTool,
    WebSearchTool,
)
from agents.tool_context import ToolContext
from pydantic import BaseModel
from pydantic_core import from_json, to_jsonable_python

from actors.errors import DefinitionError, DefinitionReason
from actors.integrations.openai_agents.mcp_servers import DurableMCPServer
from actors.integrations.openai_agents.models import DurableModel
from actors.integrations.openai_agents.steps import StepSettings, in_hosted_code
from actors.model.verbs.attributes import describe_step
from actors.values.retries import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from agents.items import TResponseStreamEvent
    from agents.tool import Tool

    from actors.model.step_options import Redactor
    from actors.values.arguments import Seconds

_OF_THE_PROVIDER = (
    CodeInterpreterTool,
    FileSearchTool,
    HostedMCPTool,
    ImageGenerationTool,
    ToolSearchTool,
    WebSearchTool,
)
"""Tools that the provider of the model runs, as part of a model request."""


def durable(
    agent: Agent[Any],
    *,
    in_handler: Collection[str] = (),
    provider: ModelProvider | None = None,
    event_handler: Callable[[TResponseStreamEvent], Awaitable[None]] | None = None,
    model_retry: RetryPolicy | None = None,
    model_timeout: Seconds | None = None,
    tool_retry: RetryPolicy | None = None,
    tool_timeout: Seconds | None = None,
    tool_redact: Redactor | None = None,
) -> Agent[Any]:
    """Return a copy of the agent whose model requests, tool calls and calls of MCP servers are steps.

    Run it in a handler through :func:`actors.aio.host`; anywhere else it runs as the original. The agents that it hands off to are made durable
    too. The steps are named ``model request``, ``model stream`` and ``tool <name>``; a restart from one of them keeps what came before.
    Models, tools and MCP servers run on the asyncio loop that the process keeps for such steps, plain functions in a thread. An MCP
    server is connected by the first step that uses it and stays connected.

    ``in_handler`` names the tools that are not steps, because they use durable verbs: they wait for a signal or call an object. An agent that is
    used as a tool runs in the handler, and must be durable itself: ``durable(expert).as_tool(…)``. ``provider`` knows the models that
    are given by name, by default those of openai-agents.

    openai-agents hands the error of a tool to the model, so it is the outcome of the step. Errors of a tool with
    ``failure_error_function=None``, and of models, are retried by ``tool_retry`` and ``model_retry``, by default the policy of the handler. An
    error of openai-agents itself is not retried, nor is an HTTP status such as 400 that would come again. ``model_timeout`` and ``tool_timeout``
    limit one try. ``tool_redact`` is the ``redact`` of the steps of tools (:func:`actors.step`): it returns what is recorded of their arguments.

    A model response that is streamed is recorded when it is complete, and then given to the agent. ``event_handler`` is awaited in the step
    with each event as it arrives: ``actors.emit`` there shows the tokens to readers of ``handle.output()`` at once.

    Raises :class:`DefinitionError` for a tool that runs in the process and is not a function, such as a shell.
    """
    return _Durability(
        in_handler=frozenset(in_handler),
        provider=provider or MultiProvider(),
        event_handler=event_handler,
        model_steps=StepSettings(model_retry, model_timeout),
        tool_steps=StepSettings(tool_retry, tool_timeout, tool_redact),
    ).agent(agent)


class _Durability:
    """Makes the agents that reach each other by handoffs durable, each once: they may form a circle."""

    def __init__(
        self,
        *,
        in_handler: frozenset[str],
        provider: ModelProvider,
        event_handler: Callable[[TResponseStreamEvent], Awaitable[None]] | None,
        model_steps: StepSettings,
        tool_steps: StepSettings,
    ) -> None:
        self._in_handler = in_handler
        self._provider = provider
        self._event_handler = event_handler
        self._model_steps = model_steps
        self._tool_steps = tool_steps
        self._made: dict[int, tuple[Agent[Any], Agent[Any]]] = {}

    def agent(self, original: Agent[Any]) -> Agent[Any]:
        if isinstance(original.model, DurableModel):
            return original
        if id(original) not in self._made:
            made = copy.copy(original)
            self._made[id(original)] = (original, made)  # the original stays alive, so that its id stays its own
            made.model = DurableModel(
                original.model,
                agent=original.name,
                provider=self._provider,
                steps=self._model_steps,
                event_handler=self._event_handler,
            )
            made.tools = [self._tool(original.name, tool) for tool in original.tools]
            made.mcp_servers = [DurableMCPServer(server, self._tool_steps) for server in original.mcp_servers]
            made.handoffs = [
                self._handoff(target) if isinstance(target, Handoff) else self.agent(target)
                for target in original.handoffs
            ]
        return self._made[id(original)][1]

    def _handoff(self, original: Handoff[Any, Any]) -> Handoff[Any, Any]:
        async def on_invoke_handoff(context: RunContextWrapper[Any], arguments: str) -> Agent[Any]:
            return self.agent(await original.on_invoke_handoff(context, arguments))

        made = copy.copy(original)
        made.on_invoke_handoff = on_invoke_handoff
        return made

    def _tool(self, agent: str, original: Tool) -> Tool:
        if isinstance(original, _OF_THE_PROVIDER):
            return original
        if not isinstance(original, FunctionTool):
            raise DefinitionError(
                f"agent {agent!r} has the tool {original.name!r}, a {type(original).__name__}, which runs in this process and cannot be "
                "recorded; expected tools of @function_tool, or tools that the provider of the model runs",
                reason=DefinitionReason.INTEGRATION,
                name=type(original).__name__,
            )
        if original._is_agent_tool:
            if not isinstance(original._agent_instance.model, DurableModel):
                raise DefinitionError(
                    f"agent {agent!r} has the agent {original._agent_instance.name!r} as a tool, which is not durable; make it so "
                    "first: durable(expert).as_tool(…)",
                    reason=DefinitionReason.INTEGRATION,
                    name=original._agent_instance.name,
                )
            return original
        if original.name in self._in_handler:
            return original
        return self._tool_in_step(original)

    def _tool_in_step(self, original: FunctionTool) -> FunctionTool:
        async def on_invoke_tool(context: ToolContext[Any], arguments: str) -> Any:
            if not in_hosted_code():
                return await original.on_invoke_tool(context, arguments)

            async def body(_: Any) -> Any:
                describe_step(
                    {
                        "gen_ai.operation.name": "execute_tool",
                        "gen_ai.tool.name": original.name,
                        "gen_ai.tool.call.id": context.tool_call_id,
                    }
                )
                return _storable(original, await original.on_invoke_tool(context, arguments))

            return await self._tool_steps.run(f"tool {original.name}", body, _parsed(arguments))

        made = copy.copy(original)
        made.on_invoke_tool = on_invoke_tool
        return made


def _parsed(arguments: str) -> Any:
    """Return the arguments of a tool call as values, for people who read the history; or as they are, if the model wrote no JSON."""
    try:
        return from_json(arguments)
    except ValueError:
        return arguments


def _storable(tool: FunctionTool, output: Any) -> Any:
    """Return the output as JSON. From it the framework makes the same text for the model as from the output itself."""
    if isinstance(output, str):
        return output
    has_schema = tool.output_json_schema is not None or tool._output_type_adapter is not None
    if has_schema or isinstance(output, dict | list | tuple | int | float | bool | None) or _is_part(output):
        return to_jsonable_python(output)
    return str(output)


def _is_part(output: Any) -> bool:
    """Report whether the output is a text, an image or a file for the model, which may also be given as a dictionary."""
    return isinstance(output, BaseModel) and type(output).__module__ == FunctionTool.__module__
