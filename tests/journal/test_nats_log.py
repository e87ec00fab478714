"""A replicated log in NATS: no failure of a connection or of a server loses an entry, and nobody reads less than there is."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from journal.errors import InDoubt, LogDiverged, Unavailable
from journal.replicated.log import Superseded
from journal.replicated.membership import DEAD_SECONDS, FORGOTTEN_SECONDS, Member
from journal.replicated.nats import log as nats_log
from journal.replicated.nats.jetstream import JetStream, StreamPage
from journal.replicated.nats.log import NatsLog, open_nats_log
from journal.replicated.nats.membership import NatsMembership
from journal.replicated.open import identify, open_replica
from tests.journal.test_contract import OTHER, all_of, append, nothing_is_due, take, values
from tests.journal.test_replicated import message
from tests.raising import raises
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from journal.replicated.journal import ReplicatedJournal
    from tests.nats_servers import Server

pytestmark = pytest.mark.virtual_time


@asynccontextmanager
async def opened(address: str, *, partitions: int = 1) -> AsyncIterator[NatsLog]:
    async with open_nats_log(address) as log:
        await identify(log, partitions=partitions)
        yield log


@asynccontextmanager
async def node(address: str, path: Path, *, partitions: int = 1) -> AsyncIterator[ReplicatedJournal]:
    async with (
        open_nats_log(address) as log,
        open_replica(path, log, await identify(log, partitions=partitions), clock=VirtualClock()) as journal,
    ):
        yield journal


# Entries.


async def test_nodes_that_start_at_once_create_one_log(nats_address: str) -> None:
    identities: list[str] = []

    async def start() -> None:
        async with open_nats_log(nats_address) as log:
            identities.append((await identify(log, partitions=2)).store_id)
            with suppress(Superseded):
                await log.append(0, 0, b"one")
            streams = await log.js.ask(
                "STREAM.NAMES", {"subject": f"{nats_address.rpartition('/')[2].partition('?')[0]}.>"}
            )
            has_ended.append(len((streams or {})["streams"]))

    has_ended: list[int] = []
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(start)
    assert len(set(identities)) == 1
    assert has_ended[-1] == 1 + 2 + 4  # those of the slower ones are removed


async def test_of_two_writers_of_one_entry_one_is_refused(nats_address: str) -> None:
    refused: list[bytes] = []

    async def write(log: NatsLog, after: int, data: bytes) -> None:
        try:
            await log.append(0, after, data)
        except Superseded:
            refused.append(data)

    async with opened(nats_address) as first, opened(nats_address) as second:
        for after in range(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(write, first, after, b"first")
                nursery.start_soon(write, second, after, b"second")
        kept = await first.read(0, 0)
        with raises(Superseded, partition=0, after=11):
            await first.append(0, 11, b"behind a missing one")
    assert sorted([*kept, *refused]) == sorted([b"first", b"second"] * 10)
    assert len(kept) == 10


async def test_a_commit_that_is_larger_than_an_entry_is_written_in_parts(
    nats_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_log, "_LARGEST", 200)
    async with node(nats_address, tmp_path / "one") as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, *range(1_000))])
    async with opened(nats_address) as log:
        found = await log.read(0, 0)
        assert max(map(len, found)) <= 200 < sum(map(len, found))
    async with node(nats_address, tmp_path / "two") as journal:
        assert values(await all_of(journal)) == [*range(1_000)]


async def test_a_read_takes_a_bounded_number_of_bytes(nats_address: str) -> None:
    data = bytes(1 << 19)
    async with opened(nats_address) as log:
        for after in range(18):
            await log.append(0, after, data)
            await log.post(0, str(after), data)
        assert [len(await log.read(0, after)) for after in (0, 16, 18)] == [16, 2, 0]
        first = await log.posted(0)
        await log.remove_posted(0, [message.token for message in first])
        assert (len(first), len(await log.posted(0))) == (16, 2)


async def test_what_a_server_does_not_have_yet_is_asked_of_the_leader(
    nats_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that follows the leader of a stream may lag."""

    async def lags(*_: object, **__: object) -> StreamPage:
        await trio.lowlevel.checkpoint()
        return StreamPage([], is_last=True)

    async with opened(nats_address) as log:
        await log.append(0, 0, b"one")
        await log.append(0, 1, b"two")
        await log.post(0, "id", b"posted")
        monkeypatch.setattr(JetStream, "page", lags)
        assert await log.read(0, 0) == [b"one"]
        assert await log.read(0, 1) == [b"two"]
        assert await log.read(0, 2) == []
        with raises(LogDiverged, partition=0, number=3):
            await log.read(0, 3)
        await log.wait_for_post(0)
        assert [each.data for each in await log.posted(0)] == [b"posted"]


# The post box.


async def test_a_message_larger_than_the_server_takes_is_posted_whole_and_once(nats_address: str) -> None:
    large = bytes(range(256)) * 10_000
    async with opened(nats_address, partitions=2) as log:
        for _ in range(2):
            await log.post(1, "large", large)
            await log.post(1, "small", b"small")
        await log.post(0, "large", b"of another box")
        first, second = await log.posted(1)
        assert (first.data, second.data) == (large, b"small")
        await log.remove_posted(1, [second.token])
        assert [each.data for each in await log.posted(1)] == [large]
        await log.post(1, "later", b"later")
        await log.remove_posted(1, [first.token])
        assert [each.data for each in await log.posted(1)] == [b"later"]
        assert [each.data for each in await log.posted(0)] == [b"of another box"]


async def test_nodes_follow_and_send_to_each_other(replicated_nats_address: str, tmp_path: Path) -> None:
    async with (
        node(replicated_nats_address, tmp_path / "one", partitions=2) as first,
        node(replicated_nats_address, tmp_path / "two", partitions=2) as second,
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


# Connections that are lost.


class Link:
    """A port before the server's, which can be cut before an answer."""

    def __init__(self, server: Server) -> None:
        self.cut_before_answer_to = b"\0never"
        self._server = server
        self._carried: list[trio.CancelScope] = []

    async def run(self, *, task_status: trio.TaskStatus[int]) -> None:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(listener.socket.getsockname()[1])
        await trio.serve_listeners(self._carry, [listener])

    def cut(self) -> None:
        for scope in self._carried:
            scope.cancel()

    async def _carry(self, client: trio.SocketStream) -> None:
        is_cut = False

        async def copy(source: trio.SocketStream, to: trio.SocketStream, *, asks: bool) -> None:
            nonlocal is_cut
            with suppress(trio.BrokenResourceError):
                async for data in source:
                    is_cut = is_cut or (asks and self.cut_before_answer_to in data)
                    if is_cut and not asks:  # the server has done it, and nobody hears of it
                        break
                    await to.send_all(data)
            nursery.cancel_scope.cancel()

        async with (
            await trio.open_tcp_stream("127.0.0.1", self._server.port) as server,
            trio.open_nursery() as nursery,
        ):
            self._carried.append(nursery.cancel_scope)
            nursery.start_soon(partial(copy, asks=True), client, server)
            nursery.start_soon(partial(copy, asks=False), server, client)


@pytest.fixture
def link(one_nats_server: Server, nats_is_patient: None) -> Link:
    return Link(one_nats_server)


def through(port: int, server: Server, schema: str) -> str:
    return f"nats://127.0.0.1:{port}/{schema}?monitor={server.monitor}"


async def test_a_commit_whose_answer_is_lost_is_in_doubt_and_found_by_the_next_claim(
    link: Link, one_nats_server: Server, schema: str, tmp_path: Path, nursery: trio.Nursery
) -> None:
    address = through(await nursery.start(link.run), one_nats_server, schema)
    async with node(address, tmp_path / "node") as journal:
        with pytest.raises(InDoubt):
            async with journal.claim(0, "me") as partition:
                await partition.commit([append(0, 1)])
                link.cut_before_answer_to = b".log.0"
                await partition.commit([append(1, 2)])
        link.cut_before_answer_to = b"\0never"
        async with journal.claim(0, "me") as partition:
            assert values(await all_of(journal)) == [1, 2]
            await partition.commit([append(2, 3)])


async def test_a_connection_that_is_lost_while_nobody_asks_is_made_again(
    link: Link, one_nats_server: Server, schema: str, tmp_path: Path, nursery: trio.Nursery
) -> None:
    address = through(await nursery.start(link.run), one_nats_server, schema)
    async with node(address, tmp_path / "node") as journal, opened(address) as other:
        async with journal.claim(0, "me") as partition:
            await partition.commit([append(0, 1)])
            link.cut()
            await trio.testing.wait_all_tasks_blocked()
            last = await other.last_entry(0)
            with trio.fail_after(600):
                await other.wait(0, last - 1)
            await partition.commit([append(1, 2)])
        assert values(await all_of(journal)) == [1, 2]


# Heartbeats.


async def living(of: NatsMembership) -> list[str]:
    return sorted(heard.member.name for heard in await of.members() if heard.is_alive)


async def test_what_a_member_says_is_heard_by_the_others_until_it_is_silent_or_leaves(nats_address: str) -> None:
    said = Member(name="one.host", url="http://one", owned={0: 7, 3: 1}, registry_version=5, is_leaving=True, now=12.5)
    async with opened(nats_address) as first, opened(nats_address) as second:
        one, two = NatsMembership(first), NatsMembership(second)
        await one.beat(Member(name=said.name))
        assert [heard.member.owned for heard in await two.members()] == [{}]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(two.changed)
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(DEAD_SECONDS):
                await one.beat(said)
        [heard] = await two.members()
        assert heard.member == said
        await trio.sleep(DEAD_SECONDS - 0.1)
        assert await living(two) == [said.name]
        await trio.sleep(0.1)
        assert await living(two) == []
        await one.beat(said)
        assert await living(two) == [said.name]
        await trio.sleep(FORGOTTEN_SECONDS - 0.1)
        assert [heard.is_alive for heard in await two.members()] == [False]
        await trio.sleep(0.2)
        assert await two.members() == []
        await one.beat(said)
        assert await living(two) == [said.name]
        await one.leave(said.name)
        await one.leave(said.name)
        assert await two.members() == []


async def test_a_heartbeat_that_no_server_records_is_not_taken_for_one(
    link: Link, one_nats_server: Server, schema: str, nursery: trio.Nursery
) -> None:
    async with opened(through(await nursery.start(link.run), one_nats_server, schema)) as log:
        membership = NatsMembership(log)
        link.cut_before_answer_to = b".beat."
        with pytest.raises(Unavailable, match="heartbeat"):
            await membership.beat(Member(name="one"))
