"""Waits that would close a circle are refused when they would close it, and the error names the circle."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

import pytest
import trio

import actors
from actors import Actor, Limits, Service, Status, Workflow, handler, shared, step
from actors.engine import deadlocks
from actors.types import OutcomeKind
from tests import replicated
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def work(seconds: float) -> None:
    await trio.sleep(seconds)


class Account(Actor):
    balance: int = 100

    @handler
    async def pay(self, to: str, amount: int, seconds: float = 1.0) -> str:
        await actors.sleep(seconds)
        await actors.actor(Account, to).receive(amount)
        self.balance -= amount
        return "paid"

    @handler
    async def send_and_wait(self, to: str, amount: int) -> str:
        await actors.sleep(1.0)
        sent = await actors.actor(Account, to).receive.send(amount)
        await sent.result()
        return "paid"

    @handler
    async def send_later_and_wait(self, to: str) -> str:
        sent = await actors.actor(Account, to).receive.options(delay=5.0).send(1)
        await sent.result()
        return "paid"

    @handler
    async def pay_through_a_bank(self, to: str, amount: int) -> str:
        await actors.sleep(1.0)
        await actors.service(Bank).transfer(to, amount)
        return "paid"

    @handler
    async def pay_beside_others(self, to: str, amount: int) -> str:
        try:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(actors.sleep, 5.0)
                nursery.start_soon(self.pay, to, amount)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        return "paid"

    @handler
    async def pay_or_say_why(self, to: str, amount: int) -> str:
        await actors.sleep(1.0)
        try:
            await actors.actor(Account, to).receive(amount)
        except actors.errors.DeadlockError as error:
            return str(error)
        return "paid"

    @handler
    async def receive(self, amount: int) -> None:
        self.balance += amount

    @handler
    async def wait_for(self, of: actors.InvocationId) -> None:
        await actors.sleep(1.0)
        await actors.invocation(of).result()

    @handler
    async def run_once(self, key: str) -> None:
        await actors.sleep(1.0)
        await actors.workflow(Once, key).run("a")

    @handler
    async def wait_for_a_signal(self) -> None:
        await actors.signal("go")

    @shared
    async def read(self) -> int:
        return self.balance


class Bank(Service):
    @handler
    async def transfer(self, to: str, amount: int) -> None:
        await actors.actor(Account, to).receive(amount)


class Once(Workflow):
    @handler
    async def run(self, account: str) -> None:
        await actors.sleep(3.0)
        await actors.actor(Account, account).receive(1)


@pytest.fixture(params=[1, 5])
def lab(request: pytest.FixtureRequest) -> Lab:
    return Lab(Account, Bank, Once, partitions=request.param)


async def outcomes(*handles: actors.InvocationHandle[Any]) -> list[OutcomeKind]:
    with trio.fail_after(1_000):
        return [(await handle.outcome()).kind for handle in handles]


async def check_one_is_refused(*handles: actors.InvocationHandle[Any]) -> actors.errors.DeadlockError:
    """All of them end, one of them with a deadlock, which names every one. Owners on different nodes may both see it."""
    kinds = await outcomes(*handles)
    assert kinds.count(OutcomeKind.FAILED) == 1 or (replicated.is_wanted and OutcomeKind.SUCCEEDED not in kinds)
    with pytest.raises(actors.errors.DeadlockError) as caught:
        await handles[kinds.index(OutcomeKind.FAILED)].result()
    assert {handle.id for handle in handles} <= {link.invocation_id for link in caught.value.chain}
    return caught.value


async def check_both_hear_of_it(refused: actors.InvocationHandle[Any], waits: actors.InvocationHandle[Any]) -> None:
    """The one that is waited for is refused, and so fails for the one that waits."""
    for handle in (refused, waits):
        with trio.fail_after(1_000), pytest.raises(actors.errors.DeadlockError) as caught:
            await handle.result()
        assert caught.value.chain[0].invocation_id == refused.id
        assert waits.id in {link.invocation_id for link in caught.value.chain}


WAYS = ["pay", "send_and_wait", "pay_through_a_bank", "pay_beside_others"]


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("second", WAYS)
async def test_of_two_that_want_each_others_key_one_is_refused(lab: Lab, first: str, second: str) -> None:
    async with lab.running() as runtime:
        one = await getattr(runtime.client.actor(Account, "a"), first).send("b", 1)
        other = await getattr(runtime.client.actor(Account, "b"), second).send("a", 1)
        await check_one_is_refused(one, other)


async def test_the_one_that_closes_the_circle_is_refused_and_the_error_names_it(lab: Lab) -> None:
    async with lab.running() as runtime:
        one = await runtime.client.actor(Account, "a").pay.send("b", 1, 1.0)
        other = await runtime.client.actor(Account, "b").pay.send("a", 1, 2.0)
        error = await check_one_is_refused(one, other)
        assert (await other.outcome()).kind is OutcomeKind.FAILED
        assert [link.target for link in error.chain] == [
            "Account/b/pay",
            "Account/a/receive",
            "Account/a/pay",
            "Account/b/receive",
            "Account/b/pay",
        ]
        assert "Account/a/pay" in str(error)
        assert one.id in str(error)
        (reason,) = await other.why()
        assert "DeadlockError" in reason.text
        assert await runtime.client.actor(Account, "a").read() == 99
        assert await runtime.client.actor(Account, "b").read() == 101


async def test_a_longer_circle_is_found(lab: Lab) -> None:
    async with lab.running() as runtime:
        ring = ["a", "b", "c", "d", "a"]
        handles = [
            await runtime.client.actor(Account, one).pay.send(other, 1) for one, other in itertools.pairwise(ring)
        ]
        await check_one_is_refused(*handles)


async def test_a_handler_can_go_on_after_it(lab: Lab) -> None:
    async with lab.running() as runtime:
        handles = [
            await runtime.client.actor(Account, "a").pay_or_say_why.send("b", 1),
            await runtime.client.actor(Account, "b").pay_or_say_why.send("a", 1),
        ]
        said = [await handle.result() for handle in handles]
        assert said.count("paid") == 1
        assert sum("would wait for itself" in text for text in said) == 1


async def test_what_waits_for_an_invocation_by_its_id_can_close_a_circle(lab: Lab) -> None:
    async with lab.running() as runtime:
        bank = await runtime.client.actor(Account, "a").pay.send("b", 1, 5.0)
        await quiet()
        waits = await runtime.client.actor(Account, "b").wait_for.send(bank.id)
        await check_both_hear_of_it(bank, waits)


async def test_a_call_that_joins_one_under_way_can_close_a_circle(lab: Lab) -> None:
    async with lab.running() as runtime:
        once = await runtime.client.workflow(Once, "k").run.send("a")
        await quiet()
        joins = await runtime.client.actor(Account, "a").run_once.send("k")
        await check_both_hear_of_it(once, joins)


async def test_a_message_for_later_closes_a_circle_when_it_is_due(lab: Lab) -> None:
    async with lab.running() as runtime:
        waits = await runtime.client.actor(Account, "a").send_later_and_wait.send("b")
        await quiet()
        other = await runtime.client.actor(Account, "b").pay.send("a", 1, 1.0)
        assert await outcomes(waits, other) == [OutcomeKind.FAILED, OutcomeKind.SUCCEEDED]
        with pytest.raises(actors.errors.DeadlockError):
            await waits.result()
        assert await runtime.client.actor(Account, "b").read() == 100  # what was sent arrives all the same


@pytest.mark.parametrize("way", WAYS)
async def test_objects_that_have_left_memory_are_part_of_a_circle(way: str) -> None:
    lab = Lab(Account, Bank, Once, limits=Limits(idle_objects=1, unload_after_seconds=1.0), partitions=3)
    async with lab.running() as runtime:
        one = await getattr(runtime.client.actor(Account, "a"), way).send("b", 1)
        other = await runtime.client.actor(Account, "b").pay.send("a", 1, 100.0)
        for number in range(20):
            await trio.sleep(1)
            await runtime.client.actor(Account, f"other {number}").receive(1)
        await check_one_is_refused(one, other)


async def test_a_key_that_is_only_busy_is_waited_for(lab: Lab) -> None:
    async with lab.running() as runtime:
        holds = await runtime.client.actor(Account, "b").wait_for_a_signal.send()
        waits = await runtime.client.actor(Account, "a").pay.send("b", 1)
        beside = await runtime.client.actor(Account, "c").pay.send("a", 1)
        await trio.sleep(100)
        assert (await waits.info()).status in (Status.RUNNING, Status.SUSPENDED)
        await holds.signal("go")
        assert await outcomes(holds, waits, beside) == [OutcomeKind.SUCCEEDED] * 3


async def test_a_circle_of_before_is_found_when_the_process_starts(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(deadlocks.DeadlockDetector, "refuse", lambda *_: None)
        async with lab.running() as runtime:
            one = await runtime.client.actor(Account, "a").pay.send("b", 1, 1.0)
            other = await runtime.client.actor(Account, "b").pay.send("a", 1, 2.0)
            await trio.sleep(100)
            texts = [reason.text for reason in await one.why()]
            assert any("waits for itself" in text for text in texts), texts
    async with lab.running() as runtime:
        handles = [runtime.client.invocation(one.id), runtime.client.invocation(other.id)]
        error = await check_one_is_refused(*handles)
        assert (await handles[1].outcome()).kind is OutcomeKind.FAILED
        assert error.chain[0].invocation_id == error.chain[-1].invocation_id == other.id
        assert await runtime.client.actor(Account, "b").read() == 101
        assert await runtime.client.actor(Account, "a").read() == 99  # the call that was refused is never made


async def test_whoever_is_first_one_of_two_goes_through(lab: Lab) -> None:
    random = Random(1)
    async with lab.running() as runtime:
        for number in range(100):
            keys = [f"{number} a", f"{number} b"]
            handles = [
                await getattr(runtime.client.actor(Account, key), random.choice(WAYS)).send(to, 1)
                for key, to in zip(keys, reversed(keys), strict=True)
            ]
            await check_one_is_refused(*handles)


async def test_a_free_object_costs_no_search(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        WORLD.note("searched")
        return

    monkeypatch.setattr(deadlocks.DeadlockDetector, "refuse", refuse)
    async with lab.running() as runtime:
        assert await runtime.client.actor(Account, "a").pay("b", 1, 0.0) == "paid"
    assert WORLD.entries == []
