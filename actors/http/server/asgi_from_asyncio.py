"""Carries requests of an ASGI server on asyncio into the trio loop of a runtime, in another thread. ::

    a task of the server                              the runtime's loop
    ────────────────────                              ──────────────────
    carry(app, scope, receive, send) ── portal ─────► app(scope, …)
        receive() ◄──────────── call_soon_threadsafe ──── await receive()
          its message ────────── run_sync_soon ─────────► … which has a message
        send(…) likewise
      its end ◄──────────────── call_soon_threadsafe ──── its end
      cancelled ─────────────── run_sync_soon ──────────► its scope is cancelled

If trio cancels a call in the other direction, asyncio cancels it as well, and trio waits for its end, up to a limit: the runtime must be
able to end even if the server's loop has stopped or is blocked.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import outcome
import trio

from actors.http.server.asgi import closed, write
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.http.portal import Portal
    from actors.http.server.asgi import AsgiCallable, Message, Receive, Send

log = SafeLogger(__name__)

_CANCEL_SECONDS = 2.0
"""How long a cancelled call in asyncio may take to end."""


async def carry(portal: Portal, app: AsgiCallable, scope: Message, receive: Receive, send: Send) -> None:
    """Let the application, which runs on trio, answer a request of this asyncio task."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[bool] = loop.create_future()
    scope_of_request = trio.CancelScope()

    def end(*, is_answered: bool) -> None:
        with suppress(RuntimeError):  # the server's loop is closed
            loop.call_soon_threadsafe(_settle, ended, is_answered)

    async def answer() -> None:
        try:
            with scope_of_request:
                await app(scope, _InAsyncio(loop, receive), _InAsyncio(loop, send))
        except Exception:  # an error of a request must not end the runtime
            log.exception("a request failed")
        finally:
            end(is_answered=True)

    portal.begin(answer, lambda: end(is_answered=False))
    try:
        is_answered = await ended
    except asyncio.CancelledError:
        portal.run_soon(scope_of_request.cancel)
        raise
    if not is_answered:
        await write(closed(), send, has_body=scope.get("method") != "HEAD")


def _settle(ended: asyncio.Future[bool], is_answered: bool) -> None:
    if not ended.done():
        ended.set_result(is_answered)


class _InAsyncio:
    """A function of asyncio that a task of trio calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[..., Awaitable[Any]]) -> None:
        self._loop = loop
        self._function = function

    async def __call__(self, *args: Any) -> Any:
        call = _CallInAsyncio(self._function, args)
        try:
            self._loop.call_soon_threadsafe(call.begin)
        except RuntimeError as error:
            raise ConnectionError("the loop of the server is closed") from error
        try:
            await call.ended.wait()
        except trio.Cancelled:
            await self._end_cancelled(call)
            if call.result is None:
                raise
        if call.result is None:
            raise ConnectionError("the server has cancelled the request")
        return call.result.unwrap()

    async def _end_cancelled(self, call: _CallInAsyncio) -> None:
        """Cancel the call and wait for its end. If it returns or raises in spite of the cancel, that is its result."""
        try:
            self._loop.call_soon_threadsafe(call.cancel)
        except RuntimeError:  # the loop is closed and will not call back
            return
        with trio.move_on_after(_CANCEL_SECONDS, shield=True):
            await call.ended.wait()


class _CallInAsyncio:
    """One call from a task of trio to asyncio. ``result`` is None before its end and after a cancel."""

    def __init__(self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        self.ended = trio.Event()
        self.result: outcome.Outcome[Any] | None = None
        self._function = function
        self._args = args
        self._token = trio.lowlevel.current_trio_token()
        self._task: asyncio.Task[Any] | None = None

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._end)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> Any:
        return await self._function(*self._args)

    def _end(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            error = task.exception()
            self.result = outcome.Value(task.result()) if error is None else outcome.Error(error)
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self.ended.set)
