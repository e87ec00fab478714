"""A runtime as users have it, whose store is weighed: it says how much was written."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

import actors
from actors.code.discovery import snapshot_of_classes
from benchmarks.measure import Tally
from journal.kv.store import SCAN_PAGE
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.control.local.client import LocalClient
    from benchmarks.measure import Room
    from journal.kv.store import Batch, Store


class Counter:
    """Rows and their bytes, added up. Plain numbers: it stands where every call comes by."""

    __slots__ = ("key_bytes", "rows", "value_bytes")

    def __init__(self) -> None:
        self.rows = self.key_bytes = self.value_bytes = 0

    def tally(self) -> Tally:
        """So far."""
        return Tally(rows=self.rows, key_bytes=self.key_bytes, value_bytes=self.value_bytes)


class Weighing:
    """A store in front of another, which adds up what is written and read, at next to no cost. What views read is not in it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._commit, self._get, self._scan = store.commit, store.get, store.scan
        self.written, self.read = Counter(), Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, batch: Batch) -> None:
        written = self.written
        written.rows += len(batch.rows) + len(batch.cleared)
        written.key_bytes += sum(map(len, batch.rows))
        written.value_bytes += sum(map(len, filter(None, batch.rows.values())))
        await self._commit(batch)

    def get(self, key: bytes) -> bytes | None:
        value = self._get(key)
        if value is not None:
            read = self.read
            read.rows += 1
            read.key_bytes += len(key)
            read.value_bytes += len(value)
        return value

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        found = self._scan(start, stop, limit=limit, reverse=reverse)
        read = self.read
        read.rows += len(found)
        read.key_bytes += sum(len(key) for key, _ in found)
        read.value_bytes += sum(len(value) for _, value in found)
        return found


@attrs.frozen
class Stage:
    """A running app, and the scales under its store."""

    client: LocalClient
    _weighing: Weighing

    @property
    def written(self) -> Tally:
        """All that was written since it was opened."""
        return self._weighing.written.tally()

    @property
    def read(self) -> Tally:
        """All that was read since then, except by queries."""
        return self._weighing.read.tally()


@asynccontextmanager
async def on_stage(
    room: Room, *classes: type, limits: actors.Limits | None = None, at: Path | None = None
) -> AsyncIterator[Stage]:
    """Run classes on a store in this room, or on the one that lies ``at`` another place; their code is kept with it, as always."""
    async with open_journal(at or room.path / "data", durability=room.durability) as journal:
        weighing = Weighing(journal._store)
        weighed = KvJournal(weighing, partitions=journal.partitions)
        async with actors.open_runtime(
            *classes,
            journal=weighed,
            limits=limits or actors.Limits(),
            code=snapshot_of_classes(classes),
        ) as runtime:
            yield Stage(runtime.client, weighing)
