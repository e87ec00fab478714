"""The verbs on an invocation."""

from __future__ import annotations

from urllib.parse import unquote

import attrs

from actors.http.models import (
    JSON_LOSES_HEADER,
    AnswerModel,
    CancelBody,
    PauseBody,
    ReasonBody,
    RestartBody,
    RestartQuery,
    ResumeBody,
    ResumeQuery,
    answer_model,
)
from actors.http.problems import NoSuchPathError
from actors.http.routes import JsonBody, Route, TokenScope
from actors.http.server.request_context import Exchange, read_json
from actors.values import Written, encode_json, write_by_own_type
from actors.values.arguments import MAX_NAME, checked_text


async def cancel(exchange: Exchange, body: CancelBody) -> AnswerModel:
    """Cancel it and run its compensations."""
    return answer_model(
        await exchange.invocation().cancel(
            reason=body.reason,
            children=body.children,
            kill_after=body.kill_after,
            idempotency_key=exchange.idempotency_key,
        )
    )


async def kill(exchange: Exchange, body: ReasonBody) -> AnswerModel:
    """Kill it at once, without compensation."""
    handle = exchange.invocation()
    return answer_model(await handle.kill(reason=body.reason, idempotency_key=exchange.idempotency_key))


async def pause(exchange: Exchange, body: PauseBody) -> AnswerModel:
    """Pause it where it is."""
    handle = exchange.invocation()
    return answer_model(
        await handle.pause(reason=body.reason, mode=body.mode, idempotency_key=exchange.idempotency_key)
    )


async def resume(exchange: Exchange, query: ResumeQuery, body: ResumeBody) -> AnswerModel:
    """Resume it where it stopped; while it is backing off, retry now."""
    return answer_model(
        await exchange.invocation().resume(
            reason=body.reason,
            deployment=body.deployment,
            require_compatible=query.require_compatible,
            idempotency_key=exchange.idempotency_key,
        )
    )


async def restart(exchange: Exchange, query: RestartQuery, body: RestartBody) -> AnswerModel:
    """Restart it as a new invocation, from the beginning or a step; earlier operations are kept."""
    return answer_model(
        await exchange.invocation().restart(
            body.from_step if query.from_step is None else _point(query.from_step),
            input=Written(encode_json(body.input), body.json_loses) if body.json_loses else body.input,
            stop=body.stop,
            rewind_state=body.rewind_state,
            hand_over=body.hand_over,
            deployment=body.deployment if query.deployment is None else query.deployment,
            dry_run=body.dry_run,
            require_compatible=query.require_compatible,
            reason=body.reason,
            idempotency_key=exchange.idempotency_key,
        )
    )


def _point(text: str) -> str:
    return f"entry {text}" if text.isascii() and text.isdecimal() else text


async def purge(exchange: Exchange) -> AnswerModel:
    """Delete the history and the result of a completed invocation."""
    return answer_model(await exchange.invocation().purge())


async def signal(exchange: Exchange, body: JsonBody) -> AnswerModel:
    """Send it a signal; the value is buffered until awaited."""
    name = exchange.path["name"]
    if len(name) > MAX_NAME:
        raise NoSuchPathError(f"the name of a signal has {len(name)} characters, the limit is {MAX_NAME}")
    lost = checked_text(unquote(exchange.request.headers.get(JSON_LOSES_HEADER, "")), JSON_LOSES_HEADER)
    value = attrs.evolve(write_by_own_type(read_json(body)), json_loses=lost)
    key = exchange.idempotency_key
    return answer_model(await exchange.invocation().signal(name, value, idempotency_key=key))


_ONE = "/invocations/{id}"

ROUTES = (
    Route("PATCH", _ONE + "/cancel", TokenScope.CONTROL, cancel, repeatable=True),
    Route("PATCH", _ONE + "/pause", TokenScope.CONTROL, pause, repeatable=True),
    Route("PATCH", _ONE + "/resume", TokenScope.CONTROL, resume, repeatable=True),
    Route("PATCH", _ONE + "/restart-as-new", TokenScope.CONTROL, restart, holds_values=True, repeatable=True),
    Route("PATCH", _ONE + "/kill", TokenScope.ADMIN, kill, repeatable=True),
    Route("PATCH", _ONE + "/purge", TokenScope.ADMIN, purge),
    Route("POST", _ONE + "/signals/{name}", TokenScope.CONTROL, signal, repeatable=True),
)
