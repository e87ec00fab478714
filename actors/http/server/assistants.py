"""``POST /mcp``: the remote control for assistants, over the Model Context Protocol."""

from __future__ import annotations

from importlib import import_module

import trio

from actors.errors import AccessDeniedError, ErrorCode
from actors.extras import require
from actors.http.messages import HttpResponse
from actors.http.routes import JsonBody, Route, TokenScope
from actors.http.server.request_context import Exchange
from journal.errors import BrokenInvariant


async def mcp(exchange: Exchange, body: JsonBody) -> HttpResponse:
    """Answer a message of the Model Context Protocol. The scope ``read`` has the reading tools, and the scope ``control`` has all."""
    require("mcp")
    await trio.to_thread.run_sync(import_module, "actors.integrations.mcp.exchange")  # long, the first time
    from actors.integrations.mcp.exchange import answer_message

    grant = exchange.grant
    if grant is None:
        raise BrokenInvariant("a message to /mcp has no grant")
    may_control = grant.scope.covers(TokenScope.CONTROL)

    async def denied(tool: str) -> AccessDeniedError:
        refusal = AccessDeniedError(
            f"the tool {tool!r} needs the scope control, but the token {grant.name!r} has {grant.scope.value}",
            code=ErrorCode.FORBIDDEN,
        )
        await exchange.note_denied(refusal)
        return refusal

    answer = await exchange.wait(
        answer_message(
            exchange.client,
            exchange.request.headers.raw,
            body,
            allow="control" if may_control else "read",
            denied=denied,
        )
    )
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return HttpResponse(answer.body, answer.status, headers)


ROUTES = (Route("POST", "/mcp", TokenScope.READ, mcp, is_documented=False),)
