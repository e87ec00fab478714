"""Applies the gates of one partition, and starts the invocations that an opened gate held.

Closing a gate checks only objects in memory. Opening one searches the index of open invocations page by page, and waits until
each page is on disk before the next, so that a hundred thousand held invocations start as steadily as new ones are accepted. A
crash in between loses nothing: recovery finds the same objects in the same index (``core.owed.needs_recovery``).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import trio

from actors.core import commands as c
from actors.engine.requests import ObjectRequest
from actors.engine.waiter import Reply
from actors.errors import TerminalError
from journal import invocation_keys, keys
from journal.errors import CorruptRecord
from journal.events import Stamp, Status
from journal.ids import InvocationId, StreamId, stream_of_invocation
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from actors.core.gates import Gates
    from actors.engine.executor import Executor
    from actors.engine.machine import Machine
    from journal.log.protocol import Journal

_WOKEN_TOGETHER = 256
_MAY_BE_HELD = (Status.RUNNING, Status.SUSPENDED, Status.BACKING_OFF, Status.QUEUED)


class GateWatcher:
    """The gates of one processor. ``settled`` returns when every decision so far is durable."""

    def __init__(
        self,
        journal: Journal,
        machine: Machine,
        stage: Executor,
        take_in: Callable[[ObjectRequest], None],
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self._journal = journal
        self._machine = machine
        self._executor = stage
        self._take_in = take_in
        self._settled = settled
        self._left: list[Gates] = []
        self._opened = trio.Event()

    def turn(self, gates: Gates) -> None:
        """Apply these gates. When this returns, nothing that they hold is in memory."""
        before, self._machine.gates = self._machine.gates, gates
        self._executor.hold()
        if before.let_through_more_as(gates):
            self._left.append(before)
            self._opened.set()

    async def wake_what_was_held(self) -> None:
        """After each opening of a gate, start the invocations that are no longer held. Runs forever."""
        while True:
            await self._opened.wait()
            self._opened = trio.Event()
            left, self._left = self._left, []
            await self._settled()  # from here on the index has every invocation that was accepted under them
            for status in _MAY_BE_HELD:
                await self._wake(status, left)

    async def _wake(self, status: Status, left: list[Gates]) -> None:
        prefix = invocation_keys.open_prefix(self._machine.partition.number, status)
        start, stop = prefix, keys.after_prefix(prefix)
        while page := self._journal.scan(start, stop, limit=_WOKEN_TOGETHER):
            start = page[-1][0] + b"\x00"
            ids = [InvocationId(invocation_keys.id_at_end(key)) for key, _ in page]
            await self.start_waiting(dict.fromkeys(self._released(ids, left)), "a gate has opened")

    def _released(self, ids: list[InvocationId], left: list[Gates]) -> Iterator[StreamId]:
        for invocation_id in ids:
            stream = stream_of_invocation(invocation_id)
            if self._journal.get(keys.owing(self._machine.partition.number, stream)) is None:
                continue  # there is nothing to start: it still waits for others
            data = self._journal.get(invocation_keys.invocation(self._machine.partition.number, invocation_id))
            if data is None:
                continue
            try:
                row = decode_row(InvocationRow, data)
            except CorruptRecord:
                yield stream  # the object knows which of its invocations may run
                continue
            was_held = any(_holds(gates, row) for gates in left)
            if was_held and not _holds(self._machine.gates, row):
                yield stream

    async def start_waiting(self, streams: Iterable[StreamId], cause: str) -> None:
        """Load objects and start the invocations that may start. Returns when the starts are on disk."""
        stamp = Stamp(self._machine.now, cause, "engine")
        last: Reply[None] | None = None
        for stream in streams:
            last = Reply()
            self._take_in(ObjectRequest(stream, c.StartWaiting(), stamp, reply=last))
        if last is None:
            await trio.lowlevel.checkpoint()
        else:
            with contextlib.suppress(TerminalError):  # a damaged object has nothing to start
                await last.wait()


def _holds(gates: Gates, row: InvocationRow) -> bool:
    target = row.target
    return bool(gates.holding(target.service, target.key, target.handler, row.deployment, accepted_at=row.created_at))
