"""A copy of a store does not do what its original may still do: not before somebody lets it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

import actors
from actors import Actor, RetryPolicy, Service, handler, step
from actors.core import commands as c
from actors.environment import Environment
from actors.rows.timers import postponed_message
from actors.runtime import Runtime, open_runtime
from journal.clock import SystemClock
from journal.events import Stamp, Status, Target
from journal.ids import InvocationId, StreamId, stream_of_invocation
from journal.kv.backup import restore_backup
from journal.log.open import open_journal
from journal.log.protocol import Message
from tests.lab import WORLD, quiet

DAY = 86_400.0


class Tomorrow(SystemClock):
    """The machine's clock, a day ahead: whatever had a date is overdue."""

    def now(self) -> float:
        return super().now() + DAY


@step
async def effect(name: str) -> None:
    WORLD.note(name)


@step(retry=RetryPolicy(initial_delay=3600.0, max_delay=3600.0))
async def fails_at_first() -> None:
    WORLD.note("try")
    if WORLD.count("try") == 1:
        raise ConnectionError("refused")


@step
async def never_ends() -> None:
    WORLD.note("begin")
    if WORLD.count("begin") == 1:
        await trio.sleep_forever()


class Work(Service):
    @handler
    async def sleep(self) -> None:
        await actors.sleep(3600.0)
        await effect("after the sleep")

    @handler
    async def retry(self) -> None:
        await fails_at_first()

    @handler
    async def step(self) -> None:
        await never_ends()

    @handler
    async def compensate(self) -> None:
        try:
            await actors.sleep(2 * DAY)
        except actors.CancelledError:
            await effect("compensated")
            raise

    @handler
    async def call(self) -> None:
        await actors.service(Work).sleep()
        await effect("after the call")

    @handler
    async def note(self, name: str) -> str:
        await effect(name)
        return name


class Counter(Actor):
    total: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total


OLD = {"after the sleep", "compensated", "after the call", "delayed", "carried"}


@asynccontextmanager
async def running(path: Path, *, tomorrow: bool = False) -> AsyncIterator[Runtime]:
    world = Environment(clock=Tomorrow()) if tomorrow else Environment()
    async with open_runtime(Work, Counter, path=path, environment=world, durability="os") as runtime:
        yield runtime


async def leave_work(path: Path) -> None:
    """Work of all kinds that is under way when its runtime ends."""
    async with running(path) as runtime:
        client = runtime.client
        for amount in (1, 2):
            await client.actor(Counter, "a").add(amount)
        work = client.service(Work)
        for send in (work.sleep, work.retry, work.step, work.call):
            await send.send()
        await work.note.options(delay=3600.0).send("delayed")
        compensated = await work.compensate.send()
        with trio.fail_after(30):
            while WORLD.count("try") + WORLD.count("begin") < 2 or not (await compensated.info()).waits:
                await trio.sleep(0.001)


def on_its_way(to: StreamId, command: c.Invoke, stamp: Stamp) -> Message:
    return Message("carried", to, c.encode_command(command, cause=stamp.cause, by=stamp.by))


def refused_once(to: StreamId, command: c.Invoke, stamp: Stamp) -> Message:
    """As one that its object could not take, because it could not be read."""
    return postponed_message(to, stamp.at, command, stamp, epoch=1)


async def add_message(path: Path, message_of: Callable[[StreamId, c.Invoke, Stamp], Message]) -> None:
    """A message to another object that it had not taken in when the backup was made."""
    target = Target("Work", None, "note")
    of = InvocationId("inv_1" + "0" * 33)
    command = c.Invoke(invocation_id=of, target=target, argument=b'{"name":"carried"}')
    async with open_journal(path) as journal:
        await journal.send(message_of(stream_of_invocation(of), command, Stamp(SystemClock().now(), "test", "test")))


async def copied(folder: Path, *, is_held: bool = True) -> Path:
    async with open_journal(folder / "data") as journal:
        await journal.copy_to(folder / "backup")
    restore_backup(folder / "backup", folder / "copy", check=lambda *_: None, is_held=is_held, now=0.0)
    return folder / "copy"


async def open_in(runtime: Runtime) -> dict[InvocationId, bool]:
    """Whether the backlog's gate holds it, by open invocation."""
    found = await runtime.client.invocations(limit=100)
    return {
        one.id: one.gate is not None and one.gate.scope == "backlog"
        for one in found
        if one.status is not Status.COMPLETED
    }


async def test_a_copy_does_no_work_of_its_original(tmp_path: Path) -> None:
    await leave_work(tmp_path / "data")
    copy = await copied(tmp_path)
    WORLD.clear()
    for _ in range(2):  # a restart changes nothing
        async with running(copy, tomorrow=True) as runtime:
            assert await runtime.client.service(Work).note("new") == "new"
            await quiet()
            held = await open_in(runtime)
            assert len(held) == 7
            assert all(held.values())
    assert set(WORLD.entries) == {"new"}


async def test_a_copy_does_it_once_its_gate_is_opened(tmp_path: Path) -> None:
    await leave_work(tmp_path / "data")
    copy = await copied(tmp_path)
    async with running(copy, tomorrow=True) as runtime:
        client = runtime.client
        waiting = [client.invocation(of) for of in await open_in(runtime)]
        (compensated,) = [one for one in waiting if (await one.info()).target.handler == "compensate"]
        await compensated.cancel()
        await quiet()
        assert "compensated" not in WORLD.entries
        assert (await client.gates.open("backlog", reason="the original is gone")).changed
        with trio.fail_after(30):
            for one in waiting:
                if one.id != compensated.id:
                    await one.result()
            with pytest.raises(actors.InvocationCancelledError):
                await compensated.result()
    assert OLD - {"carried"} <= set(WORLD.entries)
    async with running(copy) as runtime:
        assert await runtime.client.gates.list() == (), "it stays open"


@pytest.mark.parametrize("message_of", [on_its_way, refused_once])
async def test_a_message_on_its_way_at_the_backup_is_held_as_well(
    message_of: Callable[[StreamId, c.Invoke, Stamp], Message], tmp_path: Path
) -> None:
    await leave_work(tmp_path / "data")
    await add_message(tmp_path / "data", message_of)
    copy = await copied(tmp_path)
    async with running(copy) as runtime:
        WORLD.clear()
        with trio.fail_after(30):
            while len(await open_in(runtime)) < 8:
                await trio.sleep(0.001)
        await quiet()
        assert WORLD.entries == []
        assert all((await open_in(runtime)).values())
        await runtime.client.gates.open("backlog")
        with trio.fail_after(30):
            while "carried" not in WORLD.entries:
                await trio.sleep(0.001)


async def test_new_work_of_an_object_goes_on_in_a_copy(tmp_path: Path) -> None:
    await leave_work(tmp_path / "data")
    copy = await copied(tmp_path)
    async with running(copy) as runtime:
        assert await runtime.client.actor(Counter, "a").add(3) == 6


async def test_a_copy_that_is_let_go_at_once_holds_nothing(tmp_path: Path) -> None:
    await leave_work(tmp_path / "data")
    copy = await copied(tmp_path, is_held=False)
    async with running(copy, tomorrow=True) as runtime:
        with trio.fail_after(30):
            while "delayed" not in WORLD.entries:
                await trio.sleep(0.001)
        assert await runtime.client.gates.list() == ()


async def test_a_backlog_can_be_held_without_a_copy(tmp_path: Path) -> None:
    await leave_work(tmp_path / "data")
    WORLD.clear()
    async with running(tmp_path / "data") as runtime:
        client = runtime.client
        assert (await client.gates.close("backlog", reason="look first")).changed
        later = await client.service(Work).note.send("new")
        assert await later.result() == "new"
        held = await open_in(runtime)
        assert all(held.values())
        assert (await client.gates.close("backlog")).changed, "what was accepted since has joined it"
        assert (await client.gates.open("backlog")).changed
