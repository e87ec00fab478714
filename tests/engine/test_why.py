"""Why: every way to wait says what it waits for, since when, until when, because of whom."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import Actor, InvocationHandle, RetryPolicy, Service, handler, step
from actors.model.explain import reasons
from actors.types import WaitCause
from journal import invocation_keys
from tests.lab import Lab, quiet
from tests.virtual import EPOCH, on_virtual_time

pytestmark = on_virtual_time


@step
async def long_work() -> None:
    await trio.sleep(1e6)


@step(retry=RetryPolicy(max_attempts=4, initial_delay=60.0))
async def dead_endpoint() -> None:
    raise ConnectionError("refused")


@step(retry=RetryPolicy(max_attempts=2, initial_delay=1.0))
async def soon_exhausted() -> None:
    raise ConnectionError("refused")


class Waits(Service):
    @handler
    async def give_up(self) -> None:
        await soon_exhausted()

    @handler
    async def sleep(self) -> None:
        await actors.sleep(100.0)

    @handler
    async def approve(self) -> None:
        await actors.signal("approval", bool)

    @handler
    async def approve_twice(self) -> None:
        async with actors.open_nursery() as nursery:
            for name in ("one", "other"):
                nursery.start_soon(actors.signal, name, bool)

    @handler
    async def work(self) -> None:
        await long_work()

    @handler
    async def fetch(self) -> None:
        await dead_endpoint()

    @handler
    async def call(self) -> None:
        await actors.service(Waits).sleep()

    @handler(retry=RetryPolicy(max_attempts=3, initial_delay=60.0))
    async def fail(self) -> None:
        raise ValueError("no luck")


class Keyed(Actor):
    @handler
    async def hold(self) -> None:
        await actors.sleep(100.0)


async def why(handle: InvocationHandle[None]) -> list[actors.types.WaitReason]:
    await quiet()
    return list(await handle.why())


@pytest.mark.parametrize(
    ("name", "waits_for", "text"),
    [
        ("sleep", WaitCause.TIMER, "it sleeps (step 1)"),
        ("approve", WaitCause.SIGNAL, "signal 'approval' (step 1) has not arrived"),
        ("work", WaitCause.STEP, "step 'long_work' (step 1) is running"),
        ("fetch", WaitCause.RETRY, "step 'dead_endpoint' (step 1) is tried again: 1 of 4 tries have failed"),
        ("call", WaitCause.INVOCATION, "it has called Waits/sleep (step 1), which has not completed"),
        ("fail", WaitCause.RETRY, "its handler failed and will be retried: 1 of 3 tries have failed"),
    ],
)
async def test_one_that_runs_says_what_it_waits_for(name: str, waits_for: WaitCause, text: str) -> None:
    async with Lab(Waits).running() as runtime:
        handle = await getattr(runtime.client.service(Waits), name).send()
        (reason,) = await why(handle)
        assert (reason.waits_for, reason.text) == (waits_for, text)


async def test_a_timer_and_a_retry_say_when_and_a_retry_says_what_failed() -> None:
    async with Lab(Waits).running() as runtime:
        (sleeping,) = await why(await runtime.client.service(Waits).sleep.send())
        assert sleeping.until == pytest.approx(EPOCH + 100.0, abs=1.0)
        (failing,) = await why(await runtime.client.service(Waits).fail.send())
        assert failing.until is not None
        assert failing.because == "ValueError: no luck"


async def test_one_that_is_scheduled_says_its_date() -> None:
    async with Lab(Waits).running() as runtime:
        (reason,) = await why(await runtime.client.service(Waits).sleep.options(delay=50.0).send())
        assert (reason.waits_for, reason.until) == (WaitCause.DATE, pytest.approx(EPOCH + 50.0, abs=1.0))


async def test_one_that_is_queued_says_who_holds_the_key_and_how_many_are_before_it() -> None:
    async with Lab(Keyed).running() as runtime:
        first = await runtime.client.actor(Keyed, "a").hold.send()
        second = await runtime.client.actor(Keyed, "a").hold.send()
        third = await runtime.client.actor(Keyed, "a").hold.send()
        (reason,) = await why(second)
        assert (reason.waits_for, reason.invocation_id) == (WaitCause.KEY, first.id)
        (reason,) = await why(third)
        assert reason.text == f"Keyed/a is held by {first.id}, and 1 wait before it"


async def test_one_that_is_paused_says_by_whom_since_when_and_why() -> None:
    async with Lab(Waits).running() as runtime:
        handle = await runtime.client.service(Waits).approve.send()
        await quiet()
        await handle.pause(reason="maintenance")
        paused, signal = await why(handle)
        assert paused.waits_for is WaitCause.RESUME
        assert paused.by.startswith("user:")
        assert paused.because == "maintenance"
        assert signal.waits_for is WaitCause.SIGNAL


async def test_a_step_that_has_used_its_tries_is_not_said_to_be_tried_again() -> None:
    async with Lab(Waits).running() as runtime:
        handle = await runtime.client.service(Waits).give_up.send()
        while (await handle.info()).status is not actors.Status.PAUSED:
            await trio.sleep(1.0)
        _, retry = await why(handle)
        assert retry.text == "step 'soon_exhausted' (step 1) has no tries left: 2 of 2 tries have failed"


async def test_the_listing_counts_the_tries_of_a_step_that_have_failed() -> None:
    counted = "select failed_attempts, failed_tries from sys_invocation"
    lab = Lab(Waits)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Waits).give_up.send()
        while (await handle.info()).status is not actors.Status.PAUSED:
            await trio.sleep(1.0)
        assert (await runtime.client.query(counted)).rows == [[0, 2]]
    async with lab.running() as runtime:
        assert (await runtime.client.query(counted)).rows == [[0, 2]]


async def test_what_waits_for_a_signal_is_listed_with_its_name_and_since_when_until_it_has_come() -> None:
    lab = Lab(Waits)
    listed = "select id, awaited_signal, awaited_since from sys_invocation where awaited_signal is not null order by 3"
    async with lab.running() as runtime:
        client = runtime.client
        first = await client.service(Waits).approve.send()
        await client.service(Waits).sleep.send()
        await quiet()
        since = (await first.info()).waits[0].since
        await trio.sleep(5.0)
        second = await client.service(Waits).approve_twice.send()
        await trio.sleep(600.0)  # suspended by now
        rows = (await client.query(listed)).rows
        assert [row[:2] for row in rows] == [[first.id, "approval"], [second.id, "one"]]
        assert rows[0][2] == since
        assert rows[1][2] == pytest.approx(since + 5.0, abs=1.0)
        await second.signal("one", True)
        await first.pause(reason="a look")
        await quiet()
        assert [row[:2] for row in (await client.query(listed)).rows] == [[first.id, "approval"], [second.id, "other"]]
    async with lab.running() as runtime:
        client = runtime.client
        assert [row[:2] for row in (await client.query(listed)).rows] == [[first.id, "approval"], [second.id, "other"]]
        await client.invocation(second.id).signal("other", True)
        await client.invocation(second.id).result()
        await client.invocation(first.id).kill()
        assert (await client.query(listed)).rows == []
    assert not any(key.startswith(invocation_keys.awaiting_prefix(0)) for key, _ in lab.store.contents())


async def test_one_that_pauses_says_by_whom_though_its_step_has_not_ended() -> None:
    async with Lab(Waits).running() as runtime:
        handle = await runtime.client.service(Waits).work.send()
        await quiet()
        await handle.pause(reason="maintenance")
        pausing, step_ = await why(handle)
        assert (pausing.waits_for, pausing.because) == (WaitCause.RESUME, "maintenance")
        assert pausing.by.startswith("user:")
        assert step_.waits_for is WaitCause.STEP


async def test_one_behind_a_gate_says_who_closed_it_and_why() -> None:
    async with Lab(Waits).running() as runtime:
        await runtime.client.gates.close("service:Waits", reason="the database moves")
        gate, *_ = await why(await runtime.client.service(Waits).sleep.send())
        assert gate.waits_for is WaitCause.GATE
        assert gate.by.startswith("user:")
        assert gate.because == "the database moves"


async def test_one_that_repeats_another_says_that_it_waits_for_its_end() -> None:
    async with Lab(Waits).running() as runtime:
        original = await runtime.client.service(Waits).work.send()
        await quiet()
        await original.pause(mode="now")
        answer = await original.restart(stop="cancel")
        assert answer.successor is not None
        await original.outcome()
        assert reasons(await original.info())[0].waits_for is WaitCause.NOTHING
