"""Every journal there is, for the contract tests."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import pytest

from journal.kv.memory import MemoryStore
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal
from journal.replicated.journal import open_replicated
from journal.replicated.memory_log import MemoryLog
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class OpenJournal(Protocol):
    """Opens the same journal again and again, as a process that is started again does."""

    def __call__(self, *, partitions: int = 1) -> AbstractAsyncContextManager[KvJournal]: ...


@pytest.fixture(params=["memory", "rocks", "replicated", "replicated, cold"])
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> OpenJournal:
    if request.param == "rocks":

        def on_disk(*, partitions: int = 1) -> AbstractAsyncContextManager[KvJournal]:
            return open_journal(tmp_path / "data", partitions=partitions, clock=VirtualClock())

        return on_disk

    store, log = MemoryStore(), MemoryLog(largest=4_096)

    @asynccontextmanager
    async def replicated(*, partitions: int = 1) -> AsyncIterator[KvJournal]:
        copy = MemoryStore() if "cold" in request.param else store
        async with open_replicated(copy, log, partitions=partitions, clock=VirtualClock()) as journal:
            yield journal

    if "replicated" in request.param:
        return replicated

    @asynccontextmanager
    async def in_memory(*, partitions: int = 1) -> AsyncIterator[KvJournal]:
        yield KvJournal(store, partitions=partitions, clock=VirtualClock())

    return in_memory
