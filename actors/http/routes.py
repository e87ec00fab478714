"""The table of routes, and the router.

A route is an entry with a method, a path, a required scope and a function. The rest comes from the function: the first line of
its documentation, the models of its ``query`` and ``body``, and the model that it returns. The router, the scopes, the OpenAPI
document and the tests all read the same table.
"""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NewType

import attrs

from actors.errors import NotFoundError, ResourceKind
from actors.http.problems import MethodNotAllowedError
from journal.errors import BrokenInvariant

Endpoint = Callable[..., Awaitable[Any]]

JsonBody = NewType("JsonBody", bytes)
"""The annotation of a ``body`` with any JSON; an empty body stays empty."""


RawQuery = NewType("RawQuery", list[tuple[str, str]])
"""The annotation of a ``query`` whose model depends on the path: its names and values, which the endpoint reads."""


class TokenScope(enum.Enum):
    """The permissions of a token. ``invoke``, ``read``, ``control`` and ``admin`` each include the previous ones; ``observe`` only reads.

    A route that needs ``observe`` is open to every token.
    """

    OBSERVE = "observe"
    """Read everything, and change nothing."""
    INVOKE = "invoke"
    """Call, send, and read the outcomes of those calls."""
    READ = "read"
    """Read everything, and call and send as well."""
    CONTROL = "control"
    """Control invocations: cancel, pause, resume, signal, restart."""
    ADMIN = "admin"
    """Do what cannot be undone, and change what is served."""

    def covers(self, needed: TokenScope) -> bool:
        """Report whether this scope includes the needed one."""
        if self is TokenScope.OBSERVE:
            return needed in (TokenScope.OBSERVE, TokenScope.READ)
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {scope: rank for rank, scope in enumerate(TokenScope)}


@attrs.frozen(eq=False)
class Route:
    """One path and method. Segments in braces match anything. ``scope`` is None for a route without authentication.

    ``streams``: it answers with a stream if the client accepts ``text/event-stream``. ``body_bytes`` is the size limit of the
    body, and ``holds_values`` says that a user value may be added to that. ``accepts_form``: the body may also be a form, which other
    sites can send, because the credential is in the path. ``is_raw``: the endpoint reads the query and
    the body itself. ``has_page``: it answers with a page of HTML, refusals included, if the
    client accepts that. ``repeatable``: under the same idempotency key it
    gives the same answer. ``is_documented``: it appears in the OpenAPI document unchanged. ``open_names`` has the name of each
    segment in braces, None for the others.
    """

    method: str
    path: str
    scope: TokenScope | None
    endpoint: Endpoint
    status: int = attrs.field(default=200, kw_only=True)
    streams: bool = attrs.field(default=False, kw_only=True)
    body_bytes: int = attrs.field(default=64 << 10, kw_only=True)
    holds_values: bool = attrs.field(default=False, kw_only=True)
    accepts_form: bool = attrs.field(default=False, kw_only=True)
    is_raw: bool = attrs.field(default=False, kw_only=True)
    has_page: bool = attrs.field(default=False, kw_only=True)
    repeatable: bool = attrs.field(default=False, kw_only=True)
    is_documented: bool = attrs.field(default=True, kw_only=True)
    segments: tuple[str, ...] = attrs.field(init=False)
    open_names: tuple[str | None, ...] = attrs.field(init=False)
    query: type | None = attrs.field(init=False)
    body: Any = attrs.field(init=False)
    answer: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        hints = typing.get_type_hints(self.endpoint, include_extras=True)
        if not ({*list(inspect.signature(self.endpoint).parameters)[1:]} <= {"query", "body"}):
            raise BrokenInvariant(self.path)
        object.__setattr__(self, "segments", tuple(self.path.split("/")[1:]))
        names = tuple(segment[1:-1] if _is_open(segment) else None for segment in self.segments)
        object.__setattr__(self, "open_names", names)
        object.__setattr__(self, "query", hints.get("query"))
        object.__setattr__(self, "body", hints.get("body"))
        object.__setattr__(self, "answer", hints["return"])

    @property
    def name(self) -> str:
        """The name for programs."""
        return self.endpoint.__name__

    @property
    def summary(self) -> str:
        """The first sentence of the function's documentation."""
        return (self.endpoint.__doc__ or "").strip().partition("\n")[0]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the open segments of the path."""
        return tuple(name for name in self.open_names if name is not None)

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """Return the values of the open segments, or None if the segments do not match the route. Both must have the
        same number of segments.
        """
        found: dict[str, str] = {}
        for own, name, given in zip(self.segments, self.open_names, segments, strict=True):
            if name is None:
                if own != given:
                    return None
            elif given:
                found[name] = given
            else:
                return None
        return found


class Router:
    """Finds routes. If several paths match, the one with more literal segments wins."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._by_start: dict[tuple[int, str], list[Route]] = {}
        self._open: dict[int, list[Route]] = {}
        for route in sorted(self.routes, key=lambda route: [_is_open(segment) for segment in route.segments]):
            length, first = len(route.segments), route.segments[0]
            if _is_open(first):
                self._open.setdefault(length, []).append(route)
            else:
                self._by_start.setdefault((length, first), []).append(route)

    def find(self, method: str, segments: Sequence[str]) -> tuple[Route, dict[str, str]]:
        """Return the route of a request and the values of its open segments. Raises :class:`NotFoundError` or
        :class:`MethodNotAllowedError`.
        """
        fitting: list[tuple[Route, dict[str, str]]] = []
        length, first = len(segments), segments[0] if segments else ""
        for route in (*self._by_start.get((length, first), ()), *self._open.get(length, ())):
            if fitting and _shape(route) != _shape(fitting[0][0]):
                continue
            found = route.match(segments)
            if found is not None:
                if route.method == method:
                    return route, found
                fitting.append((route, found))
        shown = "/" + "/".join(segments)
        if not fitting:
            raise NotFoundError(
                f"there is no path {shown[:200]!r}; GET /openapi.json lists them", kind=ResourceKind.PATH
            )
        error = MethodNotAllowedError(f"{shown[:200]!r} does not support {method}")
        error.allowed = tuple(route.method for route, _ in fitting)
        raise error


def _is_open(segment: str) -> bool:
    return segment.startswith("{")


def _shape(route: Route) -> tuple[str, ...]:
    return tuple("{}" if _is_open(segment) else segment for segment in route.segments)
