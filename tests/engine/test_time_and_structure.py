"""Sleeps, deadlines, nurseries and signals: trio's meanings, across crashes."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import Service, handler, step
from actors.engine.executor import Executor
from actors.engine.loaded_object import LoadedObject
from journal.events import Status
from journal.ids import InvocationId
from tests.lab import WORLD, Lab, quiet
from tests.virtual import EPOCH, on_virtual_time

pytestmark = on_virtual_time

DAY = 24 * 3600.0


@step
async def effect(name: str, seconds: float = 0.0) -> str:
    try:
        WORLD.note(f"begin {name}")
        await trio.sleep(seconds)
        WORLD.note(f"end {name}")
    except trio.Cancelled:
        WORLD.note(f"stopped {name}")
        raise
    return name


class Failed(actors.TerminalError):
    """Of a child."""


class Structure(Service):
    @handler
    async def nap(self, seconds: float) -> float:
        before = actors.current_time()
        await actors.sleep(seconds)
        return actors.current_time() - before

    @handler
    async def nap_until(self, at: float) -> float:
        await actors.sleep_until(at)
        return actors.current_time()

    @handler
    async def parallel(self, names: list[str], seconds: float) -> list[str]:
        done: list[str] = []

        async def one(name: str) -> None:
            done.append(await effect(name, seconds))

        async with actors.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(one, name)
        return done

    @handler
    async def first_of(self, seconds: dict[str, float]) -> str:
        winner: list[str] = []

        async def run(name: str, scope: actors.CancelScope) -> None:
            await effect(name, seconds[name])
            winner.append(name)
            scope.cancel()

        async with actors.open_nursery() as nursery:
            for name in seconds:
                nursery.start_soon(run, name, nursery.cancel_scope)
        return winner[0]

    @handler
    async def within(self, limit: float, seconds: float) -> str:
        with actors.move_on_after(limit) as scope:
            await effect("slow", seconds)
        if scope.cancelled_caught:
            await effect("plan b")
            return "too slow"
        return "in time"

    @handler
    async def must_within(self, limit: float) -> str:
        try:
            with actors.fail_after(limit):
                await actors.signal("never")
        except actors.TooSlowError as error:
            return str(error)
        return "got it"

    @handler
    async def nested_deadlines(self) -> list[str]:
        said: list[str] = []
        with actors.move_on_after(10) as outer:
            with actors.move_on_after(100) as inner:
                await actors.sleep(1000)
            said.append(f"inner {inner.cancelled_caught}")
            await actors.sleep(1)
        said.append(f"outer {outer.cancelled_caught}")
        return said

    @handler
    async def shielded(self) -> str:
        with actors.move_on_after(5) as scope:
            with actors.CancelScope(shield=True):
                await effect("precious", 20)
            await effect("never")
        return f"{scope.cancelled_caught}"

    @handler
    async def child_fails(self) -> str:
        async def bad() -> None:
            await actors.sleep(1)
            raise Failed("child")

        try:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(bad)
                nursery.start_soon(effect, "sibling", 100.0)
                await actors.sleep(1000)
        except* Failed as group:
            said = f"{len(group.exceptions)} {group.exceptions[0]}"
        return said

    @handler
    async def child_deadline(self) -> list[str]:
        said: list[str] = []

        async def patient(name: str, seconds: float) -> None:
            with actors.move_on_after(seconds) as scope:
                await actors.signal(name)
            said.append(f"{name} {'gone' if scope.cancelled_caught else 'there'}")

        async with actors.open_nursery() as nursery:
            nursery.start_soon(patient, "a", 10)
            nursery.start_soon(patient, "b", 20)
            nursery.start_soon(patient, "c", 30)
        return said

    @handler
    async def approval(self, names: list[str]) -> dict[str, bool]:
        return {name: await actors.signal(name, bool) for name in names}

    @handler
    async def same_signal_twice(self) -> list[int]:
        first = await actors.signal("n", int)
        await actors.sleep(10)
        return [first, await actors.signal("n", int)]

    @handler
    async def typed_signal(self) -> int:
        return await actors.signal("n", int)

    @handler
    async def chances(self) -> list[str]:
        await effect("pause")
        drawn = [str(actors.random().random()), str(actors.uuid4())]
        await effect(" ".join(drawn))
        return drawn

    @handler
    async def clock(self) -> list[float]:
        at_start = actors.current_time()
        await effect("two seconds", 2)
        return [at_start, actors.current_time()]

    @handler
    async def who(self) -> str:
        return actors.current_invocation()


@pytest.fixture
def lab() -> Lab:
    return Lab(Structure)


async def test_a_sleep_outlives_the_process_and_never_ends_early(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Structure).nap.send(3 * DAY)
        await trio.sleep(DAY)
        assert (await handle.info()).status is Status.SUSPENDED
    await trio.sleep(DAY)
    async with lab.running() as runtime:
        slept = await runtime.client.invocation(handle.id).result()
    assert 3 * DAY <= slept < 3 * DAY + 1


async def test_an_overdue_sleep_ends_at_once_after_a_restart(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Structure).nap.send(60)
        await quiet()
    await trio.sleep(DAY)
    async with lab.running() as runtime:
        started = trio.current_time()
        assert await runtime.client.invocation(handle.id).result() >= 60
        assert trio.current_time() - started < 1


async def test_a_clock_set_back_ends_no_sleep_early(lab: Lab) -> None:
    async with lab.running() as runtime:
        due = lab.clock.now() + 600
        handle = await runtime.client.service(Structure).nap_until.send(due)
        await trio.sleep(10)
        lab.clock.shift(-3600)
        await trio.sleep(1000)
        assert (await handle.info()).status is not Status.COMPLETED
        assert await handle.result() >= due


async def test_children_run_side_by_side_and_are_not_run_again(lab: Lab) -> None:
    async with lab.running() as runtime:
        started = trio.current_time()
        handle = await runtime.client.service(Structure).parallel.send(["a", "b", "c"], 10.0)
        assert sorted(await handle.result()) == ["a", "b", "c"]
        assert trio.current_time() - started < 11
    assert sorted(e for e in WORLD.entries if e.startswith("begin")) == ["begin a", "begin b", "begin c"]


async def test_the_first_of_many_stops_the_others_before_it_goes_on(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Structure).first_of({"a": 9.0, "b": 3.0, "c": 9.0}) == "b"
    assert WORLD.count("stopped a") == 1
    assert WORLD.count("stopped c") == 1
    assert WORLD.count("end a") == 0


async def test_a_deadline_stops_a_running_step_and_the_handler_goes_on(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Structure).within(5, 60) == "too slow"
        assert WORLD.entries == ["begin slow", "stopped slow", "begin plan b", "end plan b"]
        assert await runtime.client.service(Structure).within(60, 5) == "in time"


async def test_a_deadline_holds_across_a_crash(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Structure).within.send(60, 1000)
        await trio.sleep(10)
    async with lab.running() as runtime:
        started = trio.current_time()
        assert await runtime.client.invocation(handle.id).result() == "too slow"
        assert 49 <= trio.current_time() - started <= 51


async def test_fail_after_raises(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Structure).must_within(7) == "not done within 7.0 seconds"


async def test_an_outer_deadline_passes_through_an_inner_one(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Structure).nested_deadlines() == ["outer True"]


async def test_a_shield_keeps_cancellation_away_until_it_is_left(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Structure).shielded() == "True"
    assert WORLD.count("end precious") == 1
    assert WORLD.count("begin never") == 0


async def test_a_child_that_fails_stops_its_siblings_and_is_raised_in_a_group(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Structure).child_fails() == "1 child"
    assert WORLD.entries == ["begin sibling", "stopped sibling"]


async def test_each_child_has_its_own_deadline(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Structure).child_deadline.send()
        await trio.sleep(15)
        await handle.signal("b")
        assert await handle.result() == ["a gone", "b there", "c gone"]


async def test_signals_wait_until_they_are_asked_for_also_before_the_handler_began(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Structure).approval.options(delay=60).send(["ann", "bob"])
        await handle.signal("bob", True)
        await trio.sleep(120)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await handle.signal("ann", False)
        assert await handle.result() == {"ann": False, "bob": True}


async def test_signals_of_one_name_come_in_order_across_a_crash(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Structure).same_signal_twice.send()
        await handle.signal("n", 1)
        await handle.signal("n", 2)
        await quiet()
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == [1, 2]


async def test_what_an_invocation_waits_for_is_shown(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Structure).approval.send(["ann"])
        await quiet()
        (wait,) = (await handle.info()).waits
        assert (wait.kind, wait.name, wait.since) == ("signal", "ann", EPOCH + trio.current_time())
        nap = await runtime.client.service(Structure).nap.send(30)
        await quiet()
        (wait,) = (await nap.info()).waits
        assert (wait.kind, wait.until) == ("sleep", lab.clock.now() + 30)


async def test_a_signal_of_another_type_than_asked_for_is_passed_over_and_named_in_the_log(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Structure).typed_signal.send()
        await handle.signal("n", "seven")
        await trio.sleep(1)
        assert (await handle.info()).status is Status.SUSPENDED
        assert "signal 'n' is skipped: $: expected int, found 'seven'" in caplog.text
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await handle.signal("n", 7)
        assert await handle.result() == 7


async def test_chance_and_time_are_the_same_at_every_replay(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Structure).chances.send()
        drawn = await handle.result()
        assert WORLD.count("begin " + " ".join(drawn)) == 1
        first, second = await runtime.client.service(Structure).clock()
        assert 2 <= second - first < 3


async def test_a_suspended_invocation_goes_on_with_the_same_chance(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert (await runtime.client.service(Structure).who()).startswith("inv_1")


async def test_idle_handlers_leave_memory_and_come_back_when_called(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Structure).approval.send(["ann", "bob"])
        await quiet()
        live = runtime.engine._processors[0]._executor.live
        assert (len(live), (await handle.info()).status) == (1, Status.SUSPENDED)
        await trio.sleep(200)
        assert (len(live), (await handle.info()).status) == (0, Status.SUSPENDED)
        await handle.signal("ann", True)
        await quiet()
        assert (len(live), (await handle.info()).status) == (1, Status.SUSPENDED)
        await trio.sleep(200)
        await handle.signal("bob", True)
        assert await handle.result() == {"ann": True, "bob": True}


async def test_more_handlers_than_fit_in_memory_all_end() -> None:
    lab = Lab(Structure, limits=actors.Limits(live_attempts=5, idle_objects=5))
    async with lab.running() as runtime:
        handles = [await runtime.client.service(Structure).nap.send(100 + i) for i in range(40)]
        await trio.sleep(10)
        assert len(runtime.engine._processors[0]._executor.live) <= 6
        for handle in handles:
            assert await handle.result() >= 100


async def test_those_that_make_room_leave_once_each_however_many_start_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[str] = []
    end_attempt = Executor.end_attempt

    def noted(self: Executor, loaded: LoadedObject, of: InvocationId, *, abort_steps: bool) -> None:
        left.append(of)
        end_attempt(self, loaded, of, abort_steps=abort_steps)

    monkeypatch.setattr(Executor, "end_attempt", noted)
    async with Lab(Structure, limits=actors.Limits(live_attempts=5)).running() as runtime:
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(runtime.client.service(Structure).typed_signal.send)
        await quiet()
        assert len(left) == len({*left}) == 95
