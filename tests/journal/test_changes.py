"""What has changed since a position: told once it is durable, to whoever looks, and never passed over in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from journal import events as e
from journal import invocation_keys
from journal.events import Stamp
from journal.ids import InvocationId, StreamId, invocation_id
from journal.kv.memory import MemoryStore
from journal.log import changes as module
from journal.log.kv_journal import KvJournal
from journal.log.protocol import Append, Partition
from tests.lab import quiet
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def journal() -> KvJournal:
    return KvJournal(MemoryStore(), clock=VirtualClock())


@pytest.fixture
async def partition(journal: KvJournal) -> AsyncIterator[Partition]:
    async with journal.claim(0, "test") as claimed:
        yield claimed


def id_of(stream: int, unique: int = 1) -> InvocationId:
    return invocation_id(StreamId(stream), unique)


async def append(partition: Partition, stream: int, *, expected: int = 0, rows: tuple[InvocationId, ...] = ()) -> None:
    event = e.ObjectCreated(service="S", key=str(stream), kind=e.Kind.ACTOR)
    await partition.commit(
        [
            Append.of(
                stream=StreamId(stream),
                expected=expected,
                events=[(Stamp(1.0, "test", "test"), event)],
                rows={invocation_keys.invocation(0, of): b"row" for of in rows},
            )
        ]
    )


async def test_what_was_committed_since_is_told_once_each_with_its_last_event(
    journal: KvJournal, partition: Partition
) -> None:
    begin = journal.changes.look()
    one, two = id_of(1), id_of(2)
    await append(partition, 1, rows=(one,))
    await append(partition, 2, rows=(two,))
    await append(partition, 1, expected=1, rows=(one,))
    found = journal.changes.since(begin, limit=10)
    assert found.is_complete
    assert found.streams == {1: 2, 2: 1}
    assert found.invocations == [two, one]
    assert journal.changes.since(found.position, limit=10).streams == {}
    assert list(journal.changes.since(begin + 2, limit=10).streams) == [1]


async def test_more_than_the_limit_is_said_to_be_incomplete_and_the_latest_are_told(
    journal: KvJournal, partition: Partition
) -> None:
    begin = journal.changes.look()
    for stream in range(5):
        await append(partition, stream, rows=(id_of(stream),))
    found = journal.changes.since(begin, limit=2)
    assert (found.is_complete, found.invocations, set(found.streams)) == (False, [id_of(3), id_of(4)], {3, 4})


async def test_whoever_comes_back_too_late_or_from_an_earlier_process_is_told(
    journal: KvJournal, partition: Partition
) -> None:
    begin = journal.changes.look()
    await trio.sleep(module.KEPT_SECONDS + 1)
    await append(partition, 1)
    await append(partition, 2)
    assert not journal.changes.since(begin, limit=10).is_complete
    assert journal.changes.since(journal.changes.look(), limit=10).is_complete
    assert not journal.changes.since(5, limit=10).is_complete
    assert not journal.changes.since(2**62, limit=10).is_complete


async def test_a_later_process_has_later_positions(journal: KvJournal) -> None:
    before = journal.changes.look()
    await trio.sleep(0.001)
    assert KvJournal(MemoryStore(), clock=journal.clock).changes.look() > before


async def test_only_so_many_are_kept(journal: KvJournal, partition: Partition, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    begin = journal.changes.look()
    for stream in range(5):
        await append(partition, stream, rows=(id_of(stream),))
    found = journal.changes.since(begin, limit=10)
    assert (found.is_complete, list(found.streams)) == (False, [4, 3, 2])
    assert journal.changes.since(begin + 2, limit=10).is_complete


async def test_waiting_ends_with_the_next_change_however_late(journal: KvJournal, partition: Partition) -> None:
    begin = journal.changes.look()
    ended: list[float] = []

    async def wait() -> None:
        await journal.changes.wait(begin)
        ended.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await quiet()
        await trio.sleep(10 * module.KEPT_SECONDS)
        assert ended == []
        await append(partition, 1)
    assert journal.changes.since(begin, limit=10).is_complete
