"""What ``actors.testing`` gives to the tests of users."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import Actor, Service, Workflow, handler, step
from actors.types import OutcomeKind
from journal.events import Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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


def test_another_wait_that_never_ends_names_what_has_not_completed() -> None:
    async def it() -> None:
        async with actors.testing.open_runtime(Order) as runtime:
            handle = await runtime.client.actor(Order, "7").pay.send()
            async for _ in handle.follow():
                pass

    with pytest.raises(trio.TooSlowError) as gave_up:
        actors.testing.run(it, within=DAY)
    for word in ("Order/7/pay", Status.PAUSED.value, "ValueError: the card is declined"):
        assert word in str(gave_up.value)


def test_what_never_ends_is_given_up() -> None:
    with pytest.raises(trio.TooSlowError):
        actors.testing.run(trio.sleep_forever, within=DAY)


class Order(Actor):
    @handler
    async def pay(self) -> bool:
        await charge()
        return True

    @handler
    async def approve(self) -> bool:
        return await actors.signal("approved", bool)

    @handler
    async def approve_in_time(self) -> bool:
        with actors.move_on_after(DAY):
            return await actors.signal("approved", bool)
        return False


class Clerk(Service):
    @handler
    async def approve(self, order: str) -> bool:
        return await actors.actor(Order, order).approve()

    @handler
    async def attach(self, of: str) -> bool:
        return bool(await actors.invocation(of).result())


@step(retry=actors.RetryPolicy(max_attempts=2))
async def charge() -> None:
    raise ValueError("the card is declined")


async def _call_what_pauses(runtime: actors.Runtime) -> None:
    await runtime.client.actor(Order, "7").pay()


async def _wait_for_what_has_paused(runtime: actors.Runtime) -> None:
    handle = await runtime.client.actor(Order, "7").pay.send()
    await trio.sleep(DAY)
    await handle.result()


async def _call_what_waits_for_a_signal(runtime: actors.Runtime) -> None:
    await runtime.client.actor(Order, "7").approve()


async def _call_what_calls_it(runtime: actors.Runtime) -> None:
    await runtime.client.service(Clerk).approve("7")


async def _wait_for_what_attaches_to_it(runtime: actors.Runtime) -> None:
    handle = await runtime.client.actor(Order, "7").approve.send()
    await (await runtime.client.service(Clerk).attach.send(handle.id)).outcome()


async def _wait_behind_it(runtime: actors.Runtime) -> None:
    await runtime.client.actor(Order, "7").approve.send()
    await runtime.client.actor(Order, "7").approve_in_time()


async def _wait_behind_a_gate(runtime: actors.Runtime) -> None:
    await runtime.client.gates.close("service:Order", reason="a look first")
    await runtime.client.actor(Order, "7").approve_in_time()


async def _wait_side_by_side(runtime: actors.Runtime) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_call_what_waits_for_a_signal, runtime)
        nursery.start_soon(_call_what_calls_it, runtime)


@pytest.mark.parametrize(
    ("story", "status", "words"),
    [
        (_call_what_pauses, Status.PAUSED, ["Order/7/pay", "charge", "ValueError: the card is declined"]),
        (_wait_for_what_has_paused, Status.PAUSED, ["Order/7/pay", "ValueError: the card is declined"]),
        (_call_what_waits_for_a_signal, Status.SUSPENDED, ["Order/7/approve", "'approved'"]),
        (_call_what_calls_it, Status.SUSPENDED, ["Clerk/approve", "Order/7/approve", "'approved'"]),
        (_wait_for_what_attaches_to_it, Status.SUSPENDED, ["Clerk/attach", "Order/7/approve", "'approved'"]),
        (_wait_behind_it, Status.QUEUED, ["Order/7/approve_in_time", "Order/7/approve", "'approved'"]),
        (_wait_behind_a_gate, Status.QUEUED, ["Order/7/approve_in_time", "a look first"]),
    ],
)
def test_a_wait_for_what_cannot_continue_ends_at_once_and_says_why(
    story: Callable[[actors.Runtime], Awaitable[None]], status: Status, words: list[str]
) -> None:
    async def it() -> float:
        async with actors.testing.open_runtime(Order, Clerk) as runtime:
            with pytest.raises(actors.testing.StuckError) as stuck:
                await story(runtime)
            assert stuck.value.status is status
            for word in (*words, stuck.value.invocation_id):
                assert word in str(stuck.value)
            return trio.current_time()

    assert actors.testing.run(it) < 2 * DAY


def test_all_waits_of_a_test_end_if_none_can_continue() -> None:
    async def it() -> None:
        async with actors.testing.open_runtime(Order, Clerk) as runtime:
            with pytest.raises(ExceptionGroup) as stuck:
                await _wait_side_by_side(runtime)
            assert stuck.group_contains(actors.testing.StuckError)

    actors.testing.run(it)


def test_a_wait_is_not_stuck_while_another_task_waits_for_what_continues() -> None:
    async def it() -> bool:
        async with actors.testing.open_runtime(Order, Reminder) as runtime:
            handle = await runtime.client.actor(Order, "7").approve.send()

            async def approve_after_the_reminder() -> None:
                await runtime.client.workflow(Reminder, "bob").run(1)
                await handle.signal("approved", True)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(approve_after_the_reminder)
                return await handle.result()

    assert actors.testing.run(it) is True


def test_a_wait_that_a_task_or_time_ends_is_not_stuck() -> None:
    async def it() -> None:
        async with actors.testing.open_runtime(Order, Clerk) as runtime:
            handle = await runtime.client.service(Clerk).approve.send("7")
            held = await runtime.client.actor(Order, "7").approve_in_time.send()

            async def approve() -> None:
                await trio.sleep(DAY)
                for waiting in await runtime.client.invocations(service="Order", status=["suspended"]):
                    await runtime.client.invocation(waiting.id).signal("approved", True)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(approve)
                assert await handle.result() is True
            assert await held.result() is False
            with trio.move_on_after(DAY) as scope:
                await runtime.client.actor(Order, "8").approve()
            assert scope.cancelled_caught

    actors.testing.run(it)
