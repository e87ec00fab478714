"""``POST /mcp``: the remote control for assistants, over the Model Context Protocol."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import trio

from actors.errors import AccessDeniedError, ErrorCode, RefusedError
from actors.extras import require
from actors.http.messages import HttpResponse
from actors.http.routes import JsonBody, Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.rows.audit import ControlAction
from journal.errors import BrokenInvariant
from journal.ids import ID_PATTERN


async def mcp(exchange: Exchange, body: JsonBody) -> HttpResponse:
    """Answer a message of the Model Context Protocol. The scope ``read`` has the reading tools, and the scope ``control`` has all."""
    require("mcp")
    await trio.to_thread.run_sync(import_module, "actors.integrations.mcp.exchange")  # long, the first time
    from actors.integrations.mcp.exchange import answer_message

    grant = exchange.grant
    if grant is None:
        raise BrokenInvariant("a message to /mcp has no grant")
    may_control = grant.scope.covers(TokenScope.CONTROL)

    async def denied(tool: str, arguments: dict[str, Any]) -> RefusedError:
        refusal = AccessDeniedError(
            f"the tool {tool!r} needs the scope control, but the token {grant.name!r} has {grant.scope.value}",
            code=ErrorCode.FORBIDDEN,
        )
        named = str(arguments.get("invocation_id"))
        target = named if re.fullmatch(ID_PATTERN, named) else "/mcp"
        return await exchange.note_denied(refusal, ControlAction(verb=tool, target=target, detail="a tool of /mcp"))

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
