"""Runs steps in reused trio tasks.

A new task and a new cancel scope cost several times as much as waking a task that waits in a scope. So a task runs one step after
the other, and a scope stays entered until it is cancelled. No state that a step leaves in its task may reach the next step:

- context variables: each step has a context of its own;
- a cancellation, or a scope that was left open: the pool's scope is left, and the next step enters another;
- a nursery that was left open: ``StepTask.run`` closes it;
- a lock that was not released: the task ends, and trio tells those that wait for the lock.

Alternative refused: to run several bodies in one task at once. trio binds scopes and nurseries to the task that opens them.
"""

from __future__ import annotations

from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import outcome
import trio
from trio._core._parking_lot import GLOBAL_PARKING_LOT_BREAKER  # trio has no public way to say that a task holds a lock

from actors.engine.step_scope import StepScope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.engine.steps import StepTask

_IDLE_TASKS = 64
"""The number of tasks that wait for a step. A further one ends after its step."""


Supervisor: TypeAlias = "Callable[[StepTask, StepScope], Awaitable[None]]"
"""Runs a step in a scope of the pool. Must not raise."""


class StepPool:
    """The tasks of one engine that run steps."""

    def __init__(self) -> None:
        self._idle: list[trio.lowlevel.Task] = []
        self._is_closed = False
        self._no_context = Context()

    def start(self, step: StepTask, supervise: Supervisor, context: Context) -> None:
        """Run a step in a task that is idle, or in a new one, with a copy of the context."""
        name = f"step {step.name} of {step.invocation_id}"
        if self._idle:
            task = self._idle.pop()
            task.context, task.name = context.copy(), name
            trio.lowlevel.reschedule(task, outcome.Value((step, supervise)))
        else:
            trio.lowlevel.spawn_system_task(self._work, step, supervise, name=name, context=context.copy())

    def close(self) -> None:
        """End the tasks that are idle; others end after their steps."""
        self._is_closed = True
        while self._idle:
            trio.lowlevel.reschedule(self._idle.pop(), outcome.Value(None))

    async def _work(self, step: StepTask, supervise: Supervisor) -> None:
        task = trio.lowlevel.current_task()
        scope = StepScope(task)
        job: tuple[StepTask, Supervisor] | None = (step, supervise)
        del step, supervise
        try:
            while job is not None:
                await job[1](job[0], scope)
                job = None  # it refers to the attempt, which must not stay in memory for an idle task
                if self._is_closed or len(self._idle) >= _IDLE_TASKS or task in GLOBAL_PARKING_LOT_BREAKER:
                    return
                task.context = self._no_context
                self._idle.append(task)
                job = await trio.lowlevel.wait_task_rescheduled(partial(self._leave, task))
        finally:
            scope.close()

    def _leave(self, task: trio.lowlevel.Task, _: Any) -> trio.lowlevel.Abort:
        self._idle.remove(task)
        return trio.lowlevel.Abort.SUCCEEDED
