"""Reads: services, invocations and their histories, the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import msgspec
import trio

from actors.control.local.health import Health, HealthReason
from actors.core.output import LiveView, MarkFilter, SettledView, StreamView, WholeView
from actors.http.messages import JSON, HttpResponse
from actors.http.models import EventList, InvocationList, OutputList, ReasonList, ServiceList
from actors.http.requests import AuditQueryModel, EventsQuery, InvocationsQuery, OutputQuery, OutputView, ServicesQuery
from actors.http.routes import Route, TokenScope
from actors.http.server.event_streams import EventStream, as_events, as_output, position_of, wants_page, wants_stream
from actors.http.server.request_context import Exchange
from actors.http.tokens import TokenBook
from actors.model.handles import InvocationHandle
from actors.model.history import JournalEntry
from actors.model.info import InvocationInfo
from actors.model.output import Chunks, OutputChunk
from actors.model.tags import tags_of_pairs
from actors.query.audit import AuditCheck, AuditPage
from journal.errors import DirectoryLost
from journal.events import Status


async def health(exchange: Exchange) -> Health | HttpResponse:
    """Report the health of the server: status 200, or 503 while it accepts no new work, with the reasons."""
    found = exchange.client.health(_around(exchange))
    return found if found.takes_work else HttpResponse(msgspec.json.encode(found), 503, media_type=JSON)


def _around(exchange: Exchange) -> Iterator[HealthReason]:
    if exchange.closing.begin.is_set():
        yield HealthReason(
            code="stopping", message="the server is stopping; open invocations continue after the next start"
        )
    if isinstance(exchange.tokens, TokenBook) and _is_damaged(exchange.tokens):
        yield HealthReason(
            code="tokens-damaged",
            message="the file TOKENS of the data directory is damaged: named tokens are refused. Move it away and create new "
            "tokens",
            stops_work=False,
        )


def _is_damaged(tokens: TokenBook) -> bool:
    try:
        return tokens.is_damaged
    except DirectoryLost:  # the store reports the reason in a moment
        return False


async def list_services(exchange: Exchange, query: ServicesQuery) -> ServiceList:
    """List the services, their handlers, and the schemas of parameters and results."""
    return ServiceList(services=list(await exchange.client.services(system=query.system)))


async def list_invocations(exchange: Exchange, query: InvocationsQuery) -> InvocationList:
    """List invocations, newest first."""
    found = await exchange.client.invocations(
        status=query.status or None,
        service=query.service,
        key=query.key,
        handler=query.handler,
        where=query.where,
        tags=tags_of_pairs(query.tag, "tag"),
        limit=query.limit,
        after=query.after,
        system=query.system,
    )
    return InvocationList(invocations=found, next=found.next)


async def get_invocation(exchange: Exchange) -> InvocationInfo:
    """Show the details of one invocation."""
    return await exchange.invocation().info()


async def explain(exchange: Exchange) -> ReasonList:
    """Explain what an invocation waits for, until when, and who caused it."""
    return ReasonList(reasons=list(await exchange.invocation().why()))


async def list_events(exchange: Exchange, query: EventsQuery) -> EventList | HttpResponse:
    """List events of one invocation; as a stream, all of them and new ones until it completes."""
    handle = exchange.invocation()
    after = position_of(exchange.request, query.after)
    if not wants_stream(exchange.request):
        return await exchange.wait(_page(handle, attrs.evolve(query, after=after)))
    await handle.info()
    return EventStream(exchange, as_events(handle.follow(after=after)))


async def _page(handle: InvocationHandle[Any], query: EventsQuery) -> EventList:
    has_ended = (await handle.info()).status is Status.COMPLETED
    last, found = query.after, list[JournalEntry]()
    if query.wait and not has_ended:
        with trio.move_on_after(query.wait):
            async for entry in handle.follow(after=last):
                last = entry.number
                if query.name in (None, entry.name):
                    found.append(entry)
                    break
    async for entry in handle.events(after=last):
        if len(found) == query.limit:
            return EventList(events=found, last=last, is_over=False)
        last = entry.number
        if query.name in (None, entry.name):
            found.append(entry)
    return EventList(events=found, last=last, is_over=has_ended)


async def read_output(exchange: Exchange, query: OutputQuery) -> OutputList | HttpResponse:
    """Read the output of one invocation, each piece with its step, try and offset.

    A stream sends all of it and new pieces until it completes; a client that accepts JSON gets a page.
    """
    handle = exchange.invocation()
    after = position_of(exchange.request, query.after)
    if wants_page(exchange.request):
        return await exchange.wait(_output_page(exchange, handle, attrs.evolve(query, after=after)))
    await handle.info()
    marks = exchange.client.output_marks(handle.id, after, follow=True)
    return EventStream(exchange, as_output(Chunks(marks, _view(query, after))))


async def _output_page(exchange: Exchange, handle: InvocationHandle[Any], query: OutputQuery) -> OutputList:
    has_ended = (await handle.info()).status is Status.COMPLETED
    view, read, found = _view(query, query.after), query.after, list[OutputChunk]()
    if query.wait and not has_ended:
        with trio.move_on_after(query.wait):
            async for mark in exchange.client.output_marks(handle.id, read, follow=True):
                read = mark.number
                found += view.feed(mark)
                if found:
                    break
    is_over = has_ended
    async for mark in exchange.client.output_marks(handle.id, read, follow=False):
        if len(found) >= query.limit:
            is_over = False
            break
        read = mark.number
        found += view.feed(mark)
    if is_over:
        found += view.flush()
    # Pieces that a view holds back are fed to the view of the next page again.
    last = read if query.view is OutputView.ALL else max([query.after, *(chunk.number for chunk in found)])
    return OutputList(chunks=found, last=last, is_over=is_over)


def _view(query: OutputQuery, after: int) -> MarkFilter[OutputChunk]:
    match query.view:
        case OutputView.SETTLED:
            return StreamView(SettledView(), query.stream)
        case OutputView.LIVE:
            return StreamView(LiveView(is_resumed=after > 0), query.stream)
        case OutputView.ALL:
            return WholeView()


async def list_audit(exchange: Exchange, query: AuditQueryModel) -> AuditPage:
    """List who changed what, newest first."""
    return await exchange.client.audit(
        by=query.by, verb=query.verb, target=query.target, limit=query.limit, after=query.after
    )


async def check_audit(exchange: Exchange) -> AuditCheck:
    """Verify the hash chain of the audit log."""
    return await exchange.wait(exchange.client.verify_audit())


ROUTES = (
    Route("GET", "/health", None, health),
    Route("GET", "/restate/health", None, health),
    Route("GET", "/services", TokenScope.READ, list_services),
    Route("GET", "/invocations", TokenScope.READ, list_invocations),
    Route("GET", "/invocations/{id}", TokenScope.READ, get_invocation),
    Route("GET", "/invocations/{id}/why", TokenScope.READ, explain),
    Route("GET", "/invocations/{id}/events", TokenScope.READ, list_events, streams=True),
    Route("GET", "/invocations/{id}/output", TokenScope.READ, read_output, streams=True),
    Route("GET", "/audit", TokenScope.READ, list_audit),
    Route("GET", "/audit/check", TokenScope.READ, check_audit),
)
