"""Verbs on one invocation."""

from __future__ import annotations

from urllib.parse import unquote

import attrs

from actors.errors import NotFoundError, ResourceKind
from actors.http.models import JSON_LOSES_HEADER, AnswerModel, answer_model
from actors.http.requests import RestartQuery, SignalQuery
from actors.http.routes import JsonBody, Route, TokenScope
from actors.http.server.request_context import Exchange, read_json
from actors.model.verb_options import (
    CancelOptions,
    KillOptions,
    PauseOptions,
    PurgeOptions,
    RescheduleOptions,
    RestartOptions,
    ResumeOptions,
    SignalOptions,
    VerbOptions,
)
from actors.values import write_by_own_type
from actors.values.arguments import MAX_NAME, checked_text


async def cancel(exchange: Exchange, body: CancelOptions) -> AnswerModel:
    """Cancel an invocation and run its compensations."""
    return await _execute(exchange, body)


async def kill(exchange: Exchange, body: KillOptions) -> AnswerModel:
    """Kill an invocation at once, without compensation."""
    return await _execute(exchange, body)


async def pause(exchange: Exchange, body: PauseOptions) -> AnswerModel:
    """Pause an invocation where it is."""
    return await _execute(exchange, body)


async def resume(exchange: Exchange, body: ResumeOptions) -> AnswerModel:
    """Resume an invocation where it stopped, or retry now if it is backing off."""
    return await _execute(exchange, body)


async def reschedule(exchange: Exchange, body: RescheduleOptions) -> AnswerModel:
    """Change the time of a scheduled invocation, or start it now."""
    return await _execute(exchange, body)


async def restart(exchange: Exchange, query: RestartQuery, body: RestartOptions) -> AnswerModel:
    """Restart an invocation as a new one, from the beginning or a step. Earlier operations are kept."""
    options = attrs.evolve(
        body,
        from_step=body.from_step if query.from_step is None else _point(query.from_step),
        again=body.again or query.again,
        deployment=body.deployment if query.deployment is None else query.deployment,
    )
    return await _execute(exchange, options)


def _point(text: str) -> str:
    return f"entry {text}" if text.isascii() and text.isdecimal() else text


async def purge(exchange: Exchange) -> AnswerModel:
    """Delete the history and the result of a completed invocation."""
    return await _execute(exchange, PurgeOptions())


async def signal(exchange: Exchange, query: SignalQuery, body: JsonBody) -> AnswerModel:
    """Send a signal to an invocation. The value is buffered until the invocation awaits it."""
    name = exchange.path["name"]
    if len(name) > MAX_NAME:
        raise NotFoundError(
            f"the name of the signal has {len(name)} characters, the limit is {MAX_NAME}", kind=ResourceKind.PATH
        )
    lost = checked_text(unquote(exchange.request.headers.get(JSON_LOSES_HEADER)), JSON_LOSES_HEADER)
    value = attrs.evolve(write_by_own_type(read_json(body)), json_loses=lost)
    return await _execute(exchange, SignalOptions(name=name, value=value, error=query.error))


async def _execute(exchange: Exchange, options: VerbOptions) -> AnswerModel:
    answer = await exchange.client.execute(exchange.invocation().id, options, idempotency_key=exchange.idempotency_key)
    return answer_model(answer)


_ONE = "/invocations/{id}"

ROUTES = (
    Route("PATCH", _ONE + "/cancel", TokenScope.CONTROL, cancel, repeatable=True),
    Route("PATCH", _ONE + "/pause", TokenScope.CONTROL, pause, repeatable=True),
    Route("PATCH", _ONE + "/resume", TokenScope.CONTROL, resume, repeatable=True),
    Route("PATCH", _ONE + "/reschedule", TokenScope.CONTROL, reschedule, repeatable=True),
    Route("PATCH", _ONE + "/restart-as-new", TokenScope.CONTROL, restart, holds_values=True, repeatable=True),
    Route("PATCH", _ONE + "/kill", TokenScope.ADMIN, kill, repeatable=True),
    Route("PATCH", _ONE + "/purge", TokenScope.ADMIN, purge),
    Route("POST", _ONE + "/signals/{name}", TokenScope.CONTROL, signal, repeatable=True),
)
