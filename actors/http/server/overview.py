"""``/overview``: the number of invocations and those that need attention, as one response for all pages."""

from __future__ import annotations

from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.query.overview import Overview


async def get_overview(exchange: Exchange) -> Overview:
    """Show the number of invocations, and those that are stuck, wait for a signal, or have failed.

    Built-in objects are left out. The answer is shared by all clients and at most two seconds old.
    """
    return await exchange.client.overview()


ROUTES = (Route("GET", "/overview", TokenScope.READ, get_overview),)
