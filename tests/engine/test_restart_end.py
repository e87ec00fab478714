"""A restart from the end keeps every recorded step: what failed after the last one runs again from there."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import Actor, RetryPolicy, Service, Status, handler, shared, step
from actors.runtime import Runtime
from actors.types import OutcomeKind
from tests.lab import WORLD, Lab, quiet, until
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def work(name: str) -> str:
    WORLD.note(name)
    return name


class Wrong(actors.TerminalError):
    """What comes after the last step is broken."""


class Task(Actor):
    """``total`` is changed after the last step of each."""

    total: int = 0

    @handler
    async def fail_for_good(self) -> int:
        await work("a")
        await work("b")
        return self._add()

    @handler(retry=RetryPolicy(max_attempts=1))
    async def fail_and_pause(self) -> int:
        await work("a")
        if not WORLD.count("repaired"):
            raise OSError("not today")
        return self._add()

    @handler
    async def fail_after_a_write(self) -> int:
        await work("a")
        self.total += 100
        return self._add()

    @handler
    async def fail_at_once(self) -> int:
        return self._add()

    @handler
    async def signalled(self) -> int:
        await work("a")
        await actors.signal("go")
        return self._add()

    @handler
    async def side_by_side(self) -> int:
        async with actors.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(work, name)
        return self._add()

    @handler
    async def called(self) -> int:
        await actors.service(Other).ask()
        return self._add()

    @handler
    async def end(self) -> int:
        await actors.run(work, "a", name="end")
        return self._add()

    @handler
    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total

    def _add(self) -> int:
        if not WORLD.count("repaired"):
            raise Wrong("not yet")
        self.total += 1
        return self.total

    @shared
    async def read(self) -> int:
        return self.total


class Other(Service):
    @handler
    async def ask(self) -> str:
        return await work("asked")

    @handler
    async def restart_from_the_end(self, of: actors.InvocationId) -> str:
        return (await actors.invocation(of).restart("end")).successor.invocation_id


@pytest.fixture
def lab() -> Lab:
    return Lab(Task, Other)


async def fail(runtime: Runtime, name: str) -> actors.InvocationHandle[Any]:
    handle = await getattr(runtime.client.actor(Task, "t"), name).send()
    if name == "signalled":
        await quiet()
        await handle.signal("go")
    await quiet()
    return handle


async def restart(runtime: Runtime, handle: actors.InvocationHandle[Any], *args: str, **how: Any) -> Any:
    answer = await handle.restart(*args, **how)
    return runtime.client.invocation(answer.successor.invocation_id)


FAILING = ["fail_for_good", "fail_after_a_write", "signalled", "side_by_side", "called"]


@pytest.mark.parametrize("name", FAILING)
async def test_what_failed_after_the_last_step_runs_again_and_no_step_does(lab: Lab, name: str) -> None:
    async with lab.running() as runtime:
        failed = await fail(runtime, name)
        assert (await failed.outcome()).kind is OutcomeKind.FAILED
        done = list(WORLD.entries)
        plan = (await failed.restart("end", dry_run=True)).successor
        assert plan.again == ()
        assert len(plan.kept) >= 1
        WORLD.note("repaired")
        await (await restart(runtime, failed, "end")).result()
        assert WORLD.entries == [*done, "repaired"]


async def test_what_runs_again_sees_the_object_as_it_is_now(lab: Lab) -> None:
    async with lab.running() as runtime:
        failed = await fail(runtime, "fail_for_good")
        await runtime.client.actor(Task, "t").add(50)
        WORLD.note("repaired")
        assert await (await restart(runtime, failed, "end")).result() == 51


async def test_what_the_last_turn_wrote_is_written_once_if_the_state_is_rewound(lab: Lab) -> None:
    async with lab.running() as runtime:
        failed = await fail(runtime, "fail_after_a_write")
        assert await runtime.client.actor(Task, "t").read() == 100
        WORLD.note("repaired")
        assert await (await restart(runtime, failed, "end", rewind_state=True)).result() == 101


async def test_one_that_is_held_after_its_last_try_is_done_from_there(lab: Lab) -> None:
    async with lab.running() as runtime:
        held = await fail(runtime, "fail_and_pause")
        assert (await held.info()).status is Status.PAUSED
        WORLD.note("repaired")
        assert await (await restart(runtime, held, "end", stop="kill")).result() == 1
        assert WORLD.count("a") == 1


async def test_it_can_be_done_again_and_again(lab: Lab) -> None:
    async with lab.running() as runtime:
        at = await fail(runtime, "fail_for_good")
        for _ in range(3):
            at = await restart(runtime, at, "end")
            assert (await at.outcome()).kind is OutcomeKind.FAILED
        WORLD.note("repaired")
        assert await (await restart(runtime, at, "end")).result() == 1
        assert WORLD.count("b") == 1


async def test_one_that_waits_goes_on_waiting_where_it_was(lab: Lab) -> None:
    async with lab.running() as runtime:
        waits = await runtime.client.actor(Task, "t").signalled.send()
        await quiet()
        again = await restart(runtime, waits, "end", stop="kill")
        WORLD.note("repaired")
        await again.signal("go")
        assert await again.result() == 1
        assert WORLD.count("a") == 1


async def test_one_without_a_step_is_done_from_its_beginning(lab: Lab) -> None:
    async with lab.running() as runtime:
        failed = await fail(runtime, "fail_at_once")
        WORLD.note("repaired")
        assert await (await restart(runtime, failed, "end")).result() == 1


async def test_one_that_was_cancelled_keeps_what_came_before_the_cancel(lab: Lab) -> None:
    async with lab.running() as runtime:
        waits = await runtime.client.actor(Task, "t").signalled.send()
        await quiet()
        await waits.cancel()
        WORLD.note("repaired")
        again = await restart(runtime, waits, "end")
        await again.signal("go")
        assert await again.result() == 1
        assert WORLD.count("a") == 1


async def test_it_survives_the_process(lab: Lab) -> None:
    async with lab.running() as runtime:
        failed = await fail(runtime, "fail_for_good")
        await runtime.client.gates.close("everything")
        again = await restart(runtime, failed, "end")
    async with lab.running() as runtime:
        WORLD.note("repaired")
        await runtime.client.gates.open("everything")
        assert await runtime.client.invocation(again.id).result() == 1
        assert WORLD.count("a") == 1


async def test_a_handler_restarts_from_the_end_too(lab: Lab) -> None:
    async with lab.running() as runtime:
        failed = await fail(runtime, "fail_for_good")
        WORLD.note("repaired")
        again = await runtime.client.service(Other).restart_from_the_end(failed.id)
        await until(lambda: True)
        assert await runtime.client.invocation(actors.InvocationId(again)).result() == 1
        assert WORLD.count("a") == 1


async def test_a_step_that_is_called_end_is_named_by_its_path(lab: Lab) -> None:
    async with lab.running() as runtime:
        failed = await fail(runtime, "end")
        with raises(actors.InvalidArgumentError, path="from_step"):
            await failed.restart("end")
        WORLD.note("repaired")
        assert await (await restart(runtime, failed, "1")).result() == 1
        assert WORLD.count("a") == 2
        assert await (await restart(runtime, failed, "entry 2", again=True)).result() == 2
        assert WORLD.count("a") == 2


async def test_a_prefix_of_the_journal_is_kept_up_to_an_entry(lab: Lab) -> None:
    """As Restate counts: the input is entry 0, then what is asked for and what comes, and an outcome comes along."""
    async with lab.running() as runtime:
        failed = await fail(runtime, "fail_for_good")
        kept = {}
        for entry in range(5):
            plan = (await failed.restart(f"entry {entry}", dry_run=True)).successor
            kept[entry] = [ref.name for ref in plan.kept]
            assert plan.again == ()
        assert list(kept.values()) == [[], ["work"], ["work"], ["work", "work"], ["work", "work"]]
        for beyond in ("entry 5", "entry 9999", "entry -1", "entry x"):
            with raises(actors.NotFoundError, kind="step"):
                await failed.restart(beyond)
        WORLD.note("repaired")
        assert await (await restart(runtime, failed, "entry 2")).result() == 1
        assert (WORLD.count("a"), WORLD.count("b")) == (1, 2)
