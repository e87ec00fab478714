"""A handler that restarts itself continues as a new invocation, with an empty history, for everybody who waits; and a request may be
made again once its first invocation is gone."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import Actor, Service, handler, step
from actors.query.fsck.doctor import examine
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Inbox(Actor):
    read: int = 0

    @handler
    async def watch(self, pages: int) -> int:
        self.read += 1
        await actors.sleep(10.0)
        if pages == 1:
            return self.read
        itself = actors.invocation(actors.current_invocation())
        await itself.restart(input=pages - 1, stop="kill", reason="continues as a new one")
        raise AssertionError("it has been killed")


class Reader(Service):
    @handler
    async def read(self, key: str) -> int:
        return await actors.actor(Inbox, key).watch(3)


class Import(Actor):
    @handler(retention=0)
    async def run(self) -> int:
        WORLD.note("run")
        await actors.sleep(10.0)
        return WORLD.count("run")

    @handler
    async def keep(self) -> None:
        await actors.sleep(10.0)


async def test_who_waits_gets_the_result_of_the_last_one_also_after_a_crash_between_them() -> None:
    lab = Lab(Inbox, Reader)
    async with lab.running() as runtime:
        reader = await runtime.client.service(Reader).read.send("a")
        first = await runtime.client.actor(Inbox, "b").watch.options(tags={"user": "ada"}).send(3)
        await trio.sleep(15.0)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(reader.id).result() == 3
        waiting = runtime.client.invocation(first.id)
        assert await runtime.client.actor(Inbox, "c").watch(2) == 2
        chain = await runtime.client.invocations(tags={"user": "ada"})
        assert [info.outcome.value for info in chain if info.outcome and not info.successors] == [3]
        assert len(chain) == 3
        assert all(info.last_event - info.first_event < 12 for info in chain)
        assert (await waiting.info()).successors


async def test_a_key_is_free_again_at_the_end_if_nothing_is_retained() -> None:
    async with Lab(Import).running() as runtime:
        run = runtime.client.actor(Import, "a").run.options(idempotency_key="nightly")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            nursery.start_soon(run)
        assert WORLD.count("run") == 1
        assert await run() == 2


class Tally(Actor):
    n: int = 0

    @handler(retention=0)
    async def once(self) -> int:
        self.n += 1
        return self.n


@step
async def key_of_step() -> str:
    return actors.step_key()


class Charges(Service):
    @handler
    async def charge(self) -> tuple[str, str]:
        drawn = str(actors.uuid4())
        key = await key_of_step()
        await actors.sleep(1.0)
        return key, drawn


class Counting(Service):
    @handler(retention=0)
    async def once(self) -> int:
        WORLD.note("once")
        return WORLD.count("once")

    @handler
    async def many(self, times: int) -> list[int]:
        return [await actors.actor(Tally, "b").once.options(idempotency_key="k")() for _ in range(times)]


async def test_who_has_the_result_may_use_the_key_again_at_once() -> None:
    lab = Lab(Tally, Counting)
    async with lab.running() as runtime:
        for caller in (runtime.client.actor(Tally, "a"), runtime.client.service(Counting)):
            once = caller.once.options(idempotency_key="k")
            assert [await once() for _ in range(20)] == [*range(1, 21)]
        assert await runtime.client.service(Counting).many(5) == [1, 2, 3, 4, 5]
    assert examine(lab.store, 1).is_sound


async def test_one_under_the_same_key_as_a_purged_one_has_keys_and_draws_of_its_own() -> None:
    lab = Lab(Charges)
    async with lab.running() as runtime:
        first = await runtime.client.service(Charges).charge.options(idempotency_key="account").send()
        got = [await first.result()]
        await first.purge()
        second = await runtime.client.service(Charges).charge.options(idempotency_key="account").send()
        await trio.sleep(0.5)
    assert second.id == first.id
    async with lab.running() as runtime:
        again = runtime.client.invocation(second.id)
        assert (await again.check()).is_compatible
        got.append(await again.result())
    assert len({*map(str, got[0]), *map(str, got[1])}) == 4


@pytest.mark.parametrize("times", range(3))
async def test_a_request_that_comes_together_with_the_purge_of_its_first_is_done_again(times: int) -> None:
    lab = Lab(Import, partitions=1)
    async with lab.running() as runtime:
        keep = runtime.client.actor(Import, "a").keep.options(idempotency_key="k", tags={"user": "ada"})
        for _ in range(times + 1):
            handle = await keep.send()
            await handle.result()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(handle.purge)
                nursery.start_soon(keep.send)
            await (await keep.send()).result()
            await handle.purge()
        await quiet()
    assert examine(lab.store, 1).findings == ()
