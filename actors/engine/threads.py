"""The threads of plain steps: at most so many at work, and those that were left behind.

A thread cannot be stopped. So a try that is timed out or cancelled is over at once, and its thread is *abandoned*: it runs to its
end, and what it returns is dropped. Until then the next try of the same step waits, so that a side effect does not overlap
itself, but not for ever. ``trio.from_thread.check_cancelled()`` lets the function end early.

An abandoned thread gives its place to another step, or a few hung ones would hold up every plain step of the process. Beyond
``Limits.abandoned_threads`` it keeps its place: each is a thread of the operating system, and those are not without end.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.environment import Offload
    from actors.values.limits import Limits
    from journal.ids import InvocationId, StepId


def key_of(invocation_id: InvocationId, step: StepId) -> str:
    """What a step is known by, at every try."""
    return f"{invocation_id}/{step}"


_abandoned: dict[str, list[StepThread]] = {}
"""By the key of their step. Of the whole process: another runtime on the same data must not begin the step beside it either."""


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
        """It has ended. Called in the thread."""
        with self._lock:
            self._has_ended = True
            actions, self._when_ended = self._when_ended, []
        for action in actions:
            action()

    def when_ended(self, action: Callable[[], None]) -> None:
        """Have the action run in trio's thread once it has ended; perhaps at once, never if trio's run is over by then."""
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
    """How the function ended. In a box: trio takes a coroutine that comes out of a thread for a mistake, and assigns to the
    ``__traceback__`` of an error, which the error's class may refuse."""

    value: Any = None
    error: BaseException | None = None

    def unpack(self) -> Any:
        """The value, or the error, raised."""
        error, self.error = self.error, None  # or the error would hold itself, through this frame
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
        self._left: dict[StepThread, None] = {}

    @property
    def limit(self) -> int:
        """How many may be at work."""
        return self._limits.threads

    @property
    def busy(self) -> int:
        """How many places are taken."""
        return self._places.borrowed_tokens

    @property
    def waiting(self) -> int:
        """How many tries wait for a place."""
        return self._places.statistics().tasks_waiting

    @property
    def abandoned(self) -> tuple[StepThread, ...]:
        """Those that were left behind and have not ended."""
        return tuple(self._left)

    async def wait_for_earlier(self, key: str) -> bool:
        """Wait for the threads of earlier tries of this step, as long as the limit says; whether they have ended."""
        with trio.move_on_after(self._limits.thread_end_seconds):
            for thread in _abandoned.get(key, ()):
                ended = trio.Event()
                thread.when_ended(ended.set)
                await ended.wait()
        return not has_abandoned(key)

    async def take_place(self, thread: StepThread) -> None:
        """Wait for a place."""
        await self._places.acquire_on_behalf_of(thread)

    def take_place_nowait(self, thread: StepThread) -> None:
        """Take one that is free."""
        self._places.acquire_on_behalf_of_nowait(thread)

    def give_place_back(self, thread: StepThread) -> None:
        """Leave it to the next."""
        self._places.release_on_behalf_of(thread)

    async def run(self, thread: StepThread, function: Callable[[], Any]) -> Any:
        """What the function returns. It has a place, and gives it back. A caller that is cancelled leaves the thread behind."""

        def work() -> _Ended:
            try:
                return _Ended(function())
            except trio.Cancelled:
                raise  # of ``check_cancelled``: it is trio's to end
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
        self._left[thread] = None
        _abandoned.setdefault(thread.key, []).append(thread)
        keeps_place = len(self._left) > self._limits.abandoned_threads
        if not keeps_place:
            self.give_place_back(thread)

        def forget() -> None:
            del self._left[thread]
            has_abandoned(thread.key)
            if keeps_place:
                self.give_place_back(thread)

        thread.when_ended(forget)


def has_abandoned(key: str) -> bool:
    """Whether the thread of an earlier try of this step has not ended."""
    running = [thread for thread in _abandoned.pop(key, ()) if not thread.has_ended]
    if running:
        _abandoned[key] = running
    return bool(running)
