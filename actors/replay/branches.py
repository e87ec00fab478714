"""The branches of one handler: trio's tree of tasks, without trio, and the same in every replay. ::

    root          1 step ── 2 open_nursery ── 3 call ── ...
                            │
    child 1                 ├── 2.1.1 sleep ── ...
    child 2                 └── 2.2.1 step ── 2.2.2 signal ── ...

A handler is a tree of branches: one for its body and one for each child of a nursery. A branch is a coroutine that awaits durable
operations. It yields each operation as a ``Trap`` to its driver, ``Execution``, which begins the operation and later resumes the
branch with the completion.

Invariant: equal completions in equal order give equal requests in equal order. Completions are given one at a time, in the order
of the journal. No branch runs by itself: ready branches run one after the other in a fixed order, and an operation is named for
the place where it was started, not for the time.

Prior art: the tree of scopes is trio's (``trio/_core/_run.py``, ``CancelStatus``): a cancelled scope reaches every branch below
it up to a shield, at each await until it is left. The invocation's own cancel is not a scope; ``Execution`` raises it in the root
once.

Alternative refused: to run the children as trio tasks. trio starts sibling tasks in random order, and other tasks run between
their awaits, so no replay could repeat the order.
"""

from __future__ import annotations

import math
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import attrs

from actors.errors import AttemptEnded, Cancelled, CancelledError, ErrorCode, MisuseError
from actors.replay.collection import is_collecting
from actors.values.error_groups import is_group, without
from journal.errors import BrokenInvariant
from journal.ids import ROOT_STEP, InvocationId, StepId

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    from journal.events import Event

T = TypeVar("T")


class Driver(Protocol):
    """The part of ``Execution`` that a branch, and a verb in it, uses: the state of the attempt and the requests to its driver.

    ``Execution`` makes branches and resumes them, so it imports this module; nothing here may import it, or neither could be read
    without the other.
    """

    @property
    def invocation_id(self) -> InvocationId: ...

    @property
    def context(self) -> Any:
        """The context of the durable verbs. The replay itself does not use it."""
        ...

    @property
    def state(self) -> object:
        """The view of the fields that the handler reads and writes."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the attempt is over, so that nothing that its code requests counts."""
        ...

    @property
    def now(self) -> float:
        """The recorded time of the last completion."""
        ...

    @property
    def live_now(self) -> float:
        """The time of this turn by the wall clock, also in a replay."""
        ...

    @property
    def resuming(self) -> Branch | None:
        """The branch whose code is running; None if the engine runs no code of the handler."""
        ...

    @property
    def is_repeating(self) -> bool:
        """Whether a log message of the handler repeats a message of an earlier attempt."""
        ...

    @property
    def is_terminal(self) -> Callable[[BaseException], bool]:
        """A function that reports whether an error makes a retry pointless."""
        ...

    def add(self, branch: Branch) -> None: ...
    def make_ready(self, branch: Branch, value: Any = None, error: BaseException | None = None) -> None: ...
    def request(self, branch: Branch, event: Event, what: str) -> Any: ...
    def is_patched(self, name: str) -> bool: ...
    def must_run_some_branch(self, what: str) -> None: ...
    def schedule_deadline(self, scope: CancelStatus, asking: Branch, step: StepId, block: StepId) -> float: ...
    def drop_deadline(self, asking: Branch, step: StepId) -> None: ...
    def take_pending_cancel(self, branch: Branch) -> CancelledError | None: ...
    def interrupt_below(self, scope: CancelStatus) -> None: ...
    def interrupt_behind_shield(self, scope: CancelStatus) -> None: ...


def not_driven(name: str, of: InvocationId, what: str) -> MisuseError:
    """Return the error for an operation that code requests while the engine is not running that code."""
    return MisuseError(
        f"{what} in {name} ({of}) is refused: the engine is not running that code at this "
        "moment. A finaliser, the cleanup of an async generator that was left before its end and another thread cannot use "
        "durable operations. Leave async generators through 'async with contextlib.aclosing(...)'",
        code=ErrorCode.OUTSIDE_HANDLER,
    )


_OVER = Context()
"""The context of a branch that has ended."""

current_branch: ContextVar[Branch | None] = ContextVar("current_branch", default=None)
"""The branch whose code is running, set once in each branch's own context."""

_ENDINGS = 1_000
"""The number of times that a branch is told that its attempt has ended."""


@attrs.define(eq=False)
class Trap:
    """The value that a branch yields to its driver. A yield of anything else comes from an await that is not durable.

    The driver acts when it receives the trap and not before: then the operation has been awaited, and by the branch that is being
    resumed. Code that runs by other means (a finaliser, a coroutine that is stepped by hand) has no driver to yield to.
    Alternative refused: to act first and to yield afterwards; then the next await of the branch received the answer to a
    finaliser's request.
    """

    branch: Branch

    def __await__(self) -> Generator[Trap, Any, Any]:
        branch = self.branch
        if branch.execution.resuming is not branch:
            yield from branch.refuse(self)
        return (yield self)


@attrs.define(eq=False)
class Operation(Trap):
    """A durable operation that a branch awaits. ``event`` is the request and, once it has begun, the recorded event.

    ``also_known_as`` are other names that a step may be recorded under; ``parameters`` gives the names of its arguments.
    ``interruption`` is the error that the branch receives once the operation has been stopped. ``body`` is run by the engine.
    """

    event: Any
    also_known_as: tuple[str, ...] = ()
    parameters: Callable[[], tuple[str, ...]] = tuple
    body: Any = None
    interruption: BaseException | None = None

    @property
    def step(self) -> StepId:
        """The id of the position at which the operation was started."""
        step: StepId = self.event.step
        return step


class EnterNursery(Trap):
    """A branch enters a nursery and receives the nursery's path without waiting."""


@attrs.define(eq=False)
class JoinChildren(Trap):
    """A branch waits for the children of its nursery."""

    nursery: NurseryState


class Branch:
    """One line of execution: a coroutine, its position, and the scopes around it. ``following_step`` is the id of its
    next operation."""

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
        execution: Driver,
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
        """Drop the branch's references to its context and its current wait, which refer back to the branch, so that no
        reference cycle is left for the garbage collector. Returns the context."""
        context, self.context, self.waits_at = self.context, _OVER, None
        return context

    def next_step(self) -> StepId:
        """Return the id for an operation that this branch starts now."""
        step = self.following_step
        self._started += 1
        self.following_step = StepId(f"{self.path}{self._started}")
        return step

    def refuse(self, asked: Trap) -> Generator[Trap, Any, None]:
        """Raise, because the driver is not resuming this branch: :class:`MisuseError`, or :class:`AttemptEnded` if the
        attempt is over.

        The end of an attempt is visible only at awaits; anything else has no effect any more. A handler that catches
        even this again and again would never give the thread back, so it is left suspended at its await.
        """
        if not self.execution.closed:
            raise not_driven(self.name, self.execution.invocation_id, "an await")
        self.endings += 1
        while self.endings > _ENDINGS:
            yield asked
        raise AttemptEnded

    def must_run(self, what: str) -> None:
        """Raise :class:`MisuseError` unless the driver is resuming this branch."""
        if self.execution.resuming is not self or is_collecting():
            raise not_driven(self.name, self.execution.invocation_id, what)

    @property
    def is_shielded(self) -> bool:
        """Whether a scope around the branch shields it from outer cancellations."""
        scope = self.scope
        while scope is not None:
            if scope.shield:
                return True
            scope = scope.parent
        return False


class CancelStatus:
    """The driver's side of a scope: its position in the tree, the timer that cancels it, and whether it is cancelled.

    trio divides its scopes in the same way (``CancelStatus`` and ``CancelScope``), so that users hold none of the tree.
    ``deadline`` and ``relative`` are the user's; once the block is entered only ``deadline`` counts, as it is recorded.
    ``place`` is the position at which the block was entered: it shows a restart which operations are stopped by a timer
    that was set later, possibly by another branch.
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
        """Whether this scope is cancelled, or a scope around it from which no shield protects it."""
        scope: CancelStatus | None = self
        while scope is not None:
            if scope.cancel_called:
                return True
            if scope.shield:
                return False
            scope = scope.parent
        return False

    @property
    def execution(self) -> Driver | None:
        """The attempt whose awaits the scope can still cancel; None if there is none."""
        if self.branch is None or self.has_been_left or self.branch.execution.closed:
            return None
        return self.branch.execution

    def interrupt(self) -> None:
        """Cancel every await in the block, now and until the block is left."""
        if self.cancel_called:
            return
        self.cancel_called = True
        if self.execution is not None:
            self.execution.interrupt_below(self)

    def expire(self) -> None:
        """Cancel the scope because its timer has fired."""
        self.timer = None
        self.interrupt()

    def set_shield(self, shield: bool) -> None:
        """Set the shield. Lowering it delivers the cancellations that it kept away."""
        is_lowered = self.shield and not shield
        self.shield = shield
        if is_lowered and self.execution is not None:
            self.execution.interrupt_behind_shield(self)

    def set_deadline(self, at: float) -> None:
        """Replace the deadline on behalf of the running branch. A timer is set only while the block is entered and not
        cancelled."""
        execution = self.execution
        if execution is None or self.cancel_called:
            self.deadline, self.relative = at, None
            return
        asking = execution.resuming
        if asking is None:
            raise BrokenInvariant("a deadline was set while no branch was running")
        self.disarm(asking)
        self.deadline = at
        self.arm(asking)

    def enter(self, branch: Branch, place: StepId | None = None) -> None:
        """Make this the innermost scope of the branch."""
        self.branch = branch
        self.parent = branch.scope
        self.place = branch.following_step if place is None else place
        branch.scope = self
        if not branch.execution.closed:
            self.arm(branch)

    def arm(self, asking: Branch) -> None:
        """Set a timer that cancels the scope at its deadline, if it has one."""
        execution, relative = asking.execution, self.relative
        if relative is not None:
            self.deadline, self.relative = execution.live_now + relative, None
        elif self.deadline == math.inf:
            return
        step = asking.next_step()
        # If the block begins with its timer, the timer's event records the place.
        block = ROOT_STEP if step == self.place else self.place
        self.timer = step
        self.deadline = execution.schedule_deadline(self, asking, step, block)

    def disarm(self, asking: Branch) -> None:
        """Drop the timer, if there is one."""
        timer, self.timer = self.timer, None
        if timer is not None:
            asking.execution.drop_deadline(asking, timer)

    def leave(self, error: BaseException | None) -> bool:
        """Leave the block. Returns whether ``error`` is this scope's own cancellation, which ends here."""
        branch = self.branch
        if branch is None:
            raise BrokenInvariant("a scope was left that was never entered")
        execution = branch.execution
        if execution.resuming is not branch and isinstance(error, GeneratorExit):
            return False  # the generator around it is being finalised, and nothing of it counts
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
    """The driver's side of a nursery: its children, and the errors that it will raise."""

    def __init__(self, branch: Branch, path: StepId, scope: CancelStatus) -> None:
        self.parent = branch
        self.scope = scope
        self.path = path
        self._started = 0
        self._children: dict[Branch, None] = {}
        self._errors: list[BaseException] = []
        self._closed = False

    def start_soon(self, async_fn: Callable[..., Awaitable[object]], args: tuple[Any, ...], name: str | None) -> None:
        """Start a child, unless the attempt is over. Raises ``RuntimeError`` if the nursery's block has been left."""
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
        """Handle the end of a child; an error cancels its siblings."""
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
        """Add an error that the nursery raises when it is left, and cancel everything in the nursery."""
        self._errors.append(error)
        self.scope.interrupt()

    async def leave(self, error: BaseException | None) -> BaseException | None:
        """Wait for the children. Returns the error to raise, or None."""
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
        # The invocation's cancel is raised unwrapped, so that "except CancelledError" around a nursery works. Final errors are
        # raised with it. Errors worth a retry are not: the cancel is delivered again after the retry.
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
