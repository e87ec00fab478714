"""A one-shot reply to a waiting task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import trio
from outcome import Error, Value

from journal.errors import BrokenInvariant, Unavailable
from journal.ids import InvocationId
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from outcome import Maybe

log = SafeLogger(__name__)

T = TypeVar("T")


class Reply(msgspec.Struct, Generic[T], eq=False):
    """The answer for one waiting task. It is set once; an answer for a task that no longer waits is dropped.

    ``of`` is the invocation that the answer is about, if it is about one. With ``leaves_at_pause``, a pause of the invocation is
    an answer as well. ``among`` is a set of replies, and ``waiters`` are those that wait for outcomes, this one for that of ``awaited``.
    It leaves both once it is answered or its caller no longer waits; from then on ``is_over`` is true.
    """

    of: InvocationId | None = None
    leaves_at_pause: bool = False
    among: set[Reply[Any]] | None = None
    waiters: Waiters | None = None
    awaited: InvocationId = InvocationId("")
    is_over: bool = False
    _kept: Maybe[T] | None = None
    _task: trio.lowlevel.Task | None = None

    @property
    def task(self) -> trio.lowlevel.Task | None:
        """The task that waits for the answer, if any does."""
        return self._task

    def set(self, value: T) -> None:
        """Answer with a value."""
        self.answer(Value(value))

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        self.answer(Error(error))

    def answer(self, answer: Maybe[T]) -> None:
        """Answer with a value or an error."""
        if self.is_over:
            return
        self.is_over = True
        if self.among is not None:
            self.among.discard(self)
        if self.waiters is not None:
            self.waiters.discard(self)
        task = self._task
        if task is None:
            self._kept = answer
        else:
            self._task = None
            try:
                trio.lowlevel.reschedule(task, answer)
            except Exception:  # a fault of one waiter must not stop the work of all others
                log.exception("cannot wake a task that waits for an answer")

    def wait(self) -> Awaitable[T]:
        """Wait for the answer. The caller must await the returned awaitable at once. If the wait is cancelled, the answer is dropped; the
        request is carried out nevertheless."""
        if not self.is_over:
            self._task = trio.lowlevel.current_task()
            return trio.lowlevel.wait_task_rescheduled(self._abort)  # noqa: ASYNC105 - the caller awaits it
        kept, self._kept = self._kept, None  # otherwise the traceback of an error would keep it alive
        if kept is None:
            raise BrokenInvariant("an answer is waited for twice")
        return _given(kept)

    def forget(self) -> None:
        """Drop the answer: its caller no longer waits."""
        self.is_over = True
        if self.among is not None:
            self.among.discard(self)
        if self.waiters is not None:
            self.waiters.discard(self)

    def _abort(self, _: Any) -> trio.lowlevel.Abort:
        self._task = None
        self.forget()
        return trio.lowlevel.Abort.SUCCEEDED


class Waiters(dict[InvocationId, dict[Reply[Any], None]]):
    """The replies that wait for outcomes of the invocations of one object, by invocation, in the order of their arrival.

    An object with waiters stays in memory, so each leaves once it is answered or its caller has left, and no invocation has an empty
    entry. Whoever takes an entry out sets the ``waiters`` of its replies to None.
    """

    __slots__ = ()

    def add(self, of: InvocationId, reply: Reply[Any]) -> None:
        """Keep a reply until the invocation ends, unless its caller has left already."""
        if not reply.is_over:
            reply.waiters, reply.awaited = self, of
            self.setdefault(of, {})[reply] = None

    def discard(self, reply: Reply[Any]) -> None:
        """Remove a reply."""
        reply.waiters = None
        waiting = self.get(reply.awaited)
        if waiting is not None and waiting.pop(reply, True) is None and not waiting:
            del self[reply.awaited]

    def hand_over(self, of: InvocationId, successor: InvocationId) -> None:
        """Let the replies that wait for an invocation wait for its successor instead."""
        for reply in self.pop(of, ()):
            self.add(successor, reply)


class OwnReply(Reply[None]):
    """A reply that a task of the processor itself waits for. If the processor ends first, the task fails with ``Unavailable`` as its
    commits do, and another processor follows; the error that a client gets would end the engine."""

    def fail(self, error: BaseException) -> None:
        """Answer with ``Unavailable`` in place of the error."""
        self.answer(Error(Unavailable("the processor ended before it had done what one of its tasks waited for")))


class Answers(Generic[T]):
    """The answers to several requests, which one task waits for."""

    def __init__(self) -> None:
        self.given: dict[int, T | BaseException] = {}
        """Each answer, or the error in its place, by the number of its request."""
        self._asked: dict[int, NumberedReply[T]] = {}
        self._all = trio.Event()

    def ask(self, number: int, of: InvocationId) -> NumberedReply[T]:
        """Return the reply to the request with this number."""
        reply = self._asked[number] = NumberedReply(of, number=number, answers=self)
        return reply

    def give(self, number: int, answer: T | BaseException) -> None:
        """Take an answer."""
        self.given[number] = answer
        if len(self.given) == len(self._asked):
            self._all.set()

    async def wait(self) -> None:
        """Wait until all that were asked for are given. If it is cancelled, the others are forgotten."""
        try:
            if len(self.given) < len(self._asked):
                await self._all.wait()
            else:
                await trio.lowlevel.checkpoint()
        finally:
            for number in self._asked.keys() - self.given.keys():
                self._asked[number].forget()


class NumberedReply(Reply[T]):
    """A reply that is one of several ``answers``."""

    number: int = 0
    answers: Answers[T] | None = None

    def set(self, value: T) -> None:
        """Answer with a value."""
        self._give(value)

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        self._give(error)

    def _give(self, answer: T | BaseException) -> None:
        answers, self.answers = self.answers, None  # it refers to this reply
        if answers is None:
            return
        self.is_over = True
        if self.among is not None:
            self.among.discard(self)
        answers.give(self.number, answer)


async def _given(answer: Maybe[T]) -> T:
    try:
        return answer.unwrap()
    finally:
        del answer  # an error refers to this frame
