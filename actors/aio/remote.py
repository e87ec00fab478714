"""The client of a server for asyncio programs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from actors.aio.backends import bridged
from actors.aio.bridge import opened_in_thread
from actors.aio.parameters import with_parameters_of
from actors.control.client import Client
from actors.event_loop import require_asyncio
from actors.http.client import backend as remote

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@with_parameters_of(remote.connect)
@asynccontextmanager
async def connect(*args: Any, **options: Any) -> AsyncIterator[Client]:
    """Connect a client to a server, as :func:`actors.connect` does, for asyncio tasks.

    ::

        async with actors.aio.connect("http://127.0.0.1:9070", token=token) as client:
            print(await client.actor(Counter, "bob").add(5))
    """
    require_asyncio("actors.aio.connect()", "actors.connect()")
    async with opened_in_thread(partial(remote.connect, *args, **options)) as (client, bridge):
        yield Client(bridged(client._backend, bridge))
