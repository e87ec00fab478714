"""Snapshots of a replicated journal: an empty node begins with one, and the log is trimmed behind them. Whatever dies, nothing is lost."""

from __future__ import annotations

import errno
import shutil
from contextlib import asynccontextmanager, suppress
from copy import copy
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from journal.errors import CorruptRecord, DiskFull, LogTrimmed, StoreError, Unavailable
from journal.kv import seeding
from journal.kv.small_files import sync_directory
from journal.log.open import open_journal
from journal.replicated.background import background
from journal.replicated.log import Superseded
from journal.replicated.membership import MemoryMembership
from journal.replicated.memory_log import MemoryLog
from journal.replicated.nats.log import open_nats_log
from journal.replicated.nats.snapshots import NatsSnapshots
from journal.replicated.node import Node
from journal.replicated.objects.bucket import Bucket
from journal.replicated.objects.log import ObjectLog
from journal.replicated.objects.snapshots import ObjectSnapshots
from journal.replicated.open import identify, open_replica
from journal.replicated.postgres.log import open_postgres_log
from journal.replicated.postgres.snapshots import PostgresSnapshots
from journal.replicated.snapshots import make, manifest, seed
from journal.replicated.snapshots.keeper import LOOK_SECONDS, SnapshotKeeper
from journal.replicated.snapshots.manifest import decode_snapshot, digest_of_chunk
from journal.replicated.snapshots.seed import SnapshotMissing
from journal.replicated.snapshots.store import MemorySnapshots
from journal.replicated.snapshots.trim import LogTrimmer
from tests.journal.test_contract import all_of, append, values
from tests.raising import raises
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from journal.replicated.journal import ReplicatedJournal
    from journal.replicated.log import ReplicatedLog, Superseded
    from journal.replicated.snapshots.store import SnapshotStore

pytestmark = pytest.mark.virtual_time


@asynccontextmanager
async def node(path: Path, log: ReplicatedLog, snapshots: SnapshotStore) -> AsyncIterator[ReplicatedJournal]:
    identity = await identify(log, partitions=2)
    async with open_replica(path, log, identity, snapshots=snapshots, clock=VirtualClock()) as journal:
        yield journal


async def write(journal: ReplicatedJournal, *numbers: int) -> None:
    """Acknowledge these values, in order, behind those that are there."""
    async with journal.claim(append(0).stream % 2, "me") as partition:
        for number in numbers:
            await partition.commit([append(number - 1, number)])


async def keep(journal: ReplicatedJournal, log: ReplicatedLog, snapshots: SnapshotStore) -> None:
    """Make a snapshot, and trim what may be trimmed."""
    await journal.snapshot_maker(snapshots, name="me").make(now=1.0)
    await LogTrimmer(log, snapshots).trim([journal.applied()])


async def grown(path: Path, log: ReplicatedLog, snapshots: SnapshotStore) -> None:
    """Three commits, of which two snapshots have two, in a log that has lost the first."""
    async with node(path, log, snapshots) as journal:
        for number in (1, 2):
            await write(journal, number)
            await keep(journal, log, snapshots)
        await write(journal, 3)


async def is_trimmed(log: ReplicatedLog) -> bool:
    try:
        await log.read(append(0).stream % 2, 0)
    except LogTrimmed:
        return True
    return False


# The store of snapshots.


@pytest.fixture(params=["memory", "postgres", "nats", "objects"])
def snapshot_store(request: pytest.FixtureRequest, schema: str) -> Callable[[], Any]:
    @asynccontextmanager
    async def in_memory() -> AsyncIterator[SnapshotStore]:
        yield MemorySnapshots()

    @asynccontextmanager
    async def in_postgres() -> AsyncIterator[SnapshotStore]:
        async with open_postgres_log(request.getfixturevalue("postgres_address"), schema=schema) as log:
            yield PostgresSnapshots(log)

    @asynccontextmanager
    async def in_nats() -> AsyncIterator[SnapshotStore]:
        async with open_nats_log(request.getfixturevalue("nats_address")) as log:
            await identify(log, partitions=1)
            yield NatsSnapshots(log)

    @asynccontextmanager
    async def in_objects() -> AsyncIterator[SnapshotStore]:
        yield ObjectSnapshots(await known(ObjectLog(request.getfixturevalue("bucket")())))

    return {"memory": in_memory, "postgres": in_postgres, "nats": in_nats, "objects": in_objects}[request.param]


async def known(log: ObjectLog) -> ObjectLog:
    """A log that has an identity."""
    await identify(log, partitions=2)
    return log


async def test_a_snapshot_is_visible_once_all_its_chunks_are_there(snapshot_store: Callable[[], Any]) -> None:
    first, second = digest_of_chunk(b"first"), digest_of_chunk(b"second")
    async with snapshot_store() as store:
        await store.put(first, b"first")
        assert await store.missing([first, second]) == {second}
        assert not await store.publish(b"manifest", [first, second])
        assert list(await store.published()) == []
        await store.put(second, b"second")
        await store.put(second, b"second")
        assert await store.publish(b"manifest", [first, second])
        [published] = await store.published()
        assert published.manifest == b"manifest"
        assert [await store.get(digest) for digest in (first, second)] == [b"first", b"second"]


async def test_a_chunk_stays_as_long_as_a_snapshot_names_it(snapshot_store: Callable[[], Any]) -> None:
    names = (b"old", b"both", b"new", b"lost")
    old, both, new, lost = map(digest_of_chunk, names)
    async with snapshot_store() as store:
        for name in names:
            await store.put(digest_of_chunk(name), name)
        assert await store.publish(b"1", [old, both])
        assert await store.publish(b"2", [both, new])
        newer, older = await store.published()
        assert (newer.manifest, older.manifest) == (b"2", b"1")
        await store.remove([older.number])
        assert list(await store.published()) == [newer]
        assert await store.missing([old, both, new, lost]) == {old, lost}


async def test_a_damaged_chunk_counts_as_missing_and_is_stored_again(snapshot_store: Callable[[], Any]) -> None:
    chunk = digest_of_chunk(b"chunk")
    async with snapshot_store() as store:
        await store.put(chunk, b"chunl")
        assert await store.missing([chunk]) == {chunk}
        await store.put(chunk, b"chunk")
        assert await store.missing([chunk]) == set()
        assert await store.get(chunk) == b"chunk"


async def test_the_next_snapshot_mends_a_chunk_that_it_shares_with_a_damaged_one(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    async with node(tmp_path / "one", log, snapshots) as journal:
        await write(journal, 1)
        await keep(journal, log, snapshots)
        before = dict(snapshots.chunks)
        for digest, data in before.items():
            snapshots.chunks[digest] = bytes(len(data))
        await write(journal, 2)
        await keep(journal, log, snapshots)
        await keep(journal, log, snapshots)
    shared = before.keys() & snapshots.chunks.keys()
    assert shared
    assert await snapshots.missing(snapshots.chunks) == set()
    async with node(tmp_path / "two", log, snapshots) as journal:
        assert values(await all_of(journal)) == [1, 2]


# An empty node.


async def test_an_empty_node_begins_with_the_newest_snapshot_and_the_log_is_short(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    await grown(tmp_path / "one", log, snapshots)
    assert await is_trimmed(log)
    for path in ("two", "two"):
        async with node(tmp_path / path, log, snapshots) as journal:
            assert values(await all_of(journal)) == [1, 2, 3]
    async with node(tmp_path / "two", log, snapshots) as journal:
        await write(journal, 4)
        await keep(journal, log, snapshots)
        assert len(snapshots.snapshots) == 2
    async with node(tmp_path / "one", log, snapshots) as journal:
        assert values(await all_of(journal)) == [1, 2, 3, 4]
    assert {path.name for path in (tmp_path / "two").iterdir()} == {"STORE", "MARK", "HOLDER", "db"}


async def test_files_that_did_not_change_are_stored_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (make, manifest):
        monkeypatch.setattr(module, "CHUNK_BYTES", 512)
    log, snapshots = MemoryLog(), MemorySnapshots()
    async with node(tmp_path / "one", log, snapshots) as journal:
        await write(journal, *range(1, 40))
        await keep(journal, log, snapshots)
        before = {digest for digest, data in snapshots.chunks.items() if len(data) == 512}
        await write(journal, 40)
        await keep(journal, log, snapshots)
    older, newer = (decode_snapshot(stored).chunks for stored, _ in snapshots.snapshots.values())
    assert before & older & newer
    async with node(tmp_path / "two", log, snapshots) as journal:
        assert values(await all_of(journal)) == [*range(1, 41)]


def _cut(data: bytes) -> bytes:
    return data[:-1]


def _change(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("damage", ["no chunk", "a changed chunk", "a changed manifest", "another format", "other log"])
async def test_a_damaged_snapshot_is_named_and_the_one_before_is_used(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    await grown(tmp_path / "one", log, snapshots)
    older, newer = sorted(snapshots.snapshots)
    stored, chunks = snapshots.snapshots[newer]
    own = next(iter(chunks - snapshots.snapshots[older][1]))
    match damage:
        case "no chunk":
            del snapshots.chunks[own]
        case "a changed chunk":
            snapshots.chunks[own] = _change(snapshots.chunks[own])
        case "a changed manifest":
            snapshots.snapshots[newer] = _change(stored), chunks
        case "another format":
            snapshots.snapshots[newer] = stored[:3] + b"\x09" + stored[4:], chunks
        case _:
            found = decode_snapshot(stored)
            other = manifest.encode_snapshot(
                manifest.SnapshotManifest(
                    store_id=found.store_id,
                    made_at=1.0,
                    made_by="",
                    logs=[(number, b"?" * 16) for number, _ in found.logs],
                    mark=found.mark,
                    files=found.files,
                )
            )
            snapshots.snapshots[newer] = other, chunks
    async with node(tmp_path / "two", log, snapshots) as journal:
        assert values(await all_of(journal)) == [1, 2, 3]
    assert f"snapshot {newer} is not used" in caplog.text
    snapshots.chunks.clear()
    with raises(SnapshotMissing, partition=append(0).stream % 2):
        async with node(tmp_path / "three", log, snapshots):
            raise AssertionError("it was opened")


async def test_a_disk_that_is_full_while_a_node_is_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> object:
        raise OSError(errno.ENOSPC, "no space left", str(path))

    log, snapshots = MemoryLog(), MemorySnapshots()
    await grown(tmp_path / "one", log, snapshots)
    with monkeypatch.context() as patch:
        patch.setattr(seed, "create_file", full)
        with pytest.raises(DiskFull):
            async with node(tmp_path / "two", log, snapshots):
                raise AssertionError("it was opened")
    async with node(tmp_path / "two", log, snapshots) as journal:
        assert values(await all_of(journal)) == [1, 2, 3]


async def test_without_a_snapshot_a_node_reads_a_whole_log_from_its_start(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    async with node(tmp_path / "one", log, snapshots) as journal:
        await write(journal, 1)
        await keep(journal, log, snapshots)
    snapshots.chunks.clear()
    async with node(tmp_path / "two", log, snapshots) as journal:
        assert values(await all_of(journal)) == [1]


# Trimming.


async def test_a_node_that_lives_and_is_behind_holds_the_log(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    async with node(tmp_path / "one", log, snapshots) as journal:
        await write(journal, 1)
        behind = journal.applied()
        for number in (2, 3):
            await write(journal, number)
            await journal.snapshot_maker(snapshots, name="me").make(now=1.0)
        await LogTrimmer(log, snapshots).trim([journal.applied(), behind])
        assert log.trimmed[append(0).stream % 2] == behind[append(0).stream % 2] - 1
        await LogTrimmer(log, snapshots).trim([journal.applied(), {}])
        assert log.trimmed[append(0).stream % 2] == behind[append(0).stream % 2] - 1
        await LogTrimmer(log, snapshots).trim([journal.applied()])
        assert log.trimmed[append(0).stream % 2] > behind[append(0).stream % 2]


async def test_a_partial_snapshot_does_not_count_when_the_log_is_trimmed(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    async with node(tmp_path / "one", log, snapshots) as journal:
        await write(journal, 1)
        await journal.snapshot_maker(snapshots, name="me").make(now=1.0)
        [(_, chunks)] = snapshots.snapshots.values()
        lost = {digest: snapshots.chunks.pop(digest) for digest in chunks}
        await write(journal, 2)
        snapshots.snapshots[7], snapshots._last = snapshots.snapshots.pop(1), 7
        await keep(journal, log, snapshots)
        shared = {digest for digest in lost if digest in snapshots.chunks}
        assert shared != chunks
        assert not await is_trimmed(log)


async def test_a_copy_that_is_behind_a_trimmed_log_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    async with node(tmp_path / "one", log, snapshots) as journal:
        await write(journal, 1)
    shutil.copytree(tmp_path / "one", tmp_path / "old")
    await grown_on(tmp_path / "one", log, snapshots)
    whole = snapshots.chunks
    snapshots.chunks = {}
    with pytest.raises(SnapshotMissing):
        async with node(tmp_path / "old", log, snapshots):
            raise AssertionError("it was opened")
    assert (tmp_path / "old" / "STORE").exists()  # it may be the only copy that is left
    snapshots.chunks = whole
    async with node(tmp_path / "old", log, snapshots) as journal:
        assert values(await all_of(journal)) == [1, 2, 3, 4]
    assert "is made again from a snapshot" in caplog.text


async def test_a_node_that_runs_and_falls_behind_a_trimmed_log_ends(tmp_path: Path) -> None:
    class Deaf(MemoryLog):
        async def wait(self, partition: int, after: int) -> None:
            await trio.sleep(60)

    log, snapshots = MemoryLog(), MemorySnapshots()
    deaf = Deaf()
    async with node(tmp_path / "one", log, snapshots) as journal:
        await write(journal, 1)
    deaf.__dict__.update(log.__dict__)
    with raises(LogTrimmed, partition=append(0).stream % 2):
        async with node(tmp_path / "two", deaf, snapshots):
            await grown_on(tmp_path / "one", log, snapshots)
            await trio.sleep(120)
    async with node(tmp_path / "two", deaf, snapshots) as journal:
        assert values(await all_of(journal)) == [1, 2, 3, 4]


async def grown_on(path: Path, log: ReplicatedLog, snapshots: SnapshotStore) -> None:
    async with node(path, log, snapshots) as journal:
        for number in (2, 3):
            await write(journal, number)
            await keep(journal, log, snapshots)
        await write(journal, 4)


async def test_an_unfinished_copy_is_no_store(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    await grown(tmp_path / "one", log, snapshots)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    (tmp_path / "two" / "STORE").unlink()
    (tmp_path / "two" / "SEED").mkdir()
    with pytest.raises(StoreError, match="not whole"):
        async with open_journal(tmp_path / "two"):
            raise AssertionError("it was opened")
    async with node(tmp_path / "two", log, snapshots) as journal:
        assert values(await all_of(journal)) == [1, 2, 3]


# When a snapshot is made.


@asynccontextmanager
async def member(
    path: Path, log: MemoryLog, snapshots: MemorySnapshots, membership: MemoryMembership
) -> AsyncIterator[tuple[ReplicatedJournal, Node]]:
    """A node that makes a snapshot when 1,000 bytes of the log are behind the last one."""
    own = Node(membership, path.name, partitions=2, clock=VirtualClock())
    identity = await identify(log, partitions=2)
    async with (
        open_replica(path, log, identity, snapshots=snapshots, clock=VirtualClock(), placement=own) as journal,
        background() as nursery,
    ):
        own.applied = journal.applied
        await nursery.start(own.run)
        nursery.start_soon(SnapshotKeeper(journal, log, snapshots, own, after_bytes=1_000).run)
        yield journal, own


async def test_one_node_makes_a_snapshot_when_the_log_has_grown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log, snapshots, membership = MemoryLog(), MemorySnapshots(), MemoryMembership()
    async with (
        member(tmp_path / "a", log, snapshots, membership) as (first, node_of_first),
        member(tmp_path / "b", log, snapshots, membership) as (second, _),
    ):
        writer = second
        with trio.move_on_after(1):
            await node_of_first.mine(append(0).stream % 2)
            writer = first

        async def grow(number: int) -> set[str]:
            """Write, let time pass, and return who has made the snapshots that there are."""
            await write(writer, *range(number, number + 60))
            await trio.sleep(2 * LOOK_SECONDS)
            return {decode_snapshot(stored).made_by for stored, _ in snapshots.snapshots.values()}

        await trio.sleep(2 * LOOK_SECONDS)
        assert not snapshots.snapshots
        assert len(await grow(1)) == 1
        assert [*snapshots.snapshots] == [1]
        assert not await is_trimmed(log)
        assert len(await grow(61)) == 1
        assert [*snapshots.snapshots] == [1, 2]
        assert await is_trimmed(log)
        await trio.sleep(10 * LOOK_SECONDS)
        assert [*snapshots.snapshots] == [1, 2]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(snapshots, "publish", _is_away)
            await grow(121)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(make, "read_file", _fails)
            await trio.sleep(2 * LOOK_SECONDS)
        assert "the store of snapshots is away" in caplog.text
        assert "needs more open files" in caplog.text
        assert not any((tmp_path / name / make.WORK).exists() for name in "ab")
        assert [*snapshots.snapshots] == [1, 2]
        await trio.sleep(2 * LOOK_SECONDS)
        assert [*snapshots.snapshots] == [2, 3]


def _fails(path: Path) -> object:
    raise OSError(errno.EMFILE, "too many open files", str(path))


async def _is_away(*_: object) -> bool:
    await trio.lowlevel.checkpoint()
    raise Unavailable("the store of snapshots is away")


# Death.


class Died(BaseException):
    """The process is killed: nothing that it wanted to do next is done."""


@attrs.define
class Death:
    """Kills a process at one of its steps: before the n-th call of this name, or directly behind it. ``film`` copies its disk then."""

    step: str
    number: int
    is_behind: bool
    film: Callable[[], object]
    is_dead: bool = False

    def look(self, step: str, *, is_behind: bool) -> None:
        if not self.is_dead and step == self.step and is_behind == self.is_behind:
            self.number -= 1
            if not self.number:
                self.is_dead = True
                self.film()
        if self.is_dead:
            raise Died


def dying(real: Any, death: Death) -> Any:
    """A log, or a store of snapshots, as this death lets a process use it."""

    def stepped(name: str) -> Callable[..., Any]:
        async def step(*arguments: Any) -> Any:
            death.look(name, is_behind=False)
            result = await getattr(real, name)(*arguments)
            death.look(name, is_behind=True)
            return result

        return step

    class Dying:
        def __getattr__(self, name: str) -> Any:
            return stepped(name) if name in ("trim", "put", "get", "publish", "remove") else getattr(real, name)

    return Dying()


STEPS = [
    ("get", 1),
    ("get", 3),
    ("swap", 2),
    ("swap", 3),
    ("put", 1),
    ("publish", 1),
    ("trim", 1),
    ("remove", 1),
]


async def test_wherever_a_process_dies_nothing_acknowledged_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_log, first_snapshots = MemoryLog(), MemorySnapshots()
    await grown(tmp_path / "one", first_log, first_snapshots)
    sync = sync_directory
    for (step, number), is_behind in product(STEPS, (False, True)):
        here = tmp_path / f"{step} {number} {is_behind}"
        log, snapshots = first_log.copy(), MemorySnapshots()
        snapshots.__dict__.update({name: copy(kept) for name, kept in first_snapshots.__dict__.items()})
        death = Death(step, number, is_behind, partial(shutil.copytree, here / "two", here / "film"))

        def swap(path: Path, death: Death = death) -> None:
            death.look("swap", is_behind=False)
            sync(path)
            death.look("swap", is_behind=True)

        monkeypatch.setattr(seeding, "sync_directory", swap)
        acknowledged = [1, 2, 3]
        with suppress(Died):  # a new node, which is made from a snapshot first
            async with node(here / "two", dying(log, death), dying(snapshots, death)) as journal:
                await write(journal, 4)
                acknowledged.append(4)
                await keep(journal, dying(log, death), dying(snapshots, death))
        assert death.is_dead, (step, number)
        monkeypatch.setattr(seeding, "sync_directory", sync)
        async with node(here / "film", log, snapshots) as journal:
            assert values(await all_of(journal)) == acknowledged
            await write(journal, len(acknowledged) + 1)
            await keep(journal, log, snapshots)
        async with node(here / "three", log, snapshots) as journal:
            assert values(await all_of(journal)) == [*acknowledged, len(acknowledged) + 1]
        assert await is_trimmed(log)
        assert len(snapshots.snapshots) == 2


# The whole circle on PostgreSQL.


async def test_on_postgres_a_log_is_trimmed_and_new_nodes_have_everything(
    postgres_address: str, schema: str, tmp_path: Path
) -> None:
    partition = append(0).stream % 2
    async with open_postgres_log(postgres_address, schema=schema) as log:
        snapshots = PostgresSnapshots(log)
        await grown(tmp_path / "one", log, snapshots)
        assert await is_trimmed(log)
        last = await log.last_entry(partition)
        assert 0 < await log.bytes_after(partition, last - 1) < await log.bytes_after(partition, 0)
        with pytest.raises(Exception, match="not the last entry"):
            await log.append(partition, 0, b"a first entry")  # of a node that knows nothing
        async with node(tmp_path / "two", log, snapshots) as journal:
            assert values(await all_of(journal)) == [1, 2, 3]
            await write(journal, 4)
            await keep(journal, log, snapshots)
        assert len(await snapshots.published()) == 2
        async with node(tmp_path / "one", log, snapshots) as journal:
            assert values(await all_of(journal)) == [1, 2, 3, 4]


async def test_on_nats_a_log_is_trimmed_and_new_nodes_have_everything(nats_address: str, tmp_path: Path) -> None:
    partition = append(0).stream % 2
    async with open_nats_log(nats_address) as log:
        await identify(log, partitions=2)
        snapshots = NatsSnapshots(log)
        await grown(tmp_path / "one", log, snapshots)
        assert await is_trimmed(log)
        last = await log.last_entry(partition)
        assert 0 < await log.bytes_after(partition, last - 1) < await log.bytes_after(partition, 0)
        with pytest.raises(Superseded):
            await log.append(partition, 0, b"a first entry")  # of a node that knows nothing
        async with node(tmp_path / "two", log, snapshots) as journal:
            assert values(await all_of(journal)) == [1, 2, 3]
            await write(journal, 4)
            await keep(journal, log, snapshots)
        assert len(await snapshots.published()) == 2
        async with node(tmp_path / "one", log, snapshots) as journal:
            assert values(await all_of(journal)) == [1, 2, 3, 4]


async def test_on_nats_a_chunk_that_another_node_removes_is_stored_again(nats_address: str) -> None:
    kept, wanted = digest_of_chunk(b"kept"), digest_of_chunk(b"wanted")
    async with open_nats_log(nats_address) as log:
        await identify(log, partitions=1)
        mine, others = NatsSnapshots(log), NatsSnapshots(log)
        await mine.put(kept, b"kept")
        await mine.put(wanted, b"wanted")
        assert await others.publish(b"of another", [kept])
        await others.remove([])
        assert await mine.missing([kept, wanted]) == {wanted}
        assert not await mine.publish(b"mine", [kept, wanted])
        await mine.put(wanted, b"wanted")
        assert await mine.publish(b"mine", [kept, wanted])
        await others.remove([])
        assert await others.missing([kept, wanted]) == set()


async def test_on_objects_a_log_is_trimmed_and_new_nodes_have_everything(
    bucket: Callable[[], Bucket], tmp_path: Path
) -> None:
    partition = append(0).stream % 2
    log = await known(ObjectLog(bucket()))
    snapshots = ObjectSnapshots(log)
    await grown(tmp_path / "one", log, snapshots)
    async with node(tmp_path / "one", log, snapshots) as journal:
        await write(journal, 4)
        await keep(journal, log, snapshots)
    assert len(await log.read(partition, 0)) == 1  # the first entry of a writer stays
    with raises(LogTrimmed, partition=partition, number=1):
        await log.read(partition, 1)
    last = await log.last_entry(partition)
    assert 0 < await log.bytes_after(partition, last - 1) < await log.bytes_after(partition, 0) < await log.size()
    with raises(Superseded, after=0):
        await (await known(ObjectLog(bucket()))).append(partition, 0, b"a first entry")  # of a node that knows nothing
    async with node(tmp_path / "two", log, snapshots) as journal:
        assert values(await all_of(journal)) == [1, 2, 3, 4]
        await write(journal, 5)
        await keep(journal, log, snapshots)
    assert len(await snapshots.published()) == 2
    async with node(tmp_path / "one", log, snapshots) as journal:
        assert values(await all_of(journal)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("is_removed", [True, False])
async def test_on_objects_a_chunk_that_another_node_removes_is_stored_again(
    bucket: Callable[[], Bucket], is_removed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, wanted = digest_of_chunk(b"kept"), digest_of_chunk(b"wanted")
    mine, others = [ObjectSnapshots(await known(ObjectLog(bucket()))) for _ in range(2)]
    await mine.put(kept, b"kept")
    await mine.put(wanted, b"wanted")
    assert await others.publish(b"of another", [kept])
    with monkeypatch.context() as patch, suppress(Died):
        if not is_removed:  # the other node dies when it has said which chunks it removes
            patch.setattr(Bucket, "remove", _dies)
        await others.remove([])
    assert await mine.missing([kept, wanted]) == {wanted}
    assert not await mine.publish(b"mine", [kept, wanted])
    await mine.put(wanted, b"wanted")
    assert await mine.publish(b"mine", [kept, wanted])
    await others.remove([])
    assert await others.missing([kept, wanted]) == set()
    assert [each.manifest for each in await others.published()] == [b"mine", b"of another"]


async def test_on_objects_a_snapshot_that_is_published_late_does_not_take_a_name_that_is_free_again(
    bucket: Callable[[], Bucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = digest_of_chunk(b"chunk")
    late, others = [ObjectSnapshots(await known(ObjectLog(bucket()))) for _ in range(2)]
    await others.put(chunk, b"chunk")
    settle = Bucket.settle

    async def settle_late(self: Bucket, name: str, data: bytes) -> bool:
        patch.undo()
        for manifest_ in (b"1", b"2", b"3"):
            assert await others.publish(manifest_, [chunk])
        await others.remove([1])
        await others.remove([])
        return await settle(self, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "settle", settle_late)
        assert not await late.publish(b"late", [chunk])
    assert [each.manifest for each in await others.published()] == [b"3", b"2"]


async def _dies(*_: object) -> None:
    await trio.lowlevel.checkpoint()
    raise Died


async def test_on_nats_a_chunk_larger_than_a_message_is_kept_in_parts(
    nats_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * 40
    async with open_nats_log(nats_address) as log:
        await identify(log, partitions=1)
        store = NatsSnapshots(log)
        for largest in (1_000, 4_000):  # a server was set up anew
            monkeypatch.setattr(log, "largest", largest)
            await store.put(digest_of_chunk(data), data)
            assert await store.get(digest_of_chunk(data)) == data
            assert await store.missing([digest_of_chunk(data)]) == set()


# Bytes.


def test_every_changed_or_missing_byte_of_a_manifest_is_noticed() -> None:
    made = manifest.SnapshotManifest(
        store_id="s", made_at=1.0, made_by="n", logs=[(1, b"d" * 16)], mark=b"m", files=[_file("CURRENT")]
    )
    data = manifest.encode_snapshot(made)
    assert decode_snapshot(data) == made
    for at in range(len(data)):
        for changed in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]):
            with pytest.raises(CorruptRecord):
                decode_snapshot(changed)


@pytest.mark.parametrize("names", [["../STORE", "CURRENT"], ["CURRENT", "CURRENT"], ["000001.sst"], ["", "CURRENT"]])
def test_a_manifest_names_no_file_outside_the_copy(names: list[str]) -> None:
    made = manifest.SnapshotManifest(
        store_id="s", made_at=1.0, made_by="n", logs=[], mark=b"", files=[_file(name) for name in names]
    )
    with pytest.raises(CorruptRecord, match="its manifest"):
        decode_snapshot(manifest.encode_snapshot(made))


def _file(name: str) -> manifest.SnapshotFile:
    return manifest.SnapshotFile(name, 1, [digest_of_chunk(b"x")])
