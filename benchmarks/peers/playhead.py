"""playhead: in the process that asks, as a library; and as a server, asked over HTTP by the same client as others.

Settings: what it has by default, which is ``fsync``.
"""

from __future__ import annotations

import asyncio
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import trio

import actors
from benchmarks.peers.asking import Given, answer, given, tell
from benchmarks.peers.http_client import Connections, OverHttp
from benchmarks.peers.playhead_app import Counter, Worker
from benchmarks.peers.processes import free_port, running, until_ready

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.control.local.client import LocalClient

ROOT = Path(__file__).parents[2]


class Playhead:
    """What it is asked."""

    def __init__(self, client: LocalClient) -> None:
        self._client = client
        self._worker = client.service(Worker)

    async def call(self, key: str) -> object:
        return await self._client.actor(Counter, key).add(1)

    queue = call  # the key has one writer

    async def work(self, number: int) -> object:
        return await self._worker.work(number)

    async def send(self, key: str) -> object:
        return await self._client.actor(Counter, key).add.send(1)


async def together(count: int, work: Callable[[], Awaitable[None]]) -> None:
    """In trio."""
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(work)


async def in_process(told: Given) -> None:
    """Open a runtime, and ask."""
    async with actors.open_runtime(Counter, Worker, path=Path(told.room) / "data") as runtime:
        await answer(Playhead(runtime.client), told.seconds, together)


async def over_http(told: Given) -> None:
    """Start a server, and ask."""
    room, port = Path(told.room), free_port()
    log = room / "server.log"
    serve = [sys.executable, "-m", "playhead", "serve", "benchmarks.peers.playhead_app", "--open", "--port", str(port)]
    with running([*serve, "--data", str(room / "data")], log, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT):
        connections = Connections(port)
        peer = OverHttp(connections)
        await until_ready(lambda: peer.call("first"), log)
        await answer(peer, told.seconds)
        connections.close()


def main(told: Given) -> None:
    """In the way that is asked for."""
    tell(playhead=version("playhead"))
    if told.form == "library":
        trio.run(in_process, told)
    else:
        asyncio.run(over_http(told))


if __name__ == "__main__":
    main(given())
