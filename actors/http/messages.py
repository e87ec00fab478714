"""A request and a response of HTTP, independent of the server that transports them.

The application is a function from an :class:`HttpRequest` to an :class:`HttpResponse`. Two servers transport them: the listener of this
package (``server/connection.py``), and any server that speaks ASGI (``server/asgi.py``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    import trio

    from actors.http.local_socket import LocalPeer

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
HTML = "text/html; charset=utf-8"

SendPiece = Callable[[bytes], Awaitable[None]]
"""Sends a piece of a body, and returns when the server has room for the next one."""

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

_NO_NAMES: frozenset[str] = frozenset()
_WITHOUT_LENGTH = frozenset({204, 304})


CLIENT_GONE = 499
"""The status under which a request is counted if its client disconnected. It is never sent."""


class ClientGone(Exception):
    """The client has disconnected before the response."""


class UnreadableRequest(Exception):
    """The bytes of the client are not a valid request. ``status_code`` is the status of the response."""

    def __init__(self, status_code: int) -> None:
        super().__init__(status_code)
        self.status_code = status_code


class HttpHeaders:
    """The headers of a request. Look names up in lower case; ``raw`` has them as they were sent."""

    __slots__ = ("_first", "raw", "repeated")

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self.raw = raw
        self.repeated: dict[str, list[str]] = {}
        """All values of repeated headers."""
        self._first = first = dict[str, str]()
        for name_bytes, value_bytes in raw:
            name, value = name_bytes.lower().decode("latin-1"), value_bytes.decode("latin-1")
            if name in first:
                self.repeated.setdefault(name, [first[name]]).append(value)
            else:
                first[name] = value

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a header."""
        return self._first.get(name, default)

    def find(self, name: str) -> str | None:
        """Return the first value of a header, or None."""
        return self._first.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._first


class Carrier(Protocol):
    """The part of a request's connection that the application uses."""

    def arrived(self) -> bytes | None:
        """Return the next piece of the body that has arrived: empty at the end of the body, None if more is to come.

        Raises :class:`UnreadableRequest`.
        """
        ...

    async def wait_for_more(self) -> None:
        """Wait until more of the body has arrived. Raises :class:`ClientGone`."""
        ...

    @property
    def holds_body_back(self) -> bool:
        """Whether the client waits for permission to send the body, which :meth:`wait_for_more` gives."""
        ...

    @property
    def has_gone(self) -> bool:
        """Whether the client has disconnected."""
        ...

    def waiting(self, scope: trio.CancelScope) -> AbstractContextManager[None]:
        """Mark the connection as one whose call waits, for the block. The scope is cancelled if the client disconnects."""
        ...

    def streaming(self, scope: trio.CancelScope) -> AbstractContextManager[None]:
        """Mark the connection as one that streams changes, for the block. The scope is cancelled if the client disconnects."""
        ...

    def take_control_seat(self) -> None:
        """Count the connection with those whose tokens may read or control, if there is room."""
        ...


@attrs.define(eq=False)
class HttpRequest:
    """A request whose body has yet to be read from its carrier.

    ``raw_path`` and ``query`` are percent-encoded. ``client`` is the address and the port of the peer, ``server`` the address
    that the peer has connected to. ``peer`` is the process at the other end, if the request came through the data directory's
    socket. ``root_path`` is the path under which the application is mounted; ``raw_path`` begins below it.
    """

    method: str
    raw_path: bytes
    query: bytes
    headers: HttpHeaders
    carrier: Carrier
    client: tuple[str, int] | None
    server: str
    peer: LocalPeer | None = None
    root_path: str = ""


class HttpResponse:
    """A response with a body that is known as a whole. Names of headers are in lower case."""

    __slots__ = ("body", "headers", "own_security", "status_code")

    def __init__(
        self,
        body: bytes = b"",
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        media_type: str | None = None,
    ) -> None:
        self.body = body
        self.status_code = status_code
        self.headers: list[tuple[bytes, bytes]] = []
        self.own_security = _NO_NAMES
        """The security headers that the response sets itself."""
        if headers:
            self.headers += ((name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items())
            self.own_security = frozenset(headers.keys() & SECURITY_HEADERS.keys())
        if self.has_length and status_code not in _WITHOUT_LENGTH:
            self.headers.append((b"content-length", b"%d" % len(body)))
        if media_type is not None:
            self.headers.append((b"content-type", media_type.encode("ascii")))

    @property
    def has_length(self) -> bool:
        """Whether the length of the body is known."""
        return True


class StreamedResponse(HttpResponse):
    """A response whose body is written piece by piece, until its source ends."""

    __slots__ = ()

    @property
    def has_length(self) -> bool:
        return False

    async def stream(self, send: SendPiece) -> None:
        """Send the body."""
        raise NotImplementedError


Application = Callable[[HttpRequest], Awaitable[HttpResponse]]


@cache
def security_headers(own: frozenset[str]) -> tuple[tuple[bytes, bytes], ...]:
    """Return the security headers for a response that sets these itself."""
    return tuple((name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items() if name not in own)
