"""One connection to a server: requests, streams, and what comes back as values or as errors of their own classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from actors.core.errors import ActorError, InvalidArgumentError, UnavailableError, UnknownOutcomeError
from actors.http.models import Problem
from actors.outcomes import error_of
from journal.events import Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

M = TypeVar("M")

URL_VARIABLE = "PLAYHEAD_URL"
CONNECT_SECONDS = 5.0


class Connection:
    """Speaks JSON with a server. A request whose answer does not come raises :class:`actors.UnknownOutcomeError`."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def get(self, path: str, kind: type[M], **params: Any) -> M:
        """What is there, as its model; parameters that are None are not sent."""
        given = {name: value for name, value in params.items() if value is not None}
        return decoded(await self.send("GET", path, params=given), kind)

    async def patch(self, path: str, kind: type[M], body: dict[str, Any], *, idempotency_key: str | None = None) -> M:
        """The answer of a verb, as its model."""
        content = msgspec.json.encode(body)
        return decoded(await self.send("PATCH", path, headers=key_header(idempotency_key), content=content), kind)

    async def send(self, method: str, path: str, *, timeout: float | None = None, **kwargs: Any) -> httpx2.Response:  # noqa: ASYNC109
        """A request, and its response whatever that says."""
        headers = {"content-type": "application/json", **kwargs.pop("headers", {})}
        bound = httpx2.Timeout(timeout, connect=CONNECT_SECONDS)
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

    async def stream(self, path: str, after: int) -> AsyncIterator[str]:
        """The data of each event that comes, behind the position ``after``."""
        headers = {"accept": "text/event-stream"}
        async with self._http.stream("GET", path, params={"after": after}, headers=headers) as response:
            if response.is_error:
                await response.aread()
                raise error_in(response)
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    yield line[len("data: ") :]


def path_of(*segments: str) -> str:
    """A path of these segments, whatever is in them."""
    return "".join("/" + quote(segment, safe="") for segment in segments)


def key_header(idempotency_key: str | None) -> dict[str, str]:
    """What makes a request the same when it comes again."""
    return {} if idempotency_key is None else {"idempotency-key": idempotency_key}


def decoded(response: httpx2.Response, kind: type[M]) -> M:
    """The body as its model, or the error that it is, raised."""
    return msgspec.json.decode(succeeded(response), type=kind)


def succeeded(response: httpx2.Response) -> bytes:
    """The body, or the error that it is, raised."""
    if response.is_error:
        raise error_in(response)
    return response.content


def problem_in(response: httpx2.Response) -> Problem:
    """What an error's response says."""
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except msgspec.DecodeError:
        return Problem(title="?", status=response.status_code, detail=response.text[:500])


def error_in(response: httpx2.Response) -> ActorError:
    """The error that a response says, of its own class."""
    problem = problem_in(response)
    if not problem.error:
        return UnavailableError(f"{response.request.url}: {problem.status}: {problem.detail}")
    details = b"" if problem.details is None else msgspec.json.encode(problem.details)
    error = error_of(Failure(problem.error, problem.detail, details=details), problem.invocation_id)
    if isinstance(error, InvalidArgumentError):
        error.path = problem.path or "$"
    return error
