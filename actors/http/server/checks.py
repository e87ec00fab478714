"""Checks of recorded histories against registered code. The command line checks code on disk; the server never loads it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import attrs
import msgspec

from actors.control.local.checks import last_of
from actors.control.local.jobs import check_choice
from actors.core.jobs import MAX_ITEMS, Choice
from actors.http.messages import HttpResponse
from actors.http.requests import WITH_IDS, Key, Name
from actors.http.routes import Route, TokenScope
from actors.http.server.event_streams import EventStream, wants_stream
from actors.http.server.request_context import Exchange
from actors.model.checks import CheckReport, CheckSummary
from actors.model.listing import Listing
from journal.events import Status

_encode = msgspec.json.Encoder().encode
DeploymentName = Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="An id, `latest`, or `keep`.")]


@attrs.frozen(kw_only=True)
class CheckQuery:
    """The code to check against."""

    deployment: DeploymentName = "latest"


@attrs.frozen(kw_only=True)
class ChecksQuery:
    """The largest number of invocations to check: the newest matches, or the first named."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_ITEMS)] = MAX_ITEMS


@attrs.frozen(kw_only=True)
class CheckBody(Choice):
    """Which invocations to check, and on which code. The other fields narrow a condition, or all."""

    deployment: DeploymentName = "latest"
    status: list[Status] = attrs.field(factory=list)
    service: Name | None = None
    key: Key | None = None
    handler: Name | None = None


async def check_invocation(exchange: Exchange, query: CheckQuery) -> CheckReport:
    """Replay one invocation on a deployment, without effects: which operations are kept, and where the code first differs."""
    return await exchange.wait(exchange.invocation().check(deployment=query.deployment))


async def check_invocations(exchange: Exchange, query: ChecksQuery, body: CheckBody) -> CheckSummary | HttpResponse:
    """Replay all selected invocations on a deployment, without effects: how many pass, diverge (and where), or raise.

    A stream reports the progress from time to time. The check stops when the client disconnects.
    """
    listing = Listing(
        status=frozenset(body.status) or None,
        service=body.service,
        key=body.key,
        handler=body.handler,
        where=body.where or None,
        limit=query.limit,
    )
    choice = body.distinct()
    check_choice(choice)
    summaries = exchange.client.check_each(listing, choice, body.deployment)
    if not wants_stream(exchange.request):
        return await exchange.wait(last_of(summaries))
    first = await exchange.wait(anext(summaries))  # report a wrong request before a stream begins
    return EventStream(exchange, _as_events(first, summaries))


async def _as_events(first: CheckSummary, others: AsyncGenerator[CheckSummary]) -> AsyncGenerator[tuple[int, bytes]]:
    async with aclosing(others):
        yield _done(first), _encode(first)
        async for summary in others:
            yield _done(summary), _encode(summary)


def _done(summary: CheckSummary) -> int:
    return summary.checked + summary.skipped_count


ROUTES = (
    Route("GET", "/invocations/{id}/check", TokenScope.CONTROL, check_invocation),
    Route("POST", "/checks", TokenScope.CONTROL, check_invocations, streams=True, body_bytes=WITH_IDS),
)
