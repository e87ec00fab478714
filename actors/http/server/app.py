"""The HTTP API in front of a runtime: from the headers of a request to its response.

To add a route, write a function in the module for its subject, and add an entry to that module's ``ROUTES``.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from actors.errors import ActorError, RefusedError
from actors.http.messages import CLIENT_GONE, FORM, JSON, ClientGone, HttpResponse, UnreadableRequest
from actors.http.models import NODE_HEADER
from actors.http.problems import respond_unreadable, respond_with
from actors.http.requests import NoQuery
from actors.http.routes import JsonBody, RawQuery, Route, Router, TokenScope
from actors.http.server import (
    assistants,
    backups,
    calls,
    changes,
    checks,
    console,
    deployments,
    gates,
    invocations,
    jobs,
    limits,
    links,
    metrics,
    nodes,
    notifications,
    objects,
    openapi,
    overview,
    queries,
    schedules,
    token_routes,
    verbs,
    webhooks,
)
from actors.http.server.access import address_of, check_encoding, check_media_type, media_type_of, shown_path
from actors.http.server.bodies import BodyBudget, check_json
from actors.http.server.request_context import Exchange, query_of, read_body, read_form, read_query
from actors.http.server.traffic import Traffic
from actors.model.targets import path_parts
from journal.errors import BrokenInvariant, JournalError
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from actors.control.local.client import LocalClient
    from actors.http.closing import Closing
    from actors.http.messages import Carrier, HttpRequest
    from actors.http.own_token import Grant
    from actors.http.server.access import Guard

log = SafeLogger(__name__)

ROUTES: tuple[Route, ...] = (
    *invocations.ROUTES,
    *metrics.ROUTES,
    *overview.ROUTES,
    *verbs.ROUTES,
    *gates.ROUTES,
    *limits.ROUTES,
    *nodes.ROUTES,
    *objects.ROUTES,
    *deployments.ROUTES,
    *jobs.ROUTES,
    *schedules.ROUTES,
    *notifications.ROUTES,
    *links.ROUTES,
    *webhooks.ROUTES,
    *checks.ROUTES,
    *queries.ROUTES,
    *token_routes.ROUTES,
    *backups.ROUTES,
    *assistants.ROUTES,
    *openapi.ROUTES,
    *changes.ROUTES,
    *console.ROUTES,
    *calls.ROUTES,
)
"""All routes, in one table."""


_DRAIN_SECONDS = 2.0
_DRAIN_BYTES = 16 << 20

_encode = msgspec.json.Encoder().encode


class Api:
    """The application: it answers every :class:`HttpRequest` with an :class:`HttpResponse`, even after an unexpected error.

    Paths are matched before they are decoded, so a ``%2F`` in a key does not end its segment.
    """

    def __init__(self, client: LocalClient, guard: Guard, closing: Closing) -> None:
        self._client = client
        self._guard = guard
        self._closing = closing
        self._router = Router(ROUTES)
        self._traffic = Traffic()
        self._strangers = BodyBudget()
        self._own_headers = [(NODE_HEADER.encode(), client.node.encode())] if client.node else []

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        response = await self._respond(request)
        response.headers += self._own_headers
        await _drain(request.carrier)
        self._traffic.note(_known(request.method), response.status_code)
        return response

    async def _respond(self, request: HttpRequest) -> HttpResponse:
        try:
            return await self._answer(request)
        except ClientGone:
            return HttpResponse(status_code=CLIENT_GONE)
        except UnreadableRequest as error:
            return respond_unreadable(error.status_code)
        except (ActorError, JournalError) as error:
            return respond_with(error)
        except Exception:
            log.exception("%s %s failed", request.method, shown_path(request))
            return respond_with(ActorError("the server failed to answer; see its log"))

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        route, exchange = await self._admit(request)
        arguments: dict[str, Any] = {}
        if not route.is_raw:
            asked = query_of(request)
            found = asked if route.query is RawQuery else read_query(asked, route.query or NoQuery)
            if route.query is not None:
                arguments["query"] = found
        if route.method != "GET" and not route.is_raw:
            body = await self._body(exchange, route)
            if route.body is not None:
                arguments["body"] = body
        answer = await route.endpoint(exchange, **arguments)
        if isinstance(answer, HttpResponse):
            return answer
        return HttpResponse(_encode(answer), route.status, media_type=JSON)

    async def _admit(self, request: HttpRequest) -> tuple[Route, Exchange]:
        """Authenticate and authorise the request. Audits a denied one."""
        asking: LocalClient | None = None
        grant: Grant | None = None
        try:
            self._guard.check_address(request)
            route, path, missing = self._find(request)
            if route is None or route.scope is not None:
                grant = self._guard.identify(request)
                asking = self._guard.acting(self._client, request, grant)
                if grant.scope.covers(TokenScope.READ):
                    request.carrier.take_control_seat()
                if route is not None:
                    self._guard.check_scope(grant, route)
        except RefusedError as refusal:
            stranger = self._client.acting_as("anonymous", address_of(request))
            noted = await self._guard.note(asking or stranger, request, refusal)
            if asking is None:
                raise
            raise noted from None
        if route is None:
            if missing is None:
                raise BrokenInvariant("the route of the request is unknown after it was found")
            raise missing
        client = asking or self._client.acting_as("anonymous", address_of(request))
        return route, Exchange(
            client,
            request,
            path,
            self._closing,
            partial(self._guard.admits, request, grant),
            partial(self._guard.note, client, request),
            self._router.routes,
            grant,
            self._guard.is_open,
            self._guard.tokens,
            self._traffic,
            self._strangers,
        )

    def _find(self, request: HttpRequest) -> tuple[Route | None, dict[str, str], RefusedError | None]:
        # A missing path is reported only after authentication, so that an unauthenticated client does not learn which paths exist.
        try:
            method = "GET" if request.method == "HEAD" else request.method
            return *self._router.find(method, path_parts(request.raw_path)[1:]), None
        except RefusedError as missing:
            return None, {}, missing

    async def _body(self, exchange: Exchange, route: Route) -> Any:
        check_encoding(exchange.request)
        if route.accepts_form and media_type_of(exchange.request) == FORM:
            return read_form(await exchange.body(route.body_bytes), route.body)
        limits, is_value = self._client.runtime_limits, route.body is JsonBody
        if exchange.request.headers.get("content-length", "0") != "0":
            check_media_type(exchange.request)
        values_bytes = limits.payload_bytes if is_value or route.holds_values else 0
        data = await exchange.body(values_bytes + (0 if is_value else route.body_bytes))
        if data:  # a chunked body may be empty
            check_media_type(exchange.request)
        await check_json(data, limits.payload_values)
        return data if is_value else read_body(data, NoQuery if route.body is None else route.body)


async def _drain(carrier: Carrier) -> None:
    """Read the rest of a body and drop it, up to a limit: a client that is still sending may not see the response."""
    if carrier.holds_body_back or carrier.has_gone:
        return
    with suppress(ClientGone, UnreadableRequest):
        if carrier.arrived() == b"":
            return
        left = _DRAIN_BYTES
        with trio.move_on_after(_DRAIN_SECONDS):
            while left > 0 and (piece := carrier.arrived()) != b"":
                if piece is None:
                    await carrier.wait_for_more()
                else:
                    left -= len(piece)


def _known(method: str) -> str:
    """Return the method if it is a standard one, so that invented methods do not add metrics series."""
    return method if method in _METHODS else "other"


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
"""The methods of RFC 9110 and RFC 5789. Those that no route has are refused, and counted under their names."""
