"""Partitions that an operator moves: from a node that is drained, and to a node that is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, handler
from actors.errors import ErrorCode, ResourceKind
from actors.types import NodeState
from tests.cluster import Cluster, Peer
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = on_virtual_time


class Tally(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value


@pytest.fixture
def lab() -> Cluster:
    return Cluster(Tally, over_http=True)


def loads(peers: Sequence[Peer]) -> list[int]:
    return [len(peer.owned()) for peer in peers]


async def noted(peer: Peer) -> list[tuple[str, str, str, str]]:
    """What the audit log says of nodes, oldest first; a refusal by its code."""
    found = (await peer.client.audit()).entries[::-1]
    return [
        (e.verb, e.target, e.reason, e.refusal.partition(":")[0])
        for e in found
        if e.target.startswith(("node:", "partition:"))
    ]


async def test_a_drained_node_owns_nothing_until_it_is_undrained_and_callers_notice_nothing(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        keys = [lab.key_on(Tally, peer) for peer in (one, two)]
        longest, counts = 0.0, dict.fromkeys(keys, 0)

        async def count(key: str) -> None:
            nonlocal longest
            while True:
                began = trio.current_time()
                counts[key] += 1
                assert await two.client.actor(Tally, key).add(1) == counts[key]
                longest = max(longest, trio.current_time() - began)
                await trio.sleep(0.05)

        async with trio.open_nursery() as nursery:
            for key in keys:
                nursery.start_soon(count, key)
            answer = await two.client.cluster.drain("n1", reason="upgrade")
            assert (answer.changed, answer.node.state, answer.node.partitions) == (True, NodeState.DRAINING, ())
            assert loads([one, two]) == [0, 4]
            assert not (await one.client.cluster.drain("n1")).changed
            await trio.sleep(5)
            assert loads([one, two]) == [0, 4]
            assert await one.client.actor(Tally, "asked here").add(1) == 1
            assert (await one.client.cluster.undrain("n1")).changed
            await lab.balanced()
            nursery.cancel_scope.cancel()
        assert longest <= 0.3
        assert (await noted(one))[0] == ("drain-node", "node:n1", "upgrade", "")


async def test_a_partition_moves_to_a_node_and_stays_there(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        for source, target, asked in ((one, two, one), (two, one, one), (one, two, two)):
            partition = min(source.owned())
            answer = await asked.client.cluster.move(partition, target.name, reason="it is busy")
            assert (answer.changed, answer.node.name) == (True, target.name)
            assert partition in target.owned()
            await lab.balanced()
            assert partition in target.owned()
        assert not (await one.client.cluster.move(partition, two.name)).changed
        async with lab.peer("late"):
            await lab.balanced()
            assert partition in two.owned()
        assert [node.name for node in await one.client.cluster.nodes()] == ["n1", "n2"]


async def test_the_rules_of_a_node_end_with_it(lab: Cluster) -> None:
    async with lab.running(1) as [one]:
        async with lab.peer("n2"):
            await lab.balanced()
            await one.client.cluster.move(min(one.owned()), "n2")
            await one.client.cluster.drain("n2")
        async with lab.peer("n3") as three:
            await lab.balanced()
            await one.client.cluster.move(min(one.owned()), "n3")
            rules = one.engine.registry.placement
            assert (rules.draining, [*rules.moved.values()]) == (frozenset(), ["n3"])
            await one.client.cluster.drain("n3")
            assert loads([one, three]) == [4, 0]


async def test_what_cannot_be_moved_is_refused_and_audited(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        cluster: Any = one.client.cluster
        await two.client.cluster.drain("n2")
        for refused in (cluster.drain("n1"), cluster.move(0, "n2")):
            with raises(actors.ConflictError, code=ErrorCode.NOT_POSSIBLE):
                await refused
        for refused in (cluster.drain("n9"), cluster.undrain("n9"), cluster.move(0, "n9")):
            with raises(actors.NotFoundError, kind=ResourceKind.NODE):
                await refused
        for number in (4, -1, 1 << 20, "1"):
            with raises(actors.InvalidArgumentError, path="partition"):
                await cluster.move(number, "n1")
        assert [refusal for *_, refusal in await noted(one)] == [
            "",
            *["not_possible"] * 2,
            *["not_found"] * 3,
            "invalid_argument",
        ]


async def test_a_node_that_does_not_let_go_is_named(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        partition = min(one.owned())
        two.is_behind = True
        with pytest.raises(actors.TooSlowError) as raised:
            await one.client.cluster.move(partition, "n2")
        assert raised.value.details == {"nodes": ["n2"]}
        two.is_behind = False
        await trio.sleep(2)
        assert partition in two.owned(), "the move holds"


async def test_a_runtime_that_is_no_node_has_nothing_to_move() -> None:
    async with actors.open_runtime(Tally, durability="memory") as runtime:
        for asked in (runtime.client.cluster.nodes(), runtime.client.cluster.drain("n1")):
            with raises(actors.ConflictError, code=ErrorCode.NOT_POSSIBLE):
                await asked
