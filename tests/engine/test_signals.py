"""Signals, deadlines and what holds a handler, in every order: readers say which wait has taken which signal, and a restart asks
again where it goes back to."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import Actor, Limits, RetryPolicy, Service, Status, handler, step
from actors.model.explain import WaitCause
from tests.lab import WORLD, Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def book(who: str) -> str:
    WORLD.note(f"booked {who}")
    return who


@step
async def effect(seconds: float) -> None:
    await trio.sleep(seconds)


class Draft(Service):
    @handler
    async def publish(self) -> str:
        await book("a draft")
        return f"published {await actors.signal('approved', bool)}"


class Approval(Service):
    @handler(retry=RetryPolicy(initial_delay=1_000.0, max_delay=1_000.0, max_attempts=5))
    async def ask(self) -> str:
        """A question, and another one when nobody has answered in time."""
        async with actors.open_nursery() as nursery:
            nursery.start_soon(self._stumble)
            with actors.move_on_after(50) as scope:
                return await book(await actors.signal("approve", str))
            assert scope.cancelled_caught
            who = await actors.signal("approve", str)
            await book(who)
            await actors.sleep(100_000)
        return who

    async def _stumble(self) -> None:
        """Once, when somebody wants it."""
        await actors.signal("stumble")
        if WORLD.count("stumbled") == 0:
            WORLD.note("stumbled")
            raise OSError("on the first try")

    @handler
    async def two_at_once(self) -> list[str]:
        got = ["", ""]

        async def one(place: int) -> None:
            got[place] = await book(await actors.signal("approve", str))

        async with actors.open_nursery() as nursery:
            nursery.start_soon(one, 0)
            nursery.start_soon(one, 1)
        return got


async def hold(how: str, client: actors.Client, handle: actors.InvocationHandle[Any]) -> None:
    match how:
        case "pause":
            await handle.pause()
        case "gate":
            await client.gates.close("service:Approval", mode="now")
        case "retry":
            await handle.signal("stumble")


async def let_go(how: str, client: actors.Client, handle: actors.InvocationHandle[Any]) -> None:
    match how:
        case "pause":
            await handle.resume()
        case "gate":
            await client.gates.open("service:Approval")
        case "retry":
            await trio.sleep(1_000)


HOLDS = ["nothing", "pause", "gate", "retry"]


async def waits(handle: actors.InvocationHandle[Any]) -> list[tuple[str, str]]:
    """What it says that it waits for, which every reader must say."""
    info = await handle.info()
    told = [(wait.kind, wait.step) for wait in info.waits if wait.name != "stumble"]
    asked = [reason for reason in await handle.why() if reason.waits_for is WaitCause.SIGNAL]
    assert len(asked) == sum(wait.kind == "signal" for wait in info.waits)
    return told


@pytest.mark.parametrize("is_stopped", [False, True])
@pytest.mark.parametrize("how", HOLDS)
async def test_a_restart_before_an_approval_asks_again_whatever_held_the_handler(how: str, is_stopped: bool) -> None:
    lab = Lab(Approval)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Approval).ask.send()
        await trio.sleep(10)
        await hold(how, runtime.client, handle)
        await trio.sleep(60)
        await handle.signal("approve", "anna")
        if not is_stopped:
            await let_go(how, runtime.client, handle)
        await trio.sleep(10)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        if is_stopped:
            await let_go(how, runtime.client, handle)
        await trio.sleep(10)
        assert WORLD.count("booked anna") == 1
        assert await waits(handle) == [("sleep", "6")]
        restarted = await handle.restart("4", stop="kill")

        again = runtime.client.invocation(restarted.successor.invocation_id)
        await trio.sleep(10)
        assert await waits(again) == [("signal", "4")]
        assert WORLD.count("booked anna") == 1
        await again.signal("approve", "bob")
        await trio.sleep(10)
        assert WORLD.entries[-1] == "booked bob"


@pytest.mark.parametrize("arrives_at_the_wait", [True, False])
async def test_the_plan_of_a_restart_names_the_signals_that_answer_later_waits(arrives_at_the_wait: bool) -> None:
    async with Lab(Draft).running() as runtime:
        handle = await runtime.client.service(Draft).publish.send()
        if arrives_at_the_wait:
            await trio.sleep(10)
        await handle.signal("approved", True)
        assert await handle.result() == "published True"
        plan = await handle.restart("book", dry_run=True)
        assert plan.successor.signals == ("approved",)
        restarted = await handle.restart("book")
        assert restarted.successor.signals == ("approved",)
        assert await runtime.client.invocation(restarted.successor.invocation_id).result() == "published True"
        at_the_wait = await handle.restart("approved", again=True, dry_run=True)
        assert at_the_wait.successor.signals == ()


@pytest.mark.parametrize("how", HOLDS)
async def test_a_restart_before_an_approval_that_timed_out_asks_with_all_its_time(how: str) -> None:
    async with Lab(Approval).running() as runtime:
        handle = await runtime.client.service(Approval).ask.send()
        await trio.sleep(10)
        await hold(how, runtime.client, handle)
        await trio.sleep(60)
        await let_go(how, runtime.client, handle)
        await trio.sleep(10)
        restarted = await handle.restart("3", stop="kill")
        again = runtime.client.invocation(restarted.successor.invocation_id)
        await trio.sleep(40)
        assert ("signal", "3") in await waits(again)
        await trio.sleep(20)
        assert ("signal", "4") in await waits(again)


@pytest.mark.parametrize("how", HOLDS)
@pytest.mark.parametrize(("step_again", "keeps"), [("1.1.1", "1.2.1"), ("1.2.1", "1.1.1")])
async def test_two_waits_for_one_signal_are_never_mixed_up(how: str, step_again: str, keeps: str) -> None:
    async with Lab(Approval).running() as runtime:
        handle = await runtime.client.service(Approval).two_at_once.send()
        await trio.sleep(10)
        await hold("pause" if how == "retry" else how, runtime.client, handle)
        await handle.signal("approve", "anna")
        await handle.signal("approve", "bob")
        await let_go("pause" if how == "retry" else how, runtime.client, handle)
        assert await handle.result() == ["anna", "bob"]
        restarted = await handle.restart(step_again)
        again = runtime.client.invocation(restarted.successor.invocation_id)
        await trio.sleep(10)
        assert [wait.step for wait in (await again.info()).waits] == [step_again]
        taken = {e.details["step"] for e in [x async for x in again.events()] if e.name == "SignalReceived"}
        assert taken == {keeps}
        await again.signal("approve", "carl")
        assert await again.result() == [
            ("carl" if step_again < keeps else "anna"),
            ("bob" if step_again < keeps else "carl"),
        ]


class Desk(Actor):
    @handler
    async def two_at_once(self) -> list[str]:
        got = ["", ""]

        async def one(place: int) -> None:
            got[place] = await actors.signal("approve", str)

        async with actors.open_nursery() as nursery:
            nursery.start_soon(one, 0)
            nursery.start_soon(one, 1)
        return [*got, await actors.signal("approve", str)]

    @handler
    async def busy(self) -> None:
        await actors.sleep(100)


async def queued_restart(client: actors.Client, point: str) -> actors.InvocationHandle[Any]:
    """Of an invocation that took anna, bob and carl, behind another one."""
    desk = client.actor(Desk, "d")
    handle = await desk.two_at_once.send()
    for who in ("anna", "bob", "carl"):
        await trio.sleep(1)
        await handle.signal("approve", who)
    assert await handle.result() == ["anna", "bob", "carl"]
    await desk.busy.send()
    await trio.sleep(1)
    restarted = await (handle.restart(point) if point else handle.restart())
    again = client.invocation(restarted.successor.invocation_id)
    assert (await again.info()).status is Status.QUEUED
    return again


@pytest.mark.parametrize(
    ("point", "result"),
    [
        ("1.1.1", ["dora", "bob", "carl"]),
        ("1.2.1", ["anna", "dora", "carl"]),
        ("2", ["anna", "bob", "dora"]),
        ("", ["dora", "emil", "fred"]),
    ],
)
@pytest.mark.parametrize("dies", [False, True])
async def test_a_restart_in_line_gives_what_it_is_sent_to_the_wait_that_it_goes_back_to(
    point: str, result: list[str], dies: bool
) -> None:
    lab = Lab(Desk)
    async with lab.running() as runtime:
        again = await queued_restart(runtime.client, point)
        for who in ("dora", "emil", "fred"):
            await again.signal("approve", who)
        if not dies:
            assert await again.result() == result
    async with lab.running() as runtime:
        assert await runtime.client.invocation(again.id).result() == result


async def test_a_restart_that_is_killed_in_line_leaves_its_signals_to_the_one_that_repeats_it() -> None:
    async with Lab(Desk).running() as runtime:
        again = await queued_restart(runtime.client, "1.1.1")
        for who in ("dora", "emil", "fred"):
            await again.signal("approve", who)
        await again.kill()
        third = await again.restart("end")
        assert await runtime.client.invocation(third.successor.invocation_id).result() == ["dora", "emil", "fred"]


async def test_signals_for_a_restart_in_line_are_limited() -> None:
    async with Lab(Desk, limits=Limits(signals=2)).running() as runtime:
        again = await queued_restart(runtime.client, "2")
        for who in ("dora", "emil"):
            await again.signal("approve", who)
        with raises(actors.LimitExceededError, limit="signals", code="busy"):
            await again.signal("approve", "fred")


async def test_a_restart_of_a_restart_that_was_in_line_keeps_which_wait_took_what() -> None:
    async with Lab(Desk).running() as runtime:
        again = await queued_restart(runtime.client, "1.1.1")
        await again.signal("approve", "dora")
        assert await again.result() == ["dora", "bob", "carl"]
        restarted = await again.restart("1.2.1")
        third = runtime.client.invocation(restarted.successor.invocation_id)
        await trio.sleep(1)
        await third.signal("approve", "gina")
        assert await third.result() == ["dora", "gina", "carl"]


async def test_the_events_name_the_wait_that_each_signal_was_taken_by() -> None:
    async with Lab(Approval).running() as runtime:
        handle = await runtime.client.service(Approval).ask.send()
        await trio.sleep(10)
        await handle.pause()
        await trio.sleep(60)
        await handle.signal("approve", "anna")
        await handle.resume()
        await trio.sleep(10)
        told = [
            (entry.name, entry.details["step"])
            async for entry in handle.events()
            if entry.name in ("SignalReceived", "SignalReassigned")
        ]
        assert told == [("SignalReceived", "3"), ("SignalReassigned", "4")]
        assert (await handle.info()).status is Status.SUSPENDED
