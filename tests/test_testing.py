"""What ``actors.testing`` gives to the tests of users."""

from __future__ import annotations

import time

import pytest
import trio

import actors
from actors import Actor, Workflow, handler, step
from actors.types import OutcomeKind

DAY = 24 * 3600.0


class Counter(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    @handler
    async def broken(self) -> None:
        raise NotImplementedError


class Reminder(Workflow):
    @handler
    async def run(self, days: int) -> str:
        await actors.sleep(days * DAY)
        return await ring()


RUNG: list[str] = []


@step
async def ring() -> str:
    RUNG.append("ring")
    return "rung"


def test_days_pass_at_once() -> None:
    async def it() -> float:
        async with actors.testing.open_runtime(Reminder) as runtime:
            began = trio.current_time()
            assert await runtime.client.workflow(Reminder, "bob").run(7) == "rung"
            return trio.current_time() - began

    began = time.monotonic()
    assert actors.testing.run(it) >= 7 * DAY
    assert time.monotonic() - began < DAY


def test_a_runtime_that_died_is_continued_by_the_next_one() -> None:
    RUNG.clear()

    async def it() -> str:
        kept = actors.testing.MemoryDirectory()
        async with actors.testing.open_runtime(Reminder, Counter, kept=kept) as runtime:
            task = await runtime.client.workflow(Reminder, "bob").run.send(7)
            assert await runtime.client.actor(Counter, "a").add(5) == 5
        async with actors.testing.open_runtime(Reminder, Counter, kept=kept) as runtime:
            assert await runtime.client.actor(Counter, "a").add(1) == 6
            outcome = await runtime.client.invocation(task.id).outcome()
            assert outcome.kind is OutcomeKind.SUCCEEDED
        return task.id

    first, again = actors.testing.run(it), actors.testing.run(it)
    assert RUNG == ["ring", "ring"]
    assert first.startswith("inv_")
    assert again.startswith("inv_")


def test_a_mistake_fails_at_its_first_attempt() -> None:
    async def it() -> None:
        async with actors.testing.open_runtime(Counter) as runtime:
            with pytest.raises(actors.TerminalError):
                await runtime.client.actor(Counter, "a").broken()

    actors.testing.run(it)


def test_what_never_ends_is_given_up() -> None:
    with pytest.raises(trio.TooSlowError):
        actors.testing.run(trio.sleep_forever, within=DAY)
