"""A runtime as an ASGI application, which servers and frameworks on trio or asyncio can run or mount."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.errors import AccessDeniedError, ErrorCode, MisuseError
from actors.http.problems import respond_with
from actors.http.server.asgi import AsgiApp, server_of, write
from actors.http.server.token_routes import settle
from actors.http.server_options import LOOPBACK_NAMES
from actors.http.tokens import TokenBook

if TYPE_CHECKING:
    from actors.control.local.client import LocalClient
    from actors.http.closing import Closing
    from actors.http.messages import HttpRequest, HttpResponse
    from actors.http.portal import Portal
    from actors.http.server.app import Api
    from actors.http.server.asgi import Message, Receive, Send
    from actors.http.server.shared_tokens import Tokens


class RuntimeApp:
    """The application of ASGI 3 of one runtime. See :func:`actors.http.asgi`."""

    def __init__(
        self,
        api: Api,
        client: LocalClient,
        tokens: Tokens | None,
        closing: Closing,
        portal: Portal,
        *,
        is_open: bool,
    ) -> None:
        self._api = api
        self._client = client
        self._tokens = tokens if isinstance(tokens, TokenBook) else None
        self._portal = portal
        self._is_open = is_open
        self._app = AsgiApp(self._answer, closing)
        self._settling = trio.Lock()
        self._is_settled = self._tokens is None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or take part in the lifespan of a server, which neither opens nor closes the runtime."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif self._is_open and scope["type"] == "http" and not _is_loopback(server_of(scope)):
            await write(respond_with(_beyond_loopback()), send, has_body=scope["method"] != "HEAD")
        elif self._portal.is_here:
            await self._app(scope, receive, send)
        elif trio.lowlevel.in_trio_task():
            raise MisuseError(
                "this runtime runs in another trio loop; run the server in the loop of the runtime, or a server of asyncio",
                code=ErrorCode.WRONG_LOOP,
            )
        else:
            from actors.http.server.asgi_from_asyncio import carry

            await carry(self._portal, self._app, scope, receive, send)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        if not self._is_settled and self._tokens is not None:
            async with self._settling:
                if not self._is_settled:
                    await settle(self._tokens, self._client)
                    self._is_settled = True
        return await self._api(request)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _is_loopback(server: str) -> bool:
    return server.lower() in LOOPBACK_NAMES or f"[{server}]" in LOOPBACK_NAMES


def _beyond_loopback() -> AccessDeniedError:
    return AccessDeniedError(
        "without tokens (open=True) a runtime is served on loopback only, but this request came to another address, or the server "
        "does not report the address",
        code=ErrorCode.FORBIDDEN,
    )
