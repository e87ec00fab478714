"""What every journal promises, whoever keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from journal import events as e
from journal import keys
from journal.codec import Record
from journal.errors import Conflict, Damaged, Fenced, StoreError, Unavailable
from journal.events import Recorded, Stamp
from journal.fused import RecordedTurn, StepTurn
from journal.ids import InvocationId, StepId, StreamId
from journal.kv.backup import restore_backup
from journal.kv.store import Durability
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal
from journal.log.protocol import DEDUPLICATION_SECONDS, Append, Due, Message, Partition
from journal.log.streams import read_events, read_head
from journal.waits import RequestedStep
from tests.journal.conftest import OpenJournal
from tests.journal.samples import EVENTS, STAMP
from tests.raising import raises
from tests.virtual import EPOCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

STREAM = StreamId(0x1122334455667788)
OTHER = StreamId(0x1122334455667789)


def signal(value: int) -> tuple[Stamp, e.Event]:
    event = e.SignalReceived(invocation_id=InvocationId("inv_1" + "0" * 33), name="n", value=b"%d" % value)
    return STAMP, event


def append(expected: int, *values: int, stream: StreamId = STREAM) -> Append:
    return Append.of(stream=stream, expected=expected, events=[signal(v) for v in values])


def values(recorded: list[Recorded]) -> list[int]:
    assert [r.number for r in recorded] == list(range(recorded[0].number, recorded[0].number + len(recorded)))
    return [int(r.event.value) for r in recorded if isinstance(r.event, e.SignalReceived)]


async def all_of(journal: KvJournal, stream: StreamId = STREAM, after: int = 0) -> list[Recorded]:
    return [recorded async for recorded in journal.read(stream, after)]


async def take(partition: Partition, count: int) -> list[Due]:
    taken: list[Due] = []
    async for due in partition.messages():
        taken += due
        if len(taken) >= count:
            break
    return taken


async def nothing_is_due(partition: Partition, within_seconds: float = 1.0) -> bool:
    with trio.move_on_after(within_seconds):
        await take(partition, 1)
        return False
    return True


async def test_what_was_appended_is_read_in_order_and_numbered_without_a_hole(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1, 2), append(0, 10, stream=OTHER)])
        await partition.commit([append(2, 3)])
        assert values(await all_of(journal)) == [1, 2, 3]
        assert values(await all_of(journal, after=1)) == [2, 3]
        assert values(await all_of(journal, OTHER)) == [10]
        assert await all_of(journal, StreamId(5)) == []


async def test_every_event_comes_back_as_it_went_in(open_again: OpenJournal) -> None:
    async with open_again() as journal:
        async with journal.claim(0, "me") as partition:
            await partition.commit([Append.of(stream=STREAM, expected=0, events=[(STAMP, event) for event in EVENTS])])
        assert [r.event for r in await all_of(journal)] == EVENTS
        assert all(r.stamp == STAMP for r in await all_of(journal))


async def test_an_append_without_events_carries_rows_and_leaves_no_stream(open_again: OpenJournal) -> None:
    key = keys.audit(0, 1)
    async with open_again() as journal:
        async with journal.claim(0, "me") as partition:
            await partition.commit([Append.of(stream=STREAM, expected=0, events=[], rows={key: b"row"})])
            await partition.commit([append(0, 1)])
            assert partition.heads_of([OTHER, STREAM]) == [partition.head(OTHER), partition.head(STREAM)]
        assert journal.get(key) == b"row"
        assert journal.get_many([keys.audit(0, 2), key]) == [None, b"row"]
        assert values(await all_of(journal)) == [1]
        assert [stream async for stream, _ in journal.heads(0)] == [STREAM]


@pytest.mark.parametrize("is_waiting", [True, False])
async def test_following_a_stream_that_is_removed_ends(open_again: OpenJournal, is_waiting: bool) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1, 2)])
        followed = journal.follow(STREAM)
        await anext(followed)
        await anext(followed)
        async with trio.open_nursery() as nursery:
            if is_waiting:
                nursery.start_soon(_is_over, followed)
                await trio.testing.wait_all_tasks_blocked()
            await partition.commit([Append.of(stream=STREAM, expected=2, events=[], remove=True)])
            with trio.fail_after(60):
                await _is_over(followed)


async def _is_over(followed: AsyncIterator[Recorded]) -> None:
    with pytest.raises(StopAsyncIteration):
        await anext(followed)


async def test_an_append_that_expects_another_end_changes_nothing_at_all(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1)])
        with raises(Conflict, found=1, expected=0):
            await partition.commit([append(0, 10, stream=OTHER), append(0, 2)])
        assert values(await all_of(journal)) == [1]
        assert await all_of(journal, OTHER) == []


async def test_what_was_committed_is_there_after_opening_again(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1, 2)])
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(2, 3)])
        assert values(await all_of(journal)) == [1, 2, 3]


async def test_a_new_claim_fences_the_old_one(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "old") as old, journal.claim(0, "new") as new:
        assert new.epoch > old.epoch
        with raises(Fenced, epoch=old.epoch, current=new.epoch):
            await old.commit([append(0, 1)])
        await new.commit([append(0, 1)])


async def test_epochs_rise_over_restarts(open_again: OpenJournal) -> None:
    epochs = []
    for _ in range(3):
        async with open_again() as journal, journal.claim(0, "me") as partition:
            epochs.append(partition.epoch)
    assert epochs == [1, 2, 3]


async def test_a_snapshot_stands_for_the_events_before_it(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        assert await partition.load(STREAM) is None
        await partition.commit([append(0, 1)])
        await partition.commit([Append.of(stream=STREAM, expected=1, events=[signal(2)], snapshot=b"after two")])
        await partition.commit([append(2, 3)])
        stored = await partition.load(STREAM)
        assert stored is not None
        assert (stored.last, stored.snapshot_at, stored.snapshot) == (3, 2, b"after two")
        assert values(stored.events) == [3]


async def test_anybody_can_load_an_object_as_it_is_kept(open_again: OpenJournal) -> None:
    async with open_again() as journal:
        assert await journal.load(STREAM) is None
        async with journal.claim(0, "me") as partition:
            await partition.commit([Append.of(stream=STREAM, expected=0, events=[signal(1)], snapshot=b"after one")])
            await partition.commit([append(1, 2)])
            assert await journal.load(STREAM) == await partition.load(STREAM)
        stored = await journal.load(STREAM)
        assert stored is not None
        assert (stored.last, stored.snapshot_at, stored.snapshot) == (2, 1, b"after one")
        assert values(stored.events) == [2]


async def test_history_gives_the_ranges_asked_for(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1, 2, 3)])
        await partition.commit([append(3, 4, 5)])
        await partition.commit([append(5, 6)])
        found = await partition.history(STREAM, [(2, 2), (4, 6)])
        assert [r.number for r in found] == [2, 4, 5, 6]
        with raises(Damaged, stream=STREAM, number=7):
            await partition.history(STREAM, [(6, 8)])


async def test_a_replay_reads_the_ranges_asked_for_with_whole_turns(open_again: OpenJournal) -> None:
    of, step = InvocationId("inv_1" + "0" * 33), StepId("1")
    turn = StepTurn(of, 2.0, step, b"1", RequestedStep(StepId("2"), "act", "app.py:1", b"[1]"))
    record = Record(first=3)
    record.add_fused(turn, turn.count)
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1, 2)])
        await partition.commit([Append(stream=STREAM, expected=2, events=record)])
        await partition.commit([append(4, 5)])
        for spans, numbers in {
            ((1, 5),): [1, 2, 3, 5],
            ((1, 1), (4, 4)): [1, 3],
            ((2, 3),): [2, 3],
            ((5, 5),): [5],
        }.items():
            assert [lived.number for lived in await partition.lived(STREAM, spans)] == numbers
        [found] = await partition.lived(STREAM, [(3, 4)])
        assert found == RecordedTurn(3, 4, turn)
        with raises(Damaged, stream=STREAM, number=6):
            await partition.lived(STREAM, [(4, 6)])


async def test_erased_events_keep_their_numbers_and_lose_everything_else(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1, 2, 3)])
        await partition.commit([append(3, 4, 5)])
        await partition.commit([Append.of(stream=STREAM, expected=5, events=[signal(6)], erased=[2, 4])])
        left = await all_of(journal)
        assert [r.number for r in left if r.event == e.Erased()] == [2, 4]
        assert [int(r.event.value) for r in left if isinstance(r.event, e.SignalReceived)] == [1, 3, 5, 6]


async def test_a_stream_cut_off_in_front_reads_from_where_it_begins(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        for number in range(5):
            await partition.commit([append(number, number + 1)])
        await partition.commit([Append.of(stream=STREAM, expected=5, events=[signal(6)], snapshot=b"s", trim_to=3)])
        assert values(await all_of(journal)) == [4, 5, 6]
        await partition.commit([append(6, 7)])
        stored = await partition.load(STREAM)
        assert stored is not None
        assert values(stored.events) == [7]


async def test_a_removed_stream_is_as_if_it_had_never_been(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        item = keys.log_item(0, STREAM, "lines", 0)
        await partition.commit(
            [Append.of(stream=STREAM, expected=0, events=[signal(1)], snapshot=b"s", rows={item: b"x"})]
        )
        await partition.commit([append(0, 10, stream=OTHER)])
        await partition.commit([Append.of(stream=STREAM, expected=1, events=[], remove=True)])
        assert await partition.load(STREAM) is None
        assert journal.get(item) is None
        assert [stream async for stream, _ in journal.heads(0)] == [OTHER]
        await partition.commit([append(0, 1)])
        assert values(await all_of(journal)) == [1]


async def test_rows_are_written_with_the_events_and_scanned_in_order(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        rows: dict[bytes, bytes | None] = {keys.log_item(0, STREAM, "f", i): b"%d" % i for i in range(5)}
        await partition.commit([Append.of(stream=STREAM, expected=0, events=[signal(1)], rows=rows)])
        prefix = keys.items(0, STREAM, "f")
        end = keys.after_prefix(prefix)
        assert [v for _, v in journal.scan(prefix, end, limit=3)] == [b"0", b"1", b"2"]
        assert [v for _, v in journal.scan(prefix, end, limit=2, reverse=True)] == [b"4", b"3"]
        await partition.commit(
            [Append.of(stream=STREAM, expected=1, events=[], rows={keys.log_item(0, STREAM, "f", 4): None})]
        )
        assert [v for _, v in journal.scan(prefix, end, limit=2, reverse=True)] == [b"3", b"2"]


async def test_many_rows_at_once_are_what_each_is_alone(open_again: OpenJournal) -> None:
    async with open_again() as journal:
        async with journal.claim(0, "a") as partition:
            first, second, third = (keys.log_item(0, STREAM, "f", i) for i in range(3))
            rows = {first: b"one", third: b""}
            await partition.commit([msgspec.structs.replace(append(0, 1), rows=rows, new=list(rows))])
        wanted = [third, second, first, first]
        assert journal._store.get_many(wanted) == [b"", None, b"one", b"one"]
        assert journal._store.get_many(wanted) == [journal.get(key) for key in wanted]


async def test_heads_name_every_stream_of_the_partition_and_no_other(open_again: OpenJournal) -> None:
    streams = [StreamId(i) for i in range(8)]
    async with open_again(partitions=2) as journal:
        for number in range(2):
            async with journal.claim(number, "me") as partition:
                await partition.commit([append(0, 1, 2, stream=s) for s in streams if s % 2 == number])
        assert [head async for head in journal.heads(1)] == [(s, 2) for s in streams if s % 2 == 1]


async def test_a_message_waits_until_an_append_consumes_it(open_again: OpenJournal) -> None:
    async with open_again() as journal:
        await journal.send(Message("a", STREAM, b"hello"))
        await journal.send(Message("b", STREAM, b"world"))
        async with journal.claim(0, "first") as partition:
            due = await take(partition, 2)
            assert [d.message.data for d in due] == [b"hello", b"world"]
            await partition.commit(
                [Append.of(stream=STREAM, expected=0, events=[signal(1)], consumed=[due[0].position])]
            )
        async with journal.claim(0, "second") as partition:
            assert [d.message.data for d in await take(partition, 1)] == [b"world"]


async def test_a_message_comes_once_however_often_it_is_sent(
    open_again: OpenJournal, autojump_clock: MockClock
) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        for _ in range(3):
            await journal.send(Message("a", STREAM, b"hello"))
        due = await take(partition, 1)
        assert len(due) == 1
        await partition.commit([Append.of(stream=STREAM, expected=0, events=[], consumed=[due[0].position])])
        await journal.send(Message("a", STREAM, b"hello"))
        assert await nothing_is_due(partition)
        await trio.sleep(DEDUPLICATION_SECONDS)
        await journal.send(Message("b", STREAM, b"later"))
        assert [d.message.id for d in await take(partition, 1)] == ["b"]
        await journal.send(Message("a", STREAM, b"hello"))
        assert [d.message.id for d in await take(partition, 1)] == ["a"]


async def test_a_dated_message_comes_at_its_date_and_not_before(
    open_again: OpenJournal, autojump_clock: MockClock
) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        start = journal.clock.now()
        await partition.commit(
            (), [Message("late", STREAM, b"2", at=start + 7200), Message("soon", STREAM, b"1", at=start + 60)]
        )
        (soon,) = await take(partition, 1)
        assert soon.message.id == "soon"
        assert start + 60 <= journal.clock.now() < start + 61
        (late,) = await take(partition, 1)
        assert late.message.id == "late"
        assert start + 7200 <= journal.clock.now() < start + 7201


async def test_overdue_messages_come_in_the_order_of_their_dates_after_a_restart(
    open_again: OpenJournal, autojump_clock: MockClock
) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        now = journal.clock.now()
        messages = [Message(str(i), STREAM, b"", at=now + 100 - i) for i in range(10)]
        await partition.commit((), messages)
    await trio.sleep(1000)
    async with open_again() as journal, journal.claim(0, "me") as partition:
        assert [d.message.id for d in await take(partition, 10)] == [str(i) for i in reversed(range(10))]


async def test_a_retracted_message_need_not_come(open_again: OpenJournal, autojump_clock: MockClock) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        message = Message("t", STREAM, b"", at=EPOCH + 60)
        await partition.commit((), [message])
        await partition.commit((), (), [message])
        assert await nothing_is_due(partition, within_seconds=120)


async def test_messages_of_a_commit_that_fails_are_not_sent(open_again: OpenJournal, autojump_clock: MockClock) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        with pytest.raises(Conflict):
            await partition.commit([append(7, 1)], [Message("a", STREAM, b"")])
        assert await nothing_is_due(partition)


async def test_a_message_finds_the_partition_of_its_object(open_again: OpenJournal, autojump_clock: MockClock) -> None:
    async with open_again(partitions=2) as journal, journal.claim(0, "me") as even, journal.claim(1, "me") as odd:
        await even.commit((), [Message("a", StreamId(7), b"to odd")])
        assert [d.message.data for d in await take(odd, 1)] == [b"to odd"]
        assert await nothing_is_due(even)


async def test_a_million_sleepers_cost_memory_for_the_next_ones_only(
    open_again: OpenJournal, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("journal.log.inbox.WINDOW", 10)
    async with open_again() as journal, journal.claim(0, "me") as partition:
        messages = [Message(f"{i:03}", STREAM, b"", at=EPOCH + 1000 + i % 50) for i in range(200)]
        for message in messages:
            await partition.commit((), [message])
        expected = sorted(messages, key=lambda message: (message.at, message.id))
        assert [d.message for d in await take(partition, 200)] == expected


async def test_following_a_stream_gives_what_is_there_then_what_comes(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1, 2)])
        seen: list[int] = []

        async def follow() -> None:
            async for recorded in journal.follow(STREAM, after=1):
                seen.append(recorded.number)
                if len(seen) == 4:
                    return

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                for number in range(2, 5):
                    await trio.testing.wait_all_tasks_blocked()
                    await partition.commit([append(number, number + 1)])
        assert seen == [2, 3, 4, 5]


async def test_a_backup_has_what_every_commit_has_left_or_is_refused(open_again: OpenJournal, tmp_path: Path) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1, 2)])
        if journal.durability is Durability.MEMORY:
            with pytest.raises(Unavailable):
                await journal.copy_to(tmp_path / "backup")
            return
        await journal.copy_to(tmp_path / "backup")
        await partition.commit([append(2, 3)])
        with pytest.raises(StoreError):
            await journal.copy_to(tmp_path / "backup")
        await partition.commit([append(3, 4)])
    restore_backup(tmp_path / "backup", tmp_path / "copy", check=lambda *_: None, is_held=True, now=0.0)
    async with open_journal(tmp_path / "copy") as copied:
        assert values(await all_of(copied)) == [1, 2]
        async with copied.claim(0, "me") as partition:
            await partition.commit([append(2, 5)])
            assert values(await all_of(copied)) == [1, 2, 5]
    async with open_again() as journal:
        assert values(await all_of(journal)) == [1, 2, 3, 4]


async def everything_in(journal: KvJournal, stream: StreamId = STREAM) -> list[int]:
    async with journal.view() as view:
        head = read_head(view, 0, stream)
        return values(read_events(view, 0, stream, 1, head.last))


async def test_a_view_shows_one_moment_however_long_it_is_read(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1), append(0, 10, stream=OTHER)])
        async with journal.view() as view:
            before = view.scan(b"", b"\xff")
            await partition.commit([append(1, 2), Append.of(stream=OTHER, expected=1, events=[], remove=True)])
            assert read_head(view, 0, STREAM).last == 1
            assert values(read_events(view, 0, OTHER, 1, 1)) == [10]
            assert view.scan(b"", b"\xff") == before
            assert view.scan(b"", b"\xff", reverse=True) == before[::-1]
            assert all(view.get(key) == value for key, value in before)
            assert view.get(keys.record(0, STREAM, 2)) is None
        assert await everything_in(journal) == [1, 2]


async def test_a_view_begins_with_every_commit_that_has_returned(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        for n in range(20):
            await partition.commit([append(n, n)])
            assert await everything_in(journal) == list(range(n + 1))


async def test_views_of_different_moments_stand_side_by_side(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1)])
        async with journal.view() as earlier:
            await partition.commit([append(1, 2)])
            async with journal.view() as later:
                await partition.commit([append(2, 3)])
                assert [read_head(view, 0, STREAM).last for view in (earlier, later)] == [1, 2]


async def test_a_view_can_be_read_in_another_thread_while_commits_go_on(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, *range(1000))])
        async with journal.view() as view, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def commit_on() -> None:
                for n in range(50):
                    await partition.commit([append(1000 + n, n)])

            def read_again() -> set[int]:
                return {read_head(view, 0, STREAM).last for _ in range(500)}

            assert await trio.to_thread.run_sync(read_again) == {1000}


async def test_a_view_that_outlives_its_block_gives_nothing(open_again: OpenJournal) -> None:
    async with open_again() as journal, journal.claim(0, "me"):
        async with journal.view() as view:
            pass
        with raises(Unavailable, code="unavailable"):
            view.get(b"x")
        with raises(Unavailable, code="unavailable"):
            view.scan(b"", b"\xff")
