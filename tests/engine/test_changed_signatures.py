"""A handler gets one parameter more or less while calls of it are stored: each means what it meant, or is paused with what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, Status, handler
from tests.lab import Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.runtime import Runtime

pytestmark = on_virtual_time

LOOKS_NAMED = {"p": 3}


class OfOne(Actor):
    @handler
    async def put(self, p: Any) -> Any:
        return p

    @handler
    async def count(self, p: dict[str, int]) -> Any:
        return p

    @handler
    async def relay(self, p: Any) -> Any:
        found = await actors.actor(OfOne, "other").put(p)
        await actors.sleep(60)
        return found


class OfTwo(Actor):
    @handler
    async def put(self, p: Any, q: int = 0) -> Any:
        return [p, q]

    @handler
    async def count(self, p: dict[str, int], q: int = 0) -> Any:
        return [p, q]

    @handler
    async def relay(self, p: Any) -> Any:
        found = await actors.actor(OfTwo, "other").put(p)
        await actors.sleep(60)
        return found


class OfTwoNeeded(Actor):
    @handler
    async def put(self, p: Any, q: int) -> Any:
        return [p, q]


class OfNone(Actor):
    @handler
    async def put(self) -> None: ...


class OfANumber(Actor):
    @handler
    async def put(self, p: int) -> int:
        return p


for each in (OfOne, OfTwo, OfTwoNeeded, OfNone, OfANumber):
    each.__name__ = "Shelf"


async def sent(runtime: Runtime, cls: Any, name: str, *args: Any, **kwargs: Any) -> str:
    """A message that is due after the code has changed."""
    bound = getattr(runtime.client.actor(cls, "s"), name)
    handle: actors.InvocationHandle[Any] = await bound.options(delay=60).send(*args, **kwargs)
    return handle.id


@pytest.mark.parametrize(("name", "value"), [("put", LOOKS_NAMED), ("put", {"p": 3, "q": 1}), ("count", {"a": 3})])
async def test_a_stored_value_stays_whole_when_a_parameter_is_added(name: str, value: Any) -> None:
    lab = Lab(OfOne)
    async with lab.running() as runtime:
        of = await sent(runtime, OfOne, name, value)
    async with lab.running(OfTwo) as runtime:
        assert await runtime.client.invocation(of).result() == [value, 0]


async def test_a_named_value_stays_its_parameters_when_one_is_left() -> None:
    lab = Lab(OfTwo)
    async with lab.running() as runtime:
        of = await sent(runtime, OfTwo, "put", 3)
    async with lab.running(OfOne) as runtime:
        assert await runtime.client.invocation(of).result() == 3


@pytest.mark.parametrize(("before", "after"), [(OfOne, OfTwo), (OfTwo, OfOne)])
async def test_a_caller_replays_its_call_of_a_handler_that_has_changed(before: Any, after: Any) -> None:
    lab = Lab(before)
    async with lab.running() as runtime:
        of = (await runtime.client.actor(before, "s").relay.send(LOOKS_NAMED)).id
        await quiet()
    async with lab.running(after) as runtime:
        found = await runtime.client.invocation(of).result()
    assert found == (LOOKS_NAMED if before is OfOne else [LOOKS_NAMED, 0])


@pytest.mark.parametrize(("before", "after"), [(OfOne, OfTwo), (OfTwo, OfOne)])
async def test_a_request_is_the_same_when_a_parameter_is_added_or_removed(before: Any, after: Any) -> None:
    lab = Lab(before)
    async with lab.running() as runtime:
        first = await runtime.client.actor(before, "s").put.options(idempotency_key="k").send(LOOKS_NAMED)
    async with lab.running(after) as runtime:
        put = runtime.client.actor(after, "s").put.options(idempotency_key="k")
        assert (await put.send(LOOKS_NAMED)).id == first.id
        with raises(actors.ConflictError, code="idempotency_conflict"):
            await put.send(3)


async def test_a_restart_repeats_the_value_and_reads_its_input_once() -> None:
    lab = Lab(OfOne)
    async with lab.running() as runtime:
        shelf = runtime.client.actor(OfOne, "s")
        first = await shelf.put.send(LOOKS_NAMED)
        await first.result()
        other = await first.restart(input={"p": 4}, again=True)
        of_other = runtime.client.invocation(other.successor.invocation_id)
        assert await of_other.result() == {"p": 4}
    async with lab.running(OfTwo) as runtime:
        for of, value in [(first.id, LOOKS_NAMED), (of_other.id, {"p": 4})]:
            again = await runtime.client.invocation(of).restart(again=True)
            assert await runtime.client.invocation(again.successor.invocation_id).result() == [value, 0]


async def test_a_reader_of_the_history_sees_the_argument_as_it_was_given() -> None:
    async with Lab(OfOne).running() as runtime:
        first = await runtime.client.actor(OfOne, "s").put.send(LOOKS_NAMED)
        accepted = next(iter([entry async for entry in first.events()]))
        assert accepted.details["argument"] == LOOKS_NAMED


@pytest.mark.parametrize(
    ("after", "value", "remedy"),
    [(OfTwoNeeded, 3, "defaults"), (OfNone, 3, "Keep the parameter"), (OfANumber, "x", "type of the parameter")],
)
async def test_what_has_no_place_pauses_with_the_remedy_that_fits(after: Any, value: Any, remedy: str) -> None:
    lab = Lab(OfOne)
    async with lab.running() as runtime:
        of = await sent(runtime, OfOne, "put", value)
    async with lab.running(after) as runtime:
        await trio.sleep(100)
        handle = runtime.client.invocation(of)
        info = await handle.info()
        assert info.status is Status.PAUSED
        assert remedy in info.pause_reason
        assert not (await handle.check()).is_compatible
        await handle.kill()
        with pytest.raises(actors.errors.IncompatibleError):
            await handle.restart()
    async with lab.running(OfOne) as runtime:
        again = await runtime.client.invocation(of).restart(again=True)
        assert await runtime.client.invocation(again.successor.invocation_id).result() == value
