"""An invocation that waits for its time can be moved to another time, or started now."""

from __future__ import annotations

import datetime

import pytest
import trio

import actors
from actors import Actor, Service, handler, shared
from actors.errors import ConflictError, ErrorCode
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

DAY = 86_400.0


class Mail(Actor):
    sent: tuple[str, ...] = ()

    @handler
    async def send(self, text: str) -> None:
        self.sent = (*self.sent, text)

    @shared
    async def all(self) -> tuple[str, ...]:
        return self.sent


class Office(Service):
    @handler
    async def hurry(self, of: str) -> bool:
        return (await actors.invocation(of).reschedule()).changed


async def test_one_that_is_started_now_runs_now_and_only_once() -> None:
    lab = Lab(Mail)
    async with lab.running() as runtime:
        mail = runtime.client.actor(Mail, "ada")
        handle = await mail.send.options(delay=DAY).send("late")
        assert (await handle.reschedule(reason="urgent")).changed
        await handle.result()
        assert await mail.all() == ("late",)
        with pytest.raises(ConflictError) as refused:
            await handle.reschedule()
        assert refused.value.code is ErrorCode.ALREADY_COMPLETED
        await trio.sleep(2 * DAY)
        assert await mail.all() == ("late",)


async def test_a_moved_time_holds_in_the_next_process_and_the_earlier_one_does_not() -> None:
    lab = Lab(Mail)
    async with lab.running() as runtime:
        mail = runtime.client.actor(Mail, "ada")
        later = await mail.send.options(delay=100.0).send("later")
        sooner = await mail.send.options(delay=DAY).send("sooner")
        now = (await later.info()).created_at
        await later.reschedule(at=datetime.datetime.fromtimestamp(now + 1000.0, datetime.UTC))
        await sooner.reschedule(delay=500.0)
    async with lab.running() as runtime:
        mail = runtime.client.actor(Mail, "ada")
        await trio.sleep(400.0)
        assert await mail.all() == ()
        await trio.sleep(200.0)
        assert await mail.all() == ("sooner",)
        await trio.sleep(600.0)
        assert await mail.all() == ("sooner", "later")


async def test_a_paused_one_keeps_its_new_time_until_it_is_resumed() -> None:
    async with Lab(Mail).running() as runtime:
        mail = runtime.client.actor(Mail, "ada")
        handle = await mail.send.options(delay=DAY).send("late")
        await handle.pause()
        await handle.reschedule()
        await quiet()
        assert await mail.all() == ()
        await handle.resume()
        await handle.result()


async def test_a_handler_may_start_another_one_now() -> None:
    async with Lab(Mail, Office).running() as runtime:
        handle = await runtime.client.actor(Mail, "ada").send.options(delay=DAY).send("late")
        assert await runtime.client.service(Office).hurry(handle.id)
        await handle.result()


async def test_a_job_moves_those_that_wait_and_refuses_the_others() -> None:
    async with Lab(Mail).running() as runtime:
        for key in "abc":
            await runtime.client.actor(Mail, key).send.options(delay=DAY).send(key)
        running = runtime.client.jobs.where("service = 'Mail'")
        done = await (await running.reschedule(reason="all of them")).result()
        assert (done.changed, done.refused) == (3, {})
        await quiet()
        again = await (await running.reschedule()).result()
        assert (again.changed, again.refused) == (0, {"already_completed": 3})


async def test_a_time_and_a_delay_together_are_refused() -> None:
    async with Lab(Mail).running() as runtime:
        handle = await runtime.client.actor(Mail, "ada").send.options(delay=DAY).send("late")
        with pytest.raises(actors.InvalidArgumentError) as refused:
            await handle.reschedule(at=1.0, delay=1.0)
        assert refused.value.path == "at"
