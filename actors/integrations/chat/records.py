"""The record of a model request in a step: attributes by the conventions of OpenTelemetry (``gen_ai.*``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from actors.model.verbs.attributes import describe_step
from actors.model.verbs.spending import spend_tokens

if TYPE_CHECKING:
    from actors.integrations.chat.prices import Prices


@attrs.frozen(kw_only=True)
class Usage:
    """The tokens of a request, cached input included, and its ``cost`` by the user's prices; None if they lack the model."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: float | None = None

    def plus(self, other: Usage) -> Usage:
        """Return the sum. The cost is that of the requests with a price."""
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cost=sum(costs) if costs else None,
        )


@attrs.define(eq=False, kw_only=True)
class RequestNotes:
    """Describes the running step, which asks a model, in its attributes."""

    provider: str
    model: str
    prices: Prices
    begun_at: float = attrs.field(factory=trio.current_time)
    _has_token: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        describe_step(
            {"gen_ai.operation.name": "chat", "gen_ai.provider.name": self.provider, "gen_ai.request.model": self.model}
        )

    def token_came(self) -> None:
        """Note the time to the first token, in seconds."""
        if not self._has_token:
            self._has_token = True
            describe_step({"gen_ai.server.time_to_first_token": trio.current_time() - self.begun_at})

    def answered(self, *, model: str, answer_id: str, finish_reason: str, usage: Usage) -> Usage:
        """Note the answer. Returns the usage with its cost."""
        price = self.prices.get(model) or self.prices.get(self.model)
        if price is not None:
            cost = price.cost(
                input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cached_tokens=usage.cached_tokens
            )
            usage = attrs.evolve(usage, cost=cost)
            describe_step({"gen_ai.usage.cost": cost})
        describe_step(
            {
                "gen_ai.response.model": model,
                "gen_ai.response.id": answer_id,
                "gen_ai.response.finish_reasons": finish_reason,
                "gen_ai.usage.input_tokens": usage.input_tokens,
                "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
                "gen_ai.usage.output_tokens": usage.output_tokens,
            }
        )
        spend_tokens(usage.input_tokens, usage.output_tokens)
        return usage


def describe_tool(name: str, call_id: str) -> None:
    """Describe the running step, which carries out the call of a tool."""
    describe_step({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.call.id": call_id})
