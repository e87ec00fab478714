"""The limits of one engine: its places, the starts on disk, the time at which a rate permits the next start, and the budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.core.run_places import RunPlaces
from actors.engine.budgets import Budgets
from actors.engine.start_log import StartLog
from journal.ids import InvocationId, StreamId, stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actors.core.limits import Candidate, Limit, Names
    from journal.clock import Clock
    from journal.log.protocol import Journal


class RunLimits:
    """The limits of an engine. ``running`` returns the running invocations, and ``start_waiting`` starts the waiting invocations of an object.
    ``names_of`` returns all names of a service and a handler."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        running: Callable[[], Iterable[Candidate]],
        start_waiting: Callable[[StreamId], None],
        names_of: Callable[[str, str], Names],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._running = running
        self._start_waiting = start_waiting
        self._alarm = trio.Event()
        self.budgets = Budgets(journal)
        self.when_changed: dict[int, Callable[[], None]] = {}
        """The functions to call when a budget has changed, by partition."""
        self.places = RunPlaces(self._wake, clock.now, self._set_alarm, names_of, self.budgets.used_up)
        self.start_logs = [StartLog(self.places, clock, number) for number in range(journal.partitions)]
        """The starts that rates count, by partition."""

    def read_starts(self) -> None:
        """Count the starts of earlier processes."""
        for starts in self.start_logs:
            starts.read(self._journal)

    def apply(self, limits: Iterable[Limit]) -> None:
        """Apply these limits. Running invocations count."""
        limits = tuple(limits)
        before = {limit.scope: limit.budget for limit in self.places.limits if limit.budget is not None}
        self.places.set_limits(limits, self._running())
        if before != {limit.scope: limit.budget for limit in limits if limit.budget is not None}:
            for call in self.when_changed.values():
                call()

    def leave(self, partition: int) -> None:
        """Remove the invocations of a partition that this engine no longer runs."""
        self.places.leave_all(lambda of: stream_of_invocation(of) % self._journal.partitions == partition)
        self.places.end_search(partition)
        self.budgets.leave(partition)
        self.when_changed.pop(partition, None)

    async def let_start_in_time(self) -> None:
        """Start the invocations that wait for a rate, when its period permits it. Runs forever."""
        while True:
            self._alarm = trio.Event()
            due = self.places.due
            if due is None:
                await self._alarm.wait()
            elif self._clock.now() >= due:
                self.places.open_due()
            else:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._cancel_at_alarm, nursery.cancel_scope)
                    await self._clock.sleep_until(due)
                    nursery.cancel_scope.cancel()

    async def _cancel_at_alarm(self, scope: trio.CancelScope) -> None:
        await self._alarm.wait()
        scope.cancel()

    def _set_alarm(self) -> None:
        self._alarm.set()

    def _wake(self, of: InvocationId) -> None:
        self._start_waiting(stream_of_invocation(of))
