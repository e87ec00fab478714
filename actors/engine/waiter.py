"""A one-shot reply to a waiting task."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
import trio

from journal.ids import InvocationId

T = TypeVar("T")
_NO_VALUE: Any = None


class Reply(msgspec.Struct, Generic[T], eq=False):
    """One task waits for one answer. The answer is given once; an answer after the task has left is dropped.

    ``of`` is the invocation that the answer is about, if it is about one. With ``leaves_at_pause``, a pause of the invocation is
    an answer as well. ``among`` is a set of replies, which this one leaves once it is answered or its caller no longer waits.
    """

    of: InvocationId | None = None
    leaves_at_pause: bool = False
    among: set[Reply[Any]] | None = None
    _is_answered: bool = False
    _value: Any = None
    _error: BaseException | None = None
    _task: trio.lowlevel.Task | None = None

    def set(self, value: T) -> None:
        """Answer with a value."""
        if self._is_answered:
            return
        self._value = value
        self._is_answered = True
        if self.among is not None:
            self.among.discard(self)
        task = self._task
        if task is not None:
            self._task = None
            trio.lowlevel.reschedule(task)

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        if not self._is_answered:
            self._error = error
            self.set(_NO_VALUE)

    async def wait(self) -> T:
        """Wait for the answer. Cancelling the wait has no other effect."""
        if not self._is_answered:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        error = self._error
        if error is not None:
            self._error = None  # otherwise its own traceback would keep it alive
            raise error
        value: T = self._value
        return value

    def forget(self) -> None:
        """Forget the answer: its caller no longer waits."""
        if self.among is not None:
            self.among.discard(self)

    def _abort(self, _: Any) -> trio.lowlevel.Abort:
        self._task = None
        self.forget()
        return trio.lowlevel.Abort.SUCCEEDED
