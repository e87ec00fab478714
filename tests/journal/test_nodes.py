"""The nodes of a cluster: who lives, who owns what, and when a node must not answer from memory."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from journal.errors import Fenced, Unavailable
from journal.kv.memory import MemoryStore
from journal.replicated.journal import open_replicated
from journal.replicated.membership import BEAT_SECONDS, DEAD_SECONDS, HeartbeatPace, MemoryMembership
from journal.replicated.memory_log import MemoryLog
from journal.replicated.node import STEADY_SECONDS, Node
from tests.journal.test_contract import append
from tests.raising import raises
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from journal.replicated.journal import ReplicatedJournal
    from journal.replicated.membership import Heard, Member

pytestmark = pytest.mark.virtual_time

PARTITIONS = 4


class Wire(MemoryMembership):
    """A membership from which nodes can be cut off: while a name is in ``cut``, nothing of it arrives, and it reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.cut: set[str] = set()


@attrs.define
class Link:
    """The membership as one node reaches it."""

    wire: Wire
    name: str
    pace = HeartbeatPace()

    async def beat(self, member: Member) -> None:
        await self._reach()
        await self.wire.beat(member)

    async def members(self) -> Sequence[Heard]:
        await self._reach()
        return await self.wire.members()

    async def leave(self, name: str) -> None:
        await self._reach()
        await self.wire.leave(name)

    async def changed(self) -> None:
        await self.wire.changed()

    async def _reach(self) -> None:
        if self.name in self.wire.cut:
            await trio.lowlevel.checkpoint()
            raise Unavailable("cut off")


@asynccontextmanager
async def member(wire: Wire, name: str) -> AsyncIterator[Node]:
    """A node that claims what is placed on it, without a journal, and releases what is placed elsewhere."""
    node = Node(Link(wire, name), name, partitions=PARTITIONS, clock=VirtualClock())

    async def own(partition: int) -> None:
        epoch = 0
        while True:
            await node.mine(partition)
            epoch = max([epoch, *(other.owned.get(partition, 0) for other in node.members())]) + 1
            node.claimed(partition, epoch)
            async with trio.open_nursery() as nursery:
                for ends in (node.lost, node.moved):
                    nursery.start_soon(_then_cancel, nursery, ends, partition)
            node.released(partition, epoch)

    async with trio.open_nursery() as nursery:
        await nursery.start(node.run)
        for partition in range(PARTITIONS):
            nursery.start_soon(own, partition)
        yield node
        nursery.cancel_scope.cancel()


async def _then_cancel(nursery: trio.Nursery, ends: object, partition: int) -> None:
    await ends(partition)  # type: ignore[operator]  # a method of a node
    nursery.cancel_scope.cancel()


def owned(node: Node) -> set[int]:
    return {partition for partition in range(PARTITIONS) if node.may_answer(partition)}


async def test_a_node_that_is_alone_owns_everything_at_once() -> None:
    async with member(Wire(), "a") as node:
        await trio.sleep(BEAT_SECONDS)
        assert owned(node) == {0, 1, 2, 3}
        assert all(node.owner_of(partition) == node.members()[0] for partition in range(PARTITIONS))


async def test_a_node_that_joins_gets_its_share_once_it_has_lived_for_a_while() -> None:
    wire = Wire()
    async with member(wire, "a") as first:
        await trio.sleep(1)
        async with member(wire, "b") as second:
            await trio.sleep(STEADY_SECONDS - BEAT_SECONDS)
            assert owned(second) == set()
            await trio.sleep(2 * BEAT_SECONDS)
            assert (len(owned(first)), len(owned(second))) == (2, 2)
            assert owned(first) | owned(second) == {0, 1, 2, 3}
            for partition in owned(second):
                assert getattr(first.owner_of(partition), "name", None) == "b"


async def test_a_node_that_is_silent_again_and_again_takes_partitions_with_it_only_once() -> None:
    wire = Wire()
    async with member(wire, "a") as first, member(wire, "b") as second:
        await trio.sleep(STEADY_SECONDS + 1)
        assert len(owned(second)) == 2
        for _ in range(3):
            wire.cut.add("b")
            await trio.sleep(DEAD_SECONDS + BEAT_SECONDS)
            wire.cut.clear()
            for _ in range(10):
                await trio.sleep(STEADY_SECONDS / 20)
                assert owned(first) == {0, 1, 2, 3}
        await trio.sleep(STEADY_SECONDS)
        assert len(owned(second)) == 2


async def test_a_node_that_leaves_gives_everything_away_first() -> None:
    wire = Wire()
    async with member(wire, "a") as first:
        async with member(wire, "b") as second:
            await trio.sleep(STEADY_SECONDS + 1)
            assert len(owned(second)) == 2
            await second.leave()
            assert owned(second) == set()
            await trio.sleep(BEAT_SECONDS)
            assert owned(first) == {0, 1, 2, 3}
        await first.leave()
        assert owned(first) == {0, 1, 2, 3}, "there is nobody else"


async def test_a_silent_node_is_dead_after_the_dead_time_and_answers_no_more_by_then() -> None:
    wire = Wire()
    async with member(wire, "a") as first, member(wire, "b") as second:
        await trio.sleep(STEADY_SECONDS + 1)
        assert len(owned(second)) == 2
        wire.cut.add("b")
        with trio.fail_after(DEAD_SECONDS + BEAT_SECONDS + 0.01):
            while owned(first) != {0, 1, 2, 3}:
                assert not owned(first) & owned(second)
                await trio.sleep(0.01)
        assert owned(second) == set()
        with trio.move_on_after(10):
            await second.mine(0)
            raise AssertionError("a node that nobody hears claims nothing")


async def test_a_node_that_was_silent_gives_up_the_claims_it_had() -> None:
    wire = Wire()
    async with member(wire, "a") as first:
        wire.cut.add("a")
        await trio.sleep(10)
        epochs = dict(first.members()[0].owned)
        assert owned(first) == set()
        wire.cut.clear()
        await trio.sleep(1)
        assert owned(first) == {0, 1, 2, 3}
        assert all(first.members()[0].owned[partition] > epoch for partition, epoch in epochs.items())


async def test_a_short_silence_costs_nothing() -> None:
    wire = Wire()
    async with member(wire, "a") as first:
        await trio.sleep(1)
        epochs = first.members()[0].owned
        wire.cut.add("a")
        await trio.sleep(DEAD_SECONDS - 2 * BEAT_SECONDS)
        wire.cut.clear()
        await trio.sleep(1)
        assert first.members()[0].owned == epochs


async def test_a_node_that_cannot_tell_the_others_answers_nothing_from_memory_meanwhile() -> None:
    wire = Wire()
    async with member(wire, "a") as node:
        await trio.sleep(BEAT_SECONDS)
        assert owned(node) == {0, 1, 2, 3}
        wire.cut.add("a")
        node.announce()
        with trio.fail_after(BEAT_SECONDS / 2):
            while owned(node):
                await node.changed()
        wire.cut.clear()
        await trio.sleep(2 * BEAT_SECONDS)
        assert owned(node) == {0, 1, 2, 3}


async def test_the_later_of_two_claims_counts_and_ends_the_earlier() -> None:
    wire = Wire()
    async with member(wire, "a") as first:
        await trio.sleep(1)
        other = Node(Link(wire, "b"), "b", partitions=PARTITIONS, clock=VirtualClock())
        async with trio.open_nursery() as nursery:
            await nursery.start(other.run)
            await trio.sleep(BEAT_SECONDS / 2)
            [taken, *_] = owned(first)
            other.claimed(taken, 100)
            await trio.sleep(BEAT_SECONDS)
            assert taken not in owned(first)
            assert getattr(first.owner_of(taken), "name", None) == "b"
            nursery.cancel_scope.cancel()


async def test_a_node_waits_until_the_owner_has_released_what_is_placed_on_it() -> None:
    wire = Wire()
    async with trio.open_nursery() as nursery:
        other = Node(Link(wire, "b"), "b", partitions=PARTITIONS, clock=VirtualClock())
        await nursery.start(other.run)
        await trio.sleep(BEAT_SECONDS)
        for partition in range(PARTITIONS):
            other.claimed(partition, 1)
        async with member(wire, "a") as first:
            await trio.sleep(5)
            assert owned(first) == set()
            for partition in range(PARTITIONS):
                other.released(partition, 1)
            await trio.sleep(BEAT_SECONDS)
            assert len(owned(first)) == 2
        nursery.cancel_scope.cancel()


async def test_a_node_claims_nothing_before_it_obeys_what_the_others_obey() -> None:
    wire = Wire()
    async with trio.open_nursery() as nursery:
        other = Node(Link(wire, "b"), "b", partitions=PARTITIONS, clock=VirtualClock())
        other.registry_version = lambda: 7
        await nursery.start(other.run)
        async with member(wire, "a") as first:
            await trio.sleep(5)
            assert owned(first) == set()
            first.registry_version = lambda: 7
            first.announce()
            await trio.sleep(BEAT_SECONDS)
            assert len(owned(first)) == 2
        nursery.cancel_scope.cancel()


async def test_clocks_that_differ_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    wire, late = Wire(), VirtualClock()
    late.shift(-3.0)
    async with member(wire, "a"), trio.open_nursery() as nursery:
        await nursery.start(Node(Link(wire, "b"), "b", partitions=PARTITIONS, clock=late).run)
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    said = [record.getMessage() for record in caplog.records if "clock" in record.getMessage()]
    assert len(said) == 2, "once by each"


async def test_a_node_logs_once_that_it_is_cut_off_and_once_that_it_is_not(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire()
    async with member(wire, "a"):
        wire.cut.add("a")
        await trio.sleep(10)
        wire.cut.discard("a")
        await trio.sleep(10)
    said = [record.getMessage() for record in caplog.records if "membership" in record.getMessage()]
    assert said == [
        "node a cannot reach the membership of the cluster: cut off",
        "node a reaches the membership of the cluster again",
    ]


# Journals.


@asynccontextmanager
async def journal_of(wire: Wire, name: str, log: MemoryLog) -> AsyncIterator[tuple[Node, ReplicatedJournal]]:
    node = Node(Link(wire, name), name, partitions=2, clock=VirtualClock())
    async with (
        trio.open_nursery() as nursery,
        open_replicated(MemoryStore(), log, partitions=2, clock=VirtualClock(), placement=node) as journal,
    ):
        await nursery.start(node.run)
        yield node, journal
        nursery.cancel_scope.cancel()


async def test_a_claim_is_said_in_the_beat_and_its_end_too() -> None:
    wire, log = Wire(), MemoryLog()
    async with journal_of(wire, "a", log) as (node, journal):
        async with journal.claim(0, "engine") as claimed:
            assert node.members()[0].owned == {0: claimed.epoch}
            assert node.may_answer(0)
        assert node.members()[0].owned == {}


async def test_the_claim_of_a_node_that_was_silent_ends_although_it_commits_nothing() -> None:
    wire, log = Wire(), MemoryLog()
    async with journal_of(wire, "a", log) as (first, journal):
        with raises(Fenced, partition=0):
            async with journal.claim(0, "engine"), journal_of(wire, "b", log) as (_, other):
                wire.cut.add("a")
                async with other.claim(0, "engine") as partition:
                    await partition.commit([append(0, 1)])
                    assert not first.may_answer(0)
                    wire.cut.clear()
                    await trio.sleep(1)
                    raise AssertionError("the claim has not ended")
