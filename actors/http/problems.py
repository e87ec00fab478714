"""Errors as responses in the format of RFC 9457, with the type of the exception, so that a client can raise it again."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs
import msgspec
from starlette.responses import Response

from actors.errors import (
    ActorError,
    InvalidArgumentError,
    InvocationPausedError,
    MailboxFullError,
    Refused,
    SignalBufferFullError,
    UnauthorizedError,
    UnavailableError,
    UnknownOutcomeError,
    is_built_in,
    qualname_of,
)
from actors.http.models import INVOCATION_HEADER, PROBLEM_TYPE, RESTATE_ID_HEADER, Problem
from actors.values.error_details import carried_by, details_of
from actors.values.failures import text_of, type_of
from journal.errors import JournalError, MalformedIdError, Unavailable

if TYPE_CHECKING:
    from journal.events import OutcomeKind
    from journal.ids import InvocationId

_encode = msgspec.json.Encoder().encode


class NoSuchPathError(Refused):
    """The server has no such path."""

    http_status = 404


class MethodNotAllowedError(Refused):
    """The path exists but not the method. ``allowed`` are the methods that do."""

    http_status = 405
    allowed: tuple[str, ...] = ()


class SlowBodyError(Refused):
    """The body did not arrive in time."""

    http_status = 408


class WrongMediaTypeError(Refused):
    """The content type of the body is not JSON."""

    http_status = 415


class MisdirectedRequestError(Refused):
    """The request names another host, possibly a name that an attacker has pointed at this server."""

    http_status = 421


class HeadTooLargeError(Refused):
    """The request line and headers are longer than the limit."""

    http_status = 431


class NotCompletedYetError(Refused):
    """The invocation exists and has no output yet. Restate's clients wait for status 470."""

    http_status = 470


SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""The security headers of every response that does not set its own."""

RETRY_AFTER_SECONDS = 1
"""The delay suggested to a client that was refused for lack of room."""

_PASSING = frozenset(
    {InvocationPausedError, MailboxFullError, SignalBufferFullError, UnavailableError, UnknownOutcomeError}
)
"""The refusals that may succeed when the request is repeated. Their subclasses may not: an object that is set aside stays so
until the next start."""


def _as_actors(error: ActorError | JournalError) -> ActorError:
    """An error of the journal as one of this package: not here, or not readable or writable for now."""
    match error:
        case ActorError():
            return error
        case MalformedIdError():
            return InvalidArgumentError(str(error))
        case Unavailable():
            return UnavailableError(str(error))
        case _:
            return ActorError(str(error))


def problem_of(error: ActorError, of: InvocationId | None = None, outcome: OutcomeKind | None = None) -> Problem:
    """An error as the body of a response. Attributes of a user's class with the same names are the user's own."""
    kind, details = type(error), details_of(error)
    own = error if is_built_in(kind) else None
    carried = carried_by(error, details) if own is None or details.typed else b""
    return Problem(
        title=qualname_of(kind).rpartition(".")[2],
        status=_status_of(error),
        detail=text_of(error),
        error=type_of(error),
        details=msgspec.Raw(details.data) if details.data else None,
        carried=msgspec.Raw(carried) if carried else None,
        path=getattr(own, "path", None),
        invocation_id=of or getattr(own, "invocation_id", None),
        outcome=outcome,
        invocation_status=getattr(own, "status", None),
    )


def _status_of(error: ActorError) -> int:
    """The HTTP status that the class of the error names, if it is a valid error status."""
    with contextlib.suppress(BaseException):  # a user's attribute, which may be anything
        if type(error.http_status) is int and 400 <= error.http_status <= 599:
            return error.http_status
    return ActorError.http_status


def respond_with(
    raised: ActorError | JournalError, of: InvocationId | None = None, outcome: OutcomeKind | None = None
) -> Response:
    """An error as a response."""
    error = _as_actors(raised)
    model = problem_of(error, of, outcome)
    headers: dict[str, str] = {}
    if model.invocation_id is not None:
        headers = {INVOCATION_HEADER: model.invocation_id, RESTATE_ID_HEADER: model.invocation_id}
    if outcome is None:
        headers |= _headers_of_refusal(error)
    return Response(_encode(model), model.status, headers, media_type=PROBLEM_TYPE)


def _headers_of_refusal(error: ActorError) -> dict[str, str]:
    """The headers that tell how to repeat the request. A recorded failure of the same class says nothing about the request that
    reads it."""
    if type(error) in _PASSING:
        return {"retry-after": str(RETRY_AFTER_SECONDS)}
    if isinstance(error, MethodNotAllowedError):
        return {"allow": ", ".join(error.allowed)}
    return {"www-authenticate": "Bearer"} if isinstance(error, UnauthorizedError) else {}


def encode_unreadable(status: int) -> bytes:
    """The body of a response to bytes that are not a valid request."""
    error: Refused
    if status == HeadTooLargeError.http_status:
        error = HeadTooLargeError("the head of the request is too long")
    else:
        error = InvalidArgumentError("the request is not valid HTTP/1.1")
    return _encode(attrs.evolve(problem_of(error), status=status))
