"""Where a runtime can be reached from outside: the Unix socket in its data directory, and a port if it is asked to serve one. ::

    serve="127.0.0.1:9070" ── bound before anything runs ─────────┐
                                                                  ├──► actors.http.server ──► client ──► engine
    DIR/SOCKET ── bound when the engine runs ── first connection ─┘

Both lead to one server, with one set of limits. Without a port, the server is imported when the first client connects: a
program without clients pays for a file and a descriptor. When the runtime ends, it accepts no more connections first, then lets running
requests end, and removes the socket.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import attrs
import trio

from actors.errors import UnavailableError
from actors.extras import EXTRAS
from actors.http.address import Address, write_address
from actors.http.closing import Closing
from actors.http.local_socket import bind_socket
from actors.http.portal import Portal
from actors.http.server_options import DEFAULT_LIMITS, ServeOptions, host_of
from actors.values.arguments import checked_text
from journal.errors import BrokenInvariant
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from actors.control.local.client import LocalClient
    from actors.environment import Offload
    from actors.http.local_socket import BoundSocket
    from actors.http.server.runtime_app import RuntimeApp
    from actors.http.server_options import ServerLimits
    from journal.kv.data_directory import HeldDirectory


log = SafeLogger(__name__)

_SERVER = "actors.http.server.front"


def serve_options(serve: str | ServeOptions | None) -> ServeOptions | None:
    """Return the options of a server, or None for no server. Raises as :class:`ServeOptions` does."""
    return serve if serve is None or isinstance(serve, ServeOptions) else ServeOptions(serve)


class HasEndpoints(Protocol):
    """A runtime, of a trio program or of an asyncio program."""

    @property
    def endpoints(self) -> Endpoints: ...


def asgi(runtime: HasEndpoints, *, hosts: Iterable[str] = (), open: bool = False) -> RuntimeApp:
    """Return a runtime as an application of ASGI, to mount in FastAPI, Starlette or another framework, or to run by itself.

    It has the API, the console, the streams and the tokens of ``playhead serve``, below the path where it is mounted. ``hosts``
    are the names that clients may use, besides localhost and the address of the server. With ``open`` no token is required, on
    loopback only. It answers while the runtime runs, and 503 after that; it neither opens nor closes the runtime. The server may
    run on trio, in the loop of the runtime (hypercorn), or on asyncio in any thread (uvicorn).

    Raises :class:`actors.ConflictError` for a runtime without a data directory, in which tokens could be kept, unless ``open``.

    ::

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with actors.aio.open_runtime(Counter, path="data") as runtime:
                app.mount("/playhead", actors.http.asgi(runtime))  # the console is at /playhead/ui/
                yield
    """
    names = frozenset(checked_text(name, "hosts").lower() for name in hosts)
    return runtime.endpoints.asgi(names, is_open=open)


@attrs.frozen
class _Home:
    """The runtime that the endpoints lead to."""

    client: LocalClient
    directory: HeldDirectory | None
    portal: Portal


@attrs.define(eq=False, kw_only=True)
class Endpoints:
    """The endpoints of one runtime. ``url`` is the address of its server once it listens, or None without one. ``public_url`` is
    where people outside reach it, if that is known."""

    options: ServeOptions | None
    public_url: str | None
    has_socket: bool
    drain_seconds: float
    offload: Offload
    closing: Closing = attrs.field(factory=Closing)
    url: str | None = None
    _listeners: list[trio.SocketListener] = attrs.field(factory=list)
    _ended: trio.Event = attrs.field(factory=trio.Event)
    _home: _Home | None = None

    def base_of_links(self) -> str | None:
        """Return the address at the start of links, or None if people outside cannot reach this runtime."""
        if self.public_url is not None or self.options is None:
            return self.public_url
        return f"http://{self.options.name}:{self._listeners[0].socket.getsockname()[1]}"

    @property
    def _own_names(self) -> frozenset[str]:
        """The names that clients may use because of the public address."""
        return frozenset() if self.public_url is None else frozenset({host_of(self.public_url)})

    def load(self) -> None:
        """Import the server, if one is asked for, so that :meth:`bound` and :meth:`run` need not."""
        if self.options is not None:
            import_module(_SERVER)

    @asynccontextmanager
    async def bound(self, path: Path | None) -> AsyncIterator[None]:
        """Hold the port for the block, in which the runtime runs.

        Raises :class:`actors.UnavailableError` if the port cannot be had or the directory's token cannot be used, and
        :class:`actors.errors.MissingExtraError`.
        """
        if self.options is None:
            await trio.lowlevel.checkpoint()
            yield
            return
        from actors.http.own_token import check_token

        self.load()
        self._listeners = await _open_listeners(self.options)
        try:
            if path is not None:
                check_token(path)
            yield
        finally:
            for listener in self._listeners:
                listener.socket.close()

    async def run(
        self, client: LocalClient, directory: HeldDirectory | None, *, task_status: trio.TaskStatus[None]
    ) -> None:
        """Serve the runtime until its endpoints are closed. It has started when connections are accepted."""
        if self.options is not None:
            from actors.http.server.front import require_tokens

            require_tokens(directory, is_open=self.options.open)
        bound = bind_socket(directory) if directory is not None and self.has_socket and _can_serve() else None
        try:
            async with trio.open_nursery() as requests:
                self._home = home = _Home(client, directory, Portal(requests))
                if self.options is not None or bound is not None:
                    await self._listen(home, bound, task_status)
                else:
                    task_status.started()
                    await self.closing.begin.wait()
                await self._wait_for_requests()
                home.portal.close()
        finally:
            if bound is not None:
                bound.remove()
            self._ended.set()

    def asgi(self, hosts: frozenset[str], *, is_open: bool) -> RuntimeApp:
        """Return the runtime as an application of ASGI: see :func:`asgi`."""
        from actors.http.server.front import make_app

        if self._home is None:
            raise BrokenInvariant("a runtime is used before it is open")
        home = self._home
        hosts |= self._own_names
        return make_app(home.client, home.directory, self.closing, home.portal, hosts=hosts, is_open=is_open)

    async def close(self) -> None:
        """Accept no more requests, and wait until the running ones have ended or their time is over."""
        self.closing.begin.set()
        if not self._ended.is_set():
            await self._ended.wait()

    def abandon(self) -> None:
        """Accept no more requests, and end the waiting ones."""
        self.closing.begin.set()
        self.closing.last_call()

    async def _has_visitor(self, bound: BoundSocket) -> bool:
        """Wait for the first connection, and import the server. Returns False if the endpoints are closed before."""
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                await trio.lowlevel.wait_readable(bound.listening)
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait)
            await self.closing.begin.wait()
            nursery.cancel_scope.cancel()
        if self.closing.begin.is_set():
            return False
        try:
            await self.offload(partial(import_module, _SERVER))
        except Exception:  # an input at a terminal must not end the program
            log.exception("the server for the data directory's socket cannot be imported")
            return False
        return True

    async def _listen(self, home: _Home, bound: BoundSocket | None, task_status: trio.TaskStatus[None]) -> None:
        """Accept connections to the port and the socket until the endpoints are closed."""
        if self.options is None:
            task_status.started()
            if bound is None or not await self._has_visitor(bound):
                await self.closing.begin.wait()
                return
        from actors.http.server.front import serve_runtime

        listeners = [*self._listeners]
        if bound is not None:
            listeners.append(trio.SocketListener(trio.socket.from_stdlib_socket(bound.listening)))
        serve = partial(serve_runtime, home.client, home.directory, listeners, self.closing)
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, options=self.options, hosts=self._own_names, limits=self._limits))
            if self.options is not None:
                self._announce(self.options, home.directory)
                task_status.started()

    async def _wait_for_requests(self) -> None:
        """Let the requests of ASGI servers end, as the listeners let theirs."""
        limits = self._limits
        with trio.move_on_after(limits.grace_seconds):
            await self.closing.wait_for_none()
        self.closing.last_call()
        with trio.move_on_after(limits.last_call_seconds):
            await self.closing.wait_for_none()

    @property
    def _limits(self) -> ServerLimits:
        return (DEFAULT_LIMITS if self.options is None else self.options.limits).within(self.drain_seconds)

    def _announce(self, options: ServeOptions, directory: HeldDirectory | None) -> None:
        """Write the server's address to the data directory, for programs that look for it."""
        port = self._listeners[0].socket.getsockname()[1]
        self.url = f"http://{options.name}:{port}"
        if directory is not None:
            write_address(directory, Address(self.url, os.getpid()))


def _can_serve() -> bool:
    return all(find_spec(name) is not None for name in EXTRAS["server"])


async def _open_listeners(options: ServeOptions) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(options.port, host=options.host)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UnavailableError(
            f"cannot listen on {options.address}: {why}. Choose another address, or port 0 for any free port"
        ) from error
