"""The store on disk for a run under ``trio.testing.MockClock`` (``journal.mock_clock``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.kv.rocks import RocksStore
from journal.mock_clock import still

if TYPE_CHECKING:
    from pathlib import Path

    from journal.kv.rocks_reader import RocksView
    from journal.kv.store import Batch


class MockClockRocksStore(RocksStore):
    """A store that keeps the clock from jumping while a task waits for its thread."""

    async def commit(self, batch: Batch) -> None:
        with still():
            await super().commit(batch)

    async def view(self) -> RocksView:
        with still():
            return await super().view()

    async def copy_to(self, path: Path, *, made_at: float) -> None:
        with still():
            await super().copy_to(path, made_at=made_at)
