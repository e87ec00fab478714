"""Locks: who has one, who waits, and when it is given up."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import Actor, Service, handler, step
from actors.errors import DeadlockError, ErrorCode, InvalidArgumentError, LimitExceededError
from actors.system import locks
from actors.types import OutcomeKind, Stop, WaitCause
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def work(what: str, seconds: float) -> None:
    WORLD.note(f"{what} begins")
    await trio.sleep(seconds)
    WORLD.note(f"{what} ends")


class Door(Actor):
    @handler
    async def open(self) -> None:
        await actors.sleep(1)

    @handler
    async def open_locked(self, keys: list[str]) -> None:
        await actors.sleep(1)
        async with actors.lock("Door", keys):
            await work(f"{self.key} with {keys}", 1)


class Keeper(Service):
    @handler
    async def hold(self, keys: list[str], what: str, seconds: float = 10) -> str:
        async with actors.lock("Door", keys):
            await work(what, seconds)
        return what

    @handler
    async def hold_and_undo(self, keys: list[str], what: str) -> None:
        async with actors.lock("Door", keys):
            try:
                await work(what, 10)
            except actors.CancelledError:
                await work(f"undo {what}", 5)
                raise

    @handler
    async def hold_or_leave(self, keys: list[str], what: str, patience: float) -> str:
        with actors.move_on_after(patience):
            async with actors.lock(Door, keys):
                await work(what, 10)
            return "done"
        return "left"

    @handler
    async def hold_until(self, keys: list[str]) -> str:
        async with actors.lock("Door", keys):
            return await actors.signal("go", str)

    @handler
    async def hold_in_hold(self, outer: list[str], inner: list[str]) -> None:
        async with actors.lock("Door", outer), actors.lock("Door", inner):
            await work("both", 1)

    @handler
    async def hold_and_call(self, keys: list[str], inner: list[str]) -> str:
        async with actors.lock("Door", keys):
            return await actors.service(Keeper).hold(inner, "callee", 1)

    @handler
    async def hold_and_open(self, keys: list[str], door: str) -> None:
        async with actors.lock("Door", keys):
            await actors.sleep(2)
            await actors.actor(Door, door).open()

    @handler
    async def hold_twice_at_once(self, key: str) -> None:
        async def one() -> None:
            async with actors.lock("Door", key):
                await actors.sleep(1)

        async with actors.open_nursery() as nursery:
            nursery.start_soon(one)
            nursery.start_soon(one)

    @handler(retry=actors.RetryPolicy(max_attempts=3, initial_delay=5))
    async def fail_inside(self, key: str) -> str:
        async with actors.lock("Door", key):
            await work("inside", 1)
            if FAILS:
                FAILS.pop()
                raise ValueError("a bug")
        return "done"

    @handler
    async def recover(self, key: str) -> str:
        try:
            async with actors.lock("Door", key):
                raise ValueError("caught")
        except ValueError:
            await actors.sleep(10)
        return "recovered"

    @handler
    async def odd(self, what: str) -> None:
        name, keys = {"slash": ("a/b", ["x"]), "none": ("a", []), "many": ("a", [str(n) for n in range(101)])}[what]
        async with actors.lock(name, keys):
            pass


FAILS: list[None] = []


@pytest.fixture
def lab() -> Lab:
    WORLD.clear()
    FAILS.clear()
    return Lab(Door, Keeper, partitions=3)


async def test_blocks_with_a_common_key_run_one_after_the_other_in_order(lab: Lab) -> None:
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        handles = []
        for number, keys in enumerate((["b", "a"], ["a", "c"], ["d"], ["a"])):
            handles.append(await keeper.hold.send(keys, str(number), 10 + number))
            await quiet()
        for handle in handles:
            await handle.result()
        assert [str(entry) for entry in WORLD.entries] == [
            "0 begins", "2 begins", "0 ends", "1 begins", "2 ends", "1 ends", "3 begins", "3 ends",
        ]  # fmt: skip
        await trio.sleep(200)
        assert [*await held(runtime)] == []
        names = await runtime.client.query("select 1 from sys_state where service = 'playhead.Lock'")
        assert names.rows == []


async def held(runtime: actors.Runtime) -> list[Any]:
    found = await runtime.client.query("select lock, state, place, invocation_id from sys_lock order by lock, place")
    return [tuple(row) for row in found.rows]


async def test_who_has_a_lock_and_who_waits_is_seen(lab: Lab) -> None:
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        first = await keeper.hold.send(["a", "b"], "first")
        await quiet()
        second = await keeper.hold.send(["b"], "second")
        await quiet()
        assert await held(runtime) == [
            ("Door/a", "held", 1, first.id),
            ("Door/b", "held", 1, first.id),
            ("Door/b", "waiting", 2, second.id),
        ]
        (wait,) = (await second.info()).waits
        assert (wait.kind, wait.name, wait.invocation_id) == ("lock", "Door/b", first.id)
        (reason,) = await second.why()
        assert (reason.waits_for, reason.invocation_id) == (WaitCause.LOCK, first.id)
        assert "the lock 'Door/b'" in reason.text


async def ends_of(lab: Lab, ending: str) -> list[str]:
    """What is noted while the holder of a lock ends so, and another waits for it."""
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        first = await keeper.hold_and_undo.send(["a", "b"], "first")
        await quiet()
        second = await keeper.hold.send(["b"], "second", 1)
        await quiet()
        await (first.kill() if ending == "kill" else first.cancel())
        assert await second.result() == "second"
        assert (await first.outcome()).kind is (OutcomeKind.KILLED if ending == "kill" else OutcomeKind.CANCELLED)
    return [str(entry) for entry in WORLD.entries]


async def test_a_killed_holder_gives_its_locks_up(lab: Lab) -> None:
    assert await ends_of(lab, "kill") == ["first begins", "second begins", "second ends"]


async def test_a_cancelled_holder_has_its_locks_until_it_has_compensated(lab: Lab) -> None:
    assert await ends_of(lab, "cancel") == [
        "first begins", "undo first begins", "undo first ends", "second begins", "second ends",
    ]  # fmt: skip


@pytest.mark.parametrize("ending", ["cancel", "kill", "deadline"])
async def test_one_that_waits_and_leaves_lets_no_other_in_too_early(lab: Lab, ending: str) -> None:
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        first = await keeper.hold.send(["a"], "first", 20)
        await quiet()
        leaving = await keeper.hold_or_leave.send(["0", "a"], "leaving", 5 if ending == "deadline" else 1_000)
        await quiet()
        third = await keeper.hold.send(["a"], "third", 1)
        behind = await keeper.hold.send(["0"], "behind", 1)
        await quiet()
        if ending != "deadline":
            await getattr(leaving, ending)()
        assert await behind.result() == "behind"  # the locks that it had are free at once
        assert (await third.info()).status is actors.Status.SUSPENDED
        await first.result()
        await third.result()
        if ending == "deadline":
            assert await leaving.result() == "left"
    assert [str(entry) for entry in WORLD.entries] == [
        "first begins", "behind begins", "behind ends", "first ends", "third begins", "third ends",
    ]  # fmt: skip


async def test_locks_stay_while_the_process_is_gone_and_while_the_holder_is_paused(lab: Lab) -> None:
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        first = await keeper.hold_until.send(["a"])
        await quiet()
        second = await keeper.hold.send(["a"], "second", 1)
        await quiet()
        await first.pause()
    await trio.sleep(1_000)
    async with lab.running() as runtime:
        first, second = (runtime.client.invocation(handle.id) for handle in (first, second))
        await quiet()
        assert WORLD.entries == []
        await first.signal("go", "on")
        await first.resume()
        assert await first.result() == "on"
        assert await second.result() == "second"


async def test_a_handler_that_is_retried_keeps_the_lock(lab: Lab) -> None:
    FAILS.append(None)
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        first = await keeper.fail_inside.send("a")
        await trio.sleep(2)
        second = await keeper.hold.send(["a"], "second", 1)
        assert await first.result() == "done"
        await second.result()
    assert [str(entry) for entry in WORLD.entries] == ["inside begins", "inside ends", "second begins", "second ends"]


async def test_an_error_that_is_caught_outside_of_the_block_releases_the_lock(lab: Lab) -> None:
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        first = await keeper.recover.send("a")
        await quiet()
        assert await keeper.hold(["a"], "second", 1) == "second"
        assert (await first.info()).status is actors.Status.SUSPENDED


@pytest.mark.parametrize(
    ("outer", "inner"), [(["a"], ["a"]), (["b"], ["a"]), (["a", "c"], ["b"])], ids=["same", "before", "between"]
)
async def test_keys_out_of_order_are_refused_before_anything_is_taken(
    lab: Lab, outer: list[str], inner: list[str]
) -> None:
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        with pytest.raises(DeadlockError):
            await keeper.hold_in_hold(outer, inner)
        await keeper.hold_in_hold(["a"], ["b"])


async def test_what_a_holder_calls_cannot_take_its_lock(lab: Lab) -> None:
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        with pytest.raises(DeadlockError) as caught:
            await keeper.hold_and_call(["a"], ["a"])
        assert [link.target.rpartition("/")[2] for link in caught.value.chain] == [
            "hold",
            "acquire",
            "hold_and_call",
            "hold",
        ]
        assert await keeper.hold_and_call(["a"], ["b"]) == "callee"
        assert await keeper.hold(["a"], "next", 1) == "next"


async def test_two_branches_of_a_handler_cannot_take_one_lock(lab: Lab) -> None:
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        with pytest.raises(actors.TerminalError) as caught:
            await keeper.hold_twice_at_once("a")
        assert "would wait for itself" in str(caught.value)
        assert await keeper.hold(["a"], "next", 1) == "next"


async def test_a_circle_of_a_lock_and_a_key_is_found(lab: Lab) -> None:
    async with lab.running() as runtime:
        first = await runtime.client.service(Keeper).hold_and_open.send(["a"], "door")
        second = await runtime.client.actor(Door, "door").open_locked.send(["a"])
        kinds = {(await handle.outcome()).kind for handle in (first, second)}
        assert kinds == {OutcomeKind.FAILED, OutcomeKind.SUCCEEDED}
        await quiet()
        assert await held(runtime) == []


async def test_a_restart_into_the_block_of_a_lock_is_refused(lab: Lab) -> None:
    async with lab.running() as runtime:
        first = await runtime.client.service(Keeper).hold.send(["a"], "first")
        await quiet()
        with pytest.raises(actors.ConflictError) as caught:
            await first.restart("work", stop=Stop.KILL)
        assert caught.value.code is ErrorCode.NOT_POSSIBLE
        assert "restart from step 1" in str(caught.value)
        answer = await first.restart("1", stop=Stop.KILL)
        assert answer.successor is not None
        assert await runtime.client.invocation(answer.successor.invocation_id).result() == "first"


async def test_bad_names_and_keys_are_refused(lab: Lab) -> None:
    async with lab.running(fail_fast=True) as runtime:
        keeper = runtime.client.service(Keeper)
        for what, path in (("slash", "name"), ("none", "keys"), ("many", "keys")):
            with pytest.raises(InvalidArgumentError) as caught:
                await keeper.odd(what)
            assert caught.value.path == path


async def test_only_so_many_wait_for_one_lock(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "MAX_HOLDERS", 2)
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        for what in "ab":
            await keeper.hold.send(["a"], what)
            await quiet()
        with pytest.raises(LimitExceededError) as caught:
            await keeper.hold(["a"], "c")
        assert (caught.value.limit, caught.value.code) == ("lock_holders", ErrorCode.BUSY)


async def test_a_client_cannot_take_a_lock_itself(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(actors.ActorError):
            await runtime.client.call("playhead.Lock/Door%2Fa/acquire")
        with pytest.raises(actors.errors.MisuseError):
            actors.lock("Door", "a")
