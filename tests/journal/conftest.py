"""Every journal there is, for the contract tests."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Protocol

import pytest

from journal.kv.memory import MemoryStore
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal
from journal.replicated.journal import open_replicated
from journal.replicated.memory_log import MemoryLog
from journal.replicated.open import identify, open_replica
from journal.replicated.postgres import log as postgres_log
from journal.replicated.postgres.log import open_postgres_log
from tests.aio.postgres import postgres
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


_numbers = count()


class OpenJournal(Protocol):
    """Opens the same journal again and again, as a process that is started again does."""

    def __call__(self, *, partitions: int = 1) -> AbstractAsyncContextManager[KvJournal]: ...


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    with postgres("") as address:
        yield address


@pytest.fixture
def schema() -> str:
    """The name of a schema that no other test uses."""
    return f"s{next(_numbers)}"


@pytest.fixture(params=["memory", "rocks", "replicated", "replicated, cold", "postgres"])
def open_again(
    request: pytest.FixtureRequest, tmp_path: Path, schema: str, monkeypatch: pytest.MonkeyPatch
) -> OpenJournal:
    if request.param == "rocks":

        def on_disk(*, partitions: int = 1) -> AbstractAsyncContextManager[KvJournal]:
            return open_journal(tmp_path / "data", partitions=partitions, clock=VirtualClock())

        return on_disk

    if request.param == "postgres":
        monkeypatch.setattr(
            postgres_log, "POLL_SECONDS", 60.0
        )  # of virtual time, which a test may let pass by the hour
        address = request.getfixturevalue("postgres_address")

        @asynccontextmanager
        async def in_postgres(*, partitions: int = 1) -> AsyncIterator[KvJournal]:
            node = tmp_path / f"node {next(_numbers)}"
            async with (
                open_postgres_log(address, schema=schema) as log,
                open_replica(node, log, await identify(log, partitions=partitions), clock=VirtualClock()) as journal,
            ):
                yield journal

        return in_postgres

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
