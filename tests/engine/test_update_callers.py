"""Callers of an update who do not want to wait for the end of a pause, as those over HTTP, hear of the pause of its run as its own
callers do; and whatever else happens to the run, they get an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import ConflictError, Workflow, handler, update
from actors.errors import ErrorCode, InvocationPausedError, UpdateLostError
from actors.model.requests import CallOptions
from actors.values.outcomes import value_of
from examples import order as example
from journal.events import Target
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.runtime import Runtime

pytestmark = on_virtual_time


class Order(Workflow):
    address: str = ""

    @handler
    async def run(self, address: str) -> str:
        self.address = address
        await actors.signal("paid")
        return self.address

    @update
    async def change(self, address: str) -> str:
        await actors.sleep(10)
        self.address = address
        return "changed"


async def ask(runtime: Runtime, key: str | None = None) -> Any:
    """Call the update as an HTTP server does for a client that does not want to wait for the end of a pause."""
    command = await runtime.client.as_command(
        Target("Order", "7", "change"), b'"New Street"', CallOptions(idempotency_key=key)
    )
    with trio.fail_after(1000):
        outcome = await runtime.client.outcome_of_call(command, leaves_at_pause=True)
    return value_of(outcome, command.invocation_id)


async def started(runtime: Runtime) -> actors.InvocationHandle[str]:
    run = await runtime.client.workflow(Order, "7").run.send("Old Street")
    await quiet()
    return run


async def test_a_caller_of_an_update_of_a_paused_run_is_told_at_once_and_waits_again_after_it() -> None:
    async with Lab(Order).running() as runtime:
        run = await started(runtime)
        await run.pause(reason="a look")
        with pytest.raises(InvocationPausedError) as paused:
            await ask(runtime, "k")
        error = paused.value
        assert error.invocation_id is not None
        assert error.invocation_id != run.id
        assert run.id in str(error)
        assert "a look" in str(error)
        with pytest.raises(InvocationPausedError):
            await runtime.client.outcome_of(error.invocation_id, leaves_at_pause=True)
        await run.resume()
        assert await ask(runtime, "k") == b'"changed"'
        assert [info.target.handler for info in await runtime.client.invocations()].count("change") == 1


async def test_a_caller_of_an_update_is_told_of_a_pause_of_the_run_that_comes_later() -> None:
    async with Lab(Order).running() as runtime, trio.open_nursery() as nursery:
        run = await started(runtime)

        async def call() -> None:
            with pytest.raises(InvocationPausedError):
                await ask(runtime)
            WORLD.note("told")

        nursery.start_soon(call)
        nursery.start_soon(call)
        await trio.sleep(1)
        await run.pause()
        await trio.sleep(1)
        assert WORLD.entries == ["told", "told"]


async def test_a_caller_who_waits_through_pauses_gets_the_answer_after_it() -> None:
    async with Lab(Order).running() as runtime, trio.open_nursery() as nursery:
        run = await started(runtime)
        await run.pause()

        async def call() -> None:
            WORLD.note(await runtime.client.workflow(Order, "7").change("New Street"))

        nursery.start_soon(call)
        await trio.sleep(100)
        assert WORLD.entries == []
        await run.resume()
        await trio.sleep(100)
        assert WORLD.entries == ["changed"]


async def test_a_restart_of_a_run_that_waits_tells_callers_of_its_updates_when_it_is_paused() -> None:
    async with Lab(Order).running() as runtime, trio.open_nursery() as nursery:
        run = await started(runtime)

        async def call() -> None:
            with pytest.raises(InvocationPausedError) as paused:
                await ask(runtime)
            WORLD.note(str(paused.value))

        await run.signal("paid")
        made = (await run.restart("1", stop="kill")).successor
        assert made is not None
        await quiet()
        nursery.start_soon(call)
        await trio.sleep(1)
        again = runtime.client.invocation(made.invocation_id)
        await again.pause()
        await trio.sleep(1)
        assert made.invocation_id in WORLD.entries[0]


async def test_a_caller_gets_an_answer_whatever_ends_the_run() -> None:
    async with Lab(Order).running() as runtime, trio.open_nursery() as nursery:
        run = await started(runtime)

        async def call() -> None:
            with pytest.raises(UpdateLostError):
                await ask(runtime)
            WORLD.note("lost")

        nursery.start_soon(call)
        await trio.sleep(1)
        with pytest.raises(ConflictError):
            await runtime.client.object(Order, "7").delete()
        await run.kill()
        await trio.sleep(1)
        assert WORLD.entries == ["lost"]
        with pytest.raises(ConflictError) as refused:
            await ask(runtime)
        assert refused.value.code is ErrorCode.NO_RUN


async def test_a_caller_of_an_update_of_a_held_run_waits_for_the_gate_as_one_of_the_run_does() -> None:
    async with Lab(Order).running() as runtime, trio.open_nursery() as nursery:
        await started(runtime)
        await runtime.client.gates.close("service:Order")

        async def call() -> None:
            WORLD.note((await ask(runtime)).decode())

        nursery.start_soon(call)
        await trio.sleep(100)
        assert WORLD.entries == []
        await runtime.client.gates.open("service:Order")
        await trio.sleep(100)
        assert WORLD.entries == ['"changed"']


async def test_the_payment_of_the_example_reaches_a_restart_of_the_run() -> None:
    async with Lab(example.Order).running() as runtime:
        order = runtime.client.workflow(example.Order, "7")
        run = await order.run.send("1 Old Street")
        await quiet()
        made = (await run.restart(stop="kill")).successor
        assert made is not None
        assert await order.pay(40) == "40 paid, thank you"
        with trio.fail_after(100):
            assert await runtime.client.invocation(made.invocation_id).result() == "sent to 1 Old Street"
