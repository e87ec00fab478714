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
from actors.values.error_groups import is_group, without
from journal.errors import BrokenInvariant
from journal.ids import ROOT_STEP, InvocationId, StepId

if TYPE_CHECKING:
    import random
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
class Trap:
    """What a branch yields to its driver. Anything else comes from something that is not durable.

    The driver acts when it is given it, and not before: it has then been awaited, and by the branch that is being resumed. Code
    that runs by other means (a finaliser, a coroutine that is stepped by hand) yields to nobody who would act. The alternative
    was to act first and to yield afterwards; then the answer to what a finaliser had asked for went to the next await.
    """

    branch: Branch

    def __await__(self) -> Generator[Trap, Any, Any]:
        branch = self.branch
        if branch.execution.resuming is not branch:
            yield from branch.refuse(self)
        return (yield self)


@attrs.define(eq=False)
class Operation(Trap):
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


class EnterNursery(Trap):
    """A branch enters a nursery, and is told its path. It does not wait."""


@attrs.define(eq=False)
class JoinChildren(Trap):
    """A branch waits for the children of its nursery."""

    nursery: NurseryState


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
        nursery: NurseryState | None,
        scope: CancelStatus | None,
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
        self.waits_at: Operation | JoinChildren | None = None
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

    def refuse(self, asked: Trap) -> Generator[Trap, Any, None]:
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


class CancelStatus:
    """What the driver knows of a scope: where it stands in the tree, what cancels it, and whether that has happened.

    trio splits its scopes the same way (``CancelStatus`` beside ``CancelScope``): users hold the face, and what the tree needs
    is no part of it. ``deadline`` and ``relative`` are what was asked for; once the block is entered ``deadline`` alone counts,
    as it is recorded. ``place`` is where the block was entered: with it a restart can tell which operations a timer stops that
    was set later, perhaps by another branch.
    """

    __slots__ = (
        "branch",
        "cancel_called",
        "cancelled_caught",
        "deadline",
        "has_been_left",
        "parent",
        "place",
        "relative",
        "shield",
        "timer",
    )

    def __init__(self, *, deadline: float = math.inf, relative: float | None = None, shield: bool = False) -> None:
        self.deadline = deadline
        self.relative = relative
        self.shield = shield
        self.cancel_called = False
        self.cancelled_caught = False
        self.has_been_left = False
        self.branch: Branch | None = None
        self.parent: CancelStatus | None = None
        self.place = ROOT_STEP
        self.timer: StepId | None = None

    @property
    def is_effectively_cancelled(self) -> bool:
        """Whether it, or one outside that no shield keeps away, has been cancelled."""
        scope: CancelStatus | None = self
        while scope is not None:
            if scope.cancel_called:
                return True
            if scope.shield:
                return False
            scope = scope.parent
        return False

    @property
    def execution(self) -> Execution | None:
        """The attempt whose awaits the scope can still cancel."""
        if self.branch is None or self.has_been_left or self.branch.execution.closed:
            return None
        return self.branch.execution

    def interrupt(self) -> None:
        """Cancel every await in the block, now and until it is left."""
        if self.cancel_called:
            return
        self.cancel_called = True
        if self.execution is not None:
            self.execution.interrupt_below(self)

    def expire(self) -> None:
        """The timer has fired."""
        self.timer = None
        self.interrupt()

    def set_shield(self, shield: bool) -> None:
        """Raise or lower the shield; what it kept away arrives when it is lowered."""
        is_lowered = self.shield and not shield
        self.shield = shield
        if is_lowered and self.execution is not None:
            self.execution.interrupt_behind_shield(self)

    def set_deadline(self, at: float) -> None:
        """Replace the timer, if the block is entered and not cancelled, for the branch that runs now."""
        execution = self.execution
        if execution is None or self.cancel_called:
            self.deadline, self.relative = at, None
            return
        asking = execution.resuming
        if asking is None:
            raise BrokenInvariant("code of a handler runs in a branch")
        self.disarm(asking)
        self.deadline = at
        self.arm(asking)

    def enter(self, branch: Branch, place: StepId | None = None) -> None:
        """Put it below the innermost scope of the branch."""
        self.branch = branch
        self.parent = branch.scope
        self.place = branch.following_step if place is None else place
        branch.scope = self
        if not branch.execution.closed:
            self.arm(branch)

    def arm(self, asking: Branch) -> None:
        """Have a timer cancel it at the deadline, if it has one."""
        execution, relative = asking.execution, self.relative
        if relative is not None:
            self.deadline, self.relative = execution.live_now + relative, None
        elif self.deadline == math.inf:
            return
        step = asking.next_step()
        # Where the block begins with its timer, the timer says where that is.
        block = ROOT_STEP if step == self.place else self.place
        self.timer = step
        self.deadline = execution.schedule_deadline(self, asking, step, block)

    def disarm(self, asking: Branch) -> None:
        """Let the timer, if there is one, pass unheard."""
        timer, self.timer = self.timer, None
        if timer is not None:
            asking.execution.drop_deadline(asking, timer)

    def leave(self, error: BaseException | None) -> bool:
        """Take it out of the tree; whether the error was the scope's own, and ends here."""
        branch = self.branch
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
        if not execution.closed:
            self.disarm(branch)
        self.has_been_left = True
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


class NurseryState:
    """What the driver knows of a nursery: its children, and what it will raise."""

    def __init__(self, branch: Branch, path: StepId, scope: CancelStatus) -> None:
        self.parent = branch
        self.scope = scope
        self.path = path
        self._started = 0
        self._children: dict[Branch, None] = {}
        self._errors: list[BaseException] = []
        self._closed = False

    def start_soon(self, async_fn: Callable[..., Awaitable[object]], args: tuple[Any, ...], name: str | None) -> None:
        """Start a child, unless the attempt is over."""
        if self._closed:
            raise RuntimeError("the nursery is closed to new children: its block has been left")
        execution = self.parent.execution
        if execution.closed:
            return
        execution.must_run_some_branch("start_soon()")
        self._started += 1
        child = Branch(
            execution,
            f"{self.path}.{self._started}.",
            _as_coroutine(async_fn, args),
            nursery=self,
            scope=self.scope,
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
        if (
            not self._children
            and isinstance(self.parent.waits_at, JoinChildren)
            and self.parent.waits_at.nursery is self
        ):
            self.parent.execution.make_ready(self.parent)

    def add_error(self, error: BaseException) -> None:
        """Something that the nursery will raise when it is left; until then nothing in it goes on."""
        self._errors.append(error)
        self.scope.interrupt()

    async def leave(self, error: BaseException | None) -> BaseException | None:
        """Wait for the children; what is to be raised then."""
        if error is not None:
            self.add_error(error)
        if self._children and not self.parent.execution.closed:
            cancel = self.parent.execution.take_pending_cancel(self.parent)
            if cancel is not None:
                self.add_error(cancel)
            await JoinChildren(self.parent, self)
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


async def _as_coroutine(async_fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> T:
    return await async_fn(*args)
