"""Calls and sends: who runs when, what comes back, what stays."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import Actor, Service, Workflow, handler, shared, step
from actors.model.requests import CallOptions
from journal import keys
from journal.events import Status, Target
from journal.ids import stream_of
from journal.kv.store import Batch
from journal.rows import PartitionState, decode_row, encode_row
from tests.lab import WORLD, Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def effect(name: str, seconds: float = 0.0) -> str:
    await trio.sleep(seconds)
    WORLD.note(name)
    return name


class Counter(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int = 1) -> int:
        self.value += amount
        return self.value

    @handler
    async def add_slowly(self, amount: int, seconds: float) -> int:
        self.value += amount
        await effect(f"+{amount}", seconds)
        self.value += amount
        return self.value

    @shared
    async def current(self) -> int:
        return self.value

    @shared
    async def current_twice(self, seconds: float) -> list[int]:
        before = self.value
        await actors.sleep(seconds)
        return [before, self.value]


class Caller(Service):
    @handler
    async def sum_up(self, keys: list[str]) -> int:
        return sum([await actors.actor(Counter, key).add(1) for key in keys])

    @handler
    async def send_in_order(self, key: str) -> None:
        for amount in range(10):
            await actors.actor(Journaling, key).append.send(amount)

    @handler
    async def send_later(self, key: str, seconds: float) -> str:
        handle = await actors.actor(Counter, key).add.options(delay=seconds).send(5)
        return handle.id

    @handler
    async def fail_with(self, message: str) -> None:
        raise OutOfStock(message, details={"left": 0})

    @handler
    async def survive(self) -> str:
        try:
            await actors.service(Caller).fail_with("no shoes")
        except OutOfStock as error:
            return f"{error} {error.details}"
        return "nothing was raised"


class Journaling(Actor):
    seen: list[int] = actors.field(factory=list)

    @handler
    async def append(self, value: int) -> list[int]:
        self.seen.append(value)
        return self.seen


class Forwarder(Actor):
    @handler
    async def pass_on(self, key: str, value: int) -> None:
        await actors.actor(Journaling, key).append.send(value)


class Once(Workflow):
    runs: int = 0

    @handler
    async def run(self, text: str) -> str:
        self.runs += 1
        await effect(text)
        return text.upper()

    @shared
    async def count(self) -> int:
        return self.runs


class OutOfStock(actors.TerminalError):
    """Of the application."""


@pytest.fixture
def lab() -> Lab:
    return Lab(Counter, Caller, Journaling, Once)


async def test_a_call_returns_what_the_handler_returns_and_its_object_remembers(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.actor(Counter, "a").add(2) == 2
        assert await runtime.client.actor(Counter, "a").add() == 3
        assert await runtime.client.actor(Counter, "b").add(7) == 7
    async with lab.running() as runtime:
        assert await runtime.client.actor(Counter, "a").current() == 3


async def test_one_writer_at_a_time_first_come_first_served(lab: Lab) -> None:
    async with lab.running() as runtime:
        counter = runtime.client.actor(Journaling, "a")
        handles = [await counter.append.send(i) for i in range(20)]
        assert await handles[-1].result() == list(range(20))


async def test_a_reader_runs_beside_the_writer_and_sees_what_it_has_recorded(lab: Lab) -> None:
    async with lab.running() as runtime:
        counter = runtime.client.actor(Counter, "a")
        slow = await counter.add_slowly.send(5, 10.0)
        await quiet()
        assert await counter.current() == 5
        assert await slow.result() == 10
        assert await counter.current() == 10


async def test_a_reader_that_waits_sees_the_object_as_it_was_when_it_started_also_after_a_crash(lab: Lab) -> None:
    async with lab.running() as runtime:
        counter = runtime.client.actor(Counter, "a")
        await counter.add(1)
        reading = await counter.current_twice.send(60.0)
        await quiet()
        await counter.add(1)
    async with lab.running() as runtime:
        await runtime.client.actor(Counter, "a").add(1)
        assert await runtime.client.invocation(reading.id).result() == [1, 1]


async def test_calls_between_objects_come_back(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Caller).sum_up(["a", "a", "b"]) == 1 + 2 + 1


async def test_two_sends_to_one_key_arrive_in_order(lab: Lab) -> None:
    async with lab.running() as runtime:
        await runtime.client.service(Caller).send_in_order("x")
        assert await runtime.client.actor(Journaling, "x").append(99) == [*range(10), 99]


async def test_partitions_speak_to_each_other_by_message_with_the_same_promises() -> None:
    lab = Lab(Counter, Caller, Journaling, partitions=5)
    async with lab.running() as runtime:
        counters = [f"k{i}" for i in range(12)]
        assert await runtime.client.service(Caller).sum_up(counters * 2) == 12 * 1 + 12 * 2
        await runtime.client.service(Caller).send_in_order("x")
        await quiet()
        assert await runtime.client.actor(Journaling, "x").append(99) == [*range(10), 99]


async def test_a_message_is_not_taken_for_one_of_a_claim_that_left_no_number() -> None:
    lab = Lab(Forwarder, Journaling, partitions=2)
    sender = stream_of("Forwarder", "f") % 2
    key = next(key for n in range(99) if stream_of("Journaling", key := f"j{n}") % 2 != sender)
    number = keys.partition_state(sender)
    for value in (1, 2):
        async with lab.running() as runtime:
            await runtime.client.actor(Forwarder, "f").pass_on(key, value)
            await quiet()
        state = decode_row(PartitionState, lab.store.get(number))
        state.epoch -= 1  # what was sent is durable, and the claim's own number is lost
        lab.store.apply(Batch({number: encode_row(state)}))
    async with lab.running() as runtime:
        assert await runtime.client.actor(Journaling, key).append(3) == [1, 2, 3]


async def test_a_delayed_send_arrives_after_its_delay_also_when_the_process_was_gone(lab: Lab) -> None:
    async with lab.running() as runtime:
        sent = await runtime.client.service(Caller).send_later("x", 3600.0)
        assert (await runtime.client.invocation(sent).info()).status is Status.SCHEDULED
        await trio.sleep(3000)
        assert await runtime.client.actor(Counter, "x").current() == 0
    await trio.sleep(10_000)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(sent).result() == 5


async def test_a_client_can_delay_and_attach_by_id(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Counter, "x").add.options(delay=5).send(4)
        started = trio.current_time()
        assert await handle.result() == 4
        assert trio.current_time() - started >= 5


async def test_an_error_for_good_arrives_as_its_own_class_with_its_details(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(OutOfStock, match="no shoes") as caught:
            await runtime.client.service(Caller).fail_with("no shoes")
        assert caught.value.details == {"left": 0}
        assert await runtime.client.service(Caller).survive() == "no shoes {'left': 0}"


async def test_an_idempotency_key_finds_the_same_invocation_while_it_runs_and_after(lab: Lab) -> None:
    async with lab.running() as runtime:
        counter = runtime.client.actor(Counter, "x")
        first = await counter.add_slowly.options(idempotency_key="k").send(1, 5.0)
        second = await counter.add_slowly.options(idempotency_key="k").send(1, 5.0)
        assert first.id == second.id
        assert await second.result() == 2
    async with lab.running() as runtime:
        counter = runtime.client.actor(Counter, "x")
        assert await counter.add_slowly.options(idempotency_key="k")(1, 5.0) == 2
        assert await counter.current() == 2
        assert WORLD.count("+1") == 1


async def test_the_same_key_with_another_argument_is_refused_while_it_runs_and_after(lab: Lab) -> None:
    async with lab.running() as runtime:
        counter = runtime.client.actor(Counter, "x")
        handle = await counter.add_slowly.options(idempotency_key="k").send(1, 5.0)
        with raises(actors.ConflictError, code="idempotency_conflict"):
            await counter.add_slowly.options(idempotency_key="k").send(2, 5.0)
        await handle.result()
        with raises(actors.ConflictError, code="idempotency_conflict"):
            await counter.add_slowly.options(idempotency_key="k")(2, 5.0)


async def test_a_workflow_runs_once_for_its_key(lab: Lab) -> None:
    async with lab.running() as runtime:
        flow = runtime.client.workflow(Once, "w")
        assert await flow.run("hello") == "HELLO"
        assert await flow.run("hello") == "HELLO"
        assert await flow.count() == 1
        with raises(actors.ConflictError, code="idempotency_conflict"):
            await flow.run("other")
        assert await runtime.client.invocation(actors.workflow_id(Once, "w")).result() == "HELLO"


async def test_a_caller_that_stops_waiting_leaves_the_invocation_alone(lab: Lab) -> None:
    async with lab.running() as runtime:
        counter = runtime.client.actor(Counter, "x")
        with trio.move_on_after(1):
            await counter.add_slowly(1, 10.0)
        with pytest.raises(actors.TooSlowError) as caught:
            await counter.add_slowly.options(timeout=2)(1, 30.0)
        assert caught.value.invocation_id is not None
        assert await runtime.client.invocation(caught.value.invocation_id).result() == 4


async def test_calls_by_name_take_json_and_give_outcomes(lab: Lab) -> None:
    async with lab.running() as runtime:
        call = runtime.client.call_by_name
        _, outcome = await call(Target("Counter", "a", "add"), b"5")
        assert outcome.value == 5
        _, outcome = await call(Target("Counter", "a", "add"))
        assert outcome.value == 6
        _, outcome = await call(Target("Counter", "a", "add_slowly"), b'{"amount": 1, "seconds": 0}')
        assert outcome.value == 8
        sent = await runtime.client.send_by_name(Target("Counter", "a", "add"), b"1", CallOptions(delay=3))
        assert sent.is_new
        assert await runtime.client.invocation(sent.invocation_id).result() == 9


async def test_the_list_shows_invocations_newest_first_by_what_they_are(lab: Lab) -> None:
    async with lab.running() as runtime:
        counter = runtime.client.actor(Counter, "x")
        for _ in range(3):
            await counter.add(1)
            await trio.sleep(1)
        slow = await counter.add_slowly.send(1, 50.0)
        await runtime.client.service(Caller).sum_up(["y"])
        listed = await runtime.client.invocations(service="Counter", key="x")
        assert [str(i.target) for i in listed] == ["Counter/x/add_slowly", *["Counter/x/add"] * 3]
        assert [i.id for i in await runtime.client.invocations(status=[Status.RUNNING])] == [slow.id]
        assert len(await runtime.client.invocations(limit=2)) == 2


@pytest.mark.parametrize("crashes", [0, 1])
async def test_virtual_time_passes_as_the_clock_says(lab: Lab, crashes: int) -> None:
    started = trio.current_time()
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Counter, "x").add.options(delay=7200).send(1)
        if not crashes:
            await handle.result()
    if crashes:
        async with lab.running() as runtime:
            await runtime.client.invocation(handle.id).result()
    assert 7200 <= trio.current_time() - started < 7202


class Patient(Service):
    @handler
    async def wait_for(self, of: str, times: int, seconds: float) -> int:
        """Wait for another invocation again and again, each time for a while."""
        gave_up = 0
        for _ in range(times):
            with actors.move_on_after(seconds) as scope:
                await actors.invocation(of).result()
            gave_up += scope.cancelled_caught
        return gave_up


async def test_a_wait_for_another_invocation_that_is_given_up_leaves_nothing_with_it() -> None:
    lab = Lab(Counter, Patient)
    async with lab.running() as runtime:
        awaited = await runtime.client.actor(Counter, "slow").add_slowly.send(1, 10_000.0)
        patient = runtime.client.service(Patient)
        assert await patient.wait_for(awaited.id, 3, 1.0) == 3
        killed = await patient.wait_for.send(awaited.id, 1, 1000.0)
        await quiet()
        await killed.kill()
        await quiet()
        names = [event.name async for event in awaited.events() if event.name.startswith("Attach")]
        assert names == ["AttachRequested", "AttachDropped"] * 4
    async with lab.running() as runtime:
        assert await runtime.client.invocation(awaited.id).result() == 2
