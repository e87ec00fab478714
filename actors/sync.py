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
import os
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import trio

from actors import runtime as runtimes
from actors.control import client as clients
from actors.control.cluster import ClusterClient as AsyncClusterClient
from actors.control.deployments import DeploymentClient as AsyncDeploymentClient
from actors.control.gates import GateClient as AsyncGateClient
from actors.control.jobs import JobClient as AsyncJobClient
from actors.control.jobs import JobHandle as AsyncJobHandle
from actors.control.jobs import JobSelection as AsyncJobSelection
from actors.control.limits import LimitClient as AsyncLimitClient
from actors.control.notifications import NotificationClient as AsyncNotificationClient
from actors.control.notifications import NotificationHandle as AsyncNotificationHandle
from actors.control.objects import ObjectHandle as AsyncObjectHandle
from actors.control.schedules import ScheduleClient as AsyncScheduleClient
from actors.control.schedules import ScheduleHandle as AsyncScheduleHandle
from actors.errors import ErrorCode, MisuseError
from actors.http.client import backend as remote
from actors.http.client.liveness import ANSWER_SECONDS
from actors.loop_thread import LoopThread, LoopWork
from actors.model.blocking import Blocking, blocking
from actors.model.blocking_handles import InvocationHandle
from actors.model.blocking_references import BlockingHandler
from actors.values.arguments import seconds_or_none

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    import outcome

T = TypeVar("T")
R = TypeVar("R")

ClusterClient = blocking(AsyncClusterClient)
DeploymentClient = blocking(AsyncDeploymentClient)
GateClient = blocking(AsyncGateClient)
LimitClient = blocking(AsyncLimitClient)
JobClient = blocking(AsyncJobClient)
JobHandle = blocking(AsyncJobHandle)
JobSelection = blocking(AsyncJobSelection)
NotificationClient = blocking(AsyncNotificationClient)
NotificationHandle = blocking(AsyncNotificationHandle)
ObjectHandle = blocking(AsyncObjectHandle)
ScheduleClient = blocking(AsyncScheduleClient)
ScheduleHandle = blocking(AsyncScheduleHandle)
_Client = blocking(clients.Client)


class _BlockingWork(LoopWork[R]):
    """Work that a thread waits for."""

    def __init__(self, function: Callable[[], Awaitable[R]], seconds: float) -> None:
        super().__init__(function, seconds)
        self.done: Future[outcome.Outcome[R]] = Future()

    def deliver(self, result: outcome.Outcome[R]) -> None:
        self.done.set_result(result)


@attrs.frozen(eq=False)
class LoopView:
    """A loop in a thread, for callers that block and wait for at most ``seconds``."""

    loop: LoopThread[Any]
    seconds: float = math.inf

    def wait(self, function: Callable[..., Awaitable[R]], *args: Any, **kwargs: Any) -> R:
        """Run the function in the loop and return its result. Raises :class:`actors.TooSlowError` after ``seconds``, and
        :class:`actors.UnavailableError` if the loop has ended."""
        return self.result_of(self.begin(partial(function, *args, **kwargs))).unwrap()

    def iterate(self, source: AsyncIterator[R]) -> Iterator[R]:
        """Return an iterator for callers that block over one of the loop, which is asked for one item at a time."""
        return BlockingIterator(source, self)

    def begin(self, function: Callable[[], Awaitable[R]]) -> _BlockingWork[R]:
        """Start the function in the loop. Raises :class:`actors.UnavailableError` if the loop has ended."""
        _check_may_block()
        work = _BlockingWork(function, self.seconds)
        self.loop.begin(work)
        return work

    def result_of(self, work: _BlockingWork[R]) -> outcome.Outcome[R]:
        """Wait for the result. If the wait is interrupted, the work is cancelled; its result can still be waited for."""
        try:
            return work.done.result()
        except BaseException:
            self.loop.cancel(work)
            raise

    def close(self) -> None:
        """End the loop, and wait until its thread has ended. Raises the error that ended it before, if any."""
        if not self.loop.is_of_another_process:
            self.loop.stop()
            self.loop.join()


class BlockingIterator(Generic[R]):
    """Iterates over an asynchronous iterator by blocking. An iterator that is not exhausted needs no closing.

    The source may have given its item when the wait for it is interrupted. Then the next wait gets the item.
    """

    def __init__(self, source: AsyncIterator[R], loop: LoopView) -> None:
        self._source = source
        self._loop = loop
        self._left: deque[_BlockingWork[R]] = deque()

    def __iter__(self) -> Iterator[R]:
        return self

    def __next__(self) -> R:
        while True:
            work = self._left_or_begun()
            try:
                result = self._loop.result_of(work)
            except BaseException:
                self._left.append(work)
                raise
            if not work.was_cancelled:
                break
        try:
            return result.unwrap()
        except StopAsyncIteration:
            raise StopIteration from None

    def _left_or_begun(self) -> _BlockingWork[R]:
        with suppress(IndexError):  # several threads may iterate
            return self._left.popleft()
        return self._loop.begin(self._source.__anext__)


def _opened(enter: Callable[[], AbstractAsyncContextManager[T]]) -> LoopThread[T]:
    """Open a context manager in a new thread, and wait until it is open."""
    _check_may_block()
    loop = LoopThread(enter, name="actors.sync")
    try:
        loop.opened.result()
    except BaseException:
        loop.stop()  # the wait may have been interrupted, and not the opening
        raise
    return loop


def _check_may_block() -> None:
    if trio.lowlevel.in_trio_task():
        raise MisuseError(
            "actors.sync blocks, and would stop the event loop that runs this task; use actors.connect() with 'async with' here",
            code=ErrorCode.BLOCKED_LOOP,
        )


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
        self._loop.close()


class BlockingClient(_Client, Opened):  # type: ignore[misc,valid-type]  # made from the async one
    __doc__ = clients.Client.__doc__

    def within(self, timeout: Any) -> BlockingClient:
        """Return this client with waits that end after ``timeout`` seconds with :class:`actors.TooSlowError`.

        ::

            client.within(5).invocation(task.id).result()
        """
        return BlockingClient(self._of, LoopView(self._loop.loop, _seconds(timeout)))


def connect(
    url: str | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    token: str | None = None,
    user: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    answer_timeout: Any = ANSWER_SECONDS,
    timeout: Any = None,
) -> BlockingClient:
    """Connect to a server, or to the process that holds a data directory, as :func:`actors.connect` does. The client is open
    until its ``with`` block ends or it is closed.

    ``answer_timeout`` bounds what the server answers at once. ``timeout`` is in seconds, or a timedelta: every wait that takes longer raises :class:`actors.TooSlowError`. The
    request may still be carried out; if it is repeated under the same idempotency key, it is carried out once.

    ::

        with actors.sync.connect("http://127.0.0.1:9070", token=token, timeout=30) as client:
            print(client.actor(Counter, "bob").add(5))
    """
    seconds = _seconds(timeout)
    loop = _opened(
        partial(remote.connect, url, path=path, token=token, user=user, ca=ca, answer_timeout=answer_timeout)
    )
    return BlockingClient(loop.opened.result(), LoopView(loop, seconds))


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
    def url(self) -> Any:
        """The address of the server. None without ``serve=``."""
        return self._of.url

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
    loop = _opened(partial(runtimes.open_runtime, *classes, **options))
    return BlockingRuntime(loop.opened.result(), LoopView(loop))


Client = BlockingClient
Runtime = BlockingRuntime

__all__ = [
    "BlockingHandler",
    "Client",
    "ClusterClient",
    "DeploymentClient",
    "GateClient",
    "InvocationHandle",
    "JobClient",
    "JobHandle",
    "JobSelection",
    "LimitClient",
    "NotificationClient",
    "NotificationHandle",
    "ObjectHandle",
    "Runtime",
    "ScheduleClient",
    "ScheduleHandle",
    "connect",
    "open_runtime",
]
