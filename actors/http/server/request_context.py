"""One request as an endpoint sees it: the principal, the path, and how to read and to wait."""

from __future__ import annotations

import functools
import typing
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

import attrs
import msgspec
import trio
from starlette.requests import ClientDisconnect

from actors.errors import ErrorCode, InvalidArgumentError, LimitExceededError, UnavailableError
from actors.http.problems import SlowBodyError
from actors.http.server.traffic import Traffic
from actors.values import ValueProblem, parse
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, MutableMapping

    from starlette.requests import Request

    from actors.control.local.client import LocalClient
    from actors.http.routes import Route
    from actors.http.server.connections import Seat
    from actors.http.server.listener import Closing
    from actors.http.tokens import Grant, TokenBook
    from actors.model.handles import InvocationHandle

T = TypeVar("T")

BODY_SECONDS = 30.0
"""How long the next piece of a body may take."""


@attrs.define(eq=False)
class Exchange:
    """A request under way. ``client`` acts for the one who asks; ``path`` are the open segments of its path, ``routes`` all that is served.

    ``grant`` is what the token is worth, where the route needs one; ``is_open``: nobody needs one. ``tokens`` are those of
    the data directory, where there is one. ``traffic`` is what the server has answered.
    """

    client: LocalClient
    request: Request
    path: dict[str, str]
    closing: Closing
    routes: tuple[Route, ...] = ()
    grant: Grant | None = None
    is_open: bool = False
    tokens: TokenBook | None = None
    traffic: Traffic = attrs.field(factory=Traffic)

    def invocation(self) -> InvocationHandle[Any]:
        """Return a handle to the invocation in the path. Raises :class:`actors.MalformedIdError`."""
        return self.client.invocation(self.path["id"])

    @property
    def idempotency_key(self) -> str | None:
        """The idempotency key of the request."""
        given = self.request.headers.get("idempotency-key")
        if given is None or given.isascii():
            return given
        try:
            return given.encode("latin-1").decode()  # a header is bytes, and this package's clients write UTF-8
        except UnicodeDecodeError:
            raise InvalidArgumentError(
                f"the header idempotency-key is not UTF-8: {given!r}", path="idempotency_key"
            ) from None

    async def body(self, limit: int) -> bytes:
        """Read the body up to its limit. Raises :class:`actors.LimitExceededError`."""
        declared = self.request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > limit:
            raise LimitExceededError(
                f"the body has {declared} bytes, the limit is {limit}",
                limit="payload_bytes",
                maximum=limit,
                found=int(declared),
                code=ErrorCode.TOO_LARGE,
            )
        data = bytearray()
        is_over = False
        while not is_over:
            with waiting_for_client(self.request.scope):
                message = await self._next_message()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            data += message.get("body", b"")
            is_over = not message.get("more_body", False)
            if len(data) > limit:
                raise LimitExceededError(
                    f"the body is longer than the limit of {limit} bytes",
                    limit="payload_bytes",
                    maximum=limit,
                    code=ErrorCode.TOO_LARGE,
                )
        return bytes(data)

    async def _next_message(self) -> MutableMapping[str, Any]:
        with trio.move_on_after(BODY_SECONDS):
            return await self.request.receive()
        raise SlowBodyError(f"no part of the body arrived for {BODY_SECONDS:g} seconds")

    async def wait(self, work: Awaitable[T]) -> T:
        """Wait for the work and return its result. Gives up if the client disconnects or the server stops."""
        results: list[T] = []
        errors: list[Exception] = []
        async with trio.open_nursery() as nursery:

            async def leave_with_client() -> None:
                while (await self.request.receive())["type"] != "http.disconnect":
                    pass
                errors.append(ClientDisconnect())
                nursery.cancel_scope.cancel()

            nursery.start_soon(leave_with_client)
            with self.closing.gives_up(nursery.cancel_scope), self.waiting():
                try:
                    results.append(await work)
                except Exception as error:  # kept apart from the nursery, which would wrap it
                    errors.append(error)
            nursery.cancel_scope.cancel()
        if results:
            return results[0]
        raise (
            errors[0] if errors else UnavailableError("the server is stopping; the call continues after the next start")
        )

    def waiting(self) -> AbstractContextManager[None]:
        """Count the connection with those whose call waits, for the block."""
        seat = seat_of(self.request.scope)
        return nullcontext() if seat is None else seat.waiting()


def seat_of(scope: MutableMapping[str, Any]) -> Seat | None:
    """Return the accounting of the request's connection, or None if another server accepted it."""
    seat: Seat | None = scope.get("state", {}).get("seat")
    return seat


def waiting_for_client(scope: MutableMapping[str, Any]) -> AbstractContextManager[None]:
    """Mark the connection as waiting for its client, for the block."""
    seat = seat_of(scope)
    return nullcontext() if seat is None else seat.waiting_for_client()


def read_json(data: bytes) -> Any:
    """Read a body with any JSON; None if it is empty. Raises :class:`actors.InvalidArgumentError`."""
    try:
        return parse(data) if data else None
    except ValueProblem as error:
        raise InvalidArgumentError(f"the body: {error.problem}", path=error.path) from error


def read_body(data: bytes, kind: Any) -> Any:
    """Read a body as the model of an endpoint; an empty one gives the model's defaults. Raises ``InvalidArgumentError``."""
    return _convert(read_json(data) if data else {}, kind, "the body", strict=True)


def query_of(request: Request) -> list[tuple[str, str]]:
    """Return the names and values in the query of a request. Raises ``InvalidArgumentError`` for bytes that are not
    UTF-8, which parsers commonly replace silently.
    """
    try:
        return parse_qsl(request.scope["query_string"].decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidArgumentError("the query is not percent-encoded UTF-8") from None


def read_query(pairs: Iterable[tuple[str, str]], kind: Any) -> Any:
    """Read a query as the model of an endpoint. Raises ``InvalidArgumentError``."""
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
def _repeated(kind: type) -> frozenset[str]:
    """Return the parameters that can be given several times."""
    hints = typing.get_type_hints(kind)
    return frozenset(name for name, hint in hints.items() if typing.get_origin(hint) is list)


def _convert(value: Any, kind: Any, what: str, *, strict: bool) -> Any:
    known = _names(kind)
    unknown = [] if known is None or not isinstance(value, dict) else [name for name in value if name not in known]
    if unknown:
        raise InvalidArgumentError(
            f"{what} has {str(unknown[0])[:80]!r}, which is unknown; the known names are {', '.join(known or ()) or 'none'}",
            path=f"$.{str(unknown[0])[:80]}",
        )
    try:
        found = msgspec.convert(value, kind, strict=strict)
        return attrs.evolve(found) if _has_checks(found.__class__) else found
    except msgspec.ValidationError as error:
        path = str(error).partition(" - at ")[2].strip("`")
        raise InvalidArgumentError(f"{what}: {error}", path=path or "$") from error


@functools.cache
def _has_checks(kind: type) -> bool:
    """Report whether a model has converters. They check what types and limits do not say, and msgspec leaves them out."""
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
