"""A cancel that was acknowledged always arrives: at the await where the handler stands, wherever that is."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from random import Random
from typing import Any

import pytest
import trio

import actors
from actors import Actor, CancelledError, Limits, RetryPolicy, Service, Status, handler, shared, step
from actors.runtime import Runtime
from actors.types import OutcomeKind
from tests.lab import WORLD, Lab, SlowDisk, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def effect(name: str, seconds: float = 1.0) -> str:
    WORLD.note(f"begin {name}")
    await trio.sleep(seconds)
    WORLD.note(f"end {name}")
    return name


@step
async def does_not_give_way(name: str) -> str:
    """It has an outcome although it is stopped."""
    with trio.CancelScope(shield=True):
        await trio.sleep(1.0)
    WORLD.note(f"end {name}")
    return name


@step
async def gives_way_slowly() -> None:
    try:
        await trio.sleep(10.0)
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(1.0)


@step(retry=RetryPolicy(max_attempts=1))
async def fails() -> None:
    raise OSError("not today")


class Order(Actor):
    """``trail`` is what its handlers have lived to write."""

    trail: list[str] = actors.field(factory=list)

    @handler
    async def one_step(self) -> str:
        try:
            self.trail.append(await effect("last"))
        except CancelledError:
            self.trail.append(await effect("undo"))
            raise
        return "done"

    @handler
    async def two_steps(self) -> None:
        try:
            self.trail.append(await effect("first"))
        except CancelledError:
            self.trail.append("cancelled at the first")
            raise
        self.trail.append(await effect("second"))

    @handler
    async def plain(self, seconds: float) -> str:
        self.trail.append(await effect("last", seconds))
        return "done"

    @handler
    async def signalled(self) -> None:
        try:
            self.trail.append(await actors.signal("go", str))
        except CancelledError:
            self.trail.append(f"cancelled, then {await actors.signal('go', str)}")
            raise

    @handler
    async def sleeping(self) -> None:
        await actors.sleep(1.0)
        self.trail.append("slept")

    @handler
    async def calling(self) -> None:
        self.trail.append(await actors.service(Other).work())

    @handler
    async def stubborn(self) -> str:
        try:
            self.trail.append(await does_not_give_way("stubborn"))
        except CancelledError:
            self.trail.append("undone")
            raise
        return "done"

    @handler
    async def shielded(self) -> str:
        with actors.CancelScope(shield=True):
            self.trail.append(await effect("shielded"))
        return "done"

    @handler(atomic=True)
    async def shielded_atomic(self) -> str:
        with actors.CancelScope(shield=True):
            self.trail.append(await effect("shielded"))
        return "done"

    @handler
    async def deadline(self) -> str:
        with actors.move_on_after(1.0):
            await gives_way_slowly()
        self.trail.append("moved on")
        return "done"

    @handler
    async def nursery_after_a_shield(self) -> None:
        with actors.CancelScope(shield=True):
            await effect("shielded")
        try:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(self._child, "last", 1.0)
        except CancelledError:
            self.trail.append("undone")
            raise

    @handler
    async def catches(self) -> str:
        try:
            await effect("last")
        except CancelledError:
            return "cleaned up"
        return "done"

    @handler(retry=RetryPolicy(max_attempts=1))
    async def fails_after(self) -> None:
        try:
            await effect("last")
        except CancelledError:
            self.trail.append("undone")
            raise
        raise OSError("not today")

    @handler
    async def nursery(self) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(self._child, "quick", 0.5)
            nursery.start_soon(self._child, "slow", 1.0)
        self.trail.append("all")

    async def _child(self, name: str, seconds: float) -> None:
        self.trail.append(await effect(name, seconds))

    @shared
    async def read(self) -> list[str]:
        return self.trail

    @shared
    async def read_slowly(self) -> list[str]:
        await effect("last")
        return self.trail


class Other(Service):
    @handler
    async def work(self) -> str:
        return await effect("last")

    @handler
    async def cancel(self, of: actors.InvocationId) -> bool:
        return (await actors.invocation(of).cancel()).changed


@pytest.fixture
def lab() -> Lab:
    return Lab(Order, Other)


async def trail(runtime: Runtime) -> list[str]:
    return await runtime.client.actor(Order, "o").read()


async def begin(runtime: Runtime, name: str, *args: Any) -> actors.InvocationHandle[Any]:
    """Send it, and let it come to its first await."""
    handle = await getattr(runtime.client.actor(Order, "o"), name).send(*args)
    await quiet()
    return handle


async def kind_of(handle: actors.InvocationHandle[Any]) -> OutcomeKind:
    with trio.fail_after(1_000):
        return (await handle.outcome()).kind


async def check_cancelled(handle: actors.InvocationHandle[Any]) -> None:
    assert (await handle.cancel(reason="enough")).changed
    assert await kind_of(handle) is OutcomeKind.CANCELLED


# Held.


async def test_one_paused_during_its_last_step_is_cancelled_at_that_step(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, "one_step")
        await handle.pause()
        await trio.sleep(2)
        assert (await handle.info()).status is Status.PAUSED
        await check_cancelled(handle)
        assert await trail(runtime) == ["undo"]


async def test_one_whose_gate_was_closed_during_its_last_step_is_cancelled_at_that_step(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, "one_step")
        await runtime.client.gates.close("service:Order")
        await trio.sleep(2)
        assert WORLD.count("end last") == 1
        assert (await handle.cancel(reason="enough")).changed
        await runtime.client.gates.open("service:Order")
        assert await kind_of(handle) is OutcomeKind.CANCELLED
        assert await trail(runtime) == ["undo"]


@pytest.mark.parametrize("how", ["pause", "gate"])
async def test_one_held_between_two_steps_is_cancelled_where_it_stands(lab: Lab, how: str) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, "two_steps")
        await (handle.pause() if how == "pause" else runtime.client.gates.close("everything"))
        await trio.sleep(2)
        await handle.cancel()
        await runtime.client.gates.open("everything")
        assert await kind_of(handle) is OutcomeKind.CANCELLED
        assert await trail(runtime) == ["cancelled at the first"]
        assert WORLD.count("begin second") == 0


@pytest.mark.parametrize("name", ["one_step", "two_steps", "sleeping", "calling", "nursery"])
@pytest.mark.parametrize("how", ["pause", "pause now", "gate", "gate now"])
async def test_what_came_while_it_was_held_does_not_overtake_the_cancel(lab: Lab, name: str, how: str) -> None:
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(lab.running())
        handle = await begin(runtime, name)
        what, _, mode = how.partition(" ")
        if what == "pause":
            await handle.pause(mode=mode or "drain")
        else:
            await runtime.client.gates.close("handler:Order/" + name, mode=mode or "drain")
        await trio.sleep(5)
        await handle.cancel()
        await runtime.client.gates.open("handler:Order/" + name)
        assert await kind_of(handle) is OutcomeKind.CANCELLED
        assert not {"last", "all", "slept", "second"} & {*await trail(runtime)}


@pytest.mark.parametrize("how", ["pause", "gate"])
@pytest.mark.parametrize("name", ["one_step", "two_steps", "sleeping"])
async def test_a_cancel_arrives_although_the_process_died_while_it_was_held(lab: Lab, name: str, how: str) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, name)
        await (handle.pause() if how == "pause" else runtime.client.gates.close("everything"))
        await trio.sleep(5)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        assert (await handle.cancel()).changed
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await runtime.client.gates.open("everything")
        assert await kind_of(handle) is OutcomeKind.CANCELLED
        assert not {"last", "slept", "second"} & {*await trail(runtime)}


async def test_a_signal_that_the_cancel_overtakes_is_there_for_the_compensation(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, "signalled")
        await handle.pause()
        await handle.signal("go", "went")
        await check_cancelled(handle)
        assert await trail(runtime) == ["cancelled, then went"]


async def test_one_suspended_behind_a_gate_is_cancelled_where_it_stands() -> None:
    lab = Lab(Order, limits=Limits(unload_after_seconds=1.0))
    async with lab.running() as runtime:
        handle = await begin(runtime, "signalled")
        await trio.sleep(10)
        assert (await handle.info()).status is Status.SUSPENDED
        await runtime.client.gates.close("everything")
        await handle.signal("go", "went")
        await handle.cancel()
        await runtime.client.gates.open("everything")
        assert await kind_of(handle) is OutcomeKind.CANCELLED
        assert await trail(runtime) == ["cancelled, then went"]


async def test_one_that_waits_for_another_try_is_cancelled_before_what_it_failed_on(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, "fails_after")
        await trio.sleep(2)
        assert (await handle.info()).status is Status.PAUSED
        await check_cancelled(handle)
        assert await trail(runtime) == ["undone"]


async def test_a_restart_that_cancels_a_held_one_cancels_it_where_it_stands(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, "one_step")
        await handle.pause()
        await trio.sleep(2)
        await handle.restart(stop="cancel")
        assert await kind_of(handle) is OutcomeKind.CANCELLED
        assert (await trail(runtime))[:1] == ["undo"]


# Not held, and about to end.


async def test_a_step_that_ends_although_it_is_stopped_does_not_hide_the_cancel(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, "stubborn")
        await check_cancelled(handle)
        assert WORLD.count("end stubborn") == 1
        assert await trail(runtime) == ["undone"]


async def test_a_scope_that_was_being_left_does_not_hide_the_cancel(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, "deadline")
        await trio.sleep(1.5)  # its step is giving way
        await check_cancelled(handle)
        assert await trail(runtime) == []


async def test_one_that_shields_itself_to_the_end_ends_cancelled_and_keeps_what_it_wrote(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, "shielded")
        await check_cancelled(handle)
        with raises(actors.InvocationCancelledError, details="enough"):
            await handle.result()
        assert await trail(runtime) == ["shielded"]


async def test_an_atomic_one_that_shields_itself_to_the_end_drops_what_it_wrote(lab: Lab) -> None:
    async with lab.running() as runtime:
        await check_cancelled(await begin(runtime, "shielded_atomic"))
        assert await trail(runtime) == []


async def test_leaving_a_nursery_is_an_await_that_a_cancel_arrives_at(lab: Lab) -> None:
    async with lab.running() as runtime:
        await check_cancelled(await begin(runtime, "nursery_after_a_shield"))
        assert await trail(runtime) == ["undone"]


async def test_one_that_meets_the_cancel_and_returns_has_succeeded(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, "catches")
        await handle.cancel()
        assert await handle.result() == "cleaned up"


async def test_a_second_cancel_changes_nothing_and_the_first_still_arrives(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await begin(runtime, "one_step")
        await handle.pause()
        await trio.sleep(2)
        assert [(await handle.cancel()).changed for _ in range(2)] == [True, False]
        assert await kind_of(handle) is OutcomeKind.CANCELLED


async def test_a_reader_and_a_service_are_cancelled_too(lab: Lab) -> None:
    async with lab.running() as runtime:
        for reader in (runtime.client.actor(Order, "o").read_slowly, runtime.client.service(Other).work):
            handle: actors.InvocationHandle[Any] = await reader.send()
            await quiet()
            await handle.pause()
            await trio.sleep(2)
            await check_cancelled(handle)


# Races.


@pytest.mark.parametrize("name", ["plain", "stubborn", "sleeping", "nursery", "shielded", "calling", "two_steps"])
async def test_whichever_is_first_an_acknowledged_cancel_arrives(lab: Lab, name: str) -> None:
    random = Random(name)
    async with lab.running() as runtime:
        for _ in range(150):
            key = str(random.random())
            order = runtime.client.actor(Order, key)
            handle = await getattr(order, name).send(*((1.0,) if name == "plain" else ()))
            from_inside = random.random() < 0.5
            acknowledged = await _cancel_at(runtime, handle, random.choice([1.0, 2.0]), from_inside=from_inside)
            kind = await kind_of(handle)
            assert kind is (OutcomeKind.CANCELLED if acknowledged else OutcomeKind.SUCCEEDED)


async def _cancel_at(
    runtime: Runtime, handle: actors.InvocationHandle[Any], seconds: float, *, from_inside: bool
) -> bool:
    """Cancel it at the same moment as its timers; whether that was acknowledged."""
    await trio.sleep(seconds)
    try:
        if from_inside:
            return await runtime.client.service(Other).cancel(handle.id)
        return (await handle.cancel()).changed
    except actors.ConflictError:
        return False


@step
async def says_when_it_is_stopped() -> None:
    try:
        await trio.sleep(60.0)
    finally:
        WORLD.note("stopped")


@step
async def fails_later() -> None:
    WORLD.note("begun")
    await trio.sleep(5.5)
    raise OSError("not today")


class Job(Service):
    @handler
    async def one_step(self) -> None:
        await says_when_it_is_stopped()

    @handler
    async def failing_step(self) -> None:
        await fails_later()


@pytest.mark.parametrize("verb", ["cancel", "kill", "pause"])
async def test_a_step_is_stopped_once_the_verb_is_on_disk(verb: str) -> None:
    lab = Lab(Job, store=SlowDisk())
    async with lab.running() as runtime:
        handle = await runtime.client.service(Job).one_step.send()
        await trio.sleep(5.0)
        options = {"mode": "now"} if verb == "pause" else {}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(getattr(handle, verb), **options))
            await trio.sleep(0.9)
            assert WORLD.entries == []
        await trio.sleep(0.5)
        assert WORLD.entries == ["stopped"]


async def test_a_step_that_fails_while_its_cancel_is_written_is_not_tried_again() -> None:
    lab = Lab(Job, store=SlowDisk())
    async with lab.running() as runtime:
        handle = await runtime.client.service(Job).failing_step.send()
        while not WORLD.entries:
            await trio.sleep(0.1)
        await trio.sleep(5.0)
        await handle.cancel()
        with trio.fail_after(5), pytest.raises(actors.InvocationCancelledError):
            await handle.result()
        assert WORLD.entries == ["begun"]
