"""Letters between partitions while commits are under way and owners come and go: none is lost, none comes twice."""

from __future__ import annotations

import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
import trio.testing

from journal import invocation_keys, keys
from journal.ids import InvocationId, StreamId
from journal.kv import rocks
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch, Durability
from journal.log.inbox import decode_message
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal
from journal.log.protocol import Append, Due, Message, Partition
from tests.journal.samples import EVENTS, STAMP

FROM, TO = StreamId(0x10), StreamId(0x11)
"""Objects of partitions 0 and 1."""


class Held(MemoryStore):
    """Writes at once, and lets those who wait for it go on only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_held = False
        self._released = trio.Event()

    async def commit(self, batch: Batch) -> None:
        await super().commit(batch)
        if self.is_held:
            self.is_held = False
            await self._released.wait()

    def release(self) -> None:
        self._released.set()


@pytest.fixture
def store() -> Held:
    return Held()


def test_a_key_names_no_moment_before_its_date() -> None:
    random, of = Random(1), InvocationId("inv_1" + "0" * 33)
    dates = [1_800_000_007.0740001, *(1_800_000_000.0 + random.random() * 100 for _ in range(1_000))]
    for date in dates:
        assert date <= keys.microseconds(date) / 1e6 < date + 2e-6
        _, created, _ = invocation_keys.of_ended(0, date, date, of)
        assert created == invocation_keys.created(0, date, of)


@pytest.fixture
def journal(store: Held) -> KvJournal:
    return KvJournal(store, partitions=2)


def messages(*names: str) -> list[Message]:
    return [Message(name, TO, name.encode()) for name in names]


async def arrived(partition: Partition) -> list[str]:
    """What comes until nothing more does."""
    names: list[str] = []
    with trio.move_on_after(0.5):
        async for due in partition.messages():
            names += [d.message.id for d in due]
    return names


async def test_messages_of_one_commit_to_a_partition_that_nobody_owns_all_arrive(
    journal: KvJournal, autojump_clock: trio.testing.MockClock
) -> None:
    async with journal.claim(0, "sender") as sender:
        await sender.commit((), messages("a", "b", "c"))
        async with journal.claim(1, "receiver") as receiver:
            assert await arrived(receiver) == ["a", "b", "c"]


async def test_messages_of_several_commits_at_once_to_a_partition_that_nobody_owns_all_arrive(
    journal: KvJournal, store: Held, autojump_clock: trio.testing.MockClock
) -> None:
    async with journal.claim(0, "sender") as sender, trio.open_nursery() as nursery:
        for name in "abcdefgh":
            nursery.start_soon(sender.commit, (), messages(name))
        for name in "ijklmnop":
            nursery.start_soon(journal.send, *messages(name))
        await trio.testing.wait_all_tasks_blocked()
        async with journal.claim(1, "receiver") as receiver:
            assert sorted(await arrived(receiver)) == [*"abcdefghijklmnop"]


async def test_a_message_that_is_under_way_while_its_partition_is_claimed_arrives_once_it_is_durable(
    journal: KvJournal, store: Held, autojump_clock: trio.testing.MockClock
) -> None:
    async with journal.claim(0, "sender") as sender, trio.open_nursery() as nursery:
        store.is_held = True
        nursery.start_soon(sender.commit, (), messages("a"))
        await trio.testing.wait_all_tasks_blocked()
        async with journal.claim(1, "receiver") as receiver:
            assert await arrived(receiver) == [], "its bytes are there, and it is not durable"
            store.release()
            assert await arrived(receiver) == ["a"]


async def test_a_dated_message_that_is_under_way_while_its_partition_is_claimed_arrives_too(
    journal: KvJournal, store: Held, autojump_clock: trio.testing.MockClock
) -> None:
    async with journal.claim(0, "sender") as sender, trio.open_nursery() as nursery:
        store.is_held = True
        nursery.start_soon(sender.commit, (), [Message("a", TO, b"", at=1.0)])
        await trio.testing.wait_all_tasks_blocked()
        async with journal.claim(1, "receiver") as receiver:
            assert await arrived(receiver) == []
            store.release()
            assert await arrived(receiver) == ["a"]


async def test_a_message_that_is_consumed_as_soon_as_it_comes_does_not_come_again(
    journal: KvJournal, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[Due] = []

    async def receive(receiver: Partition) -> None:
        async for due in receiver.messages():
            seen.extend(due)
            expected = len(seen) - len(due)
            events = [(STAMP, EVENTS[0])] * len(due)
            consumed = [d.position for d in due]
            await receiver.commit([Append.of(stream=TO, expected=expected, events=events, consumed=consumed)])

    async with (
        journal.claim(0, "sender") as sender,
        journal.claim(1, "receiver") as receiver,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(receive, receiver)
        for number in range(100):
            await sender.commit((), messages(f"{number}"))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert [due.message.id for due in seen] == [f"{number}" for number in range(100)]


async def test_a_page_that_leaves_out_a_message_under_way_does_not_lose_it(
    journal: KvJournal, store: Held, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr("journal.log.inbox.WINDOW", 2)
    async with journal.claim(0, "sender") as sender, trio.open_nursery() as nursery:
        store.is_held = True
        nursery.start_soon(sender.commit, (), messages("a"))
        await trio.testing.wait_all_tasks_blocked()
        for name in "bcdef":
            await journal.send(*messages(name))
        async with journal.claim(1, "receiver") as receiver:
            assert await arrived(receiver) == [*"bcdef"]
            store.release()
            assert await arrived(receiver) == ["a"]


@pytest.mark.parametrize("durability", [Durability.OS, Durability.FSYNC])
async def test_what_is_posted_at_once_has_places_of_its_own_also_after_a_restart(
    tmp_path: object, durability: Durability
) -> None:
    async def post_many(journal: KvJournal, names: str) -> None:
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(journal.send, *messages(name))

    for names in ("abcdefghij", "klmnopqrst"):
        async with open_journal(str(tmp_path), durability=durability, partitions=2) as journal:
            await post_many(journal, names)
    async with open_journal(str(tmp_path)) as journal:
        prefix = keys.messages(1)
        rows = journal.scan(prefix, keys.after_prefix(prefix), limit=100)
    assert len(rows) == 20


async def test_a_message_is_not_overtaken_while_the_disk_takes_no_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_stopped, held_up, let_through = [True], threading.Event(), threading.Event()
    number_of = rocks._number_of

    def answered(db: Any, name: str) -> int:
        return 1 if name == "is-write-stopped" and is_stopped[0] else number_of(db, name)

    def hold_up(*_: Any) -> None:
        held_up.set()
        let_through.wait(30)

    monkeypatch.setattr(rocks, "_number_of", answered)
    monkeypatch.setattr(rocks.StoreWatch, "wait_until_writes_flow", hold_up)
    async with open_journal(tmp_path, durability=Durability.OS) as journal, trio.open_nursery() as nursery:
        nursery.start_soon(journal.send, *messages("first"))
        await trio.to_thread.run_sync(held_up.wait)
        is_stopped[0] = False
        nursery.start_soon(journal.send, *messages("second"))
        await trio.testing.wait_all_tasks_blocked()
        let_through.set()
    async with open_journal(tmp_path, durability=Durability.OS) as journal:
        await journal.send(*messages("third"))
        rows = journal.scan(keys.messages(0), keys.after_prefix(keys.messages(0)), limit=10)
        assert [decode_message(data).id for _, data in rows] == ["first", "second", "third"]
