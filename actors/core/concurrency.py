"""Branches, scopes and nurseries of one handler: trio's structure, without trio, and the same at every replay.

A handler is a tree of *branches*, one for its root and one for each child of a nursery. A branch is a coroutine that parks
at a durable operation until the events that end it are handed over, one at a time, in the order of the journal. Nothing
runs by itself: branches become ready in a fixed order and run one after the other, so a replay that is given the same
events does the same things.

Scopes form a tree beside them, as in trio (``trio/_core/_run.py``, ``CancelStatus``): a scope that is cancelled reaches
every branch below it up to a shield, at every await until it is left. The invocation's own cancel is no scope: it is given
to the root once (``Execution``).
"""

from __future__ import annotations

import math
import types
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from actors.core.arguments import Instant, Seconds, checked_instant, checked_seconds
from actors.core.errors import AttemptEnded, Cancelled, CancelledError, OutsideHandlerError
from journal.ids import StepId

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Coroutine, Generator
    from contextvars import Context

    from actors.core.replay import Execution
    from journal.events import Event

T = TypeVar("T")

current_branch: ContextVar[Branch | None] = ContextVar("current_branch", default=None)
"""The branch whose code is running: set once in each branch's own context."""

PARKED = object()
"""What a branch yields to its driver. Anything else comes from something that is not durable."""


_ENDINGS = 1_000
"""How often a branch may be told that its attempt has ended."""


@types.coroutine
def _park() -> Generator[object, Any, Any]:
    return (yield PARKED)


@attrs.define(eq=False)
class Parked:
    """A branch waits here. ``interruption`` is what it will be given instead, once what it waits for has been stopped."""

    branch: Branch
    step: StepId
    event: Event
    interruption: BaseException | None = None


@attrs.define(eq=False)
class Joining:
    """A branch waits for the children of its nursery."""

    branch: Branch
    nursery: Nursery


class Branch:
    """One line of execution: a coroutine, where it stands, and the scopes around it."""

    __slots__ = (
        "context",
        "coroutine",
        "endings",
        "execution",
        "name",
        "nursery",
        "path",
        "random",
        "scope",
        "started",
        "waits_at",
    )

    def __init__(
        self,
        execution: Execution,
        path: str,
        coroutine: Coroutine[object, Any, Any],
        *,
        nursery: Nursery | None,
        scope: CancelScope | None,
        context: Context,
        name: str,
    ) -> None:
        self.execution = execution
        self.path = path
        self.coroutine = coroutine
        self.nursery = nursery
        self.scope = scope
        self.context = context
        self.name = name
        self.started = 0
        self.endings = 0
        self.waits_at: Parked | Joining | None = None
        self.random: random.Random | None = None
        context.run(current_branch.set, self)

    def next_step(self) -> StepId:
        """Where the next operation of this branch is started."""
        self.started += 1
        return StepId(f"{self.path}{self.started}")

    async def check(self) -> None:
        """What every durable await does first: raise what is to be raised here.

        The end of an attempt shows at awaits only; what does not wait has no effect any more. A handler that catches even
        that, again and again, would never give the thread back: it is left standing at its await.
        """
        execution = self.execution
        if execution.closed:
            self.endings += 1
            while self.endings > _ENDINGS:
                await _park()
            raise AttemptEnded
        if self.scope is not None and self.scope.is_effectively_cancelled:
            raise Cancelled
        cancel = execution.take_pending_cancel(self)
        if cancel is not None:
            raise cancel

    async def park(self, step: StepId, event: Event) -> Any:
        """Wait until the operation that ``event`` started has ended; the event that ended it."""
        parked = self.waits_at = Parked(self, step, event)
        self.execution.parked[step] = parked
        return await _park()

    async def join(self, nursery: Nursery) -> None:
        """Wait until the nursery has no children left."""
        self.waits_at = Joining(self, nursery)
        await _park()

    @property
    def is_shielded(self) -> bool:
        """Whether a scope around it keeps outer cancellations away."""
        scope = self.scope
        while scope is not None:
            if scope.shield:
                return True
            scope = scope.parent
        return False


class CancelScope:
    """A block whose awaits can all be cancelled together; as ``trio.CancelScope``, but durable.

    ``deadline`` is wall time, in seconds or as a datetime with a zone; a durable timer cancels the scope then, also after a
    crash. ``relative`` is a deadline counted from the start of the block. With ``shield``, cancellations from outside wait until
    the block is left, the invocation's own among them.

    ::

        with actors.CancelScope() as scope:
            nursery.start_soon(watch, scope)
            await generate(prompt)
        if scope.cancelled_caught:
            ...
    """

    def __init__(
        self, *, deadline: Instant | None = None, relative: Seconds | None = None, shield: bool = False
    ) -> None:
        self.shield = shield
        self.cancel_called = False
        self.cancelled_caught = False
        self.parent: CancelScope | None = None
        self._deadline = None if deadline is None else checked_instant(deadline, "deadline")
        self._relative = None if relative is None else checked_seconds(relative, "relative", at_most=math.inf)
        self._branch: Branch | None = None
        self._timer: StepId | None = None

    @property
    def deadline(self) -> float | None:
        """When the scope is cancelled, wall seconds, or None."""
        return self._deadline

    @property
    def is_effectively_cancelled(self) -> bool:
        """Whether it, or one outside that no shield keeps away, has been cancelled."""
        scope: CancelScope | None = self
        while scope is not None:
            if scope.cancel_called:
                return True
            if scope.shield:
                return False
            scope = scope.parent
        return False

    def cancel(self) -> None:
        """Cancel every await in the block, now and until it is left."""
        if self.cancel_called:
            return
        self.cancel_called = True
        if self._branch is not None:
            self._branch.execution.interrupt_below(self)

    def __enter__(self) -> CancelScope:
        branch = current_branch.get()
        if branch is None:
            raise OutsideHandlerError("actors.CancelScope works only in a handler that the engine runs")
        if self._branch is not None:
            raise RuntimeError("a CancelScope can be entered once; make a new one")
        self._branch = branch
        self.parent = branch.scope
        branch.scope = self
        if (self._deadline is not None or self._relative is not None) and not branch.execution.closed:
            self._timer = branch.next_step()
            branch.execution.schedule_deadline(self, branch, self._timer, self._deadline, self._relative)
        return self

    def set_deadline(self, at: float) -> None:
        """Note when the timer is due, as it is recorded."""
        self._deadline = at

    def expire(self) -> None:
        """The timer has fired."""
        self._timer = None
        self.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> bool:
        branch = self._branch
        assert branch is not None
        assert branch.scope is self, "scopes are left in the order in which they were entered, from the inside out"
        branch.scope = self.parent
        if self._timer is not None and not branch.execution.closed:
            branch.execution.drop_deadline(self._timer)
        if error is None or not self._absorbs:
            return False
        return self._catch(error)

    @property
    def _absorbs(self) -> bool:
        outside = self.parent is not None and not self.shield and self.parent.is_effectively_cancelled
        return self.cancel_called and not outside

    def _catch(self, error: BaseException) -> bool:
        if isinstance(error, Cancelled):
            self.cancelled_caught = True
            return True
        if not isinstance(error, BaseExceptionGroup):
            return False
        ours, others = error.split(Cancelled)
        self.cancelled_caught = ours is not None
        if others is not None and ours is not None:
            raise others from error.__cause__
        return others is None


class Nursery:
    """Where children run; as ``trio.Nursery``, but durable. Made by :func:`actors.open_nursery`.

    ::

        async with actors.open_nursery() as nursery:
            nursery.start_soon(search, "a")
            nursery.cancel_scope.cancel()
    """

    def __init__(self, branch: Branch, path: StepId) -> None:
        self.cancel_scope = CancelScope()
        self.parent = branch
        self._path = path
        self._started = 0
        self._children: dict[Branch, None] = {}
        self._errors: list[BaseException] = []
        self._closed = False

    @property
    def has_children(self) -> bool:
        """Whether any child still runs."""
        return bool(self._children)

    def start_soon(self, async_fn: Callable[..., Awaitable[object]], *args: Any, name: str | None = None) -> None:
        """Start a child. Children start in the order of these calls, and every replay starts them in the same."""
        if self._closed:
            raise RuntimeError("the nursery is closed to new children: its block has been left")
        execution = self.parent.execution
        if execution.closed:
            return
        self._started += 1
        child = Branch(
            execution,
            f"{self._path}.{self._started}.",
            _as_coroutine(async_fn, args),
            nursery=self,
            scope=self.cancel_scope,
            context=copy_context(),
            name=name or str(getattr(async_fn, "__qualname__", async_fn)),
        )
        self._children[child] = None
        execution.add(child)

    def child_ended(self, child: Branch, error: BaseException | None) -> None:
        """Take note of a child's end; an error cancels its siblings."""
        del self._children[child]
        if error is not None and not isinstance(error, Cancelled):
            self.add_error(error)
        if not self._children and isinstance(self.parent.waits_at, Joining) and self.parent.waits_at.nursery is self:
            self.parent.execution.make_ready(self.parent)

    def add_error(self, error: BaseException) -> None:
        """Something that the nursery will raise when it is left; until then nothing in it goes on."""
        self._errors.append(error)
        self.cancel_scope.cancel()

    async def leave(self, error: BaseException | None) -> BaseException | None:
        """Wait for the children; what is to be raised then."""
        if error is not None:
            self.add_error(error)
        if self._children and not self.parent.execution.closed:
            cancel = self.parent.execution.take_pending_cancel(self.parent)
            if cancel is not None:
                self.add_error(cancel)
            await self.parent.join(self)
        self._closed = True
        return self._combined()

    def _combined(self) -> BaseException | None:
        errors = [error for error in self._errors if not isinstance(error, Cancelled)]
        if len(errors) != len(self._errors) and not errors:
            return Cancelled()
        if not errors:
            return None
        # The invocation's cancel passes unwrapped, so that "except CancelledError" around a nursery works.
        if all(isinstance(error, CancelledError) for error in errors):
            return errors[0]
        return BaseExceptionGroup("unhandled errors in a durable nursery", errors)


class NurseryManager:
    """The block of :func:`actors.open_nursery`."""

    def __init__(self) -> None:
        self._nursery: Nursery | None = None

    async def __aenter__(self) -> Nursery:
        branch = current_branch.get()
        assert branch is not None, "durable.py checks that a handler is running"
        if branch.execution.closed:
            await branch.check()
        nursery = self._nursery = Nursery(branch, branch.next_step())
        nursery.cancel_scope.__enter__()
        return nursery

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> bool:
        nursery = self._nursery
        assert nursery is not None
        combined = await nursery.leave(error)
        scope = nursery.cancel_scope
        if scope.__exit__(None if combined is None else type(combined), combined, None):
            combined = None
        if combined is None and scope.parent is not None and scope.parent.is_effectively_cancelled:
            combined = Cancelled()
        if combined is None:
            return True
        if combined is error:
            return False
        # As in trio: the group stands for what it holds, so no "during handling of" between them.
        try:
            raise combined
        finally:
            combined.__context__ = None
            del combined, error


async def _as_coroutine(async_fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> T:
    return await async_fn(*args)
