"""A log in memory that fails on command, before or after it has taken an entry."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import trio

from journal.errors import InDoubt, Unavailable
from journal.replicated.memory_log import MemoryLog, _tell


class Fault(enum.Enum):
    """What becomes of the next append."""

    REFUSED = "nothing was written, and the writer knows"
    LOST = "nothing was written, and the writer does not know"
    KEPT = "it was written, and the writer does not know"


class FaultyLog(MemoryLog):
    """``faults`` are those of the next appends, in order; while ``stalled``, appends wait; while ``is_closed``, nothing is posted;
    while ``is_unreadable``, nothing is read."""

    def __init__(self, *, largest: int = 1 << 20) -> None:
        super().__init__(largest=largest)
        self.faults: list[Fault | None] = []
        self.stalled: trio.Event | None = None
        self.is_closed = False
        self.is_unreadable = False
        self.error: Exception | None = None

    async def append(self, partition: int, after: int, data: bytes) -> None:
        if self.stalled is not None:
            await self.stalled.wait()
        if self.error is not None:
            raise self.error
        fault = self.faults.pop(0) if self.faults else None
        if fault is Fault.REFUSED:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise Unavailable("the log refuses an entry")
        if fault is not Fault.LOST:
            await super().append(partition, after, data)
        if fault is not None:
            raise InDoubt("the connection to the log was lost")

    async def read(self, partition: int, after: int) -> Sequence[bytes]:
        if self.is_unreadable:
            await trio.lowlevel.checkpoint()
            raise Unavailable("the log cannot be read")
        return await super().read(partition, after)

    async def post(self, partition: int, message_id: str, data: bytes) -> None:
        if self.is_closed:
            await trio.lowlevel.checkpoint()
            raise Unavailable("the log takes no messages")
        await super().post(partition, message_id, data)

    def tell(self, partition: int) -> None:
        """Wake those that follow a partition, as an entry does that another node has written."""
        _tell(self._appended, partition)
