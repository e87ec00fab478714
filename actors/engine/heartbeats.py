"""The heartbeats of running steps: the first is recorded at once, further ones about once a second, and the last in any case.

A heartbeat is an event, so that a step that says each row of a file would fill the history of its invocation.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T", bound=Hashable)

BETWEEN_SECONDS = 1.0
"""The length of a period, the same for all steps: of a step's heartbeats in one, the first and the last are recorded, that one at its end."""


class Heartbeats(Generic[T]):
    """The heartbeats of running steps, of the type ``T``. ``record`` sends the details of a heartbeat to the object of its step."""

    def __init__(self, record: Callable[[T, bytes], None]) -> None:
        self._record = record
        self._recorded: set[T] = set()
        """The steps that had a heartbeat recorded in this period."""
        self._waiting: dict[T, bytes] = {}
        self._some = trio.Event()

    def note(self, task: T, details: bytes) -> None:
        """Take the heartbeat of a step that runs."""
        if task in self._recorded:
            self._waiting[task] = details
        else:
            self._recorded.add(task)
            self._some.set()
            self._record(task, details)

    def end(self, task: T, *, is_kept: bool) -> None:
        """The try is over. Its last heartbeat is recorded, if ``is_kept``: the next try needs it."""
        details = self._waiting.pop(task, None)
        self._recorded.discard(task)
        if is_kept and details is not None:
            self._record(task, details)

    async def record_what_waits(self) -> None:
        """Record what waits, once in a period. Runs forever."""
        while True:
            await self._some.wait()
            await trio.sleep(BETWEEN_SECONDS)
            waiting, self._waiting = self._waiting, {}
            self._recorded = {*waiting}
            if not waiting:
                self._some = trio.Event()
            for task, details in waiting.items():
                self._record(task, details)
