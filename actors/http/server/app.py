"""The HTTP API in front of a runtime: from the headers of a request to its response.

To add a route, write a function in the module for its subject, and add an entry to that module's ``ROUTES``.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import msgspec
import trio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from actors.errors import ActorError, RefusedError
from actors.http.problems import SECURITY_HEADERS, respond_with
from actors.http.requests import NoQuery
from actors.http.routes import JsonBody, Route, Router, TokenScope
from actors.http.server import (
    backups,
    calls,
    changes,
    checks,
    console,
    deployments,
    gates,
    invocations,
    jobs,
    metrics,
    objects,
    openapi,
    queries,
    token_routes,
    verbs,
)
from actors.http.server.access import address_of, check_encoding, check_media_type
from actors.http.server.bodies import check_json
from actors.http.server.event_streams import EventStream
from actors.http.server.request_context import Exchange, query_of, read_body, read_query, seat_of, waiting_for_client
from actors.http.server.traffic import Traffic
from actors.model.targets import path_parts
from journal.errors import BrokenInvariant, JournalError
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping

    from actors.control.local.client import LocalClient
    from actors.http.server.access import Guard
    from actors.http.server.listener import Closing
    from actors.http.tokens import Grant

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

log = SafeLogger(__name__)

ROUTES: tuple[Route, ...] = (
    *invocations.ROUTES,
    *metrics.ROUTES,
    *verbs.ROUTES,
    *gates.ROUTES,
    *objects.ROUTES,
    *deployments.ROUTES,
    *jobs.ROUTES,
    *checks.ROUTES,
    *queries.ROUTES,
    *token_routes.ROUTES,
    *backups.ROUTES,
    *openapi.ROUTES,
    *changes.ROUTES,
    *console.ROUTES,
    *calls.ROUTES,
)
"""All routes, in one table."""


_DRAIN_SECONDS = 2.0
_DRAIN_BYTES = 16 << 20

_SECURITY_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

_encode = msgspec.json.Encoder().encode


class Api:
    """The ASGI application.

    Paths are matched before they are decoded, so a ``%2F`` in a key does not end its segment.
    """

    def __init__(self, client: LocalClient, guard: Guard, closing: Closing) -> None:
        self._client = client
        self._guard = guard
        self._closing = closing
        self._router = Router(ROUTES)
        self._traffic = Traffic()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request, or refuse a web socket."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            raise ValueError(f"the scope is {scope['type']!r}, expected 'http': playhead does not support lifespan")
        reader = _Reader(receive)
        request = Request(scope, reader)
        response = await self._respond(request)
        with waiting_for_client(scope):
            await reader.finish()
        self._traffic.note(_known(request.method), response.status_code)
        if request.method == "HEAD":
            await _HeadOf(response)(scope, reader, _with_security_headers(send))
            return
        with self._streaming(scope) if isinstance(response, EventStream) else nullcontext():
            await response(scope, reader, _with_security_headers(send))

    @contextmanager
    def _streaming(self, scope: Message) -> Iterator[None]:
        seat = seat_of(scope)
        with self._traffic.streaming(), nullcontext() if seat is None else seat.streaming():
            yield

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except ClientDisconnect:
            return Response(status_code=499)
        except (ActorError, JournalError) as error:
            return respond_with(error)
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            return respond_with(ActorError("the server failed to answer; see its log"))

    async def _answer(self, request: Request) -> Response:
        route, exchange = await self._admit(request)
        arguments: dict[str, Any] = {}
        asked = read_query(query_of(request), route.query or NoQuery)
        if route.query is not None:
            arguments["query"] = asked
        if route.method != "GET":
            body = await self._body(exchange, route)
            if route.body is not None:
                arguments["body"] = body
        answer = await route.endpoint(exchange, **arguments)
        if isinstance(answer, Response):
            return answer
        return Response(_encode(answer), route.status, media_type="application/json")

    async def _admit(self, request: Request) -> tuple[Route, Exchange]:
        """Authenticate and authorise the request. Audits a denied one."""
        asking = self._client.acting_as("anonymous", address_of(request))
        try:
            self._guard.check_address(request)
            route, path, missing = self._find(request)
            grant: Grant | None = None
            if route is None or route.scope is not None:
                grant = self._guard.identify(request)
                asking = self._guard.acting(self._client, request, grant)
                if grant.scope.covers(TokenScope.READ):
                    _take_control_seat(request)
                if route is not None:
                    self._guard.check_scope(grant, route)
        except RefusedError as refusal:
            await self._guard.note(asking, request, refusal)
            raise
        if route is None:
            if missing is None:
                raise BrokenInvariant("the route of the request is unknown after it was found")
            raise missing
        is_open = self._guard.is_open
        return route, Exchange(
            asking, request, path, self._closing, self._router.routes, grant, is_open, self._guard.tokens, self._traffic
        )

    def _find(self, request: Request) -> tuple[Route | None, dict[str, str], RefusedError | None]:
        # A missing path is reported only after authentication: a stranger learns nothing, not even which paths exist.
        try:
            method = "GET" if request.method == "HEAD" else request.method
            return *self._router.find(method, path_parts(request.scope["raw_path"])[1:]), None
        except RefusedError as missing:
            return None, {}, missing

    async def _body(self, exchange: Exchange, route: Route) -> Any:
        check_encoding(exchange.request)
        limits, is_value = self._client.limits, route.body is JsonBody
        check_media_type(exchange.request, has_body=exchange.request.headers.get("content-length", "0") != "0")
        values_bytes = limits.payload_bytes if is_value or route.holds_values else 0
        data = await exchange.body(values_bytes + (0 if is_value else route.body_bytes))
        check_media_type(exchange.request, has_body=bool(data))  # a chunked body may be empty
        await check_json(data, limits.payload_values)
        return data if is_value else read_body(data, NoQuery if route.body is None else route.body)


class _Reader:
    """Reads the body of a request as it arrives, and to its end before the response: a client that is still sending may not see
    one."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_over = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._is_over = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def finish(self) -> None:
        """Read the rest of the body and drop it, up to a limit."""
        left = _DRAIN_BYTES
        with trio.move_on_after(_DRAIN_SECONDS):
            while not self._is_over and left > 0:
                left -= len((await self()).get("body", b""))


def _take_control_seat(request: Request) -> None:
    seat = seat_of(request.scope)
    if seat is not None:
        seat.take_control_seat()


class _HeadOf:
    """A response without its body, for HEAD requests."""

    def __init__(self, response: Response) -> None:
        self._response = response

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        status, headers = self._response.status_code, list(self._response.raw_headers)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _known(method: str) -> str:
    """Return the method if it is a standard one, so that invented methods do not add metrics series."""
    return method if method in _METHODS else "other"


_METHODS = frozenset(route.method for route in ROUTES)


def _with_security_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            said = {name for name, _ in headers}
            headers += (header for header in _SECURITY_HEADERS if header[0] not in said)
        await send(message)

    return sending
