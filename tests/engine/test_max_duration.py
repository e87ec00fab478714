"""``max_duration``: an invocation is cancelled when it has taken too long, whatever it does or waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import Actor, InvalidArgumentError, RetryPolicy, Service, handler, step
from actors.errors import ErrorCode, InvocationCancelledError
from actors.query.fsck.doctor import examine
from journal.events import Status
from tests.lab import WORLD, Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.types import InvocationHandle

pytestmark = on_virtual_time


@pytest.fixture(autouse=True)
def _no_effects() -> None:
    WORLD.clear()


@step
async def unbook() -> None:
    WORLD.note("unbooked")


@step(retry=RetryPolicy(max_attempts=1000, initial_delay=1.0, max_delay=1.0))
async def fail() -> None:
    WORLD.note("tried")
    raise OSError("the line is down")


class Trip(Actor):
    @handler
    async def book(self, how: str) -> str:
        try:
            if how == "retries":
                await fail()
            elif how == "sleeps":
                await actors.sleep(3600)
            else:
                await actors.signal("approved")
        except actors.CancelledError as cancelled:
            WORLD.note(cancelled.expired)
            await unbook()
            raise
        return "booked"

    @handler(max_duration=10)
    async def quick(self) -> None:
        await actors.signal("approved")


class Agency(Service):
    @handler
    async def call(self) -> str:
        try:
            await actors.actor(Trip, "by call").book.options(max_duration=5)("waits")
        except InvocationCancelledError as error:
            return str(error.code)
        return "booked"


async def ended(trip: InvocationHandle[str]) -> str:
    with raises(InvocationCancelledError) as caught:
        await trip.result()
    assert (await trip.info()).outcome is not None
    return str(caught.value.code)


@pytest.mark.parametrize("how", ["waits", "sleeps", "retries"])
async def test_what_takes_too_long_is_cancelled_and_compensates(how: str) -> None:
    lab = Lab(Trip)
    async with lab.running() as runtime:
        trip = await runtime.client.actor(Trip, "a").book.options(max_duration=30).send(how)
        assert await ended(trip) == ErrorCode.DEADLINE_EXCEEDED
        info = await trip.info()
        assert info.completed_at is not None
        assert info.completed_at - info.created_at == pytest.approx(30, abs=0.5)
        assert info.outcome is not None
        assert info.outcome.expired
        assert WORLD.entries[-2:] == [True, "unbooked"]


async def test_time_counts_while_it_waits_for_its_key_and_while_it_is_paused() -> None:
    async with Lab(Trip).running() as runtime:
        trips = runtime.client.actor(Trip, "a")
        first = await trips.book.send("waits")
        behind = await trips.book.options(max_duration=30).send("waits")
        paused = await runtime.client.actor(Trip, "b").book.options(max_duration=30).send("waits")
        await trio.sleep(1)
        await paused.pause()
        assert await ended(behind) == ErrorCode.DEADLINE_EXCEEDED
        assert await ended(paused) == ErrorCode.DEADLINE_EXCEEDED
        assert (await first.info()).status is Status.SUSPENDED
        assert WORLD.entries == [True, "unbooked"], "what had not begun has nothing to compensate"


async def test_it_counts_from_the_date_of_what_was_delayed() -> None:
    async with Lab(Trip).running() as runtime:
        trip = await runtime.client.actor(Trip, "a").book.options(delay=100, max_duration=30).send("waits")
        await ended(trip)
        info = await trip.info()
        assert info.completed_at is not None
        assert info.completed_at - info.created_at == pytest.approx(130, abs=0.5)


async def test_the_smaller_bound_of_caller_and_handler_counts() -> None:
    async with Lab(Trip).running() as runtime:
        for asked, bound in ((None, 10), (5, 5), (20, 10)):
            trip = await runtime.client.actor(Trip, f"{asked}").quick.options(max_duration=asked).send()
            info = await trip.info()
            assert info.expires_at == pytest.approx(info.created_at + bound, abs=0.01)


async def test_a_handler_bounds_what_it_calls() -> None:
    async with Lab(Trip, Agency).running() as runtime:
        assert await runtime.client.service(Agency).call() == ErrorCode.DEADLINE_EXCEEDED
        assert WORLD.entries == [True, "unbooked"]


async def test_the_bound_survives_the_process_and_ends_with_the_invocation() -> None:
    lab = Lab(Trip)
    async with lab.running() as runtime:
        late = await runtime.client.actor(Trip, "late").book.options(max_duration=30).send("waits")
        early = await runtime.client.actor(Trip, "early").book.options(max_duration=30).send("waits")
        cancelled = await runtime.client.actor(Trip, "cancelled").book.options(max_duration=30).send("waits")
        await early.signal("approved")
        assert await early.result() == "booked"
        await cancelled.cancel()
        with raises(InvocationCancelledError):
            await cancelled.result()
        assert examine(lab.store, 1).is_sound
    await trio.sleep(60)
    async with lab.running() as runtime:
        assert await ended(runtime.client.invocation(late.id)) == ErrorCode.DEADLINE_EXCEEDED
        found = {i.target.key: i.expires_at for i in await runtime.client.invocations(service="Trip")}
        assert found["late"] is None
        assert found["early"] is not None


async def test_a_restart_has_as_long_as_its_original() -> None:
    async with Lab(Trip).running() as runtime:
        trip = await runtime.client.actor(Trip, "a").book.options(max_duration=30).send("waits")
        await ended(trip)
        again = runtime.client.invocation((await trip.restart()).successor.invocation_id)
        assert await ended(again) == ErrorCode.DEADLINE_EXCEEDED
        info = await again.info()
        assert info.completed_at is not None
        assert info.completed_at - info.created_at == pytest.approx(30, abs=0.5)


async def test_a_bound_that_is_no_time_is_refused() -> None:
    async with Lab(Trip).running() as runtime:
        book = runtime.client.actor(Trip, "a").book
        for wrong in (0, -1, float("nan"), "30s"):
            with raises(InvalidArgumentError, path="max_duration"):
                book.options(max_duration=wrong)  # type: ignore[arg-type]
        with raises(InvalidArgumentError, path="max_duration"):
            handler(max_duration=0)
