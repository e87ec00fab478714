"""Writes sealed batches, one at a time, and runs the actions that waited for them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from journal.errors import BrokenInvariant, Damaged, JournalError
from journal.ids import StreamId

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.engine.batch import CommitBatch
    from actors.engine.faults import Faults
    from actors.engine.machine import Machine
    from actors.engine.observer import Observer
    from actors.engine.totals import EngineCounters
    from journal.log.protocol import Partition

_WAKE_TOGETHER = 128
"""How many waiting clients are woken in one tick; waking ten thousand at once would block the loop for a tenth of a second."""


class Commits:
    """The commits of one processor. ``refuse`` refuses new requests, as soon as the disk has failed; ``wake`` starts a round."""

    def __init__(
        self,
        partition: Partition,
        machine: Machine,
        faults: Faults,
        counters: EngineCounters,
        observer: Observer | None,
        *,
        refuse: Callable[[], None],
        wake: Callable[[], None],
    ) -> None:
        self._partition = partition
        self._machine = machine
        self._faults = faults
        self._counters = counters
        self._observer = observer
        self._refuse = refuse
        self._wake = wake
        self.is_busy = False
        """Whether a batch is being written."""
        self._sealed: CommitBatch | None = None
        self._released: deque[Callable[[], None]] = deque()
        self._seal_wanted = trio.Event()
        self._release_wanted = trio.Event()

    def begin(self, sealed: CommitBatch) -> None:
        """Write this batch. No other batch may be being written."""
        self._sealed, self.is_busy = sealed, True
        self._seal_wanted.set()

    async def commit_what_is_sealed(self) -> None:
        """Write one batch after the other. Runs until the disk fails."""
        while True:
            await self._seal_wanted.wait()
            self._seal_wanted = trio.Event()
            sealed = self._sealed
            if sealed is None:
                raise BrokenInvariant("a commit was requested, but no batch is sealed")
            if sealed.is_written:
                began = trio.current_time()
                try:
                    await self._commit(sealed)
                except JournalError:
                    self._refuse()  # steps may take long to stop, and clients should not wait for that
                    raise
                self._counters.count(sealed, trio.current_time() - began)
                if self._observer is not None:
                    self._observer.committed(sealed.rows_of_ended(), sealed.changes())
            self._machine.sealer.settle(sealed)
            self._sealed, self.is_busy = None, False
            self._released.extend(sealed.released)
            self._release_wanted.set()
            self._wake()

    async def _commit(self, sealed: CommitBatch) -> None:
        while True:
            try:
                await self._partition.commit(self._machine.sealer.appends(sealed), sealed.messages, sealed.retracted)
            except Damaged as damage:
                # An event that was to be overwritten cannot be read. The other objects' events must not wait for that, nor this
                # object's own.
                pending_append = sealed.pending_appends.get(StreamId(damage.stream))
                if pending_append is None or not sealed.forgo_rewriting(pending_append, damage):
                    raise
                self._faults.blame(pending_append.loaded, None, damage, is_whole=True)
            else:
                return

    async def release(self) -> None:
        """Run the actions that waited for a commit, some in each tick. Runs forever."""
        while True:
            await self._release_wanted.wait()
            self._release_wanted = trio.Event()
            while self._released:
                for _ in range(min(_WAKE_TOGETHER, len(self._released))):
                    self._released.popleft()()
                await trio.lowlevel.checkpoint()
