"""The value of a step is handed to its handler before it is recorded: whatever the handler does, and whatever happens meanwhile, the
store says the same as on the long way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, RetryPolicy, StepFailedError, handler, step
from actors.query.fsck.doctor import examine
from journal.kv.memory import MemoryStore
from tests import replicated
from tests.lab import WORLD, Lab, SlowDisk, until
from tests.two_ways import MEANWHILE, compare, frames_of, still
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


BRIEF = RetryPolicy(max_attempts=2, initial_delay=1.0)
ONCE = RetryPolicy(max_attempts=1, on_exhausted="fail")
NOT_JSON: Any = object()


@pytest.fixture(autouse=True)
def still_world(monkeypatch: pytest.MonkeyPatch) -> None:
    still(monkeypatch)


@step(retry=BRIEF)
async def act(number: int) -> int:
    WORLD.note(f"act {number}")
    await trio.sleep(0.5)
    return number + 1


@step
async def act_now(number: int) -> int:
    return number + 1


@step
def act_in_a_thread(number: int) -> int:
    return number + 1


@step(at_most_once=True)
async def act_once(number: int) -> int:
    await trio.sleep(0.5)
    return number + 1


@step
async def emit(number: int) -> int:
    actors.emit(f"at once {number}")
    await trio.sleep(0.5)
    actors.emit(f"at last {number}")
    return number + 1


@step(retry=ONCE)
async def fail() -> None:
    raise ConnectionError("refused")


class Thing:
    def __repr__(self) -> str:
        return "a thing"


@step
async def look_at(thing: Thing, number: int) -> int:
    return number + 1


@step(name="a/b c", timeout=5.0)
async def in_time(number: int) -> int:
    await trio.sleep(0.5)
    return number + 1


@step
async def size_of(text: str) -> int:
    return len(text)


class Steps(Actor):
    """Each handler does one thing between two steps; ``number`` tells whether its changes were kept."""

    number: int = 0
    lines: actors.Log[int]

    @handler
    async def go_on(self) -> int:
        return await act(await act(await act(1)))

    @handler
    async def go_on_at_once(self) -> int:
        number = 0
        for _ in range(40):
            number = await act_now(number)
        return number

    @handler
    async def change(self) -> int:
        self.number += await act(1)
        self.number += await act(2)
        self.number = self.number + 0
        self.number += await act(3)
        return self.number

    @handler
    async def write_lines(self) -> int:
        for number in range(3):
            self.lines.append(await act(number))
        return len(self.lines)

    @handler
    async def emit_in_steps(self) -> int:
        return await emit(await emit(1))

    @handler
    async def emit_between(self) -> int:
        number = await act(1)
        actors.emit("between")
        return await act(number)

    @handler
    async def run_steps_of_all_kinds(self) -> int:
        number = await act_in_a_thread(await act(1))
        number = await act_once(await act_once(number))
        number = await look_at(Thing(), await look_at(Thing(), number))
        return await in_time(await in_time(number))

    @handler
    async def pass_too_much(self) -> int:
        return await size_of("x" * await size_of("y" * 2_000)) + await act(1)

    @handler
    async def catch_what_fails(self) -> int:
        number = await act(1)
        try:
            await fail()
        except StepFailedError:
            number += 10
        return await act(number)

    @handler(retry=BRIEF)
    async def fail_between(self) -> int:
        self.number += await act(1)
        if self.number:
            raise ConnectionError("refused")
        return await act(2)

    @handler
    async def fail_for_good(self) -> int:
        self.number += await act(1)
        raise actors.TerminalError("no")

    @handler(atomic=True)
    async def fail_as_a_whole(self) -> int:
        self.number += await act(1)
        self.number += await act(2)
        raise actors.TerminalError("no")

    @handler(retry=BRIEF)
    async def set_what_cannot_be_stored(self) -> int:
        await act(1)
        self.number = NOT_JSON
        return await act(2)

    @handler(retry=BRIEF)
    async def await_what_is_foreign(self) -> int:
        await act(1)
        await trio.lowlevel.checkpoint()
        return await act(2)

    @handler
    async def sleep_between(self) -> int:
        number = await act(1)
        await actors.sleep(1.0)
        return await act(number)

    @handler
    async def wait_for_a_signal(self) -> int:
        number = await act(await act(1))
        number += await actors.signal("go", int)
        return await act(number)

    @handler
    async def wait_for_a_signal_and_steps(self) -> int:
        total = 0

        async def wait() -> None:
            nonlocal total
            total += await actors.signal("go", int)

        async with actors.open_nursery() as nursery:
            nursery.start_soon(wait)
            total += await act(await act(1))
        return total

    @handler
    async def run_side_by_side(self) -> int:
        numbers: list[int] = []

        async def one(number: int) -> None:
            numbers.append(await act(await act(number)))

        async with actors.open_nursery() as nursery:
            nursery.start_soon(one, 10)
            nursery.start_soon(one, 20)
        return sum(numbers)

    @handler
    async def run_one_child(self) -> int:
        numbers: list[int] = []

        async def one(number: int) -> None:
            numbers.append(await act(await act(number)))

        async with actors.open_nursery() as nursery:
            nursery.start_soon(one, 10)
        return await act(sum(numbers))

    @handler
    async def stop_at_a_deadline(self) -> int:
        number = await act(1)
        with actors.move_on_after(0.7):
            number = await act(await act(number))
        return await act(number)

    @handler
    async def cancel_a_scope_between(self) -> int:
        number = await act(1)
        with actors.CancelScope() as scope:
            number = await act(number)
            scope.cancel()
            number = await act(number)
        return await act(number)

    @handler
    async def send_between(self) -> int:
        number = await act(1)
        await actors.actor(Steps, "other").add.send(number)
        return await act(number)

    @handler
    async def call_between(self) -> int:
        number = await act(1)
        number = await actors.actor(Steps, "other").add(number)
        return await act(number)

    @handler
    async def call_one_that_takes_steps(self) -> int:
        return await actors.actor(Steps, "other").change() + await actors.actor(Steps, "third").go_on()

    @handler
    async def add(self, number: int) -> int:
        self.number += number
        return self.number

    @handler
    async def look_at_the_time(self) -> list[float]:
        await act(1)
        times = [actors.current_time(), actors.random().random()]
        await act(2)
        return [*times, actors.current_time()]

    @handler
    async def leave_a_generator(self) -> int:
        await act(1)
        async for number in _numbers():
            return await act(number)
        return 0

    @handler
    async def compensate(self) -> int:
        number = await act(1)
        try:
            number = await act(number)
            return await act(number)
        except actors.CancelledError:
            await act(100)
            await act(200)
            raise

    @handler
    async def shield(self) -> int:
        number = 0
        with actors.CancelScope(shield=True):
            number = await act(await act(1))
        return await act(number)

    @handler
    async def cancel_itself(self) -> int:
        number = await act(1)
        await actors.invocation(actors.current_invocation()).cancel()
        return await act(number)

    @handler
    async def block(self) -> int:
        await act(1)
        while True:
            pass

    @handler
    async def go_on_for_long(self) -> None:
        number = 0
        while True:
            number = await act_now(number)


async def _numbers() -> AsyncIterator[int]:
    try:
        yield 1
        yield 2
    finally:
        WORLD.note("left")


HANDLERS = [
    name for name in vars(Steps) if not name.startswith("_") and name not in ("add", "block", "number", "lines")
]


@pytest.mark.parametrize("target", [*HANDLERS, "block"])
def test_whatever_a_handler_does_between_steps_is_stored_as_on_the_long_way(target: str) -> None:
    compare(Steps, target)


DISTURBED = ["go_on", "change", "emit_in_steps", "compensate", "shield", "wait_for_a_signal", "run_one_child"]


@pytest.mark.parametrize("at", [0.25, 0.75], ids=["in its first step", "in its second step"])
@pytest.mark.parametrize("meanwhile", [name for name in MEANWHILE if name != "nothing"])
@pytest.mark.parametrize("target", DISTURBED)
def test_whatever_happens_between_steps_is_stored_as_on_the_long_way(target: str, meanwhile: str, at: float) -> None:
    compare(Steps, target, meanwhile, at)


@pytest.mark.parametrize("meanwhile", [name for name in MEANWHILE if name != "nothing"])
@pytest.mark.parametrize("target", ["change", "compensate", "wait_for_a_signal"])
def test_whatever_happens_before_a_turn_is_on_disk_is_stored_as_on_the_long_way(target: str, meanwhile: str) -> None:
    compare(
        Steps, target, meanwhile, at=0.8, store=SlowDisk
    )  # the first step has ended 0.3 seconds ago, and the commit takes a second


@on_virtual_time
@pytest.mark.parametrize(
    ("target", "turns", "last"),
    [
        ("go_on", 2, 1),
        ("change", 2, 1),
        ("emit_in_steps", 1, 1),
        ("emit_between", 0, 1),
        ("run_side_by_side", 0, 1),
        ("write_lines", 0, 0),
    ],
)
async def test_a_step_and_the_turn_after_it_are_one_frame(target: str, turns: int, last: int) -> None:
    lab = Lab(Steps)
    async with lab.running() as runtime:
        await getattr(runtime.client.actor(Steps, "a"), target)()
    assert frames_of(lab, "Steps", "a", 0x51) == turns
    assert frames_of(lab, "Steps", "a", 0x5A) == last


@on_virtual_time
async def test_the_output_of_a_step_is_final_with_its_turn() -> None:
    lab = Lab(Steps)
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Steps, "a").emit_in_steps.send()
        values = aiter(handle.output())
        with trio.fail_after(0.75):  # the second step is running
            assert [await anext(values), await anext(values)] == ["at once 1", "at last 1"]
        assert [value async for value in values] == ["at once 2", "at last 2"]
    assert not examine(lab.store, 1).findings


@on_virtual_time
async def test_a_step_begins_when_its_request_is_on_disk() -> None:
    lab = Lab(Steps, store=SlowDisk())
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Steps, "a").go_on.send()
        for number in (1, 2, 3):
            assert not WORLD.count(f"act {number}")
            await until(lambda number=number: WORLD.count(f"act {number}") == 1)
            on_disk = Lab(Steps, store=MemoryStore(lab.store.contents()))
            assert frames_of(on_disk, "Steps", "a", 0x51) == number - 1
        assert await handle.result() == 4


@replicated.about_one_store("what is lost is cut from the store, and the log has it")
@on_virtual_time
async def test_a_process_that_dies_before_a_turn_is_on_disk_takes_it_again() -> None:
    lab = Lab(Steps, store=SlowDisk())
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Steps, "a").change.send()
        await trio.sleep(0.8)  # the first step has ended, and what follows is not on disk
        assert WORLD.entries == ["act 1"]
        before = lab.store.contents()
    lab.store = MemoryStore(before)
    assert not frames_of(lab, "Steps", "a", 0x51)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == 9
    assert WORLD.entries == ["act 1", "act 1", "act 2", "act 3"]
    assert not examine(lab.store, 1).findings


@on_virtual_time
async def test_a_result_is_told_when_the_last_turn_is_on_disk() -> None:
    lab = Lab(Steps, store=SlowDisk())
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Steps, "a").go_on.send()
        await until(lambda: WORLD.count("act 3") == 1)
        with trio.move_on_after(1.25) as patience:  # the step takes half a second, and the commit a second
            await handle.result()
        assert patience.cancelled_caught
        before = lab.store.contents()
        assert await handle.result() == 4
    assert frames_of(lab, "Steps", "a", 0x5A) == 1
    lab.store = MemoryStore(before)
    assert not frames_of(lab, "Steps", "a", 0x5A)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == 4
    assert WORLD.entries == ["act 1", "act 2", "act 3", "act 3"]
    assert not examine(lab.store, 1).findings


@on_virtual_time
async def test_a_handler_that_is_taken_up_between_steps_goes_on_where_it_was() -> None:
    lab = Lab(Steps)
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Steps, "a").change.send()
        await trio.sleep(0.75)
    assert frames_of(lab, "Steps", "a", 0x51) == 1
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == 9
        again = await runtime.client.invocation(handle.id).restart("2", rewind_state=True)
        assert again.successor is not None
        assert await runtime.client.invocation(again.successor.invocation_id).result() == 9
        await runtime.client.invocation(handle.id).purge()
    assert not examine(lab.store, 1).findings


@on_virtual_time
async def test_a_restart_keeps_the_turns_that_are_not_on_disk_yet() -> None:
    lab = Lab(Steps, store=SlowDisk())
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Steps, "a").go_on.send()
        await trio.sleep(0.8)
        answer = await handle.restart("2", stop="kill")
        assert answer.successor is not None
        assert await runtime.client.invocation(answer.successor.invocation_id).result() == 4
        assert WORLD.entries == ["act 1", "act 2", "act 3"]


@on_virtual_time
async def test_a_signal_is_not_overtaken_by_the_end_of_a_step() -> None:
    """One handler sends more signals in a turn than are handed over in a row, and the steps of those that get them have ended."""
    at = 10.0
    async with Lab(Waiters).running() as runtime, trio.open_nursery() as nursery:
        service = runtime.client.service(Waiters)
        sender = await service.send.send()
        handles = [await service.step_and_signal.send(at) for _ in range(60)]

        async def ask() -> None:
            await trio.sleep_until(at)
            await sender.signal("to", [handle.id for handle in reversed(handles)])

        nursery.start_soon(ask)
        with trio.fail_after(100):
            assert [await handle.result() for handle in handles] == [1] * len(handles)


@step
async def wait_until(at: float) -> None:
    await trio.sleep_until(at)


class Waiters(actors.Service):
    @handler
    async def step_and_signal(self, at: float) -> int:
        await wait_until(at)
        return await actors.signal("go", int)

    @handler
    async def send(self) -> None:
        ids = await actors.signal("to", list[str])
        async with actors.open_nursery() as nursery:
            for of in ids:
                nursery.start_soon(actors.invocation(actors.InvocationId(of)).signal, "go", 1)
