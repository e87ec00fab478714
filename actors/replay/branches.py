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

import contextlib
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec

from actors.errors import AttemptEnded, Cancelled
from actors.replay.collection import is_collecting
from actors.replay.misuse import not_driven
from journal.ids import InvocationId, StepId

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Coroutine, Generator, Sequence, Sized

    from actors.errors import MisuseError
    from journal.events import Event
    from journal.pieces import Piece


class Driver(Protocol):
    """The part of ``Execution`` that a branch, and a verb in it, uses: the state of the attempt and the requests to its driver.

    ``Execution`` makes branches and resumes them, so it imports this module; nothing here may import it, or neither could be read
    without the other.
    """

    resuming: Branch | None
    """The branch whose code is running; None if the engine runs no code of the handler."""

    invocation_id: InvocationId

    context: Any
    """The context of the durable verbs. The replay itself does not use it."""

    @property
    def state(self) -> object:
        """The view of the fields that the handler reads and writes."""
        ...

    closed: bool
    """Whether the attempt is over, so that nothing that its code requests counts."""

    now: float
    """The recorded time of the last completion."""

    live_now: float
    """The time of this turn by the wall clock, also in a replay."""

    @property
    def coming(self) -> Sized:
        """The recorded completions that the handler has not received yet; empty outside a replay."""
        ...

    @property
    def is_repeating(self) -> bool:
        """Whether a log message of the handler repeats a message of an earlier attempt."""
        ...

    is_terminal: Callable[[BaseException], bool]
    """A function that reports whether an error makes a retry pointless."""

    def add(self, branch: Branch) -> None: ...
    def enlist(self, branch: Branch) -> None: ...
    def discard(self, branch: Branch) -> None: ...
    def begin(self, branch: Branch, operation: Operation) -> bool: ...
    def due_at(self, branch: Branch) -> BaseException | None: ...
    def end_wait(self, branch: Branch, error: BaseException) -> None: ...
    def drop_wait(self, operation: Operation) -> None: ...
    def refuse(self, error: MisuseError, *, is_raised: bool) -> None: ...
    def stall(self, error: BaseException) -> None: ...
    @property
    def waits_for_nothing(self) -> bool: ...
    def has_ready(self, besides: type[Branch]) -> bool: ...
    def begin_generator(self, generator: Any) -> None: ...
    def make_ready(self, branch: Branch, value: Any = None, error: BaseException | None = None) -> None: ...
    def request(self, branch: Branch, event: Event, what: str) -> Any: ...
    def emit(self, branch: Branch, piece: Piece) -> None: ...

    status_text: str | None  # the status text of the handler in this attempt

    def has_outcome(self, step: StepId) -> bool: ...
    def is_patched(self, name: str) -> bool: ...
    def spend(self, branch: Branch, spent: dict[str, str]) -> None: ...
    def must_run_some_branch(self, what: str) -> None: ...
    def schedule_deadline(self, scope: Scope, asking: Branch, step: StepId, block: StepId) -> float: ...
    def drop_deadline(self, asking: Branch, step: StepId) -> None: ...
    def take_pending_cancel(self, branch: Branch) -> BaseException | None: ...
    def interrupt_below(self, scope: Scope) -> None: ...
    def interrupt_behind_shield(self, scope: Scope) -> None: ...


class Scope(Protocol):
    """The part of a cancel scope that its branches and their driver see."""

    branch: Branch | None
    inner: dict[Scope, None]
    started: Collection[Branch]
    parent: Scope | None
    cancel_called: bool
    deadline: float
    shield: bool

    @property
    def is_effectively_cancelled(self) -> bool:
        """Whether this scope is cancelled, or a scope around it from which no shield protects it."""
        ...

    def expire(self) -> None:
        """Cancel the scope because its timer has fired."""
        ...


class ChildGroup(Protocol):
    """The part of a nursery that its children and their driver see."""

    def child_ended(self, child: Branch, error: BaseException | None) -> None:
        """Handle the end of a child; an error cancels its siblings."""
        ...

    def refuse(self, error: MisuseError, *, is_raised: bool) -> None:
        """Make the error that of the handler, or of the update, to which the nursery belongs; see :meth:`Branch.refuse`."""
        ...


class JoinedGroup(ChildGroup, Protocol):
    """The part of a nursery that a branch sees which waits for its children."""

    def add_error(self, error: BaseException) -> None:
        """Add an error that the nursery raises when it is left, and cancel everything in the nursery."""
        ...

    def cancel(self) -> None:
        """Cancel everything in the nursery."""
        ...


OVER = Context()
"""The context of a branch that has ended."""

current_branch: ContextVar[Branch | None] = ContextVar("current_branch", default=None)
"""The branch whose code is running, set once in each branch's own context."""

_ENDINGS = 1_000
"""The number of times that ``AttemptEnded`` is raised in a branch."""


class Trap(msgspec.Struct, eq=False):
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
            return (yield from branch.await_undriven(self))
        return (yield self)


class Operation(Trap):
    """A durable operation that a branch awaits.

    ``step`` is the id of the position at which it was started. ``event`` is the request once :meth:`schedule` has made it and,
    once the operation has begun, the recorded event; the engine runs ``body``. ``interruption`` is the error that the branch
    receives once the operation has been stopped. ``request`` and ``completion`` are the classes of its events.

    A replay passes most operations by: the recorded request says what was asked for, so an operation is compared with it field
    by field (:meth:`is_recorded_as`), and its event is made only if the driver does not pass it by.
    """

    step: StepId
    event: Any = None
    body: Any = None
    interruption: BaseException | None = None

    request: ClassVar[type | None] = None
    completion: ClassVar[type | None] = None

    def __await__(self) -> Generator[Trap, Any, Any]:
        branch = self.branch
        execution = branch.execution
        if execution.resuming is not branch:
            return (yield from branch.await_undriven(self))
        if self.event is None:
            if execution.coming:
                completion = yield self
                if completion is not None:
                    return completion
            self.schedule()
        return (yield self)

    def is_recorded_as(self, recorded: Any) -> bool:
        """Report whether the recorded event of the class ``request`` is certainly the request of this operation. Where this
        returns False, the events are compared."""
        return False

    def schedule(self) -> None:
        """Add the event that requests the operation, and for a step its body, to the progress of the turn."""
        raise NotImplementedError

    @property
    def also_known_as(self) -> tuple[str, ...]:
        """The other names that the operation may be recorded under."""
        return ()

    def parameters(self) -> tuple[str, ...]:
        """Return the names of the arguments of a step that can be given by position."""
        return ()


class EnterNursery(Trap):
    """A branch enters a nursery and receives the nursery's path without waiting."""


class JoinChildren(Trap):
    """A branch waits for the children of its nursery."""

    nursery: JoinedGroup


class Hosting(Trap):
    """A branch waits for the event loop that it hosts. The loop makes the branch ready.

    ``interrupt`` is given the error that is to be raised in the branch, and returns whether it will be.
    """

    interrupt: Callable[[BaseException], bool]


class Pumped(Trap):
    """A branch of a hosted event loop has run what was ready there. Its next wait, if any, has begun already."""


class Branch:
    """One line of execution: a coroutine, its position, and the scopes around it. ``following_step`` is the id of its
    next operation, and ``state`` the view of the fields that its handler reads and writes."""

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
        "state",
        "waits_at",
    )

    def __init__(
        self,
        execution: Driver,
        path: str,
        coroutine: Coroutine[object, Any, Any],
        *,
        nursery: ChildGroup | None,
        scope: Scope | None,
        context: Context,
        name: str,
    ) -> None:
        self.execution = execution
        self.state = execution.state
        self.path = path
        self.coroutine = coroutine
        self.nursery = nursery
        self.scope = scope
        self.context = context
        self.name = name
        self._started = 1
        self.following_step = StepId(f"{path}1")
        self.endings = 0
        self.waits_at: Operation | JoinChildren | Hosting | None = None
        self.random: random.Random | None = None
        context.run(current_branch.set, self)

    def end(self) -> Context:
        """Drop the branch's references to its context and its current wait, which refer back to the branch, so that no
        reference cycle is left for the garbage collector. Returns the context."""
        context, self.context, self.waits_at = self.context, OVER, None
        return context

    def close(self) -> None:
        """Run the cleanup code of an attempt that is over. Its errors are ignored, and a cleanup that waits is stopped."""
        with contextlib.suppress(BaseException):
            self.coroutine.close()
        # A coroutine that waits is finalised once more when its last reference is dropped, which must happen here: elsewhere the
        # verbs would not know that its attempt is closed.
        self.coroutine = _nothing()
        self.coroutine.close()

    def next_step(self) -> StepId:
        """Return the id for an operation that this branch starts now."""
        step = self.following_step
        self._started += 1
        self.following_step = StepId(f"{self.path}{self._started}")
        return step

    def await_undriven(self, asked: Trap) -> Generator[Any, Any, Any]:
        """Await an operation although the driver is not resuming this branch, which only the task of a hosted event loop
        can. Others raise :class:`MisuseError`, or :class:`AttemptEnded` if the attempt is over.

        The end of an attempt is visible only at awaits; anything else has no effect any more. A handler that catches
        even this again and again would never give the thread back, so it is left suspended at its await.
        """
        if not self.is_over:
            raise not_driven(self.name, self.execution.invocation_id, "an await")
        self.endings += 1
        while self.endings > _ENDINGS:
            yield asked
        raise AttemptEnded

    @property
    def is_over(self) -> bool:
        """Whether nothing that the branch does counts any more."""
        return self.execution.closed

    @property
    def has_turn(self) -> bool:
        """Whether the code of this branch is being run."""
        return self.execution.resuming is self

    @property
    def acting(self) -> Branch:
        """The branch whose code runs while the driver resumes this one."""
        return self

    def interrupt_elsewhere(self) -> None:
        """A scope around the branch is cancelled while the branch waits for nothing durable."""

    def is_own_cancel(self, error: BaseException) -> bool:
        """Report whether a scope that is cancelled catches the error, apart from groups."""
        return issubclass(type(error), Cancelled)

    def raised_alone(self, errors: Sequence[BaseException]) -> BaseException | None:
        """Return the error that a nursery of the branch raises without a group, instead of all errors, or None."""
        return None

    @property
    def line(self) -> str:
        """The line of the user's code that waits for the code of a library that runs, if that is known."""
        return ""

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


async def _nothing() -> None:
    """Replace the coroutine of a closed branch."""
