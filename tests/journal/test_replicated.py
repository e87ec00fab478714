"""A journal on a replicated log: one owner at a time, and nothing that was acknowledged is lost, whatever the log does."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from journal import keys
from journal.errors import CopyOfNode, CorruptRecord, DiskFull, Fenced, InDoubt, LogDiverged, Unavailable, Unwritable
from journal.ids import StreamId
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch
from journal.log.open import open_journal
from journal.log.protocol import DEDUPLICATION_SECONDS, Append, Message, SentMessage
from journal.replicated import entries
from journal.replicated.background import background
from journal.replicated.entries import OVERHEAD, START, decode_batches, decode_entry, encode_entries
from journal.replicated.journal import open_replicated
from journal.replicated.open import identify, open_replica
from tests.journal.faulty_log import Fault, FaultyLog
from tests.journal.test_contract import OTHER, STREAM, all_of, append, nothing_is_due, signal, take, values
from tests.raising import raises
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from journal.events import Recorded
    from journal.kv.store import Store
    from journal.log.partition import KvPartition
    from journal.log.protocol import Due
    from journal.replicated.journal import ReplicatedJournal

pytestmark = pytest.mark.virtual_time

BATCH = Batch(rows={keys.record(0, STREAM, 1): b"one", keys.head(0, STREAM): None}, cleared=[(b"e\0\0", b"e\0\1")])


@asynccontextmanager
async def node(log: FaultyLog, local: Store | None = None, *, partitions: int = 1) -> AsyncIterator[ReplicatedJournal]:
    """A node of the cluster; by default one with an empty disk."""
    store = MemoryStore() if local is None else local
    async with open_replicated(store, log, partitions=partitions, clock=VirtualClock()) as journal:
        yield journal


# Entries.


@pytest.mark.parametrize("largest", [OVERHEAD + 1, OVERHEAD + 7, 1 << 20])
def test_batches_come_back_equal_from_however_many_entries(largest: int) -> None:
    batches = [BATCH, Batch(rows={b"i\0\0a": b"x" * 100})]
    found = [decode_entry(data) for _, data in encode_entries(batches, START, largest)]
    assert [entry.position.number for entry in found] == list(range(1, found[0].parts + 1))
    assert [entry.part for entry in found] == list(range(found[0].parts))
    assert all(later.before == earlier.position.digest for earlier, later in pairwise(found))
    assert decode_batches(b"".join(entry.body for entry in found)) == batches


def test_every_changed_or_missing_byte_of_an_entry_is_noticed() -> None:
    [(_, data)] = encode_entries([BATCH], START, 1 << 20)
    for at in range(len(data)):
        for bit in range(8):
            with pytest.raises(CorruptRecord):
                decode_entry(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
        with pytest.raises(CorruptRecord):
            decode_entry(data[:at])


# Owners.


async def test_a_node_sees_what_the_owner_commits() -> None:
    log = FaultyLog()
    async with node(log) as owner, node(log) as reader, owner.claim(0, "owner") as partition:
        await partition.commit([append(0, 1, 2)])
        with trio.fail_after(1):
            assert [event.number async for event in _first(reader, 2)] == [1, 2]


async def test_the_next_owner_has_everything_and_the_former_one_commits_nothing_more() -> None:
    log = FaultyLog()
    async with node(log) as first, node(log) as second:
        with raises(Fenced, partition=0, current=None):
            async with first.claim(0, "first") as old:
                await old.commit([append(0, 1)])
                async with second.claim(0, "second") as new:
                    assert new.epoch > old.epoch
                    await new.commit([append(1, 2)])
                    await old.commit([append(1, 3)])
        await trio.testing.wait_all_tasks_blocked()
        assert values(await all_of(first)) == values(await all_of(second)) == [1, 2]


async def test_two_nodes_that_claim_at_once_own_one_after_the_other() -> None:
    log = FaultyLog()
    epochs: list[int] = []

    async def own(journal: ReplicatedJournal) -> None:
        async with journal.claim(0, "one of two") as partition:
            epochs.append(partition.epoch)

    async with node(log) as first, node(log) as second, trio.open_nursery() as nursery:
        nursery.start_soon(own, first)
        nursery.start_soon(own, second)
    assert sorted(epochs) == [1, 2]


async def test_epochs_rise_whoever_claims() -> None:
    log = FaultyLog()
    epochs: list[int] = []
    async with node(log) as first, node(log) as second:
        for journal in (first, second, first, first, second, first):
            async with journal.claim(0, "in turn") as partition:
                epochs.append(partition.epoch)
    assert epochs == [1, 2, 3, 4, 5, 6]


# Faults of the log.


@pytest.mark.parametrize("fault", Fault)
async def test_what_fails_to_commit_ends_the_claim_and_the_log_says_what_was_kept(fault: Fault) -> None:
    log = FaultyLog()
    expected = Unavailable if fault is Fault.REFUSED else InDoubt
    async with node(log) as journal:
        with pytest.raises(expected):
            async with journal.claim(0, "me") as partition:
                await partition.commit([append(0, 1)])
                log.faults = [fault]
                with pytest.raises(expected):
                    await partition.commit([append(1, 2)])
                assert values(await all_of(journal)) == [1]
                await partition.commit([append(1, 3)])
        async with journal.claim(0, "me") as partition:
            kept = [1, 2] if fault is Fault.KEPT else [1]
            assert values(await all_of(journal)) == kept
            await partition.commit([append(len(kept), 4)])
        assert values(await all_of(journal)) == [*kept, 4]


@pytest.mark.parametrize("fault", Fault)
async def test_a_claim_in_doubt_can_be_made_again(fault: Fault) -> None:
    log = FaultyLog()
    async with node(log) as journal:
        log.faults = [fault]
        with pytest.raises((Unavailable, InDoubt)):
            async with journal.claim(0, "me"):
                raise AssertionError("the claim was not committed")
        async with journal.claim(0, "me") as partition:
            await partition.commit([append(0, 1)])


async def test_a_commit_that_waits_for_a_stalled_log_is_not_seen_before() -> None:
    log = FaultyLog()
    async with node(log) as journal, journal.claim(0, "me") as partition, trio.open_nursery() as nursery:
        log.stalled = trio.Event()
        nursery.start_soon(partition.commit, [append(0, 1)])
        await trio.sleep(3600)
        assert await all_of(journal) == []
        log.stalled.set()
        await trio.testing.wait_all_tasks_blocked()
        assert values(await all_of(journal)) == [1]


async def test_a_commit_of_many_entries_is_applied_whole_or_not_at_all() -> None:
    log = FaultyLog(largest=OVERHEAD + 40)
    before = 0
    async with node(log) as journal:
        with pytest.raises(InDoubt):
            async with journal.claim(0, "me") as partition:
                await partition.commit([append(0, 1)])
                before = len(log.entries[0])
                log.faults = [None, None, Fault.LOST]
                await partition.commit([append(1, *range(2, 60))])
        assert len(log.entries[0]) == before + 2
        async with node(log) as other, other.claim(0, "other") as partition:
            assert values(await all_of(other)) == [1]
            await partition.commit([append(1, *range(2, 60))])
            await trio.testing.wait_all_tasks_blocked()
            assert values(await all_of(journal)) == [*range(1, 60)]


async def test_a_part_that_was_kept_in_doubt_is_dropped_with_the_others() -> None:
    log = FaultyLog(largest=OVERHEAD + 40)
    async with node(log) as journal:
        with pytest.raises(InDoubt):
            async with journal.claim(0, "me") as partition:
                log.faults = [None, Fault.KEPT]
                await partition.commit([append(0, *range(1, 60))])
        async with journal.claim(0, "me") as partition:
            assert await all_of(journal) == []
            await partition.commit([append(0, *range(1, 60))])
        assert values(await all_of(journal)) == [*range(1, 60)]


class FullDisk(MemoryStore):
    """Takes no commit while it ``is_full``."""

    is_full = False

    async def commit(self, batch: Batch) -> None:
        if self.is_full:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise DiskFull("the disk of the node is full")
        await super().commit(batch)


async def test_a_follower_whose_disk_was_full_has_every_commit_afterwards() -> None:
    log, disk = FaultyLog(), FullDisk()
    async with node(log) as owner, node(log, disk) as reader, owner.claim(0, "owner") as partition:
        await partition.commit([append(0, 1)])
        await trio.sleep(1)
        disk.is_full = True
        await partition.commit([append(1, 2)])
        await partition.commit([append(2, 3)])
        await trio.sleep(1)
        assert values(await all_of(reader)) == [1]
        disk.is_full = False
        await trio.sleep(1)
        assert values(await all_of(reader)) == [1, 2, 3]


async def test_an_owner_whose_disk_is_full_is_in_doubt_and_the_log_has_the_commit() -> None:
    log, disk = FaultyLog(), FullDisk()
    async with node(log, disk) as journal:
        with pytest.raises(InDoubt):
            async with journal.claim(0, "me") as partition:
                await partition.commit([append(0, 1)])
                disk.is_full = True
                await partition.commit([append(1, 2)])
        disk.is_full = False
        async with journal.claim(0, "me") as partition:
            assert values(await all_of(journal)) == [1, 2]
            await partition.commit([append(2, 3)])


async def test_a_commit_that_could_not_be_read_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    log = FaultyLog()
    async with node(log) as journal:
        with pytest.raises(Unwritable):
            async with journal.claim(0, "me") as partition:
                await partition.commit([append(0, 1)])
                monkeypatch.setattr(entries, "MOST_BODY_BYTES", 100)
                await partition.commit([append(1, *range(2, 60))])
        assert values(await all_of(journal)) == [1]


async def test_a_log_that_fails_in_an_unexpected_way_leaves_no_caller_waiting() -> None:
    log = FaultyLog()
    with raises(OSError, errno=5):
        async with node(log) as journal, journal.claim(0, "me") as partition:
            log.error = OSError(5, "not foreseen")
            with pytest.raises((InDoubt, trio.Cancelled)):
                await partition.commit([append(0, 1)])
            await trio.sleep(1)


async def test_a_log_that_has_lost_its_end_is_not_joined() -> None:
    log, local = FaultyLog(), MemoryStore()
    async with node(log, local) as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1)])
    lost = log.entries[0].pop()
    with raises(LogDiverged, partition=0, number=2):
        async with node(log, local):
            raise AssertionError("it was opened")
    async with node(log) as other, other.claim(0, "other"):
        pass
    assert log.entries[0][1] != lost
    with raises(LogDiverged, partition=0, number=2):
        async with node(log, local):
            raise AssertionError("it was opened")


async def test_a_follower_does_not_join_another_history() -> None:
    log, other = FaultyLog(), FaultyLog()
    for each in (log, other):
        async with node(each) as journal, journal.claim(0, "me") as partition:
            await partition.commit([append(0, 1 if each is log else 2)])
    with raises(LogDiverged, partition=0, number=2):
        async with node(log) as reader:
            async with node(other) as journal, journal.claim(0, "me"):
                pass
            log.entries[0].append(other.entries[0][-1])
            log.tell(0)
            await trio.sleep(1)
            await all_of(reader)


async def test_a_copy_of_a_node_is_not_opened_as_a_journal_of_its_own(tmp_path: Path) -> None:
    log = FaultyLog()
    identity = await identify(log, partitions=1)
    async with open_replica(tmp_path, log, identity) as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1)])
    with pytest.raises(CopyOfNode):
        async with open_journal(tmp_path):
            raise AssertionError("it was opened")
    async with open_replica(tmp_path, log, identity) as journal:
        assert values(await all_of(journal)) == [1]


async def test_a_damaged_entry_is_refused_by_name() -> None:
    log = FaultyLog()
    async with node(log) as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1)])
    log.entries[0][1] = log.entries[0][1][:-9] + b"?" + log.entries[0][1][-8:]
    with pytest.raises(CorruptRecord, match="partition 0, entry 2"):
        async with node(log):
            raise AssertionError("it was opened")


async def test_a_block_that_fails_while_a_task_ends_it_raises_its_error_without_cancellations() -> None:
    async def fail() -> None:
        raise KeyError("of a task")

    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("of the block")

    with pytest.raises(BaseExceptionGroup) as raised:
        async with background() as tasks, trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(fail_when_cancelled)
            tasks.start_soon(fail)
            await trio.sleep_forever()
    assert [type(error) for error in raised.value.exceptions] == [ValueError]


# Messages.


def message(name: str, to: StreamId = OTHER, at: float | None = None) -> Message:
    return Message(id=name, to=to, data=name.encode(), at=at)


async def test_messages_between_owners_arrive_once_and_in_order() -> None:
    log = FaultyLog()
    async with (
        node(log, partitions=2) as first,
        node(log, partitions=2) as second,
        first.claim(STREAM % 2, "first") as sender,
        second.claim(OTHER % 2, "second") as receiver,
    ):
        for number in range(10):
            await sender.commit([], [message(f"m{number}")])
            await sender.commit([], [message(f"m{number}")])
        due = await take(receiver, 10)
        assert [each.message.id for each in due] == [f"m{number}" for number in range(10)]
        assert await nothing_is_due(receiver)
        assert not log.boxes[OTHER % 2]


async def test_a_message_is_sent_on_by_the_next_owner_of_its_sender() -> None:
    log = FaultyLog()
    async with node(log, partitions=2) as receiving, receiving.claim(OTHER % 2, "receiver") as receiver:
        with pytest.raises(Unavailable):
            async with node(log, partitions=2) as first, first.claim(STREAM % 2, "first") as sender:
                await sender.commit([], [message("early")])
                await trio.testing.wait_all_tasks_blocked()
                log.faults = [Fault.REFUSED]
                await trio.sleep(2)  # the row of the message is not removed: the claim ends
        assert [each.message.id for each in await take(receiver, 1)] == ["early"]
        async with node(log, partitions=2) as second, second.claim(STREAM % 2, "second"):
            assert await nothing_is_due(receiver)  # it was posted again, and recognised


async def test_an_outage_of_the_log_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    log = FaultyLog()
    async with (
        node(log, partitions=2),
        node(log, partitions=2) as writing,
        writing.claim(STREAM % 2, "writer") as writer,
    ):
        await trio.sleep(1)
        log.is_unreadable = True
        await writer.commit([append(0, 1)])
        await trio.sleep(10)
        log.is_unreadable = False
        await trio.sleep(10)
    assert [record.getMessage() for record in caplog.records if "the log can" in record.getMessage()] == [
        "the log cannot be read now, so what other nodes commit is not seen here: the log cannot be read",
        "the log can be read again, on all partitions",
    ]


async def test_messages_that_wait_to_be_posted_outlive_their_owner() -> None:
    log = FaultyLog()
    async with node(log, partitions=2) as first, node(log, partitions=2) as second:
        for number, journal in enumerate((first, second, first)):
            with pytest.raises(Unavailable):
                async with journal.claim(STREAM % 2, "one after the other") as sender:
                    log.is_closed = True
                    await sender.commit([], [message(f"m{number}")])
                    await trio.sleep(1)
                    log.faults = [Fault.REFUSED]
                    await sender.commit([append(0, 1)])
        log.is_closed = False
        async with first.claim(STREAM % 2, "sender"), second.claim(OTHER % 2, "receiver") as receiver:
            assert [each.message.id for each in await take(receiver, 3)] == ["m0", "m1", "m2"]
            assert await nothing_is_due(receiver)


# Messages handed over to an owner in the same process.


@asynccontextmanager
async def sender_and_receiver(log: FaultyLog) -> AsyncIterator[tuple[KvPartition, ReplicatedJournal]]:
    """The claim of a sender, and the journal of a node that may claim the receiver's partition."""
    async with node(log, partitions=2) as journal, journal.claim(STREAM % 2, "sender") as sender:
        yield sender, journal


def consuming(expected: int, due: Due) -> Append:
    return Append.of(OTHER, expected, [signal(1)], consumed=[due.position])


async def entries_of(log: FaultyLog) -> int:
    return sum([len(await log.read(partition, 0)) for partition in range(2)])


async def test_a_message_is_durable_with_the_commit_that_consumes_it() -> None:
    log = FaultyLog()
    async with sender_and_receiver(log) as (sender, journal), journal.claim(OTHER % 2, "receiver") as receiver:
        assert await nothing_is_due(receiver)
        before = await entries_of(log)
        for number in range(3):
            await sender.commit([], [message(f"m{number}")])
            [due] = await take(receiver, 1)
            assert due.message.id == f"m{number}"
            await receiver.commit([consuming(number, due)])
            await trio.testing.wait_all_tasks_blocked()
        assert await entries_of(log) == before + 6, "one commit of each side for each message, and none between"
        await trio.sleep(2)
        assert await entries_of(log) == before + 7, "the row of the last message"
        assert not journal.scan(keys.outgoing_prefix(STREAM % 2), keys.after_prefix(keys.outgoing_prefix(STREAM % 2)))
        await journal.send(message("m0"))
        assert await nothing_is_due(receiver), "it is recognised"


@pytest.mark.parametrize("at", [None, 1.0])
async def test_a_message_that_is_sent_again_much_later_is_taken_once(at: float | None) -> None:
    log = FaultyLog()
    async with node(log, partitions=2) as journal, journal.claim(OTHER % 2, "receiver") as receiver:
        assert await nothing_is_due(receiver)
        with pytest.raises(Unavailable):
            async with journal.claim(STREAM % 2, "sender") as sender:
                await sender.commit([], [message("once", at=at)])
                [due] = await take(receiver, 1)
                await receiver.commit([consuming(0, due)])
                await trio.testing.wait_all_tasks_blocked()
                log.faults = [Fault.REFUSED]
                await sender.commit([append(0, 1)])  # the row of the message is not removed either
        await trio.sleep(2 * DEDUPLICATION_SECONDS)
        await journal.send(message("something else"))  # ids that are older are forgotten now
        assert [due.message.id for due in await take(receiver, 1)] == ["something else"]
        async with journal.claim(STREAM % 2, "next sender"):
            assert await nothing_is_due(receiver)


async def test_numbers_that_are_not_sent_again_are_not_kept() -> None:
    log, messages = FaultyLog(), 300
    first, stop = (keys.taken(OTHER % 2, STREAM % 2, number) for number in (1, messages + 1))
    async with sender_and_receiver(log) as (sender, journal), journal.claim(OTHER % 2, "receiver") as receiver:
        assert await nothing_is_due(receiver)
        for number in range(messages):
            await sender.commit([], [message(f"m{number}")])
            [due] = await take(receiver, 1)
            await receiver.commit([consuming(number, due)])
            await trio.testing.wait_all_tasks_blocked()
        assert 0 < len(journal.scan(first, stop)) <= 66
        late = SentMessage("late", OTHER, b"late", sender=STREAM % 2, number=1)
        await journal.take([late])
        assert await nothing_is_due(receiver), "a number that was forgotten has arrived"


async def test_a_sender_keeps_a_message_until_it_is_durable() -> None:
    log, prefix = FaultyLog(), keys.outgoing_prefix(STREAM % 2)
    async with sender_and_receiver(log) as (sender, journal), journal.claim(OTHER % 2, "receiver") as receiver:
        assert await nothing_is_due(receiver)
        await sender.commit([], [message("kept")])
        [due] = await take(receiver, 1)
        await sender.commit([append(0, 1)])
        assert journal.scan(prefix, keys.after_prefix(prefix))
        await receiver.commit([consuming(0, due)])
        await trio.testing.wait_all_tasks_blocked()
        await sender.commit([append(1, 2)])
        assert not journal.scan(prefix, keys.after_prefix(prefix))


async def test_messages_to_one_object_are_handed_over_in_order() -> None:
    log = FaultyLog()
    async with sender_and_receiver(log) as (sender, journal), journal.claim(OTHER % 2, "receiver") as receiver:
        assert await nothing_is_due(receiver)
        for number in range(10):
            await sender.commit([], [message(f"m{number}")])
        assert [due.message.id for due in await take(receiver, 1)] == ["m0"]
        await trio.sleep(2)  # nobody consumes it, so it is in the table, and the next ones come
        assert [due.message.id for due in await take(receiver, 9)] == [f"m{number}" for number in range(1, 10)]


async def test_a_message_that_nobody_consumes_is_put_into_the_table_and_given_out_once() -> None:
    log = FaultyLog()
    async with sender_and_receiver(log) as (sender, journal):
        async with journal.claim(OTHER % 2, "receiver") as receiver:
            assert await nothing_is_due(receiver)
            await sender.commit([], [message("late")])
            [due] = await take(receiver, 1)
            assert await nothing_is_due(receiver, 3.0)
            assert journal.get(due.position) is not None
            await receiver.commit([consuming(0, due)])
            assert journal.get(due.position) is None
        async with journal.claim(OTHER % 2, "next receiver") as receiver:
            assert await nothing_is_due(receiver)


@pytest.mark.parametrize("fault", Fault)
async def test_a_message_whose_receiver_cannot_commit_comes_again_unless_it_was_kept(fault: Fault) -> None:
    log = FaultyLog()
    expected = Unavailable if fault is Fault.REFUSED else InDoubt
    async with sender_and_receiver(log) as (sender, journal):
        with pytest.raises(expected):
            async with journal.claim(OTHER % 2, "receiver") as receiver:
                assert await nothing_is_due(receiver)
                await sender.commit([], [message("once")])
                [due] = await take(receiver, 1)
                log.faults = [fault]
                await receiver.commit([consuming(0, due)])
        async with journal.claim(OTHER % 2, "next receiver") as receiver:
            if fault is Fault.KEPT:
                assert await nothing_is_due(receiver, 3.0)
            else:
                assert [due.message.id for due in await take(receiver, 1)] == ["once"]
                assert await nothing_is_due(receiver, 3.0)


async def test_sending_again_what_is_on_its_way_waits_until_it_is_durable() -> None:
    log, sent = FaultyLog(), 0

    async def send(journal: ReplicatedJournal) -> None:
        nonlocal sent
        await journal.send(message("once"))
        sent += 1

    async with node(log, partitions=2) as journal, journal.claim(OTHER % 2, "receiver") as receiver:
        log.stalled = trio.Event()
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(send, journal)
                await trio.testing.wait_all_tasks_blocked()
            sent_before = sent
            log.stalled.set()
        assert (sent_before, sent) == (0, 2)
        assert [due.message.id for due in await take(receiver, 1)] == ["once"]
        assert await nothing_is_due(receiver)


async def _first(journal: ReplicatedJournal, count: int) -> AsyncIterator[Recorded]:
    async for event in journal.follow(STREAM):
        yield event
        count -= 1
        if not count:
            return
