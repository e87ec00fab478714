"""Enters trio for commands: with a client of a running server, or with one of a server or a stopped directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import trio

from cli.backend import live, readable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.control.client import Client
    from cli.backend import ServerOptions


T = TypeVar("T")


def ask(server: ServerOptions, question: Callable[[Client], Awaitable[T]]) -> T:
    """Run the question with a client of a running server. Raises :class:`actors.UnavailableError` if there is none."""

    async def run() -> T:
        async with live(server) as client:
            return await question(client)

    return trio.run(run)


def read(server: ServerOptions, look: Callable[[Client], Awaitable[T]]) -> T:
    """Run a read with a client of the running server, or of the data directory if no server runs."""

    async def run() -> T:
        async with readable(server) as client:
            return await look(client)

    return trio.run(run)
