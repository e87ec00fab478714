"""Checks: what registered code would make of what is recorded. Code on disk is checked by the command line, never in the server."""

from __future__ import annotations

from typing import Annotated

import attrs
import msgspec

from actors.checking import CheckReport, CheckSummary
from actors.http.exchange import Exchange
from actors.http.models import Key, Name, PageSize
from actors.http.routes import Route, Scope
from journal.events import Status

DeploymentName = Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="An id, `latest`, or `keep`.")]


@attrs.frozen(kw_only=True)
class CheckQuery:
    """On which code."""

    deployment: DeploymentName = "latest"


@attrs.frozen(kw_only=True)
class ChecksQuery:
    """How many at most; the newest."""

    limit: PageSize = 100


@attrs.frozen(kw_only=True)
class CheckBody:
    """Which invocations, and on which code."""

    deployment: DeploymentName = "latest"
    where: Annotated[str, msgspec.Meta(max_length=4_096)] | None = None
    status: list[Status] = attrs.field(factory=list)
    service: Name | None = None
    key: Key | None = None
    handler: Name | None = None


async def check_invocation(exchange: Exchange, query: CheckQuery) -> CheckReport:
    """Replay one invocation on a deployment, with no effect: what is kept, and where it would ask for something else."""
    return await exchange.wait(exchange.invocation().check(deployment=query.deployment))


async def check_invocations(exchange: Exchange, query: ChecksQuery, body: CheckBody) -> CheckSummary:
    """Replay all that fit on a deployment, with no effect: how many go through, diverge and where, or raise."""
    return await exchange.wait(
        exchange.client.check(
            deployment=body.deployment,
            where=body.where,
            status=body.status or None,
            service=body.service,
            key=body.key,
            handler=body.handler,
            limit=query.limit,
        )
    )


ROUTES = (
    Route("GET", "/invocations/{id}/check", Scope.CONTROL, check_invocation),
    Route("POST", "/checks", Scope.CONTROL, check_invocations),
)
