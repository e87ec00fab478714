"""A runtime in an asyncio program."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from actors import runtime as runtimes
from actors.aio.backends import bridged
from actors.aio.bridge import opened_in_thread
from actors.aio.parameters import with_parameters_of
from actors.control.client import Client
from actors.event_loop import require_asyncio
from actors.query.unserved import UnservedClass

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.endpoints import Endpoints


@attrs.frozen(kw_only=True)
class AsyncioRuntime:
    """A running app in a thread of its own. ``client`` calls its objects from asyncio tasks.

    ::

        async with actors.aio.open_runtime(Counter, path="data") as runtime:
            print(await runtime.client.actor(Counter, "bob").add(5))
    """

    client: Client
    endpoints: Endpoints
    unserved: tuple[UnservedClass, ...] = ()
    """Classes that have stored objects and that the app lacked at the start."""

    @property
    def url(self) -> str | None:
        """The address of the server. None without ``serve=``."""
        return self.endpoints.url


@with_parameters_of(runtimes.open_runtime)
@asynccontextmanager
async def open_runtime(*classes: type, **options: Any) -> AsyncIterator[AsyncioRuntime]:
    """Run an app in this process, as :func:`actors.open_runtime` does, with its options, for asyncio tasks.

    The runtime has a thread of its own, in which trio runs handlers and steps: a program that blocks its asyncio loop delays no
    handler. Cancelling a task that waits for a call ends the wait, and the invocation continues. If the runtime ends by an error,
    such as :class:`actors.errors.StoreFailed`, the task that opened it is cancelled, and the error is raised at the end of the block.

    ::

        async with actors.aio.open_runtime(Counter, path="data") as runtime:
            print(await runtime.client.actor(Counter, "bob").add(5))
    """
    require_asyncio("actors.aio.open_runtime()", "actors.open_runtime()")
    async with opened_in_thread(partial(runtimes.open_runtime, *classes, **options)) as (runtime, bridge):
        client = Client(bridged(runtime.client._backend, bridge))
        yield AsyncioRuntime(client=client, endpoints=runtime.endpoints, unserved=runtime.unserved)


Runtime = AsyncioRuntime
