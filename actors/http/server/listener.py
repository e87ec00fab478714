"""Serves an ASGI app on trio with hypercorn, with limits on connections, on request heads, and on clients that do not read or
write.

hypercorn's worker (0.18) shields every send without a deadline, so one client that stops reading would delay the end of the
process forever. The version is pinned, and tests connect such clients. It speaks only HTTP/1.1: nothing here needs more, and an
upgrade in clear text would be one more attack surface.
"""

from __future__ import annotations

import enum
import resource
import sys
from collections import Counter
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
from actors.http.server.access import HEAD_BYTES
from actors.values.arguments import checked_count, checked_seconds
from journal.errors import BrokenInvariant
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercorn.events import Event
    from hypercorn.typing import Event as Signal

log = SafeLogger(__name__)


@attrs.frozen(kw_only=True)
class ServerLimits:
    """The limits of a server. Times are seconds.

    ``connections`` and ``connections_of_one_peer`` exclude two kinds: up to ``control_connections`` with tokens that may read or
    control, and up to ``waiting_calls`` with a call that waits for its answer. Together they are at most as many as the process
    has descriptors for. ``send_seconds`` is how long a client may take to read 64 KiB. ``head_seconds`` is how long the head of a
    request may take, and how long a connection may be idle. ``grace_seconds`` is how long running requests may take when the
    server stops, ``last_call_seconds`` how long they have for a last response after that.
    """

    connections: int = 1_000
    connections_of_one_peer: int = 100
    control_connections: int = 200
    waiting_calls: int = 10_000
    head_bytes: int = HEAD_BYTES
    head_seconds: float = 10.0
    send_seconds: float = 10.0
    grace_seconds: float = 10.0
    last_call_seconds: float = 2.0

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(ServerLimits):
            check = checked_seconds if field.name.endswith("_seconds") else checked_count
            check(getattr(self, field.name), field.name)


DEFAULT_LIMITS = ServerLimits()

_GOODBYE_SECONDS = 1.0
_PIECE_BYTES = 64 << 10
_OWN_DESCRIPTORS = 256
"""The descriptors that the store, the threads of steps and the rest of the process may need."""

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
        """A call waits, for the block; the scope is cancelled when it should stop waiting."""
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
    connections = _Connections(limits)

    async def handle(stream: trio.SocketStream) -> None:
        try:
            peer: str = stream.socket.getpeername()[0]
        except OSError:  # it has disconnected already
            await trio.aclose_forcefully(stream)
            return
        if not connections.make_room(peer):
            log.warning("a connection of %s is refused: there are %d", peer, connections.count)
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
                    raise BrokenInvariant("it has been entered")
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
                log.debug("a connection is dropped: %r", error)
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
        """The connection is idle from now on."""
        self._is_idle = self._seat.is_idle = True
        self._scope.deadline = trio.current_time() + self._seconds

    async def stop(self) -> None:
        """The connection is in use."""
        self._is_idle = self._seat.is_idle = False
        self._scope.deadline = inf

    def end(self) -> None:
        """The connection is closed."""
        self._has_ended = True
        self._scope.cancel()

    async def runs_out(self) -> bool:
        """Wait until the connection is no longer needed. Returns whether it is to be closed."""
        while not self._has_ended:
            with self._scope:
                await self._terminated.wait()
                return self._is_idle  # one with a running request is closed after it
            if self._is_idle and not self._has_ended:
                return True
            self._scope = trio.CancelScope()
        return False


class _Protocol(H11Protocol):
    """HTTP/1.1 without upgrades."""

    _head = b""

    async def _send_h11_event(self, event: Any) -> None:
        """A head whose body has a known length is sent together with the body, which is ready."""
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


class _Connections:
    """The open connections.

    Two kinds are counted separately, each up to a limit, so that no crowd of other clients locks out an operator: those of a
    token that may read or control (see :meth:`Seat.take_control_seat`), and those with a call that waits for its answer. Among
    the others, if there is no room, the oldest of those that keep the server waiting is closed (:class:`Rank`). The number of
    descriptors limits all of them together: without a free one, RocksDB cannot create a file, and the store fails.
    """

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._at_most = _descriptors_for_connections()
        self._seats: dict[Seat, None] = {}
        self._apart: Counter[str] = Counter()
        self._of_peer: Counter[str] = Counter()
        self._none = trio.Event()

    @property
    def count(self) -> int:
        """The number of connections of all kinds."""
        return len(self._seats)

    def make_room(self, peer: str) -> bool:
        """Whether a new connection of this peer can be accepted, possibly in place of one that has requested nothing."""
        limits = self._limits
        if len(self._seats) >= self._at_most:
            return _drop_one([seat for seat in self._seats if not seat.is_of_control])
        if len(self._seats) < limits.connections and self._of_peer[peer] < limits.connections_of_one_peer:
            return True
        ordinary = [seat for seat in self._seats if not seat.is_apart]
        of_peer = [seat for seat in ordinary if seat.peer == peer]
        if len(of_peer) >= limits.connections_of_one_peer:
            return _drop_one(of_peer)
        return len(ordinary) < limits.connections or _drop_one(ordinary)

    @contextmanager
    def counted(self, seat: Seat) -> Iterator[None]:
        """Count a connection for the block."""
        self._seats[seat] = None
        self._of_peer[seat.peer] += 1
        try:
            yield
        finally:
            seat.leave()
            del self._seats[seat]
            self._of_peer[seat.peer] -= 1
            if not self._of_peer[seat.peer]:
                del self._of_peer[seat.peer]
            if not self._seats:
                self._none.set()
                self._none = trio.Event()

    def take_apart(self, kind: str, limit: int) -> bool:
        """Count a connection under this kind, if there is room."""
        if self._apart[kind] >= limit:
            return False
        self._apart[kind] += 1
        return True

    def put_back(self, kind: str) -> None:
        """Stop counting it under this kind."""
        self._apart[kind] -= 1

    async def wait_for_none(self) -> None:
        """Wait until all are closed."""
        if self._seats:
            await self._none.wait()


_CONTROL = "control"
_WAITING = "waiting"


class Rank(enum.IntEnum):
    """The order in which connections are closed to make room."""

    SLOW = enum.auto()
    """The server waits for the client: for a request, for the rest of a body, or for a read. All in one rank, because a new
    connection is idle as well: in a crowd that sends no bodies, the older ones make room."""
    STREAMING = enum.auto()
    """The client receives changes and can continue where it was."""
    WAITING = enum.auto()
    """A call waits for its answer, and its client can attach again."""
    BUSY = enum.auto()
    """The server is working for it, which does not take long. It is never closed for room."""


@attrs.define(eq=False)
class Seat:
    """The accounting of a connection. The application, which knows the principal and the request, updates it: it is
    ``state["seat"]`` of the request's ASGI scope."""

    peer: str
    _stream: trio.SocketStream
    _connections: _Connections
    _limits: ServerLimits
    is_idle: bool = True
    _apart: set[str] = attrs.field(factory=set)
    _waits_for_client: int = 0
    _is_streaming: bool = False
    _is_dropped: bool = False
    scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    @property
    def is_apart(self) -> bool:
        """Whether it is counted separately."""
        return bool(self._apart)

    @property
    def is_of_control(self) -> bool:
        """Whether it is counted with the tokens that may read or control."""
        return _CONTROL in self._apart

    @property
    def rank(self) -> Rank:
        """Its current activity."""
        if self._is_dropped:
            return Rank.BUSY
        if self.is_idle or self._waits_for_client:
            return Rank.SLOW
        if self._is_streaming:
            return Rank.STREAMING
        return Rank.WAITING if _WAITING in self._apart else Rank.BUSY

    @contextmanager
    def waiting_for_client(self) -> Iterator[None]:
        """The request waits for the client to send or to read, for the block."""
        self._waits_for_client += 1
        try:
            yield
        finally:
            self._waits_for_client -= 1

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """The client receives a stream of changes, for the block."""
        self._is_streaming = True
        try:
            yield
        finally:
            self._is_streaming = False

    def take_control_seat(self) -> None:
        """Its token may read or control: count it with those, if there is room."""
        self._take(_CONTROL, self._limits.control_connections)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A call waits for its answer, for the block."""
        self._take(_WAITING, self._limits.waiting_calls)
        try:
            yield
        finally:
            self._put_back(_WAITING)

    def leave(self) -> None:
        """It is closed."""
        for kind in tuple(self._apart):
            self._put_back(kind)

    def drop(self) -> None:
        """Close it, even during a response that is not read, which is shielded, and before requests that have arrived already."""
        self._is_dropped = True
        self.scope.cancel()
        with suppress(OSError):
            self._stream.socket.shutdown(trio.socket.SHUT_RDWR)

    def _take(self, kind: str, limit: int) -> None:
        if kind not in self._apart and self._connections.take_apart(kind, limit):
            self._apart.add(kind)

    def _put_back(self, kind: str) -> None:
        if kind in self._apart:
            self._apart.discard(kind)
            self._connections.put_back(kind)


def _drop_one(seats: list[Seat]) -> bool:
    """Close the first by rank, the oldest of those. Returns whether there was one."""
    first = min(seats, key=lambda seat: seat.rank, default=None)
    if first is None or first.rank is Rank.BUSY:
        return False
    first.drop()
    return True


def _descriptors_for_connections() -> int:
    """The number of files that the process can open, without those that it needs itself."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(soft - _OWN_DESCRIPTORS, soft // 2)


def _config(limits: ServerLimits) -> Config:
    config = Config()
    config.h11_max_incomplete_size = limits.head_bytes
    config.keep_alive_timeout = limits.head_seconds
    config.keep_alive_max_requests = 1_000_000
    config.include_server_header = False
    config.errorlog = None
    return config
