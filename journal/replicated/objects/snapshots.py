"""Snapshots in the object store of the log: a chunk is an object, and numbered records say which snapshots there are.

There are no transactions. So before chunks are removed, a record *condemns* their objects. From then on they count as missing: whoever needs
such a chunk stores it again, under a name that nobody had, and only the condemned names are removed. Each record is created behind
the last one that its writer has read, so no snapshot appears whose chunks were condemned meanwhile.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import attrs
import msgspec

from journal.errors import CorruptRecord, InDoubt, Unavailable
from journal.replicated.snapshots.manifest import digest_of_chunk
from journal.replicated.snapshots.store import PublishedSnapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from journal.replicated.objects.bucket import Bucket
    from journal.replicated.objects.log import ObjectLog

_TRIES = 10
_NAME_BYTES = 8
_READ_TOGETHER = 16


class _NumberedRecord(msgspec.Struct, array_like=True):
    """A snapshot with the digests of its chunks; or, without a manifest, the snapshots that are removed and the names of condemned
    objects."""

    nonce: bytes
    manifest: bytes = b""
    chunks: list[bytes] = []
    removed: list[int] = []
    condemned: list[str] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_NumberedRecord).decode


@attrs.frozen
class _NumberedRecords:
    """The snapshots that can be seen, by number; those that another node is removing; the objects that are condemned; the numbers of
    records without a snapshot; and the last record."""

    snapshots: Mapping[int, _NumberedRecord]
    removed: frozenset[int]
    condemned: frozenset[str]
    others: Sequence[int]
    last: int


class ObjectSnapshots:
    """A :class:`journal.replicated.snapshots.store.SnapshotStore` in an object store."""

    def __init__(self, log: ObjectLog) -> None:
        self._log = log
        self._stored: dict[bytes, list[str]] = {}

    @property
    def _bucket(self) -> Bucket:
        return self._log.bucket

    async def missing(self, chunks: Collection[bytes]) -> set[bytes]:
        kept = await self._kept(await self._records())
        asked, sound = list(chunks), set[bytes]()
        for first in range(0, len(asked), _READ_TOGETHER):  # the bytes of so many chunks are in memory
            page = [(digest, name) for digest in asked[first : first + _READ_TOGETHER] for name in kept.get(digest, [])]
            found = await self._bucket.get_all([name for _, name in page])
            sound |= {
                digest
                for (digest, _), data in zip(page, found, strict=True)
                if data is not None and digest_of_chunk(data) == digest
            }
        return {*asked} - sound

    async def put(self, digest: bytes, data: bytes) -> None:
        await self._bucket.put(f"{self._chunks}/{digest.hex()}.{secrets.token_hex(_NAME_BYTES)}", data)

    async def get(self, digest: bytes) -> bytes | None:
        if digest not in self._stored:
            await self._kept(await self._records())
        found: bytes | None = None
        for name in self._stored.get(digest, []):
            data = await self._bucket.get(name)
            if data is not None:
                found = data
                if digest_of_chunk(data) == digest:
                    break
        return found

    async def publish(self, manifest: bytes, chunks: Collection[bytes]) -> bool:
        records = await self._records()
        kept = await self._kept(records)
        if any(digest not in kept for digest in chunks):
            return False
        return await self._add(_NumberedRecord(_nonce(), manifest=manifest, chunks=list(chunks)), records)

    async def published(self) -> Sequence[PublishedSnapshot]:
        snapshots = (await self._records()).snapshots
        return [PublishedSnapshot(number, snapshots[number].manifest) for number in sorted(snapshots, reverse=True)]

    async def remove(self, numbers: Collection[int]) -> None:
        for _ in range(_TRIES):
            records = await self._records()
            removed = records.removed | (records.snapshots.keys() & {*numbers})
            named = {
                digest for number, each in records.snapshots.items() if number not in removed for digest in each.chunks
            }
            condemned = [
                each.name
                for each in await self._bucket.listed(self._chunks)
                if _digest(each.name) not in named or each.name in records.condemned
            ]
            if not (removed or condemned):
                return
            record = _NumberedRecord(_nonce(), removed=sorted(removed), condemned=condemned)
            if await self._add(record, records):
                break
        else:
            raise Unavailable("other nodes store snapshots all the time: try again")
        self._stored = {}
        await self._bucket.remove(condemned)
        await self._bucket.remove([self._record(number) for number in sorted([*removed, *records.others])])

    async def _add(self, record: _NumberedRecord, records: _NumberedRecords) -> bool:
        """Add a record behind those that were read; False if there is another one."""
        number = records.last + 1
        try:
            if not await self._bucket.settle(self._record(number), _encode(record)):
                return False
        except InDoubt as error:
            raise Unavailable(f"a record of snapshots was not stored: {error}") from error
        numbers = [_number(each.name) for each in await self._bucket.listed(self._snapshots)]
        if numbers[-1] == number:
            return True
        await self._bucket.remove([self._record(number)])  # records behind it were there, and its name was free again
        return False

    async def _records(self) -> _NumberedRecords:
        names = [each.name for each in await self._bucket.listed(self._snapshots)]
        found: dict[int, _NumberedRecord] = {}
        for name, data in zip(names, await self._bucket.get_all(names), strict=True):
            if data is not None:
                found[_number(name)] = _decoded(name, data)
        removed = {number for each in found.values() for number in each.removed}
        return _NumberedRecords(
            {number: each for number, each in found.items() if each.manifest and number not in removed},
            frozenset(removed & found.keys()),
            frozenset(name for each in found.values() for name in each.condemned),
            [number for number, each in found.items() if not each.manifest],
            max(found, default=0),
        )

    async def _kept(self, records: _NumberedRecords) -> Mapping[bytes, Sequence[str]]:
        """Return the names of the objects that have a chunk and are not condemned, by its digest."""
        listed = [each.name for each in await self._bucket.listed(self._chunks)]
        self._stored = _by_digest(listed)
        return _by_digest(name for name in listed if name not in records.condemned)

    @property
    def _chunks(self) -> str:
        return f"{self._log.root}/chunks"

    @property
    def _snapshots(self) -> str:
        return f"{self._log.root}/snapshots"

    def _record(self, number: int) -> str:
        return f"{self._snapshots}/{number:016}"


def _nonce() -> bytes:
    return secrets.token_bytes(_NAME_BYTES)


def _decoded(name: str, data: bytes) -> _NumberedRecord:
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        raise CorruptRecord(f"the object {name} cannot be decoded: {error}") from error


def _by_digest(names: Iterable[str]) -> dict[bytes, list[str]]:
    found: dict[bytes, list[str]] = {}
    for name in names:
        found.setdefault(_digest(name), []).append(name)
    return found


def _digest(name: str) -> bytes:
    try:
        return bytes.fromhex(name.rpartition("/")[2].partition(".")[0])
    except ValueError as error:
        raise CorruptRecord(f"the object {name} is not a chunk of playhead") from error


def _number(name: str) -> int:
    number = name.rpartition("/")[2]
    if not number.isdecimal():
        raise CorruptRecord(f"the object {name} is not a snapshot of playhead")
    return int(number)
