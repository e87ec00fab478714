"""A log in an object store: entry 7 of a partition is the object ``…/log/PARTITION/7``, which is created only if it is not there. ::

    log/00000/…1  …2  …3  …4              create …5 ──► written, or there is one already: Superseded
    claims/00000/…4                       entry 4 may be the first of an owner: it is never removed

A trimmed entry is a name that is free again. So a writer that was stopped for an hour could create the entry that it was about to write, in
the middle of what others have written and trimmed since, and acknowledge it. Two rules prevent that.

- An owner that has written entry 6 itself writes 7. If another node has claimed the partition meanwhile, the claim is entry 7. The first entry of
  a writer is therefore never trimmed; its name is recorded under ``claims/`` before it is written. That is one small object for each claim.
- A writer that has not written entry 6 itself, but read it, looks after writing 7: is it the last entry, and is 6 there? If not, it
  has written nothing that counts, and takes its object away.

Whether a request without an answer has written something is found out by reading the object: it ends with random bytes of its writer.

Prior art: the write-ahead log of SlateDB and the commits of Delta Lake, which create numbered objects. Alternatives refused: removing by age,
which trusts clocks, and a look after each entry, which is one more request for each commit.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import trio

from journal.errors import CorruptRecord, InDoubt, LogDiverged, LogTrimmed, Unavailable
from journal.kv.store import Durability
from journal.replicated.log import Superseded
from journal.replicated.objects.bucket import without_conditional_put
from journal.replicated.objects.post import PostBoxes
from journal.replicated.open import decode_identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.replicated.log import PostedMessage
    from journal.replicated.objects.bucket import Bucket, BucketObject

LOOK_SECONDS = 30.0
"""The time after which a reader makes sure that what it waits for was not trimmed."""

_LARGEST = 4 << 20
_NONCE_BYTES = 16
_READ_TOGETHER = 256
_BYTES_TOGETHER = 8 << 20
_IDENTITY = "identity"


class ObjectLog:
    """A :class:`journal.replicated.log.ReplicatedLog` in an object store."""

    durability = Durability.REPLICATED
    largest = _LARGEST

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._root: str | None = None
        self._boxes: PostBoxes | None = None
        self._written: dict[int, int] = {}
        """The entry that this log has written last, by partition, unless a write has failed since."""
        self._trimmed: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._found: dict[int, tuple[int, bytes]] = {}
        self._hinted: dict[int, int] = {}
        self._waiting: dict[int, trio.Event] = {}

    @property
    def root(self) -> str:
        """The folder of the journal's objects. Raises ``Unavailable`` before the journal is known."""
        if self._root is None:
            raise Unavailable("the journal in the object store is not known yet")
        return self._root

    @property
    def boxes(self) -> PostBoxes:
        """The post boxes. Raises as :attr:`root` does."""
        if self._boxes is None:
            self._boxes = PostBoxes(self.bucket, f"{self.root}/post")
        return self._boxes

    async def check(self, *, writes: bool) -> None:
        """Make sure that the bucket is there and may be used, and that it fences writers if this log ``writes``. Raises
        :class:`journal.replicated.log.LogUnusable` if not, and ``Unavailable`` if the store does not answer."""
        await self.bucket.listed("check", most=1)
        if not writes:
            return
        name = f"check/{secrets.token_hex(8)}"
        try:
            made = [await self.bucket.create(name, data) for data in (b"first", b"second")]
        except InDoubt as error:
            raise Unavailable(str(error)) from error
        await self.bucket.remove([name])
        if made != [True, False]:
            raise without_conditional_put(self.bucket.shown)

    # The identity.

    async def identify(self, identity: bytes) -> bytes:
        kept = await self.kept_identity()
        if kept is None:
            await self.publish_identity(identity)
            kept = await self.kept_identity()
        if kept is None:
            raise Unavailable("the identity of the journal was removed from the object store")
        return kept

    async def kept_identity(self) -> bytes | None:
        """Return the identity that the log has; None if there is no log."""
        kept = await self.bucket.get(_IDENTITY)
        if kept is not None:
            self.know(kept)
        return kept

    async def publish_identity(self, identity: bytes) -> bool:
        """Store the identity, and return whether it is the log's: False if there is another one."""
        return await self.bucket.settle(_IDENTITY, identity)

    def know(self, identity: bytes) -> None:
        """Use the objects of the journal with this identity."""
        root = decode_identity(identity).store_id
        if root != self._root:
            self._root, self._boxes = root, None

    async def remove(self) -> None:
        """Remove all objects of a journal whose identity was not stored."""
        await self.bucket.remove([each.name for each in await self.bucket.listed(self.root)])

    async def begin(self, partition: int, number: int, data: bytes) -> None:
        """Write the entry with which the log of a partition begins, before anybody knows of the journal."""
        await self.bucket.put(self._entry(partition, number), data + secrets.token_bytes(_NONCE_BYTES))

    # Entries.

    async def append(self, partition: int, after: int, data: bytes) -> None:
        with trio.CancelScope(shield=True):
            signed = data + secrets.token_bytes(_NONCE_BYTES)
            if self._written.pop(partition, None) == after:
                is_own = await self.bucket.settle(self._entry(partition, after + 1), signed)
            else:
                is_own = await self._append_first(partition, after, signed)
            if not is_own:
                raise Superseded(partition, after)
            self._written[partition] = after + 1

    async def _append_first(self, partition: int, after: int, signed: bytes) -> bool:
        """Write an entry behind one that this log has not written, and return whether it is in the log."""
        expected = [after] if after else []
        if await self._numbers(partition, after - 1) != expected:
            return False
        name = self._entry(partition, after + 1)
        await self.bucket.put(self._claim(partition, after + 1), b"claim")
        if not await self.bucket.settle(name, signed):
            return False
        try:
            found = await self._numbers(partition, after - 1)
            is_last = found == [*expected, after + 1]
            if not is_last and found[: len(expected) + 2] != [*expected, after + 1, after + 2]:
                await self.bucket.remove([name])  # it is where others were trimmed
                return False
        except Unavailable as error:
            raise InDoubt(f"it is unknown whether entry {after + 1} counts: {error}") from error
        if not is_last:
            raise InDoubt(
                f"entry {after + 1} of partition {partition} was written, and another node has written after it"
            )
        return True

    async def read(self, partition: int, after: int) -> Sequence[bytes]:
        if self._ends.pop(partition, None) == after and self._hinted.get(partition, 0) <= after:
            await trio.lowlevel.checkpoint()
            return []  # the last read has seen that these were all
        number, data = self._found.pop(partition, (0, b""))
        if number == after + 1:
            await trio.lowlevel.checkpoint()
            self._ends[partition] = number
            return [data]
        return await self._read_page(partition, after)

    async def _read_page(self, partition: int, after: int) -> list[bytes]:
        page = await self._page(partition, after - 1)
        if after and not page:
            raise LogDiverged(partition, after, "it ends before that entry")
        if page and _number(page[0]) == after:
            page = page[1:]
        if page and (first := _number(page[0])) != after + 1:
            raise LogTrimmed(partition, after, first)
        if not page:
            self._hinted.pop(partition, None)
        wanted: list[str] = []
        size = 0
        for number, each in enumerate(page, after + 1):
            if _number(each) != number or len(wanted) == _READ_TOGETHER or (wanted and size >= _BYTES_TOGETHER):
                break
            wanted.append(each.name)
            size += each.size
        found: list[bytes] = []
        for number, data in enumerate(await self.bucket.get_all(wanted), after + 1):
            if data is None:
                raise Unavailable(f"entry {number} of partition {partition} was removed while it was read")
            found.append(_without_nonce(data, partition, number))
        if len(found) == len(page):
            self._ends[partition] = after + len(found)
        return found

    async def wait(self, partition: int, after: int) -> None:
        """Look for the next entry by its name, less often as time goes by, and at once when a node says that it has applied it."""
        pause = self.bucket.polling.first_seconds
        with trio.move_on_after(LOOK_SECONDS):
            while self._hinted.get(partition, 0) <= after:
                event = self._waiting.setdefault(partition, trio.Event())
                with trio.move_on_after(pause):
                    await event.wait()
                data = await self.bucket.get(self._entry(partition, after + 1))
                if data is not None:
                    self._found[partition] = after + 1, _without_nonce(data, partition, after + 1)
                    return
                pause = min(1.5 * pause, self.bucket.polling.longest_seconds)

    def hint(self, partition: int, number: int) -> None:
        """Take notice that the log has had this entry."""
        if number > self._hinted.get(partition, 0):
            self._hinted[partition] = number
            event = self._waiting.pop(partition, None)
            if event is not None:
                event.set()

    async def trim(self, partition: int, before: int) -> None:
        if before <= self._trimmed.get(partition, 0):
            await trio.lowlevel.checkpoint()
            return  # a listing costs as much as a commit
        listed = [_number(each) for each in await self.bucket.listed(self._log(partition))]
        kept = {_number(each) for each in await self.bucket.listed(self._claims(partition))}
        removed = [number for number in listed[:-1] if number < before and number not in kept]
        await self.bucket.remove([self._entry(partition, number) for number in removed])
        self._trimmed[partition] = min(before, listed[-1]) if listed else 0

    async def bytes_after(self, partition: int, after: int) -> int:
        return sum([each.size for each in await self._page(partition, after, most=None)])

    async def last_entry(self, partition: int) -> int:
        """Return the number of the last entry of a partition; 0 if there is none."""
        listed = await self.bucket.listed(self._log(partition))
        return _number(listed[-1]) if listed else 0

    async def size(self) -> int:
        """Return the bytes of all objects of the journal."""
        return sum([each.size for each in await self.bucket.listed(self.root)])

    # The post box.

    async def post(self, partition: int, message_id: str, data: bytes) -> None:
        with trio.CancelScope(shield=True):
            await self.boxes.post(partition, message_id, data)

    async def posted(self, partition: int) -> Sequence[PostedMessage]:
        return await self.boxes.posted(partition, 0)

    async def posted_after(self, partition: int, token: int) -> Sequence[PostedMessage]:
        """Return some of the messages in the post box of a partition, from the one behind this token on."""
        return await self.boxes.posted(partition, token)

    async def wait_for_post(self, partition: int) -> None:
        await self.boxes.wait(partition)

    async def remove_posted(self, partition: int, tokens: Sequence[int]) -> None:
        await self.boxes.remove(partition, tokens)

    # Names.

    async def _numbers(self, partition: int, after: int) -> list[int]:
        """Return the numbers of some entries behind ``after``."""
        return [_number(each) for each in await self._page(partition, after)]

    async def _page(self, partition: int, after: int, most: int | None = _READ_TOGETHER) -> list[BucketObject]:
        behind = self._entry(partition, after) if after > 0 else None
        return await self.bucket.listed(self._log(partition), after=behind, most=most)

    def _log(self, partition: int) -> str:
        return f"{self.root}/log/{partition:05}"

    def _claims(self, partition: int) -> str:
        return f"{self.root}/claims/{partition:05}"

    def _entry(self, partition: int, number: int) -> str:
        return f"{self._log(partition)}/{number:016}"

    def _claim(self, partition: int, number: int) -> str:
        return f"{self._claims(partition)}/{number:016}"


def _number(stored: BucketObject) -> int:
    name = stored.name.rpartition("/")[2]
    if not name.isdecimal():
        raise CorruptRecord(f"the object {stored.name} is not one of a playhead log")
    return int(name)


def _without_nonce(data: bytes, partition: int, number: int) -> bytes:
    if len(data) < _NONCE_BYTES:
        raise CorruptRecord(f"the log of partition {partition}, entry {number}: it has only {len(data)} bytes")
    return data[:-_NONCE_BYTES]
