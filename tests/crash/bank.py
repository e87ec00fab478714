"""What runs while the process dies: accounts, and a bank that does a bit of everything with them.

Each side effect writes ``begin KEY`` and ``end KEY`` into a ledger outside of the store, whatever becomes of the engine.
"""

from __future__ import annotations

import os
import re
from functools import cache

import trio

import actors
from actors import Actor, CancelledError, InvocationId, Log, Map, RetryPolicy, Service, handler, shared, step

OPENING_BALANCE = 1000
LAST_SEEN = 20
POSTED_TOGETHER = 3
MARKS = 7

_failed: set[str] = set()


class Hiccup(Exception):
    """A side effect fails the first time."""


@cache
def _opened(ledger: str) -> int:
    return os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _note(line: str) -> None:
    """One write, so that lines of several tasks do not mix."""
    os.write(_opened(os.environ["CRASH_LEDGER"]), line.encode() + b"\n")


@step(retry=RetryPolicy(initial_delay=0.01, max_delay=0.05))
async def effect(seconds: float = 0.0, fails_first: bool = False) -> str:
    key = re.sub(r"-[0-9a-f]+/", "/", actors.step_key())  # as histories name the step
    _note(f"begin {key}")
    await trio.sleep(seconds)
    if fails_first and key not in _failed:
        _failed.add(key)
        raise Hiccup(key)
    _note(f"end {key}")
    return key


class Account(Actor):
    balance: int = OPENING_BALANCE
    seen: list[int] = actors.field(factory=list)
    lines: Log[int]
    marks: Map[str, int]

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @handler
    async def note(self, number: int) -> int:
        self.seen = [*self.seen[1 - LAST_SEEN :], number]
        self.lines.append(number)
        mark = str(number % MARKS)
        self.marks[mark] = self.marks.get(mark, 0) + 1
        return len(self.lines)

    @shared
    async def read(self) -> tuple[int, int]:
        return self.balance, len(self.lines)


class Bank(Service):
    @handler
    async def transfer(self, source: str, target: str, amount: int) -> str:
        await actors.actor(Account, source).deposit(-amount)
        receipt = await effect(0.002)
        await actors.actor(Account, target).deposit(amount)
        return receipt

    @handler
    async def post(self, account: str, number: int) -> list[InvocationId]:
        """Messages of one sender to one key, which arrive in order."""
        sent = [await actors.actor(Account, account).note.send(-(number * 10 + i)) for i in range(POSTED_TOGETHER)]
        return [handle.id for handle in sent]

    @handler
    async def steps(self, number: int) -> list[str]:
        actors.emit(f"{number} begins")
        done = [await effect(fails_first=number % 3 == 0)]

        async def child(name: str) -> None:
            await effect(0.001)
            actors.emit(f"{number} {name}")

        async with actors.open_nursery() as nursery:
            nursery.start_soon(child, "a")
            nursery.start_soon(child, "b")
        with actors.move_on_after(0.005):
            await effect(30.0)
        done.append(await effect())
        actors.emit(f"{number} ends")
        return done

    @handler
    async def nap(self, seconds: float) -> float:
        began = actors.current_time()
        await actors.sleep(seconds)
        return actors.current_time() - began

    @handler
    async def wait(self) -> int:
        value: int = await actors.signal("go", int)
        return value

    @handler
    async def endure(self) -> None:
        """Goes on until it is cancelled, and tidies up."""
        try:
            await effect(30.0)
        except CancelledError:
            await effect()
            raise
