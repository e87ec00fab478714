"""Suspended is what waits for others, in memory or not; a start takes up what has something to do, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, Limits, Service, handler, step
from actors.engine.executor import Executor
from actors.query.fsck.doctor import examine, rebuild
from actors.rows.audit import Principal
from journal import keys
from journal.events import Status
from journal.ids import stream_of_invocation
from journal.log.kv_journal import KvJournal
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from journal.ids import InvocationId

pytestmark = on_virtual_time


@step
async def work(seconds: float) -> str:
    WORLD.note("work")
    await trio.sleep(seconds)
    return "done"


class Desk(Actor):
    @handler
    async def file(self) -> str:
        return await actors.signal("file", str)


class Office(Service):
    @handler
    async def approve(self) -> bool:
        return await actors.signal("approval", bool)

    @handler
    async def nap(self) -> None:
        await actors.sleep(1_000)

    @handler
    async def ask(self) -> str:
        return await actors.actor(Desk, "a").file()

    @handler
    async def hurry(self) -> str:
        with actors.fail_after(1_000):
            return await actors.signal("late", str)

    @handler
    async def toil(self) -> str:
        return await work(1_000)

    @handler
    async def work_beside_a_wait(self) -> list[str]:
        said: list[str] = []

        async def listen() -> None:
            said.append(await actors.signal("word", str))

        async with actors.open_nursery() as nursery:
            nursery.start_soon(listen)
            said.append(await work(10))
        return said

    @handler
    async def collect(self) -> list[str]:
        said: list[str] = []

        async def listen(name: str) -> None:
            said.append(await actors.signal(name, str))

        async with actors.open_nursery() as nursery:
            nursery.start_soon(listen, "one")
            nursery.start_soon(listen, "two")
        return said


WAIT_FOR_OTHERS = ("approve", "nap", "ask", "hurry")


@pytest.fixture
def lab() -> Lab:
    return Lab(Office, Desk)


async def sent(runtime: actors.Runtime, name: str) -> actors.InvocationHandle[Any]:
    handle: actors.InvocationHandle[Any] = await getattr(runtime.client.service(Office), name).send()
    await quiet()
    return handle


def live(runtime: actors.Runtime) -> int:
    """The handlers in memory."""
    return len(runtime.engine._processors[0]._executor.live)


def is_owing(lab: Lab, of: InvocationId) -> bool:
    return lab.store.get(keys.owing(0, stream_of_invocation(of))) is not None


@pytest.mark.parametrize("name", WAIT_FOR_OTHERS)
async def test_one_that_waits_for_others_is_suspended_at_once(lab: Lab, name: str) -> None:
    async with lab.running() as runtime:
        handle = await sent(runtime, name)
        assert live(runtime) > 0
        assert (await handle.info()).status is Status.SUSPENDED


async def test_one_is_running_while_a_step_of_it_runs(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await sent(runtime, "work_beside_a_wait")
        assert (await handle.info()).status is Status.RUNNING
        await trio.sleep(20)
        assert (await handle.info()).status is Status.SUSPENDED
        await handle.signal("word", "go")
        assert await handle.result() == ["done", "go"]


async def test_all_that_wait_for_one_signal_are_counted_as_suspended() -> None:
    lab = Lab(Office, limits=Limits(live_attempts=50))
    async with lab.running() as runtime:
        for _ in range(200):
            await runtime.client.service(Office).approve.send()
        await quiet()
        counted = await runtime.client.query("SELECT status, count(*) FROM sys_invocation GROUP BY status")
        assert counted.rows == [["suspended", 200]]
        assert len(await runtime.client.invocations(status=[Status.SUSPENDED], limit=1_000)) == 200
        assert live(runtime) == 50


async def test_leaving_memory_and_coming_back_writes_nothing() -> None:
    lab = Lab(Office, limits=Limits(unload_after_seconds=10.0))
    async with lab.running() as runtime:
        handle = await sent(runtime, "approve")
        before, stored = (await handle.info()).last_event, lab.store.contents()
        await trio.sleep(60)
        assert live(runtime) == 0
        assert (await handle.info()).last_event == before
        assert lab.store.contents() == stored


@pytest.mark.parametrize("name", WAIT_FOR_OTHERS)
async def test_a_start_leaves_what_waits_for_others_where_it_is(lab: Lab, name: str) -> None:
    async with lab.running() as runtime:
        handle = await sent(runtime, name)
        assert live(runtime) > 0
    async with lab.running() as runtime:
        await quiet()
        assert live(runtime) == 0
        assert runtime.engine._processors[0].cache.find(stream_of_invocation(handle.id)) is None
        assert (await handle_of(runtime, handle).info()).status is Status.SUSPENDED
        assert live(runtime) == 0, "nobody has to be in memory to be looked at"


def handle_of(runtime: actors.Runtime, handle: actors.InvocationHandle[Any]) -> actors.InvocationHandle[Any]:
    return runtime.client.invocation(handle.id)


async def test_a_start_takes_up_a_step_that_was_running(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await sent(runtime, "toil")
        assert is_owing(lab, handle.id)
    async with lab.running() as runtime:
        await quiet()
        assert (live(runtime), WORLD.count("work")) == (1, 2)


async def test_a_start_goes_on_with_what_a_handler_was_not_given(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run_none(self: Executor, _: trio.Nursery) -> None:
        self.runs.clear()

    async with lab.running() as runtime:
        handle = await sent(runtime, "collect")
        assert not is_owing(lab, handle.id)
        with monkeypatch.context() as patched:
            patched.setattr(Executor, "run_next", run_none)  # as if the process ended before the handler's turn
            await handle.signal("one", "1")
        assert is_owing(lab, handle.id)
    async with lab.running() as runtime:
        await quiet()
        assert live(runtime) == 1
        await handle_of(runtime, handle).signal("two", "2")
        assert await handle_of(runtime, handle).result() == ["1", "2"]


async def test_a_start_leaves_one_that_has_been_given_all_and_waits_again(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await sent(runtime, "collect")
        await handle.signal("one", "1")
        await quiet()
        assert not is_owing(lab, handle.id), "its turn left no trace, but is known to be over"
    async with lab.running() as runtime:
        await quiet()
        assert live(runtime) == 0
        await handle_of(runtime, handle).signal("two", "2")
        assert await handle_of(runtime, handle).result() == ["1", "2"]


async def test_the_doctor_accepts_that_entry_or_none_and_a_rebuild_writes_it(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await sent(runtime, "collect")
        await handle.signal("one", "1")
        await quiet()
    assert examine(lab.store, 1).findings == ()
    journal = KvJournal(lab.store, partitions=1, clock=lab.clock, secret="lab")
    assert (await rebuild(journal, Principal("user:me", "process"), retention_seconds=60.0)).findings == ()
    assert is_owing(lab, handle.id)


async def test_a_signal_that_no_handler_awaits_brings_none_into_memory(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await sent(runtime, "collect")
    async with lab.running() as runtime:
        await handle_of(runtime, handle).signal("three", "3")
        await quiet()
        assert live(runtime) == 0


async def test_what_a_gate_has_kept_from_a_suspended_one_is_given_when_it_opens(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await sent(runtime, "collect")
        await runtime.client.gates.close("service:Office")
        await handle.signal("one", "1")
    async with lab.running() as runtime:
        await quiet()
        assert live(runtime) == 0
        await runtime.client.gates.open("service:Office")
        await quiet()
        assert live(runtime) == 1
        await handle_of(runtime, handle).signal("two", "2")
        assert await handle_of(runtime, handle).result() == ["1", "2"]
