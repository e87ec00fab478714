"""The capability that makes an agent of pydantic-ai durable.

It is built on the interface of pydantic-ai for durable engines (``pydantic_ai.durable_exec``): the agent runs as asyncio code in the handler
(:func:`actors.aio.host`), and only the operations that pydantic-ai declares run outside of it, as steps.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any, Literal

import attrs
from pydantic import TypeAdapter
from pydantic_ai import exceptions
from pydantic_ai.durable_exec import (
    JSON_CODEC,
    BaseDurabilityCapability,
    CallableOperationBackend,
    DurabilityEngineSpec,
    EventStreamHandlerId,
    JournalOperationNamer,
    ModelRequestId,
    RoleBasedOperationConfig,
    ToolsetCallToolId,
    ToolsetGetToolsId,
)
from pydantic_ai.messages import ModelResponse
from pydantic_ai.tools import AgentDepsT
from pydantic_core import to_jsonable_python

from actors.aio.handler.branches import TaskBranch
from actors.model.verbs.attributes import describe_step
from actors.model.verbs.context import uuid4
from actors.model.verbs.spending import spend, spend_tokens
from actors.model.verbs.steps import run
from actors.model.verbs.time import current_time
from actors.replay.branches import current_branch
from actors.values.failures import text_of
from actors.values.retries import RetryPolicy
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pydantic_ai.agent import EventStreamHandler
    from pydantic_ai.durable_exec import DurableOperationBackend, DurableOperationId
    from pydantic_ai.models import Model

    from actors.values.amounts import Amount
    from actors.values.arguments import Seconds

log = SafeLogger(__name__)

_RESPONSE = TypeAdapter(ModelResponse)

_SMALLEST_PRICE = Decimal("0.000000001")
"""The precision of amounts. Prices are rounded up."""


@attrs.frozen
class StepConfig:
    """The options of the steps of one kind."""

    loop: Literal["asyncio", "trio"]
    retry: RetryPolicy | None = None
    timeout: Seconds | None = None


class PlayheadDurability(BaseDurabilityCapability[AgentDepsT]):
    """Makes an agent durable in handlers: each model request, each call of a tool and each call of an MCP server is a step.

    Give it to the agent, which needs a name, and run the agent through :func:`actors.aio.host`. Anywhere else the agent runs as without
    it. The steps are named ``model request``, ``model stream``, ``tool <name>`` and, for the list of an MCP server, ``tools of <id>``; a
    restart from one of them keeps what came before. An ``MCPToolset`` needs an id, and each of its steps opens a session.

    ``loop`` is the event loop of models and tools: ``asyncio`` for the loop that the process keeps for such steps, or ``trio`` for those
    that use trio or anyio alone. A plain function runs in a thread. An error of pydantic-ai itself, such
    as ``ModelHTTPError``, is recorded as the outcome of the step and raised in the agent with its type: the SDK of the provider has
    retried already, and a ``FallbackModel`` sees it. Any other error is retried by ``model_retry`` or ``tool_retry``, by default the
    policy of the handler. ``model_timeout`` and ``tool_timeout`` limit one try.

    A model response that is streamed is recorded when it is complete, and then given to the agent. ``event_stream_handler`` runs in the step
    while the response arrives: ``actors.emit`` there shows the tokens to readers of ``handle.output()`` at once.

    Each model request spends its ``tokens``, ``input_tokens`` and ``output_tokens``, and ``usd``, its price in US dollars by the prices of
    pydantic-ai, so a budget of any of them pauses the agent. A model that pydantic-ai has no price for spends no ``usd``. ``price`` is
    called with the response in place of these prices, and returns the price of the request, or None.
    """

    engine_spec = DurabilityEngineSpec(
        engine_name="playhead",
        durable_unit_noun="step",
        durable_container_noun="handler",
        codec=JSON_CODEC,
        toolset_lifecycles={"function": "enter-always", "mcp": "enter-never", "dynamic": "enter-never"},
    )

    def __init__(
        self,
        *,
        models: Mapping[str, Model] | None = None,
        event_stream_handler: EventStreamHandler[AgentDepsT] | None = None,
        name: str | None = None,
        model_retry: RetryPolicy | None = None,
        model_timeout: Seconds | None = None,
        tool_retry: RetryPolicy | None = None,
        tool_timeout: Seconds | None = None,
        loop: Literal["asyncio", "trio"] = "asyncio",
        price: Callable[[ModelResponse], Amount | None] | None = None,
    ) -> None:
        super().__init__(models=models, event_stream_handler=event_stream_handler, name=name)
        self._price = _known_price if price is None else price
        self._model_steps = StepConfig(loop, model_retry, model_timeout)
        self._tool_steps = StepConfig(loop, tool_retry, tool_timeout)
        self._other_steps = StepConfig(loop)

    @property
    def in_durable_context(self) -> bool:
        """Whether the caller runs in a handler, in asyncio code."""
        return isinstance(current_branch.get(), TaskBranch)

    def get_default_run_id(self) -> str | None:
        """Return an id that every replay repeats."""
        return str(uuid4()) if self.in_durable_context else None

    async def get_run_start_time(self, run_id: str) -> datetime | None:
        """Return the time that every replay repeats."""
        return datetime.fromtimestamp(current_time(), UTC) if self.in_durable_context else None

    def get_durable_operation_backend(self) -> DurableOperationBackend[StepConfig]:
        """Return the backend that runs the operations of pydantic-ai as steps."""
        return _Steps(
            self.name or "agent",
            RoleBasedOperationConfig(
                model=self._model_steps, event=self._other_steps, capability=self._other_steps, tool=self._tool_steps
            ),
            self._price,
        )


class _Names(JournalOperationNamer):
    """The names of steps, for people: in histories, and to restart from."""

    def invocation_name(self, operation_id: DurableOperationId, *, label: str | None) -> Any:
        name = super().invocation_name(operation_id, label=label)
        if isinstance(operation_id, ModelRequestId):
            return replace(name, operation_name="model stream" if operation_id.streaming else "model request")
        if isinstance(operation_id, ToolsetCallToolId) and label is not None:
            return replace(name, operation_name=f"tool {label}")
        if isinstance(operation_id, ToolsetGetToolsId):
            return replace(name, operation_name=f"tools of {operation_id.toolset_id}")
        if isinstance(operation_id, EventStreamHandlerId):
            return replace(name, operation_name="show events")
        return name


class _Steps(CallableOperationBackend[StepConfig]):
    def __init__(
        self,
        agent: str,
        config: RoleBasedOperationConfig[StepConfig],
        price: Callable[[ModelResponse], Amount | None],
    ) -> None:
        super().__init__(namer=_Names(agent), config=config)
        self._agent = agent
        self._price = price

    async def execute(
        self,
        *,
        operation_id: DurableOperationId,
        name: str,
        body: Callable[[], Awaitable[object]],
        cache_key: tuple[object, ...],
        config: StepConfig,
    ) -> object:
        """Run the body as a step, and return or raise its recorded outcome."""

        async def outcome() -> Any:
            _describe_operation(operation_id, name, self._agent)
            try:
                value = await body()
            except exceptions.AgentRunError as error:
                return {"error": _stored(error)}
            if isinstance(operation_id, ModelRequestId) and isinstance(value, dict):
                _describe_response(value, self._price)
            return {"value": value}

        recorded = await run(outcome, name=name, retry=config.retry, timeout=config.timeout, loop=config.loop)
        if "error" in recorded:
            raise _restored(recorded["error"])
        return recorded["value"]


def _describe_operation(operation: DurableOperationId, name: str, agent: str) -> None:
    """Describe the step by the conventions of OpenTelemetry."""
    if isinstance(operation, ModelRequestId):
        describe_step(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.agent.name": agent,
                "gen_ai.request.model": operation.model_name,
            }
        )
    elif isinstance(operation, ToolsetCallToolId):
        describe_step({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name.removeprefix("tool ")})


def _describe_response(value: dict[str, Any], price: Callable[[ModelResponse], Amount | None]) -> None:
    """Note the model, the tokens and the price of a recorded response, which a stream has beside its events."""
    response = value if "usage" in value else value.get("response", {})
    usage = response.get("usage", {})
    describe_step(
        {
            "gen_ai.response.model": response.get("model_name"),
            "gen_ai.response.id": response.get("provider_response_id"),
            "gen_ai.usage.input_tokens": usage.get("input_tokens"),
            "gen_ai.usage.cache_read.input_tokens": usage.get("cache_read_tokens"),
            "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        }
    )
    spend_tokens(usage.get("input_tokens"), usage.get("output_tokens"))
    _spend_price(response, price)


def _spend_price(response: Any, price: Callable[[ModelResponse], Amount | None]) -> None:
    """Count the price of a response. The request has been paid for, so an error here must not repeat it."""
    try:
        cost = price(_RESPONSE.validate_python(response))
        if cost is not None:
            described = Decimal(cost)
            spend(usd=described.quantize(_SMALLEST_PRICE, rounding=ROUND_UP))
            describe_step({"gen_ai.usage.cost": float(described)})
    except Exception as error:
        log.warning("the price of a response of %s is not counted: %s", response.get("model_name"), text_of(error))


def _known_price(response: ModelResponse) -> Decimal | None:
    """Return the price that the provider reports, or else that of pydantic-ai's price list, in US dollars; None if it has none."""
    if response.usage.cost is not None:
        return response.usage.cost
    if not response.model_name or response.usage.unmeasured_requests:
        return None
    try:
        return response.cost().total_price
    except (LookupError, ValueError):
        return None


def _stored(error: exceptions.AgentRunError) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "message": str(error),
        "attributes": to_jsonable_python(vars(error), fallback=str),
    }


def _restored(stored: Mapping[str, Any]) -> exceptions.AgentRunError:
    """Make the error again without its ``__init__``, which has other parameters in each class."""
    kind: Any = getattr(exceptions, stored["type"], None)
    if not isinstance(kind, type) or not issubclass(kind, exceptions.AgentRunError):
        kind = exceptions.AgentRunError
    error: exceptions.AgentRunError = kind.__new__(kind)
    error.args = (stored["message"],)
    vars(error).update(stored["attributes"])
    return error
