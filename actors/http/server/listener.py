"""Serves an ASGI app on trio with hypercorn, with limits on connections, on request heads, and on clients that do not read or
write.

hypercorn's worker (0.18) shields every send without a deadline, so one client that stops reading would delay the end of the
process forever. The version is pinned, and tests connect such clients. It speaks only HTTP/1.1: nothing here needs more, and an
upgrade in clear text would be one more attack surface.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import attrs
import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr, wrap_app

from actors.http.models import PROBLEM_TYPE
from actors.http.problems import SECURITY_HEADERS, encode_unreadable
from actors.http.server.connections import DEFAULT_LIMITS, Connections, Seat, ServerLimits
from journal.errors import BrokenInvariant
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercorn.events import Event
    from hypercorn.typing import Event as Signal

log = SafeLogger(__name__)


_GOODBYE_SECONDS = 1.0
_PIECE_BYTES = 64 << 10

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@attrs.define(eq=False)
class Closing:
    """The shutdown of a server: ``begin`` stops accepting connections and ends streams; ``last_call`` makes waiting calls give
    up."""

    begin: trio.Event = attrs.field(factory=trio.Event)
    _waiting: set[trio.CancelScope] = attrs.field(init=False, factory=set)
    _has_called: bool = attrs.field(init=False, default=False)

    @contextmanager
    def gives_up(self, scope: trio.CancelScope) -> Iterator[None]:
        """Register a waiting call for the block. The scope is cancelled when the call should stop waiting."""
        self._waiting.add(scope)
        if self._has_called:
            scope.cancel()
        try:
            yield
        finally:
            self._waiting.discard(scope)

    def last_call(self) -> None:
        """Stop all waiting calls, present and future."""
        self._has_called = True
        for scope in self._waiting:
            scope.cancel()


async def serve(
    app: Any,
    listeners: list[trio.SocketListener],
    closing: Closing,
    *,
    limits: ServerLimits = DEFAULT_LIMITS,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on open listeners until ``closing`` begins; then let running requests end within their time."""
    config = _config(limits)
    context = WorkerContext(None)
    wrapped = wrap_app(app, config.wsgi_max_body_size, "asgi")
    connections = Connections(limits)

    async def handle(stream: trio.SocketStream) -> None:
        try:
            peer: str = stream.socket.getpeername()[0]
        except OSError:  # it has disconnected already
            await trio.aclose_forcefully(stream)
            return
        if not connections.make_room(peer):
            log.warning("refused a connection from %s: there are already %d", peer, connections.count)
            await _turn_away(stream)
            return
        seat = Seat(peer, stream, connections, limits)
        with connections.counted(seat), seat.scope:
            await _Server(limits, wrapped, config, context, stream, seat).run()

    async with trio.open_nursery() as handlers:
        async with trio.open_nursery() as acceptor:
            acceptor.start_soon(partial(trio.serve_listeners, handle, listeners, handler_nursery=handlers))
            task_status.started()
            await closing.begin.wait()
            acceptor.cancel_scope.cancel()
        for listener in listeners:
            await listener.aclose()
        await context.terminated.set()
        with trio.move_on_after(limits.grace_seconds):
            await connections.wait_for_none()
        closing.last_call()
        with trio.move_on_after(limits.last_call_seconds):
            await connections.wait_for_none()
        handlers.cancel_scope.cancel()


async def _turn_away(stream: trio.SocketStream) -> None:
    with trio.move_on_after(_GOODBYE_SECONDS), suppress(trio.BrokenResourceError):
        await stream.send_all(_FULL)
    await trio.aclose_forcefully(stream)


class _Server(TCPServer):
    """A connection that is dropped when its client does not read."""

    def __init__(
        self, limits: ServerLimits, app: Any, config: Config, context: WorkerContext, stream: Any, seat: Seat
    ) -> None:
        super().__init__(app, config, context, {}, stream)
        self._seat = seat
        self._idle = _IdleTimer(config.keep_alive_timeout, context.terminated, seat)
        self.idle_task = self._idle  # type: ignore[assignment]  # it is asked to restart and to stop, as this can
        self._limits = limits

    async def run(self) -> None:
        """Serve the connection to its end."""
        socket = self.stream.socket
        try:
            async with TaskGroup() as task_group:
                self._task_group = task_group
                self.protocol = _Protocol(  # type: ignore[assignment]  # the one protocol there is, without the wrapper
                    self.app,
                    self.config,
                    self.context,
                    task_group,
                    ConnectionState({"seat": self._seat}),
                    False,
                    parse_socket_addr(socket.family, socket.getpeername()),
                    parse_socket_addr(socket.family, socket.getsockname()),
                    self.protocol_send,
                )
                if task_group._nursery is None:
                    raise BrokenInvariant("the connection was used before it was entered")
                task_group._nursery.start_soon(self._leave_when_idle)
                await self._idle.restart()
                await self._read_data()
                self._idle.end()
        except OSError as error:
            log.debug("a connection broke: %s", error)
        finally:
            await self._close()

    async def _leave_when_idle(self) -> None:
        if await self._idle.runs_out():
            with trio.CancelScope(shield=True):
                await self._initiate_server_close()

    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            try:
                await self._send_in_time(event.data)
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
                log.debug("dropped a connection: %r", error)
                await trio.aclose_forcefully(self.stream)
                await self.protocol.handle(Closed())

    async def _send_in_time(self, data: bytes) -> None:
        # A deadline around the inherited method would not work: it shields itself from every outer scope.
        for start in range(0, len(data), _PIECE_BYTES):
            with trio.fail_after(self._limits.send_seconds, shield=True), self._seat.waiting_for_client():
                await self.stream.send_all(data[start : start + _PIECE_BYTES])


class _IdleTimer:
    """Detects that a connection has been idle for long, or is idle when the server ends. It uses one task per connection;
    hypercorn's own uses a task and a nursery for each request."""

    def __init__(self, seconds: float, terminated: Signal, seat: Seat) -> None:
        self._seconds = seconds
        self._seat = seat
        self._terminated = terminated
        self._scope = trio.CancelScope()
        self._is_idle = False
        self._has_ended = False

    async def restart(self, *_: object) -> None:
        """Start counting: the connection is idle from now on."""
        self._is_idle = self._seat.is_idle = True
        self._scope.deadline = trio.current_time() + self._seconds

    async def stop(self) -> None:
        """Stop counting: the connection is in use."""
        self._is_idle = self._seat.is_idle = False
        self._scope.deadline = inf

    def end(self) -> None:
        """Stop for good: the connection is closed."""
        self._has_ended = True
        self._scope.cancel()

    async def runs_out(self) -> bool:
        """Wait until the connection is no longer needed. Returns whether it should be closed."""
        while not self._has_ended:
            with self._scope:
                await self._terminated.wait()
                return self._is_idle  # one with a running request is closed after it
            if self._is_idle and not self._has_ended:
                return True
            self._scope = trio.CancelScope()
        return False


class _Protocol(H11Protocol):
    """HTTP/1.1 without protocol upgrades."""

    _head = b""

    async def _send_h11_event(self, event: Any) -> None:
        """Send the head of a response together with its body if the length of the body is known: the body is then
        ready.
        """
        try:
            data = self._head + self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state != h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response) and any(name == b"content-length" for name, _ in event.headers):
            self._head = data
            return
        self._head = b""
        if data:
            await self.send(RawData(data=data))

    async def _check_protocol(self, event: h11.Request) -> None:
        """Ignore offers of another protocol."""

    async def _send_error_response(self, status_code: int) -> None:
        """Answer bytes that are not a valid request in the same way as other refused requests."""
        body = encode_unreadable(status_code)
        headers = [
            (b"content-type", PROBLEM_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *((name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()),
            *self.config.response_headers("h11"),
        ]
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())


def _config(limits: ServerLimits) -> Config:
    config = Config()
    config.h11_max_incomplete_size = limits.head_bytes
    config.keep_alive_timeout = limits.head_seconds
    config.keep_alive_max_requests = 1_000_000
    config.include_server_header = False
    config.errorlog = None
    return config
