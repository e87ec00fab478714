"""The application for any ASGI server that runs in trio's loop.

Such a server accepts the connections and limits them. This module counts only the running requests, because the runtime waits for them
when it ends. For a server on asyncio, see ``asgi_from_asyncio``.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import trio

from actors.errors import UnavailableError
from actors.http.messages import (
    ClientGone,
    HttpHeaders,
    HttpRequest,
    HttpResponse,
    StreamedResponse,
    security_headers,
)
from actors.http.problems import respond_with
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping

    from actors.http.closing import Closing
    from actors.http.messages import Application

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    AsgiCallable = Callable[[Message, Receive, Send], Awaitable[None]]

log = SafeLogger(__name__)


class AsgiApp:
    """The application in the form of ASGI 3. It answers requests until ``closing`` begins, and refuses web sockets."""

    def __init__(self, app: Application, closing: Closing) -> None:
        self._app = app
        self._closing = closing

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            raise ValueError(f"the scope is {scope['type']!r}, expected 'http' or 'websocket'")
        if self._closing.begin.is_set():
            await write(closed(), send, has_body=scope["method"] != "HEAD")
            return
        with self._closing.running():
            async with trio.open_nursery() as nursery:
                carrier = _AsgiCarrier(receive)
                nursery.start_soon(carrier.watch)
                response = await self._answer(scope, carrier)
                try:
                    await write(response, send, has_body=scope["method"] != "HEAD")
                except* OSError:  # a stream raises it from its nurseries
                    log.debug("a client disconnected during a response")
                nursery.cancel_scope.cancel()

    async def _answer(self, scope: Message, carrier: _AsgiCarrier) -> HttpResponse:
        root_path, raw_path = below_mount(scope)
        if not raw_path:  # links of the console are relative to a path that ends with a slash
            return HttpResponse(status_code=307, headers={"location": quote(root_path.rpartition("/")[2]) + "/"})
        request = HttpRequest(
            scope["method"],
            raw_path,
            scope["query_string"],
            HttpHeaders(scope["headers"]),
            carrier,
            client=scope.get("client"),
            server=server_of(scope),
            root_path=root_path,
        )
        return await self._app(request)


def closed() -> HttpResponse:
    """Return the response of a runtime that is stopping or has stopped."""
    return respond_with(
        UnavailableError("the runtime is stopping, or has stopped; invocations continue after the next start")
    )


def server_of(scope: Message) -> str:
    """Return the address that the peer has connected to; empty if the server does not report it."""
    server: str = (scope.get("server") or ("", 0))[0]
    return server


def below_mount(scope: Message) -> tuple[str, bytes]:
    """Return the path under which the application is mounted, and the encoded path below it; empty for the mount itself.

    Frameworks leave the mount in the path. A proxy may have removed its own part (``app_root_path`` of Starlette), or all of it.
    """
    raw_path: bytes = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    root_path: str = scope.get("root_path", "").rstrip("/")
    for mount in (root_path, root_path.removeprefix(scope.get("app_root_path", ""))):
        names = mount.split("/")
        segments = raw_path.split(b"/")
        if [unquote(segment) for segment in segments[: len(names)]] == names:
            rest = segments[len(names) :]
            return root_path, b"/" + b"/".join(rest) if rest else b""
    return root_path, raw_path


async def write(response: HttpResponse, send: Send, *, has_body: bool) -> None:
    """Send a response."""
    is_torn = False

    async def send_piece(piece: bytes) -> None:
        nonlocal is_torn
        is_torn = True
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        is_torn = False

    headers = [*response.headers, *security_headers(response.own_security)]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    if isinstance(response, StreamedResponse) and has_body:
        await response.stream(send_piece)
        if is_torn:  # a part of the piece may have been sent: without an end, the server closes the connection
            return
    await send({"type": "http.response.body", "body": response.body if has_body else b"", "more_body": False})


class _AsgiCarrier:
    """See :class:`actors.http.messages.Carrier`."""

    holds_body_back = False  # the server permits the body when the application asks for it

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._pieces: deque[bytes] = deque()
        self._body_is_over = trio.Event()
        self._scope: trio.CancelScope | None = None
        self.has_gone = False

    async def watch(self) -> None:
        """Wait until the client disconnects, after its body has been read."""
        await self._body_is_over.wait()
        while not self.has_gone:
            await self._receive_one()

    def arrived(self) -> bytes | None:
        if self._pieces:
            return self._pieces.popleft()
        return b"" if self._body_is_over.is_set() else None

    async def wait_for_more(self) -> None:
        await self._receive_one()
        if self.has_gone:
            raise ClientGone

    async def _receive_one(self) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.has_gone = True
            if self._scope is not None:
                self._scope.cancel()
            return
        if piece := message.get("body", b""):
            self._pieces.append(piece)
        if not message.get("more_body", False):
            self._body_is_over.set()

    @contextmanager
    def waiting(self, scope: trio.CancelScope) -> Iterator[None]:
        self._scope = scope
        if self.has_gone:
            scope.cancel()
        try:
            yield
        finally:
            self._scope = None

    streaming = waiting

    def take_control_seat(self) -> None:
        """Do nothing: the server that has accepted the connection counts it."""
