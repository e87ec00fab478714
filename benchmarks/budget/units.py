"""The units of work that have a budget, each done as often as a meter asks for.

A meter does a unit ``fewer`` times and then ``more`` times, and divides the difference of the two counts by the difference of the
numbers: what is done once, such as the start of the clients, is in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

import actors
from benchmarks.histories import EVENTS_OF_A_STEP, Walker
from benchmarks.measure import drive
from benchmarks.questions.calls import Counter
from benchmarks.questions.fanout import CHILDREN, Parent
from benchmarks.questions.nested import CALLS, Caller
from benchmarks.questions.signals import SIGNALS, Waiter
from benchmarks.questions.steps import Worker
from benchmarks.questions.timers import SECONDS, Sleeper
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.control.local.client import LocalClient
    from actors.model.handles import InvocationHandle

IN_FLIGHT = KEYS = 64
HANDLERS_IN_FLIGHT = 32
CALLERS_IN_FLIGHT = 16
PARENTS_IN_FLIGHT = 2
WALKERS = 4
SUSPEND_AFTER_SECONDS = 60.0
"""Longer than any unit takes, so only what is left alone leaves memory."""

LIMITS = actors.Limits(unload_after_seconds=SUSPEND_AFTER_SECONDS)


async def _nothing(_: LocalClient, __: int) -> None:
    """Prepare nothing."""


@attrs.frozen(kw_only=True)
class Unit:
    """Something that is counted. ``work`` does ``operations`` of it; ``prepare`` comes before that, and is not counted.

    One operation stands for ``per_operation`` units, and ``limits`` are those of the runtime. The numbers are small, as callgrind makes a process fifty times as slow: no
    object gets as many events as a snapshot takes, except those of the replay, so snapshots are in no other count.
    """

    name: str
    what: str
    classes: tuple[type, ...]
    work: Callable[[LocalClient, int], Awaitable[None]]
    prepare: Callable[[LocalClient, int], Awaitable[None]] = _nothing
    fewer: int
    more: int
    per_operation: int = 1
    limits: actors.Limits = LIMITS


async def _call(client: LocalClient, operations: int) -> None:
    counters = [client.actor(Counter, f"key-{number}") for number in range(KEYS)]
    await drive(operations, IN_FLIGHT, lambda number: counters[number % KEYS].add(1))


async def _send(client: LocalClient, operations: int) -> None:
    counters = [client.actor(Counter, f"key-{number}") for number in range(KEYS)]
    await drive(operations, IN_FLIGHT, lambda number: counters[number % KEYS].add.send(1))
    await drive(KEYS, KEYS, lambda number: counters[number].add(0))  # each has one writer: answered after all sends


async def _ten_steps(client: LocalClient, operations: int) -> None:
    await drive(operations, HANDLERS_IN_FLIGHT, client.service(Worker).work)


async def _nested(client: LocalClient, operations: int) -> None:
    await drive(operations, CALLERS_IN_FLIGHT, lambda number: client.service(Caller).call(number * CALLS))


async def _fan_out(client: LocalClient, operations: int) -> None:
    await drive(operations, PARENTS_IN_FLIGHT, client.service(Parent).fan_out)


async def _signal(client: LocalClient, operations: int) -> None:
    async def one(_: int) -> None:
        waiting = await client.service(Waiter).wait.send(SIGNALS)
        for _ in range(SIGNALS):
            await waiting.signal("go", 1)
        await waiting.result()

    await drive(operations, HANDLERS_IN_FLIGHT, one)


async def _sleep(client: LocalClient, operations: int) -> None:
    await drive(operations, HANDLERS_IN_FLIGHT, lambda _: client.service(Sleeper).sleep(SECONDS))


class _Sleepers:
    """Invocations that wait for a signal, have left memory, and are named to a job: how a condition is searched depends on how busy
    the machine is."""

    def __init__(self) -> None:
        self._suspended: list[InvocationHandle[int]] = []

    async def suspend(self, client: LocalClient, operations: int) -> None:
        """Let so many wait."""
        self._suspended = [await client.service(Waiter).wait.send(SIGNALS) for _ in range(operations)]
        await trio.sleep(10 * SUSPEND_AFTER_SECONDS)

    async def pause(self, client: LocalClient, operations: int) -> None:
        """Pause all of them."""
        job = await client.jobs.of(waiting.id for waiting in self._suspended).pause()
        told = await job.result()
        if told.changed != operations:
            raise BrokenInvariant(f"{told.changed} of {operations} are paused")


_SLEEPERS = _Sleepers()


class _Walkers:
    """Invocations that have taken their steps, have left memory, and wait for a signal."""

    def __init__(self) -> None:
        self._suspended: list[InvocationHandle[int]] = []

    async def suspend(self, client: LocalClient, events: int) -> None:
        """Let each record so many events."""
        walker = client.service(Walker)
        self._suspended = [await walker.walk.send(events // EVENTS_OF_A_STEP) for _ in range(WALKERS)]
        await trio.sleep(10 * SUSPEND_AFTER_SECONDS)

    async def wake(self, _: LocalClient, __: int) -> None:
        """Let each replay its events, and end."""
        for walker in self._suspended:
            await walker.signal("go", 0)
            await walker.result()


_WALKERS = _Walkers()

UNITS = (
    Unit(name="call", what="a call of a keyed object", classes=(Counter,), work=_call, fewer=64, more=320),
    Unit(name="send", what="a send, accepted and executed", classes=(Counter,), work=_send, fewer=64, more=320),
    Unit(name="ten_steps", what="a handler of ten steps", classes=(Worker,), work=_ten_steps, fewer=32, more=96),
    Unit(
        name="nested",
        what="a call from one object to another",
        classes=(Caller, Counter),
        work=_nested,
        fewer=16,
        more=48,
        per_operation=CALLS,
    ),
    Unit(
        name="fan_out",
        what="one of a hundred calls side by side",
        classes=(Parent, Counter),
        work=_fan_out,
        fewer=2,
        more=6,
        per_operation=CHILDREN,
    ),
    Unit(
        name="signal",
        what="a signal to a handler that waits",
        classes=(Waiter,),
        work=_signal,
        fewer=32,
        more=64,
        per_operation=SIGNALS,
    ),
    Unit(
        name="pause",
        what="one of the suspended invocations that a job pauses",
        classes=(Waiter,),
        work=_SLEEPERS.pause,
        prepare=_SLEEPERS.suspend,
        fewer=32,
        more=128,
        limits=attrs.evolve(LIMITS, idle_objects=1),
    ),
    Unit(name="timer", what="a call that sleeps", classes=(Sleeper,), work=_sleep, fewer=32, more=128),
    Unit(
        name="replay_event",
        what="an event of a replay",
        classes=(Walker,),
        work=_WALKERS.wake,
        prepare=_WALKERS.suspend,
        fewer=100,
        more=700,
        per_operation=WALKERS,
    ),
)
