"""What a restart makes of the calls of the one that it repeats: a call under a key never meets what was stopped with it."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import Actor, Service, Status, Workflow, handler, step
from actors.runtime import Runtime
from actors.types import OutcomeKind
from tests.lab import WORLD, Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def charge() -> None:
    WORLD.note("charge")


class Shipment(Workflow):
    @handler
    async def run(self, order: str) -> str:
        WORLD.note(f"ship {order}")
        return f"{order} sent by {await actors.signal('carrier', str)}"


class Depot(Actor):
    @handler
    async def send(self, order: str) -> str:
        WORLD.note(f"send {order}")
        return f"{order} sent by {await actors.signal('carrier', str)}"


class Order(Service):
    @handler
    async def workflow(self) -> str:
        await charge()
        return await actors.workflow(Shipment, "o").run("o")

    @handler
    async def keyed(self) -> str:
        await charge()
        return await actors.actor(Depot, "d").send.options(idempotency_key="o")("o")

    @handler
    async def plain(self) -> str:
        await charge()
        return await actors.actor(Depot, "d").send("o")

    @handler
    async def through_another(self) -> str:
        await charge()
        return await actors.service(Order).workflow()

    @handler
    async def beside(self) -> str:
        results: list[str] = []

        async def ship() -> None:
            results.append(await actors.workflow(Shipment, "o").run("o"))

        async with actors.open_nursery() as nursery:
            nursery.start_soon(ship)
            nursery.start_soon(charge)
        return results[0]


@pytest.fixture(params=[1, 5])
def lab(request: pytest.FixtureRequest) -> Lab:
    return Lab(Order, Shipment, Depot, partitions=request.param)


async def begin(runtime: Runtime, name: str) -> actors.InvocationHandle[Any]:
    handle = await getattr(runtime.client.service(Order), name).send()
    await quiet()
    return handle


async def restart(runtime: Runtime, handle: actors.InvocationHandle[Any], *args: str, **how: Any) -> Any:
    answer = await handle.restart(*args, **how)
    await quiet()
    return runtime.client.invocation(answer.successor.invocation_id)


async def callee_of(handle: actors.InvocationHandle[Any]) -> actors.InvocationId:
    (wait,) = [wait for wait in (await handle.info()).waits if wait.kind == "call"]
    assert wait.invocation_id is not None
    return wait.invocation_id


@pytest.mark.parametrize("stop", ["kill", "cancel"])
@pytest.mark.parametrize("name", ["workflow", "keyed", "beside", "through_another"])
async def test_a_callee_under_a_key_is_spared_and_answers_the_successor(lab: Lab, name: str, stop: str) -> None:
    async with lab.running() as runtime:
        original = await begin(runtime, name)
        successor = await restart(runtime, original, "charge", stop=stop)
        assert (await original.info()).status is Status.COMPLETED
        waiting = await runtime.client.invocations(status=[Status.SUSPENDED])
        (called,) = [i for i in waiting if i.target.service in CALLED]
        await runtime.client.invocation(called.id).signal("carrier", "anna")
        assert await successor.result() == "o sent by anna"
        assert WORLD.count("ship o") + WORLD.count("send o") == 1


CALLED = ("Shipment", "Depot")


@pytest.mark.parametrize("stop", ["kill", "cancel"])
async def test_a_callee_without_a_key_is_stopped_and_called_anew(lab: Lab, stop: str) -> None:
    async with lab.running() as runtime:
        original = await begin(runtime, "plain")
        first = await callee_of(original)
        successor = await restart(runtime, original, "charge", stop=stop)
        assert (await runtime.client.invocation(first).info()).status is Status.COMPLETED
        second = await callee_of(successor)
        assert second != first
        await runtime.client.invocation(second).signal("carrier", "anna")
        assert await successor.result() == "o sent by anna"


async def test_the_dry_run_says_which_callees_go_on_and_which_are_stopped(lab: Lab) -> None:
    async with lab.running() as runtime:
        keyed, plain = await begin(runtime, "workflow"), await begin(runtime, "plain")
        plan = (await keyed.restart("charge", stop="kill", dry_run=True)).successor
        assert [ref.invocation_id for ref in plan.spared] == [actors.workflow_id(Shipment, "o")]
        assert (plan.stopped, plan.repeated) == ((), ())
        plan = (await plain.restart("charge", stop="kill", dry_run=True)).successor
        assert [ref.invocation_id for ref in plan.stopped] == [await callee_of(plain)]
        assert (plan.spared, plan.repeated) == ((), ())


@pytest.mark.parametrize("stop", ["kill", "cancel"])
@pytest.mark.parametrize("from_step", [None, "charge"])
async def test_a_callee_that_was_stopped_with_its_caller_is_repeated_with_it(
    lab: Lab, stop: str, from_step: str | None
) -> None:
    async with lab.running() as runtime:
        original = await begin(runtime, "workflow")
        await getattr(original, stop)()
        await quiet()
        plan = (await original.restart(from_step, dry_run=True)).successor
        assert [ref.invocation_id for ref in plan.repeated] == [actors.workflow_id(Shipment, "o")]
        successor = await restart(runtime, original, from_step)
        again = await callee_of(successor)
        assert again != actors.workflow_id(Shipment, "o")
        await runtime.client.invocation(again).signal("carrier", "anna")
        assert await successor.result() == "o sent by anna"
        assert WORLD.count("ship o") == 2


async def test_a_callee_is_repeated_once_however_often_its_caller_is(lab: Lab) -> None:
    async with lab.running() as runtime:
        original = await begin(runtime, "workflow")
        await original.kill()
        second = await restart(runtime, original)
        third = await restart(runtime, second, stop="kill")
        again = await callee_of(third)
        await runtime.client.invocation(again).signal("carrier", "anna")
        assert await third.result() == "o sent by anna"
        assert WORLD.count("ship o") == 2
        fourth = await restart(runtime, third)
        assert await fourth.result() == "o sent by anna"


async def test_what_was_stopped_and_called_by_others_answers_as_it_ended(lab: Lab) -> None:
    async with lab.running() as runtime:
        flow = await runtime.client.workflow(Shipment, "o").run.send("o")
        await flow.kill()
        original = await begin(runtime, "workflow")
        with raises(actors.InvocationCancelledError, code="killed"):
            await original.result()
        successor = await restart(runtime, original)
        with raises(actors.InvocationCancelledError, code="killed"):
            await successor.result()


async def test_two_callers_under_one_key_are_both_answered(lab: Lab) -> None:
    async with lab.running() as runtime:
        callers = [await begin(runtime, "workflow"), await begin(runtime, "workflow")]
        await runtime.client.invocation(actors.workflow_id(Shipment, "o")).signal("carrier", "anna")
        with trio.fail_after(100):
            assert [await caller.result() for caller in callers] == ["o sent by anna"] * 2


async def test_a_cancelled_original_does_not_wait_for_a_spared_callee(lab: Lab) -> None:
    async with lab.running() as runtime:
        original = await begin(runtime, "workflow")
        await restart(runtime, original, stop="cancel")
        with trio.fail_after(1):
            assert (await original.outcome()).kind is OutcomeKind.CANCELLED
