"""The branches of a hosted event loop: one for each asyncio task, and one for the loop's timers.

A task awaits a durable operation as any branch does, except that it yields to asyncio and not to the driver. The branch begins the
operation and awaits a future of the loop (:class:`OperationFuture`). The driver resumes the branch as it resumes a coroutine: that sets the
future, and the loop runs what has become ready.

A task is numbered at its first durable operation, so that a library may add tasks without any.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from actors.aio.handler.without_io import LoopWithoutIO
from actors.errors import AttemptEnded
from actors.model.verbs.time import SleepOperation
from actors.replay.branches import Branch, EnterNursery, JoinChildren, Operation, Pumped, current_branch
from actors.replay.collection import is_collecting
from actors.replay.misuse import foreign_await, not_driven
from actors.replay.updates import in_update
from actors.values.limits import NEVER
from journal.ids import StepId

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from contextvars import Context

    from actors.errors import MisuseError
    from actors.replay.branches import Trap
    from actors.replay.requests import StateView


class LoopOfBranches(LoopWithoutIO):
    """The part of the loop that its branches use.

    ``branch`` is the branch that hosts it, and ``context`` the context in which the driver resumes its branches. ``tasks`` are the tasks
    that have not ended. ``stopping`` is the number of operations that asyncio has cancelled and that have not stopped. ``is_pumping``
    says that the loop runs its callbacks, ``pump_is_due`` that the driver will resume the loop's own branch for that, and ``has_ended``
    that nothing that its tasks do counts any more. ``failure`` is the error that ends it, whatever its tasks do.
    """

    branch: Branch
    context: Context
    tasks: dict[asyncio.Task[Any], TaskBranch]
    stopping = 0
    is_pumping = False
    pump_is_due = False
    has_ended = False
    failure: BaseException | None = None

    def take_changes_back(self) -> None:
        """End the loop of an update if its tasks have made a change that cannot be recorded. The change is undone."""
        if in_update in self.context:
            self.failure = self.failure or cast("StateView", self.branch.state).take_back(ended=False)

    def next_path(self) -> str:
        """Return the path of the next branch of the loop."""
        raise NotImplementedError

    def advance_to(self, now: float) -> None:
        """Set the clock, and make the callbacks ready that are due. The clock never goes back."""
        raise NotImplementedError

    def cancel(self, task: asyncio.Task[Any], message: str | None) -> bool:
        """Cancel a task on behalf of the driver, and return what ``Task.cancel`` returns."""
        raise NotImplementedError

    def pump(self) -> None:
        """Run ready callbacks until there are none. Then wait for the next due callback."""
        raise NotImplementedError

    @property
    def line_of_task(self) -> str:
        """The line at which a task waits that runs the user's code: the current one, the one that has made it, and so on."""
        raise NotImplementedError

    def refuse(self, error: MisuseError, *, is_raised: bool) -> None:
        """End the host with the error of a task."""
        self.fail(error)

    def fail(self, error: MisuseError) -> MisuseError:
        """End the host with the error, whatever its code does, and return the error."""
        raise NotImplementedError

    def child_ended(self, child: Branch, error: BaseException | None) -> None:
        """Handle an error that passed the loop: ``SystemExit`` of a task, for example."""
        raise NotImplementedError


class _Stop(BaseException):
    """Given to the driver as the end of an operation that asyncio cancels. No code sees it."""


class OperationFuture(asyncio.Future[Any]):
    """The future that a task awaits during a durable operation.

    It is cancelled when the operation has stopped, and not before. If the operation has ended instead, its outcome stays recorded and
    asyncio's promise holds: a cancel that was accepted is raised.
    """

    def __init__(self, branch: TaskBranch, *, raises_cancel: bool) -> None:
        super().__init__(loop=branch.loop)
        self._branch = branch
        self._raises_cancel = raises_cancel
        self.is_stopping = False
        self.message: Any = None

    def cancel(self, msg: Any = None) -> bool:
        if self.done():
            return False
        if self._branch.is_over:
            return super().cancel(msg)
        if not self.is_stopping:
            self.message = msg
            self.is_stopping = True
            self._branch.stop_wait()
        return True

    def end(self, value: Any, error: BaseException | None) -> None:
        """Resume the task with the end of the operation."""
        if self.is_stopping and self._raises_cancel:
            super().cancel(self.message)
        elif error is not None:
            self.set_exception(error)
        else:
            self.set_result(value)


class HostedBranch(Branch):
    """A branch that the code of a hosted loop runs in."""

    __slots__ = ("loop",)

    def __init__(self, loop: LoopOfBranches, name: str) -> None:
        host = loop.branch
        self.loop = loop
        self.execution = host.execution
        self.state = host.state
        self.nursery = loop
        self.scope = None
        self.context = loop.context
        self.name = name
        self.endings = 0
        self.waits_at = None
        self.random = None
        self._started = 1
        self.coroutine = self  # type: ignore[assignment]  # the part that a driver uses

    def close(self) -> None:
        """Do nothing: the host ends the tasks of its loop, all at once."""

    @property
    def acting(self) -> Branch:
        return current_branch.get() or self

    @property
    def line(self) -> str:
        return self.loop.line_of_task

    def send(self, value: Any) -> Pumped:
        """Resume the branch with the end of its operation."""
        self._resume(value, None)
        return Pumped(self)

    def throw(self, error: BaseException) -> Pumped:
        """Resume the branch with an error."""
        self._resume(None, error)
        return Pumped(self)

    def _resume(self, value: Any, error: BaseException | None) -> None:
        raise NotImplementedError


class TaskBranch(HostedBranch):
    """The branch of a task. ``task`` is set as soon as the task is made."""

    __slots__ = ("_cancelled_by_scope", "_wait", "task")

    task: asyncio.Task[Any]

    def __init__(self, loop: LoopOfBranches, name: str) -> None:
        super().__init__(loop, name)
        self._wait: OperationFuture | None = None
        self._cancelled_by_scope = False

    def __getattr__(self, name: str) -> Any:
        """Number the task when its number is first used: until then, these slots are empty."""
        if name not in ("path", "following_step"):
            raise AttributeError(name)
        self.path = self.loop.next_path()
        self.following_step = StepId(f"{self.path}1")
        return getattr(self, name)

    @property
    def is_over(self) -> bool:
        return self.loop.has_ended or self.execution.closed

    @property
    def has_turn(self) -> bool:
        return self.loop.is_pumping and current_branch.get() is self

    def must_run(self, what: str) -> None:
        if not self.has_turn or is_collecting():
            raise not_driven(self.name, self.execution.invocation_id, what)

    def await_undriven(self, asked: Trap) -> Generator[Any, Any, Any]:
        if self.is_over:
            yield from super().await_undriven(asked)
        self.must_run("an await")
        if self.loop.failure is not None:
            raise self.loop.failure
        execution = self.execution
        if isinstance(asked, EnterNursery):
            return self.next_step()
        if isinstance(asked, Operation):
            error = execution.due_at(self)
            if error is None and asked.step != self.following_step:
                error = self.loop.fail(foreign_await(self.name, self.task.get_coro()))
            if error is not None:
                raise error
            if asked.event is None:
                asked.schedule()
            if execution.begin(self, asked):
                return asked.event
            if execution.closed:
                raise AttemptEnded
            return (yield from self._await_end())
        if isinstance(asked, JoinChildren):
            self.waits_at = asked
            yield from self._await_children()
        return None

    def _await_end(self) -> Generator[Any, Any, Any]:
        wait = self._wait = OperationFuture(self, raises_cancel=True)
        return (yield from wait.__await__())

    def _await_children(self) -> Generator[Any, Any, None]:
        """Await the end of the children. A cancel of the task cancels them first, and is raised at the next await, when the nursery
        has been left."""
        wait = self._wait = OperationFuture(self, raises_cancel=False)
        yield from wait.__await__()
        if wait.is_stopping:
            self.task.cancel(wait.message)
            self.task.uncancel()

    def _resume(self, value: Any, error: BaseException | None) -> None:
        wait, self._wait = self._wait, None
        if wait is None or self.is_over:
            return
        if wait.is_stopping:
            self.loop.stopping -= 1
        wait.end(value, error)
        self.loop.pump()

    def stop_wait(self) -> None:
        """Stop the operation that the task waits for, because asyncio cancels it."""
        self.execution.must_run_some_branch("Task.cancel()")
        self.loop.stopping += 1
        if isinstance(self.waits_at, JoinChildren):
            self.waits_at.nursery.cancel()
        else:
            self.execution.end_wait(self, _Stop())

    def interrupt_elsewhere(self) -> None:
        """A scope of the task is cancelled while the task waits for something of asyncio's, or is ready."""
        if not (self._cancelled_by_scope or self._wait is not None or self.has_turn or self.task.done()):
            self._cancelled_by_scope = True
            self.loop.cancel(self.task, "an actors.CancelScope was cancelled")

    def is_own_cancel(self, error: BaseException) -> bool:
        is_own = super().is_own_cancel(error)
        if self._cancelled_by_scope and (is_own or isinstance(error, asyncio.CancelledError)):
            self._cancelled_by_scope = False
            return self.task.uncancel() == 0 or is_own
        return is_own

    def raised_alone(self, errors: Sequence[BaseException]) -> BaseException | None:
        return errors[0] if all(isinstance(error, asyncio.CancelledError) for error in errors) else None

    def ended(self, task: asyncio.Task[Any]) -> None:
        """The task has ended."""
        self.loop.tasks.pop(task, None)
        self.execution.discard(self)


class TimerBranch(HostedBranch):
    """The branch of the loop itself. All timers of the loop share one durable sleep.

    A sleep that ends early enough is kept, even if it ends too early: fewer events are recorded than for a new one.
    """

    __slots__ = ("_armed", "_wanted_at")

    def __init__(self, loop: LoopOfBranches) -> None:
        super().__init__(loop, loop.branch.name)
        self.path = loop.next_path()
        self.following_step = StepId(f"{self.path}1")
        self._armed: SleepOperation | None = None
        self._wanted_at = 0.0

    def arm(self, when: float | None) -> None:
        """Have a sleep that ends at ``when`` or before; for None, have none."""
        if self._armed is not None:
            if when is not None and self._wanted_at <= when:
                return
            self.disarm()
        if when is None:
            return
        sleep = SleepOperation(self, self.following_step, wake_at=min(when, NEVER), source="")
        sleep.schedule()
        self._armed, self._wanted_at = sleep, when
        self.execution.begin(self, sleep)

    def disarm(self) -> None:
        """Drop the sleep, if there is one."""
        armed, self._armed = self._armed, None
        if armed is not None:
            self.execution.drop_wait(armed)

    def _resume(self, value: Any, error: BaseException | None) -> None:
        if value is None:
            self.loop.pump_is_due = False
        else:
            self._armed = None
            self.loop.advance_to(self._wanted_at)
        self.loop.pump()
