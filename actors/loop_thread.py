"""An event loop in a thread of its own, that any other thread gives work to and waits for.

::

    a thread of the user's                     the thread of the loop
    ──────────────────────                     ──────────────────────
    wait(function, …) ── run_sync_soon ──────► a task in the nursery
      Future.result()  ◄── set_result ──────── … which has ended

A wait that is interrupted (Ctrl-C) cancels its task and returns. ``trio.from_thread.run`` is not enough: on an
interrupt it stops waiting, but its task continues.
"""

from __future__ import annotations

import math
import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import trio

from actors.errors import ErrorCode, MisuseError, TooSlowError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")
R = TypeVar("R")


class LoopThread(Generic[T]):
    """The thread of an event loop, in which one context manager is open; ``opened`` is its value. The thread ends when
    it is closed."""

    def __init__(self, enter: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._enter = enter
        self._pid = os.getpid()
        self._nursery: trio.Nursery | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._stop = trio.Event()
        self._error: BaseException | None = None
        _check_may_block()
        ready: Future[T] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="actors.sync", daemon=True)
        self._thread.start()
        try:
            self.opened = ready.result()
        except BaseException:
            if not ready.done():  # the wait was interrupted, not the opening
                ready.add_done_callback(lambda _: self._run_soon(self._stop.set))
            raise

    def _run(self, ready: Future[T]) -> None:
        try:
            trio.run(self._main, ready)
        except BaseException as error:  # raised in the thread that waits, or at the end
            self._error = error
            if not ready.done():
                ready.set_exception(error)

    async def _main(self, ready: Future[T]) -> None:
        async with self._enter() as opened, trio.open_nursery() as nursery:
            self._nursery, self._token = nursery, trio.lowlevel.current_trio_token()
            ready.set_result(opened)
            await self._stop.wait()
            nursery.cancel_scope.cancel()

    def wait(self, function: Callable[..., Awaitable[R]], args: Any, kwargs: Any, seconds: float) -> R:
        """Run the function in the loop and return its result. Raises :class:`TooSlowError` after ``seconds``, and
        :class:`UnavailableError` if the loop has ended."""
        _check_may_block()
        if self._pid != os.getpid():
            raise UnavailableError("this client was opened in another process, before a fork; open one in each process")
        if self._token is None:
            raise self._closed()
        done: Future[R] = Future()
        scope = trio.CancelScope()
        work = partial(self._work, done, scope, partial(function, *args, **kwargs), seconds)
        try:
            self._token.run_sync_soon(self._begin, work, done)
        except trio.RunFinishedError:
            raise self._closed() from self._error
        try:
            return done.result()
        finally:
            if not done.done():
                self._run_soon(scope.cancel)

    def _begin(self, work: Callable[[], Awaitable[None]], done: Future[R]) -> None:
        if self._nursery is None or self._stop.is_set():
            done.set_exception(self._closed())
        else:
            self._nursery.start_soon(work)

    async def _work(
        self, done: Future[R], scope: trio.CancelScope, work: Callable[[], Awaitable[R]], seconds: float
    ) -> None:
        try:
            with scope, trio.move_on_after(seconds) as limit:
                done.set_result(await work())
            if limit.cancelled_caught:
                done.set_exception(TooSlowError(f"not done within {seconds} seconds"))
        except Exception as error:  # it belongs to the waiting thread
            done.set_exception(error)
        finally:
            if not done.done():
                done.set_exception(self._closed())

    def _run_soon(self, function: Callable[[], object]) -> None:
        """Run the function in the loop, unless the loop has ended."""
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(function)

    def close(self) -> None:
        """Close everything that is open, and wait until the thread has ended. Waits of other threads raise
        :class:`UnavailableError`.

        Raises the error that ended the loop before, if any.
        """
        if self._pid != os.getpid():
            return  # the thread belongs to the other process
        self._run_soon(self._stop.set)
        self._thread.join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _closed(self) -> UnavailableError:
        return UnavailableError("the client is closed; open another one")


@attrs.frozen(eq=False)
class LoopView:
    """The loop, for callers that wait for at most ``seconds``."""

    loop: LoopThread[Any]
    seconds: float = math.inf

    def wait(self, function: Callable[..., Awaitable[R]], *args: Any, **kwargs: Any) -> R:
        return self.loop.wait(function, args, kwargs, self.seconds)


def _check_may_block() -> None:
    if trio.lowlevel.in_trio_task():
        raise MisuseError(
            "actors.sync blocks, and would stop the event loop that runs this task; use actors.connect() with 'async with' here",
            code=ErrorCode.BLOCKED_LOOP,
        )
