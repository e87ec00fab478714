"""The post boxes of all partitions in an object store: a message is the object ``post/PARTITION/NUMBER.ID``.

Before a message is put, the boxes are listed, so that it gets a higher number than those that wait and is not put a second time. Tasks that
ask at the same time share one listing, and so do the partitions of a node that wait for messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from math import inf
from typing import TYPE_CHECKING

import trio

from journal.errors import CorruptRecord
from journal.replicated.log import PostedMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.replicated.objects.bucket import Bucket

_TOGETHER = 256
_BYTES_TOGETHER = 8 << 20
_ID_BYTES = 16
_ID_BITS = 8 * _ID_BYTES

_Waiting = Mapping[int, Set[int]]
"""The tokens of the messages that wait, by partition. A token is the number of a message, followed by the digest of its id."""


class PostBoxes:
    """The messages on their way between partitions."""

    def __init__(self, bucket: Bucket, folder: str) -> None:
        self._bucket = bucket
        self._folder = folder
        self._looking = trio.Lock()
        self._looks = self._last_seen = 0
        self._looked_at = -inf
        self._seen: _Waiting = {}
        self._last: dict[int, int] = {}

    async def post(self, partition: int, message_id: str, data: bytes) -> None:
        """Put a message into a box unless it waits there. Raises ``InDoubt`` and ``Unavailable``."""
        digest = int.from_bytes(hashlib.blake2b(message_id.encode(), digest_size=_ID_BYTES).digest(), "big")
        waiting = (await self._look()).get(partition, set())
        if any(_digest(token) == digest for token in waiting):
            return
        last = max([self._last.get(partition, 0), *(token >> _ID_BITS for token in waiting)])
        self._last[partition] = last + 1
        # Only this message has the name, so it does not matter if it is there: it was put without an answer.
        await self._bucket.settle(self._name(partition, (last + 1) << _ID_BITS | digest), data)

    async def posted(self, partition: int, after: int) -> Sequence[PostedMessage]:
        """Return the first messages of a box behind a token."""
        behind = self._name(partition, after) if after else None
        wanted: dict[int, str] = {}
        size = 0
        for each in await self._bucket.listed(self._box(partition), after=behind, most=_TOGETHER):
            if size >= _BYTES_TOGETHER or len(wanted) == _TOGETHER:
                break
            wanted[_token(each.name)] = each.name
            size += each.size
        found = await self._bucket.get_all([*wanted.values()])
        return [PostedMessage(token, data) for token, data in zip(wanted, found, strict=True) if data is not None]

    async def wait(self, partition: int) -> None:
        """Return when there may be a message in the box."""
        pause = self._bucket.polling.first_seconds
        while True:
            await trio.sleep(pause)
            if trio.current_time() - self._looked_at >= pause:
                await self._look()
            if self._seen.get(partition):
                return
            pause = min(1.5 * pause, self._bucket.polling.longest_seconds)

    async def remove(self, partition: int, tokens: Sequence[int]) -> None:
        """Remove messages from a box. Missing ones are ignored."""
        await self._bucket.remove([self._name(partition, token) for token in tokens])

    async def _look(self) -> _Waiting:
        """Return the messages of all boxes, by a listing that began after this was called."""
        asked = self._looks
        async with self._looking:
            if self._last_seen <= asked:
                self._looks += 1
                found: dict[int, set[int]] = {}
                for each in await self._bucket.listed(self._folder):
                    found.setdefault(_partition(each.name), set()).add(_token(each.name))
                self._seen, self._last_seen, self._looked_at = found, self._looks, trio.current_time()
            return self._seen

    def _box(self, partition: int) -> str:
        return f"{self._folder}/{partition:05}"

    def _name(self, partition: int, token: int) -> str:
        return f"{self._box(partition)}/{token >> _ID_BITS:016}.{_digest(token):032x}"


def _digest(token: int) -> int:
    return token & ((1 << _ID_BITS) - 1)


def _token(name: str) -> int:
    number, dot, digest = name.rpartition("/")[2].partition(".")
    try:
        if dot and number.isdecimal():
            return int(number) << _ID_BITS | int(digest, 16)
    except ValueError:
        pass
    raise CorruptRecord(f"the object {name} is not a message of playhead")


def _partition(name: str) -> int:
    box = name.rpartition("/")[0].rpartition("/")[2]
    if not box.isdecimal():
        raise CorruptRecord(f"the object {name} is not in a post box of playhead")
    return int(box)
