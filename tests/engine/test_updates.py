"""An update changes a workflow's run while it waits, and answers: accepted with its run's history, carried out once, replayed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import pytest
import trio

import actors
from actors import Actor, ConflictError, InvalidArgumentError, Service, Workflow, handler, shared, step, update
from actors.errors import DeadlockError, DefinitionError, ErrorCode, FieldMisuseError, MisuseError, UpdateLostError
from actors.model.checks import Verdict
from actors.model.classes import definition_of
from actors.query.fsck.doctor import examine
from journal.events import OutcomeKind
from journal.kv.memory import MemoryStore
from tests import replicated
from tests.engine.test_schedule_crashes import Dying
from tests.lab import WORLD, Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def label(address: str) -> str:
    WORLD.note(f"label {address}")
    await trio.sleep(10)
    return f"label for {address}"


@step
async def pack(what: str) -> str:
    WORLD.note(f"pack {what}")
    return what


def check_address(order: Order, address: str) -> None:
    if order.shipped:
        raise ConflictError(f"sent to {order.address} already", code=ErrorCode.REFUSED)
    if not address:
        raise ValueError("the address is empty")


class Order(Workflow):
    address: str = ""
    shipped: bool = False

    @handler
    async def run(self, address: str) -> str:
        self.address = address
        await pack("the order")
        await actors.signal("paid", bool)
        self.shipped = True
        await pack(self.address)
        await actors.signal("arrived")
        return self.address

    @update(validate=check_address)
    async def change_address(self, address: str) -> str:
        made = await label(address)
        self.address = address
        return f"{made}, order of {self.key}"

    @update
    async def fail(self, reason: str) -> None:
        raise LookupError(reason)

    @update
    async def wait(self, signal: str = "go") -> str:
        try:
            return await actors.signal(signal, str)
        except actors.CancelledError as cancelled:
            WORLD.note(f"undone: {cancelled.reason}")
            await pack("undo")
            raise

    @shared
    async def where(self) -> str:
        return self.address


class Clerk(Service):
    @handler
    async def move(self, key: str, to: str) -> str:
        return await actors.workflow(Order, key).change_address(to)


async def refusal(asked: Any, kind: type[Exception]) -> Any:
    with pytest.raises(kind) as refused:
        await asked
    return refused.value


async def names(handle: actors.InvocationHandle[Any]) -> list[str]:
    return [entry.name async for entry in handle.events()]


async def test_an_update_changes_the_run_while_it_waits_and_answers() -> None:
    async with Lab(Order, Clerk).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        await trio.sleep(1)
        assert await order.change_address("New Street") == "label for New Street, order of 7"
        assert await order.where() == "New Street"
        assert await runtime.client.service(Clerk).move("7", "Third Street") == "label for Third Street, order of 7"
        await run.signal("paid", True)
        await run.signal("arrived")
        assert await run.result() == "Third Street"
        told = await names(run)
        assert told.count("UpdateAccepted") == told.count("UpdateCompleted") == 2
        assert WORLD.entries == ["pack the order", "label New Street", "label Third Street", "pack Third Street"]


async def test_updates_run_beside_each_other_and_end_at_their_own_time() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        first, second = await order.wait.send("a"), await order.wait.send("b")
        await run.signal("b", "two")
        assert await second.result() == "two"
        await run.signal("a", "one")
        assert await first.result() == "one"


async def test_an_error_of_an_update_is_its_answer_and_the_run_continues() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        error = await refusal(order.fail("no such street"), actors.TerminalError)
        assert error.type == "builtins.LookupError"
        await run.signal("paid", True)
        await run.signal("arrived")
        assert await run.result() == "Old Street"


async def test_a_validator_looks_at_the_run_and_its_refusal_leaves_nothing() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        assert (await refusal(order.change_address("x"), ConflictError)).code is ErrorCode.NO_RUN
        run = await order.run.send("Old Street")
        assert "the address is empty" in str(await refusal(order.change_address(""), InvalidArgumentError))
        await run.signal("paid", True)
        await quiet()
        assert "sent to Old Street" in str(await refusal(order.change_address("New Street"), ConflictError))
        assert "UpdateAccepted" not in await names(run)
        assert [info.target.handler for info in await runtime.client.invocations()] == ["run"]


async def test_one_idempotency_key_is_one_update_with_one_answer() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        keyed = order.change_address.options(idempotency_key="k")
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await keyed("New Street"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(ask)
        await ask()
        await run.signal("paid", True)
        await run.signal("arrived")
        await run.result()
        await ask()
        assert answers == ["label for New Street, order of 7"] * 4
        assert (await refusal(keyed("Other Street"), ConflictError)).code is ErrorCode.IDEMPOTENCY_CONFLICT
        assert WORLD.count("label New Street") == 1


async def test_the_end_of_the_run_fails_what_it_has_not_answered_and_no_more_is_taken() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        handle = await order.wait.send("never")
        await run.signal("paid", True)
        await run.signal("arrived")
        await run.result()
        error = await refusal(handle.result(), UpdateLostError)
        assert run.id in str(error)
        assert (await refusal(order.wait(), ConflictError)).code is ErrorCode.NO_RUN


async def test_a_killed_run_fails_its_updates_and_a_cancelled_one_takes_no_more() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        handle = await order.wait.send("never")
        await quiet()
        await run.kill()
        await refusal(handle.result(), UpdateLostError)


async def test_a_paused_run_answers_once_it_is_resumed() -> None:
    lab = Lab(Order)
    async with lab.running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        await quiet()
        await run.pause()
        handle = await order.change_address.send("New Street")
        await trio.sleep(100)
        assert WORLD.count("label New Street") == 0
    async with lab.running() as runtime:
        await runtime.client.invocation(run.id).resume()
        found = runtime.client.invocation(handle.id)
        assert await found.result() == "label for New Street, order of 7"
        assert await names(found) == ["InvocationAccepted", "InvocationStarted", "InvocationCompleted"]
        assert WORLD.count("label New Street") == 1, "no attempt of its own was made at the start"


async def test_a_cancelled_update_compensates_and_the_run_continues() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        handle = await order.wait.send("never")
        await quiet()
        await handle.cancel(reason="changed my mind")
        error = await refusal(handle.result(), actors.InvocationCancelledError)
        assert error.code is ErrorCode.CANCELLED
        assert WORLD.entries[-2:] == ["undone: changed my mind", "pack undo"]
        await run.signal("paid", True)
        await run.signal("arrived")
        assert await run.result() == "Old Street"


async def test_what_is_for_the_run_is_refused_for_an_update() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        handle = await order.wait.send("never")
        for asked in (handle.pause(), handle.resume(), handle.signal("x"), handle.restart(stop="kill")):
            error = await refusal(asked, ConflictError)
            assert error.code is ErrorCode.NOT_POSSIBLE
        assert run.id in (await handle.why())[0].text
        await handle.kill()
        assert (await refusal(handle.result(), actors.InvocationCancelledError)).code is ErrorCode.KILLED
        await quiet()
        assert WORLD.count("pack undo") == 1


async def test_an_update_of_a_run_that_has_not_begun_is_answered_once_it_has() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        await order.run.options(delay=100).send("Old Street")
        handle = await order.change_address.send("New Street")
        await trio.sleep(90)
        assert (await handle.info()).status is actors.Status.SUSPENDED
        assert WORLD.entries == []
        assert await handle.result() == "label for New Street, order of 7"


async def test_a_caller_that_no_longer_waits_cancels_its_update() -> None:
    class Impatient(Service):
        @handler
        async def ask(self) -> str:
            with actors.move_on_after(5):
                return await actors.workflow(Order, "7").wait()
            return "gave up"

    async with Lab(Order, Impatient).running() as runtime:
        await runtime.client.workflow(Order, "7").run.send("Old Street")
        assert await runtime.client.service(Impatient).ask() == "gave up"
        assert WORLD.count("pack undo") == 1


async def test_a_shield_and_a_step_that_ends_hold_the_cancel_of_an_update_back() -> None:
    class Slow(Workflow):
        @handler
        async def run(self) -> str:
            return await actors.signal("end", str)

        @update
        async def work(self) -> str:
            try:
                with actors.CancelScope(shield=True):
                    await actors.sleep(10)
                    WORLD.note("shielded")
                await actors.sleep(10)
            except actors.CancelledError:
                await actors.sleep(1)  # a cancel is raised once
                return "cancelled, and cleaned up"
            return "done"

    async with Lab(Slow).running() as runtime:
        slow = runtime.client.workflow(Slow, "1")
        run = await slow.run.send()
        handle = await slow.work.send()
        await trio.sleep(1)
        await handle.cancel()
        assert await handle.result() == "cancelled, and cleaned up"
        assert WORLD.entries == ["shielded"]
        await run.signal("end", "ended")
        assert await run.result() == "ended"


async def test_an_update_ends_after_its_max_duration() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        await order.run.send("Old Street")
        handle = await order.wait.options(max_duration=5).send("never")
        outcome = await handle.outcome()
        assert (outcome.kind, outcome.expired) == (OutcomeKind.CANCELLED, True)


async def test_a_restart_keeps_updates_before_its_point_and_carries_later_ones_out_again() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        await order.change_address("New Street")
        await run.signal("paid", True)
        await quiet()
        await trio.sleep(1)
        open_one = await order.wait.send("go")
        await quiet()
        WORLD.clear()
        made = (await run.restart("3", stop="kill")).successor
        assert made is not None
        again = runtime.client.invocation(made.invocation_id)
        await trio.sleep(20)
        assert await order.where() == "New Street"
        assert WORLD.entries == ["pack New Street"], "the update before step 3 is kept"
        await again.signal("go", "answered by the restart")
        assert await open_one.result() == "answered by the restart"
        made = (await again.restart("1", stop="kill")).successor
        assert made is not None
        await trio.sleep(20)
        assert WORLD.count("label New Street") == 1, "it came after step 1, and is carried out again"
        assert await order.where() == "New Street"


async def test_a_restart_from_the_beginning_drops_updates_and_says_so() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        handle = await order.wait.send("go")
        await quiet()
        await run.restart(stop="kill")
        await refusal(handle.result(), UpdateLostError)


async def test_code_without_the_update_pauses_the_run_until_it_is_back() -> None:
    class Without(Workflow, name="Order"):
        address: str = ""
        shipped: bool = False

        @handler
        async def run(self, address: str) -> str:
            return await Order.run.function(self, address)  # type: ignore[attr-defined, no-any-return]

    lab = Lab(Order)
    async with lab.running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        handle = await order.wait.send("go")
        await quiet()
    async with lab.running(Without) as runtime:
        found = runtime.client.invocation(run.id)
        await found.signal("paid", True)
        await quiet()
        assert (await found.info()).status is actors.Status.PAUSED
        assert (await found.check()).verdict is not Verdict.SAME
    async with lab.running() as runtime:
        found = runtime.client.invocation(run.id)
        assert (await found.check()).verdict is Verdict.SAME
        assert (await runtime.client.invocation(handle.id).check()).verdict is Verdict.SAME
        await found.resume()
        await found.signal("go", "back")
        assert await runtime.client.invocation(handle.id).result() == "back"


async def test_what_cannot_be_an_update_is_refused_with_the_class() -> None:
    class Till(Actor):
        @update
        async def pay(self) -> None: ...

    class Twice(Workflow):
        @handler
        async def run(self) -> None: ...
        @update(name="run")
        async def change(self) -> None: ...

    class Only(Workflow):
        @update
        async def run(self) -> None: ...

    for kind in (Till, Twice, Only):
        with pytest.raises(DefinitionError):
            definition_of(kind)
    with pytest.raises(DefinitionError):

        class Asks(Workflow):
            @update(validate=lambda of, other: None)
            async def change(self, to: str) -> None: ...

    with pytest.raises(DefinitionError):
        update(cast("Any", Order.where))


async def test_an_update_has_no_delay_and_a_validator_no_verb() -> None:
    def emits(of: Strict, to: str) -> None:
        actors.emit(to)

    def writes(of: Strict, to: str) -> None:
        of.value = to

    class Strict(Workflow):
        value: str = ""

        @handler
        async def run(self) -> None:
            await actors.signal("end")

        @update(validate=emits)
        async def emit(self, to: str) -> None: ...

        @update(validate=writes)
        async def write(self, to: str) -> None: ...

    async with Lab(Strict).running() as runtime:
        strict = runtime.client.workflow(Strict, "1")
        await strict.run.send()
        with pytest.raises(InvalidArgumentError):
            strict.emit.options(delay=1)
        assert "validator" in str(await refusal(strict.emit("x"), MisuseError))
        await refusal(strict.write("x"), FieldMisuseError)
        assert [info.target.handler for info in await runtime.client.invocations()] == ["run"]


async def life(client: actors.Client) -> dict[str, Any]:
    """A life of an order with three updates, each asked for under a key, so that a client may ask again."""
    order = client.workflow(Order, "7")
    run = await order.run.send("Old Street")
    answers: dict[str, Any] = {}

    async def ask(key: str, call: Any, *args: str) -> None:
        try:
            answers[key] = await call.options(idempotency_key=key)(*args)
        except actors.TerminalError as error:
            answers[key] = type(error).__name__

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "move", order.change_address, "New Street")
        nursery.start_soon(ask, "fail", order.fail, "no")
        nursery.start_soon(ask, "wait", order.wait)
        with suppress(ConflictError):  # an earlier life came to the end
            await trio.sleep(5)
            await run.signal("go", "on")
    with suppress(ConflictError):
        await run.signal("paid", True)
        await run.signal("arrived")
    answers["run"] = await run.result()
    return answers


@pytest.mark.parametrize("is_written", [False, True], ids=["before", "after"])
async def test_a_death_at_any_commit_loses_no_update_and_answers_each_once(is_written: bool) -> None:
    if replicated.is_wanted:
        pytest.skip("a replicated journal is not kept in the store that dies")
    lab = Lab(Order, store=(store := Dying(10_000, is_written=True)))
    async with lab.running() as runtime:
        expected = await life(runtime.client)
    commits = 10_000 - store.left
    assert expected == {
        "move": "label for New Street, order of 7",
        "fail": "TerminalError",
        "wait": "on",
        "run": "New Street",
    }
    for number in range(1, commits + 1):
        lab = Lab(Order, store=(store := Dying(number, is_written=is_written)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_life, lab)
            with trio.move_on_after(60):
                await store.died.wait()
            nursery.cancel_scope.cancel()
        left = Lab(Order, store=MemoryStore(store.contents()), seed=number + 1)
        async with left.running() as runtime:
            assert await life(runtime.client) == expected, number
            run = runtime.client.invocation(actors.workflow_id(Order, "7"))
            told = await names(run)
            assert told.count("UpdateAccepted") == told.count("UpdateCompleted") == 3
        assert examine(left.store, 1).findings == ()


async def serve_life(lab: Lab) -> None:
    async with lab.running() as runtime:
        await life(runtime.client)
        await trio.sleep_forever()


async def test_an_await_in_an_update_that_is_not_durable_is_its_error_with_the_line() -> None:
    class Naps(Workflow):
        @handler
        async def run(self) -> None:
            await actors.signal("end")

        @update
        async def nap(self) -> None:
            await trio.sleep(1)

    async with Lab(Naps).running() as runtime:
        naps = runtime.client.workflow(Naps, "1")
        await naps.run.send()
        error = await refusal(naps.nap(), actors.TerminalError)
        assert error.code is ErrorCode.NON_DURABLE_AWAIT
        assert "test_updates.py" in str(error)


async def test_what_holds_the_run_holds_its_updates_and_they_take_no_place_of_their_own() -> None:
    async with Lab(Order).running() as runtime:
        client = runtime.client
        await client.limits.set("service:Order", concurrency=1, rate=2, period=1_000)
        order = client.workflow(Order, "7")
        run = await order.run.send("Old Street")
        for street in ("First Street", "Second Street", "Third Street"):
            assert await order.change_address(street)
        await client.gates.close("service:Order")
        handle = await order.change_address.send("New Street")
        await trio.sleep(100)
        assert WORLD.count("label New Street") == 0
        assert (await handle.info()).started_at is not None
        await client.gates.open("service:Order")
        assert await handle.result() == "label for New Street, order of 7"
        await run.signal("paid", True)
        await run.signal("arrived")
        assert await run.result() == "New Street"
        other = client.workflow(Order, "8")
        await other.run.send("a")
        with trio.fail_after(100):  # the updates were no starts
            assert await other.change_address("b") == "label for b, order of 8"


async def test_an_update_that_calls_back_whoever_waits_for_it_is_refused_as_a_deadlock() -> None:
    class Room(Actor):
        @handler
        async def enter(self) -> str:
            return await actors.workflow(Guide, "g").show(self.key)

        @handler
        async def look(self) -> str:
            return f"inside {self.key}"

    class Guide(Workflow):
        @handler
        async def run(self) -> None:
            await actors.signal("end")

        @update
        async def show(self, room: str) -> str:
            return await actors.actor(Room, room).look()

    async with Lab(Room, Guide).running() as runtime:
        guide = runtime.client.workflow(Guide, "g")
        await guide.run.send()
        assert await guide.show("hall") == "inside hall"
        error = await refusal(runtime.client.actor(Room, "cellar").enter(), DeadlockError)
        assert "Guide/g/show" in [link.target for link in error.chain]


async def test_a_restart_cancels_the_update_that_was_being_cancelled() -> None:
    class Slow(Workflow):
        @handler
        async def run(self) -> None:
            await pack("begin")
            await actors.signal("go")
            await pack("middle")
            await actors.signal("end")

        @update
        async def work(self) -> None:
            try:
                await actors.signal("never")
            except actors.CancelledError:
                await actors.sleep(100)
                raise

    async with Lab(Slow).running() as runtime:
        slow = runtime.client.workflow(Slow, "1")
        run = await slow.run.send()
        await run.signal("go")
        await quiet()
        handle = await slow.work.send()
        await quiet()
        await handle.cancel(reason="changed my mind")
        await quiet()
        await run.restart("1", stop="kill")
        with trio.fail_after(1000):
            error = await refusal(handle.result(), actors.InvocationCancelledError)
        assert error.code is ErrorCode.CANCELLED


async def test_the_row_of_an_update_that_is_being_cancelled_is_on_disk_with_its_cancel() -> None:
    class Slow(Workflow):
        @handler
        async def run(self) -> None:
            await actors.signal("end")

        @update
        async def work(self) -> None:
            try:
                await actors.signal("never")
            except actors.CancelledError:
                await actors.sleep(100)
                raise

    lab = Lab(Slow)
    async with lab.running() as runtime:
        slow = runtime.client.workflow(Slow, "1")
        await slow.run.send()
        handle = await slow.work.send()
        await handle.cancel()
        await quiet()
    assert examine(lab.store, 1).findings == ()


async def test_whatever_a_validator_does_but_return_none_refuses_the_update() -> None:
    def leaves(of: Strict) -> None:
        raise SystemExit("no exit")

    def cancels(of: Strict) -> None:
        raise actors.CancelledError("no cancel")

    class Strict(Workflow):
        @handler
        async def run(self) -> None:
            await actors.signal("end")

        @update(validate=leaves)
        async def leave(self) -> None: ...

        @update(validate=cancels)
        async def cancel(self) -> None: ...

        @update(validate=lambda of: False)
        async def answer(self) -> None: ...

    async with Lab(Strict).running() as runtime:
        strict = runtime.client.workflow(Strict, "1")
        await strict.run.send()
        assert "no exit" in str(await refusal(strict.leave(), InvalidArgumentError))
        assert "no cancel" in str(await refusal(strict.cancel(), InvalidArgumentError))
        assert "raise an error to refuse" in str(await refusal(strict.answer(), DefinitionError))
        with raises(InvalidArgumentError, path="budget"):
            strict.answer.options(budget={"usd": 1})
        assert [info.target.handler for info in await runtime.client.invocations()] == ["run"]
