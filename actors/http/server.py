"""Serves an ASGI app on trio with hypercorn, and gives up on clients that do not read.

hypercorn's worker (0.18) shields every send without a deadline, so one client that stops reading would hold up the end of the
process for ever. The version is pinned, and a test connects such a client.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import trio
from hypercorn.config import Config
from hypercorn.events import RawData
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercorn.events import Event

SEND_SECONDS = 10.0
"""How long a client may take to read what one send holds, before the connection is dropped."""

CONNECTIONS = 1_000
"""Connections at a time; further ones wait to be accepted."""

GRACE_SECONDS = 10.0
"""How long requests under way may take to end when the server stops."""

LAST_CALL_SECONDS = 2.0
"""How long they have to say goodbye after that."""
_REQUEST_HEAD_BYTES = 16 << 10
_IDLE_SECONDS = 30.0


class _BoundedServer(TCPServer):
    """A connection that is dropped when its client does not read."""

    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        with trio.move_on_after(SEND_SECONDS, shield=True) as scope:
            await super().protocol_send(event)
        if scope.cancelled_caught:
            await trio.aclose_forcefully(self.stream)


@attrs.define(eq=False)
class Closing:
    """How a server ends: ``begin`` stops taking connections, ``last_call`` tells requests that wait to give up."""

    begin: trio.Event = attrs.field(factory=trio.Event)
    last_call: trio.Event = attrs.field(factory=trio.Event)


async def serve(
    app: Any,
    listeners: list[trio.SocketListener],
    closing: Closing,
    *,
    grace_seconds: float = GRACE_SECONDS,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on open listeners until ``closing`` begins; requests under way then have ``grace_seconds`` to end."""
    config = _config()
    context = WorkerContext(None)
    connections = trio.CapacityLimiter(CONNECTIONS)
    make: Callable[..., TCPServer] = partial(
        _BoundedServer, wrap_app(app, config.wsgi_max_body_size, "asgi"), config, context, ConnectionState({})
    )

    under_way = _Gauge()

    async def handle(stream: Any) -> None:
        async with connections:
            with under_way:
                await make(stream)

    async with trio.open_nursery() as handlers:
        async with trio.open_nursery() as acceptor:
            acceptor.start_soon(partial(trio.serve_listeners, handle, listeners, handler_nursery=handlers))
            task_status.started()
            await closing.begin.wait()
            acceptor.cancel_scope.cancel()
        await context.terminated.set()
        with trio.move_on_after(grace_seconds):
            await under_way.wait_for_none()
        closing.last_call.set()
        with trio.move_on_after(LAST_CALL_SECONDS):
            await under_way.wait_for_none()
        handlers.cancel_scope.cancel()


class _Gauge:
    """How many connections are open."""

    def __init__(self) -> None:
        self._count = 0
        self._none = trio.Event()

    def __enter__(self) -> None:
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if self._count == 0:
            self._none.set()
            self._none = trio.Event()

    async def wait_for_none(self) -> None:
        """Return when all are closed."""
        if self._count:
            await self._none.wait()


def _config() -> Config:
    config = Config()
    config.h11_max_incomplete_size = _REQUEST_HEAD_BYTES
    config.keep_alive_timeout = _IDLE_SECONDS
    config.keep_alive_max_requests = 1_000_000
    config.include_server_header = False
    config.errorlog = None
    return config
