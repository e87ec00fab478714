"""The context of a request for its endpoint: the principal, the path, and functions to read the request and to wait."""

from __future__ import annotations

import functools
import typing
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import parse_qsl

import attrs
import msgspec
import trio

from actors.core.traces import read_traceparent
from actors.errors import AccessDeniedError, ErrorCode, InvalidArgumentError, UnavailableError
from actors.http.messages import ClientGone
from actors.http.misfits import misfit
from actors.http.server.bodies import BodyBudget, read_whole
from actors.http.server.traffic import Traffic
from actors.values import ValueProblem, parse
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.control.local.client import LocalClient
    from actors.errors import RefusedError
    from actors.http.closing import Closing
    from actors.http.messages import HttpRequest
    from actors.http.own_token import Grant
    from actors.http.routes import Route
    from actors.http.server.shared_tokens import Tokens
    from actors.model.handles import InvocationHandle
    from actors.rows.audit import ControlAction
    from journal.events import TraceContext

T = TypeVar("T")

MAX_FORM_FIELDS = 20
"""The largest number of fields of a form."""

BRIEF_SECONDS = 1.0
"""A request that waited no longer than this is answered without another look at its token."""


class DenialNotes(Protocol):
    """Audits that a request, or a part of it, is denied, at a limited rate, and returns the error for the client."""

    def __call__(self, refusal: RefusedError, act: ControlAction | None = None) -> Awaitable[RefusedError]: ...


@attrs.define(eq=False)
class Exchange:
    """A request in progress. ``client`` acts for the requester; ``path`` are the variable segments of its path,
    ``routes`` all routes. ``note_denied`` audits a denial. ``grant`` are the
    permissions of the token, if the route needs one, and ``is_admitted`` says whether it still has them; ``is_open``: no route needs a token. ``tokens`` are the tokens of the data
    directory, if there is one. ``traffic`` counts the server's responses, and ``strangers`` the
    bodies of requests without a token.
    """

    client: LocalClient
    request: HttpRequest
    path: dict[str, str]
    closing: Closing
    is_admitted: Callable[[], bool]
    note_denied: DenialNotes
    routes: tuple[Route, ...] = ()
    grant: Grant | None = None
    is_open: bool = False
    tokens: Tokens | None = None
    traffic: Traffic = attrs.field(factory=Traffic)
    strangers: BodyBudget = attrs.field(factory=BodyBudget)

    def invocation(self) -> InvocationHandle[Any]:
        """Return a handle to the invocation in the path. Raises :class:`actors.errors.MalformedIdError`."""
        return self.client.invocation(self.path["id"])

    @property
    def idempotency_key(self) -> str | None:
        """The idempotency key of the request."""
        given = self.request.headers.find("idempotency-key")
        if given is None or given.isascii():
            return given
        try:
            return given.encode("latin-1").decode()  # a header is bytes, and this package's clients write UTF-8
        except UnicodeDecodeError:
            raise InvalidArgumentError(
                f"the header idempotency-key is not UTF-8: {given!r}", path="idempotency_key"
            ) from None

    @property
    def trace(self) -> TraceContext | None:
        """The span of the requester, in the header ``traceparent``. None if there is none or it is malformed."""
        return read_traceparent(self.request.headers.find("traceparent"))

    async def body(self, limit: int) -> bytes:
        """Read the body up to its limit. Raises :class:`actors.LimitExceededError`. The bodies of all requests without a token share
        their memory, and the longest is given up with :class:`actors.UnavailableError`."""
        if self.grant is not None:
            return await read_whole(self.request, limit)
        with self.strangers.share() as share:
            return await read_whole(self.request, limit, share)

    async def wait(self, work: Awaitable[T]) -> T:
        """Wait for the work and return its result. Stops waiting if the client disconnects or the server stops. Raises
        :class:`actors.errors.AccessDeniedError` if the token is revoked while the request waits."""
        began = trio.current_time()
        carrier = self.request.carrier
        with (
            trio.CancelScope() as scope,
            self.closing.gives_up(scope),
            carrier.waiting(scope),
        ):
            result = await work
            if trio.current_time() - began > BRIEF_SECONDS and not self.is_admitted():
                raise AccessDeniedError(
                    "the token of the request was revoked while the request waited. The invocation continues",
                    code=ErrorCode.UNAUTHENTICATED,
                )
            return result
        if carrier.has_gone:
            raise ClientGone
        raise UnavailableError("the server is stopping; the call continues after the next start")


def read_json(data: bytes) -> Any:
    """Read a body with any JSON; None if it is empty. Raises :class:`actors.InvalidArgumentError`."""
    try:
        return parse(data) if data else None
    except ValueProblem as error:
        raise InvalidArgumentError(f"the body: {error.problem}", path=error.path) from error


def read_body(data: bytes, kind: Any) -> Any:
    """Read a body as the model of an endpoint; an empty one gives the model's defaults. Raises ``InvalidArgumentError``."""
    return _convert(read_json(data) if data else {}, kind, "the body", strict=True)


def read_form(data: bytes, kind: Any) -> Any:
    """Read a form as the model of an endpoint. Raises ``InvalidArgumentError``."""
    try:
        pairs = parse_qsl(data.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        raise InvalidArgumentError(
            f"the form is not percent-encoded UTF-8 with at most {MAX_FORM_FIELDS} fields"
        ) from None
    return read_query(pairs, kind)


def query_of(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the names and values in the query of a request. Raises ``InvalidArgumentError`` for bytes that are not
    UTF-8, which parsers commonly replace silently.
    """
    if not request.query:
        return []
    try:
        return parse_qsl(request.query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidArgumentError("the query is not percent-encoded UTF-8") from None


def read_query(pairs: Sequence[tuple[str, str]], kind: Any) -> Any:
    """Read a query as the model of an endpoint. Raises ``InvalidArgumentError``."""
    if not pairs:
        return _without_query(kind)
    several = _repeated(kind)
    found: dict[str, Any] = {}
    for name, text in pairs:
        if name in several:
            found.setdefault(name, []).append(text)
        elif name in found:
            raise InvalidArgumentError(f"the query has {name[:80]!r} twice; send it once", path=f"$.{name[:80]}")
        else:
            found[name] = text
    return _convert(found, kind, "the query", strict=False)


@functools.cache
def _without_query(kind: Any) -> Any:
    """Return the query of a request without one: the model's defaults, which no endpoint changes."""
    return _convert({}, kind, "the query", strict=False)


@functools.cache
def _repeated(kind: type) -> frozenset[str]:
    """Return the parameters that can be given several times."""
    hints = typing.get_type_hints(kind)
    return frozenset(name for name, hint in hints.items() if typing.get_origin(hint) is list)


def _convert(value: Any, kind: Any, what: str, *, strict: bool) -> Any:
    known = _names(kind)
    unknown = [] if known is None or not isinstance(value, dict) else [name for name in value if name not in known]
    if unknown:
        misplaced: dict[str, str] = getattr(kind, "MISPLACED", {})
        known_names = f"which is unknown; the known names are {', '.join(known or ()) or 'none'}"
        raise InvalidArgumentError(
            f"{what} has {str(unknown[0])[:80]!r}, {misplaced.get(str(unknown[0]), known_names)}",
            path=f"$.{str(unknown[0])[:80]}",
        )
    try:
        found = msgspec.convert(value, kind, strict=strict)
        return attrs.evolve(found) if _has_checks(found.__class__) else found
    except msgspec.ValidationError as error:
        raise misfit(value, kind, error, what) from error


@functools.cache
def _has_checks(kind: type) -> bool:
    """Report whether a model has converters. Converters check more than types and limits, and msgspec does not call them."""
    return attrs.has(kind) and any(field.converter is not None for field in attrs.fields(kind))


@functools.cache
def _names(kind: Any) -> tuple[str, ...] | None:
    """Return the field names of a model in requests, or None for a union of models, which checks names itself."""
    if not isinstance(kind, type):
        return None
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_encode_fields__
    if not attrs.has(kind):
        raise BrokenInvariant(f"{kind} is neither an attrs class nor a msgspec.Struct")
    return tuple(field.name for field in attrs.fields(kind))
