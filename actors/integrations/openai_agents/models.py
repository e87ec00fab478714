"""A model of openai-agents whose requests are steps."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from agents import Model, ModelProvider, ModelResponse
from agents.items import TResponseStreamEvent
from pydantic import TypeAdapter

from actors.integrations.openai_agents.steps import StepSettings, in_hosted_code
from actors.model.verbs.attributes import describe_step
from actors.model.verbs.spending import spend_tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from agents.usage import Usage

_OF_ONE_DELTA = ("type", "item_id", "output_index", "content_index", "summary_index")
"""The properties that two parts of a text share if one continues the other."""


class DurableModel(Model):
    """Asks another model in a step, and gives the agent the recorded response.

    ``model`` is the other model, or its name, which ``provider`` knows. ``event_handler`` is given each event of a streamed response
    in the step, as it arrives.
    """

    def __init__(
        self,
        model: str | Model | None,
        *,
        agent: str,
        provider: ModelProvider,
        steps: StepSettings,
        event_handler: Callable[[TResponseStreamEvent], Awaitable[None]] | None,
    ) -> None:
        self.model = model
        self._agent = agent
        self._provider = provider
        self._steps = steps
        self._event_handler = event_handler

    def _asked(self) -> Model:
        return self.model if isinstance(self.model, Model) else self._provider.get_model(self.model)

    async def get_response(self, *args: Any, **options: Any) -> ModelResponse:
        if not in_hosted_code():
            return await self._asked().get_response(*args, **options)

        async def body() -> Any:
            model = self._asked()
            self._describe(model)
            response = await model.get_response(*args, **options)
            _describe_usage(response.usage)
            describe_step({"gen_ai.response.id": response.response_id})
            return _responses().dump_python(response, mode="json", warnings=False)

        return _responses().validate_python(await self._steps.run("model request", body))

    async def stream_response(self, *args: Any, **options: Any) -> AsyncIterator[TResponseStreamEvent]:
        if not in_hosted_code():
            async for event in self._asked().stream_response(*args, **options):
                yield event
            return

        async def body() -> Any:
            model = self._asked()
            self._describe(model)
            stored: list[dict[str, Any]] = []
            async for event in model.stream_response(*args, **options):
                if self._event_handler is not None:
                    await self._event_handler(event)
                _append(stored, event.model_dump(mode="json", warnings=False))
                response = getattr(event, "response", None)
                if response is not None and response.usage is not None:
                    _describe_usage(response.usage)
                    describe_step({"gen_ai.response.id": response.id, "gen_ai.response.model": str(response.model)})
            return stored

        for stored in await self._steps.run("model stream", body):
            yield _events().validate_python(stored)

    def _describe(self, model: Model) -> None:
        name = self.model if isinstance(self.model, str) else getattr(model, "model", None)
        describe_step(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.agent.name": self._agent,
                "gen_ai.request.model": name if isinstance(name, str) and name else type(model).__name__,
            }
        )


def _describe_usage(usage: Usage | Any) -> None:
    describe_step(
        {
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.cache_read.input_tokens": getattr(usage.input_tokens_details, "cached_tokens", None),
            "gen_ai.usage.output_tokens": usage.output_tokens,
        }
    )
    spend_tokens(usage.input_tokens, usage.output_tokens)


def _append(stored: list[dict[str, Any]], event: dict[str, Any]) -> None:
    """Append an event. A part of a text that follows another is added to it, so that the record grows with the text, and not
    with the number of its parts."""
    delta = event.get("delta")
    last = stored[-1] if stored else {}
    if isinstance(delta, str) and all(last.get(name) == event.get(name) for name in _OF_ONE_DELTA):
        last["delta"] += delta
        if isinstance(last.get("logprobs"), list):
            last["logprobs"] += event.get("logprobs") or []
        return
    stored.append(event)


@cache
def _responses() -> TypeAdapter[ModelResponse]:
    return TypeAdapter(ModelResponse)


@cache
def _events() -> TypeAdapter[Any]:
    return TypeAdapter(TResponseStreamEvent)
