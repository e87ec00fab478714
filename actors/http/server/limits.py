"""Limits: the concurrency, the rate and the budget of a scope."""

from __future__ import annotations

from actors.http.models import LimitList
from actors.http.requests import ReasonBody
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.model.limit_info import LimitAnswer, LimitOptions


async def list_limits(exchange: Exchange) -> LimitList:
    """List the limits, with the numbers of running and waiting invocations and the amounts spent."""
    return LimitList(limits=list(await exchange.client.limits.list()))


async def set_limit(exchange: Exchange, body: LimitOptions) -> LimitAnswer:
    """Set how many invocations of a scope run at once, how many start in a period, and how much they may spend.

    It replaces the limit of the scope. Each node of a cluster permits the concurrency and the rate on its own; a budget is one for all.
    """
    return await exchange.client.limits.set(
        exchange.path["limit"],
        concurrency=body.concurrency,
        rate=body.rate,
        period=body.period,
        budget=body.budget,
        reason=body.reason,
    )


async def delete_limit(exchange: Exchange, body: ReasonBody) -> LimitAnswer:
    """Delete the limit of a scope. Deleting one that does not exist changes nothing."""
    return await exchange.client.limits.delete(exchange.path["limit"], reason=body.reason)


ROUTES = (
    Route("GET", "/limits", TokenScope.READ, list_limits),
    Route("PATCH", "/limits/{limit}/set", TokenScope.CONTROL, set_limit),
    Route("PATCH", "/limits/{limit}/delete", TokenScope.CONTROL, delete_limit),
)
