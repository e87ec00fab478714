"""The threads of steps that are plain functions: a limited number of working threads, and abandoned threads.

A thread cannot be stopped. A try that times out or is cancelled is over at once, and its thread is *abandoned*: it runs to its
end, and its result is dropped. Until then the next try of the same step waits, up to a limit, so that a side effect does not
overlap itself. A function can end early by calling ``trio.from_thread.check_cancelled()``.

After a cancel, every step of the invocation is taken for a compensation and waits for the threads that the cancel left, up to
``UNWIND_SECONDS``: a refund that runs beside its payment may be done first, and then finds nothing to refund.

An abandoned thread gives its slot to another step, since otherwise a few hung threads would block every plain step of the
process. Beyond ``Limits.abandoned_threads`` it keeps its slot, because the operating system's threads are limited.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actors.environment import Offload
    from actors.values.limits import Limits
    from journal.ids import InvocationId, StepId


UNWIND_SECONDS = 10.0
"""How long a stopped step may take to end before others no longer wait for it. It is shorter than ``Limits.thread_end_seconds``,
because a cancel is meant to end the invocation soon."""


def key_of(invocation_id: InvocationId, step: StepId) -> str:
    """The key of a step, the same for every try."""
    return f"{invocation_id}/{step}"


_abandoned: dict[str, list[StepThread]] = {}
"""The abandoned threads by the key of their step. They belong to the process: another runtime on the same data must not run the
step beside them either."""


class StepThread:
    """The thread of one try."""

    def __init__(self, invocation_id: InvocationId, step: StepId, name: str) -> None:
        self.invocation_id = invocation_id
        self.key = key_of(invocation_id, step)
        self.name = name
        self.abandoned_at = 0.0
        self._lock = threading.Lock()
        self._has_ended = False
        self._when_ended: list[Callable[[], None]] = []

    @property
    def has_ended(self) -> bool:
        """Whether the function has returned."""
        return self._has_ended

    def end(self) -> None:
        """Record the end of the function. Called in the thread."""
        with self._lock:
            self._has_ended = True
            actions, self._when_ended = self._when_ended, []
        for action in actions:
            action()

    def when_ended(self, action: Callable[[], None]) -> None:
        """Run the action in trio's thread once the function has ended: possibly at once, and never if trio's run has
        ended by then."""
        token = trio.lowlevel.current_trio_token()

        def in_trio() -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(action)

        with self._lock:
            if not self._has_ended:
                self._when_ended.append(in_trio)
                return
        in_trio()


@attrs.define(eq=False)
class _Ended:
    """The result of the function. It is boxed because trio treats a coroutine that a thread returns as a mistake, and assigns to
    the ``__traceback__`` of an error, which the error's class may refuse."""

    value: Any = None
    error: BaseException | None = None

    def unpack(self) -> Any:
        """Return the value or raise the error."""
        error, self.error = self.error, None  # otherwise the error would refer to itself through this frame
        if error is None:
            return self.value
        try:
            raise error
        finally:
            del error


class Threads:
    """The threads of one engine's plain steps."""

    def __init__(self, run_detached: Offload, limits: Limits) -> None:
        self._run_detached = run_detached
        self._limits = limits
        self._places = trio.CapacityLimiter(limits.threads)
        self.abandoned: dict[StepThread, None] = {}
        """The abandoned threads that have not ended, in order."""

    @property
    def limit(self) -> int:
        """The number of functions that may run at once."""
        return self._limits.threads

    @property
    def busy(self) -> int:
        """The number of slots in use."""
        return self._places.borrowed_tokens

    @property
    def waiting(self) -> int:
        """The number of tries that wait for a slot."""
        return self._places.statistics().tasks_waiting

    def left_by(self, of: InvocationId) -> list[StepThread]:
        """The abandoned threads of the invocation's steps that have not ended."""
        return [thread for thread in self.abandoned if thread.invocation_id == of]

    async def wait_for_left(self, of: InvocationId) -> bool:
        """Wait for the abandoned threads of the invocation's steps, at most ``UNWIND_SECONDS`` after the last was abandoned.
        Returns whether they have ended."""
        left = self.left_by(of)
        deadline = max((thread.abandoned_at for thread in left), default=0.0) + UNWIND_SECONDS
        with trio.move_on_at(deadline):
            await _all_ended(left)
        return all(thread.has_ended for thread in left)

    async def wait_for_earlier(self, key: str) -> bool:
        """Wait for the threads of this step's earlier tries, up to the limit. Returns whether they have ended."""
        with trio.move_on_after(self._limits.thread_end_seconds):
            await _all_ended(_abandoned.get(key, ()))
        return not has_abandoned(key)

    async def take_place(self, thread: StepThread) -> None:
        """Wait for a slot."""
        await self._places.acquire_on_behalf_of(thread)

    def take_place_nowait(self, thread: StepThread) -> None:
        """Take a slot if one is free."""
        self._places.acquire_on_behalf_of_nowait(thread)

    def give_place_back(self, thread: StepThread) -> None:
        """Return a slot."""
        self._places.release_on_behalf_of(thread)

    async def run(self, thread: StepThread, function: Callable[[], Any]) -> Any:
        """Run the function in a thread and return its result. Uses a slot and returns it. If the caller is cancelled, the thread
        is abandoned."""

        def work() -> _Ended:
            try:
                return _Ended(function())
            except trio.Cancelled:
                raise  # raised by ``check_cancelled`` for trio to handle
            except BaseException as error:
                return _Ended(error=error)
            finally:
                thread.end()

        try:
            await trio.lowlevel.checkpoint_if_cancelled()
        except trio.Cancelled:
            self.give_place_back(thread)  # it has not begun
            raise
        try:
            ended: _Ended = await self._run_detached(work)
        except trio.Cancelled:
            self._abandon(thread)
            raise
        except BaseException:
            self.give_place_back(thread)
            raise
        self.give_place_back(thread)
        return ended.unpack()

    def _abandon(self, thread: StepThread) -> None:
        thread.abandoned_at = trio.current_time()
        self.abandoned[thread] = None
        _abandoned.setdefault(thread.key, []).append(thread)
        keeps_place = len(self.abandoned) > self._limits.abandoned_threads
        if not keeps_place:
            self.give_place_back(thread)

        def forget() -> None:
            del self.abandoned[thread]
            has_abandoned(thread.key)
            if keeps_place:
                self.give_place_back(thread)

        thread.when_ended(forget)


async def _all_ended(threads: Iterable[StepThread]) -> None:
    for thread in threads:
        ended = trio.Event()
        thread.when_ended(ended.set)
        await ended.wait()


def has_abandoned(key: str) -> bool:
    """Whether the thread of an earlier try of this step has not ended."""
    running = [thread for thread in _abandoned.pop(key, ()) if not thread.has_ended]
    if running:
        _abandoned[key] = running
    return bool(running)
