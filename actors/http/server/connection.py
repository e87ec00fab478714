"""One connection of HTTP/1.1: a single task that reads a request, lets the application answer it, and writes the response.

Requests are parsed by h11, which knows no I/O: bytes go in and events come out. It refuses a request whose framing is ambiguous (two
lengths, a bad chunk, a header that is folded wrong), and reports whether the client keeps the connection. This module decides
when to read, how long to wait, and what to do when the client disconnects:

    ┌► IDLE ──── first bytes ──► HEAD ─── h11.Request ──► ANSWERING ── response ──► WRITING ──┐
    │   │                         │                        │  ▲                      │        │
    │   │ end, head_seconds,      │ end, head_seconds      │  │ body, as asked for    │ send_seconds without
    │   │ shutdown                │ not HTTP: 4xx          ▼  │                      │ 64 KiB read
    │   ▼                         ▼                      wait for the client          ▼        │
    │ CLOSED ◄────────────────────┴──────────────── the client has gone ──────────────┘        │
    └──────────────────── request and response are whole, and both sides keep the connection ──┘

- IDLE and HEAD share one deadline. It is set when the connection becomes free and not moved by bytes that arrive, so a client that
  sends a head byte by byte gets no more time than one that sends nothing. A shutdown closes a connection that is IDLE at once; a
  head that has begun is waited for.
- While ANSWERING, nothing is read unless the application asks for the body. A client that sends more (pipelining) fills the kernel's
  buffer and then waits, so no queue needs a limit. :class:`DisconnectWatch` reports a client that disconnects, and cancels a
  waiting call and a stream; work that does not wait ends by itself.
- A client that asks for permission to send its body (``Expect: 100-continue``) gets it when the body is read. If the
  request is refused before that, the client keeps its body and the connection is closed.
- A response that ends the connection before the request has been read whole is followed by a pause: closing a socket with unread bytes
  resets it, and the client might lose the response.

**Invariant.** A byte of the response is written only after the request has been read whole or refused, and the next head is parsed
only after the response has been written whole; so responses cannot be mixed up.

**Why responses are written here.** A single task that works in sequence needs only two conditions to write a response: whether it is
chunked, and whether the connection continues. h11 would check each header and each step against its tables, which takes longer than the
application needs. So each request has its own ``h11.Connection``, which costs less than a microsecond and takes over the bytes that came too early.

**Why no task for reading and one for writing**, as most servers have: each switch of tasks costs about as much as parsing a head.
Reads and writes go to the socket directly, and trio is asked to wait only when the socket says so. A cycle has a checkpoint even
if nothing in it has to wait, so that one client cannot block the loop.

Prior art: h11's ``examples/trio-server.py``, and RFC 9112, sections 9.3 to 9.6.
"""

from __future__ import annotations

import fcntl
import os
import socket
import termios
import time
from contextlib import contextmanager, suppress
from email.utils import formatdate
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING

import attrs
import h11
import trio

from actors.http.messages import (
    CLIENT_GONE,
    ClientGone,
    HttpHeaders,
    HttpRequest,
    HttpResponse,
    StreamedResponse,
    UnreadableRequest,
    security_headers,
)
from actors.http.problems import respond_unreadable
from journal.errors import BrokenInvariant
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from actors.http.closing import Closing
    from actors.http.local_socket import LocalPeer
    from actors.http.messages import Application
    from actors.http.server.connections import Seat
    from actors.http.server_options import ServerLimits

log = SafeLogger(__name__)

_READ_BYTES = 64 << 10
_PIECE_BYTES = 64 << 10
_GOODBYE_SECONDS = 1.0
_GOODBYE_BYTES = 1 << 20
_CLOSE = (b"connection", b"close")
_CHUNKED = (b"transfer-encoding", b"chunked")


@attrs.frozen(kw_only=True)
class ConnectionEnds:
    """Both ends of a connection. ``peer`` is the process at the other end, if it came through the data directory's socket."""

    client: tuple[str, int] | None
    server: str
    peer: LocalPeer | None = None


class HttpConnection:
    """Serves one socket. It carries one request at a time: see :class:`actors.http.messages.Carrier`."""

    def __init__(
        self,
        app: Application,
        descriptor: int,
        seat: Seat,
        closing: Closing,
        limits: ServerLimits,
        *,
        ends: ConnectionEnds,
    ) -> None:
        self._app = app
        self._descriptor = descriptor
        self.seat = seat
        self._closing = closing
        self._limits = limits
        self._ends = ends
        self._parser = _parser(limits)
        self._body_is_over = False
        self._scope: trio.CancelScope | None = None
        self.has_gone = False
        self._is_torn = False

    async def serve(self) -> None:
        """Answer requests until one side ends the connection. The caller closes the socket."""
        try:
            while not self._closing.begin.is_set():
                if not await self._serve_one():
                    break
        except* (OSError, ClientGone, trio.TooSlowError) as group:  # a stream raises them from its nurseries
            log.debug("a connection ended: %r", group.exceptions)

    def disconnect(self) -> None:
        """Stop waiting for the client, which has disconnected."""
        self.has_gone = True
        if self._scope is not None:
            self._scope.cancel()

    async def _serve_one(self) -> bool:
        """Answer a request. Returns whether the connection can be used for the next one."""
        self._body_is_over = False
        try:
            head = await self._read_head()
        except h11.RemoteProtocolError as error:
            await self._write(respond_unreadable(error.error_status_hint), None)
            return await self._end(keeps=False)
        if head is None:
            return False
        raw_path, _, query = head.target.partition(b"?")
        request = HttpRequest(
            head.method.decode("ascii").upper(),
            raw_path,
            query,
            HttpHeaders(head.headers.raw_items()),
            self,
            self._ends.client,
            self._ends.server,
            self._ends.peer,
        )
        response = await self._app(request)
        if response.status_code == CLIENT_GONE:
            return False
        return await self._end(keeps=await self._write(response, head))

    async def _read_head(self) -> h11.Request | None:
        parser, seat = self._parser, self.seat
        seat.scope.deadline = trio.current_time() + self._limits.head_seconds
        has_waited = False
        while (event := parser.next_event()) is h11.NEED_DATA:
            seat.is_idle = not parser.trailing_data[0]
            parser.receive_data(await self._receive())
            seat.is_idle = False
            has_waited = True
        if not has_waited:
            await trio.lowlevel.checkpoint()
        seat.scope.deadline = inf
        return event if isinstance(event, h11.Request) else None

    async def _end(self, *, keeps: bool) -> bool:
        if keeps:
            early, _ = self._parser.trailing_data
            self._parser = _parser(self._limits)
            if early:
                self._parser.receive_data(early)
        elif not self._body_is_over or _has_unread_bytes(self._descriptor):
            await self._say_goodbye()
        return keeps

    async def _say_goodbye(self) -> None:
        """Drop what the client is still sending, for a moment, so that it can read the response."""
        with suppress(OSError), socket.socket(fileno=os.dup(self._descriptor)) as same:
            same.shutdown(socket.SHUT_WR)
        left = _GOODBYE_BYTES
        with trio.move_on_after(_GOODBYE_SECONDS):
            while left > 0 and (data := await self._receive()):
                left -= len(data)

    # The body of the request.

    def arrived(self) -> bytes | None:
        """Return the next piece of the body that has arrived: empty at the end of the body, None if more is to come."""
        if self._body_is_over:
            return b""
        try:
            event = self._parser.next_event()
        except h11.RemoteProtocolError as error:
            raise UnreadableRequest(error.error_status_hint) from error
        if isinstance(event, h11.Data):
            return event.data
        if event is h11.NEED_DATA:
            return None
        self._body_is_over = True
        return b""

    async def wait_for_more(self) -> None:
        """Wait until more of the body has arrived."""
        if self.holds_body_back:
            go_ahead = h11.InformationalResponse(status_code=100, headers=[(b"date", _date())])
            await self._send(self._parser.send(go_ahead))
        data = await self._receive()
        if not data:
            raise ClientGone
        self._parser.receive_data(data)

    @property
    def holds_body_back(self) -> bool:
        """Whether the client waits for permission to send the body."""
        return self._parser.they_are_waiting_for_100_continue

    # What the connection is used for.

    def waiting(self, scope: trio.CancelScope) -> AbstractContextManager[None]:
        """Mark the connection as one whose call waits, for the block."""
        return _Waiting(self, scope)

    @contextmanager
    def streaming(self, scope: trio.CancelScope) -> Iterator[None]:
        """Mark the connection as one that streams changes, for the block."""
        self.begin_use(scope)
        self.seat.is_streaming = True
        try:
            yield
        finally:
            self.seat.is_streaming = False
            self.end_use()

    def begin_use(self, scope: trio.CancelScope) -> None:
        """Cancel this scope if the client disconnects."""
        self._scope = scope
        if self.has_gone:
            scope.cancel()

    def end_use(self) -> None:
        """Stop watching: cancel no scope from now on."""
        self._scope = None

    def take_control_seat(self) -> None:
        """Count the connection with those whose tokens may read or control, if there is room."""
        self.seat.take_control_seat()

    # Writing.

    async def _write(self, response: HttpResponse, head: h11.Request | None) -> bool:
        """Write the response to a request, or to bytes that are not a request. Returns whether the connection can be used after it."""
        is_chunked = not response.has_length and head is not None and head.http_version >= b"1.1"
        has_closed = _CLOSE in response.headers
        keeps = self._parser.their_state is h11.DONE and not has_closed and not self._closing.begin.is_set()
        headers = response.headers
        if is_chunked:
            headers = [*headers, _CHUNKED]
        if not keeps and not has_closed:
            headers = [*headers, _CLOSE]
        written = _head_of(response, headers)
        if head is not None and head.method.upper() == b"HEAD":
            await self._send(written)
        elif isinstance(response, StreamedResponse):
            await self._send(written)
            await response.stream(self._send_chunk if is_chunked else self._send)
            if self.has_gone or self._is_torn:
                raise ClientGone
            await self._send(b"0\r\n\r\n" if is_chunked else b"")
        else:
            await self._send(written + response.body)
        return keeps and not self._closing.begin.is_set()

    async def _send_chunk(self, piece: bytes) -> None:
        if piece:  # an empty one would be the end
            await self._send(b"%x\r\n%b\r\n" % (len(piece), piece))

    # The socket.

    async def _receive(self) -> bytes:
        """Wait for bytes of the client and return them; empty if the client has closed its side."""
        self.seat.waits_for_client = True
        try:
            while True:
                await trio.lowlevel.wait_readable(self._descriptor)
                try:
                    return os.read(self._descriptor, _READ_BYTES)
                except BlockingIOError:
                    continue
        finally:
            self.seat.waits_for_client = False

    async def _send(self, data: bytes) -> None:
        """Send all of it. Raises :class:`trio.TooSlowError` if the client does not read.

        If it is cancelled, a part has been sent: ``_is_torn`` remains set, and nothing may follow on the connection.
        """
        try:
            sent = os.write(self._descriptor, data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return
        left = memoryview(data)[sent:]
        self._is_torn = True
        self.seat.waits_for_client = True
        try:
            for start in range(0, len(left), _PIECE_BYTES):
                with trio.fail_after(self._limits.send_seconds):
                    await self._send_some(left[start : start + _PIECE_BYTES])
        finally:
            self.seat.waits_for_client = False
        self._is_torn = False

    async def _send_some(self, left: memoryview) -> None:
        while left:
            await trio.lowlevel.wait_writable(self._descriptor)
            with suppress(BlockingIOError):
                left = left[os.write(self._descriptor, left) :]


class _Waiting:
    """The use of a connection by a waiting call. A class instead of a generator, because every call makes one."""

    __slots__ = ("_connection", "_scope")

    def __init__(self, connection: HttpConnection, scope: trio.CancelScope) -> None:
        self._connection = connection
        self._scope = scope

    def __enter__(self) -> None:
        self._connection.begin_use(self._scope)
        self._connection.seat.begin_wait()

    def __exit__(self, *_: object) -> None:
        self._connection.seat.end_wait()
        self._connection.end_use()


def _parser(limits: ServerLimits) -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes)


def _head_of(response: HttpResponse, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a response. Raises :class:`BrokenInvariant` if a header would begin another line."""
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if not lines.count(b"\n") == lines.count(b"\r") == len(headers):
        raise BrokenInvariant(f"a header of the response contains the end of a line: {headers!r:.200}")
    standing = _standing(response.own_security)
    return b"HTTP/1.1 %d \r\n%b%bdate: %b\r\n\r\n" % (response.status_code, lines, standing, _date())


def _has_unread_bytes(descriptor: int) -> bool:
    return any(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))


@lru_cache(maxsize=64)
def _standing(own: frozenset[str]) -> bytes:
    """Return the bytes of the headers that every response has."""
    return b"".join(b"%b: %b\r\n" % header for header in security_headers(own))


def _date() -> bytes:
    return _date_of(int(time.time()))


@lru_cache(maxsize=1)
def _date_of(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode("ascii")
