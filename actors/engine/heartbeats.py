"""Chooses which heartbeats of the running steps are recorded.

A recorded heartbeat is an event, so a step that reports each row of a file would fill the history of its invocation. The first heartbeat of
a try is recorded at once, and then one in each period: a second, or a sixtieth of the time since the first one if that is longer. So a try
that takes a day records about 500 heartbeats, and a crash of the process loses at most a sixtieth of the work of a try. A try that fails,
or that is stopped by a pause or the end of the runtime, loses no heartbeat.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T", bound=Hashable)

SHARE = 60
"""The period is the time since the first heartbeat, divided by this."""


@attrs.define(eq=False)
class _Try:
    """``first`` is the second of the first heartbeat, and ``due`` the one from which the next may be recorded, on the loop's clock."""

    first: int
    due: int


class Heartbeats(Generic[T]):
    """The heartbeats of running tries, of the type ``T``. ``record`` sends the details of a heartbeat to the object of its step."""

    def __init__(self, record: Callable[[T, bytes], None]) -> None:
        self._record = record
        self._tries: dict[T, _Try] = {}
        self._waiting: dict[T, bytes] = {}
        """The details that are not recorded yet, of some of the tries."""
        self._wakes_at = math.inf
        self._is_due_earlier = trio.Event()

    def note(self, task: T, details: bytes) -> None:
        """Take a heartbeat of a try that runs."""
        now = int(trio.current_time())
        of = self._tries.get(task)
        if of is None:
            of = self._tries[task] = _Try(now, now)
        if of.due <= now:
            self._record_now(task, details, now)
        else:
            self._waiting[task] = details
            if of.due < self._wakes_at:
                self._is_due_earlier.set()

    def end(self, task: T, *, is_kept: bool) -> None:
        """End the try. Its last heartbeat is recorded for the next try if ``is_kept``."""
        self._tries.pop(task, None)
        details = self._waiting.pop(task, None)
        if is_kept and details is not None:
            self._record(task, details)

    async def record_what_is_due(self) -> None:
        """Record the heartbeats that wait, each once it is due. Runs forever."""
        while True:
            self._is_due_earlier = trio.Event()
            self._wakes_at = min((self._tries[task].due for task in self._waiting), default=math.inf)
            with trio.move_on_at(self._wakes_at):
                await self._is_due_earlier.wait()
            now = int(trio.current_time())
            for task in [task for task in self._waiting if self._tries[task].due <= now]:
                self._record_now(task, self._waiting.pop(task), now)

    def _record_now(self, task: T, details: bytes, now: int) -> None:
        of = self._tries[task]
        of.due = now + max(1, (now - of.first) // SHARE)
        self._record(task, details)
