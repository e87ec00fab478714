"""The endpoints for pages that show a whole runtime live: the principal, the changes, the throughput."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import attrs
import msgspec
import trio

from actors.control.local.metrics import EndedSecond
from actors.http.messages import HttpResponse
from actors.http.requests import MAX_WAIT
from actors.http.routes import Route, TokenScope
from actors.http.server.event_streams import EventStream, position_of, wants_stream
from actors.http.server.request_context import Exchange
from actors.model.control_options import Position
from actors.query.changes import MAX_CHANGES, ChangeSet
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from actors.control.local.client import LocalClient

TOGETHER_SECONDS = 0.05
"""Changes within this time of each other are reported together."""

LONGEST_TOGETHER_SECONDS = 1.0
"""The same while there are more changes than a page can list, so that the page does not slow down the runtime."""

THROUGHPUT_SECONDS = 300
"""How far back the completions of each second are known."""

_encode = msgspec.json.Encoder().encode


@attrs.frozen(kw_only=True)
class Whoami:
    """The principal of the request: the name of the token and its scope. ``is_open`` is true if the server requires no
    token.

    ``now`` is the server's wall clock in seconds.
    """

    name: str
    scope: TokenScope
    is_open: bool
    now: float


@attrs.frozen(kw_only=True)
class ChangesQuery:
    """The position after which to list (or the header Last-Event-ID), and how many seconds to wait for a change.

    Without a position, the answer is the current position.
    """

    after: Position | None = None
    wait: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT)] = 0.0


async def whoami(exchange: Exchange) -> Whoami:
    """Show the principal of the token and its scope."""
    await trio.lowlevel.checkpoint()
    grant = exchange.grant
    if grant is None:
        raise BrokenInvariant("a route with a scope has no principal")
    return Whoami(name=grant.name, scope=grant.scope, is_open=exchange.is_open, now=time.time())


@attrs.frozen(kw_only=True)
class Throughput:
    """Completions per second from ``since`` to ``now`` (wall seconds). Seconds without completions are omitted.
    ``since`` is later if the server started later.

    Completions before the start of this process are not known.
    """

    since: float
    now: float
    seconds: list[EndedSecond]


async def get_throughput(exchange: Exchange) -> Throughput:
    """Return completions per second for the last five minutes, succeeded and other.

    Seconds without completions are omitted; `since` is later if the server started later.
    """
    await trio.lowlevel.checkpoint()
    now = time.time()
    since = max(now - THROUGHPUT_SECONDS, exchange.traffic.started_at)
    seconds = [one for one in exchange.client.ended_lately() if one.at >= int(since)]
    return Throughput(since=since, now=now, seconds=seconds)


async def list_changes_since(exchange: Exchange, query: ChangesQuery) -> ChangeSet | HttpResponse:
    """List the changes in the runtime after a position; as a stream, all further changes too."""
    after = query.after
    if after is not None or "last-event-id" in exchange.request.headers:
        after = position_of(exchange.request, after or 0)
    if not wants_stream(exchange.request):
        return await exchange.wait(exchange.client.changes(after, wait=query.wait))
    return EventStream(exchange, _as_events(exchange.client, after))


async def _as_events(client: LocalClient, after: int | None) -> AsyncGenerator[tuple[int, bytes]]:
    """Yield change sets as server-sent events. The first is sent at once: it has the position where the stream begins,
    and says whether earlier changes were missed.
    """
    changes = await client.changes(after)
    while True:
        yield changes.position, _encode(changes)
        may_follow_at = trio.current_time() + seconds_together(changes)
        await client.wait_for_change(changes.position)
        await trio.sleep(max(TOGETHER_SECONDS, may_follow_at - trio.current_time()))
        changes = await client.changes(changes.position)


def seconds_together(changes: ChangeSet) -> float:
    """Return the delay before the next changes are sent, which grows with the number of these changes."""
    share = min(1.0, len(changes.invocations) / MAX_CHANGES) if changes.is_complete else 1.0
    return TOGETHER_SECONDS + share * (LONGEST_TOGETHER_SECONDS - TOGETHER_SECONDS)


ROUTES = (
    Route("GET", "/whoami", TokenScope.OBSERVE, whoami),
    Route("GET", "/metrics/throughput", TokenScope.READ, get_throughput),
    Route("GET", "/changes", TokenScope.READ, list_changes_since, streams=True),
)
