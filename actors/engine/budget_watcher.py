"""Resumes invocations that were paused because the budget of a limit was used up, once the budget has a rest again, and removes the sums
of deleted budgets. Invocations that were paused for the budget of an invocation are resumed by its messages (``core.decide.budgets``).

The watcher searches the index of paused invocations after each change of budgets, and once after a start, because the process may have
ended between a change and the end of the search. Sums that no budget counts any more are removed with the next commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.core import commands as c
from actors.core.limits import Candidate
from actors.engine.requests import ObjectRequest
from actors.rows.spent import life_of
from journal import invocation_keys, keys
from journal.errors import CorruptRecord
from journal.events import PauseCause, Stamp, Status
from journal.ids import InvocationId, stream_of_invocation
from journal.rows import InvocationRow, decode_row
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.engine.machine import Machine
    from journal.log.protocol import Journal

log = SafeLogger(__name__)

_READ_TOGETHER = 256


class BudgetWatcher:
    """Resumes the invocations that budgets have paused in one partition. ``settled`` returns when every decision so far is durable."""

    def __init__(
        self,
        journal: Journal,
        machine: Machine,
        take_in: Callable[[ObjectRequest], None],
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self._journal = journal
        self._machine = machine
        self._take_in = take_in
        self._settled = settled
        self._changed = trio.Event()

    async def run(self) -> None:
        """Search once, and again after each change. Runs forever."""
        self._machine.run_limits.when_changed[self._machine.partition.number] = self._look_again
        while True:
            await self._resume()
            await self._remove_sums()
            await self._changed.wait()
            self._changed = trio.Event()
            await self._settled()  # from here on the index has every pause under the earlier budgets

    def _look_again(self) -> None:
        self._changed.set()

    async def _resume(self) -> None:
        prefix = invocation_keys.open_prefix(self._machine.partition.number, Status.PAUSED)
        start, stop = prefix, keys.after_prefix(prefix)
        while page := self._journal.scan(start, stop, limit=_READ_TOGETHER):
            start = page[-1][0] + b"\x00"
            for key, _ in page:
                of = InvocationId(invocation_keys.id_at_end(key))
                if self._has_room(of):  # the decision skips those that are paused for the budget of an invocation
                    stamp = Stamp(self._machine.now, "a budget has room", "engine")
                    command = c.ResumeInBudget(invocation_id=of, of_limits=True)
                    self._take_in(ObjectRequest(stream_of_invocation(of), command, stamp))
            await trio.lowlevel.checkpoint()

    async def _remove_sums(self) -> None:
        machine, prefix = self._machine, keys.spent_prefix(self._machine.partition.number)
        start, stop = prefix, keys.after_prefix(prefix)
        while page := self._journal.scan(start, stop, limit=_READ_TOGETHER):
            start = page[-1][0] + b"\x00"
            for key, _ in page:
                data = machine.rows.get(key)  # with the changes that are not on disk yet
                life = None if data is None else life_of(data)
                scope = keys.scope_of_spent(key)
                if life is not None and not machine.budgets.is_kept(scope, life, machine.places, machine.now):
                    machine.batch.rows[key] = None
            await trio.lowlevel.checkpoint()

    def _has_room(self, of: InvocationId) -> bool:
        data = self._journal.get(invocation_keys.invocation(self._machine.partition.number, of))
        try:
            row = None if data is None else decode_row(InvocationRow, data)
        except CorruptRecord:
            log.exception("the row of %s cannot be read: resume it by hand if it waits for a budget", of)
            return False
        if row is None or row.status is not Status.PAUSED or row.pause_cause is not PauseCause.BUDGET:
            return False
        target, machine = row.target, self._machine
        candidate = Candidate(
            invocation_id=of,
            service=target.service,
            key=target.key,
            handler=target.handler,
            tags=row.tags,
            accepted_at=row.created_at,
        )
        return all(machine.budgets.used_up(*one) is None for one in machine.places.budgets_of(candidate))
