"""Access control: the Host and Origin of a request, its token, and the token's scope.

Every request is checked, reads included, because a page of another site, or a host name that resolves to this machine, must not be
able to control a server on loopback. Denied requests are audited, at most a few per second; the next entry has the number of denied
requests without an entry.
"""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import unquote

import attrs
import trio

from actors.errors import AccessDeniedError, ActorError, ErrorCode, InvalidArgumentError, RefusedError
from actors.http.messages import JSON
from actors.http.models import USER_HEADER
from actors.http.own_token import Grant
from actors.http.problems import (
    AmbiguousLengthError,
    HeadTooLargeError,
    MisdirectedRequestError,
    WebSocketError,
    WrongMediaTypeError,
)
from actors.http.routes import TokenScope
from actors.http.server_options import HEAD_BYTES, LOOPBACK_NAMES
from actors.model.link_signer import PATH
from actors.rows.audit import ControlAction

if TYPE_CHECKING:
    from actors.control.local.client import LocalClient
    from actors.http.messages import HttpRequest
    from actors.http.routes import Route
    from actors.http.server.shared_tokens import Tokens

NOTED_AT_ONCE = 20
NOTED_A_SECOND = 1.0
_SHOWN = 200
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?")
_USER = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_ANYBODY = Grant("anyone", TokenScope.ADMIN, is_token=False)


class Guard:
    """Admits requests, or raises the error for the client."""

    def __init__(self, *, tokens: Tokens | None, hosts: frozenset[str] = LOOPBACK_NAMES, is_open: bool = False) -> None:
        """With ``is_open``, or without any tokens, every client may do everything: for loopback only. ``hosts`` are the server's
        own names."""
        self.tokens = tokens
        self._counted = None if is_open else tokens
        self._hosts = hosts | LOOPBACK_NAMES
        self._denials = _Allowance()

    @property
    def is_open(self) -> bool:
        """Whether the server requires no token."""
        return self._counted is None

    def check_address(self, request: HttpRequest) -> None:
        """Refuse a request for another server, from another site's page, or with ambiguous framing."""
        # First, because no other refusal ends the connection: the rest of the body would be read as the next request.
        if "transfer-encoding" in request.headers and "content-length" in request.headers:
            raise AmbiguousLengthError("the request has both Content-Length and Transfer-Encoding; send one of them")
        _check_length(request)
        if request.headers.repeated:
            _check_said_once(request)
        if not request.raw_path.startswith(b"/"):
            raise MisdirectedRequestError("the request's target is not a path; ask this server, not a proxy")
        host = self._checked_host(request)
        self._check_sender(request, host)
        if request.headers.get("upgrade").lower() == "websocket":
            raise WebSocketError("the request asks for a web socket; changes are sent as server-sent events")

    def identify(self, request: HttpRequest) -> Grant:
        """Return the permissions of the request's token, or of the process at the other end of the data directory's socket.

        Raises :class:`actors.errors.AccessDeniedError`.
        """
        if request.peer is not None and (self._counted is None or "authorization" not in request.headers):
            return Grant(f"user:{request.peer.user}", TokenScope.ADMIN, is_token=False)
        if self._counted is None:
            return _ANYBODY
        header = request.headers.get("authorization", "")
        secret = header[7:].strip() if header[:7].lower() == "bearer " else ""
        grant = self._counted.grant_of(secret)
        if grant is None:
            raise AccessDeniedError(
                "the request has no valid token: send 'Authorization: Bearer …'. The server's own token is in its data directory; "
                "'playhead tokens create' creates others",
                code=ErrorCode.UNAUTHENTICATED,
            )
        return grant

    def admits(self, request: HttpRequest, grant: Grant | None) -> bool:
        """Whether the token of a request that was admitted with this grant still gives it: it may have been revoked since."""
        if grant is None:
            return True
        try:
            return self.identify(request) == grant
        except ActorError:
            return False

    def check_scope(self, grant: Grant, route: Route) -> None:
        """Check the scope of the token. Raises :class:`actors.errors.AccessDeniedError`."""
        if route.scope is not None and not grant.scope.covers(route.scope):
            raise AccessDeniedError(
                f"the request needs the scope {route.scope.value}, but the token {grant.name!r} has {grant.scope.value}",
                code=ErrorCode.FORBIDDEN,
            )

    def acting(self, client: LocalClient, request: HttpRequest, grant: Grant) -> LocalClient:
        """Return a client that acts on behalf of the principal."""
        user = request.headers.get(USER_HEADER, "")
        by = grant.by
        if user and grant.scope is TokenScope.ADMIN and _USER.fullmatch(user) and by != f"user:{user}":
            by = f"{by} ({user})"
        idempotency_namespace = "" if grant.scope is TokenScope.ADMIN else grant.by
        return client.acting_as(by, address_of(request), idempotency_namespace=idempotency_namespace)

    async def note(
        self, client: LocalClient, request: HttpRequest, refusal: RefusedError, act: ControlAction | None = None
    ) -> RefusedError:
        """Audit a denied request, within the rate limit, as this action; by default its method and path. Returns the error for a
        client with a token, which names the entry.
        """
        dropped = self._denials.take()
        if dropped is None:
            return refusal
        if act is None:
            act = ControlAction(verb=request.method, target=shown_path(request)[:_SHOWN])
        mark = f"denied_{secrets.token_hex(8)}"
        try:
            await client.note(attrs.evolve(act, request=mark), refusal=f"{refusal.code}: {refusal}", dropped=dropped)
        except ActorError:  # the request is denied whether or not it is audited
            return refusal
        if not isinstance(refusal, AccessDeniedError) or refusal.code is not ErrorCode.FORBIDDEN:
            return refusal
        return AccessDeniedError(f"{refusal} (the entry of the audit log with the request {mark})", code=refusal.code)

    def _checked_host(self, request: HttpRequest) -> str:
        given = request.headers.get("host")
        name = "" if "host" in request.headers.repeated else _name_of(given)
        if not name:
            raise MisdirectedRequestError("the request does not name one valid host; send exactly one header Host")
        if name not in self._hosts and name != _literal(request.server):
            raise MisdirectedRequestError(
                f"{name!r} is not a name of this server; if it should be, start it with --allow-host {name}"
            )
        return given.lower()

    def _check_sender(self, request: HttpRequest, host: str) -> None:
        origin = request.headers.find("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            raise AccessDeniedError(
                f"a page of {origin[:_SHOWN]!r} sent this request; only this server's own pages may",
                code=ErrorCode.FORBIDDEN,
            )
        site = request.headers.get("sec-fetch-site", "none")
        if site not in ("same-origin", "none") and not _follows_link(request):
            raise AccessDeniedError(
                f"a {site[:_SHOWN]} page sent this request; only this server's own pages may", code=ErrorCode.FORBIDDEN
            )


_PAGE_PATHS = frozenset({b"/", b"/ui", b"/ui/"})
_LINK_PATHS = PATH.encode()


def _follows_link(request: HttpRequest) -> bool:
    """Report whether a person followed a link from another site to the console page itself, or to the page of a question.

    Opening such a page changes nothing, other sites cannot frame it, and its later requests come from this server.
    """
    headers, path = request.headers, request.raw_path
    is_navigation = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
    return is_navigation and request.method == "GET" and (path in _PAGE_PATHS or path.startswith(_LINK_PATHS))


def media_type_of(request: HttpRequest) -> str:
    """Return the content type of the body, without its parameters."""
    return request.headers.get("content-type").partition(";")[0].strip().lower()


def check_media_type(request: HttpRequest) -> None:
    """Require application/json for a body: any other type could be sent by a cross-site HTML form."""
    if request.headers.get("content-type") == JSON:
        return
    kind = media_type_of(request)
    if kind != JSON:
        raise WrongMediaTypeError(
            f"the content type of the body is {kind[:_SHOWN] or 'missing'!r}; send JSON with 'Content-Type: application/json'"
        )


def check_encoding(request: HttpRequest) -> None:
    """Refuse a compressed body: the server does not decompress, and would read the compressed bytes as JSON."""
    given = request.headers.find("content-encoding")
    if given is None:
        return
    encoding = given.strip().lower()
    if encoding != "identity":
        raise WrongMediaTypeError(f"the body has Content-Encoding {encoding[:_SHOWN]!r}; send it uncompressed")


_SAID_ONCE = {
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "idempotency-key",
    "origin",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    USER_HEADER,
}


def _check_said_once(request: HttpRequest) -> None:
    """Refuse two values of one of these headers: some readers would take the first and others the last."""
    for name, given in request.headers.repeated.items():
        if name in _SAID_ONCE and len(set(given)) > 1:
            raise InvalidArgumentError(
                f"the request has the header {name} {len(given)} times, with different values; send it once"
            )


def _check_length(request: HttpRequest) -> None:
    # The server's own limit applies to heads that arrive in pieces; one that arrives at once is measured here.
    target = len(request.raw_path) + len(request.query)
    length = target + sum(map(len, chain.from_iterable(request.headers.raw)))
    if length > HEAD_BYTES:
        raise HeadTooLargeError(f"the head of the request has {length} bytes, the limit is {HEAD_BYTES}")


_SIGNED = re.compile(r"(/links/+[^/.]*\.?[^/.]*\.?)[^/]*")
"""The id, the question and the signature in the path of a signed link."""


def address_of(request: HttpRequest) -> str:
    """Return the address and port of the peer, or its process; unrelated to the header ``Origin``."""
    if request.peer is not None:
        return f"socket, process {request.peer.pid}" if request.peer.pid else "socket"
    client = request.client
    return "" if client is None else f"{_literal(client[0])}:{client[1]}"


def shown_path(request: HttpRequest) -> str:
    """Return the decoded path of a request, for people. The path of a signed link is returned without the signature, so that a reader of the
    log or the audit cannot use the link."""
    return _SIGNED.sub(r"\1…", unquote(request.raw_path.decode("ascii", "backslashreplace")))


@lru_cache(maxsize=256)
def _name_of(host: str) -> str:
    """Return the name in a header Host, in lower case and without the port; empty if it is not valid."""
    found = _HOST.fullmatch(host)
    return found["name"].lower() if found is not None else ""


def _literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@attrs.define(eq=False)
class _Allowance:
    """A token bucket: a burst and a rate per second."""

    left: float = NOTED_AT_ONCE
    at: float = 0.0
    dropped: int = 0

    def take(self) -> int | None:
        """Take one token. Returns the number of refusals since the last success, or None if this one is refused."""
        now = trio.current_time()
        self.left = min(NOTED_AT_ONCE, self.left + (now - self.at) * NOTED_A_SECOND) if self.at else self.left
        self.at = now
        if self.left < 1:
            self.dropped += 1
            return None
        self.left -= 1
        dropped, self.dropped = self.dropped, 0
        return dropped
