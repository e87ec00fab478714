"""What a page that shows a whole runtime needs besides reading: who asks, and what has changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import attrs
import msgspec
import trio
from starlette.responses import Response

from actors.control.local.metrics import EndedSecond
from actors.http.models import MAX_WAIT, Position
from actors.http.routes import Route, TokenScope
from actors.http.server.event_streams import EventStream, position_of, wants_stream
from actors.http.server.request_context import Exchange
from actors.query.changes import ChangeSet
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from actors.control.local.client import LocalClient

TOGETHER_SECONDS = 0.05
"""Changes that come within so long of each other are told together."""

THROUGHPUT_SECONDS = 300
"""For so long back it is told how much ended in each second."""


_LONG_SECONDS = 3600.0
_encode = msgspec.json.Encoder().encode


@attrs.frozen(kw_only=True)
class Whoami:
    """Who asks, by the name of the token, and how far that reaches. ``is_open``: the server asks nobody who he is.

    ``now`` is the server's wall clock in seconds.
    """

    name: str
    scope: TokenScope
    is_open: bool
    now: float


@attrs.frozen(kw_only=True)
class ChangesQuery:
    """After which position (the header Last-Event-ID says the same), and how many seconds to wait for something there.

    Without a position nothing has changed yet, and the answer says where to begin.
    """

    after: Position | None = None
    wait: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT)] = 0.0


async def whoami(exchange: Exchange) -> Whoami:
    """Show the principal of the token and its scope."""
    await trio.lowlevel.checkpoint()
    grant = exchange.grant
    if grant is None:
        raise BrokenInvariant("a route with a scope knows who asks")
    return Whoami(name=grant.name, scope=grant.scope, is_open=exchange.is_open, now=time.time())


@attrs.frozen(kw_only=True)
class Throughput:
    """How much ended in each second from ``since`` to ``now`` (wall seconds); a second in which nothing did is left out.

    Nothing is known of what ended before this process began.
    """

    since: float
    now: float
    seconds: list[EndedSecond]


async def get_throughput(exchange: Exchange) -> Throughput:
    """How many invocations ended in each second of the last five minutes: those that succeeded, and the others."""
    await trio.lowlevel.checkpoint()
    now = time.time()
    since = max(now - THROUGHPUT_SECONDS, exchange.traffic.started_at)
    seconds = [one for one in exchange.client.ended_lately() if one.at >= int(since)]
    return Throughput(since=since, now=now, seconds=seconds)


async def list_changes_since(exchange: Exchange, query: ChangesQuery) -> ChangeSet | Response:
    """List the changes in the runtime after a position; as a stream, all from now on."""
    after = query.after
    if after is not None or "last-event-id" in exchange.request.headers:
        after = position_of(exchange.request, after or 0)
    if not wants_stream(exchange.request):
        return await exchange.wait(exchange.client.changes(after, wait=query.wait))
    return EventStream(exchange, _as_events(exchange.client, after))


async def _as_events(client: LocalClient, after: int | None) -> AsyncGenerator[tuple[int, bytes]]:
    """The first one comes at once: it says where the stream begins, and whether anything was missed before."""
    changes = await client.changes(after)
    while True:
        yield changes.position, _encode(changes)
        position = changes.position
        while (changes := await client.changes(position, wait=_LONG_SECONDS)).position == position:
            pass
        await trio.sleep(TOGETHER_SECONDS)
        changes = await client.changes(position)


ROUTES = (
    Route("GET", "/whoami", TokenScope.INVOKE, whoami),
    Route("GET", "/metrics/throughput", TokenScope.READ, get_throughput),
    Route("GET", "/changes", TokenScope.READ, list_changes_since, streams=True),
)
