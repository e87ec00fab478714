"""Limits of concurrency, each under its name."""

from __future__ import annotations

from actors.http.models import LimitList
from actors.http.requests import ReasonBody
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.model.limit_info import LimitAnswer, LimitOptions


async def list_limits(exchange: Exchange) -> LimitList:
    """List the limits, with how many invocations run under each and wait for it."""
    return LimitList(limits=list(await exchange.client.limits.list()))


async def set_limit(exchange: Exchange, body: LimitOptions) -> LimitAnswer:
    """Let at most `concurrency` invocations of a scope run at once, or change the limit of this name."""
    name = exchange.path["name"]
    return await exchange.client.limits.set(name, body.scope, concurrency=body.concurrency, reason=body.reason)


async def delete_limit(exchange: Exchange, body: ReasonBody) -> LimitAnswer:
    """Delete the limit. Deleting one that does not exist changes nothing."""
    return await exchange.client.limits.delete(exchange.path["name"], reason=body.reason)


ROUTES = (
    Route("GET", "/limits", TokenScope.READ, list_limits),
    Route("PATCH", "/limits/{name}/set", TokenScope.CONTROL, set_limit),
    Route("PATCH", "/limits/{name}/delete", TokenScope.CONTROL, delete_limit),
)
