"""A log in memory that the nodes of one process share, for tests."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import trio

from journal.errors import LogTrimmed
from journal.kv.store import Durability
from journal.replicated.log import PostedMessage, Superseded

if TYPE_CHECKING:
    from collections.abc import Sequence

_READ_TOGETHER = 256


class MemoryLog:
    """A :class:`journal.replicated.log.ReplicatedLog` of lists. ``entries`` and ``boxes`` are its contents by partition; ``trimmed`` is
    the number of entries that were removed before the first of them."""

    durability = Durability.MEMORY

    def __init__(self, *, largest: int = 1 << 20) -> None:
        self.largest = largest
        self.entries: dict[int, list[bytes]] = defaultdict(list)
        self.trimmed: dict[int, int] = defaultdict(int)
        self.boxes: dict[int, dict[int, tuple[str, bytes]]] = defaultdict(dict)
        self._next_token = 1
        self._identity = b""
        self._appended: dict[int, trio.Event] = {}
        self._filled: dict[int, trio.Event] = {}

    def copy(self) -> MemoryLog:
        """Return a log of its own with the same contents."""
        made = MemoryLog(largest=self.largest)
        made.entries.update((partition, [*entries]) for partition, entries in self.entries.items())
        made.trimmed.update(self.trimmed)
        made.boxes.update((partition, {**box}) for partition, box in self.boxes.items())
        made._next_token, made._identity = self._next_token, self._identity
        return made

    async def identify(self, identity: bytes) -> bytes:
        await trio.lowlevel.cancel_shielded_checkpoint()
        self._identity = self._identity or identity
        return self._identity

    async def append(self, partition: int, after: int, data: bytes) -> None:
        await trio.lowlevel.cancel_shielded_checkpoint()
        entries = self.entries[partition]
        if self.trimmed[partition] + len(entries) != after:
            raise Superseded(partition, after)
        entries.append(data)
        _tell(self._appended, partition)

    async def read(self, partition: int, after: int) -> Sequence[bytes]:
        await trio.lowlevel.checkpoint()
        first = after - self.trimmed[partition]
        if first < 0:
            raise LogTrimmed(partition, after, self.trimmed[partition] + 1)
        return self.entries[partition][first : first + _READ_TOGETHER]

    async def wait(self, partition: int, after: int) -> None:
        if self.trimmed[partition] + len(self.entries[partition]) > after:
            await trio.lowlevel.checkpoint()
        else:
            await self._appended.setdefault(partition, trio.Event()).wait()

    async def trim(self, partition: int, before: int) -> None:
        await trio.lowlevel.checkpoint()
        entries = self.entries[partition]
        removed = min(before - 1 - self.trimmed[partition], len(entries) - 1)
        if removed > 0:
            del entries[:removed]
            self.trimmed[partition] += removed

    async def bytes_after(self, partition: int, after: int) -> int:
        await trio.lowlevel.checkpoint()
        return sum(map(len, self.entries[partition][max(0, after - self.trimmed[partition]) :]))

    async def post(self, partition: int, message_id: str, data: bytes) -> None:
        await trio.lowlevel.cancel_shielded_checkpoint()
        box = self.boxes[partition]
        if all(waiting != message_id for waiting, _ in box.values()):
            box[self._next_token] = message_id, data
            self._next_token += 1
            _tell(self._filled, partition)

    async def posted(self, partition: int) -> Sequence[PostedMessage]:
        await trio.lowlevel.checkpoint()
        return [PostedMessage(token, data) for token, (_, data) in [*self.boxes[partition].items()][:_READ_TOGETHER]]

    async def wait_for_post(self, partition: int) -> None:
        if self.boxes[partition]:
            await trio.lowlevel.checkpoint()
        else:
            await self._filled.setdefault(partition, trio.Event()).wait()

    async def remove_posted(self, partition: int, tokens: Sequence[int]) -> None:
        await trio.lowlevel.checkpoint()
        for token in tokens:
            self.boxes[partition].pop(token, None)


def _tell(waiting: dict[int, trio.Event], partition: int) -> None:
    event = waiting.pop(partition, None)
    if event is not None:
        event.set()
