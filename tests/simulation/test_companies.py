"""A storm takes any actors: their clients' deeds and the laws of their world come with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

import actors
from actors import Actor, handler, step
from journal.ids import stream_of
from tests.simulation.disk import Weather
from tests.simulation.plan import Deed, Life, Plan
from tests.simulation.storm import Storm, play
from tests.simulation.world import BRIEF_SECONDS

if TYPE_CHECKING:
    from actors import InvocationHandle
    from actors.runtime import Runtime
    from journal.ids import InvocationId, StreamId
    from tests.simulation.lives import Life as InvocationLife


@step
async def weigh(number: int) -> int:
    await trio.sleep(0.2)
    return number


class Scale(Actor):
    total: int = 0

    @handler(retention=BRIEF_SECONDS)
    async def put(self, number: int) -> int:
        self.total += await weigh(number)
        return self.total

    @actors.shared
    async def read(self) -> int:
        return self.total


class Scales:
    """Clients that put weights on scales, and remember what they were told of."""

    classes = (Scale,)
    honest = frozenset({"Scale"})
    keys = "ab"
    expected = 1

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.acknowledged = 0

    def stream_of(self, key: str) -> StreamId:
        return stream_of("Scale", key)

    async def brief(self) -> InvocationHandle[Any]:
        handle: InvocationHandle[Any] = await self.storm.client.actor(Scale, "brief").put.send(0)
        await handle.result()
        return handle

    async def put(self, key: str, number: int) -> None:
        await self.storm.client.actor(Scale, key).put(number)
        self.acknowledged += number

    async def relax(self) -> None:
        """Its clients set no rules."""

    async def judge(self, runtime: Runtime, lives: dict[InvocationId, InvocationLife]) -> None:
        total = sum([await runtime.client.actor(Scale, key).read() for key in self.keys])
        is_there = total >= self.acknowledged * self.expected
        self.storm.law("what was acknowledged lies on the scales", is_there, f"{total}, {self.acknowledged}")


class FalseScales(Scales):
    """Its law asks for more than there is."""

    expected = 100


def plan(seed: int) -> Plan:
    """Three processes, which die over a commit."""
    deeds = [
        Deed(at=0.2 * at, what="put", given=["ab"[at % 2], 1 + at], dies="after" if at == 4 else "") for at in range(5)
    ]
    return Plan(seed=seed, lives=[Life(seconds=3.0, weather=Weather(latency=0.05), deeds=deeds) for _ in range(3)])


def test_actors_of_others_come_through_a_storm() -> None:
    for seed in range(5):
        storm = play(plan(seed), company=Scales)
        assert storm.broken == []
        assert storm.company.acknowledged > 0


def test_a_law_of_theirs_that_does_not_hold_is_named() -> None:
    broken = [law for law, _ in play(plan(1), company=FalseScales).broken]
    assert broken == ["what was acknowledged lies on the scales"]
