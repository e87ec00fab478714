"""What each peer is asked, and how it is timed.

Needs the standard library alone: it runs in the peers' own environments, which have none of our dependencies. That is why
its values are dataclasses.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Protocol

from benchmarks.peers.processes import end_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SEED = 1
STEPS = 10
WARMING = 0.4
"""Of the time that is measured, spent on the same beforehand."""

ENOUGH = 2
"""Operations of each client that make a figure; the time is lengthened until they have ended."""

PATIENCE_SECONDS = 20.0
"""But not beyond this."""


class Peer(Protocol):
    """Something that runs durable code. Each returns when what it did would survive a power cut."""

    async def call(self, key: str) -> object:
        """Add one to the counter of a key, and have the sum."""

    async def queue(self, key: str) -> object:
        """The same where many at a time want the same key, and have to take turns."""

    async def work(self, number: int) -> object:
        """Have ten steps done one after the other, each recorded before the next begins."""

    async def send(self, key: str) -> object:
        """Have the call accepted, and do not wait until it is carried out."""


@dataclass(frozen=True)
class Asked:
    """A question: one line of the table. ``per_operation`` is how many of ``unit`` one operation stands for."""

    name: str
    verb: str
    unit: str
    in_flight: int
    keys: int = 10_000
    per_operation: int = 1


ASKED = (
    Asked("keyed call, one at a time", "call", "calls/s", in_flight=1),
    Asked("keyed calls, 64 in flight, 10,000 keys", "call", "calls/s", in_flight=64),
    Asked("keyed calls, 64 in flight, one key", "queue", "calls/s", in_flight=64, keys=1),
    Asked("ten-step handlers, 64 in flight", "work", "steps/s", in_flight=64, per_operation=STEPS),
    # Last, because what was accepted is still being carried out when it ends.
    Asked("one-way sends, 64 in flight, 10,000 keys", "send", "sends/s", in_flight=64),
)


@dataclass(frozen=True)
class Told:
    """The answer. The times are milliseconds of one operation, as its client saw it."""

    name: str
    rate: float
    p50_ms: float
    p99_ms: float
    operations: int


async def together(count: int, work: Callable[[], Awaitable[None]]) -> None:
    """In asyncio."""
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(_finish(work))


async def _finish(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def ask(
    peer: Peer,
    asked: Asked,
    seconds: float,
    together: Callable[[int, Callable[[], Awaitable[None]]], Awaitable[None]] = together,
) -> Told:
    """As many clients as there are to be in flight, each with its next operation as soon as it has its answer.

    What ends in the time counts; what is under way when it is over is waited for, and does not. Who is slow has longer. The time goes
    from one end to another, because many that are slow end together: cut anywhere, it would have a crowd too many or too few.
    """
    chosen = Random(SEED)
    one: Callable[[int], Awaitable[object]] = {
        "call": lambda number: peer.call(f"key-{number}"),
        "queue": lambda number: peer.queue(f"key-{number}"),
        "work": peer.work,
        "send": lambda number: peer.send(f"key-{number}"),
    }[asked.verb]
    taken: list[float] = []
    first = last = time.perf_counter()
    begin = first + seconds * WARMING
    enough = ENOUGH * asked.in_flight

    def is_over() -> bool:
        passed = time.perf_counter() - begin
        return passed >= seconds and (len(taken) >= enough or passed >= PATIENCE_SECONDS)

    async def work() -> None:
        nonlocal first, last
        while not is_over():
            began = time.perf_counter()
            await one(chosen.randrange(asked.keys))
            now = time.perf_counter()
            if now < begin:
                first = last = now
            elif not is_over():
                taken.append(now - began)
                last = now

    await together(asked.in_flight, work)
    assert taken, f"nothing ended within {PATIENCE_SECONDS:g} s: {asked.name}"
    taken.sort()
    return Told(
        name=asked.name,
        rate=len(taken) * asked.per_operation / (last - first),
        p50_ms=taken[len(taken) // 2] * 1e3,
        p99_ms=taken[len(taken) * 99 // 100] * 1e3,
        operations=len(taken),
    )


@dataclass(frozen=True)
class Given:
    """What a peer's program is told: where it may write, how long each question takes, and which of its forms is asked."""

    room: str
    seconds: float
    form: str


def given() -> Given:
    """From the command line. From now on SIGTERM, and the end of the process that asks, end this one at once, and what it has started."""
    parser = argparse.ArgumentParser()
    parser.add_argument("form")
    parser.add_argument("--room", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    threading.Thread(target=_end_with_the_asker, daemon=True).start()
    return Given(**vars(parser.parse_args()))


def _end(*_: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # a second one must not interrupt what follows
    end_all()
    os._exit(os.EX_TEMPFAIL)  # some of the libraries would go on with what they have accepted


def _end_with_the_asker() -> None:
    os.read(0, 1)  # nothing is ever written there: it returns when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)


def look_for_garbage_rarely() -> None:
    """As a server of ours does by itself; for every peer's processes that run Python, so that none has an advantage of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


def tell(**told: object) -> None:
    """A line for the process that asks."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


async def answer(
    peer: Peer,
    seconds: float,
    together: Callable[[int, Callable[[], Awaitable[None]]], Awaitable[None]] = together,
) -> None:
    """Ask everything, and tell it."""
    look_for_garbage_rarely()
    for asked in ASKED:
        told = await ask(peer, asked, seconds, together)
        tell(**asdict(told))
