"""Connections of HTTP/1.1 to other nodes, which are kept for the next request.

A connection carries one request at a time, so a call that waits for days holds one. Connections that are free are used newest first, and
the others are closed after a while, before the other node closes them.
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs
import h11
import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Connect = Callable[[str], Awaitable[trio.SocketStream]]

CONNECT_SECONDS = 1.0
IDLE_SECONDS = 30.0
"""How long a connection is kept that is not used."""

HEAD_BYTES = 16 << 10
_READ_BYTES = 64 << 10
_UNANSWERED_MILLISECONDS = 5_000
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED_MILLISECONDS),
)
"""A network that drops everything is noticed in about as long as it takes to replace a node."""


class Unreached(Exception):
    """No connection was made: nothing was sent."""


class Broken(Exception):
    """The connection ended before the answer was there, or the answer is not one of HTTP."""


@attrs.frozen
class Answer:
    """The answer to a request."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


async def connect_over_tcp(address: str) -> trio.SocketStream:
    """Connect to ``host:port``, with IPv6 in brackets. Raises ``OSError``."""
    host, _, port = address.rpartition(":")
    stream = await trio.open_tcp_stream(host.strip("[]"), int(port))
    for level, option, value in _KEEPALIVE:
        stream.socket.setsockopt(level, option, value)
    return stream


class NodeConnections:
    """The connections of one node to the others."""

    def __init__(self, connect: Connect = connect_over_tcp) -> None:
        self._connect = connect
        self._free: dict[str, list[_Connection]] = {}

    async def post(
        self, address: str, path: str, headers: list[tuple[str, str]], body: bytes, *, largest_answer: int
    ) -> Answer:
        """Send a request and return its answer. Raises :class:`Unreached` and :class:`Broken`."""
        connection = self._take_free(address) or await self._open(address)
        is_usable = False
        try:
            answer = await connection.exchange(address, path, headers, body, largest_answer)
            is_usable = connection.is_usable
        finally:
            if is_usable:
                self._keep(address, connection)
            else:
                connection.close()
        return answer

    def close(self) -> None:
        """Close the connections that are free."""
        for connections in self._free.values():
            for connection in connections:
                connection.close()
        self._free.clear()

    def _take_free(self, address: str) -> _Connection | None:
        free = self._free.get(address, [])
        while free:
            connection = free.pop()
            if connection.is_open:
                return connection
            connection.close()
        return None

    def _keep(self, address: str, connection: _Connection) -> None:
        connection.free_since = trio.current_time()
        for of, connections in [*self._free.items()]:
            while connections and connections[0].free_since < connection.free_since - IDLE_SECONDS:
                connections.pop(0).close()
            if not connections:
                del self._free[of]
        self._free.setdefault(address, []).append(connection)

    async def _open(self, address: str) -> _Connection:
        try:
            with trio.fail_after(CONNECT_SECONDS):
                return _Connection(await self._connect(address))
        except (OSError, ValueError) as error:
            raise Unreached(f"{error}") from error
        except trio.TooSlowError:
            raise Unreached(f"there was no answer within {CONNECT_SECONDS:g} seconds") from None


class _Connection:
    """A connection to one node. After a failure or a cancellation it is not usable."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.free_since = 0.0
        self.is_usable = False
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)

    @property
    def is_open(self) -> bool:
        """Whether the other side has kept it open, as far as is known here, and has sent nothing."""
        look = select.poll()
        look.register(self._stream.socket.fileno(), select.POLLIN | select.POLLRDHUP)
        return not look.poll(0)

    async def exchange(
        self, address: str, path: str, headers: list[tuple[str, str]], body: bytes, largest_answer: int
    ) -> Answer:
        """Send a request, and read its answer."""
        self.is_usable = False
        http = self._http
        sent = [("host", address), ("content-length", str(len(body))), *headers]
        try:
            head = http.send(h11.Request(method="POST", target=path, headers=sent)) or b""
            content = http.send(h11.Data(data=body)) or b""
            end = http.send(h11.EndOfMessage()) or b""
            with suppress(trio.BrokenResourceError):  # it may be refused before it was read: the answer says so
                await self._stream.send_all(head + content + end)
            answer = await self._read(largest_answer)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError) as error:
            raise Broken(f"{error!r}") from error
        if http.our_state is h11.DONE and http.their_state is h11.DONE:
            http.start_next_cycle()
            self.is_usable = True
        return answer

    async def _read(self, largest: int) -> Answer:
        status, headers, body = 0, dict[bytes, bytes](), bytearray()
        while True:
            match self._http.next_event():
                case h11.NEED_DATA:
                    self._http.receive_data(await self._stream.receive_some(_READ_BYTES))
                case h11.Response() as response:
                    status, headers = response.status_code, dict(response.headers)
                case h11.Data() as piece:
                    body += piece.data
                    if len(body) > largest:
                        raise Broken(f"the answer has more than {largest} bytes")
                case h11.EndOfMessage():
                    return Answer(status, headers, bytes(body))
                case _:
                    raise Broken("the connection ended before the answer")

    def close(self) -> None:
        """Close it at once."""
        self._stream.socket.close()
