"""The entry to the event loop of a runtime for servers in other threads and other loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@attrs.define(eq=False)
class Portal:
    """Starts tasks in a runtime's loop, until it is closed."""

    nursery: trio.Nursery
    _token: trio.lowlevel.TrioToken = attrs.field(factory=trio.lowlevel.current_trio_token)
    _is_closed: bool = False

    @property
    def is_here(self) -> bool:
        """Whether the caller is a task of the runtime's loop."""
        return trio.lowlevel.in_trio_task() and trio.lowlevel.current_trio_token() is self._token

    def begin(self, task: Callable[[], Awaitable[object]], refuse: Callable[[], object]) -> None:
        """Start a task, or call ``refuse`` if the portal is closed, in either thread."""
        try:
            self._token.run_sync_soon(self._begin, task, refuse)
        except trio.RunFinishedError:
            refuse()

    def run_soon(self, function: Callable[[], object]) -> None:
        """Call a function in the loop, unless the loop has ended."""
        try:
            self._token.run_sync_soon(function)
        except trio.RunFinishedError:
            return

    def close(self) -> None:
        """Start no more tasks, and cancel the running ones. Called in the loop."""
        self._is_closed = True
        self.nursery.cancel_scope.cancel()

    def _begin(self, task: Callable[[], Awaitable[object]], refuse: Callable[[], object]) -> None:
        if self._is_closed:
            refuse()
        else:
            self.nursery.start_soon(task)
