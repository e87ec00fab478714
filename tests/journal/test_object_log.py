"""A replicated log in an object store: names that become free again, answers that are lost and stores that cannot fence lose no entry."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from obstore.exceptions import AlreadyExistsError, GenericError

from journal.errors import (
    CorruptRecord,
    InDoubt,
    LogDiverged,
    LogTrimmed,
    MalformedAddress,
    Unavailable,
    WrongStore,
)
from journal.replicated.log import LogUnusable, Superseded
from journal.replicated.membership import FORGOTTEN_SECONDS, HeartbeatPace, Member
from journal.replicated.objects import log as object_log
from journal.replicated.objects.address import parse_address
from journal.replicated.objects.bucket import Bucket
from journal.replicated.objects.log import ObjectLog
from journal.replicated.objects.membership import ObjectMembership
from journal.replicated.open import identify, open_replica
from journal.replicated.place import place_at
from journal.replicated.snapshots.trim import LogTrimmer
from tests.journal.conftest import folder
from tests.journal.test_contract import OTHER, all_of, append, nothing_is_due, take, values
from tests.journal.test_replicated import message
from tests.raising import raises
from tests.s3_server import SECRET, use_credentials
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from journal.replicated.journal import ReplicatedJournal
    from tests.s3_server import S3Server

pytestmark = pytest.mark.virtual_time

Again = Callable[[], Bucket]
"""Opens the bucket of a test again."""


async def opened(bucket: Bucket, *, partitions: int = 1) -> ObjectLog:
    log = ObjectLog(bucket)
    await identify(log, partitions=partitions)
    return log


@asynccontextmanager
async def node(bucket: Bucket, path: Path, *, partitions: int = 1) -> AsyncIterator[ReplicatedJournal]:
    log = ObjectLog(bucket)
    identity = await identify(log, partitions=partitions)
    async with open_replica(path, log, identity, clock=VirtualClock()) as journal:
        yield journal


# Entries.


async def test_nodes_that_start_at_once_create_one_log(bucket: Again) -> None:
    identities: set[str] = set()

    async def start() -> None:
        identities.add((await identify(ObjectLog(bucket()), partitions=2)).store_id)

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(start)
    assert len(identities) == 1


async def test_of_two_writers_of_one_entry_one_is_refused(bucket: Again) -> None:
    refused: list[bytes] = []

    async def write(log: ObjectLog, after: int, data: bytes) -> None:
        try:
            await log.append(0, after, data)
        except Superseded:
            refused.append(data)

    first, second = await opened(bucket()), await opened(bucket())
    for after in range(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, first, after, b"first")
            nursery.start_soon(write, second, after, b"second")
    kept = await first.read(0, 0)
    with raises(Superseded, partition=0, after=11):
        await first.append(0, 11, b"behind a missing one")
    assert 12 not in await claims_of(first)  # it was not tried
    assert sorted([*kept, *refused]) == sorted([b"first", b"second"] * 10)
    assert len(kept) == 10


async def test_a_writer_that_wakes_after_its_entry_was_trimmed_is_refused(bucket: Again) -> None:
    """The name of the entry would be free again."""
    sleeper, other = await opened(bucket()), await opened(bucket())
    for after in range(3):
        await sleeper.append(0, after, b"of the sleeper")
    for after in range(3, 9):
        await other.append(0, after, b"of another")
    await other.trim(0, 8)
    assert [await numbers_behind(other, after) for after in (0, 1, 4)] == [[1], [4], [8, 9]]
    with raises(Superseded, after=3):
        await sleeper.append(0, 3, b"late")
    assert await other.read(0, 7) == [b"of another"] * 2


@pytest.mark.parametrize("read_to", [1, 5])
async def test_a_claim_that_wakes_after_its_entry_was_trimmed_is_refused(
    bucket: Again, read_to: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names on both sides are free again, or on one side if the entry before it is kept."""
    sleeper, other = await opened(bucket()), await opened(bucket())
    for after in range(read_to):
        await other.append(0, after, b"of another")
    put = Bucket.put

    async def put_late(self: Bucket, name: str, data: bytes) -> None:
        patch.undo()
        for after in range(read_to, 9):
            await other.append(0, after, b"of another")
        await put(self, name, data)  # says that the entry stays: too late
        await self.remove([f"{other.root}/log/00000/{number:016}" for number in range(2, 8)])

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", put_late)
        with raises(Superseded, after=read_to):
            await sleeper.append(0, read_to, b"late")
    assert await numbers_behind(other, 1) == [8, 9]


async def test_an_entry_after_a_failed_one_is_kept_as_the_first_of_a_writer(
    bucket: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failed request may arrive later than everything else."""
    log = await opened(bucket())
    await log.append(0, 0, b"one")
    with monkeypatch.context() as patch, pytest.raises(InDoubt):
        Faults(patch).next = [(False, NOTHING)] * 100
        await log.append(0, 1, b"two")
    await log.append(0, 1, b"two again")
    assert await claims_of(log) == [1, 2]


async def claims_of(log: ObjectLog) -> list[int]:
    """The entries that are never trimmed."""
    return [int(each.name[-16:]) for each in await log.bucket.listed(f"{log.root}/claims/00000")]


async def numbers_behind(log: ObjectLog, after: int) -> list[int]:
    """The numbers of the entries behind one, up to a gap."""
    listed = [int(each.name[-16:]) for each in await log.bucket.listed(f"{log.root}/log/00000")]
    found = [number for number in listed if number > after]
    return [number for index, number in enumerate(found) if number == found[0] + index]


async def test_a_read_tells_the_end_from_what_was_trimmed_or_lost(
    bucket: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, other = await opened(bucket()), await opened(bucket())
    for after in range(6):
        await log.append(0, after, b"%d" % (after + 1))
    await log.trim(0, 100)
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "listed", _is_away)
        await log.trim(0, 6)  # nothing is asked for what was trimmed
    assert await log.last_entry(0) == 6
    assert await other.read(0, 0) == [b"1"]  # the first entry of a writer stays
    assert await other.read(0, 5) == [b"6"]
    assert await other.read(0, 6) == []
    with raises(LogTrimmed, number=1, first=6):
        await other.read(0, 1)
    with raises(LogDiverged, number=7):
        await other.read(0, 7)


async def test_a_commit_that_is_larger_than_an_entry_is_written_in_parts(
    bucket: Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ObjectLog, "largest", 200)
    async with node(bucket(), tmp_path / "one") as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, *range(1_000))])
    found = await (await opened(bucket())).read(0, 0)
    assert max(map(len, found)) <= 200 < sum(map(len, found))
    async with node(bucket(), tmp_path / "two") as journal:
        assert values(await all_of(journal)) == [*range(1_000)]


async def test_a_read_takes_a_bounded_number_of_bytes(bucket: Again) -> None:
    data = bytes(1 << 21)
    log = await opened(bucket())
    for after in range(5):
        await log.append(0, after, data)
        await log.post(0, str(after), data)
    other = await opened(bucket())
    assert [len(await other.read(0, after)) for after in (0, 4, 5)] == [4, 1, 0]
    first = await log.posted(0)
    await log.remove_posted(0, [message.token for message in first])
    assert (len(first), len(await log.posted(0))) == (4, 1)


async def test_an_entry_is_followed_by_its_name_and_when_a_node_says_that_it_has_it(bucket: Again) -> None:
    log, other = await opened(bucket()), await opened(bucket())
    await log.append(0, 0, b"one")
    await other.wait(0, 0)
    assert [await other.read(0, after) for after in (0, 1)] == [[b"one"], []]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other.wait, 0, 1)
        await trio.testing.wait_all_tasks_blocked()
        await log.append(0, 1, b"two")
        with trio.fail_after(1):
            await ObjectMembership(log, log.bucket, HeartbeatPace()).beat(Member(name="writer", applied={0: 2}))
            await ObjectMembership(other, other.bucket, HeartbeatPace()).members()
            nursery.cancel_scope.deadline = trio.current_time() + 1
    assert not nursery.cancel_scope.cancelled_caught
    assert await other.read(0, 1) == [b"two"]


# Answers that are lost.


class Faults:
    """What becomes of the next requests to write: whether the store does it, and what it answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, about: str = "/log/") -> None:
        self.next: list[tuple[bool, Exception | None]] = []
        self._put = Bucket._put
        faults = self

        def put(bucket: Bucket, name: str, data: bytes, *, is_new: bool) -> None:
            is_done, answer = faults.next.pop(0) if about in name and faults.next else (True, None)
            if is_done:
                faults._put(bucket, name, data, is_new=is_new)
            if answer is not None:
                raise answer

        monkeypatch.setattr(Bucket, "_put", put)


NOTHING = GenericError("Generic S3 error: operation timed out")


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([(True, NOTHING)], id="it was written, and nobody said so"),
        pytest.param([(False, NOTHING)], id="it was not written"),
        pytest.param([(False, NOTHING), (True, NOTHING)], id="it was written the second time"),
        pytest.param([(True, AlreadyExistsError("it was asked twice"))], id="the store was asked twice"),
    ],
)
async def test_a_put_without_an_answer_is_found_out_about(
    bucket: Again, answers: list[tuple[bool, Exception | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await opened(bucket())
    await log.append(0, 0, b"one")
    Faults(monkeypatch).next = [*answers]
    await log.append(0, 1, b"two")
    await log.append(0, 2, b"three")
    assert await (await opened(bucket())).read(0, 0) == [b"one", b"two", b"three"]


async def test_a_put_without_an_answer_is_refused_if_another_node_was_faster(
    bucket: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, other = await opened(bucket()), await opened(bucket())
    await log.append(0, 0, b"one")
    await other.append(0, 1, b"two")
    Faults(monkeypatch).next = [(False, NOTHING)]
    with raises(Superseded, after=1):
        await log.append(0, 1, b"two")  # the same bytes
    assert await log.read(0, 1) == [b"two"]


@pytest.mark.parametrize("is_done", [True, False])
async def test_a_commit_that_stays_in_doubt_ends_the_claim_and_the_next_one_finds_out(
    bucket: Again, is_done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node(bucket(), tmp_path / "node") as journal:
        with pytest.raises(InDoubt):
            async with journal.claim(0, "me") as partition:
                await partition.commit([append(0, 1)])
                with monkeypatch.context() as patch:
                    Faults(patch).next = [(is_done, NOTHING)] + [(False, NOTHING)] * 100
                    patch.setattr(Bucket, "get", _is_away)
                    await partition.commit([append(1, 2)])
        kept = [1, 2] if is_done else [1]
        async with journal.claim(0, "me") as partition:
            assert values(await all_of(journal)) == kept
            await partition.commit([append(len(kept), 3)])
    async with node(bucket(), tmp_path / "cold") as journal:
        assert values(await all_of(journal)) == [*kept, 3]


async def _is_away(*_: object, **__: object) -> None:
    await trio.lowlevel.checkpoint()
    raise Unavailable("the store is away")


# The post box.


async def test_a_message_is_posted_whole_and_once_and_in_order(bucket: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    large = bytes(range(256)) * 10_000
    log, other = await opened(bucket(), partitions=2), await opened(bucket(), partitions=2)
    Faults(monkeypatch, "/post/").next = [(True, NOTHING)]
    for writer in (log, other):
        await writer.post(1, "large", large)
        await writer.post(1, "small", b"small")
    await log.post(0, "large", b"of another box")
    first, second = await other.posted(1)
    assert (first.data, second.data) == (large, b"small")
    await other.wait_for_post(1)
    await other.remove_posted(1, [second.token])
    assert [each.data for each in await log.posted(1)] == [large]
    await other.post(1, "later", b"later")
    await log.remove_posted(1, [first.token, first.token])
    assert [each.data for each in await other.posted(1)] == [b"later"]
    assert [each.data for each in await other.posted(0)] == [b"of another box"]
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(log.post, 1, str(number), b"%d" % number)
    found = [each.token for each in await log.posted(1)]
    assert len({*found}) == 21
    assert await log.posted_after(1, found[10]) == (await log.posted(1))[11:]


async def test_nodes_follow_and_send_to_each_other(bucket: Again, tmp_path: Path) -> None:
    async with (
        node(bucket(), tmp_path / "one", partitions=2) as first,
        node(bucket(), tmp_path / "two", partitions=2) as second,
        first.claim(0, "first") as sender,
        second.claim(1, "second") as receiver,
    ):
        for number in range(3):
            await sender.commit([append(number, number)], [message(f"m{number}")])
        assert OTHER % 2 == 1
        assert [each.message.id for each in await take(receiver, 3)] == ["m0", "m1", "m2"]
        assert await nothing_is_due(receiver)
        seen: list[int] = []
        async for event in second.follow(append(0).stream):
            seen.append(event.number)
            if len(seen) == 3:
                break
        assert seen == [1, 2, 3]


# Heartbeats.


async def living(of: ObjectMembership) -> list[str]:
    return sorted(heard.member.name for heard in await of.members() if heard.is_alive)


async def test_what_a_member_says_is_heard_by_the_others_until_it_is_silent_or_leaves(bucket: Again) -> None:
    pace = HeartbeatPace(beat_seconds=1.0, dead_seconds=5.0)
    said = Member(
        name="one.host/ü", url="http://one", owned={0: 7, 3: 1}, registry_version=5, is_leaving=True, now=12.5
    )
    one, two = [ObjectMembership(await opened(bucket()), bucket(), pace) for _ in range(2)]
    await one.beat(Member(name=said.name))
    assert [heard.member.owned for heard in await two.members()] == [{}]
    await one.beat(said)
    await two.changed()
    [heard] = await two.members()
    assert heard.member == said
    await trio.sleep(pace.dead_seconds - 0.1)
    assert await living(two) == [said.name]
    await trio.sleep(0.1)
    assert await living(two) == []
    await one.beat(said)
    assert await living(two) == [said.name]
    await one.leave(said.name)
    await one.leave(said.name)
    assert await two.members() == []
    await one.beat(said)
    await two.members()
    await trio.sleep(FORGOTTEN_SECONDS + 1)
    await two.members()  # whoever died cannot leave
    assert await two.members() == []


async def test_a_heartbeat_that_may_not_be_recorded_is_not_taken_for_one(
    bucket: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    membership = ObjectMembership(await opened(bucket()), bucket(), HeartbeatPace())
    Faults(monkeypatch, "/nodes/").next = [(True, NOTHING)]
    with pytest.raises(Unavailable):
        await membership.beat(Member(name="one"))


# What is refused.


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("s3://", "the bucket is ''"),
        ("s3://tests/../x", "the prefix is '../x'"),
        ("s3://tests/x y", "the prefix is 'x y'"),
        ("s3://tests/x?foo=1", "the option 'foo'"),
        ("s3://tests/x?endpoint=127.0.0.1:9000", "its endpoint is '127.0.0.1:9000'"),
        (f"s3://key:{SECRET}@tests/x", "it has credentials"),
        (f"s3://tests/x?endpoint=http://key:{SECRET}@host", "its endpoint has credentials"),
        ("s3://tests/x#y", "it has a '#'"),
        ("s3://[tests/x", "Invalid IPv6 URL"),
        ("file://host/x", "another form"),
        ("file:///", "another form"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_its_credentials(address: str, found: str) -> None:
    with pytest.raises(MalformedAddress, match=re.escape(found)) as refused:
        place_at(address)
    assert SECRET not in str(refused.value)


def test_an_address_names_a_bucket_or_a_folder() -> None:
    found = parse_address("s3://tests/a/b/?endpoint=https://minio:9000&region=eu-1")
    assert (found.bucket, found.prefix, found.endpoint, found.region) == ("tests", "a/b", "https://minio:9000", "eu-1")
    assert str(parse_address("file:///srv/play%20head").folder) == "/srv/play head"


async def refusal(address: str, kind: type[Exception] = LogUnusable) -> str:
    """Why no log can be opened."""
    with pytest.raises(kind) as refused:
        async with place_at(address).open(create=True):
            pass
    assert SECRET not in str(refused.value)
    return str(refused.value)


async def test_a_bucket_that_is_missing_or_not_permitted_is_named(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_credentials(monkeypatch)
    assert "'nowhere' at http://127.0.0.1" in await refusal(s3_server.address("x", "nowhere"))
    s3_server.tell("POST", "/moto-api/reset-auth", b"0")  # from now on it knows nobody
    try:
        assert "InvalidAccessKeyId" in await refusal(s3_server.address("x"))
    finally:
        s3_server.tell("POST", "/moto-api/reset-auth", b"inf")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")  # where a machine learns of its role
    assert "there are no credentials" in await refusal(s3_server.address("x"))
    use_credentials(monkeypatch)
    assert "cannot be listed" in await refusal("s3://tests/x?endpoint=http://127.0.0.1:1", Unavailable)
    (tmp_path / "file").touch()
    assert f"{tmp_path}/file" in await refusal(f"file://{tmp_path}/file/x")


async def test_a_store_that_replaces_what_is_there_is_refused(bucket: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Bucket._put

    def put_without_condition(self: Bucket, name: str, data: bytes, *, is_new: bool) -> None:
        put(self, name, data, is_new=False)

    log = ObjectLog(bucket())
    await log.check(writes=True)
    monkeypatch.setattr(Bucket, "_put", put_without_condition)
    with pytest.raises(LogUnusable):
        await log.check(writes=True)
    await log.check(writes=False)
    assert await log.bucket.listed("check") == []


async def test_a_copy_of_another_cluster_is_refused(bucket: Again, tmp_path: Path) -> None:
    async with node(bucket(), tmp_path / "node"):
        pass
    with pytest.raises(WrongStore):
        async with node(folder(tmp_path / "another"), tmp_path / "node"):
            pass


@pytest.mark.parametrize("is_continued", [True, False])
async def test_a_log_that_has_lost_its_end_is_refused(bucket: Again, is_continued: bool, tmp_path: Path) -> None:
    async with node(bucket(), tmp_path / "node") as journal, journal.claim(0, "me") as partition:
        for number in range(3):
            await partition.commit([append(number, number)])
    log = await opened(bucket())
    last = await log.last_entry(0)
    await log.bucket.remove([f"{log.root}/log/00000/{last:016}"])
    if is_continued:
        await log.append(0, last - 1, b"of another history")
    with pytest.raises(LogDiverged):
        async with node(bucket(), tmp_path / "node"):
            pass


async def test_an_object_that_somebody_else_has_put_there_is_named(bucket: Again) -> None:
    log = await opened(bucket())
    for name in ("log/00000/x", "post/00000/x", "post/x/1.2", "log/00001/0000000000000001"):
        await log.bucket.put(f"{log.root}/{name}", b"x")
    for read in (
        partial(log.read, 0, 0),
        partial(log.posted, 0),
        partial(log.post, 0, "m", b""),
        partial(log.read, 1, 0),
    ):
        with pytest.raises(CorruptRecord):
            await read()


# A real server.


async def test_a_server_of_s3_keeps_a_log_and_its_snapshots(
    s3_server: S3Server, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_credentials(monkeypatch)
    monkeypatch.setattr(object_log, "LOOK_SECONDS", 3_600.0)
    address = s3_server.address(schema)
    async with place_at(address).open(create=True) as storage:
        log, snapshots = storage.log, storage.snapshots
        identity = await identify(log, partitions=1)
        async with open_replica(tmp_path / "one", log, identity, clock=VirtualClock()) as journal:
            for number in range(3):
                async with journal.claim(0, "me") as partition:
                    await partition.commit([append(number, number + 1)])
                await journal.snapshot_maker(snapshots, name="me").make(1.0)
                await LogTrimmer(log, snapshots).trim([journal.applied()])
        with pytest.raises(LogTrimmed):
            await log.read(0, 1)
        await log.post(0, "id", b"message")
        assert [each.data for each in await log.posted(0)] == [b"message"]
    async with place_at(address).open() as storage:
        identity = await identify(storage.log, partitions=1)
        async with open_replica(tmp_path / "two", storage.log, identity, snapshots=storage.snapshots) as journal:
            assert values(await all_of(journal)) == [1, 2, 3]
