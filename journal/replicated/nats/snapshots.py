"""Snapshots in streams of the log's servers: a chunk is one message or several, and a record names the chunks of a snapshot.

There are no transactions. So before chunks are removed, a record *condemns* those up to a number that no snapshot names. From then on
they count as missing: whoever needs one stores it again, under a higher number, and only messages up to the number are removed. Each
record is put behind the last one that its writer has read, so no snapshot appears whose chunks were condemned meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from journal.errors import InDoubt, Unavailable
from journal.replicated.nats.jetstream import AFTER_IN_SUBJECT, NOT_LAST, PARTS, JetStreamRefused, parts_of
from journal.replicated.snapshots.manifest import digest_of_chunk
from journal.replicated.snapshots.store import PublishedSnapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from journal.replicated.nats.jetstream import StoredMessage
    from journal.replicated.nats.log import NatsLog

_TRIES = 10
_MOST_PARTS = 4_096


class _SnapshotRecord(msgspec.Struct, array_like=True):
    """A snapshot, whose manifest and chunks are in the chunk ``description``; or, if that is empty, what is condemned."""

    description: bytes = b""
    condemned: int = 0


class _Description(msgspec.Struct, array_like=True):
    """A snapshot's manifest, and the digests of its chunks."""

    manifest: bytes
    chunks: list[bytes]


_encode = msgspec.msgpack.Encoder().encode
_decode_record = msgspec.msgpack.Decoder(_SnapshotRecord).decode
_decode_description = msgspec.msgpack.Decoder(_Description).decode


@attrs.frozen
class _Records:
    """The snapshots that can be seen, by number; the chunks that they name; what is condemned; and the last record."""

    snapshots: dict[int, bytes]
    named: frozenset[bytes]
    condemned: int
    old: Sequence[int]
    last: int

    def keeps(self, digest: bytes, number: int) -> bool:
        """Whether a chunk that begins with this message stays."""
        return number > self.condemned or digest in self.named


class NatsSnapshots:
    """A :class:`journal.replicated.snapshots.store.SnapshotStore` in NATS JetStream."""

    def __init__(self, log: NatsLog) -> None:
        self._log = log
        self._js = log.js
        self._seen: dict[bytes, int] = {}
        self._descriptions: dict[bytes, _Description] = {}

    async def missing(self, chunks: Collection[bytes]) -> set[bytes]:
        records = await self._records()
        return {digest for digest in chunks if not await self._is_kept(digest, records)}

    async def _is_kept(self, digest: bytes, records: _Records) -> bool:
        """Whether a chunk is stored, is sound, and stays."""
        self._seen.pop(digest, None)
        found = await self._find(digest)
        if not found or digest_of_chunk(_joined(found)) != digest:
            return False
        self._seen[digest] = min(each.number for each in found)
        return records.keeps(digest, self._seen[digest])

    async def put(self, digest: bytes, data: bytes) -> None:
        cut = parts_of(data, self._log.largest)
        try:
            numbers = [
                await self._js.put(f"{self._chunk(digest)}.{index}", part, {PARTS: len(cut)})
                for index, part in enumerate(cut)
            ]
        except (InDoubt, JetStreamRefused) as error:
            raise Unavailable(f"a chunk of a snapshot was not stored: {error}") from error
        self._seen[digest] = numbers[0]

    async def get(self, digest: bytes) -> bytes | None:
        found = await self._find(digest)
        return _joined(found) if found else None

    async def publish(self, manifest: bytes, chunks: Collection[bytes]) -> bool:
        records = await self._records()
        for digest in chunks:
            number = self._seen.get(digest)
            is_known = number is not None and records.keeps(digest, number)
            if not (is_known or await self._is_kept(digest, records)):
                return False
        description = _encode(_Description(manifest, list(chunks)))
        digest = digest_of_chunk(description)
        await self.put(digest, description)
        return await self._add(_SnapshotRecord(description=digest), records)

    async def published(self) -> Sequence[PublishedSnapshot]:
        records = await self._records()
        return [
            PublishedSnapshot(number, self._descriptions[digest].manifest if digest in self._descriptions else b"")
            for number, digest in sorted(records.snapshots.items(), reverse=True)
        ]

    async def remove(self, numbers: Collection[int]) -> None:
        names = self._log.names
        for _ in range(_TRIES):
            records = await self._records()
            for number in records.snapshots.keys() & {*numbers}:
                await self._js.delete(names.stream("snapshots"), number)
            records = await self._records()
            last = (await self._js.state(names.stream("chunks"))).last
            if await self._add(_SnapshotRecord(condemned=last), records):
                break
        else:
            raise Unavailable("other nodes store snapshots all the time: try again")
        for digest in await self._stored() - records.named:
            await self._js.purge(names.stream("chunks"), before=last + 1, subject=f"{self._chunk(digest)}.*")
        for number in records.old:
            await self._js.delete(names.stream("snapshots"), number)

    async def _add(self, record: _SnapshotRecord, records: _Records) -> bool:
        """Add a record behind those that were read; False if there is another one now."""
        subject = f"{self._log.names.subjects}.snapshot"
        try:
            await self._js.put(subject, _encode(record), {AFTER_IN_SUBJECT: records.last})
        except JetStreamRefused as error:
            if error.number in NOT_LAST:
                return False
            raise Unavailable(f"NATS has refused a snapshot: {error}") from error
        return True

    async def _records(self) -> _Records:
        names = self._log.names
        found = await self._js.all_after(names.stream("snapshots"), 0, f"{names.subjects}.snapshot")
        decoded = {message.number: _decode_record(message.data) for message in found}
        snapshots = {number: each.description for number, each in decoded.items() if each.description}
        self._descriptions = {
            digest: each for digest, each in self._descriptions.items() if digest in snapshots.values()
        }
        named: set[bytes] = set()
        for digest in snapshots.values():
            description = self._descriptions.get(digest) or await self._describe(digest)
            if description is not None:  # nothing can be made of one that is damaged
                self._descriptions[digest] = description
                named |= {digest, *description.chunks}
        return _Records(
            snapshots,
            frozenset(named),
            max([each.condemned for each in decoded.values()], default=0),
            [number for number, each in decoded.items() if not each.description],
            max(decoded, default=0),
        )

    async def _describe(self, digest: bytes) -> _Description | None:
        data = await self.get(digest)
        if data is None or digest_of_chunk(data) != digest:
            return None
        return _decode_description(data)

    async def _find(self, digest: bytes) -> list[StoredMessage]:
        """Return all parts of a chunk; none if one is missing."""
        stream, subject = self._log.names.stream("chunks"), f"{self._chunk(digest)}.*"
        found: list[StoredMessage] = []
        after = 0
        while True:
            page = await self._js.page(stream, after=after, subject=subject)
            found += page.messages
            if page.is_last or not page.messages or len(found) > _MOST_PARTS:
                break
            after = page.messages[-1].number
        if not _is_whole(found):
            found = await self._js.all_after(stream, 0, subject)  # that server may lag
        return _in_order(found) if _is_whole(found) else []

    async def _stored(self) -> set[bytes]:
        """Return the digests of which anything is stored."""
        prefix = f"{self._log.names.subjects}.chunk."
        found: set[bytes] = set()
        offset = 0
        while True:
            asked = {"subjects_filter": f"{prefix}>", "offset": offset}
            info = await self._js.info(self._log.names.stream("chunks"), asked)
            subjects = info["state"].get("subjects") or {}
            found |= {bytes.fromhex(subject.removeprefix(prefix).partition(".")[0]) for subject in subjects}
            offset += len(subjects)
            if not subjects or offset >= info.get("total", 0):
                return found

    def _chunk(self, digest: bytes) -> str:
        return f"{self._log.names.subjects}.chunk.{digest.hex()}"


def _part(message: StoredMessage) -> int:
    return int(message.subject.rpartition(".")[2])


def _in_order(found: Sequence[StoredMessage]) -> list[StoredMessage]:
    ordered = sorted(found, key=_part)
    return ordered[: ordered[0].parts]  # others are of a time when parts were smaller


def _is_whole(found: Sequence[StoredMessage]) -> bool:
    ordered = sorted(found, key=_part)
    return bool(ordered) and [_part(each) for each in ordered][: ordered[0].parts] == [*range(ordered[0].parts)]


def _joined(found: Sequence[StoredMessage]) -> bytes:
    return b"".join(each.data for each in found)
