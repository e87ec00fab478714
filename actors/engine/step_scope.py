"""A cancel scope that several steps share, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    import types


class StepScope:
    """A cancel scope of a task, around one step after the other. It stays entered until it is cancelled."""

    cancelled_caught = False
    """Whether the last step ended with the cancellation."""

    _scope: trio.CancelScope | None = None
    _status: object = None

    def __init__(self, task: trio.lowlevel.Task) -> None:
        self.task = task

    def __enter__(self) -> StepScope:
        self.cancelled_caught = False
        if self._scope is None:
            self._scope = trio.CancelScope()
            self._scope.__enter__()
            self._status = self.task._cancel_status
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> bool:
        scope = self._scope
        if scope is None:
            return False
        # trio's own word for "cancelled" would also look at the time, for a deadline that this scope does not have.
        if error is None and self.task._cancel_status is self._status and not scope._cancel_called:
            return False
        self._scope = self._status = None
        is_caught = scope.__exit__(kind, error, traceback)
        self.cancelled_caught = scope.cancelled_caught
        return is_caught

    def cancel(self) -> None:
        """Cancel the step that runs in the scope."""
        if self._scope is not None:
            self._scope.cancel()

    def close(self) -> None:
        """Leave the scope for good."""
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.__exit__(None, None, None)
