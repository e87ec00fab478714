"""Ways to hear of something that becomes durable later."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import outcome
import trio

T = TypeVar("T")


class Waiter(Generic[T]):
    """One task waits for one answer. Whoever answers does so once; an answer to one that has gone is lost, harmlessly."""

    __slots__ = ("_answer", "_task")

    def __init__(self) -> None:
        self._answer: outcome.Outcome[T] | None = None
        self._task: trio.lowlevel.Task | None = None

    def set(self, value: T) -> None:
        """Answer."""
        self._resolve(outcome.Value(value))

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        self._resolve(outcome.Error(error))

    def _resolve(self, answer: outcome.Outcome[T]) -> None:
        if self._answer is not None:
            return
        self._answer = answer
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    @property
    def is_answered(self) -> bool:
        """Whether there is an answer."""
        return self._answer is not None

    async def wait(self) -> T:
        """The answer. Cancelling the wait changes nothing but that nobody waits any more."""
        if self._answer is None:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        assert self._answer is not None
        return self._answer.unwrap()

    def _abort(self, _: Any) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
