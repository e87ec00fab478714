"""Calls the function of a step: in its task, in a thread, or in the event loop of asyncio, and no longer than its timeout."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from actors.engine.step_bodies import in_turns
from actors.engine.threads import StepThread, has_abandoned, key_of
from actors.errors import StepTimeoutError
from actors.model.verbs.step_requests import StepBody
from actors.model.verbs.steps import is_async
from actors.model.wait_info import StepPhase
from actors.values.loops import EventLoop
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.engine.engine_context import EngineContext
    from journal.ids import InvocationId, StepId

log = SafeLogger(__name__)


class BodyCall:
    """The base of ``StepTask`` that makes the call. ``phase`` says what it waits for before."""

    phase = StepPhase.RUNS
    _thread: StepThread | None = None
    _time: trio.CancelScope | None = None

    invocation_id: InvocationId
    step: StepId
    name: str
    mark: bytes
    may_be_interrupted: bool
    progress: int
    _context: EngineContext
    _body: StepBody
    _follows_cancel: bool

    @property
    def key(self) -> str:
        """The key of the step, the same for every try."""
        return key_of(self.invocation_id, self.step)

    def _note_begin(self) -> None:
        """Tell the observer and the record of running code that the body begins."""
        raise NotImplementedError

    async def _try(self) -> Any:
        body = self._body
        if self._follows_cancel:
            await self._let_cancelled_threads_end()
        if body.options.loop is EventLoop.ASYNCIO:
            self._note_begin()
            return await self._in_time(self._call_in_asyncio)
        if is_async(body.call.function):
            self._note_begin()
            if body.options.timeout is None:
                return await in_turns(self._context.watchdog, self, body.call)
            return await self._in_time(partial(in_turns, self._context.watchdog, self, body.call))
        thread = StepThread(self.invocation_id, self.step, self.name)
        await self._take_thread(thread)
        self._note_begin()
        return await self._in_time(partial(self._call_in_thread, thread))

    async def _let_cancelled_threads_end(self) -> None:
        """Wait for the threads of the steps that the cancel stopped: this step may compensate for one of them."""
        threads = self._context.threads
        if threads.left_by(self.invocation_id):
            self.phase = StepPhase.STOPPED_THREAD
            if not await threads.wait_for_left(self.invocation_id):
                log.warning(
                    "%s: step %r begins while the thread of a step that was cancelled is still running",
                    self.key,
                    self.name,
                )
            self.phase = StepPhase.RUNS

    async def _take_thread(self, thread: StepThread) -> None:
        """Wait for a free thread. The wait does not count as the step's time."""
        threads = self._context.threads
        if has_abandoned(self.key):
            self.phase = StepPhase.EARLIER_TRY
            if not await threads.wait_for_earlier(self.key):
                log.warning("%s: step %r begins while an abandoned thread of it is still running", self.key, self.name)
        try:
            threads.take_place_nowait(thread)
        except trio.WouldBlock:
            self.phase = StepPhase.THREAD
            await threads.take_place(thread)
        self.phase = StepPhase.RUNS

    async def _call_in_thread(self, thread: StepThread) -> Any:
        self._thread = thread
        result = await self._context.threads.run(thread, self._body.call)
        if not inspect.isawaitable(result):
            return result
        return await in_turns(self._context.watchdog, self, lambda: result)

    async def _call_in_asyncio(self) -> Any:
        return await self._context.asyncio_steps.run(self.invocation_id, self.name, self._body.call)

    async def _in_time(self, call: Callable[[], Awaitable[Any]]) -> Any:
        timeout = self._body.options.timeout
        if timeout is None:
            return await call()
        with trio.move_on_after(timeout) as self._time:
            return await call()
        raise StepTimeoutError(f"step {self.name!r} did not end within {timeout} seconds")
