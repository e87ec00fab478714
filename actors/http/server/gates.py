"""Gates, each for a scope."""

from __future__ import annotations

from actors.http.models import GateList
from actors.http.requests import ReasonBody
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.model.control_options import GateOptions
from actors.model.gate_info import GateAnswer


async def list_gates(exchange: Exchange) -> GateList:
    """List the closed gates and the exceptions to them."""
    return GateList(gates=list(await exchange.client.gates.list()))


async def close_gate(exchange: Exchange, body: GateOptions) -> GateAnswer:
    """Hold everything in the scope: new calls are accepted and queued. Closing it again changes nothing."""
    return await exchange.client.gates.close(exchange.path["scope"], mode=body.mode, reason=body.reason)


async def open_gate(exchange: Exchange, body: ReasonBody) -> GateAnswer:
    """Resume everything in the scope, except narrower scopes that were closed individually."""
    return await exchange.client.gates.open(exchange.path["scope"], reason=body.reason)


ROUTES = (
    Route("GET", "/gates", TokenScope.READ, list_gates),
    Route("PATCH", "/gates/{scope}/close", TokenScope.CONTROL, close_gate),
    Route("PATCH", "/gates/{scope}/open", TokenScope.CONTROL, open_gate),
)
