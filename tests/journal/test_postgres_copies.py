"""A journal moves from a data directory into a cluster and back, with everything that it has; the contents can be compared."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from journal.errors import (
    ClusterExists,
    ClusterInUse,
    LogTrimmed,
    StoreDamaged,
    StoreError,
    StoreExists,
    StoreInUse,
    StoreMissing,
    Unavailable,
)
from journal.kv.data_directory import DataDirectory
from journal.log.fold import first_difference, fold
from journal.log.open import open_for_reading, open_journal
from journal.replicated import copies
from journal.replicated.log import LogUnusable
from journal.replicated.membership import Member
from journal.replicated.open import decode_identity, open_replica
from journal.replicated.postgres.log import PostgresLog, open_postgres_log
from journal.replicated.postgres.membership import PostgresMembership
from journal.replicated.postgres.snapshots import PostgresSnapshots
from journal.replicated.postgres.storage import PostgresPlace
from tests.journal.test_contract import OTHER, STREAM, all_of, append, take, values
from tests.journal.test_replicated import message
from tests.raising import raises
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from journal.kv.rocks_reader import RocksReader
    from journal.log.fold import PartitionFold
    from journal.replicated.journal import ReplicatedJournal
    from journal.rows import StoreIdentity

pytestmark = pytest.mark.virtual_time


def accept(_: RocksReader, __: StoreIdentity) -> None:
    """The copy is sound."""


async def move_in(data: Path, address: str, schema: str) -> None:
    await copies.copy_into_cluster(data, PostgresPlace(address, schema), check=accept, now=1.0)


async def move_out(address: str, schema: str, data: Path) -> None:
    await copies.copy_out_of_cluster(PostgresPlace(address, schema), data, check=accept, now=1.0)


@asynccontextmanager
async def node(address: str, schema: str, path: Path) -> AsyncIterator[ReplicatedJournal]:
    async with open_postgres_log(address, schema=schema) as log:
        identity = decode_identity(await log.kept_identity() or b"")
        snapshots = PostgresSnapshots(log)
        async with open_replica(path, log, identity, snapshots=snapshots, clock=VirtualClock()) as journal:
            yield journal


async def written(path: Path, *numbers: int) -> None:
    """A journal of two partitions with these events, a message and a timer."""
    async with (
        open_journal(path, partitions=2, clock=VirtualClock()) as journal,
        journal.claim(STREAM % 2, "me") as partition,
    ):
        for last, number in enumerate(numbers):
            await partition.commit([append(last, number)])
        await partition.commit([], [message("waits", STREAM), message("timer", STREAM, at=9e9)])


def contents(path: Path) -> list[PartitionFold]:
    reader, identity = open_for_reading(path)
    try:
        return fold(reader, identity.partitions)
    finally:
        reader.close()


async def contents_of_cluster(address: str, schema: str) -> list[PartitionFold]:
    async with copies.open_copy(PostgresPlace(address, schema)) as (_, identity, journal):
        return fold(journal, identity.partitions)


async def test_a_journal_moves_into_a_cluster_and_back_with_all_it_has(
    postgres_address: str, schema: str, tmp_path: Path
) -> None:
    await written(tmp_path / "one", 1, 2)
    before = contents(tmp_path / "one")
    assert [(each.objects, each.events) for each in before] == sorted([(0, 0), (1, 2)], reverse=STREAM % 2 == 0)
    await move_in(tmp_path / "one", postgres_address, schema)
    assert contents(tmp_path / "one") == before == await contents_of_cluster(postgres_address, schema)
    async with node(postgres_address, schema, tmp_path / "node") as journal:
        assert journal.secret == DataDirectory(tmp_path / "one").identity().secret
        async with journal.claim(STREAM % 2, "me") as partition:
            assert [each.message.id for each in await take(partition, 1)] == ["waits"]
            await partition.commit([append(2, 3)])
    after = await contents_of_cluster(postgres_address, schema)
    assert after != before
    await move_out(postgres_address, schema, tmp_path / "two")
    assert contents(tmp_path / "two") == after
    async with open_journal(tmp_path / "two") as journal:
        assert values(await all_of(journal)) == [1, 2, 3]
    ids = {DataDirectory(tmp_path / name).identity().store_id for name in ("one", "node", "two")}
    assert len(ids) == 3  # none is taken for another


async def test_a_cluster_that_was_moved_in_has_no_log_to_begin_with(
    postgres_address: str, schema: str, tmp_path: Path
) -> None:
    await written(tmp_path / "one", 1)
    await move_in(tmp_path / "one", postgres_address, schema)
    async with open_postgres_log(postgres_address, schema=schema) as log:
        for partition in range(2):
            with raises(LogTrimmed, partition=partition, first=2):
                await log.read(partition, 0)


async def test_what_moves_between_partitions_arrives_in_the_copy(
    postgres_address: str, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(tmp_path / "one", 1)
    await move_in(tmp_path / "one", postgres_address, schema)
    assert STREAM % 2 != OTHER % 2
    with suppress(Unavailable):
        async with (
            node(postgres_address, schema, tmp_path / "node") as journal,
            journal.claim(STREAM % 2, "me") as partition,
        ):
            await partition.commit([], [message("posted", OTHER)])
            await trio.sleep(5)

            async def is_away(*_: object) -> None:
                await trio.lowlevel.checkpoint()
                raise Unavailable("the post box is away")

            monkeypatch.setattr(PostgresLog, "post", is_away)
            await partition.commit([], [message("not posted", OTHER)])
    await move_out(postgres_address, schema, tmp_path / "two")
    async with open_journal(tmp_path / "two", clock=VirtualClock()) as moved, moved.claim(OTHER % 2, "me") as other:
        assert [each.message.id for each in await take(other, 2)] == ["posted", "not posted"]


async def test_a_copy_is_refused_where_it_would_mix_or_repeat_work(
    postgres_address: str, schema: str, tmp_path: Path
) -> None:
    with pytest.raises(StoreMissing):
        await move_in(tmp_path / "none", postgres_address, schema)
    await written(tmp_path / "one", 1)
    async with open_journal(tmp_path / "one"):
        with pytest.raises(StoreInUse):
            await move_in(tmp_path / "one", postgres_address, schema)
    directory = DataDirectory(tmp_path / "one").hold()
    identity = directory.identity()
    directory.write_identity(attrs.evolve(identity, is_held=True))
    directory.release()
    with pytest.raises(StoreError, match="is held"):
        await move_in(tmp_path / "one", postgres_address, schema)
    directory = DataDirectory(tmp_path / "one").hold()
    directory.write_identity(identity)
    directory.release()

    def refuse(rows: RocksReader, _: StoreIdentity) -> None:
        raise StoreDamaged(rows.directory.path, "not sound")

    with pytest.raises(StoreDamaged):
        await copies.copy_into_cluster(tmp_path / "one", PostgresPlace(postgres_address, schema), check=refuse, now=1.0)
    with pytest.raises(LogUnusable, match="no cluster"):
        await move_out(postgres_address, schema, tmp_path / "two")
    await move_in(tmp_path / "one", postgres_address, schema)
    with pytest.raises(ClusterExists):
        await move_in(tmp_path / "one", postgres_address, schema)
    with pytest.raises(StoreExists):
        await move_out(postgres_address, schema, tmp_path / "one")
    async with open_postgres_log(postgres_address, schema=schema) as log:
        membership = PostgresMembership(log)
        await membership.beat(Member(name="a node"))
        with raises(ClusterInUse, nodes=("a node",)):
            await move_out(postgres_address, schema, tmp_path / "two")
        membership.close()
    assert not (tmp_path / "two").exists()


async def test_a_copy_into_a_cluster_is_whole_or_nothing(
    postgres_address: str, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(tmp_path / "one", 1)
    publish = PostgresSnapshots._publish_in

    async def publish_and_die(self: PostgresSnapshots, *arguments: object) -> bool:
        await publish(self, *arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PostgresSnapshots, "_publish_in", publish_and_die)
        with pytest.raises(KeyboardInterrupt):
            await move_in(tmp_path / "one", postgres_address, schema)
    async with open_postgres_log(postgres_address, schema=schema) as log:
        assert await log.kept_identity() is None
        assert list(await PostgresSnapshots(log).published()) == []
    await move_in(tmp_path / "one", postgres_address, schema)
    assert await contents_of_cluster(postgres_address, schema) == contents(tmp_path / "one")


async def test_a_snapshot_by_hand_trims_the_log(postgres_address: str, schema: str, tmp_path: Path) -> None:
    await written(tmp_path / "one", 1)
    await move_in(tmp_path / "one", postgres_address, schema)
    for number in (2, 3):
        async with node(postgres_address, schema, tmp_path / "node") as journal:
            async with journal.claim(STREAM % 2, "me") as partition:
                await partition.commit([append(number - 1, number)])
            reached = journal.applied()[STREAM % 2]
        made = await copies.take_snapshot(PostgresPlace(postgres_address, schema), now=2.0)
        assert made.positions[STREAM % 2].number == reached
    async with open_postgres_log(postgres_address, schema=schema) as log:
        with pytest.raises(LogTrimmed):
            await log.read(STREAM % 2, 1)
        assert len(await PostgresSnapshots(log).published()) == 2


async def test_journals_that_differ_differ_in_their_digests_and_the_place_is_named(tmp_path: Path) -> None:
    await written(tmp_path / "one", 1)
    await written(tmp_path / "two", 2)
    assert contents(tmp_path / "one") != contents(tmp_path / "two")
    one, two = (open_for_reading(tmp_path / name)[0] for name in ("one", "two"))
    difference = first_difference(one, two)
    assert difference is not None
    assert one.get(difference) != two.get(difference)
    assert first_difference(one, one) is None
    one.close()
    two.close()
