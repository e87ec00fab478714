"""The steps of one engine that run.

Each is a system task of trio's: no nursery of the engine waits for it, so that a runtime can be left, and its store closed, though
a body swallows every cancellation. What still runs then is *left*: it is named, and nothing that it says counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextvars import Context

    from actors.engine.steps import StepTask
    from journal.ids import InvocationId


@attrs.frozen
class UnstoppedStep:
    """A step that runs on though its runtime has ended: in a thread, or as a task that swallows its cancellation."""

    invocation_id: InvocationId
    name: str
    is_thread: bool

    def __str__(self) -> str:
        why = "its thread has not ended" if self.is_thread else "it swallows its cancellation"
        return f"step {self.name!r} of {self.invocation_id}: {why}"


class RunningSteps:
    """Their tasks. While they drain, none begins."""

    def __init__(self) -> None:
        self.is_draining = False
        self._tasks: dict[StepTask, None] = {}

    def start(self, task: StepTask, supervise: Callable[[StepTask], Awaitable[Any]], context: Context) -> None:
        """Run one. ``supervise`` does not raise, and calls :meth:`forget` when the body has ended."""
        self._tasks[task] = None
        name = f"step {task.name} of {task.invocation_id}"
        trio.lowlevel.spawn_system_task(supervise, task, name=name, context=context.copy())

    def forget(self, task: StepTask) -> None:
        """Take note that its task is over."""
        del self._tasks[task]
        task.end()

    async def drain(self, seconds: float) -> list[StepTask]:
        """Begin none any more, stop those that can be stopped, and give those in threads so long to end, with an outcome that
        counts; those that have not ended."""
        self.is_draining = True
        for task in list(self._tasks):
            if not task.is_in_thread:
                task.abandon()
        await wait_for(self._tasks, seconds)
        for task in list(self._tasks):
            task.abandon()
        left = list(self._tasks)
        await wait_for((task for task in left if task.is_in_thread), _LEAVE_SECONDS)
        return left


_LEAVE_SECONDS = 1.0
"""More than the task of a step takes to leave its thread behind."""


async def wait_for(tasks: Iterable[StepTask], seconds: float) -> None:
    """Return when all have ended, or after so long."""
    with trio.move_on_after(seconds):
        for task in list(tasks):
            await task.wait_ended()
