"""The running steps of one engine.

Each runs in a trio system task, and no nursery of the engine waits for it: a runtime can be left and its store closed although the
body of a step swallows every cancellation. A step that is still running then is reported by name, and its results are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from actors.engine.step_pool import StepPool

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextvars import Context

    from actors.engine.step_pool import Supervisor
    from actors.engine.steps import StepTask
    from journal.ids import InvocationId


@attrs.frozen
class UnstoppedStep:
    """A step that is still running although its runtime has ended: in a thread, or as a task that swallows its cancellation."""

    invocation_id: InvocationId
    name: str
    is_thread: bool

    def __str__(self) -> str:
        why = "its thread has not ended" if self.is_thread else "it swallows its cancellation"
        return f"step {self.name!r} of {self.invocation_id}: {why}"


class RunningSteps:
    """The tasks of the steps. While they drain, no step begins."""

    def __init__(self) -> None:
        self.is_draining = False
        self._tasks: dict[StepTask, None] = {}
        self._pool = StepPool()

    def start(self, task: StepTask, supervise: Supervisor, context: Context) -> None:
        """Start a step. ``supervise`` calls :meth:`forget` when the body has ended."""
        self._tasks[task] = None
        self._pool.start(task, supervise, context)

    def forget(self, task: StepTask) -> None:
        """Remove a step whose task has ended."""
        del self._tasks[task]
        task.end()

    async def drain(self, seconds: float) -> list[StepTask]:
        """Start no more steps, cancel those that are tasks, and give those in threads ``seconds`` to end with an outcome that
        counts. Returns those that have not ended."""
        self.is_draining = True
        self._pool.close()
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
"""More than the time that a step's task needs to abandon its thread."""


async def wait_for(tasks: Iterable[StepTask], seconds: float) -> None:
    """Wait until all of them have ended, or the time is over."""
    with trio.move_on_after(seconds):
        for task in list(tasks):
            await task.wait_ended()
