"""A process dies: the tries of steps that ran count as failed, and code that had the event loop each time is paused."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

import actors
from actors import RetryPolicy, Service, handler, step
from actors.model.explain import WaitCause
from journal.events import PauseCause, Status
from journal.ids import ROOT_STEP, StepId
from journal.in_flight import FILE, InFlight, turn_mark
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.model.handles import InvocationHandle

pytestmark = on_virtual_time

THREE_TRIES = RetryPolicy(max_attempts=3, initial_delay=10.0, factor=1.0)


@step(retry=THREE_TRIES)
async def deadly(seconds: float) -> str:
    WORLD.note("begun")
    await trio.sleep(seconds)
    return "survived"


@step(retry=RetryPolicy(max_attempts=2, initial_delay=10.0, on_exhausted="fail"))
async def deadly_twice() -> None:
    WORLD.note("begun")
    await trio.sleep(1000)


@step(at_most_once=True)
async def once() -> None:
    WORLD.note("begun")
    await trio.sleep(1000)


@attrs.define
class Watched:
    """Its code runs as it is made, and as it is written down."""

    value: int

    def __attrs_post_init__(self) -> None:
        WORLD.note(("made", on_record(1)))

    def __getattribute__(self, name: str) -> object:
        if name == "value":
            WORLD.note(("written", on_record(20)))
        return super().__getattribute__(name)


def on_record(slots: int) -> bytes:
    """The turn, as a death at this moment would leave it, and so many slots."""
    return (FOLDERS[-1] / FILE).read_bytes()[: 1024 + slots * 128]


FOLDERS: list[Path] = []


@step
async def watched() -> Watched:
    return Watched(1)


class Dying(Service):
    @handler
    async def take(self, argument: Watched) -> None: ...

    @handler
    async def give(self) -> None:
        await watched()

    @handler
    async def run(self, seconds: float = 1000.0) -> str:
        return await deadly(seconds)

    @handler
    async def run_twice(self) -> None:
        await deadly_twice()

    @handler
    async def once(self) -> str:
        try:
            await once()
        except actors.errors.StepOutcomeUnknownError:
            return "unknown"
        return "known"

    @handler
    async def turns(self) -> None:
        while True:
            WORLD.note("turn")
            await actors.signal("go")


class Machine:
    """A lab whose processes die: the next one finds the record as it was."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lab = Lab(Dying)

    @asynccontextmanager
    async def process(self, *, dies: bool = True, paused: bool = False) -> AsyncIterator[actors.Runtime]:
        record = InFlight.open(self.folder)
        assert record is not None
        self.lab.in_flight = record
        async with self.lab.running(paused=paused) as runtime:
            yield runtime
            left = (self.folder / FILE).read_bytes()
        record.close()
        if dies:
            (self.folder / FILE).write_bytes(left)

    def put_on_the_loop(self, handle: InvocationHandle[object], step: StepId = ROOT_STEP) -> None:
        """As if the process had died while this invocation, or a step of it, had the event loop."""
        with (self.folder / FILE).open("r+b") as file:
            file.write(turn_mark(handle.id, step))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    FOLDERS.append(tmp_path)
    return Machine(tmp_path)


async def test_a_lost_try_is_recorded_and_backs_off(machine: Machine) -> None:
    async with machine.process() as runtime:
        handle = await runtime.client.service(Dying).run.send()
        await quiet()
    async with machine.process() as runtime:
        handle = runtime.client.invocation(handle.id)
        await quiet()
        info = await handle.info()
        assert info.status is Status.BACKING_OFF
        assert info.waits[0].failed_attempts == 1
        assert info.last_failure is not None
        assert info.last_failure.type == "actors.errors.StepLostError"
        [reason] = await handle.why()
        assert reason.waits_for is WaitCause.RETRY
        assert "StepLostError" in reason.because
        assert WORLD.count("begun") == 1
        await trio.sleep(11)
        assert WORLD.count("begun") == 2


async def test_a_step_that_ends_its_process_each_time_is_paused_after_its_policy(machine: Machine) -> None:
    async with machine.process() as runtime:
        handle = await runtime.client.service(Dying).run.send()
        await quiet()
    for _ in range(2):
        async with machine.process() as runtime:
            await trio.sleep(11)
    async with machine.process() as runtime:
        handle = runtime.client.invocation(handle.id)
        await trio.sleep(11)
        info = await handle.info()
        assert info.status is Status.PAUSED
        assert "StepLostError" in info.pause_reason
        assert WORLD.count("begun") == 3


async def test_a_try_that_a_stop_has_ended_does_not_count(machine: Machine) -> None:
    async with machine.process(dies=False) as runtime:
        handle = await runtime.client.service(Dying).run.send()
        await quiet()
    async with machine.process() as runtime:
        handle = runtime.client.invocation(handle.id)
        await quiet()
        assert WORLD.count("begun") == 2
        assert (await handle.info()).waits[0].failed_attempts == 0


async def test_a_step_that_had_not_begun_has_lost_no_try(machine: Machine) -> None:
    machine.lab.limits = actors.Limits(running_steps=1)
    async with machine.process() as runtime:
        first = await runtime.client.service(Dying).run.send()
        await quiet()
        second = await runtime.client.service(Dying).run.send()
        await quiet()
    async with machine.process() as runtime:
        await quiet()
        tries = [(await runtime.client.invocation(h.id).info()).waits[0].failed_attempts for h in (first, second)]
        assert tries == [1, 0]


async def test_a_lost_try_of_what_is_held_counts_when_it_goes_on(machine: Machine) -> None:
    async with machine.process() as runtime:
        handle = await runtime.client.service(Dying).run.send()
        await quiet()
    async with machine.process(paused=True) as runtime:
        await quiet()
    async with machine.process() as runtime:
        await runtime.client.gates.open("everything")
        await quiet()
        assert (await runtime.client.invocation(handle.id).info()).waits[0].failed_attempts == 1


async def test_a_step_that_may_begin_once_is_unknown_as_before(machine: Machine) -> None:
    async with machine.process() as runtime:
        handle = await runtime.client.service(Dying).once.send()
        await quiet()
    async with machine.process() as runtime:
        assert await runtime.client.invocation(handle.id).result() == "unknown"


async def test_after_a_lost_try_the_step_can_succeed(machine: Machine) -> None:
    async with machine.process() as runtime:
        handle = await runtime.client.service(Dying).run.send(1.0)
        await quiet()
    async with machine.process() as runtime:
        assert await runtime.client.invocation(handle.id).result() == "survived"


async def test_two_deaths_during_turns_of_one_invocation_pause_it(machine: Machine) -> None:
    async with machine.process() as runtime:
        handle = await runtime.client.service(Dying).turns.send()
        other = await runtime.client.service(Dying).turns.send()
        await quiet()
    machine.put_on_the_loop(handle)
    InFlight.open(machine.folder)  # a process that dies before it comes to that invocation
    machine.put_on_the_loop(handle)
    WORLD.clear()
    async with machine.process() as runtime:
        await runtime.client.invocation(handle.id).signal("go")
        await quiet()
        info = await runtime.client.invocation(handle.id).info()
        assert info.status is Status.PAUSED
        pauses = [e async for e in runtime.client.invocation(handle.id).events() if e.name == "InvocationPaused"]
        assert pauses[0].details["cause"] == PauseCause.BLOCKED.value
        assert (await runtime.client.invocation(other.id).info()).status is Status.SUSPENDED
        assert WORLD.entries == []
        await runtime.client.invocation(handle.id).resume()
        await quiet()
        assert WORLD.entries == ["turn", "turn"]


async def test_a_step_that_had_the_loop_at_two_deaths_is_paused_and_both_tries_count(machine: Machine) -> None:
    async with machine.process() as runtime:
        handle = await runtime.client.service(Dying).run.send()
        await quiet()
    machine.put_on_the_loop(handle, StepId("1"))
    async with machine.process():
        await trio.sleep(11)
    machine.put_on_the_loop(handle, StepId("1"))
    async with machine.process() as runtime:
        handle = runtime.client.invocation(handle.id)
        await trio.sleep(11)
        info = await handle.info()
        assert (info.status, info.waits[0].failed_attempts) == (Status.PAUSED, 2)
        pauses = [e.details["cause"] async for e in handle.events() if e.name == "InvocationPaused"]
        assert pauses == [PauseCause.BLOCKED.value]
        assert [reason.because for reason in await handle.why()] == [info.pause_reason, ""]
        assert WORLD.count("begun") == 2
        await handle.resume()
        await trio.sleep(11)
        assert WORLD.count("begun") == 3


async def test_the_policy_of_a_step_that_ends_its_process_comes_first(machine: Machine) -> None:
    async with machine.process() as runtime:
        handle = await runtime.client.service(Dying).run_twice.send()
        await quiet()
    machine.put_on_the_loop(handle, StepId("1"))
    async with machine.process():
        await trio.sleep(11)
    machine.put_on_the_loop(handle, StepId("1"))
    async with machine.process() as runtime:
        outcome = await runtime.client.invocation(handle.id).outcome()
        assert outcome.failure is not None
        assert outcome.failure.type == "actors.errors.StepLostError"
        assert WORLD.count("begun") == 2


async def test_one_death_pauses_nothing_and_a_turn_that_ends_is_forgiven(machine: Machine) -> None:
    async with machine.process() as runtime:
        handle = await runtime.client.service(Dying).turns.send()
        await quiet()
    for _ in range(3):
        machine.put_on_the_loop(handle)
        async with machine.process() as runtime:
            await runtime.client.invocation(handle.id).signal("go")
            await quiet()
            assert (await runtime.client.invocation(handle.id).info()).status is Status.SUSPENDED


async def test_both_are_in_the_log(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "actors")
    async with machine.process() as runtime:
        lost = await runtime.client.service(Dying).run.send()
        struck = await runtime.client.service(Dying).turns.send()
        await quiet()
    for _ in range(2):
        machine.put_on_the_loop(struck)
        InFlight.open(machine.folder)
    async with machine.process() as runtime:
        await runtime.client.invocation(struck.id).signal("go")
        await quiet()
    said = [record.getMessage() for record in caplog.records]
    assert any(line.startswith(f"{lost.id}/1: ") and "deadly" in line for line in said)
    assert any(line.startswith(f"{struck.id}: Dying/turns ") for line in said)


async def test_the_classes_of_an_argument_are_on_record_as_they_run(machine: Machine) -> None:
    async with machine.process() as runtime:
        handle = await runtime.client.service(Dying).take.send(Watched(1))
        await handle.result()
    turns = [entry[1][:64] for entry in WORLD.entries if entry[0] == "made"]
    assert turns[-1] == turn_mark(handle.id)


async def test_a_try_is_on_record_until_its_result_is_written_down(machine: Machine) -> None:
    async with machine.process() as runtime:
        handle = await runtime.client.service(Dying).give.send()
        await handle.result()
    record = next(entry[1] for entry in WORLD.entries if entry[0] == "written")
    assert record[:64] == turn_mark(handle.id, StepId("1"))
    assert f"0 1 {handle.id} 1".encode() in record[1024:]
