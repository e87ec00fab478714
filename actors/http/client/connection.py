"""One connection to a server: requests, streams, and responses as values or as errors of their own classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import httpx2
import msgspec
import trio

from actors.errors import (
    ActorError,
    BlockedLoopError,
    ErrorCode,
    InvalidArgumentError,
    InvocationPausedError,
    NoLongerFitsError,
    NonDeterminismError,
    ResourceKind,
    StepLostError,
    StepTimeoutError,
    TooSlowError,
    UnavailableError,
    UnknownOutcomeError,
)
from actors.errors.names import is_built_in, type_name
from actors.event_loop import own_run, require_own_run
from actors.http.client.causes import connection_failure, speaks_tls
from actors.http.client.liveness import CONNECT_SECONDS, Liveness
from actors.http.models import Problem
from actors.http.token_path import URL_VARIABLE
from actors.model.verbs.refused_use import require_no_handler
from actors.values.arguments import PATH_STEPS
from actors.values.outcomes import error_of
from journal.events import Failure

if TYPE_CHECKING:
    from journal.ids import InvocationId

M = TypeVar("M")

RECONNECT_SECONDS = 60.0
"""How long a call is repeated after its connection broke or its server stopped. A restart takes less time."""

_START_IT = f"Start it with 'playhead serve', or set {URL_VARIABLE}"

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0

_NOT_TERMINAL = {
    type_name(kind): kind
    for kind in (
        UnknownOutcomeError,
        InvocationPausedError,
        NonDeterminismError,
        NoLongerFitsError,
        StepLostError,
        StepTimeoutError,
        BlockedLoopError,
        ActorError,
    )
}
_PASSES = (ErrorCode.UNAVAILABLE, ErrorCode.NOT_OWNER, ErrorCode.OUTCOME_UNKNOWN)
_TOO_SLOW = "no answer came within {} seconds; the request may still be executed"


class ServerSilent(Exception):
    """While a request waited, the server answered no other request either."""


class Connection:
    """Exchanges JSON with a server. A request without a response raises :class:`actors.UnknownOutcomeError`.

    ``place`` names the server in messages, by default by its URL, and ``advice`` says what to do if nothing answers there.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        liveness: Liveness | None = None,
        *,
        place: str | None = None,
        advice: str = _START_IT,
    ) -> None:
        self._own_run = own_run()
        self._http = http
        self._liveness = liveness if liveness is not None else Liveness()
        self._place = place if place is not None else str(http.base_url)
        self._advice = advice

    async def get(self, path: str, kind: type[M], *, takes: float = 0.0, **params: Any) -> M:
        """GET a resource and decode it as ``kind``. Leaves out parameters that are None. ``takes`` is as in :meth:`send`."""
        given = {name: value for name, value in params.items() if value is not None}
        return decoded(await self.send("GET", path, takes=takes, params=given), kind)

    async def post(self, path: str, kind: type[M], body: dict[str, Any], *, takes: float = 0.0) -> M:
        """POST a body and decode the response as ``kind``. ``takes`` is as in :meth:`send`."""
        return decoded(await self.send("POST", path, takes=takes, content=as_json(body)), kind)

    async def patch(self, path: str, kind: type[M], body: dict[str, Any], *, idempotency_key: str | None = None) -> M:
        """PATCH with a body and decode the response as ``kind``."""
        content = as_json(body)
        return decoded(await self.send("PATCH", path, headers=key_header(idempotency_key), content=content), kind)

    async def send(
        self,
        method: str,
        path: str,
        *,
        patience: float | None = None,
        takes: float = 0.0,
        is_read: bool | None = None,
        **kwargs: Any,
    ) -> httpx2.Response:
        """Send a request and return its response, with any status.

        ``takes`` is how many seconds the server may need for the work beyond the time for any answer; ``math.inf``: as long as it
        answers other requests. ``patience`` is a timeout of the caller in seconds. ``is_read`` says whether the request changes
        nothing, which a GET never does.

        Raises ``UnavailableError``, ``UnknownOutcomeError`` and ``TooSlowError``.
        """
        require_no_handler()
        require_own_run(self._own_run)
        headers = {"content-type": "application/json", **kwargs.pop("headers", {})}
        longest = self._liveness.answer_timeout + takes
        bound = httpx2.Timeout(_bound(longest if patience is None else patience), connect=CONNECT_SECONDS, pool=None)
        is_read = method == "GET" if is_read is None else is_read
        try:
            with self._liveness.pending(takes if patience is None else math.inf):
                return await self._http.request(method, path, headers=headers, timeout=bound, **kwargs)
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError) as error:
            raise InvalidArgumentError(f"{self._place}: the request cannot be sent over HTTP: {error}") from error
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise self._unreached(error) from error
        except (httpx2.ReadTimeout, httpx2.WriteTimeout) as error:
            if patience is not None:
                raise TooSlowError(_TOO_SLOW.format(patience)) from error
            raise self._silent(longest, is_read=is_read) from error
        except httpx2.TransportError as error:
            if speaks_tls(error):
                raise UnavailableError(f"the server at {self._place} speaks TLS: write https:// in its URL") from error
            raise UnknownOutcomeError(
                f"the connection to {self._place} broke before the answer arrived ({error!r}); the request may "
                "have been accepted. With an idempotency key it is safe to repeat it"
            ) from error
        # The server is silent, so the request does not wait any longer.
        raise self._silent(self._liveness.answer_timeout, is_read=is_read) from ServerSilent()

    def _unreached(self, error: Exception) -> UnavailableError:
        why, remedy = connection_failure(error)
        if remedy is None:
            return UnavailableError(f"no server answers at {self._place}: {why}. {self._advice}")
        return UnavailableError(f"the server at {self._place} cannot be reached over TLS: {why}. {remedy}")

    def _silent(self, seconds: float, *, is_read: bool) -> UnavailableError | UnknownOutcomeError:
        """Return the error for a server that accepts connections and does not answer."""
        said = (
            f"{self._place} accepts connections, but has not answered for {seconds:g} seconds: the process is stopped, blocked or "
            "overloaded. Look at its state and its log, or wait longer with --timeout SECONDS (answer_timeout= in Python)"
        )
        if is_read:
            return UnavailableError(said)
        return UnknownOutcomeError(
            f"{said}. Whether the request is carried out is unknown. When the server answers again, 'playhead audit' and 'playhead "
            "invocations list' show what it has carried out; a request with an idempotency key is safe to repeat"
        )

    async def send_until_answered(
        self,
        method: str,
        path: str,
        *,
        of: InvocationId | None = None,
        patience: float | None = None,
        **kwargs: Any,
    ) -> httpx2.Response:
        """Return the response to a repeatable request, which is repeated for :data:`RECONNECT_SECONDS` while the server is
        unreachable.

        If nothing answers the first time, the error is raised at once. Raises as :meth:`send` does; ``UnknownOutcomeError`` names
        the invocation if it is known (``of``, or from the server's response).
        """
        require_no_handler()
        require_own_run(self._own_run)
        began = trio.current_time()
        away_since: float | None = None
        pause = _FIRST_PAUSE_SECONDS
        while True:
            left = None if patience is None else patience - (trio.current_time() - began)
            if left is not None and left <= 0:
                raise TooSlowError(_TOO_SLOW.format(patience))
            try:
                response = await self.send(method, path, patience=left, takes=math.inf, **kwargs)
                if not _says_to_ask_again(response):
                    return response
                of = problem_in(response).invocation_id or of
                error: ActorError = error_in(response)
            except UnavailableError as unreached:
                if away_since is None:
                    raise
                error = unreached
            except UnknownOutcomeError as broken:
                broken.invocation_id = of
                if isinstance(broken.__cause__, (httpx2.TimeoutException, ServerSilent)):
                    raise  # it has been waited for long enough
                error = broken
            away_since = trio.current_time() if away_since is None else away_since
            if trio.current_time() - away_since >= RECONNECT_SECONDS:
                asked = kwargs.get("headers", {}).get("idempotency-key", b"").decode()
                unknown = UnknownOutcomeError(
                    f"no answer came for {RECONNECT_SECONDS:g} seconds: {error}"
                    + (f". It was requested under the idempotency key {asked!r}" if asked else "")
                )
                unknown.invocation_id = of
                raise unknown from error
            await trio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _bound(seconds: float) -> float | None:
    return None if math.isinf(seconds) else seconds


def _says_to_ask_again(response: httpx2.Response) -> bool:
    """Report whether the response says that the server accepted the request and is stopping before it can answer, or that no node of
    a cluster owns the object now."""
    if not response.is_error:
        return False
    problem = problem_in(response)
    return problem.outcome is None and problem.invocation_id is not None and problem.code in _PASSES


def as_json(body: dict[str, Any]) -> bytes:
    """Encode the body of a request as JSON. Raises ``InvalidArgumentError`` for a value that JSON cannot represent."""
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"the request cannot be written as JSON: {error}") from error


def path_of(*segments: str) -> str:
    """Join the escaped segments to a path. Raises :class:`actors.InvalidArgumentError` for ``.`` and ``..``."""
    for segment in segments:
        if segment in PATH_STEPS:
            raise InvalidArgumentError(
                f"{segment!r} cannot be used: HTTP clients treat it as a relative path", path="key"
            )
    return "".join("/" + quote(segment, safe="") for segment in segments)


def key_header(idempotency_key: str | None) -> dict[str, bytes]:
    """Return the idempotency key as a header. Raises ``InvalidArgumentError`` for a key that a header cannot carry
    unchanged.
    """
    if idempotency_key is None:
        return {}
    if idempotency_key != idempotency_key.strip() or not idempotency_key.isprintable():
        raise InvalidArgumentError(
            f"idempotency_key is {idempotency_key!r}; a header cannot carry control characters or surrounding spaces",
            path="idempotency_key",
        )
    return {"idempotency-key": idempotency_key.encode()}


def decoded(response: httpx2.Response, kind: type[M]) -> M:
    """Decode the body as ``kind``. Raises the error that the response describes."""
    return msgspec.json.decode(succeeded(response), type=kind)


def succeeded(response: httpx2.Response) -> bytes:
    """Return the body of a successful response. Raises the error that the response describes."""
    if response.is_error:
        raise error_in(response)
    return response.content


def problem_in(response: httpx2.Response) -> Problem:
    """Return the error document in a response, or one made from the response if it has none."""
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except ValueError:
        return Problem(title="?", status=response.status_code, detail=response.text[:500])


def error_in(response: httpx2.Response) -> ActorError:
    """Return the error that the response describes, in its original class if known."""
    problem = problem_in(response)
    if not problem.error:
        return UnavailableError(f"{response.request.url}: {problem.status}: {problem.detail}")
    # A recorded failure of such a class is raised as in process: by the class that names it, since it is an outcome.
    error: ActorError
    if problem.outcome is None and problem.error in _NOT_TERMINAL:
        error = _NOT_TERMINAL[problem.error](problem.detail)
        if isinstance(error, (UnknownOutcomeError, InvocationPausedError)):
            error.invocation_id = problem.invocation_id
    else:
        error = error_of(failure_in(problem), problem.invocation_id)
    if is_built_in(type(error)):
        _put_attributes(error, problem, response.headers.get("allow"))
    return error


def _put_attributes(error: ActorError, problem: Problem, allowed: str | None) -> None:
    """Set the attributes that the error's class declares. An unknown code, from a later version, becomes the default
    code of the class.
    """
    said = {
        "code": next((code for code in ErrorCode if code == problem.code), None),
        "kind": next((kind for kind in ResourceKind if kind == problem.kind), None),
        "limit": problem.limit,
        "maximum": problem.maximum,
        "found": problem.found,
        "path": problem.path,
        "position": problem.position,
        "signal": problem.signal,
        "status": problem.invocation_status,
        "allowed": None if allowed is None else tuple(allowed.split(", ")),
    }
    for name, value in said.items():
        if value is not None and hasattr(type(error), name):
            setattr(error, name, value)


def failure_in(problem: Problem) -> Failure:
    """Return the error that the response describes, as a recorded failure."""
    details = b"" if problem.details is None else msgspec.json.encode(problem.details)
    return Failure(problem.error, problem.detail, details=details, carried=msgspec.json.encode(problem.carried))
