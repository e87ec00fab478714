"""The routes: calls by the path of a handler, and the remote control under ``/invocations``."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_to_bytes

import attrs
import msgspec
import trio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from actors.core.errors import (
    ActorError,
    InvalidArgumentError,
    PayloadTooLargeError,
    TerminalError,
    UnavailableError,
    UnknownHandlerError,
    UnknownServiceError,
)
from actors.http.models import (
    INVOCATION_HEADER,
    PROBLEM_TYPE,
    AnswerModel,
    CancelBody,
    EventList,
    InvocationList,
    PauseBody,
    Problem,
    ReasonBody,
    RestartBody,
    SentModel,
    ServiceList,
)
from actors.http.query import QUERY_BYTES, answer_query
from actors.http.tokens import is_authorized
from actors.outcomes import value_of
from journal.errors import MalformedIdError
from journal.events import Answer, Kind, Status, Target

if TYPE_CHECKING:
    from actors.client import Client
    from actors.inspection import JournalEntry
    from actors.references import InvocationHandle
    from journal.events import Outcome
    from journal.ids import InvocationId

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]

log = logging.getLogger(__name__)

_LIST_LIMIT = 1_000
_encode = msgspec.json.Encoder().encode


def make_app(client: Client, *, token: str | None, last_call: trio.Event) -> Starlette:
    """The ASGI app in front of a client. Without a token everybody may do everything: for loopback only.

    Requests that wait for an invocation give up when ``last_call`` is set.
    """
    return Starlette(routes=_routes(_Api(client, last_call), token))


def _routes(api: _Api, token: str | None) -> list[Route]:
    def route(path: str, endpoint: Endpoint, method: str) -> Route:
        return Route(path, _guarded(endpoint, token), methods=[method])

    one = "/invocations/{id}"
    return [
        Route("/health", _health, methods=["GET"]),
        route("/services", api.list_services, "GET"),
        route("/audit", api.list_audit, "GET"),
        route("/audit/check", api.check_audit, "GET"),
        route("/query", api.query, "POST"),
        route("/invocations", api.list_invocations, "GET"),
        route(one, api.get_invocation, "GET"),
        route(one + "/events", api.get_events, "GET"),
        route(one + "/output", api.get_output, "GET"),
        route(one + "/cancel", api.cancel, "PATCH"),
        route(one + "/kill", api.kill, "PATCH"),
        route(one + "/pause", api.pause, "PATCH"),
        route(one + "/resume", api.resume, "PATCH"),
        route(one + "/purge", api.purge, "PATCH"),
        route(one + "/restart-as-new", api.restart, "PATCH"),
        route(one + "/signals/{name}", api.signal, "POST"),
        route("/restate/invocation/{id}/attach", api.attach, "GET"),
        route("/{path:path}", api.call_or_send, "POST"),
    ]


class _Api:
    def __init__(self, client: Client, last_call: trio.Event) -> None:
        self._client = client
        self._last_call = last_call
        self._kinds: dict[str, Kind] = {}

    # Calls.

    async def call_or_send(self, request: Request) -> Response:
        target, is_send = await self._target(request)
        argument = await _body(request, self._client.limits.payload_bytes)
        key = request.headers.get("idempotency-key")
        if is_send:
            delay = request.query_params.get("delay")
            sent = await self._client.send(
                target, argument, idempotency_key=key, delay=None if delay is None else parse_duration(delay)
            )
            return _json(SentModel(invocation_id=sent.invocation_id, is_new=sent.is_new), 202)
        of, ended = await self._wait(request, self._client.call(target, argument, idempotency_key=key))
        return _outcome(of, ended)

    async def _target(self, request: Request) -> tuple[Target, bool]:
        segments = [_segment(part) for part in request.scope["raw_path"].split(b"/")[1:]]
        kind = await self._kind_of(segments[0])
        names = 2 if kind is Kind.SERVICE else 3
        is_send = len(segments) == names + 1 and segments[-1] == "send"
        if len(segments) != names and not is_send:
            shape = f"/{segments[0]}/{{handler}}" if kind is Kind.SERVICE else f"/{segments[0]}/{{key}}/{{handler}}"
            raise UnknownHandlerError(
                f"no handler at /{'/'.join(segments)}: {segments[0]} is a {kind.value}, so the path is {shape}[/send]"
            )
        key = None if kind is Kind.SERVICE else segments[1]
        return Target(segments[0], key, segments[names - 1]), is_send

    async def _kind_of(self, service: str) -> Kind:
        if service not in self._kinds:
            self._kinds = {info.name: info.kind for info in await self._client.services()}
        if service not in self._kinds:
            known = ", ".join(sorted(self._kinds)) or "none"
            raise UnknownServiceError(f"no service {service!r} is served here; there is {known}")
        return self._kinds[service]

    async def attach(self, request: Request) -> Response:
        handle = self._handle(request)
        return _outcome(handle.id, await self._wait(request, handle.outcome()))

    # Reading.

    async def list_services(self, request: Request) -> Response:
        return _json(ServiceList(services=list(await self._client.services(system=_flag(request, "system")))))

    async def list_audit(self, request: Request) -> Response:
        query = request.query_params
        page = await self._client.audit(
            by=query.get("by"),
            verb=query.get("verb"),
            target=query.get("target"),
            limit=_number(query.get("limit", "100"), "limit", 1, _LIST_LIMIT),
            after=query.get("after"),
        )
        return _json(page)

    async def check_audit(self, _: Request) -> Response:
        return _json(await self._client.verify_audit())

    async def list_invocations(self, request: Request) -> Response:
        query = request.query_params
        found = await self._client.invocations(
            status=[_enum(Status, text, "status") for text in query.getlist("status")] or None,
            service=query.get("service"),
            key=query.get("key"),
            handler=query.get("handler"),
            where=query.get("where"),
            limit=_number(query.get("limit", "100"), "limit", 1, _LIST_LIMIT),
            system=_flag(request, "system"),
        )
        return _json(InvocationList(invocations=found))

    async def query(self, request: Request) -> Response:
        return _json(await answer_query(self._client, await _body(request, QUERY_BYTES)))

    async def get_invocation(self, request: Request) -> Response:
        return _json(await self._handle(request).info())

    async def get_events(self, request: Request) -> Response:
        handle = self._handle(request)
        after = _number(request.query_params.get("after", "0"), "after", 0, 2**63)
        await handle.info()
        if _wants_stream(request):
            return _stream(_as_events(handle.follow(after=after)))
        return _json(EventList(events=[entry async for entry in handle.events(after=after)]))

    async def get_output(self, request: Request) -> Response:
        handle = self._handle(request)
        after = _number(request.query_params.get("after", "0"), "after", 0, 2**63)
        await handle.info()
        return _stream(_as_data(handle.output(after=after)))

    # Verbs.

    async def cancel(self, request: Request) -> Response:
        body = await _model(request, CancelBody)
        return _answer(
            await self._handle(request).cancel(
                reason=body.reason,
                children=body.children,
                kill_after=body.kill_after,
                idempotency_key=_key(request),
            )
        )

    async def kill(self, request: Request) -> Response:
        body = await _model(request, ReasonBody)
        return _answer(await self._handle(request).kill(reason=body.reason, idempotency_key=_key(request)))

    async def pause(self, request: Request) -> Response:
        body = await _model(request, PauseBody)
        return _answer(
            await self._handle(request).pause(reason=body.reason, mode=body.mode, idempotency_key=_key(request))
        )

    async def resume(self, request: Request) -> Response:
        body = await _model(request, ReasonBody)
        return _answer(await self._handle(request).resume(reason=body.reason, idempotency_key=_key(request)))

    async def restart(self, request: Request) -> Response:
        body = await _restart_body(request)
        answer = await self._handle(request).restart(
            body.from_step,
            input=body.input,
            stop=body.stop,
            rewind_state=body.rewind_state,
            hand_over=body.hand_over,
            dry_run=body.dry_run,
            reason=body.reason,
            idempotency_key=_key(request),
        )
        return _answer(answer)

    async def purge(self, request: Request) -> Response:
        return _answer(await self._handle(request).purge())

    async def signal(self, request: Request) -> Response:
        data = await _body(request, self._client.limits.payload_bytes)
        value = _parsed(data) if data else None
        return _answer(
            await self._handle(request).signal(request.path_params["name"], value, idempotency_key=_key(request))
        )

    async def _wait(self, request: Request, work: Awaitable[T]) -> T:
        """The result of the work, unless the client goes away, or the server does: then nobody waits any more."""
        results: list[T] = []
        errors: list[Exception] = []
        async with trio.open_nursery() as nursery:

            async def leave_with_client() -> None:
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                errors.append(ClientDisconnect())
                nursery.cancel_scope.cancel()

            async def leave_with_server() -> None:
                await self._last_call.wait()
                errors.append(UnavailableError("the server stops; the call goes on when it is started again"))
                nursery.cancel_scope.cancel()

            nursery.start_soon(leave_with_client)
            nursery.start_soon(leave_with_server)
            try:
                results.append(await work)
            except Exception as error:  # kept from the nursery, which would wrap it
                errors.append(error)
            nursery.cancel_scope.cancel()
        if results:
            return results[0]
        raise errors[0]

    def _handle(self, request: Request) -> InvocationHandle[Any]:
        return self._client.invocation(request.path_params["id"])


async def _health(_: Request) -> Response:
    await trio.lowlevel.checkpoint()
    return _json({"status": "ok"})


# Requests.


async def _body(request: Request, limit: int) -> bytes:
    """The body, if it is not too long, read no further than that."""
    data = bytearray()
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            data += chunk
            if len(data) > limit:
                raise PayloadTooLargeError(f"the body is longer than {limit} bytes")
    return bytes(data)


def _key(request: Request) -> str | None:
    return request.headers.get("idempotency-key")


async def _restart_body(request: Request) -> RestartBody:
    """From the body, and ``from`` from the query where it stands there."""
    body = await _model(request, RestartBody)
    step = request.query_params.get("from")
    return body if step is None else attrs.evolve(body, from_step=step)


async def _model(request: Request, kind: type[T]) -> T:
    data = await _body(request, _MODEL_BYTES)
    if not data:
        return kind()
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise InvalidArgumentError(f"the body: {error}") from error


_MODEL_BYTES = 64 << 10


def _parsed(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArgumentError(f"the body is not JSON: {error}") from error


def _segment(part: bytes) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise InvalidArgumentError(f"the path holds {part!r}, which is no UTF-8") from None


def _number(text: str, what: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text) or not low <= int(text) <= high:
        raise InvalidArgumentError(f"{what} is {text!r}, expected a number from {low} to {high}")
    return int(text)


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise InvalidArgumentError(f"{name} is {text!r}, expected true or false")
    return text == "true"


def _enum(kind: Any, text: str, what: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise InvalidArgumentError(f"{what} is {text!r}, expected one of {known}") from None


_DURATION = re.compile(r"(?P<number>[0-9]{1,12}(\.[0-9]{1,6})?) ?(?P<unit>ms|s|m|h|d|)")
_ISO_DURATION = re.compile(
    r"P(?:(?P<days>[0-9]{1,6})D)?"
    r"(?:T(?:(?P<hours>[0-9]{1,6})H)?(?:(?P<minutes>[0-9]{1,6})M)?(?:(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,6})?)S)?)?"
)
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds in ``10``, ``10s``, ``500ms``, ``2h``, ``PT10S`` and the like."""
    simple = _DURATION.fullmatch(text)
    if simple is not None:
        return float(simple["number"]) * _UNITS[simple["unit"]]
    iso = _ISO_DURATION.fullmatch(text)
    if iso is not None and any(iso.groups()):
        days, hours, minutes, seconds = (float(part or 0) for part in iso.group("days", "hours", "minutes", "seconds"))
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    raise InvalidArgumentError(f"{text!r} is no duration; write 10s, 500ms, 2m, 1h, 3d or PT10S")


def _wants_stream(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


# Responses.


def _json(model: Any, status: int = 200) -> Response:
    return Response(_encode(model), status, media_type="application/json")


def _answer(answer: Answer) -> Response:
    successor = answer.successor
    return _json(
        AnswerModel(
            changed=answer.changed,
            before=answer.before,
            after=answer.after,
            successor=successor,
            new_invocation_id=None if successor is None else successor.invocation_id,
        )
    )


def _outcome(of: InvocationId, ended: Outcome) -> Response:
    try:
        value = value_of(ended, of)
    except TerminalError as error:
        return problem(error, of)
    return Response(value, 200, {INVOCATION_HEADER: of}, media_type="application/json")


def problem(error: ActorError, of: InvocationId | None = None) -> Response:
    """An error as a response."""
    status = getattr(error, "http_status", 500)
    kind = getattr(error, "type", "") or f"{type(error).__module__}.{type(error).__qualname__}"
    model = Problem(
        title=type(error).__name__,
        status=status,
        detail=str(error),
        error=kind,
        details=getattr(error, "details", None),
        invocation_id=of or getattr(error, "invocation_id", None),
    )
    headers: dict[str, str] = {} if model.invocation_id is None else {INVOCATION_HEADER: model.invocation_id}
    if status in (429, 503):
        headers["retry-after"] = "1"
    return Response(_encode(model), status, headers, media_type=PROBLEM_TYPE)


def _stream(lines: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(lines, media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _as_events(entries: AsyncIterator[JournalEntry]) -> AsyncIterator[bytes]:
    async for entry in entries:
        yield b"id: %d\ndata: %b\n\n" % (entry.number, _encode(entry))


async def _as_data(values: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    async for value in values:
        yield b"data: %b\n\n" % _encode(value)


def _guarded(endpoint: Endpoint, token: str | None) -> Endpoint:
    """The endpoint behind the token, with errors as problems."""

    async def guarded(request: Request) -> Response:
        if token is not None and not is_authorized(request.headers.get("authorization"), token):
            model = Problem(
                title="Unauthorized",
                status=401,
                detail="this needs the server's token: send 'Authorization: Bearer …'; it lies in the data directory",
            )
            return Response(_encode(model), 401, {"www-authenticate": "Bearer"}, media_type=PROBLEM_TYPE)
        try:
            return await endpoint(request)
        except ClientDisconnect:
            return Response(status_code=499)
        except MalformedIdError as error:
            return problem(InvalidArgumentError(str(error)))
        except ActorError as error:
            return problem(error)
        except ValueError as error:  # an enum's member that does not exist
            return problem(InvalidArgumentError(str(error)))

    return guarded
