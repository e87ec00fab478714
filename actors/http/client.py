"""The same client, over HTTP."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from actors.auditing import AuditCheck, AuditPage
from actors.client import Client, Sent
from actors.core import commands as c
from actors.core.errors import ActorError, TooSlowError, UnavailableError, UnknownOutcomeError
from actors.core.limits import DEFAULT_LIMITS, Limits
from actors.durable import encode_arguments, encode_value
from actors.fields import decode_kept
from actors.http.models import (
    INVOCATION_HEADER,
    AnswerModel,
    EventList,
    InvocationList,
    Problem,
    SentModel,
    ServiceList,
)
from actors.inspection import InvocationInfo, JournalEntry, ServiceInfo
from actors.outcomes import error_of, value_of
from actors.references import InvocationHandle
from actors.sql.result import QueryResult
from actors.values import Codec, codec_for
from journal.events import Answer, Failure, Outcome, OutcomeKind
from journal.ids import InvocationId, parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.auditing import AuditQuery
    from actors.listing import Listing
    from actors.references import Request
    from actors.sql.result import Parameters
    from journal.events import Target

M = TypeVar("M")

DEFAULT_URL = "http://127.0.0.1:9070"
URL_VARIABLE = "PLAYHEAD_URL"
TOKEN_VARIABLE = "PLAYHEAD_TOKEN"  # noqa: S105 - the name of a variable

_CONNECT_SECONDS = 5.0


@asynccontextmanager
async def connect(url: str | None = None, *, token: str | None = None) -> AsyncIterator[Client]:
    """A client of a server somewhere. ``url`` and ``token`` default to ``PLAYHEAD_URL`` and ``PLAYHEAD_TOKEN``.

    ::

        async with actors.connect("http://127.0.0.1:9070", token=token) as client:
            print(await client.actor(Counter, "bob").add(5))
    """
    base = url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    secret = token if token is not None else os.environ.get(TOKEN_VARIABLE)
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    timeout = httpx2.Timeout(None, connect=_CONNECT_SECONDS)
    async with httpx2.AsyncClient(base_url=base, headers=headers, timeout=timeout, trust_env=False) as http:
        yield Client(RemotePort(http))


class RemotePort:
    """Calls and verbs over a connection."""

    limits: Limits = DEFAULT_LIMITS

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    # Calls.

    async def call(self, request: Request) -> Any:
        argument = encode_arguments(request, self.limits)
        headers = _headers(request.options.idempotency_key)
        timeout = request.options.timeout
        try:
            response = await self._send(
                "POST", _path(request.target), headers=headers, content=argument, timeout=timeout
            )
        except httpx2.ReadTimeout as error:
            raise TooSlowError(f"{request.target} did not answer within {timeout} seconds; it goes on") from error
        return decode_kept(request.handler.signature.returns, _succeeded(response), f"the result of {request.target}")

    async def send(self, request: Request) -> InvocationHandle[Any]:
        argument = encode_arguments(request, self.limits)
        options = request.options
        sent = await self.send_by_name(request.target, argument, options.idempotency_key, options.delay)
        return InvocationHandle(self, sent.invocation_id, request.handler.signature.returns)

    async def call_by_name(
        self, target: Target, argument: bytes, idempotency_key: str | None
    ) -> tuple[InvocationId, Outcome]:
        response = await self._send("POST", _path(target), headers=_headers(idempotency_key), content=argument)
        of = response.headers.get(INVOCATION_HEADER)
        if of is None:
            raise _error(response)
        return parse_invocation_id(of), _outcome(response)

    async def send_by_name(
        self, target: Target, argument: bytes, idempotency_key: str | None, delay: float | None
    ) -> Sent:
        params = {} if delay is None else {"delay": f"{delay:.6f}s"}
        response = await self._send(
            "POST", _path(target) + "/send", headers=_headers(idempotency_key), content=argument, params=params
        )
        sent = _decode(response, SentModel)
        return Sent(invocation_id=sent.invocation_id, is_new=sent.status == "Accepted")

    async def attach(self, of: InvocationId, returns: Codec[Any] | None) -> Any:
        data = value_of(await self.outcome(of), of)
        return decode_kept(returns if returns is not None else codec_for(Any), data, f"the result of {of}")

    async def outcome(self, of: InvocationId) -> Outcome:
        response = await self._send("GET", f"/restate/invocation/{of}/attach")
        if response.is_error and INVOCATION_HEADER not in response.headers:
            raise _error(response)
        return _outcome(response)

    # Verbs.

    async def obey(self, command: c.Command, idempotency_key: str | None = None) -> Answer:
        match command:
            case c.CancelInvocation():
                body = {"reason": command.reason, "children": command.children.value, "kill_after": command.kill_after}
                return await self._verb(command.invocation_id, "cancel", body, idempotency_key)
            case c.PauseInvocation():
                body = {"reason": command.reason, "mode": command.mode.value}
                return await self._verb(command.invocation_id, "pause", body, idempotency_key)
            case c.KillInvocation():
                return await self._verb(command.invocation_id, "kill", {"reason": command.reason}, idempotency_key)
            case c.ResumeInvocation():
                return await self._verb(command.invocation_id, "resume", {"reason": command.reason}, idempotency_key)
            case c.RestartInvocation():
                return await self._verb(command.invocation_id, "restart-as-new", _restart(command), idempotency_key)
            case c.PurgeInvocations():
                return await self._verb(command.invocation_ids[0], "purge", {}, None)
            case c.SignalInvocation():
                path = f"/invocations/{command.invocation_id}/signals/{quote(command.name, safe='')}"
                headers = _headers(idempotency_key)
                return _answer(await self._send("POST", path, headers=headers, content=command.value))
            case _:
                raise AssertionError(f"{type(command).__name__} is no verb")

    async def _verb(self, of: InvocationId, verb: str, body: dict[str, Any], idempotency_key: str | None) -> Answer:
        path, content = f"/invocations/{of}/{verb}", msgspec.json.encode(body)
        return _answer(await self._send("PATCH", path, headers=_headers(idempotency_key), content=content))

    # Reading.

    async def services(self, *, system: bool = False) -> tuple[ServiceInfo, ...]:
        params = {"system": "true"} if system else {}
        return tuple(_decode(await self._send("GET", "/services", params=params), ServiceList).services)

    async def find(self, listing: Listing) -> list[InvocationInfo]:
        params: list[tuple[str, str | int | float | bool | None]] = [("limit", listing.limit)]
        params += [("status", status.value) for status in listing.status or ()]
        params += [("system", "true")] if listing.system else []
        params += [
            (name, text)
            for name, text in (
                ("service", listing.service),
                ("key", listing.key),
                ("handler", listing.handler),
                ("where", listing.where),
            )
            if text is not None
        ]
        return _decode(await self._send("GET", "/invocations", params=params), InvocationList).invocations

    async def query(self, sql: str, parameters: Parameters) -> QueryResult:
        body = msgspec.json.encode({"sql": sql, "parameters": parameters})
        return _decode(await self._send("POST", "/query", content=body), QueryResult)

    async def audit(self, query: AuditQuery) -> AuditPage:
        params: list[tuple[str, str | int | float | bool | None]] = [("limit", query.limit)]
        wanted = (("by", query.by), ("verb", query.verb), ("target", query.target), ("after", query.after))
        params += [(name, text) for name, text in wanted if text is not None]
        return _decode(await self._send("GET", "/audit", params=params), AuditPage)

    async def verify_audit(self) -> AuditCheck:
        return _decode(await self._send("GET", "/audit/check"), AuditCheck)

    async def info(self, of: InvocationId) -> InvocationInfo:
        return _decode(await self._send("GET", f"/invocations/{of}"), InvocationInfo)

    def events(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[JournalEntry]:
        return self._followed(of, after) if follow else self._listed(of, after)

    async def _listed(self, of: InvocationId, after: int) -> AsyncIterator[JournalEntry]:
        for entry in _decode(
            await self._send("GET", f"/invocations/{of}/events", params={"after": after}), EventList
        ).events:
            yield entry

    async def _followed(self, of: InvocationId, after: int) -> AsyncIterator[JournalEntry]:
        async for data in self._stream(f"/invocations/{of}/events", after):
            yield msgspec.json.decode(data, type=JournalEntry)

    async def output(self, of: InvocationId, after: int) -> AsyncIterator[Any]:
        async for data in self._stream(f"/invocations/{of}/output", after):
            yield msgspec.json.decode(data)

    async def _stream(self, path: str, after: int) -> AsyncIterator[str]:
        headers = {"accept": "text/event-stream"}
        async with self._http.stream("GET", path, params={"after": after}, headers=headers) as response:
            if response.is_error:
                await response.aread()
                raise _error(response)
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    yield line[len("data: ") :]

    def encode_value(self, value: Any, what: str) -> bytes:
        return encode_value(value, what)

    async def _send(self, method: str, path: str, *, timeout: float | None = None, **kwargs: Any) -> httpx2.Response:  # noqa: ASYNC109
        headers = {"content-type": "application/json", **kwargs.pop("headers", {})}
        bound = httpx2.Timeout(timeout, connect=_CONNECT_SECONDS)
        try:
            return await self._http.request(method, path, headers=headers, timeout=bound, **kwargs)
        except httpx2.ConnectError as error:
            raise UnavailableError(
                f"nothing answers at {self._http.base_url}: {error}. Start it with 'playhead serve', or set {URL_VARIABLE}"
            ) from error
        except (httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.WriteError) as error:
            raise UnknownOutcomeError(
                f"the connection to {self._http.base_url} broke before the answer came ({error!r}); what was asked for may "
                "have been taken. An idempotency key makes asking again safe"
            ) from error


def _path(target: Target) -> str:
    segments = [target.service, target.handler] if target.key is None else [target.service, target.key, target.handler]
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def _headers(idempotency_key: str | None) -> dict[str, str]:
    return {} if idempotency_key is None else {"idempotency-key": idempotency_key}


def _decode(response: httpx2.Response, kind: type[M]) -> M:
    return msgspec.json.decode(_succeeded(response), type=kind)


def _answer(response: httpx2.Response) -> Answer:
    answer = _decode(response, AnswerModel)
    return Answer(answer.changed, answer.before, answer.after, answer.successor)


def _restart(command: c.RestartInvocation) -> dict[str, Any]:
    return {
        "from_step": command.from_step,
        "input": None if command.argument is None else msgspec.Raw(command.argument),
        "stop": None if command.stop is None else command.stop.value,
        "rewind_state": command.rewind_state,
        "hand_over": command.hand_over,
        "dry_run": command.dry_run,
        "reason": command.reason,
    }


def _succeeded(response: httpx2.Response) -> bytes:
    if response.is_error:
        raise _error(response)
    return response.content


def _problem(response: httpx2.Response) -> Problem:
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except msgspec.DecodeError:
        return Problem(title="?", status=response.status_code, detail=response.text[:500])


def _error(response: httpx2.Response) -> ActorError:
    problem = _problem(response)
    if not problem.error:
        return UnavailableError(f"{response.request.url}: {problem.status}: {problem.detail}")
    details = b"" if problem.details is None else msgspec.json.encode(problem.details)
    return error_of(Failure(problem.error, problem.detail, details=details), problem.invocation_id)


def _outcome(response: httpx2.Response) -> Outcome:
    if not response.is_error:
        return Outcome(OutcomeKind.SUCCEEDED, response.content)
    problem = _problem(response)
    if problem.title in _STOPPED:
        return Outcome(_STOPPED[problem.title], reason=problem.details or "")
    details = b"" if problem.details is None else msgspec.json.encode(problem.details)
    return Outcome(OutcomeKind.FAILED, failure=Failure(problem.error, problem.detail, details=details))


_STOPPED = {
    "InvocationCancelledError": OutcomeKind.CANCELLED,
    "InvocationKilledError": OutcomeKind.KILLED,
}
