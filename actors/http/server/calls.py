"""Calls and messages: by the path of a handler, and by the paths that clients of Restate use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actors.errors import (
    InvocationPausedError,
    NotFoundError,
    ResourceKind,
    TerminalError,
    UnavailableError,
    UnknownOutcomeError,
)
from actors.http.call_requests import (
    AttachQuery,
    CallQuery,
    IdempotentTarget,
    IdTarget,
    Lookup,
    SendQuery,
    WorkflowTarget,
)
from actors.http.messages import JSON, HttpResponse
from actors.http.models import INVOCATION_HEADER, RESTATE_ID_HEADER, FoundModel, SentModel
from actors.http.problems import NotCompletedYetError, respond_with
from actors.http.routes import JsonBody, RawQuery, Route, TokenScope
from actors.http.server.request_context import Exchange, read_query
from actors.model.definitions import kind_in_words
from actors.values.outcomes import value_of
from journal.events import Kind, Status, Target
from journal.ids import InvocationId, parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from actors.model.info import InvocationInfo
    from journal.events import Outcome


async def call_or_send(exchange: Exchange, query: RawQuery, body: JsonBody) -> HttpResponse:
    """Call a handler, or send to it."""
    target, is_send = target_of(exchange, tuple(exchange.path.values()))
    if is_send:
        return await _send(exchange, target, read_query(query, SendQuery), body)
    return await _call(exchange, target, read_query(query, CallQuery), body)


async def call(exchange: Exchange, query: CallQuery, body: JsonBody) -> HttpResponse:
    """Call a handler and wait for its result."""
    target, _ = target_of(exchange, tuple(exchange.path.values()), may_send=False)
    return await _call(exchange, target, query, body)


async def send(exchange: Exchange, query: SendQuery, body: JsonBody) -> SentModel:
    """Send a one-way message to a handler, durably."""
    target, _ = target_of(exchange, tuple(exchange.path.values()), may_send=False)
    return await _sent(exchange, target, query, body)


async def attach(exchange: Exchange, query: AttachQuery) -> HttpResponse:
    """Wait until an invocation completes: its result, or the error of its outcome."""
    return await _attach(exchange, parse_invocation_id(exchange.path["id"]), query)


async def output(exchange: Exchange) -> HttpResponse:
    """Return the result of an invocation if it has ended; 470 if it has not."""
    return await _output(exchange, parse_invocation_id(exchange.path["id"]))


async def attach_to_target(exchange: Exchange, query: AttachQuery, body: Lookup) -> HttpResponse:
    """Wait until an invocation completes, named by its target and key."""
    return await _attach(exchange, await _looked_up(exchange, body), query)


async def output_of_target(exchange: Exchange, body: Lookup) -> HttpResponse:
    """Return the result of a completed invocation, named by its target and key; 470 if it has not completed."""
    return await _output(exchange, await _looked_up(exchange, body))


async def attach_to_workflow(exchange: Exchange, query: AttachQuery) -> HttpResponse:
    """Wait until a workflow completes."""
    return await _attach(exchange, await _run_of(exchange, exchange.path["name"], exchange.path["key"]), query)


async def output_of_workflow(exchange: Exchange) -> HttpResponse:
    """Return the result of a completed workflow; 470 if it has not completed."""
    return await _output(exchange, await _run_of(exchange, exchange.path["name"], exchange.path["key"]))


async def look_up(exchange: Exchange, body: Lookup) -> FoundModel:
    """Return the id of an invocation, by its target and idempotency key."""
    return FoundModel(invocation_id=await _looked_up(exchange, body))


async def _call(exchange: Exchange, target: Target, query: CallQuery, body: bytes) -> HttpResponse:
    options = query.options(exchange.idempotency_key)
    command = await exchange.client.as_command(target, body, options, parameter=query.parameter, trace=exchange.trace)
    ended = exchange.client.outcome_of_call(command, leaves_at_pause=not query.wait)
    return await _respond_when_ended(exchange, command.invocation_id, ended)


async def _respond_when_ended(exchange: Exchange, of: InvocationId, ended: Awaitable[Outcome]) -> HttpResponse:
    """Return the outcome, or an error with the invocation's id if the server stops or the invocation is paused."""
    try:
        return respond_with_outcome(of, await exchange.wait(ended))
    except (UnavailableError, UnknownOutcomeError, InvocationPausedError) as error:
        return respond_with(error, of)


async def _send(exchange: Exchange, target: Target, query: SendQuery, body: bytes) -> HttpResponse:
    sent = await _sent(exchange, target, query, body)
    return HttpResponse(msgspec.json.encode(sent), 202, media_type=JSON)


async def _sent(exchange: Exchange, target: Target, query: SendQuery, body: bytes) -> SentModel:
    options = query.options(exchange.idempotency_key)
    command = await exchange.client.as_command(target, body, options, parameter=query.parameter, trace=exchange.trace)
    sent = await exchange.client.send_command(command)
    return SentModel(invocation_id=sent.invocation_id, status="Accepted" if sent.is_new else "PreviouslyAccepted")


async def _attach(exchange: Exchange, of: InvocationId, query: AttachQuery) -> HttpResponse:
    await _check_reader(exchange, of)
    ended = exchange.client.outcome_of(of, leaves_at_pause=not query.wait)
    return await _respond_when_ended(exchange, of, ended)


async def _output(exchange: Exchange, of: InvocationId) -> HttpResponse:
    await _check_reader(exchange, of)
    if (await exchange.client.invocation(of).info()).status is not Status.COMPLETED:
        raise NotCompletedYetError(f"{of} has not ended yet; …/attach waits for its end")
    ended = exchange.client.outcome_of(of, leaves_at_pause=False)
    return respond_with_outcome(of, await exchange.wait(ended))


def _sees_all(exchange: Exchange) -> bool:
    """Report whether the requester sees invocations that it has not started. A token with the scope *invoke* does not: the id of a workflow,
    for example, can be computed from its key."""
    return exchange.is_open or exchange.grant is None or exchange.grant.scope.covers(TokenScope.READ)


async def _check_reader(exchange: Exchange, of: InvocationId) -> None:
    if not _sees_all(exchange):
        await _visible(exchange, of, exchange.client.invocation(of).info())


async def _visible(exchange: Exchange, asked: InvocationId, look: Awaitable[InvocationInfo]) -> InvocationId:
    """Return the id of the invocation that ``look`` finds. One that the requester may not see is answered like one that does not exist:
    ``asked`` is the id in the answer, which the requester knows.
    """
    try:
        info = await look
        if _sees_all(exchange) or info.created_by == exchange.client.who.by:
            return info.id
    except NotFoundError:
        if _sees_all(exchange):
            raise
    name = "" if exchange.grant is None else exchange.grant.name
    raise NotFoundError(
        f"there is no invocation {asked} that the token {name!r} may see: it needs the scope {TokenScope.READ.value} for invocations that it "
        "has not started",
        kind=ResourceKind.INVOCATION,
    )


async def _looked_up(exchange: Exchange, wanted: Lookup) -> InvocationId:
    match wanted:
        case IdTarget():
            of = parse_invocation_id(wanted.invocation_id)
        case WorkflowTarget():
            return await _run_of(exchange, wanted.workflow_name, wanted.workflow_key)
        case IdempotentTarget():
            target = Target(wanted.service, wanted.key, wanted.handler)
            of = exchange.client.id_of_request(target, wanted.idempotency_key)
    return await _visible(exchange, of, exchange.client.invocation(of).info())


async def _run_of(exchange: Exchange, workflow: str, key: str) -> InvocationId:
    first = exchange.client.id_of_request(Target(workflow, key, "run"), None)
    return await _visible(exchange, first, _latest_run(exchange, first))


async def _latest_run(exchange: Exchange, first: InvocationId) -> InvocationInfo:
    """Return the latest restart of the run of a workflow, or the run itself. Raises :class:`NotFoundError`."""
    run = await exchange.client.invocation(first).info()
    while run.successors:
        try:
            run = await exchange.client.invocation(run.successors[-1]).info()
        except NotFoundError:
            break  # it has been purged
    return run


def target_of(exchange: Exchange, segments: tuple[str, ...], *, may_send: bool = True) -> tuple[Target, bool]:
    """Return the handler that the segments of a path name, and whether they ask for a send. Raises :class:`actors.NotFoundError`."""
    service = segments[0]
    kind = exchange.client.kind_of(service)
    names = 2 if kind is Kind.SERVICE else 3
    is_send = may_send and len(segments) == names + 1 and segments[-1] == "send"
    is_whole = len(segments) == names and not _lacks_key(exchange, segments, may_send=may_send)
    if not is_whole and not is_send:
        shape = f"{service}/{{handler}}" if kind is Kind.SERVICE else f"{service}/{{key}}/{{handler}}"
        shown = "/".join(segments)[:200]
        raise NotFoundError(
            f"no handler at {shown!r}: {service} is {kind_in_words(kind)}, so the path is {shape}",
            kind=ResourceKind.HANDLER,
        )
    key = None if kind is Kind.SERVICE else segments[1]
    return Target(service, key, segments[names - 1]), is_send


def _lacks_key(exchange: Exchange, segments: tuple[str, ...], *, may_send: bool) -> bool:
    """Report whether ``Account/read/send`` was meant as a send to ``read`` without a key: no handler is called
    ``send``.
    """
    service, last = segments[0], segments[-1]
    return may_send and len(segments) == 3 and last == "send" and not exchange.client.has_handler(service, last)


def respond_with_outcome(of: InvocationId, ended: Outcome) -> HttpResponse:
    """Return an outcome as the response to its caller."""
    try:
        value = value_of(ended, of)
    except TerminalError as error:
        return respond_with(error, of, ended.kind)
    return HttpResponse(value, 200, {INVOCATION_HEADER: of, RESTATE_ID_HEADER: of}, media_type=JSON)


_HANDLER, _KEYED = "/{service}/{handler}", "/{service}/{key}/{handler}"

ROUTES = (
    Route("GET", "/restate/attach/{id}", TokenScope.OBSERVE, attach),
    Route("GET", "/restate/output/{id}", TokenScope.OBSERVE, output),
    Route("GET", "/restate/invocation/{id}/attach", TokenScope.OBSERVE, attach),
    Route("GET", "/restate/invocation/{id}/output", TokenScope.OBSERVE, output),
    Route("GET", "/restate/workflow/{name}/{key}/attach", TokenScope.OBSERVE, attach_to_workflow),
    Route("GET", "/restate/workflow/{name}/{key}/output", TokenScope.OBSERVE, output_of_workflow),
    Route("POST", "/restate/attach", TokenScope.OBSERVE, attach_to_target),
    Route("POST", "/restate/output", TokenScope.OBSERVE, output_of_target),
    Route("POST", "/restate/lookup", TokenScope.OBSERVE, look_up),
    # The OpenAPI document has a path for each handler instead of these.
    Route("POST", "/restate/call" + _HANDLER, TokenScope.INVOKE, call, is_documented=False),
    Route("POST", "/restate/call" + _KEYED, TokenScope.INVOKE, call, is_documented=False),
    Route("POST", "/restate/send" + _HANDLER, TokenScope.INVOKE, send, is_documented=False, status=202),
    Route("POST", "/restate/send" + _KEYED, TokenScope.INVOKE, send, is_documented=False, status=202),
    Route("POST", _HANDLER, TokenScope.INVOKE, call, is_documented=False),
    Route("POST", _KEYED, TokenScope.INVOKE, call_or_send, is_documented=False),
    Route("POST", _KEYED + "/send", TokenScope.INVOKE, send, status=202, is_documented=False),
)
