"""Errors as responses in the format of RFC 9457, with the type of the exception, so that a client can raise it again."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.errors import ActorError, DefinitionError, ErrorCode, InvalidArgumentError, RefusedError, UnavailableError
from actors.errors.base import code_of
from actors.errors.names import is_built_in, qualname_of
from actors.http.messages import HttpResponse
from actors.http.models import INVOCATION_HEADER, PROBLEM_TYPE, RESTATE_ID_HEADER, Problem
from actors.values.error_details import carried_by, details_of
from actors.values.failures import text_of, type_of
from journal.errors import JournalError, MalformedIdError, Unavailable

if TYPE_CHECKING:
    from journal.events import OutcomeKind
    from journal.ids import InvocationId

_encode = msgspec.json.Encoder().encode


class RequestError(RefusedError):
    """A request that HTTP itself refuses. ``status_code`` is the status of the response; ``ends_connection``: the bytes after the
    request cannot be trusted."""

    status_code = 400
    ends_connection = False
    code: ErrorCode = ErrorCode.INVALID_ARGUMENT


class MethodNotAllowedError(RequestError):
    """The path exists but does not support the method. ``allowed`` are the methods that it supports."""

    status_code = 405
    allowed: tuple[str, ...] = ()


class SlowBodyError(RequestError):
    """The body did not arrive in time."""

    status_code = 408
    code = ErrorCode.DEADLINE_EXCEEDED


class WrongMediaTypeError(RequestError):
    """The content type of the body is not JSON."""

    status_code = 415


class MisdirectedRequestError(RequestError):
    """The request names another host, possibly a name that an attacker has pointed at this server."""

    status_code = 421


class AmbiguousLengthError(RequestError):
    """The request states its length twice. RFC 9112, section 6.1: a proxy may have understood another length."""

    ends_connection = True


class WebSocketError(RequestError):
    """The request asks for a web socket."""

    status_code = 403
    ends_connection = True
    code = ErrorCode.FORBIDDEN


class HeadTooLargeError(RequestError):
    """The request line and headers are longer than the limit."""

    status_code = 431
    code = ErrorCode.TOO_LARGE


class NotCompletedYetError(RequestError):
    """The invocation exists and has no output yet. Restate's clients wait for status 470."""

    status_code = 470
    code = ErrorCode.NOT_COMPLETED


STATUS_OF_CODE: dict[ErrorCode, int] = {
    ErrorCode.INVALID_ARGUMENT: 400,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    **dict.fromkeys((ErrorCode.NOT_FOUND, ErrorCode.STORE_MISSING), 404),
    **dict.fromkeys(
        (
            ErrorCode.ALREADY_COMPLETED,
            ErrorCode.ALREADY_DUE,
            ErrorCode.ALREADY_EXISTS,
            ErrorCode.ALREADY_RESTARTED,
            ErrorCode.CANCELLED,
            ErrorCode.DEADLOCK,
            ErrorCode.DIRECTORY_NOT_EMPTY,
            ErrorCode.IDEMPOTENCY_CONFLICT,
            ErrorCode.IN_USE,
            ErrorCode.INCOMPATIBLE,
            ErrorCode.KEY_COLLISION,
            ErrorCode.KEY_HELD,
            ErrorCode.KILLED,
            ErrorCode.NO_BUDGET,
            ErrorCode.NO_RUN,
            ErrorCode.NOT_COMPLETED,
            ErrorCode.REFUSED,
            ErrorCode.STILL_OPEN,
            ErrorCode.STILL_RUNNING,
            ErrorCode.STORE_EXISTS,
            ErrorCode.VERSION_CONFLICT,
        ),
        409,
    ),
    **dict.fromkeys((ErrorCode.GONE, ErrorCode.LINK_EXPIRED, ErrorCode.QUESTION_CLOSED), 410),
    ErrorCode.TOO_LARGE: 413,
    **dict.fromkeys((ErrorCode.BROKEN_DEPLOYMENT, ErrorCode.LIMIT_EXCEEDED, ErrorCode.NOT_POSSIBLE), 422),
    **dict.fromkeys((ErrorCode.BUSY, ErrorCode.TOO_MANY), 429),
    **dict.fromkeys(
        (
            ErrorCode.BLOCKED_LOOP,
            ErrorCode.FAILED,
            ErrorCode.FIELD_MISUSE,
            ErrorCode.INSIDE_STEP,
            ErrorCode.NEVER_AWAITED,
            ErrorCode.INTERNAL,
            ErrorCode.INVALID_DEFINITION,
            ErrorCode.NO_LONGER_FITS,
            ErrorCode.NON_DURABLE_AWAIT,
            ErrorCode.NONDETERMINISM,
            ErrorCode.OUTSIDE_HANDLER,
            ErrorCode.SIGNAL_FAILED,
            ErrorCode.UPDATE_LOST,
            ErrorCode.STEP_FAILED,
            ErrorCode.STEP_LOST,
            ErrorCode.STEP_OUTCOME_UNKNOWN,
            ErrorCode.STEP_TIMEOUT,
            ErrorCode.STORE_DAMAGED,
            ErrorCode.STORE_FORMAT,
            ErrorCode.STORE_UNUSABLE,
            ErrorCode.UNSERIALIZABLE,
            ErrorCode.WRONG_LOOP,
            ErrorCode.WRONG_STORE,
        ),
        500,
    ),
    **dict.fromkeys(
        (
            ErrorCode.DAMAGED,
            ErrorCode.DIRECTORY_LOST,
            ErrorCode.LOG_DIVERGED,
            ErrorCode.LOG_TRIMMED,
            ErrorCode.DISK_FULL,
            ErrorCode.NOT_OWNER,
            ErrorCode.OFFLINE,
            ErrorCode.OUTCOME_UNKNOWN,
            ErrorCode.PAUSED,
            ErrorCode.SET_ASIDE,
            ErrorCode.STORE_FAILED,
            ErrorCode.STORE_IN_USE,
            ErrorCode.UNAVAILABLE,
        ),
        503,
    ),
    ErrorCode.MISSING_EXTRA: 501,
    ErrorCode.DEADLINE_EXCEEDED: 504,
}
"""The status of a response that is an error, by the error's code."""


RETRY_AFTER_SECONDS = 1
"""The delay suggested to a client that was refused for lack of room."""

_PASSING = frozenset(
    {
        ErrorCode.BUSY,
        ErrorCode.DISK_FULL,
        ErrorCode.NOT_OWNER,
        ErrorCode.OUTCOME_UNKNOWN,
        ErrorCode.PAUSED,
        ErrorCode.UNAVAILABLE,
    }
)
"""The codes of refusals that may succeed when the request is repeated."""


def _as_actors(error: ActorError | JournalError) -> ActorError:
    """Convert an error of the journal to one that a client can raise again, with the same code."""
    match error:
        case ActorError():
            return error
        case MalformedIdError():
            return InvalidArgumentError(str(error))
        case Unavailable():
            return UnavailableError(str(error), code=error.code)
        case _:
            converted = ActorError(str(error))
            converted.code = error.code
            return converted


def problem_of(error: ActorError, of: InvocationId | None = None, outcome: OutcomeKind | None = None) -> Problem:
    """Describe an error as the body of a response. Attributes of a user's class are never used as fields of the
    problem, even if they have the same names."""
    kind, details = type(error), details_of(error)
    own = error if is_built_in(kind) else None
    is_whole = own is None or details.typed or outcome is not None  # a recorded failure is sent unchanged
    is_whole = is_whole or kind is DefinitionError  # a problem has no members for its attributes
    carried = carried_by(error, details) if is_whole else b""
    return Problem(
        title=qualname_of(kind).rpartition(".")[2],
        status=_status_of(error),
        detail=text_of(error),
        error=type_of(error),
        details=msgspec.Raw(details.data) if details.data else None,
        carried=msgspec.Raw(carried) if carried else None,
        code=code_of(error),
        kind=getattr(own, "kind", None),
        limit=getattr(own, "limit", None),
        maximum=getattr(own, "maximum", None),
        found=getattr(own, "found", None),
        path=getattr(own, "path", None),
        position=getattr(own, "position", None),
        signal=getattr(own, "signal", None),
        invocation_id=of or getattr(own, "invocation_id", None),
        outcome=outcome,
        invocation_status=getattr(own, "status", None),
    )


def _status_of(error: ActorError) -> int:
    """Return the HTTP status for the error's code, or the ``http_status`` of an application's class if that is a valid
    error status.
    """
    if isinstance(error, RequestError):
        return error.status_code
    with contextlib.suppress(BaseException):  # a user's attribute, which may be anything
        said: Any = getattr(error, "http_status", None)
        if type(said) is int and 400 <= said <= 599:
            return said
    return STATUS_OF_CODE[code_of(error)]


def respond_with(
    raised: ActorError | JournalError,
    of: InvocationId | None = None,
    outcome: OutcomeKind | None = None,
    *,
    challenge: str = "Bearer",
) -> HttpResponse:
    """Return the response that describes an error. ``challenge`` is the scheme by which a request shows who sends it."""
    error = _as_actors(raised)
    model = problem_of(error, of, outcome)
    headers: dict[str, str] = {}
    if model.invocation_id is not None:
        headers = {INVOCATION_HEADER: model.invocation_id, RESTATE_ID_HEADER: model.invocation_id}
    if outcome is None:
        headers |= _headers_of_refusal(error, challenge)
    return HttpResponse(_encode(model), model.status, headers, media_type=PROBLEM_TYPE)


def _headers_of_refusal(error: ActorError, challenge: str) -> dict[str, str]:
    """Return the headers that say how to repeat the request. A recorded failure of the same class does not concern
    the request that reads it.
    """
    if code_of(error) in _PASSING:
        return {"retry-after": str(RETRY_AFTER_SECONDS)}
    if isinstance(error, MethodNotAllowedError):
        return {"allow": ", ".join(error.allowed)}
    if isinstance(error, RequestError) and error.ends_connection:
        return {"connection": "close"}
    return {"www-authenticate": challenge} if code_of(error) is ErrorCode.UNAUTHENTICATED else {}


def respond_unreadable(status: int) -> HttpResponse:
    """Return the response to bytes that are not a valid request."""
    error: RefusedError
    if status == HeadTooLargeError.status_code:
        error = HeadTooLargeError("the head of the request is too long")
    else:
        error = InvalidArgumentError("the request is not valid HTTP/1.1")
    body = _encode(attrs.evolve(problem_of(error), status=status))
    return HttpResponse(body, status, media_type=PROBLEM_TYPE)
