"""The outcome of a call, the end of a sleep, or a signal is handed to its handler before it is recorded: whatever the handler does,
and whatever happens meanwhile, the store says the same as on the long way."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import Actor, Limits, RetryPolicy, handler, step
from actors.query.fsck.doctor import examine
from journal.kv.memory import MemoryStore
from tests import replicated
from tests.lab import WORLD, Lab, SlowDisk
from tests.two_ways import MEANWHILE, compare, frames_of, still
from tests.virtual import on_virtual_time

RESUMED = 0x53
BRIEF = RetryPolicy(max_attempts=2, initial_delay=1.0)


@pytest.fixture(autouse=True)
def still_world(monkeypatch: pytest.MonkeyPatch) -> None:
    still(monkeypatch)


@step
async def act(number: int) -> int:
    WORLD.note(f"act {number}")
    await trio.sleep(0.5)
    return number + 1


class Waits(Actor):
    """Each handler waits for one thing after the other."""

    number: int = 0
    lines: actors.Log[int]

    @handler
    async def sleep_and_sleep(self) -> int:
        for _ in range(3):
            await actors.sleep(0.5)
            self.number += 1
        return self.number

    @handler
    async def call_and_call(self) -> int:
        other = actors.actor(Waits, "other")
        self.number = await other.add(1)
        total = await other.add(2) + await actors.actor(Waits, "third").add(3)
        return total + await other.add(0)

    @handler
    async def call_those_that_wait(self) -> int:
        await actors.actor(Waits, "other").sleep_and_sleep()
        return await actors.actor(Waits, "third").call_and_call()

    @handler
    async def call_itself_elsewhere(self, left: int = 3) -> int:
        return left and 1 + await actors.actor(Waits, f"deeper {left}").call_itself_elsewhere(left - 1)

    @handler
    async def wait_for_signals(self) -> int:
        with actors.move_on_after(20.0):
            return await actors.signal("go", int) + await actors.signal("go", int)
        return 0

    @handler
    async def wait_for_signals_without_end(self) -> int:
        return await actors.signal("go", int) + await actors.signal("go", int)

    @handler
    async def signal_another(self) -> int:
        handle = await actors.actor(Waits, "other").wait_for_signals_without_end.send()
        await actors.sleep(0.5)
        await handle.signal("go", 1)
        await actors.sleep(0.5)
        await handle.signal("go", 2)
        return await handle.result()

    @handler
    async def change_kinds(self) -> int:
        await actors.sleep(0.5)
        number = await act(await act(1))
        number += await actors.actor(Waits, "other").add(number)
        await actors.sleep(0.5)
        self.number = number
        await actors.sleep(0.5)
        return await act(number)

    @handler
    async def fail_a_call(self) -> str:
        try:
            await actors.actor(Waits, "other").fail()
        except actors.TerminalError as error:
            await actors.sleep(0.5)
            return str(error)
        return ""

    @handler
    async def fail(self) -> None:
        await actors.sleep(0.5)
        raise actors.TerminalError("no")

    @handler(retry=BRIEF)
    async def fail_after_a_sleep(self) -> int:
        await actors.sleep(0.5)
        raise ConnectionError("refused")

    @handler
    async def write_lines(self) -> int:
        for number in range(2):
            await actors.sleep(0.5)
            self.lines.append(number)
        return len(self.lines)

    @handler
    async def emit_between(self) -> int:
        await actors.sleep(0.5)
        actors.emit("between")
        await actors.sleep(0.5)
        return 1

    @handler
    async def wait_side_by_side(self) -> int:
        async def one(number: int) -> None:
            self.number += await actors.actor(Waits, f"other {number}").add(number)
            await actors.sleep(number)

        async with actors.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(one, number)
        return self.number

    @handler
    async def look_at_the_time(self) -> list[float]:
        await actors.sleep(0.5)
        times = [actors.current_time(), actors.random().random()]
        await actors.sleep(0.5)
        return [*times, actors.current_time()]

    @handler
    async def compensate(self) -> int:
        try:
            await actors.sleep(0.5)
            await actors.sleep(0.5)
            return 1
        except actors.CancelledError:
            await actors.actor(Waits, "other").add(100)
            raise

    @handler
    async def send_between(self) -> int:
        await actors.sleep(0.5)
        await actors.actor(Waits, "other").add.send(1)
        await actors.sleep(0.5)
        return 1

    @handler
    async def call_a_busy_one(self) -> int:
        await actors.actor(Waits, "other").sleep_and_sleep.send()
        await actors.sleep(0.75)
        return await actors.actor(Waits, "other").add(1)

    @handler
    async def wait_for_one_from_one(self) -> int:
        other = await actors.actor(Waits, "other").sleep_and_sleep.send()
        third = actors.actor(Waits, "third")
        first = await third.attach.send(other.id)
        await actors.sleep(0.25)
        second = await third.attach_too.send(other.id)
        return await first.result() + await second.result()

    @handler
    async def attach(self, of: actors.InvocationId) -> int:
        number: int = await actors.invocation(of).result()
        await actors.sleep(0.5)
        return number

    @actors.shared
    async def attach_too(self, of: actors.InvocationId) -> int:
        number: int = await actors.invocation(of).result()
        await actors.sleep(0.5)
        return number

    @handler
    async def add(self, number: int) -> int:
        self.number += number
        return self.number


OTHERS = ("add", "attach", "attach_too", "fail", "number", "lines", "wait_for_signals_without_end")
HANDLERS = [name for name in vars(Waits) if not name.startswith("_") and name not in OTHERS]


@pytest.mark.parametrize("target", HANDLERS)
def test_whatever_a_handler_does_between_waits_is_stored_as_on_the_long_way(target: str) -> None:
    compare(Waits, target)


@pytest.mark.parametrize("meanwhile", [name for name in MEANWHILE if name != "nothing"])
@pytest.mark.parametrize("target", ["sleep_and_sleep", "compensate", "wait_for_signals", "call_those_that_wait"])
def test_whatever_happens_between_waits_is_stored_as_on_the_long_way(target: str, meanwhile: str) -> None:
    compare(Waits, target, meanwhile, at=0.25)


@pytest.mark.parametrize("meanwhile", ["cancel", "pause", "signal"])
@pytest.mark.parametrize("target", ["sleep_and_sleep", "compensate"])
def test_whatever_happens_before_a_turn_is_on_disk_is_stored_as_on_the_long_way(target: str, meanwhile: str) -> None:
    compare(Waits, target, meanwhile, at=0.8, store=SlowDisk)


@on_virtual_time
@pytest.mark.parametrize(
    ("target", "turns"),
    [
        ("sleep_and_sleep", 3),
        ("call_and_call", 4),
        ("change_kinds", 4),
        ("write_lines", 0),
        ("emit_between", 1),
        ("send_between", 1),
    ],
)
async def test_the_end_of_a_wait_and_the_turn_after_it_are_one_frame(target: str, turns: int) -> None:
    lab = Lab(Waits)
    async with lab.running() as runtime:
        await getattr(runtime.client.actor(Waits, "a"), target)()
    assert frames_of(lab, "Waits", "a", RESUMED) == turns


@on_virtual_time
async def test_signals_from_a_client_are_one_frame_each_with_the_turn_after_them() -> None:
    lab = Lab(Waits)
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Waits, "a").wait_for_signals_without_end.send()
        answers: list[Any] = [await handle.signal("go", number) for number in (1, 2)]
        assert await handle.result() == 3
    assert [(answer.changed, answer.before, answer.after) for answer in answers] == [
        (True, actors.Status.SUSPENDED, actors.Status.RUNNING)
    ] * 2
    assert frames_of(lab, "Waits", "a", RESUMED) == 2
    assert not examine(lab.store, 1).findings


@replicated.about_one_store("what is lost is cut from the store, and the log has it")
@on_virtual_time
async def test_a_process_that_dies_before_a_turn_after_a_wait_is_on_disk_takes_it_again() -> None:
    lab = Lab(Waits, store=SlowDisk())
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Waits, "a").change_kinds.send()
        with trio.move_on_after(0.5):  # the sleep is over, and what follows is not on disk
            await handle.result()
        before = lab.store.contents()
        assert not WORLD.entries
    lab.store = MemoryStore(before)
    assert not frames_of(lab, "Waits", "a", RESUMED)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == 7
    assert frames_of(lab, "Waits", "a", RESUMED)
    assert WORLD.entries == ["act 1", "act 2", "act 6"]
    assert not examine(lab.store, 1).findings


@on_virtual_time
async def test_a_handler_that_waits_for_one_call_after_the_other_lets_requests_have_their_turn() -> None:
    async with Lab(Waits, Restless, limits=Limits(history_events=10_000)).running() as runtime:
        handle = await runtime.client.service(Restless).go_on.send()
        answer = await handle.kill()
        assert answer.before is not actors.Status.PAUSED, "its history became too long before"
        assert WORLD.count("turn")


class Restless(actors.Service):
    @handler
    async def go_on(self) -> None:
        handle = await actors.actor(Waits, "ended").add.send(1)
        while True:
            await handle.result()
            WORLD.note("turn")
