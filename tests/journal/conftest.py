"""Every journal there is, for the contract tests."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Protocol

import pytest
from obstore.store import MemoryStore as MemoryObjects

from journal.kv.memory import MemoryStore
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal
from journal.replicated.journal import open_replicated
from journal.replicated.memory_log import MemoryLog
from journal.replicated.nats import client as nats_client
from journal.replicated.nats import log as nats_log
from journal.replicated.nats.log import open_nats_log
from journal.replicated.objects import log as object_log
from journal.replicated.objects.address import ObjectAddress, parse_address
from journal.replicated.objects.bucket import Bucket, Polling, open_bucket
from journal.replicated.objects.log import ObjectLog
from journal.replicated.open import identify, open_replica
from journal.replicated.postgres import log as postgres_log
from journal.replicated.postgres.log import open_postgres_log
from tests.aio.postgres import postgres
from tests.nats_servers import Server, address_of, nats_cluster, nats_server
from tests.s3_server import S3Server, use_credentials
from tests.s3_server import s3_server as run_s3_server
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


_numbers = count()


PATIENT = Polling(first_seconds=3_600.0, longest_seconds=3_600.0)


def folder(path: Path) -> Bucket:
    """A folder in place of a bucket."""
    opened = open_bucket(ObjectAddress(folder=path))
    opened.polling = PATIENT
    return opened


class OpenJournal(Protocol):
    """Opens the same journal again and again, as a process that is started again does."""

    def __call__(self, *, partitions: int = 1) -> AbstractAsyncContextManager[KvJournal]: ...


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    with postgres("") as address:
        yield address


@pytest.fixture(scope="session")
def one_nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server alone."""
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture(scope="session")
def nats_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Three servers that replicate their streams."""
    with nats_cluster(tmp_path_factory.mktemp("nats")) as servers:
        yield servers


@pytest.fixture
def nats_is_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On virtual time nobody looks without a reason."""
    monkeypatch.setattr(nats_log, "POLL_SECONDS", 60.0)
    monkeypatch.setattr(nats_client, "PING_SECONDS", 3_600.0)


@pytest.fixture
def nats_address(request: pytest.FixtureRequest, schema: str, nats_is_patient: None) -> str:
    """The address of a journal that no other test uses: on one server, or on three if ``$NATS_SERVERS`` is 3."""
    if os.environ.get("NATS_SERVERS") == "3":
        return address_of(request.getfixturevalue("nats_servers"), schema)
    return address_of([request.getfixturevalue("one_nats_server")], schema)


@pytest.fixture
def replicated_nats_address(nats_servers: list[Server], schema: str, nats_is_patient: None) -> str:
    """The address of a journal on three servers that no other test uses."""
    return address_of(nats_servers, schema)


@pytest.fixture
def schema() -> str:
    """The name of a schema, or of a journal, that no other test uses."""
    return f"s{next(_numbers)}"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A server that nobody stops."""
    with run_s3_server() as server:
        yield server


@pytest.fixture
def bucket(request: pytest.FixtureRequest, schema: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Bucket]:
    """Opens the same bucket again and again: in memory, or of an S3 server if ``$OBJECT_STORE`` is s3. On virtual time nobody looks
    without a reason."""
    monkeypatch.setattr(object_log, "LOOK_SECONDS", 3_600.0)
    if os.environ.get("OBJECT_STORE") == "s3":
        use_credentials(monkeypatch)
        opened = partial(open_bucket, parse_address(request.getfixturevalue("s3_server").address(schema)))
    else:
        opened = partial(Bucket, MemoryObjects(), "the bucket of this test", polling=PATIENT)

    def open_patient() -> Bucket:
        made = opened()
        made.polling = PATIENT
        return made

    return open_patient


@pytest.fixture(
    params=[
        "memory",
        "rocks",
        "replicated",
        "replicated, cold",
        "postgres",
        "nats",
        "nats, cold",
        "objects, cold",
        "objects in a folder",
    ]
)
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

    if "nats" in request.param:
        is_cold = "cold" in request.param
        nats_address = request.getfixturevalue("nats_address")

        @asynccontextmanager
        async def in_nats(*, partitions: int = 1) -> AsyncIterator[KvJournal]:
            node = tmp_path / (f"node {next(_numbers)}" if is_cold else "node")
            async with (
                open_nats_log(nats_address) as log,
                open_replica(node, log, await identify(log, partitions=partitions), clock=VirtualClock()) as journal,
            ):
                yield journal

        return in_nats

    if "objects" in request.param:
        is_cold = "cold" in request.param
        open_bucket_again = request.getfixturevalue("bucket")
        in_folder = folder(tmp_path / "objects")

        @asynccontextmanager
        async def in_objects(*, partitions: int = 1) -> AsyncIterator[KvJournal]:
            node = tmp_path / (f"node {next(_numbers)}" if is_cold else "node")
            log = ObjectLog(open_bucket_again() if is_cold else in_folder)
            identity = await identify(log, partitions=partitions)
            async with open_replica(node, log, identity, clock=VirtualClock()) as journal:
                yield journal

        return in_objects

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
