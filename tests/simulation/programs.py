"""Random handlers: a program is JSON, and a handler of ours walks through it with the durable verbs.

Whatever such a handler does, its journal must replay from every prefix; whenever its process dies, what was recorded must not
happen again.
"""

from __future__ import annotations

import re
from typing import Any

import trio
from hypothesis import strategies as st

import actors
from actors import Actor, CancelledError, RetryPolicy, Service, handler, step
from tests.lab import WORLD

Program = list[Any]


class Flop(Exception):
    """A step fails, and may be tried again."""


@step(retry=RetryPolicy(max_attempts=None, initial_delay=0.5, max_delay=2.0))
async def act(name: str, seconds: float, failures: int) -> str:
    key = re.sub(r"-[0-9a-f]+/", "/", actors.step_key())  # as histories name the step
    WORLD.note(("begin", key))
    await trio.sleep(seconds)
    if sum(1 for entry in WORLD.entries if entry == ("flop", key)) < failures:
        WORLD.note(("flop", key))
        raise Flop(name)
    WORLD.note(("end", key))
    return name


class Sink(Actor):
    seen: list[int] = actors.field(factory=list)

    @handler
    async def take(self, value: int) -> int:
        self.seen.append(value)
        return len(self.seen)


class Walker(Actor):
    trail: list[str] = actors.field(factory=list)
    lines: actors.Log[str]
    marks: actors.Map[str, int]

    @handler
    async def walk(self, program: Program) -> list[str]:
        try:
            await self._block(program)
        except CancelledError:
            self.trail.append("cancelled")
            await act("compensation", 0.3, 0)
            raise
        return self.trail

    async def _block(self, program: Program) -> None:
        for node in program:
            await getattr(self, f"_{node[0]}")(*node[1:])

    async def _step(self, name: str, seconds: float, failures: int) -> None:
        self.trail.append(await act(name, seconds, failures))

    async def _sleep(self, seconds: float) -> None:
        await actors.sleep(seconds)
        self.trail.append(f"slept until {actors.current_time()}")

    async def _nursery(self, children: list[Program]) -> None:
        async with actors.open_nursery() as nursery:
            for child in children:
                nursery.start_soon(self._block, child)

    async def _race(self, children: list[Program]) -> None:
        async def run(child: Program, scope: actors.CancelScope) -> None:
            await self._block(child)
            scope.cancel()

        async with actors.open_nursery() as nursery:
            for child in children:
                nursery.start_soon(run, child, nursery.cancel_scope)

    async def _deadline(self, seconds: float, body: Program) -> None:
        with actors.move_on_after(seconds) as scope:
            await self._block(body)
        self.trail.append(f"deadline {scope.cancelled_caught}")

    async def _shield(self, body: Program) -> None:
        with actors.CancelScope(shield=True):
            await self._block(body)

    async def _signal(self, name: str, seconds: float) -> None:
        with actors.move_on_after(seconds):
            self.trail.append(f"{name} {await actors.signal(name, int)}")

    async def _call(self, body: Program) -> None:
        self.trail += await actors.actor(Walker, str(actors.uuid4())).walk(body)

    async def _send(self, value: int) -> None:
        await actors.actor(Sink, "sink").take.send(value)

    async def _ask(self, value: int) -> None:
        self.trail.append(f"sink {await actors.actor(Sink, 'sink').take(value)}")

    async def _emit(self, value: int) -> None:
        actors.emit(value)

    async def _write(self, value: int) -> None:
        self.lines.append(f"{value} {actors.random().random()}")
        self.marks[str(value)] = self.marks.get(str(value), 0) + 1


class Poker(Service):
    """Pokes a walker from inside another handler."""

    @handler
    async def poke(self, of: actors.InvocationId, after: float) -> None:
        await actors.sleep(after)
        try:
            await actors.invocation(of).signal("x", 1)
        except actors.RefusedError:
            return


def _node(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """A list, which JSON gives back as one."""
    return st.tuples(*parts).map(list)


seconds = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0])
leaves = st.one_of(
    _node(st.just("step"), st.sampled_from("abc"), seconds, st.sampled_from([0, 0, 0, 1, 2])),
    _node(st.just("sleep"), seconds),
    _node(st.just("signal"), st.sampled_from("xy"), seconds),
    _node(st.just("send"), st.integers(0, 3)),
    _node(st.just("ask"), st.integers(0, 3)),
    _node(st.just("emit"), st.integers(0, 3)),
    _node(st.just("write"), st.integers(0, 2)),
)


def _blocks(nodes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    body = st.lists(nodes, min_size=1, max_size=3)
    children = st.lists(body, min_size=1, max_size=3)
    return st.one_of(
        _node(st.just("nursery"), children),
        _node(st.just("race"), children),
        _node(st.just("deadline"), seconds, body),
        _node(st.just("shield"), body),
        _node(st.just("call"), body),
    )


programs = st.lists(st.recursive(leaves, _blocks, max_leaves=8), min_size=1, max_size=4)
