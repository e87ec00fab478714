"""The client over HTTP."""

from __future__ import annotations

import math
import os
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import httpx2

from actors.control.backend import Sent
from actors.control.client import Client
from actors.core.jobs import JobVerb
from actors.event_loop import require_trio
from actors.http.client.connection import (
    as_json,
    decoded,
    error_in,
    failure_in,
    key_header,
    path_of,
    problem_in,
    succeeded,
)
from actors.http.client.histories import RemoteEvents, RemoteMarks
from actors.http.client.liveness import ANSWER_SECONDS
from actors.http.client.opening import open_connection
from actors.http.client.remote_control import RemoteControl, answer_of
from actors.http.models import (
    INVOCATION_HEADER,
    JSON_LOSES_HEADER,
    AnswerModel,
    InvocationList,
    SentModel,
    ServiceList,
)
from actors.http.requests import MAX_WAIT
from actors.model.caller_trace import current_trace
from actors.model.handles import InvocationHandle
from actors.model.history import JournalEntry
from actors.model.info import InvocationInfo
from actors.model.listing import cursor_after
from actors.model.pages import Page
from actors.model.service_info import ServiceInfo
from actors.model.tags import pairs_of_tags
from actors.model.verb_options import SignalOptions, VerbOptions
from actors.model.verb_options_json import options_as_json
from actors.query.audit import AuditCheck, AuditPage
from actors.query.changes import ChangeSet
from actors.query.sql.result import QueryResult
from actors.values import Codec, codec_for, decode_kept
from actors.values.amounts import pairs_of_amounts
from actors.values.limits import DEFAULT_LIMITS, Limits
from actors.values.outcomes import value_of
from journal.events import ControlResult, Outcome, OutcomeKind
from journal.ids import InvocationId, parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.model.listing import Listing
    from actors.model.output import OutputChunk
    from actors.model.requests import CallOptions, Request
    from actors.query.audit import AuditQuery
    from actors.query.sql.result import Parameters
    from actors.values.arguments import Seconds
    from journal.events import Target


@asynccontextmanager
async def connect(
    url: str | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    token: str | None = None,
    user: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    answer_timeout: Seconds = ANSWER_SECONDS,
) -> AsyncIterator[Client]:
    """Connect a client to a server. ``url`` and ``token`` default to ``PLAYHEAD_URL`` and ``PLAYHEAD_TOKEN``.

    ``path`` is a data directory instead: the client controls the process that holds it, through the Unix socket in the directory.
    No token is needed, because the kernel reports the user that connects; a given one limits the client to its scope.

    ``user`` is recorded beside the token in histories and in the audit log, if the token has the scope *admin*.

    ``ca`` is a file with certificates (PEM) to trust instead of the usual ones, for a server whose certificate is from a private CA. By
    default ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` count.

    ``answer_timeout``, in seconds or as a timedelta, is how long the server may take to answer. A request that only reads then raises
    :class:`actors.UnavailableError`, and one that changes something :class:`actors.UnknownOutcomeError`. A request that waits for an
    outcome waits as long as the server answers others.

    Raises :class:`actors.InvalidArgumentError` for an invalid URL or token, and :class:`actors.errors.StoreMissing` if there is
    no such directory. The first request raises :class:`actors.UnavailableError` if nothing answers.

    ::

        async with actors.connect("http://127.0.0.1:9070", token=token) as client:
            print(await client.actor(Counter, "bob").add(5))
        async with actors.connect(path="my-data") as client:
            await client.invocation(id).cancel()
    """
    require_trio("actors.connect()", "actors.aio.connect()", "actors.sync.connect()")
    async with open_connection(
        url, path=path, token=token, user=user, ca=ca, answer_timeout=answer_timeout
    ) as connection:
        yield Client(HttpBackend(connection))


_PATHS = {JobVerb.RESTART: "restart-as-new"}
"""The names of verbs in paths, where clients of Restate use another name."""

_WAITS = {"wait": "true"}
"""Asks the server to wait for the outcome even while the invocation is paused, as calls in the runtime's process do."""


class HttpBackend(RemoteControl):
    """Calls and verbs over a connection."""

    limits: Limits = DEFAULT_LIMITS

    # Calls.

    async def call(self, request: Request) -> Any:
        argument = request.encode_arguments(self.limits)
        response = await self._called(request.target, argument, request.options, _form_of(request))
        return decode_kept(request.handler.signature.returns, succeeded(response), request)

    async def send(self, request: Request) -> InvocationHandle[Any]:
        argument = request.encode_arguments(self.limits)
        sent = await self._sent(request.target, argument, request.options, _form_of(request))
        return InvocationHandle(self, sent.invocation_id, request.handler.signature.returns)

    async def call_by_name(self, target: Target, argument: bytes, options: CallOptions) -> tuple[InvocationId, Outcome]:
        response = await self._called(target, argument, options, {})
        outcome = _outcome(response)
        return parse_invocation_id(response.headers[INVOCATION_HEADER]), outcome

    async def send_by_name(self, target: Target, argument: bytes, options: CallOptions) -> Sent:
        return await self._sent(target, argument, options, {})

    async def _sent(self, target: Target, argument: bytes, options: CallOptions, form: dict[str, str]) -> Sent:
        params: dict[str, Any] = {**form, **_shared_params(options)}
        if options.delay is not None:
            params["delay"] = f"{options.delay:.6f}s"
        headers = key_header(options.idempotency_key) | _trace_header()
        response = await self._connection.send(
            "POST", _path("send", target), headers=headers, content=argument, params=params
        )
        sent = decoded(response, SentModel)
        return Sent(invocation_id=sent.invocation_id, is_new=sent.status == "Accepted")

    async def attach(self, of: InvocationId, returns: Codec[Any] | None) -> Any:
        data = value_of(await self.outcome(of), of)
        return decode_kept(returns if returns is not None else codec_for(Any), data, f"the result of {of}")

    async def outcome(self, of: InvocationId) -> Outcome:
        path = f"/restate/invocation/{of}/attach"
        return _outcome(await self._connection.send_until_answered("GET", path, of=of, params=_WAITS))

    async def _called(
        self, target: Target, argument: bytes, options: CallOptions, form: dict[str, str]
    ) -> httpx2.Response:
        """Call a handler with an idempotency key, a new one if the caller gave none, so that the request can be
        repeated if the server is restarted.
        """
        key = f"call-{uuid.uuid4().hex}" if options.idempotency_key is None else options.idempotency_key
        return await self._connection.send_until_answered(
            "POST",
            _path("call", target),
            patience=options.timeout,
            headers=key_header(key) | _trace_header(),
            params={**_WAITS, **form, **_shared_params(options)},
            content=argument,
        )

    # Verbs.

    async def execute(
        self, of: InvocationId, options: VerbOptions, idempotency_key: str | None = None
    ) -> ControlResult:
        if isinstance(options, SignalOptions):
            return await self._signal(of, options, idempotency_key)
        path = path_of("invocations", of, _PATHS.get(options.verb, options.verb.value))
        body = options_as_json(options)
        return answer_of(await self._connection.patch(path, AnswerModel, body, idempotency_key=idempotency_key))

    async def _signal(self, of: InvocationId, options: SignalOptions, idempotency_key: str | None) -> ControlResult:
        headers = key_header(idempotency_key)
        if options.value.json_loses:
            headers[JSON_LOSES_HEADER] = quote(options.value.json_loses).encode()
        path = path_of("invocations", of, "signals", options.name)
        params = {} if options.error is None else {"error": options.error}
        response = await self._connection.send("POST", path, headers=headers, params=params, content=options.value.data)
        return answer_of(decoded(response, AnswerModel))

    # Reading.

    async def services(self, *, system: bool = False) -> tuple[ServiceInfo, ...]:
        params = {"system": "true"} if system else {}
        return tuple(decoded(await self._connection.send("GET", "/services", params=params), ServiceList).services)

    async def find(self, listing: Listing) -> Page[InvocationInfo]:
        params: list[tuple[str, str | int | float | bool | None]] = [("limit", listing.limit)]
        params += [("status", status.value) for status in listing.status or ()]
        params += [("system", "true")] if listing.system else []
        params += [("tag", pair) for pair in pairs_of_tags(listing.tags)]
        params += [
            (name, text)
            for name, text in (
                ("service", listing.service),
                ("key", listing.key),
                ("handler", listing.handler),
                ("where", listing.where),
                ("after", None if listing.after is None else cursor_after(listing.after)),
            )
            if text is not None
        ]
        found = decoded(await self._connection.send("GET", "/invocations", params=params), InvocationList)
        return Page(found.invocations, next=found.next)

    async def query(self, sql: str, parameters: Parameters) -> QueryResult:
        body = as_json({"sql": sql, "parameters": parameters})
        sent = await self._connection.send("POST", "/query", takes=math.inf, is_read=True, content=body)
        return decoded(sent, QueryResult)

    async def audit(self, query: AuditQuery) -> AuditPage:
        params: list[tuple[str, str | int | float | bool | None]] = [("limit", query.limit)]
        wanted = (("by", query.by), ("verb", query.verb), ("target", query.target), ("after", query.after))
        params += [(name, text) for name, text in wanted if text is not None]
        return decoded(await self._connection.send("GET", "/audit", params=params), AuditPage)

    async def verify_audit(self) -> AuditCheck:
        return decoded(await self._connection.send("GET", "/audit/check", takes=math.inf), AuditCheck)

    async def changes(self, after: int | None, wait: float) -> ChangeSet:
        found = await self._changes(after, min(wait, MAX_WAIT))
        while after is not None and found.position == after and (wait := wait - MAX_WAIT) > 0:
            found = await self._changes(after, min(wait, MAX_WAIT))
        return found

    async def _changes(self, after: int | None, wait: float) -> ChangeSet:
        return await self._connection.get("/changes", ChangeSet, takes=wait, after=after, wait=wait)

    async def info(self, of: InvocationId) -> InvocationInfo:
        return decoded(await self._connection.send("GET", f"/invocations/{of}"), InvocationInfo)

    def events(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[JournalEntry]:
        return RemoteEvents(self._connection, of, after, follow=follow)

    def marks(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[OutputChunk]:
        return RemoteMarks(self._connection, of, after, follow=follow)


def _trace_header() -> dict[str, bytes]:
    trace = current_trace()
    return {} if trace is None else {"traceparent": trace.traceparent.encode()}


def _shared_params(options: CallOptions) -> dict[str, Any]:
    """Return the parameters that calls and messages share."""
    params: dict[str, Any] = {} if options.tags is None else {"tag": pairs_of_tags(options.tags)}
    if options.max_duration is not None:
        params["max_duration"] = f"{options.max_duration:.6f}s"
    if options.budget is not None:
        params["budget"] = pairs_of_amounts(options.budget)
    if options.debounce is not None:
        params["debounce"] = options.debounce
    if options.max_delay is not None:
        params["max_delay"] = f"{options.max_delay:.6f}s"
    return params


def _form_of(request: Request) -> dict[str, str]:
    """Return the parameter that names the form of the body, for a server whose code has another number of parameters."""
    return {"parameter": request.handler.signature.parameter}


def _path(verb: Literal["call", "send"], target: Target) -> str:
    """Return the path of a verb on a target. It ends with the verb: in ``Account/read/send`` the last segment may be
    the name of a handler.
    """
    key = () if target.key is None else (target.key,)
    return "/restate/" + verb + path_of(target.service, *key, target.handler)


def _outcome(response: httpx2.Response) -> Outcome:
    if not response.is_error:
        return Outcome(OutcomeKind.SUCCEEDED, response.content)
    problem = problem_in(response)
    match problem.outcome:
        case OutcomeKind.CANCELLED | OutcomeKind.KILLED as kind:
            return Outcome(kind, reason=problem.details or "")
        case OutcomeKind.FAILED as kind:
            return Outcome(kind, failure=failure_in(problem))
        case _:
            raise error_in(response)
