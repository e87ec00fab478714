"""A pause of an object that is not in memory leaves it there, and is seen by whoever loads the object before it is durable."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, Service, handler
from actors.engine.object_cache import ObjectCache
from actors.engine.row_pauses import RowPauses
from actors.query.fsck.doctor import examine
from journal.events import Status
from journal.ids import stream_of, stream_of_invocation
from journal.kv.memory import MemoryStore
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from journal.ids import StreamId
    from journal.kv.store import Batch

pytestmark = on_virtual_time


class Waiter(Service):
    @handler
    async def wait(self) -> int:
        value: int = await actors.signal("go", int)
        return value


class Desk(Actor):
    @handler
    async def wait(self) -> int:
        value: int = await actors.signal("go", int)
        return value


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[StreamId]:
    """The objects that were read from the disk."""
    read: list[StreamId] = []
    read_one = ObjectCache._read

    async def noted(cache: ObjectCache, stream: StreamId) -> Any:
        read.append(stream)
        return await read_one(cache, stream)

    monkeypatch.setattr(ObjectCache, "_read", noted)
    return read


async def cold(lab: Lab, count: int) -> list[str]:
    """So many suspended invocations, in a store that nobody has open."""
    async with lab.running() as runtime:
        waiting = [await runtime.client.service(Waiter).wait.send() for _ in range(count)]
        await quiet()
        return [handle.id for handle in waiting]


async def test_a_job_pauses_what_is_suspended_without_loading_its_objects(loads: list[StreamId]) -> None:
    lab = Lab(Waiter)
    ids = await cold(lab, 20)
    async with lab.running() as runtime:
        loads.clear()
        told = await (await runtime.client.jobs.where("status = 'suspended'").pause(reason="maintenance")).result()
        assert told.changed == len(ids)
        assert len(loads) <= 1, "the job itself"
        counts = await runtime.client.query(
            "select status, count(*) from sys_invocation where service = 'Waiter' group by 1"
        )
        assert counts.rows == [["paused", len(ids)]]
        info = await runtime.client.invocation(ids[0]).info()
        assert (info.status, info.pause_reason, info.paused_by) == (Status.PAUSED, "maintenance", f"job:{told.id}")
        await (await runtime.client.jobs.where("status = 'paused'").resume()).result()
        for of in ids:
            await runtime.client.invocation(of).signal("go", 7)
            assert await runtime.client.invocation(of).result() == 7
    assert examine(lab.store, 1).is_sound


async def test_a_pause_that_a_row_is_not_enough_for_is_decided_by_its_object_and_keeps_its_place(
    loads: list[StreamId],
) -> None:
    lab = Lab(Waiter, Desk)
    async with lab.running() as runtime:
        desk = runtime.client.actor(Desk, "a")
        first, second = [await desk.wait.send() for _ in range(2)]
        await quiet()
    ids = await cold(lab, 3)
    async with lab.running() as runtime:
        loads.clear()
        stream = stream_of("Desk", "a")
        asked = [ids[0], first.id, ids[1], second.id, ids[2]]
        told = await (await runtime.client.jobs.of(asked).pause()).result()
        assert told.changed == len(asked)
        assert loads.count(stream) == 1
        assert not {*loads} & {stream_of_invocation(of) for of in ids}
        pauses = [
            entry.number
            for handle in (first, second)
            async for entry in runtime.client.invocation(handle.id).events()
            if entry.name == "InvocationPaused"
        ]
        assert len(pauses) == 2
        assert pauses == sorted(pauses), "in the order of the requests"
    assert examine(lab.store, 1).is_sound


class HeldDisk(MemoryStore):
    """A store whose commits return when they are let."""

    def __init__(self) -> None:
        super().__init__()
        self.may_return = trio.Event()
        self.may_return.set()

    async def commit(self, batch: Batch) -> None:
        await self.may_return.wait()
        await super().commit(batch)


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_who_loads_the_object_before_the_pause_is_durable_sees_it(is_sealed: bool) -> None:
    disk = HeldDisk()
    lab = Lab(Waiter, store=disk)
    (of,) = await cold(lab, 1)
    async with lab.running() as runtime, trio.open_nursery() as nursery:
        waiting = runtime.client.invocation(of)
        await quiet()
        disk.may_return = trio.Event()
        if not is_sealed:  # another commit is on its way, and the pause joins the batch behind it
            nursery.start_soon(runtime.client.service(Waiter).wait.send)
            await quiet()
        for ask in (waiting.pause, partial(waiting.signal, "go", 7), waiting.resume):
            nursery.start_soon(ask)
            await quiet()
        disk.may_return.set()
        assert await waiting.result() == 7
        names = [entry.name async for entry in waiting.events()]
        assert names.index("InvocationPaused") < names.index("SignalReceived") < names.index("InvocationResumed")
    assert examine(lab.store, 1).is_sound


async def test_a_second_pause_under_the_same_key_is_the_same_pause() -> None:
    lab = Lab(Waiter)
    (of,) = await cold(lab, 1)
    async with lab.running() as runtime:
        waiting = runtime.client.invocation(of)
        first = await waiting.pause(idempotency_key="k")
        assert await waiting.pause(idempotency_key="k") == first
        assert (await waiting.info()).status is Status.PAUSED


async def test_an_object_with_other_invocations_is_loaded(loads: list[StreamId]) -> None:
    lab = Lab(Desk)
    async with lab.running() as runtime:
        first = await runtime.client.actor(Desk, "a").wait.send()
        await quiet()
        await runtime.client.actor(Desk, "a").wait.send()
        await quiet()
    async with lab.running() as runtime:
        loads.clear()
        await runtime.client.invocation(first.id).pause()
        assert loads, "its row is older than the last event"
    assert examine(lab.store, 1).is_sound


async def test_a_short_way_that_is_not_taken_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []
    take = RowPauses.take

    def noted(*arguments: Any) -> bool:
        taken.append(take(*arguments))
        return taken[-1]

    monkeypatch.setattr(RowPauses, "take", noted)
    lab = Lab(Waiter)
    (of,) = await cold(lab, 1)
    async with lab.running() as runtime:
        waiting = runtime.client.invocation(of)
        await waiting.signal("other", 1)  # an event that its row does not tell of
    async with lab.running() as runtime:
        assert (await runtime.client.invocation(of).pause()).changed
        assert taken == [False]
