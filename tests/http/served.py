"""A server on loopback in this process, and ways to speak to it: a client of ours, plain requests, raw bytes."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import httpx2
import trio

from actors.http.client.backend import connect
from actors.http.closing import Closing
from actors.http.own_token import make_token
from actors.http.server.access import Guard
from actors.http.server.app import Api
from actors.http.server.listener import serve
from actors.http.server_options import DEFAULT_LIMITS as SERVER_LIMITS
from actors.http.server_options import LOOPBACK_NAMES, ServerLimits
from actors.http.tokens import TokenBook
from actors.runtime import Runtime, open_runtime
from actors.values.limits import DEFAULT_LIMITS, Limits
from journal.kv.store import Durability

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.control.client import Client


@attrs.define(eq=False)
class Served:
    """A server that runs. ``http`` sends plain requests with the server's own token."""

    runtime: Runtime
    api: Api
    port: int
    token: str
    tokens: TokenBook
    closing: Closing
    ended: trio.Event
    http: httpx2.AsyncClient
    stranger: httpx2.AsyncClient

    def connections(self) -> int:
        """How many of the server's sockets are connected."""
        local = f"0100007F:{self.port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(1 for row in rows if row[1] == local and row[3] in _OPEN_STATES)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def client(self, token: str | None = None) -> AsyncIterator[Client]:
        async with connect(self.url, token=token or self.token) as client:
            yield client

    async def bare(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        """A request without any of our headers."""
        return await self.stranger.request(method, path, **kwargs)

    async def raw(self, data: bytes) -> bytes:
        """Bytes as they are; what comes back until the server closes."""
        stream = await self.connected()
        async with stream:
            await stream.send_all(data)
            return await until_closed(stream)

    async def connected(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)


_OPEN_STATES = ("01", "08")
"""Established, and closed by the other side only."""


async def until_closed(stream: trio.SocketStream) -> bytes:
    found = b""
    with trio.fail_after(30):
        while True:
            try:
                piece = await stream.receive_some()
            except trio.BrokenResourceError:
                return found
            if not piece:
                return found
            found += piece


NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts no certificate. Reading those of the system takes longer than most tests."""


def without_tls(**options: Any) -> httpx2.AsyncClient:
    """A client of plain requests to a server on this machine."""
    return httpx2.AsyncClient(verify=NO_TLS, trust_env=False, **{"timeout": 30, **options})


@asynccontextmanager
async def serving(
    directory: Path,
    *classes: type,
    limits: ServerLimits = SERVER_LIMITS,
    is_open: bool = False,
    hosts: frozenset[str] = LOOPBACK_NAMES,
    runtime_limits: Limits = DEFAULT_LIMITS,
    port: int = 0,
    **options: Any,
) -> AsyncIterator[Served]:
    """Serve these classes for the block."""
    token, tokens, closing = make_token(directory), TokenBook(directory), Closing()
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with (
        open_runtime(*classes, limits=runtime_limits, **{"durability": Durability.MEMORY, **options}) as runtime,
        trio.open_nursery() as nursery,
    ):
        guard = Guard(tokens=tokens, hosts=hosts, is_open=is_open)
        ended = trio.Event()
        api = Api(runtime.client, guard, closing)
        await nursery.start(_serve, api, listeners, closing, limits, ended)
        headers = {"authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{port}"
        async with (
            without_tls(base_url=url, headers=headers) as http,
            without_tls(base_url=url) as stranger,
        ):
            yield Served(runtime, api, port, token, tokens, closing, ended, http, stranger)
        nursery.cancel_scope.cancel()


async def _serve(
    app: Api,
    listeners: list[trio.SocketListener],
    closing: Closing,
    limits: ServerLimits,
    ended: trio.Event,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    await serve(app, listeners, closing, limits=limits, task_status=task_status)
    ended.set()
