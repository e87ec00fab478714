"""The cost of a model request, from a table that the user gives. Prices change, so none are built in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from actors.errors import InvalidArgumentError
from actors.values.arguments import is_a
from actors.values.texts import shown


def _price(value: Any) -> float:
    if type(value) in (int, float) and 0 <= value < math.inf:
        return float(value)
    raise InvalidArgumentError(
        f"a price is {shown(value)}, expected a finite number that is not negative", path="prices"
    )


@attrs.frozen
class Price:
    """The price of a million tokens of a model: ``input``, ``output``, and input that the model's server had ``cached``."""

    input: float = attrs.field(converter=_price)
    output: float = attrs.field(converter=_price)
    cached: float | None = attrs.field(default=None, kw_only=True, converter=attrs.converters.optional(_price))

    def cost(self, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> float:
        """Return the cost of a request. ``input_tokens`` includes the cached ones."""
        cached_price = self.input if self.cached is None else self.cached
        fresh = max(input_tokens - cached_tokens, 0)
        return (fresh * self.input + cached_tokens * cached_price + output_tokens * self.output) / 1_000_000


Prices: TypeAlias = Mapping[str, Price]
"""The price of each model, by its name."""


def checked_prices(prices: Prices | None) -> Prices:
    """Return the table. Raises :class:`actors.InvalidArgumentError` for one that is not."""
    if prices is None:
        return {}
    if not is_a(prices, dict) or not all(is_a(name, str) and is_a(price, Price) for name, price in prices.items()):
        raise InvalidArgumentError(
            f"prices is {shown(prices)}, expected a table such as {{'gpt-5': Price(1.25, 10.0)}}", path="prices"
        )
    return prices
