"""The client of a data directory at rest for asyncio programs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from actors.aio.backends import bridged
from actors.aio.bridge import opened_in_thread
from actors.aio.parameters import with_parameters_of
from actors.control.offline import directory
from actors.control.offline.directory import OfflineClient
from actors.event_loop import require_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@with_parameters_of(directory.open_directory)
@asynccontextmanager
async def open_directory(*args: Any, **options: Any) -> AsyncIterator[OfflineClient]:
    """Open a data directory at rest for reading, as :func:`actors.open_directory` does, for asyncio tasks.

    ::

        async with actors.aio.open_directory("playhead-data") as client:
            for invocation in await client.invocations(where="status = 'paused'"):
                print(invocation.id, invocation.pause_reason)
    """
    require_asyncio("actors.aio.open_directory()", "actors.open_directory()")
    async with opened_in_thread(partial(directory.open_directory, *args, **options)) as (client, bridge):
        yield OfflineClient(bridged(client._backend, bridge))
