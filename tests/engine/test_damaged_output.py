"""Damaged output: it holds up its own invocation, with a reason, and nothing else of its object."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import Actor, Service, Status, handler, shared, step
from actors.query.fsck.doctor import rebuild
from actors.rows.audit import Principal
from journal import keys
from journal.kv.store import Batch, scan_all
from journal.log.kv_journal import KvJournal
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

DAMAGED = b"\x93\x01"


class Speaker(Actor):
    @handler
    async def say(self) -> str:
        actors.emit("hello")
        return "said"

    @shared
    async def ask(self) -> str:
        actors.emit("question")
        return await actors.signal("answer", str)


@step
async def speak() -> str:
    WORLD.note("spoke")
    actors.emit("spoken")
    return "spoken"


class Patient(Service):
    @handler
    async def wait(self) -> str:
        await speak()
        await actors.sleep(10)
        return "waited"


def damage_head(lab: Lab, of: actors.InvocationId) -> None:
    lab.store.apply(Batch({keys.output_head(0, of): DAMAGED}))


async def test_the_damaged_head_of_one_that_has_completed_disturbs_no_other_and_can_be_purged() -> None:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        ended = await runtime.client.actor(Speaker, "ada").say.send()
        await ended.result()
        waits = await runtime.client.actor(Speaker, "ada").ask.send()
        stopped = await runtime.client.actor(Speaker, "ada").ask.send()
        await quiet()
    damage_head(lab, ended.id)
    async with lab.running() as runtime:
        client = runtime.client
        assert await client.actor(Speaker, "ada").say() == "said"
        await client.invocation(stopped.id).kill()
        await client.invocation(waits.id).signal("answer", "yes")
        assert await client.invocation(waits.id).result() == "yes"
        await client.invocation(ended.id).purge()
        assert lab.store.get(keys.output_head(0, ended.id)) is None


async def test_one_that_is_open_and_has_a_damaged_head_is_paused_alone_and_can_be_killed_and_purged() -> None:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        damaged = await runtime.client.actor(Speaker, "ada").ask.send()
        other = await runtime.client.actor(Speaker, "ada").ask.send()
        await quiet()
    damage_head(lab, damaged.id)
    async with lab.running() as runtime:
        client = runtime.client
        await client.invocation(other.id).signal("answer", "yes")
        assert await client.invocation(other.id).result() == "yes"
        handle = client.invocation(damaged.id)
        await handle.signal("answer", "kept")
        await quiet()
        info = await handle.info()
        assert info.status is Status.PAUSED
        assert f"the output of {damaged.id}: the head cannot be decoded" in (info.pause_reason or "")
        await handle.kill()
        await handle.purge()
        assert lab.store.get(keys.output_head(0, damaged.id)) is None


async def test_one_whose_head_was_mended_goes_on_where_it_was() -> None:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Speaker, "ada").ask.send()
        await quiet()
    damage_head(lab, handle.id)
    async with lab.running() as runtime:
        await runtime.client.invocation(handle.id).signal("answer", "yes")
        await quiet()
    journal = KvJournal(lab.store, partitions=1, clock=lab.clock, secret="lab")
    assert (await rebuild(journal, Principal("me", "test"), retention_seconds=60.0)).findings == ()
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await handle.resume()
        assert await handle.result() == "yes"
        assert [value async for value in handle.output()] == ["question"]


@pytest.mark.parametrize("stop", ["kill", None])
async def test_a_restart_that_cannot_copy_its_output_is_paused_until_it_is_repaired(
    stop: str | None,
) -> None:
    lab = Lab(Patient)
    async with lab.running() as runtime:
        first = await runtime.client.service(Patient).wait.send()
        if stop is None:
            await first.result()
        else:
            await quiet()
        prefix = keys.output_of(0, first.id)
        [(key, row)] = scan_all(lab.store, prefix, keys.after_prefix(prefix))
        lab.store.apply(Batch({key: row[:-3]}))
        answer = await (first.restart("end", stop="kill") if stop else first.restart("end"))
        again = runtime.client.invocation(answer.successor.invocation_id)
        await quiet()
        info = await again.info()
        assert info.status is Status.PAUSED
        assert f"the output of {first.id}" in (info.pause_reason or "")
        lab.store.apply(Batch({key: row}))
        await again.resume()
        with trio.fail_after(20):
            assert await again.result() == "waited"
        assert [value async for value in again.output()] == ["spoken"]
        assert WORLD.count("spoke") == 1
