"""A trio event loop in a thread of its own, which other threads give work to.

::

    a thread of the user's                     the thread of the loop
    ──────────────────────                     ──────────────────────
    begin(work) ──────────────── run_sync_soon ──► a task in the nursery
      work.deliver(outcome) ◄───────────────── … which has ended

A caller that no longer waits cancels the task. ``trio.from_thread.run`` is not enough: on an interrupt it stops waiting, but its
task continues. The work sees the context variables of its caller.
"""

from __future__ import annotations

import math
import os
import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import outcome
import trio

from actors.errors import TooSlowError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")
R = TypeVar("R")


class LoopWork(ABC, Generic[R]):
    """A function that the loop runs for a caller elsewhere, for at most ``seconds``."""

    def __init__(self, function: Callable[[], Awaitable[R]], seconds: float = math.inf) -> None:
        self.function = function
        self.seconds = seconds
        self.scope = trio.CancelScope()
        self.context = copy_context()

    @property
    def was_cancelled(self) -> bool:
        """Whether it has ended by :meth:`LoopThread.cancel`. It may also have ended before the cancel, with a result."""
        return self.scope.cancelled_caught

    @abstractmethod
    def deliver(self, result: outcome.Outcome[R]) -> None:
        """Give the caller the result, exactly once. Called in the thread of the loop, and must not raise."""


class LoopThread(Generic[T]):
    """The thread of an event loop, in which one context manager is open. ``opened`` has its value, or the error that kept it
    from opening. The thread ends when it is stopped; ``ended`` then has a result, or the error that ended it.
    """

    def __init__(self, enter: Callable[[], AbstractAsyncContextManager[T]], *, name: str) -> None:
        self.opened: Future[T] = Future()
        self.ended: Future[None] = Future()
        for future in (self.opened, self.ended):
            future.set_running_or_notify_cancel()  # from now on no waiter can cancel it
        self._enter = enter
        self._pid = os.getpid()
        self._nursery: trio.Nursery | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._stop = trio.Event()
        self._scope = trio.CancelScope()
        self._ends: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_of_another_process(self) -> bool:
        """Whether it was opened before a fork, so that this process has no such thread."""
        return self._pid != os.getpid()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            trio.run(self._main)
        except BaseException as raised:  # for the thread that waits
            error = raised
        if not self.opened.done():
            self.opened.set_exception(error or self._closed())
            error = None
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        for end in self._ends:  # asked for before there was a token
            end()
        with self._scope:
            async with self._enter() as opened, trio.open_nursery() as nursery:
                self._nursery = nursery
                self.opened.set_result(opened)
                await self._stop.wait()
                nursery.cancel_scope.cancel()

    def begin(self, work: LoopWork[Any]) -> None:
        """Run the work in the loop. Raises :class:`UnavailableError` if the loop has ended."""
        if self.is_of_another_process:
            raise UnavailableError("this client was opened in another process, before a fork; open one in each process")
        if self._token is None:
            raise self._closed()
        try:
            self._token.run_sync_soon(self._start, work)
        except trio.RunFinishedError:
            raise self._closed() from self._reason()

    def cancel(self, work: LoopWork[Any]) -> None:
        """Cancel the work, if it has not ended: its caller no longer waits. It is delivered nevertheless."""
        self._run_soon(work.scope.cancel)

    def stop(self) -> None:
        """Close all open contexts, and end the thread. A caller that waits for a result gets :class:`UnavailableError`."""
        self._end_by(self._stop.set)

    def abort(self) -> None:
        """Stop, and cancel also the opening and the closing."""
        self._end_by(self._scope.cancel)

    def join(self) -> None:
        """Wait until the thread has ended, which is soon after ``ended`` has a result. Raises the error that ended it."""
        self._thread.join()
        self.ended.result()

    def _end_by(self, end: Callable[[], None]) -> None:
        self._ends.append(end)
        self._run_soon(end)

    def _start(self, work: LoopWork[Any]) -> None:
        if self._nursery is None or self._stop.is_set():
            work.deliver(outcome.Error(self._closed()))
        else:
            work.context.run(self._nursery.start_soon, self._do, work)  # a task has the context of its start

    async def _do(self, work: LoopWork[Any]) -> None:
        result: outcome.Outcome[Any] | None = None
        try:
            with work.scope, trio.move_on_after(work.seconds) as limit:
                result = outcome.Value(await work.function())
            if limit.cancelled_caught:
                result = outcome.Error(TooSlowError(f"not done within {work.seconds} seconds"))
        except Exception as error:  # it belongs to the waiting caller
            result = outcome.Error(error)
        finally:
            work.deliver(outcome.Error(self._closed()) if result is None else result)

    def _run_soon(self, function: Callable[[], object]) -> None:
        """Run the function in the loop, unless the loop has ended."""
        if self._token is not None and not self.is_of_another_process:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(function)

    def _reason(self) -> BaseException | None:
        return self.ended.exception() if self.ended.done() else None

    def _closed(self) -> UnavailableError:
        return UnavailableError("the client is closed; open another one")
