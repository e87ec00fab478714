"""Branches, scopes and nurseries of one handler: trio's structure, without trio, and the same at every replay.

A handler is a tree of *branches*, one for its root and one for each child of a nursery. A branch is a coroutine that awaits
durable operations: it yields each to its driver (``Execution``), which begins it and resumes the branch with what ended it.
Completions are handed over one at a time, in the order of the journal. Nothing runs by itself: branches become ready in a
fixed order and run one after the other, so a replay that is given the same events does the same things.

Scopes form a tree beside them, as in trio (``trio/_core/_run.py``, ``CancelStatus``): a scope that is cancelled reaches
every branch below it up to a shield, at every await until it is left. The invocation's own cancel is no scope: it is given
to the root once (``Execution``).
"""

from __future__ import annotations

import math
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

from actors.errors import AttemptEnded, Cancelled, CancelledError, OutsideHandlerError
from actors.replay.collection import is_collecting
from actors.values.arguments import Instant, Seconds, checked_instant, checked_seconds
from actors.values.error_groups import is_group, without
from journal.errors import BrokenInvariant
from journal.ids import InvocationId, StepId

if TYPE_CHECKING:
    import random
    import types
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    from actors.replay.execution import Execution

T = TypeVar("T")


def not_driven(name: str, of: InvocationId, what: str) -> OutsideHandlerError:
    """The refusal of what code asks for that the engine is not running at this moment."""
    return OutsideHandlerError(
        f"{what} in {name} ({of}) is refused: the engine is not running that code at this "
        "moment. A finaliser, the cleanup of an async generator that was left before its end and another thread cannot use "
        "durable operations. Leave async generators through 'async with contextlib.aclosing(...)'"
    )


_OVER = Context()
"""Of a branch that has ended."""

current_branch: ContextVar[Branch | None] = ContextVar("current_branch", default=None)
"""The branch whose code is running: set once in each branch's own context."""

_ENDINGS = 1_000
"""How often a branch may be told that its attempt has ended."""


@attrs.define(eq=False)
class Asked:
    """What a branch yields to its driver. Anything else comes from something that is not durable.

    The driver acts when it is given it, and not before: it has then been awaited, and by the branch that is being resumed. Code
    that runs by other means (a finaliser, a coroutine that is stepped by hand) yields to nobody who would act. The alternative
    was to act first and to yield afterwards; then the answer to what a finaliser had asked for went to the next await.
    """

    branch: Branch

    def __await__(self) -> Generator[Asked, Any, Any]:
        branch = self.branch
        if branch.execution.resuming is not branch:
            yield from branch.refuse(self)
        return (yield self)


@attrs.define(eq=False)
class Operation(Asked):
    """Something durable that a branch awaits. ``event`` is what it asks for, and once it has begun, what is recorded.

    ``also_known_as`` are other names that a step may be recorded under, ``parameters`` says what its arguments are called.
    ``interruption`` is what the branch will be given instead, once what it waits for has been stopped. ``body`` is for the
    engine, which runs it.
    """

    event: Any
    also_known_as: tuple[str, ...] = ()
    parameters: Callable[[], tuple[str, ...]] = tuple
    body: Any = None
    interruption: BaseException | None = None

    @property
    def step(self) -> StepId:
        """Where it was started."""
        step: StepId = self.event.step
        return step


class Opening(Asked):
    """A branch enters a nursery, and is told its path. It does not wait."""


@attrs.define(eq=False)
class Joining(Asked):
    """A branch waits for the children of its nursery."""

    nursery: Nursery


class Branch:
    """One line of execution: a coroutine, where it stands, and the scopes around it. ``following_step`` is where it will start
    its next operation."""

    __slots__ = (
        "_started",
        "context",
        "coroutine",
        "endings",
        "execution",
        "following_step",
        "name",
        "nursery",
        "path",
        "random",
        "scope",
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
        self._started = 1
        self.following_step = StepId(f"{path}1")
        self.endings = 0
        self.waits_at: Operation | Joining | None = None
        self.random: random.Random | None = None
        context.run(current_branch.set, self)

    def end(self) -> Context:
        """Let go of its context and of what it waits for, which refer to it: so the garbage collector has nothing to do for it."""
        context, self.context, self.waits_at = self.context, _OVER, None
        return context

    def next_step(self) -> StepId:
        """Where an operation of this branch is started, now."""
        step = self.following_step
        self._started += 1
        self.following_step = StepId(f"{self.path}{self._started}")
        return step

    def refuse(self, asked: Asked) -> Generator[Asked, Any, None]:
        """Raise, because the driver is not resuming this branch.

        The end of an attempt shows at awaits only; what does not wait has no effect any more. A handler that catches even
        that, again and again, would never give the thread back: it is left standing at its await.
        """
        if not self.execution.closed:
            raise not_driven(self.name, self.execution.invocation_id, "an await")
        self.endings += 1
        while self.endings > _ENDINGS:
            yield asked
        raise AttemptEnded

    def must_run(self, what: str) -> None:
        """Raise :class:`OutsideHandlerError` unless it is this branch that the driver is resuming."""
        if self.execution.resuming is not self or is_collecting():
            raise not_driven(self.name, self.execution.invocation_id, what)

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

    __slots__ = (
        "_branch",
        "_deadline",
        "_relative",
        "_timer",
        "cancel_called",
        "cancelled_caught",
        "parent",
        "shield",
    )

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
        if self._branch is not None and not self._branch.execution.closed:
            self._branch.execution.must_run_some_branch("CancelScope.cancel()")
        self.interrupt()

    def interrupt(self) -> None:
        """The same, by the driver."""
        if self.cancel_called:
            return
        self.cancel_called = True
        if self._branch is not None and not self._branch.execution.closed:
            self._branch.execution.interrupt_below(self)

    def __enter__(self) -> CancelScope:
        branch = current_branch.get()
        if branch is None:
            raise OutsideHandlerError("actors.CancelScope works only in a handler that the engine runs")
        if self._branch is not None:
            raise RuntimeError("a CancelScope can be entered once; make a new one")
        if not branch.execution.closed:
            branch.must_run("a CancelScope")
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
        self.interrupt()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> bool:
        branch = self._branch
        if branch is None:
            raise BrokenInvariant("a scope that is left has been entered")
        execution = branch.execution
        if execution.resuming is not branch and isinstance(error, GeneratorExit):
            return False  # the generator around it is finalised, and nothing of it counts
        if not execution.closed:
            branch.must_run("the end of a CancelScope")
            if branch.scope is not self:
                raise RuntimeError(
                    "CancelScopes are left in the order in which they were entered, from the inside out. A generator that "
                    "yields inside of one must be closed before the block around it is left: use contextlib.aclosing()"
                )
        branch.scope = self.parent
        if self._timer is not None and not execution.closed:
            execution.drop_deadline(branch, self._timer)
        if error is None or not self._absorbs:
            return False
        return self._catch(error)

    @property
    def _absorbs(self) -> bool:
        outside = self.parent is not None and not self.shield and self.parent.is_effectively_cancelled
        return self.cancel_called and not outside

    def _catch(self, error: BaseException) -> bool:
        if issubclass(type(error), Cancelled):
            self.cancelled_caught = True
            return True
        if not is_group(error):
            return False
        self.cancelled_caught, others = without(error, Cancelled)
        if others is not None and others is not error:
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
        execution.must_run_some_branch("start_soon()")
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
        if error is not None and not issubclass(type(error), Cancelled):
            self.add_error(error)
        if not self._children and isinstance(self.parent.waits_at, Joining) and self.parent.waits_at.nursery is self:
            self.parent.execution.make_ready(self.parent)

    def add_error(self, error: BaseException) -> None:
        """Something that the nursery will raise when it is left; until then nothing in it goes on."""
        self._errors.append(error)
        self.cancel_scope.interrupt()

    async def leave(self, error: BaseException | None) -> BaseException | None:
        """Wait for the children; what is to be raised then."""
        if error is not None:
            self.add_error(error)
        if self._children and not self.parent.execution.closed:
            cancel = self.parent.execution.take_pending_cancel(self.parent)
            if cancel is not None:
                self.add_error(cancel)
            await Joining(self.parent, self)
        self._closed = True
        return self._combined()

    def _combined(self) -> BaseException | None:
        errors = [error for error in self._errors if not issubclass(type(error), Cancelled)]
        if len(errors) != len(self._errors) and not errors:
            return Cancelled()
        if not errors:
            return None
        # The invocation's cancel passes unwrapped, so that "except CancelledError" around a nursery works. What failed for good
        # goes with it. What is worth another try does not: the cancel arrives again when it has worked.
        cancel = next(
            (cast("CancelledError", error) for error in errors if issubclass(type(error), CancelledError)), None
        )
        if cancel is not None:
            others = [error for error in errors if not issubclass(type(error), CancelledError)]
            if all(map(self.parent.execution.is_terminal, others)):
                cancel.errors += tuple(others)
                return cancel
        return BaseExceptionGroup("unhandled errors in a durable nursery", errors)


class NurseryManager:
    """The block of :func:`actors.open_nursery`."""

    def __init__(self) -> None:
        self._nursery: Nursery | None = None

    async def __aenter__(self) -> Nursery:
        branch = current_branch.get()
        if branch is None:
            raise OutsideHandlerError("actors.open_nursery() works only in a handler that the engine runs")
        nursery = self._nursery = Nursery(branch, await Opening(branch))
        nursery.cancel_scope.__enter__()
        return nursery

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> bool:
        nursery = self._nursery
        if nursery is None:
            raise BrokenInvariant("a nursery that is left has been entered")
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
