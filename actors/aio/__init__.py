"""The same runtime and clients for asyncio programs, and asyncio code in handlers.

::

    async with actors.aio.open_runtime(Counter, path="data") as runtime:  # in asyncio, for example in FastAPI's lifespan
        print(await runtime.client.actor(Counter, "bob").add(5))

The clients and handles are those of trio, ``actors.Client`` and ``actors.InvocationHandle``, and are awaited in asyncio tasks. Trio runs
handlers and steps in a thread of its own. In a handler, ``host`` runs asyncio code durably::

    notes = await actors.aio.host(main, topics)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.aio.directory import open_directory
    from actors.aio.embedded import Runtime, open_runtime
    from actors.aio.handler.host import host
    from actors.aio.remote import connect

_LATER = {
    "Runtime": "actors.aio.embedded",
    "connect": "actors.aio.remote",
    "host": "actors.aio.handler.host",
    "open_directory": "actors.aio.directory",
    "open_runtime": "actors.aio.embedded",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'actors.aio' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value


__all__ = ["Runtime", "connect", "host", "open_directory", "open_runtime"]
