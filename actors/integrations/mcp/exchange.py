"""One message of an assistant over HTTP, and its answer: the transport of the protocol without sessions and without streams."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal

import attrs
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from actors.integrations.mcp.server import control_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.control.client import Client
    from actors.errors import RefusedError


@attrs.frozen
class McpAnswer:
    """A response of HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


async def answer_message(
    client: Client,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
    *,
    allow: Literal["read", "control"],
    denied: Callable[[str, dict[str, Any]], Awaitable[RefusedError]],
) -> McpAnswer:
    """Answer a message of the protocol with one of JSON. Each message stands for itself: there is no session, so the token of each
    request decides what it may do."""
    server = control_server(lambda: nullcontext(client), allow=allow, denied=denied)
    exchange = _Collected(body)
    manager = StreamableHTTPSessionManager(
        server, json_response=True, stateless=True, max_request_body_size=len(body) + 1
    )
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in headers],
    }
    async with manager.run():
        await manager.handle_request(scope, exchange.receive, exchange.send)
    return McpAnswer(exchange.status, exchange.headers, bytes(exchange.sent))


class _Collected:
    """The two ends of ASGI, with a body that is known and a response that is kept."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self.status = 500
        self.headers: dict[str, str] = {}
        self.sent = bytearray()

    async def receive(self) -> dict[str, Any]:
        body, self._body = self._body, None
        if body is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]
            }
        else:
            self.sent += message.get("body", b"")
