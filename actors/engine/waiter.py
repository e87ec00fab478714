"""A one-shot reply to a waiting task."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

import trio

T = TypeVar("T")


class Reply(Generic[T]):
    """One task waits for one answer. The answer is given once; an answer after the task has left is dropped."""

    __slots__ = ("_error", "_is_answered", "_task", "_value", "leaves_at_pause")

    def __init__(self, *, leaves_at_pause: bool = False) -> None:
        self.leaves_at_pause = leaves_at_pause
        """For an outcome: whether a pause of the invocation is an answer as well."""
        self._is_answered = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._task: trio.lowlevel.Task | None = None

    def set(self, value: T) -> None:
        """Answer with a value."""
        if not self._is_answered:
            self._value = value
            self._wake()

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        if not self._is_answered:
            self._error = error
            self._wake()

    def _wake(self) -> None:
        self._is_answered = True
        task = self._task
        if task is not None:
            self._task = None
            trio.lowlevel.reschedule(task)

    async def wait(self) -> T:
        """Wait for the answer. Cancelling the wait has no other effect."""
        if not self._is_answered:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        error = self._error
        if error is not None:
            self._error = None  # otherwise its own traceback would keep it alive
            raise error
        return cast("T", self._value)

    def _abort(self, _: Any) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
