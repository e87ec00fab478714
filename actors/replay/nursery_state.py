"""The driver's side of nurseries: their children, and the errors of these."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

from actors.errors import Cancelled, CancelledError
from actors.replay.branches import Branch, JoinChildren
from actors.replay.refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.errors import MisuseError
    from actors.replay.cancel_status import CancelStatus
    from journal.ids import StepId

T = TypeVar("T")


class NurseryState:
    """The driver's side of a nursery: its children, and the errors that it will raise."""

    def __init__(self, branch: Branch, path: StepId, scope: CancelStatus) -> None:
        self.parent = branch
        self.scope = scope
        self.path = path
        self._started = 0
        self._children: dict[Branch, None] = {}
        scope.started = self._children
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

    def refuse(self, error: MisuseError, *, is_raised: bool) -> None:
        """Refuse what a child has used."""
        refuse(self.parent, error, is_raised=is_raised)

    def add_error(self, error: BaseException) -> None:
        """Add an error that the nursery raises when it is left, and cancel everything in the nursery."""
        self._errors.append(error)
        self.scope.interrupt()

    def cancel(self) -> None:
        """Cancel everything in the nursery."""
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
        alone = self.parent.raised_alone(errors)
        if alone is not None:
            return alone
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
