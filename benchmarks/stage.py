"""A runtime as users have it, whose store is weighed: it says how much was written."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

import actors
from actors.deployments.discovery import snapshot_of_classes
from benchmarks.measure import Tally
from journal.opening import open_journal
from journal.store import SCAN_PAGE
from journal.stored import StoredJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from actors.client import LocalClient
    from benchmarks.measure import Room
    from journal.store import Batch, Store


NOTHING = Tally(rows=0, key_bytes=0, value_bytes=0)


class Weighing:
    """A store in front of another, which adds up what is written and read. It looks at batches, not at calls, so it costs next to
    nothing. What views read is not in it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._commit = store.commit
        self.written = self.read = NOTHING

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, batch: Batch) -> None:
        rows = len(batch.rows) + len(batch.cleared)
        self.written = _more(self.written, rows, batch.rows, filter(None, batch.rows.values()))
        await self._commit(batch)

    def get(self, key: bytes) -> bytes | None:
        value = self._store.get(key)
        self.read = _more(self.read, 1, [key], [value or b""])
        return value

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        found = self._store.scan(start, stop, limit=limit, reverse=reverse)
        self.read = _more(self.read, len(found), (key for key, _ in found), (value for _, value in found))
        return found


def _more(before: Tally, rows: int, keys: Iterable[bytes], values: Iterable[bytes]) -> Tally:
    return Tally(
        rows=before.rows + rows,
        key_bytes=before.key_bytes + sum(map(len, keys)),
        value_bytes=before.value_bytes + sum(map(len, values)),
    )


@attrs.frozen
class Stage:
    """A running app, and the scales under its store."""

    client: LocalClient
    _weighing: Weighing

    @property
    def written(self) -> Tally:
        """All that was written since it was opened."""
        return self._weighing.written

    @property
    def read(self) -> Tally:
        """All that was read since then, except by queries."""
        return self._weighing.read


@asynccontextmanager
async def on_stage(
    room: Room, *classes: type, limits: actors.Limits | None = None, at: Path | None = None
) -> AsyncIterator[Stage]:
    """Run classes on a store in this room, or on the one that lies ``at`` another place; their code is kept with it, as always."""
    async with open_journal(at or room.path / "data", durability=room.durability) as journal:
        weighing = Weighing(journal._store)
        weighed = StoredJournal(weighing, partitions=journal.partitions)
        async with actors.open_runtime(
            *classes,
            journal=weighed,
            limits=limits or actors.Limits(),
            code=snapshot_of_classes(classes),
        ) as runtime:
            yield Stage(runtime.client, weighing)
