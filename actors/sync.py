"""The remote control for code that blocks: scripts, notebooks, Django, Flask.

::

    import actors.sync

    with actors.sync.connect("http://127.0.0.1:9070", token=token) as client:
        total = client.actor(Counter, "bob").add(5)
        task = client.service(Agent).answer.send("why?")
        for entry in task.follow():
            print(entry)

Each method of the async client is here under its name, and waits for its result; async iterators are plain iterators. The event loop
runs in a thread of its own. Any thread may use a client, and several may wait at once. An interrupt (Ctrl-C) ends the wait, not the
invocation. After a fork, open a client in each process. Types are in the generated stub beside this file.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from actors import runtime as runtimes
from actors.control import client as clients
from actors.control.deployments import DeploymentClient as AsyncDeploymentClient
from actors.control.gates import GateClient as AsyncGateClient
from actors.control.jobs import JobClient as AsyncJobClient
from actors.control.jobs import JobHandle as AsyncJobHandle
from actors.control.jobs import JobSelection as AsyncJobSelection
from actors.control.objects import ObjectHandle as AsyncObjectHandle
from actors.http.client import backend as remote
from actors.loop_thread import LoopThread, LoopView
from actors.model.blocking import Blocking, blocking
from actors.model.blocking_handles import InvocationHandle
from actors.model.blocking_references import BlockingHandler
from actors.values.arguments import seconds_or_none

DeploymentClient = blocking(AsyncDeploymentClient)
GateClient = blocking(AsyncGateClient)
JobClient = blocking(AsyncJobClient)
JobHandle = blocking(AsyncJobHandle)
JobSelection = blocking(AsyncJobSelection)
ObjectHandle = blocking(AsyncObjectHandle)
_Client = blocking(clients.Client)


class Opened(Blocking):
    """The base of things that are opened in a loop of their own and closed with it."""

    _loop: LoopView

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the loop and wait for its end. Raises :class:`actors.UnavailableError` in other threads that wait for a
        result.
        """
        self._loop.loop.close()


class BlockingClient(_Client, Opened):  # type: ignore[misc,valid-type]  # made from the async one
    __doc__ = clients.Client.__doc__

    def within(self, timeout: Any) -> BlockingClient:
        """Return this client with waits that end after ``timeout`` seconds with :class:`actors.TooSlowError`.

        ::

            client.within(5).invocation(task.id).result()
        """
        return BlockingClient(self._of, LoopView(self._loop.loop, _seconds(timeout)))


def connect(
    url: str | None = None, *, token: str | None = None, user: str | None = None, timeout: Any = None
) -> BlockingClient:
    """Connect to a server, as :func:`actors.connect` does. The client is open until its ``with`` block ends or it is
    closed.

    ``timeout`` is in seconds, or a timedelta: every wait that takes longer raises :class:`actors.TooSlowError`. The
    request may still be carried out; if it is repeated under the same idempotency key, it is carried out once.

    ::

        with actors.sync.connect("http://127.0.0.1:9070", token=token, timeout=30) as client:
            print(client.actor(Counter, "bob").add(5))
    """
    seconds = _seconds(timeout)
    loop = LoopThread(partial(remote.connect, url, token=token, user=user))
    return BlockingClient(loop.opened, LoopView(loop, seconds))


def _seconds(timeout: Any) -> float:
    seconds = seconds_or_none(timeout, "timeout")
    return math.inf if seconds is None else seconds


class BlockingRuntime(Opened):
    """A runtime in a thread of its own. ``client`` calls its objects."""

    @property
    def client(self) -> BlockingClient:
        """The blocking client. Safe to use from any thread."""
        return BlockingClient(self._of.client, self._loop)

    @property
    def unserved(self) -> Any:
        """The classes that have stored objects and that the app lacked at the start."""
        return self._of.unserved


def open_runtime(*classes: type, **options: Any) -> BlockingRuntime:
    """Open a runtime in this process, as :func:`actors.open_runtime` with its options. The runtime is open until its
    ``with`` block ends.

    ::

        with actors.sync.open_runtime(Counter, path="data") as runtime:
            print(runtime.client.actor(Counter, "bob").add(5))
    """
    loop = LoopThread(partial(runtimes.open_runtime, *classes, **options))
    return BlockingRuntime(loop.opened, LoopView(loop))


Client = BlockingClient
Runtime = BlockingRuntime

__all__ = [
    "BlockingHandler",
    "Client",
    "DeploymentClient",
    "GateClient",
    "InvocationHandle",
    "JobClient",
    "JobHandle",
    "JobSelection",
    "ObjectHandle",
    "Runtime",
    "connect",
    "open_runtime",
]
