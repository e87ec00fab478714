"""The journal on disk, the journal in memory and a model of a page agree, whatever is done to them.

Hypothesis draws what is done; both journals and the model do it; then everything that can be read is compared, and the two
stores row by row. Below stand the smallest cases of what the random rules cannot reach: two things at once, and a commit
that is seen before it has returned. ``AGREEMENT_EXAMPLES`` sets how many runs are drawn, and asks for new ones.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import attrs
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from journal import events as e
from journal import keys
from journal.errors import Conflict
from journal.events import Recorded, Stamp
from journal.ids import StreamId
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch
from journal.log.inbox import decode_message
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal
from journal.log.protocol import DEDUPLICATION_SECONDS, Append, Due, Message, Partition
from journal.stored_stream import StoredStream
from tests.journal.samples import EVENTS

PARTITIONS = 2
STREAMS = [StreamId(number) for number in range(4)]
EPOCH = 1_800_000_000.0
LAST_KEY = b"\xff" * 8
ALL = 1_000_000
AFTER = 2
ENTRY = (Stamp(1.0, "a", "b"), EVENTS[0])

T = TypeVar("T")


class SetClock:
    """A wall clock that stands still until it is set."""

    def __init__(self) -> None:
        self.at = EPOCH

    def now(self) -> float:
        return self.at

    async def sleep_until(self, at: float) -> None:
        await trio.sleep_forever()


class TrioBeside:
    """A trio run in a thread of its own, so that what is not async can have something done in it, a thing at a time."""

    def __init__(self) -> None:
        self._tokens: SimpleQueue[trio.lowlevel.TrioToken] = SimpleQueue()
        self._over = trio.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._stay,))
        self._thread.start()
        self._token = self._tokens.get()

    async def _stay(self) -> None:
        self._tokens.put(trio.lowlevel.current_trio_token())
        await self._over.wait()

    def do(self, action: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """What the action returns, or raises."""
        return trio.from_thread.run(action, *arguments, trio_token=self._token)

    def end(self) -> None:
        trio.from_thread.run_sync(self._over.set, trio_token=self._token)
        self._thread.join()


async def due_now(partition: Partition) -> list[Due]:
    """What the mailbox hands out without waiting."""
    taken: list[Due] = []

    async def take() -> None:
        async for due in partition.messages():
            taken.extend(due)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return taken


@attrs.define
class View:
    """All that can be read of a journal: every stream, also from behind an event; every object; heads; the whole store."""

    streams: dict[StreamId, list[Recorded]]
    behind: dict[StreamId, list[Recorded]]
    stored: dict[StreamId, StoredStream | None]
    heads: list[tuple[StreamId, int]]
    store: dict[bytes, bytes]

    def rows_below(self, prefix: bytes) -> dict[bytes, bytes]:
        return {key: value for key, value in self.store.items() if key.startswith(prefix)}


@attrs.define
class Journals:
    """Both journals, open and claimed. All of it runs inside trio."""

    directory: Path
    clock: SetClock
    memory: MemoryStore = attrs.field(factory=MemoryStore)
    both: list[KvJournal] = attrs.field(factory=list)
    claims: list[list[Partition]] = attrs.field(factory=list)
    stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)

    async def open(self) -> None:
        on_disk = open_journal(self.directory, partitions=PARTITIONS, clock=self.clock)
        self.both = [
            KvJournal(self.memory, partitions=PARTITIONS, clock=self.clock),
            await self.stack.enter_async_context(on_disk),
        ]
        self.claims = [
            [await self.stack.enter_async_context(journal.claim(number, "me")) for number in range(PARTITIONS)]
            for journal in self.both
        ]

    async def close(self) -> None:
        await self.stack.aclose()

    async def commit(
        self, number: int, appends: Sequence[Append], messages: Sequence[Message], retracted: Sequence[Message]
    ) -> list[str]:
        """What became of it, in each."""
        outcomes = []
        for claims in self.claims:
            try:
                await claims[number].commit(appends, messages, retracted)
                outcomes.append("committed")
            except Conflict as conflict:
                outcomes.append(str(conflict))
        return outcomes

    async def send(self, message: Message) -> None:
        for journal in self.both:
            await journal.send(message)

    async def due(self, number: int) -> list[list[Due]]:
        return [await due_now(claims[number]) for claims in self.claims]

    async def history(self, stream: StreamId, spans: Sequence[tuple[int, int]]) -> list[list[Recorded]]:
        return [await claims[stream % PARTITIONS].history(stream, spans) for claims in self.claims]

    async def views(self) -> list[View]:
        return [
            View(
                streams={s: [recorded async for recorded in journal.read(s)] for s in STREAMS},
                behind={s: [recorded async for recorded in journal.read(s, AFTER)] for s in STREAMS},
                stored={s: await claims[s % PARTITIONS].load(s) for s in STREAMS},
                heads=[head for number in range(PARTITIONS) async for head in journal.heads(number)],
                store=dict(journal.scan(b"", LAST_KEY, limit=ALL)),
            )
            for journal, claims in zip(self.both, self.claims, strict=True)
        ]


@attrs.define
class ModelStream:
    """A stream as a list. ``ends`` are the numbers that appends ended with, because only whole appends are cut off."""

    events: list[Recorded] = attrs.field(factory=list)
    ends: list[int] = attrs.field(factory=list)
    trimmed: int = 0
    snapshot_at: int = 0
    snapshot: bytes | None = None

    @property
    def last(self) -> int:
        return self.ends[-1] if self.ends else 0

    def kept(self, after: int = 0) -> list[Recorded]:
        return [r for r in self.events if r.number > max(after, self.trimmed)]

    def stored(self) -> StoredStream | None:
        if not self.ends:
            return None
        return StoredStream(
            last=self.last,
            trimmed=self.trimmed,
            snapshot_at=self.snapshot_at,
            snapshot=self.snapshot,
            events=self.kept(self.snapshot_at),
        )

    def apply(self, append: Append) -> None:
        for number in append.erased:
            self.events[number - 1] = Recorded(number, self.events[number - 1].stamp, e.Erased())
        self.trimmed = max([self.trimmed, *(end for end in self.ends if end <= append.trim_to)])
        if append.events:
            self.events += [Recorded(n, *entry) for n, entry in enumerate(append.events.events, self.last + 1)]
            self.ends.append(len(self.events))
        if append.snapshot is not None:
            self.snapshot_at, self.snapshot = self.last, append.snapshot


@attrs.define
class ModelMailbox:
    """The letters of a partition: those without a date as they came, those with one by date; which are handed out."""

    arrived: list[Message] = attrs.field(factory=list)
    dated: dict[tuple[float, str], Message] = attrs.field(factory=dict)
    seen: dict[str, float] = attrs.field(factory=dict)
    out: dict[str, Due] = attrs.field(factory=dict)

    def put(self, message: Message, now: float) -> None:
        if message.at is not None:
            self.dated[message.at, message.id] = message
        elif message not in self.arrived and now >= self.seen.get(message.id, 0.0) + DEDUPLICATION_SECONDS:
            self.seen[message.id] = now
            self.arrived.append(message)

    def remove(self, message: Message) -> None:
        self.out.pop(message.id, None)
        if message.at is not None:
            self.dated.pop((message.at, message.id), None)
        else:
            self.arrived.remove(message)

    def next_date(self, now: float) -> float | None:
        return min((at for at, _ in self.dated if at > now), default=None)

    def due(self, now: float) -> list[Message]:
        dated = [self.dated[key] for key in sorted(self.dated) if key[0] <= now]
        return [message for message in self.arrived + dated if message.id not in self.out]


stamps = st.sampled_from([Stamp(1.0, "a", "b"), Stamp(2.5, "c", "d")])
entries = st.lists(st.tuples(stamps, st.sampled_from(EVENTS)), min_size=1, max_size=4)
items = st.dictionaries(st.integers(0, 2), st.none() | st.binary(max_size=4), max_size=3)
messages = st.lists(st.integers(0, 5), max_size=2)
streams = st.sampled_from(STREAMS)


class Agreement(RuleBasedStateMachine):
    @initialize()
    def open_both(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="playhead-agreement-"))
        self.trio = TrioBeside()
        self.clock = SetClock()
        self.generation, self.generation_began = 0, EPOCH
        self.changed = True
        self.dealt_with: list[Message] = []
        self.journals = Journals(self.folder / "data", self.clock)
        self.streams: dict[StreamId, ModelStream] = {}
        self.rows: dict[bytes, bytes] = {}
        self.mailboxes = [ModelMailbox() for _ in range(PARTITIONS)]
        self.trio.do(self.journals.open)

    def teardown(self) -> None:
        if hasattr(self, "trio"):
            try:
                self.trio.do(self.journals.close)
            finally:
                self.trio.end()
                shutil.rmtree(self.folder)

    @rule(stream=streams, also=streams, new=entries, messages=messages)
    def append(self, stream: StreamId, also: StreamId, new: list[tuple[Stamp, e.Event]], messages: list[int]) -> None:
        """Append to a stream, and to another one if it lives in the same partition, and send letters with it."""
        number = stream % PARTITIONS
        together = {stream, also} if also % PARTITIONS == number else {stream}
        appends = [Append.of(stream=s, expected=self.last_of(s), events=new) for s in sorted(together)]
        self.commit(number, appends, [self.message(n) for n in messages])

    @rule(data=st.data(), stream=streams, new=entries, rows=items)
    def append_with_all_there_is(
        self, data: st.DataObject, stream: StreamId, new: list[tuple[Stamp, e.Event]], rows: dict[int, bytes | None]
    ) -> None:
        number, kept = stream % PARTITIONS, self.streams.get(stream, ModelStream())
        snapshot = data.draw(st.none() | st.binary(max_size=4), "snapshot")
        covered = kept.last + len(new) if snapshot is not None else kept.snapshot_at
        trim_to = data.draw(st.sampled_from([0, covered]) | st.integers(0, covered), "trim_to")
        erasable = [r.number for r in kept.kept(trim_to)]
        append = Append.of(
            stream=stream,
            expected=kept.last,
            events=new,
            snapshot=snapshot,
            rows={keys.log_item(number, stream, "f", index): value for index, value in rows.items()},
            erased=data.draw(st.sets(st.sampled_from(erasable), max_size=3).map(sorted), "erased") if erasable else (),
            trim_to=trim_to,
            consumed=self.draw_some_taken(data, number),
        )
        self.commit(number, [append])

    @rule(data=st.data(), stream=streams)
    def take_what_is_due_and_deal_with_it(self, data: st.DataObject, stream: StreamId) -> None:
        number = stream % PARTITIONS
        self.take_what_is_due()
        consumed = self.draw_some_taken(data, number)
        self.commit(
            number, [Append.of(stream=stream, expected=self.last_of(stream), events=[ENTRY], consumed=consumed)]
        )

    def draw_some_taken(self, data: st.DataObject, number: int) -> list[bytes]:
        taken = sorted(due.position for due in self.mailboxes[number].out.values())
        return data.draw(st.sets(st.sampled_from(taken)).map(sorted), "consumed") if taken else []

    def last_of(self, stream: StreamId) -> int:
        return self.streams.get(stream, ModelStream()).last

    def commit(
        self,
        number: int,
        appends: Sequence[Append],
        messages: Sequence[Message] = (),
        retracted: Sequence[Message] = (),
    ) -> None:
        assert self.trio.do(self.journals.commit, number, appends, messages, retracted) == ["committed"] * 2
        self.changed = True
        for append in appends:
            if append.remove:
                del self.streams[append.stream]
                prefix = keys.items_of_object(number, append.stream)
                self.rows = {key: value for key, value in self.rows.items() if not key.startswith(prefix)}
            else:
                self.streams.setdefault(append.stream, ModelStream()).apply(append)
            for key, value in append.rows.items():
                self.rows.pop(key, None)
                if value is not None:
                    self.rows[key] = value
            mailbox = self.mailboxes[number]
            for due in [due for due in mailbox.out.values() if due.position in append.consumed]:
                mailbox.remove(due.message)
                self.dealt_with.append(due.message)
        for message in retracted:
            self.mailboxes[number].remove(message)
        for message in messages:
            self.mailboxes[message.to % PARTITIONS].put(message, self.clock.at)

    @rule(stream=streams, off_by=st.sampled_from([-2, -1, 1, 2]), messages=messages)
    def append_to_another_end(self, stream: StreamId, off_by: int, messages: list[int]) -> None:
        """Nothing of a commit with a conflict is kept, neither the other appends nor the letters."""
        number = stream % PARTITIONS
        (other,) = (s for s in STREAMS if s % PARTITIONS == number and s != stream)
        good = Append.of(stream=other, expected=self.last_of(other), events=[ENTRY])
        bad = Append.of(stream=stream, expected=max(-1, self.last_of(stream) + off_by), events=[ENTRY])
        outcomes = self.trio.do(self.journals.commit, number, [good, bad], [self.message(n) for n in messages], [])
        assert outcomes == [str(Conflict(stream, bad.expected, self.last_of(stream)))] * 2

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        stream = data.draw(st.sampled_from(sorted(self.streams)), "stream")
        append = Append.of(stream=stream, expected=self.last_of(stream), events=[], remove=True)
        self.commit(stream % PARTITIONS, [append])

    def message(self, number: int) -> Message:
        """Some have a date. From time to time all get new ids, because ids are forgotten after a while."""
        at = self.generation_began + 40 * number if number % 2 else None
        return Message(f"{self.generation}-{number}", STREAMS[number * 2 % 5 % 4], b"%d" % number, at)

    @rule(number=st.integers(0, 5))
    def send(self, number: int) -> None:
        message = self.message(number)
        self.changed = True
        self.trio.do(self.journals.send, message)
        self.mailboxes[message.to % PARTITIONS].put(message, self.clock.at)

    @precondition(lambda self: self.dealt_with)
    @rule(data=st.data())
    def send_again_what_was_dealt_with(self, data: st.DataObject) -> None:
        """One with a date comes again; one without does not, for a while."""
        message = data.draw(st.sampled_from(self.dealt_with), "letter")
        self.trio.do(self.journals.send, message)
        self.mailboxes[message.to % PARTITIONS].put(message, self.clock.at)
        self.take_what_is_due()

    @precondition(lambda self: any(mailbox.dated for mailbox in self.mailboxes))
    @rule(data=st.data())
    def retract(self, data: st.DataObject) -> None:
        dated = [message for mailbox in self.mailboxes for message in mailbox.dated.values()]
        message = data.draw(st.sampled_from(dated), "letter")
        self.commit(message.to % PARTITIONS, (), (), [message])

    @rule()
    def take_what_is_due(self) -> None:
        for number, mailbox in enumerate(self.mailboxes):
            in_memory, on_disk = self.trio.do(self.journals.due, number)
            assert in_memory == on_disk
            assert [due.message for due in on_disk] == mailbox.due(self.clock.at)
            mailbox.out.update({due.message.id: due for due in on_disk})

    @precondition(lambda self: any(mailbox.next_date(self.clock.at) for mailbox in self.mailboxes))
    @rule(short_by=st.sampled_from([0.0, 0.25]))
    def let_a_date_come(self, short_by: float) -> None:
        """Set the clock to the next date of a letter, or a little before it, and look."""
        dates = [mailbox.next_date(self.clock.at) for mailbox in self.mailboxes]
        self.clock.at = max(self.clock.at, min(date for date in dates if date is not None) - short_by)
        self.take_what_is_due()

    @rule(seconds=st.sampled_from([0.25, 300.0, DEDUPLICATION_SECONDS]))
    def let_time_pass(self, seconds: float) -> None:
        self.clock.at += seconds
        if self.clock.at - self.generation_began >= DEDUPLICATION_SECONDS:
            self.generation, self.generation_began = self.generation + 1, self.clock.at
            self.dealt_with.clear()

    @precondition(lambda self: any(stream.kept() for stream in self.streams.values()))
    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        stream = data.draw(st.sampled_from(sorted(s for s, kept in self.streams.items() if kept.kept())), "stream")
        kept = self.streams[stream]
        number = st.integers(kept.trimmed + 1, kept.last)
        spans = data.draw(st.lists(st.tuples(number, number).map(sorted).map(tuple), max_size=2), "spans")
        expected = [r for first, last in spans for r in kept.events[first - 1 : last]]
        assert self.trio.do(self.journals.history, stream, spans) == [expected] * 2

    @precondition(lambda self: self.changed)
    @rule()
    def open_again(self) -> None:
        self.changed = False
        self.trio.do(self.journals.close)
        self.trio.do(self.journals.open)
        for mailbox in self.mailboxes:
            mailbox.out.clear()

    @invariant()
    def everything_that_can_be_read_agrees(self) -> None:
        in_memory, on_disk = self.trio.do(self.journals.views)
        assert in_memory == on_disk
        model = {s: self.streams.get(s, ModelStream()) for s in STREAMS}
        assert on_disk.streams == {s: kept.kept() for s, kept in model.items()}
        assert on_disk.behind == {s: kept.kept(AFTER) for s, kept in model.items()}
        assert on_disk.stored == {s: kept.stored() for s, kept in model.items()}
        assert on_disk.heads == [
            (s, model[s].last) for n in range(PARTITIONS) for s in STREAMS[n::PARTITIONS] if s in self.streams
        ]
        assert on_disk.rows_below(keys.items_of_object(0, STREAMS[0])[:1]) == self.rows
        for number, mailbox in enumerate(self.mailboxes):
            arrived = on_disk.rows_below(keys.messages(number)).values()
            assert [decode_message(data) for data in arrived] == mailbox.arrived
            dated = on_disk.rows_below(keys.dated_messages(number)).values()
            assert [decode_message(data) for data in dated] == [mailbox.dated[key] for key in sorted(mailbox.dated)]


_EXAMPLES = os.environ.get("AGREEMENT_EXAMPLES")
Agreement.TestCase.settings = settings(
    max_examples=int(_EXAMPLES or 80),
    stateful_step_count=40,
    derandomize=_EXAMPLES is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestEverythingThatCanBeReadAgrees = Agreement.TestCase


# Two things at once.


class SlowStore(MemoryStore):
    """A commit waits until it is let through. ``shows_early``: reads see it meanwhile, as on a disk that is being synced."""

    def __init__(self, *, shows_early: bool = False) -> None:
        super().__init__()
        self._shows_early = shows_early
        self.gate = trio.Event()
        self.gate.set()

    async def commit(self, batch: Batch) -> None:
        if self._shows_early:
            await super().commit(batch)
            await self.gate.wait()
        else:
            await self.gate.wait()
            await super().commit(batch)


def ids(due: Sequence[Due]) -> list[str]:
    return [d.message.id for d in due]


def undated(message_id: str, stream: StreamId = STREAMS[0]) -> Message:
    return Message(message_id, stream, b"")


async def test_two_messages_sent_at_once_to_a_partition_without_an_owner_both_arrive() -> None:
    journal = KvJournal(MemoryStore(), clock=SetClock())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.send, undated("a"))
        nursery.start_soon(journal.send, undated("b"))
    async with journal.claim(0, "me") as partition:
        assert sorted(ids(await due_now(partition))) == ["a", "b"]


async def test_two_messages_of_one_commit_to_a_partition_without_an_owner_both_arrive() -> None:
    journal = KvJournal(MemoryStore(), partitions=2, clock=SetClock())
    async with journal.claim(0, "me") as partition:
        await partition.commit((), [undated("a", STREAMS[1]), undated("b", STREAMS[3])])
    async with journal.claim(1, "me") as partition:
        assert ids(await due_now(partition)) == ["a", "b"]


async def test_a_message_on_its_way_while_a_partition_changes_hands_is_not_overwritten() -> None:
    store = SlowStore()
    journal = KvJournal(store, clock=SetClock())
    async with journal.claim(0, "old") as old:
        store.gate = trio.Event()

        async def claim_anew() -> None:
            async with journal.claim(0, "new") as new:
                await journal.send(undated("b"))
                assert ids(await due_now(new)) == ["a", "b"]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(old.commit, (), [undated("a")])
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(claim_anew)
            await trio.testing.wait_all_tasks_blocked()
            store.gate.set()


async def test_a_message_read_before_its_commit_has_returned_comes_once() -> None:
    store = SlowStore(shows_early=True)
    journal = KvJournal(store, clock=SetClock())
    before = [str(number) for number in range(300)]  # more than are handed out together
    for message_id in before:
        await journal.send(undated(message_id))
    async with journal.claim(0, "me") as partition:
        store.gate = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.send, undated("last"))
            await trio.testing.wait_all_tasks_blocked()
            first = await anext(partition.messages())
            store.gate.set()
        assert ids(first) + ids(await due_now(partition)) == [*before, "last"]


async def test_a_message_sent_twice_at_once_comes_once() -> None:
    journal = KvJournal(MemoryStore(), clock=SetClock())
    async with journal.claim(0, "me") as partition:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.send, undated("a"))
            nursery.start_soon(journal.send, undated("a"))
        assert ids(await due_now(partition)) == ["a"]


async def test_a_message_that_still_waits_is_not_doubled_by_sending_it_again_however_late() -> None:
    clock = SetClock()
    journal = KvJournal(MemoryStore(), clock=clock)
    for _ in range(3):
        await journal.send(undated("a"))
        clock.at += DEDUPLICATION_SECONDS + 1
    async with journal.claim(0, "me") as partition:
        assert ids(await due_now(partition)) == ["a"]


async def test_a_message_whose_id_is_forgotten_comes_again() -> None:
    clock = SetClock()
    journal = KvJournal(MemoryStore(), clock=clock)
    async with journal.claim(0, "me") as partition:
        await journal.send(undated("a"))
        (due,) = await due_now(partition)
        await partition.commit([Append.of(stream=STREAMS[0], expected=0, events=[], consumed=[due.position])])
        clock.at += DEDUPLICATION_SECONDS + 1
        await journal.send(undated("a"))
        assert ids(await due_now(partition)) == ["a"]


async def test_a_cancelled_wait_for_messages_takes_none_away() -> None:
    journal = KvJournal(MemoryStore(), clock=SetClock())
    async with journal.claim(0, "me") as partition:
        await journal.send(undated("a"))
        with trio.CancelScope() as scope:
            scope.cancel()
            async for _ in partition.messages():
                break
        assert ids(await due_now(partition)) == ["a"]


@pytest.mark.parametrize(
    "shortening",
    [
        Append.of(stream=STREAMS[0], expected=3, events=[], snapshot=b"s", trim_to=2),
        Append.of(stream=STREAMS[0], expected=3, events=[], remove=True),
    ],
    ids=["trim", "remove"],
)
async def test_a_stream_reads_well_while_it_is_being_shortened(shortening: Append) -> None:
    store = SlowStore(shows_early=True)
    journal = KvJournal(store, clock=SetClock())
    async with journal.claim(0, "me") as partition:
        await partition.commit([Append.of(stream=STREAMS[0], expected=0, events=[ENTRY])])
        await partition.commit([Append.of(stream=STREAMS[0], expected=1, events=[ENTRY, ENTRY])])
        store.gate = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partition.commit, [shortening])
            await trio.testing.wait_all_tasks_blocked()
            try:
                assert [recorded.number async for recorded in journal.read(STREAMS[0])] in ([1, 2, 3], [2, 3], [])
            finally:
                store.gate.set()


async def test_rows_and_heads_are_those_of_the_commits_that_have_returned() -> None:
    store = SlowStore(shows_early=True)
    journal = KvJournal(store, clock=SetClock())
    key = keys.log_item(0, STREAMS[0], "f", 0)
    async with journal.claim(0, "me") as partition:
        store.gate = trio.Event()
        async with trio.open_nursery() as nursery:
            append = Append.of(stream=STREAMS[0], expected=0, events=[ENTRY], rows={key: b"new"})
            nursery.start_soon(partition.commit, [append])
            await trio.testing.wait_all_tasks_blocked()
            seen = journal.get(key), [head async for head in journal.heads(0)]
            store.gate.set()
        assert seen == (None, [])


async def test_what_is_cut_off_is_gone_also_if_the_same_append_erases_some_of_it() -> None:
    journal = KvJournal(MemoryStore(), clock=SetClock())
    stream = STREAMS[0]
    async with journal.claim(0, "me") as partition:
        for number in range(3):
            await partition.commit([Append.of(stream=stream, expected=number, events=[ENTRY])])
        await partition.commit([Append.of(stream=stream, expected=3, events=[], snapshot=b"s", trim_to=2, erased=[1])])
        kept = journal.scan(keys.record(0, stream, 0), keys.record(0, stream, ALL), limit=ALL)
        assert [keys.first_number_of(key) for key, _ in kept] == [3]
