"""Restart with other input: a kept part that the new input does not fit is refused before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, InvocationHandle, Service, handler
from tests.lab import WORLD, Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = on_virtual_time


async def record(name: str, amount: int, seconds: float = 0.0) -> int:
    WORLD.note((name, amount))
    await trio.sleep(seconds)
    return amount


class Order(Service):
    @handler
    async def place(self, amount: int, note: str = "") -> str:
        await actors.run(record, "reserve", 1, name="reserve")
        await actors.run(record, "charge", amount, name="charge")
        await actors.run(record, "ship", amount, name="ship")
        await actors.run(record, "close", 2, name="close")
        return note

    @handler
    async def approve(self, amount: int) -> int:
        await actors.signal("approval", bool)
        await actors.run(record, "charge", amount, name="charge")
        await actors.sleep(1e6)
        return amount

    @handler
    async def call(self, amount: int) -> int:
        first = await actors.service(Order).child(1)
        return first + await actors.service(Order).child(amount)

    @handler
    async def child(self, amount: int) -> int:
        return await actors.run(record, "child", amount, name="child")

    @handler
    async def beside(self, amount: int) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(self._one, "slow", amount, 5.0)
            nursery.start_soon(self._one, "fast", 1, 1.0)

    async def _one(self, name: str, amount: int, seconds: float) -> None:
        await actors.run(record, name, amount, seconds, name=name)

    @handler
    async def careful(self, amount: int) -> int:
        await actors.run(record, "first", 1, name="first")
        if amount > 100:
            raise actors.TerminalError("too much")
        await actors.run(record, "second", 2, name="second")
        return amount


class Till(Actor):
    total: int = 0

    @handler
    async def pay(self, amount: int) -> int:
        await actors.run(record, "check", 1, name="check")
        self.total += amount
        await actors.run(record, "log", 2, name="log")
        await actors.run(record, "end", 3, name="end it")
        return self.total

    @handler
    async def add(self, amount: int) -> int:
        self.total += amount
        await actors.run(record, "log", amount, name="log")
        return self.total


@pytest.fixture
async def client() -> AsyncIterator[actors.Client]:
    async with Lab(Order, Till).running() as runtime:
        yield runtime.client


async def placed(client: actors.Client, name: str = "place", amount: int = 5) -> InvocationHandle[Any]:
    handle: InvocationHandle[Any] = await getattr(client.service(Order), name).send(amount)
    await handle.result()
    WORLD.clear()
    return handle


async def follow(client: actors.Client, answer: actors.types.RestartResult) -> Any:
    return await client.invocation(answer.successor.invocation_id).result()


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_kept_step_that_would_get_another_argument_is_named(client: actors.Client, dry_run: bool) -> None:
    order = await placed(client)
    with pytest.raises(actors.errors.IncompatibleError) as refusal:
        await order.restart("close", input={"amount": 9}, dry_run=dry_run)
    said, details = str(refusal.value), refusal.value.details
    assert details["step"] == "2"
    assert "'charge'" in details["recorded"]
    assert "5]" in details["recorded"]
    assert "'charge'" in details["attempted"]
    assert "9]" in details["attempted"]
    assert "step 2 or an earlier" in said
    assert "input" in said
    assert (await order.info()).successors == ()
    await quiet()
    assert WORLD.entries == []


async def test_the_remedy_that_is_named_works(client: actors.Client) -> None:
    order = await placed(client)
    answer = await order.restart("2", input={"amount": 9, "note": "other"})
    assert [step.name for step in answer.successor.kept] == ["reserve"]
    assert [step.name for step in answer.successor.again] == ["charge"]
    assert [step.name for step in answer.successor.dropped] == ["ship", "close"]
    assert await follow(client, answer) == "other"
    assert WORLD.entries == [("charge", 9), ("ship", 9), ("close", 2)]


async def test_the_first_step_takes_the_new_argument_too(client: actors.Client) -> None:
    order = await placed(client, "child")
    assert await follow(client, await order.restart("child", input=9)) == 9
    assert WORLD.entries == [("child", 9)]


async def test_input_that_the_kept_part_does_not_use_is_taken(client: actors.Client) -> None:
    order = await placed(client)
    answer = await order.restart("close", input={"amount": 5, "note": "late"})
    assert await follow(client, answer) == "late"
    assert WORLD.entries == [("close", 2)]


async def test_the_same_input_keeps_what_it_kept(client: actors.Client) -> None:
    order = await placed(client)
    assert await follow(client, await order.restart("ship", input=5)) == ""
    assert WORLD.entries == [("ship", 5), ("close", 2)]


async def test_signals_stay_with_a_step_that_takes_the_new_input(client: actors.Client) -> None:
    order = await client.service(Order).approve.send(5)
    await order.signal("approval", True)
    await quiet()
    again = client.invocation((await order.restart("charge", input=9, stop="kill")).successor.invocation_id)
    await quiet()
    assert [wait.kind for wait in (await again.info()).waits] == ["sleep"]
    assert WORLD.entries == [("charge", 5), ("charge", 9)]


async def test_a_kept_call_with_another_argument_is_refused(client: actors.Client) -> None:
    order = await client.service(Order).call.send(5)
    assert await order.result() == 6
    with pytest.raises(actors.errors.IncompatibleError) as refusal:
        await order.restart("end", input=9)
    assert refusal.value.details["step"] == "2"
    assert await follow(client, await order.restart("2", input=9)) == 10


async def test_a_step_that_others_run_beside_is_held_to_its_argument(client: actors.Client) -> None:
    order = await placed(client, "beside")
    with pytest.raises(actors.errors.IncompatibleError) as refusal:
        await order.restart("slow", input=9)
    assert "beginning" in str(refusal.value)
    await follow(client, await order.restart(input=9))


async def test_a_handler_that_raises_before_a_kept_step_is_refused(client: actors.Client) -> None:
    order = await placed(client, "careful")
    with pytest.raises(actors.errors.IncompatibleError):
        await order.restart("end", input=900)
    with pytest.raises(actors.TerminalError, match="too much"):
        await follow(client, await order.restart("first", input=900))


async def test_fields_that_a_kept_part_would_write_otherwise_are_named(client: actors.Client) -> None:
    paying = await client.actor(Till, "a").pay.send(5)
    await paying.result()
    with pytest.raises(actors.errors.IncompatibleError) as refusal:
        await paying.restart("end it", input=9)
    assert "total" in refusal.value.details["recorded"]
    assert (await paying.restart("check", input=9)).changed


async def test_a_step_whose_turn_wrote_fields_takes_new_input_if_they_are_rewound(client: actors.Client) -> None:
    paying = await client.actor(Till, "a").add.send(5)
    await paying.result()
    with raises(actors.errors.IncompatibleError, code="incompatible"):
        await paying.restart("log", input=9)
    assert await follow(client, await paying.restart("log", input=9, rewind_state=True)) == 9


async def test_a_restart_in_a_handler_is_refused_too() -> None:
    class Repeat(Service):
        @handler
        async def again(self, of: str) -> str:
            try:
                await actors.invocation(of).restart("close", input=9)
            except actors.errors.IncompatibleError as error:
                return str(error.details["step"])
            return "accepted"

    async with Lab(Order, Repeat).running() as runtime:
        order = await placed(runtime.client)
        assert await runtime.client.service(Repeat).again(order.id) == "2"


async def test_what_was_accepted_goes_on_after_a_crash() -> None:
    lab = Lab(Order, Till)
    async with lab.running() as runtime:
        first = await runtime.client.service(Order).approve.send(5)
        await first.signal("approval", True)
        await quiet()
        of = (await first.restart("charge", input=9, stop="kill")).successor.invocation_id
        await quiet()
    async with lab.running() as runtime:
        await quiet()
        assert [wait.kind for wait in (await runtime.client.invocation(of).info()).waits] == ["sleep"]
        assert WORLD.entries == [("charge", 5), ("charge", 9)]
