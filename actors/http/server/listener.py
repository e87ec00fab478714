"""Accepts connections for an application of HTTP, until the server closes; then lets running requests end within their time."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import trio

from actors.http.local_socket import peer_of
from actors.http.server.connection import ConnectionEnds, HttpConnection
from actors.http.server.connections import Connections, Seat
from actors.http.server.disconnects import DisconnectWatch
from actors.http.server_options import DEFAULT_LIMITS, ServerLimits
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from actors.http.closing import Closing
    from actors.http.messages import Application

log = SafeLogger(__name__)

_GOODBYE_SECONDS = 1.0

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


async def serve(
    app: Application,
    listeners: list[trio.SocketListener],
    closing: Closing,
    *,
    limits: ServerLimits = DEFAULT_LIMITS,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on open listeners until ``closing`` begins; then let running requests end within their time."""
    connections = Connections(limits)
    with DisconnectWatch() as disconnects:
        async with trio.open_nursery() as handlers:
            handlers.start_soon(disconnects.run)
            handle = partial(_handle, app, connections, disconnects, closing, limits)
            async with trio.open_nursery() as acceptor:
                acceptor.start_soon(partial(trio.serve_listeners, handle, listeners, handler_nursery=handlers))
                task_status.started()
                await closing.begin.wait()
                acceptor.cancel_scope.cancel()
            for listener in listeners:
                await listener.aclose()
            connections.drop_idle()
            with trio.move_on_after(limits.grace_seconds):
                await connections.wait_for_none()
            closing.last_call()
            with trio.move_on_after(limits.last_call_seconds):
                await connections.wait_for_none()
            handlers.cancel_scope.cancel()


async def _handle(
    app: Application,
    connections: Connections,
    disconnects: DisconnectWatch,
    closing: Closing,
    limits: ServerLimits,
    stream: trio.SocketStream,
) -> None:
    """Serve one connection to its end. An error of it ends no other connection."""
    try:
        who, ends = _ends_of(stream.socket)
    except OSError:  # it has disconnected already
        await trio.aclose_forcefully(stream)
        return
    if ends.peer is not None and not ends.peer.is_trusted:
        log.warning("refused a connection from %s: the data directory's socket is for its owner", who)
        await trio.aclose_forcefully(stream)
        return
    if not connections.make_room(who):
        log.warning("refused a connection from %s: there are already %d", who, connections.count)
        await _turn_away(stream)
        return
    seat = Seat(who, stream, connections, limits)
    descriptor = stream.socket.fileno()
    connection = HttpConnection(app, descriptor, seat, closing, limits, ends=ends)
    with connections.counted(seat):
        try:
            with disconnects.calling(descriptor, connection.disconnect), seat.scope:
                await connection.serve()
        except Exception:
            log.exception("a connection from %s failed", who)
        finally:
            stream.socket.close()


def _ends_of(connected: trio.socket.SocketType) -> tuple[str, ConnectionEnds]:
    """Return the peer's name, under which its connections are counted, and both ends. Raises ``OSError``."""
    if connected.family == trio.socket.AF_UNIX:
        peer = peer_of(connected)
        return f"user {peer.user}", ConnectionEnds(client=None, server="localhost", peer=peer)
    client, server = connected.getpeername(), connected.getsockname()
    return client[0], ConnectionEnds(client=client[:2], server=server[0])


async def _turn_away(stream: trio.SocketStream) -> None:
    with trio.move_on_after(_GOODBYE_SECONDS), suppress(trio.BrokenResourceError):
        await stream.send_all(_FULL)
    await trio.aclose_forcefully(stream)
