"""A one-shot reply to a waiting task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import trio
from outcome import Error, Value

from journal.errors import BrokenInvariant
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from outcome import Maybe

T = TypeVar("T")


class Reply(msgspec.Struct, Generic[T], eq=False):
    """The answer for one waiting task. It is set once; an answer for a task that no longer waits is dropped.

    ``of`` is the invocation that the answer is about, if it is about one. With ``leaves_at_pause``, a pause of the invocation is
    an answer as well. ``among`` is a set of replies, which this one leaves once it is answered or its caller no longer waits.
    """

    of: InvocationId | None = None
    leaves_at_pause: bool = False
    among: set[Reply[Any]] | None = None
    _is_answered: bool = False
    _kept: Maybe[T] | None = None
    _task: trio.lowlevel.Task | None = None

    def set(self, value: T) -> None:
        """Answer with a value."""
        self.answer(Value(value))

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        self.answer(Error(error))

    def answer(self, answer: Maybe[T]) -> None:
        """Answer with a value or an error."""
        if self._is_answered:
            return
        self._is_answered = True
        if self.among is not None:
            self.among.discard(self)
        task = self._task
        if task is None:
            self._kept = answer
        else:
            self._task = None
            trio.lowlevel.reschedule(task, answer)

    def wait(self) -> Awaitable[T]:
        """Wait for the answer. The caller must await the returned awaitable at once. Cancelling the wait has no other effect."""
        if not self._is_answered:
            self._task = trio.lowlevel.current_task()
            return trio.lowlevel.wait_task_rescheduled(self._abort)  # noqa: ASYNC105 - the caller awaits it
        kept, self._kept = self._kept, None  # otherwise the traceback of an error would keep it alive
        if kept is None:
            raise BrokenInvariant("an answer is waited for twice")
        return _given(kept)

    def forget(self) -> None:
        """Forget the answer: its caller no longer waits."""
        if self.among is not None:
            self.among.discard(self)

    def _abort(self, _: Any) -> trio.lowlevel.Abort:
        self._task = None
        self.forget()
        return trio.lowlevel.Abort.SUCCEEDED


async def _given(answer: Maybe[T]) -> T:
    try:
        return answer.unwrap()
    finally:
        del answer  # an error refers to this frame
