"""An asyncio event loop without selector, clock and threads: the driver of a handler drives it. ::

        driver (Execution)                  HostedLoop
        completion ── resumes ────────────► a task's branch sets its future
                                            run ready callbacks until there are none (pump)
        requests   ◄── in order ─────────── durable operations of the tasks
                                            nothing is ready: one sleep for all timers

Only completions wake the loop, in the order of the journal, and what it runs between two of them depends on nothing else. So equal
completions give equal requests, as for any handler (see :mod:`actors.replay.branches`).

The clock of the loop is the time of the last completion. Tasks and futures are hashed by number: asyncio and libraries built on it
walk over sets of them, and the order of addresses differs in each process.

Prior art: the Python SDK of temporalio runs a workflow as an event loop. There each timer is a command of its own; here all share one
sleep, which is set only when nothing is ready, so that a timeout that does not expire costs no event.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import threading
from asyncio import events
from collections import deque
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from sniffio import thread_local as running_library

from actors.aio.handler.branches import LoopOfBranches, TaskBranch, TimerBranch
from actors.aio.handler.refusals import name_of_awaited, place_of, places_in, refusal, stalled
from actors.aio.handler.tasks import HostedFuture, HostedTask, WatchedCoroutine
from actors.errors import AttemptEnded
from actors.model.user_lines import line_within
from actors.replay.branches import Hosting, current_branch
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.errors import MisuseError
    from actors.replay.branches import Branch

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

log = SafeLogger(__name__)

_ROUNDS_TO_END = 20
"""The number of times that tasks may wait again after ``AttemptEnded`` was raised in them."""

_EMPTY = Context()


class HostedLoop(LoopOfBranches):
    """The loop of one call of :func:`actors.aio.host`, which ``branch`` hosts."""

    def __init__(self, branch: Branch, *, threads_inline: bool) -> None:
        self.branch = branch
        self.execution = branch.execution
        self.context = copy_context()
        self.tasks: dict[asyncio.Task[Any], TaskBranch] = {}
        self._threads_inline = threads_inline
        self._path = branch.next_step()
        self._branches = 0
        self._tasks_made = 0
        self._futures_made = 0
        self._timers_made = 0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._time = self.execution.now
        self.pump_is_due = True  # run() pumps first
        self._thread = threading.get_ident()
        self._exception_handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        self._is_closed = False
        self._cancelled_by: BaseException | None = None
        self._timer = TimerBranch(self)

    def next_path(self) -> str:
        self._branches += 1
        return f"{self._path}.{self._branches}."

    # The life of the loop.

    async def run(self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Any:
        """Run the function as the main task until it ends, then cancel all others and await them, as ``asyncio.run`` does."""

        async def main() -> Any:
            return await function(*args)

        self.execution.enlist(self._timer)
        try:
            task = self._awaited = self.create_task(main(), name="main")
            await self._until_ended(task, lambda error: self._cancel_main(task, error))
            for other in list(self.tasks):
                other.cancel()
            while self.tasks:
                await self._until_ended(next(iter(self.tasks)), lambda _: False)
            self._timer.disarm()
            if task.cancelled() and self._cancelled_by is not None:
                raise self._cancelled_by
            return task.result()
        finally:
            self._end()

    async def _until_ended(self, task: asyncio.Task[Any], interrupt: Callable[[BaseException], bool]) -> None:
        self._awaited = task
        self.pump_is_due = False
        self.pump()
        while self.failure is None and not task.done():
            await Hosting(self.branch, interrupt)
        if self.failure is not None:
            raise self.failure

    def _cancel_main(self, task: asyncio.Task[Any], error: BaseException) -> bool:
        """Cancel the main task on behalf of the invocation or a scope around the host."""
        if not self.cancel(task, getattr(error, "reason", None)):
            return False
        self._cancelled_by = error
        return True

    def cancel(self, task: asyncio.Task[Any], message: str | None) -> bool:
        execution = self.execution
        outer, execution.resuming = execution.resuming, execution.resuming or self._timer
        try:
            return task.cancel(message)
        finally:
            execution.resuming = outer

    def pump(self) -> None:
        execution = self.execution
        if not execution.closed:
            self._run_ready()
        if execution.closed:
            return
        self.take_changes_back()
        if self.failure is not None or self._awaited.done():
            if isinstance(self.branch.waits_at, Hosting):
                execution.make_ready(self.branch)
            return
        self._timer.arm(self._first_timer())
        if execution.waits_for_nothing and not execution.closed:
            self._look_for_stall()

    def _look_for_stall(self) -> None:
        execution = self.execution
        if self.pump_is_due or self._ready or execution.coming:
            return
        if execution.has_ready(TimerBranch):
            self._request_pump()  # another branch may still wake a task in this turn
            return
        execution.stall(stalled(self.branch.name, [place_of(task) for task in self.tasks]))

    def _run_ready(self) -> None:
        """Run ready callbacks until there are none, or until those left only poll for the end of an operation that is being stopped:
        a cancelled scope of anyio asks again and again whether its tasks have ended."""
        execution, ready = self.execution, self._ready
        self.advance_to(execution.now)
        outer_branch, outer_loop, outer_library = (
            execution.resuming,
            events._get_running_loop(),
            running_library.name,
        )
        execution.resuming = self._timer
        events._set_running_loop(self)
        running_library.name = "asyncio"
        self.is_pumping = True
        before: list[object] = []
        try:
            while ready and self.failure is None:
                if self.stopping:
                    callbacks: list[object] = [handle._callback for handle in ready]  # type: ignore[attr-defined]
                    if callbacks == before:
                        return
                    before = callbacks
                for _ in range(len(ready)):
                    handle = ready.popleft()
                    if not handle.cancelled():
                        handle._run()
                    if execution.closed and not self.has_ended:
                        return
        finally:
            self.is_pumping = False
            running_library.name = outer_library
            events._set_running_loop(outer_loop)
            execution.resuming = outer_branch

    def _request_pump(self) -> None:
        self.pump_is_due = True
        self.execution.make_ready(self._timer)

    def _end(self) -> None:
        """End the remaining tasks. ``AttemptEnded`` is raised at the wait of each task, while the loop still runs, so that its blocks
        are left in the way in which they are written; nothing that they do counts. A task that waits again and again is closed."""
        self.has_ended = True
        self.failure = None
        self._ready.clear()
        self._timers.clear()
        for branch in (self._timer, *self.tasks.values()):
            self.execution.discard(branch)
        for _ in range(_ROUNDS_TO_END):
            if not self.tasks:
                break
            for task in list(self.tasks):
                _tell_end(task)
            self._run_ready()
        for task in list(self.tasks):
            coroutine = task.get_coro()
            if coroutine is not None:
                _close(coroutine)
        self.tasks.clear()
        self._is_closed = True
        self._ready.clear()

    def child_ended(self, child: Branch, error: BaseException | None) -> None:
        self.failure = error
        self.execution.make_ready(self.branch)

    def refuse_io(self, what: str) -> MisuseError:
        """Return the error for something that is not durable. It ends the host whatever the code does with it: frameworks hand the
        error of a tool to the model, and go on."""
        return self.fail(refusal(what, line_within() or self.line_of_task))

    def refuse_await(self, coroutine: Any, awaited: object) -> MisuseError:
        """As :meth:`refuse_io`, for something that a task awaits."""
        own, _ = places_in(coroutine)
        return self.fail(refusal(name_of_awaited(awaited), own or self.line_of_task))

    @property
    def line_of_task(self) -> str:
        task: Any = asyncio.current_task(self)
        while task is not None:
            own, _ = places_in(task.get_coro())
            if own:
                return own
            task = task.made_by and task.made_by()
        return ""

    def fail(self, error: MisuseError) -> MisuseError:
        if self.failure is None and not self.has_ended:
            self.failure = error
        return error

    # What asyncio asks of its loop.

    def time(self) -> float:
        return self._time

    def advance_to(self, now: float) -> None:
        timers = self._timers
        self._time = max(self._time, now)
        while timers and timers[0][0] <= self._time:
            self._ready.append(heapq.heappop(timers)[2])

    def _first_timer(self) -> float | None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if self._is_closed:
            return handle
        self._ready.append(handle)
        if not (self.is_pumping or self.pump_is_due or self.has_ended or self.execution.closed):
            self._wake()
        return handle

    def _wake(self) -> None:
        """Have the loop pumped after code outside of it, in the same handler, has made something ready."""
        if self.execution.resuming is None:
            self.failure = stalled(self.branch.name, [place_of(task) for task in self.tasks])
        else:
            self._request_pump()

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        if threading.get_ident() != self._thread:
            raise refusal("call_soon_threadsafe() from another thread")
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._time + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_made += 1
        if when > self._time:
            heapq.heappush(self._timers, (when, self._timers_made, handle))
        else:
            self._ready.append(handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is dropped when it would be the next."""

    def create_future(self) -> asyncio.Future[Any]:
        self._futures_made += 1
        return HostedFuture(-1 - self._futures_made, loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        if self.has_ended:
            coro.close()
            raise RuntimeError("Event loop is closed")
        if not asyncio.iscoroutine(coro):
            raise TypeError(f"a coroutine was expected, got {coro!r}")
        self._tasks_made += 1
        branch = TaskBranch(self, name or f"Task-{self._tasks_made}")
        within = copy_context() if context is None else context.copy()
        within.run(current_branch.set, branch)
        watched = WatchedCoroutine(coro, self, self.refuse_await)
        task = branch.task = HostedTask(watched, number=self._tasks_made, loop=self, name=branch.name, context=within)
        self.tasks[task] = branch
        self.execution.enlist(branch)
        task.add_done_callback(branch.ended, context=_EMPTY)
        return task

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], R], *args: *Ts) -> asyncio.Future[R]:
        if not self._threads_inline:
            raise self.refuse_io(f"a thread for {_name_of(func)}()")
        future: asyncio.Future[R] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def is_running(self) -> bool:
        return not self.has_ended

    def is_closed(self) -> bool:
        return self.has_ended

    def get_exception_handler(self) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None:
        return self._exception_handler

    def set_exception_handler(
        self, handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None
    ) -> None:
        self._exception_handler = handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.execution.is_repeating:
            log.error("%s: %s", self.branch.name, context.get("message"), exc_info=context.get("exception"))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self.has_ended:
            return
        if self._exception_handler is None:
            self.default_exception_handler(context)
        else:
            self._exception_handler(self, context)


def _name_of(function: Any) -> str:
    if isinstance(function, partial):  # of to_thread(): it calls the function in a context
        function = function.args[0] if isinstance(getattr(function.func, "__self__", None), Context) else function.func
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _tell_end(task: Any) -> None:
    """Raise ``AttemptEnded`` where the task waits, unless it waits for another task, in which it is raised."""
    task._log_destroy_pending = False
    waits_for = task._fut_waiter
    if waits_for is not None and not waits_for.done() and not isinstance(waits_for, asyncio.Task):
        waits_for.set_exception(AttemptEnded())
        waits_for.exception()  # otherwise it is logged as never retrieved


def _close(coroutine: Any) -> None:
    for end in (partial(coroutine.throw, AttemptEnded()), coroutine.close):
        with contextlib.suppress(BaseException):
            end()
