"""Two things at once: whichever is first, nothing is lost, nothing waits for ever, and the engine goes on."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import Actor, Limits, RetryPolicy, Service, handler, step
from journal.errors import InDoubt, Unavailable
from journal.events import Status
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch
from tests.lab import WORLD, Lab, quiet, until
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Flaw(Exception):
    """Something that another try may not meet."""


@step
async def effect(name: str, seconds: float = 0.0, unwind: float = 0.0) -> str:
    WORLD.note(f"begin {name}")
    try:
        await trio.sleep(seconds)
    except trio.Cancelled:
        with trio.CancelScope(shield=True):
            await trio.sleep(unwind)
        raise
    WORLD.note(f"end {name}")
    return name


@step(retry=RetryPolicy(max_attempts=1))
async def fail_once(seconds: float) -> None:
    await trio.sleep(seconds)
    if not WORLD.count("repaired"):
        raise Flaw


@step
async def speak(pieces: int, pause: float) -> None:
    for piece in range(pieces):
        await trio.sleep(pause)
        actors.emit(piece)


class Notes(Actor):
    lines: list[str] = actors.field(factory=list)

    @handler
    async def note(self, text: str) -> None:
        self.lines.append(text)

    @handler(retention=10.0)
    async def note_briefly(self, text: str) -> None:
        self.lines.append(text)

    @handler
    async def wait_then_note(self, text: str) -> None:
        self.lines.append(await actors.signal("text", str))
        self.lines.append(await effect(text, 1.0))

    @handler
    async def wait(self) -> None:
        await actors.signal("go")

    @handler
    async def read(self) -> list[str]:
        return self.lines

    @handler
    async def note_elsewhere(self, key: str, text: str) -> None:
        await actors.actor(Notes, key).note.send(text)


class Worker(Service):
    @handler
    async def kill_and_purge(self, of: actors.InvocationId) -> None:
        handle = actors.invocation(of)
        await handle.kill()
        await handle.purge()

    @handler
    async def result_of(self, of: actors.InvocationId) -> None:
        await actors.invocation(of).result()

    @handler
    async def cancel(self, of: actors.InvocationId) -> str:
        try:
            await actors.invocation(of).cancel()
        except actors.ConflictError as error:
            return str(error)
        return "cancelled"

    @handler
    async def work(self, name: str, seconds: float) -> str:
        return await effect(name, seconds)

    @handler
    async def stop_one_while_another_fails(self) -> str:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(self._with_deadline)
            nursery.start_soon(fail_once, 2.0)
        return "done"

    async def _with_deadline(self) -> None:
        with actors.move_on_after(1.0):
            await effect("slow to stop", 100.0, 5.0)

    @handler
    async def fail_twice(self) -> str:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(fail_once, 1.0)
            nursery.start_soon(fail_once, 2.0)
        return "done"

    @handler
    async def speak_beside_a_failure(self) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(speak, 5, 1.0)
            nursery.start_soon(fail_once, 2.5)

    @handler
    async def speak_for_ever(self) -> None:
        await speak(1_000_000, 0.001)

    @handler
    async def hold_on(self, seconds: float) -> None:
        await hold_on(seconds)


@step
async def hold_on(seconds: float) -> None:
    """Goes on although it is asked to stop."""
    WORLD.note("holding on")
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)


class Fragile(MemoryStore):
    """Fails when it is told to: its next commit is in doubt, and kept or not."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: str = ""

    async def commit(self, batch: Batch) -> None:
        how, self.fails = self.fails, ""
        if how == "refused":
            await trio.lowlevel.checkpoint()
            raise Unavailable("no room just now")
        if how != "lost":
            await super().commit(batch)
        if how:
            raise InDoubt("whether it is on disk is unknown")


@pytest.fixture
def lab() -> Lab:
    return Lab(Notes, Worker)


async def test_a_refused_call_is_not_made_later(lab: Lab) -> None:
    lab.limits = Limits(mailbox=1)
    async with lab.running() as runtime:
        notes = runtime.client.actor(Notes, "a")
        first = await notes.wait.send()
        await notes.note.options(idempotency_key="k").send("queued")
        with raises(actors.LimitExceededError, limit="mailbox", code="busy"):
            await notes.note("refused")
        await first.signal("go")
        await quiet()
        with raises(actors.ConflictError, code="idempotency_conflict"):
            await notes.note.options(idempotency_key="k")("another")
        await trio.sleep(100)
        assert await notes.read() == ["queued"]


async def test_an_idle_one_that_is_woken_while_it_is_being_suspended_goes_on() -> None:
    for _ in range(30):  # who is first at that instant is a matter of chance
        lab = Lab(Notes, limits=Limits(unload_after_seconds=64.0))
        async with lab.running() as runtime:
            handle = await runtime.client.actor(Notes, "a").wait_then_note.send("done")
            await trio.sleep(64.0)
            await handle.signal("text", "woken")
            with trio.fail_after(1000):
                await handle.result()


async def test_a_step_that_waits_for_its_turn_gets_it_although_others_before_it_were_stopped() -> None:
    lab = Lab(Worker, limits=Limits(running_steps=1))
    async with lab.running() as runtime:
        worker = runtime.client.service(Worker)
        first = await worker.work.send("first", 10.0)
        await quiet()
        second = await worker.work.send("second", 10.0)
        await quiet()
        third = await worker.work.send("third", 10.0)
        await quiet()
        await second.kill()
        await first.result()
        with trio.fail_after(1000):
            assert await third.result() == "third"


async def test_a_step_that_waits_for_its_turn_gets_it_although_its_attempt_was_idle() -> None:
    lab = Lab(Worker, limits=Limits(running_steps=1, unload_after_seconds=1.0))
    async with lab.running() as runtime:
        worker = runtime.client.service(Worker)
        await worker.work.send("first", 100.0)
        await quiet()
        second = await worker.work.send("second", 1.0)
        with trio.fail_after(1000):
            assert await second.result() == "second"


async def test_a_step_may_give_way_after_another_has_used_up_its_attempts(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Worker).stop_one_while_another_fails.send()
        await trio.sleep(20)
        assert (await handle.info()).status is Status.PAUSED
        WORLD.note("repaired")
        await handle.resume()
        assert await handle.result() == "done"


async def test_two_steps_may_use_up_their_attempts_one_after_the_other(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Worker).fail_twice.send()
        await trio.sleep(20)
        assert (await handle.info()).status is Status.PAUSED
        WORLD.note("repaired")
        await handle.resume()
        assert await handle.result() == "done"


async def test_what_a_step_emits_while_its_invocation_is_held_is_kept(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Worker).speak_beside_a_failure.send()
        await trio.sleep(20)
        assert (await handle.info()).status is Status.PAUSED
        WORLD.note("repaired")
        await handle.resume()
        await handle.result()
        assert [piece async for piece in handle.output()] == [0, 1, 2, 3, 4]


async def test_output_without_end_meets_its_limit() -> None:
    lab = Lab(Worker, limits=Limits(output_pieces=100))
    async with lab.running() as runtime:
        handle = await runtime.client.service(Worker).speak_for_ever.send()
        with raises(actors.LimitExceededError) as refused:
            await handle.result()
        assert (refused.value.limit, refused.value.maximum) == ("output_pieces", 100)


async def test_a_handler_that_kills_and_purges_at_once_has_purged(lab: Lab) -> None:
    async with lab.running() as runtime:
        await runtime.client.actor(Notes, "a").note("kept")
        handle = await runtime.client.actor(Notes, "a").wait.send()
        await runtime.client.service(Worker).kill_and_purge(handle.id)
        for _ in range(2):
            with raises(actors.NotFoundError, kind="invocation"):
                await handle.info()
            assert handle.id not in [info.id for info in await runtime.client.invocations()]
            assert await runtime.client.actor(Notes, "a").read() == ["kept"]
    async with lab.running() as runtime:
        with raises(actors.NotFoundError, kind="invocation"):
            await runtime.client.invocation(handle.id).info()
        assert await runtime.client.actor(Notes, "a").read() == ["kept"]


async def test_whoever_follows_one_that_is_purged_does_not_wait_for_its_end(lab: Lab) -> None:
    async with lab.running() as runtime:
        await runtime.client.actor(Notes, "a").note("kept")
        handle = await runtime.client.actor(Notes, "a").wait.send()
        seen: list[str] = []

        async def follow() -> None:
            seen.extend([entry.name async for entry in handle.follow()])

        with trio.fail_after(100):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                await quiet()
                await runtime.client.service(Worker).kill_and_purge(handle.id)
        assert seen[0] == "InvocationAccepted"


async def test_a_short_retention_ends_in_time_although_others_last_longer(lab: Lab) -> None:
    async with lab.running() as runtime:
        notes = runtime.client.actor(Notes, "a")
        await notes.note("for a day")
        handle = await notes.note_briefly.send("for ten seconds")
        await handle.result()
        await trio.sleep(11)
        with raises(actors.NotFoundError, kind="invocation"):
            await handle.info()


async def test_what_a_purged_one_wrote_stays_while_an_older_one_is_retained(lab: Lab) -> None:
    async with lab.running() as runtime:
        notes = runtime.client.actor(Notes, "a")
        await notes.note("retained")
        await notes.note_briefly("first")
        await trio.sleep(20)
        await notes.note_briefly("second")
        await trio.sleep(20)
        await notes.note_briefly("third")
        await trio.sleep(20)
    async with lab.running() as runtime:
        assert await runtime.client.actor(Notes, "a").read() == ["retained", "first", "second", "third"]


async def test_answers_to_another_partition_are_told_apart() -> None:
    lab = Lab(Notes, Worker, partitions=7)
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Notes, "a").note.send("x")
        await handle.result()
        for _ in range(20):
            with trio.fail_after(1000):
                await runtime.client.service(Worker).result_of(handle.id)
                assert "has completed" in await runtime.client.service(Worker).cancel(handle.id)


async def test_a_message_to_another_partition_arrives_although_its_sender_began_anew_meanwhile() -> None:
    lab = Lab(Notes, partitions=7)
    async with lab.running() as runtime:
        for number in range(3):
            for name in "bcdefg":
                handle = await runtime.client.actor(Notes, "a").note_elsewhere.send(name, f"{number}")
                await handle.result()
                await handle.purge()
        await trio.sleep(1)
        for name in "bcdefg":
            assert await runtime.client.actor(Notes, name).read() == ["0", "1", "2"]


@pytest.mark.parametrize("how", ["lost", "kept", "refused"])
async def test_after_a_failed_commit_callers_hear_at_once_though_a_step_does_not_give_way(how: str) -> None:
    store = Fragile()
    lab = Lab(Notes, Worker, store=store)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Worker).hold_on.send(1000.0)
        await until(lambda: WORLD.count("holding on") == 1)
        store.fails = how
        with trio.fail_after(5), pytest.raises((actors.UnknownOutcomeError, actors.UnavailableError)):
            await runtime.client.actor(Notes, "a").note("in doubt")
        with trio.fail_after(5), pytest.raises(actors.UnavailableError):
            await runtime.client.actor(Notes, "b").note("later")
        await trio.sleep(1010)
        await runtime.client.actor(Notes, "b").note("again")
        await handle.result()
