"""Storms over several nodes of one cluster: nodes are cut off, mute, deaf or behind, from a seed, while clients ask all of them.

The laws: what was acknowledged is kept, and counted once; an answer is never older than one that was given before it was asked for;
whatever happened, all partitions have an owner again soon after it is over.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
import trio._core._run as trio_run  # the scheduler's dice have no public handle

import actors
from actors import Actor, Status, handler
from actors.errors import ActorError, UnavailableError, UnknownOutcomeError
from tests.cluster import Cluster
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.cluster import Peer

pytestmark = on_virtual_time

SECONDS = 10.0
"""How long clients ask."""
CLIENTS = 4
TICKS = 25
FAULTS = ("is_cut_off", "is_mute", "is_deaf", "is_behind")


class Till(Actor):
    total: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total

    @handler
    async def wait(self) -> str:
        return await actors.signal("go", str)


class Clock(Actor):
    ticks: int = 0

    @handler
    async def run(self, ticks: int) -> int:
        """Act by itself, so that an owner that believes to be one writes although it is not asked."""
        for _ in range(ticks):
            await actors.sleep(0.4)
            self.ticks += 1
        return self.ticks


class Shopper(Actor):
    @handler
    async def buy(self, till: str) -> int:
        return await actors.actor(Till, till).add(1)


@attrs.define
class Count:
    """What clients know of one till."""

    begun: int = 0
    refused: int = 0
    highest: int = 0
    """The highest total that was given in an answer."""
    seen: list[int] = attrs.field(factory=list)


class Storm:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.cluster = Cluster(Till, Shopper, Clock, partitions=3, seed=seed)
        self.counts = {f"till {number}": Count() for number in range(6)}
        self.is_over = False

    async def run(self) -> None:
        async with self.cluster.running(self.random.choice((2, 3))) as peers:
            clocks = [await peers[0].client.actor(Clock, str(number)).run.send(TICKS) for number in range(3)]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._break, peers)
                for _ in range(CLIENTS):
                    nursery.start_soon(self._ask, peers)
                for number in range(CLIENTS):
                    nursery.start_soon(self._complete, peers, f"waits {number}")
                await trio.sleep(SECONDS)
                self.is_over = True
            for peer in peers:
                for fault in FAULTS:
                    setattr(peer, fault, False)
            await self.cluster.balanced()
            for till, count in self.counts.items():
                for peer in peers:
                    final = await _answered(peer.client.actor(Till, till).add, 0)
                    assert len(count.seen) <= final <= count.begun - count.refused, till
                assert len(count.seen) == len(set(count.seen)), "two were given the same total"
            for clock in clocks:
                assert await _answered(peers[-1].client.invocation(clock.id).result) == TICKS

    async def _break(self, peers: list[Peer]) -> None:
        """One fault after the other, each of which another one may overlap."""
        async with trio.open_nursery() as nursery:
            while not self.is_over:
                await trio.sleep(self.random.uniform(0.1, 1.5))
                nursery.start_soon(self._fault, self.random.choice(peers), self.random.choice(FAULTS))

    async def _fault(self, peer: Peer, name: str) -> None:
        setattr(peer, name, True)
        await trio.sleep(self.random.uniform(0.1, 3.0))
        setattr(peer, name, False)

    async def _ask(self, peers: list[Peer]) -> None:
        while not self.is_over:
            till = self.random.choice([*self.counts])
            count, client = self.counts[till], self.random.choice(peers).client
            least = count.highest
            count.begun += 1
            try:
                with trio.move_on_after(20):
                    if self.random.random() < 0.3:
                        total = await client.actor(Shopper, till).buy(till)
                    else:
                        total = await client.actor(Till, till).add(1)
                    assert total > least, f"{till}: {total} was given after {least}"
                    count.seen.append(total)
                    count.highest = max(count.highest, total)
            except UnavailableError:
                count.refused += 1
            except ActorError:
                pass  # unknown: it may have been counted
            await trio.sleep(self.random.uniform(0.0, 0.3))

    async def _complete(self, peers: list[Peer], key: str) -> None:
        """Invocations that one node completes, and that no node may show as open afterwards."""
        while not self.is_over:
            try:
                handle = await self.random.choice(peers).client.actor(Till, key).wait.send()
                await trio.sleep(self.random.uniform(0.0, 2.0))
                await self.random.choice(peers).client.invocation(handle.id).kill()  # which ends it at once
                for peer in peers:
                    with trio.move_on_after(5), suppress(ActorError):
                        info = await peer.client.invocation(handle.id).info()
                        assert info.status is Status.COMPLETED
            except ActorError:
                await trio.sleep(0.2)


async def _answered(ask: Callable[..., Awaitable[int]], *given: int) -> int:
    """The answer to what may be asked again: an owner may change once more after all that happened is over."""
    with trio.fail_after(20):
        while True:
            try:
                return await ask(*given)
            except (UnavailableError, UnknownOutcomeError):
                await trio.sleep(0.1)


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_acknowledged_is_lost_or_counted_twice_on_several_nodes(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    monkeypatch.setattr(trio_run, "_r", Random(seed))
    await Storm(seed).run()
