"""Runs the bodies of steps with ``loop="asyncio"``, in one asyncio loop for all steps of an engine.

::

    trio: StepTask.run                         the thread "asyncio steps"
    ──────────────────                         ──────────────────────────
    run(step, call)      ── begin ───────────► a task of asyncio awaits the body
      cancelled          ── cancel ──────────► asyncio.CancelledError at the body's await
      waits for its end  ◄───────────────────── … which has ended

The thread starts with the first such step and ends with the engine. So bodies may share a connection pool or a session in a global
variable: all of them run in the same loop. As with every step, the engine awaits the end of a body even after a cancel. asyncio cancels
a task once: a body that swallows the cancel continues to its end, and is cancelled again when the runtime ends.

Under a virtual clock, time stands still while one of the bodies runs or ends, and asyncio's own time is real.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

import outcome
import trio

from actors.engine.frames import place_of
from actors.errors import ErrorCode, MisuseError
from actors.model.verbs.steps import not_async
from journal.mock_clock import is_mocked, still
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.ids import InvocationId

log = SafeLogger(__name__)

REPORT_SECONDS = 1.0
"""A body that blocks the loop for this long is logged with its line."""

CLOSE_SECONDS = 2.0
"""How long the tasks of the loop may take to end when the engine ends."""

_OF_TRIO = ("must be called from async context", "Task got bad yield:", "'RunContext' object has no attribute")
"""Parts of the errors that trio and asyncio raise if a body uses trio."""


class AsyncioSteps:
    """The asyncio loop of an engine, and the bodies that run in it."""

    def __init__(self) -> None:
        self._bodies: dict[_Body, None] = {}
        self._loop = asyncio.new_event_loop()
        self._is_closing = False
        self._asked_at: float | None = None
        self._is_reported = False
        self._thread = threading.Thread(target=self._serve, name="asyncio steps", daemon=True)
        self._thread.start()

    async def run(self, of: InvocationId, step: str, call: Callable[[], Any]) -> Any:
        """Await the result of the call in the asyncio loop and return it. A cancel of the caller cancels the body, and waits for
        its end. If the body returns or raises in spite of the cancel, that is the result."""
        body = _Body(self._loop, of, step, call)
        self._bodies[body] = None
        try:
            with still() if is_mocked() else nullcontext():
                return await body.run()
        finally:
            del self._bodies[body]

    async def close(self) -> None:
        """Cancel the bodies that still run, and end the thread. Those that have not ended after ``CLOSE_SECONDS`` are abandoned."""
        self._is_closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        with trio.CancelScope(shield=True), still() if is_mocked() else nullcontext():
            await trio.to_thread.run_sync(self._thread.join, CLOSE_SECONDS, limiter=trio.CapacityLimiter(1))
        for body in list(self._bodies):
            body.leave()

    def look(self) -> None:
        """Log a body that blocks the loop. The watchdog's thread calls this repeatedly."""
        if not self._bodies or self._is_closing:
            return
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self._loop.call_soon_threadsafe(self._answer)
        elif not self._is_reported and time.monotonic() - self._asked_at >= REPORT_SECONDS:
            self._report()

    def _answer(self) -> None:
        self._asked_at, self._is_reported = None, False

    def _report(self) -> None:
        task = asyncio.current_task(self._loop)
        frame = None if self._thread.ident is None else sys._current_frames().get(self._thread.ident)
        if task is None or frame is None:
            return
        self._is_reported = True
        log.error(
            "%s has blocked the asyncio loop of steps for more than %.0f second and still does: no other step with "
            "loop='asyncio' runs meanwhile. Put slow work into a step that is a plain function. At:\n%s",
            *(task.get_name(), REPORT_SECONDS, place_of(frame).frames),
        )

    def _serve(self) -> None:
        while not self._is_closing:
            try:
                self._loop.run_forever()
            except BaseException:  # SystemExit, of a task that a body has started
                log.exception("a task in the asyncio loop of steps raised; the loop continues")
        self._loop.run_until_complete(_end_all())
        self._loop.close()


async def _end_all() -> None:
    """Cancel the tasks of the loop and wait for their end, up to a limit."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel("the runtime ends")
    if tasks:
        await asyncio.wait(tasks, timeout=CLOSE_SECONDS / 2)
    await asyncio.get_running_loop().shutdown_asyncgens()


class _Body:
    """One body: a task of asyncio, and a task of trio that waits for its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, of: InvocationId, step: str, call: Callable[[], Any]) -> None:
        self._loop = loop
        self._step = step
        self._name = f"step {step} ({of})"
        self._call = call
        self._token = trio.lowlevel.current_trio_token()
        self._ended = trio.Event()
        self._result: outcome.Outcome[Any] | None = None
        self._task: asyncio.Task[outcome.Outcome[Any]] | None = None

    async def run(self) -> Any:
        """Run the body and return its result. Called in trio."""
        self._soon(self._begin)
        try:
            await self._ended.wait()
        except trio.Cancelled:
            self._soon(self._cancel)
            with trio.CancelScope(shield=True):
                await self._ended.wait()
            if self._result is None:
                raise
        if self._result is None:
            raise asyncio.CancelledError("the body ended by a cancel of its own")
        try:
            return self._result.unwrap()
        except (RuntimeError, AttributeError) as error:
            if type(error) not in (RuntimeError, AttributeError) or not str(error).startswith(_OF_TRIO):
                raise
            raise self._awaited_trio().with_traceback(error.__traceback__) from error

    def leave(self) -> None:
        """Stop waiting for the end of the body. Called in trio."""
        self._ended.set()

    def _soon(self, function: Callable[[], None]) -> None:
        """Run the function in asyncio's loop, with the context variables of the caller: those of the step."""
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed
            self._ended.set()

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._main(), name=self._name)
        self._task.add_done_callback(self._end)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel("the step was stopped")

    async def _main(self) -> outcome.Outcome[Any]:
        try:
            awaitable = self._call()
            if not inspect.isawaitable(awaitable):
                return outcome.Error(not_async(self._step))
            return outcome.Value(await awaitable)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # SystemExit would end the loop
            return outcome.Error(error)

    def _end(self, task: asyncio.Task[outcome.Outcome[Any]]) -> None:
        if not task.cancelled():
            self._result = task.result()
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._ended.set)

    def _awaited_trio(self) -> MisuseError:
        return MisuseError(
            f"step {self._step!r} runs on asyncio, by loop='asyncio', and its body uses trio; use asyncio in it, or leave out "
            "loop='asyncio'",
            code=ErrorCode.WRONG_LOOP,
        )
