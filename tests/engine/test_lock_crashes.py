"""A process that dies at any commit lets no two in the block of one lock, and leaves no lock behind."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import Service, handler, step
from actors.query.fsck.doctor import examine
from journal.kv.memory import MemoryStore
from tests.cluster import Cluster
from tests.engine.test_schedule_crashes import Dying
from tests.lab import Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

SEEN: list[tuple[str, str]] = []


@step
async def work(what: str) -> None:
    SEEN.append((what, "begins"))
    await trio.sleep(2)
    SEEN.append((what, "ends"))


class Keeper(Service):
    @handler
    async def hold(self, what: str) -> str:
        async with actors.lock("Door", ["b", "a"]):
            await work(what)
        return what


async def life(lab: Lab) -> None:
    async with lab.running() as runtime:
        keeper = runtime.client.service(Keeper)
        killed = await keeper.hold.options(idempotency_key="killed").send("killed")
        for what in ("left", "first", "second"):
            await keeper.hold.options(idempotency_key=what).send(what)
        await runtime.client.invocation(await id_of(runtime, "left")).cancel()
        await trio.sleep(1)
        await killed.kill()
        await trio.sleep(1_000)


async def id_of(runtime: actors.Runtime, key: str) -> str:
    return (await runtime.client.service(Keeper).hold.options(idempotency_key=key).send(key)).id


def check_one_at_a_time(number: int) -> None:
    """A step that died in its process begins again; no other may begin meanwhile, except after a kill."""
    inside = ""
    for what, change in SEEN:
        if change == "begins":
            assert inside in ("", what, "killed"), (number, SEEN)
            inside = what
        else:
            assert inside == what, (number, SEEN)
            inside = ""


async def test_a_death_at_any_commit_keeps_the_locks_right() -> None:
    counting = Dying(10_000, is_written=True)
    await life(Lab(Keeper, store=counting))
    commits = 10_000 - counting.left
    assert commits >= 8
    for number in range(1, commits + 1):
        SEEN.clear()
        store = Dying(number, is_written=number % 2 == 0)
        lab = Lab(Keeper, store=store)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life, lab)
            with trio.move_on_after(1_000):
                await store.died.wait()
            nursery.cancel_scope.cancel()
        left = Lab(Keeper, store=MemoryStore(store.contents()), seed=number + 1)
        async with left.running() as runtime:
            for what in ("first", "second"):
                handle = await runtime.client.service(Keeper).hold.options(idempotency_key=what).send(what)
                assert await handle.result() == what
            if any(what == "killed" for what, _ in SEEN):
                await runtime.client.invocation(await id_of(runtime, "killed")).outcome()
            check_one_at_a_time(number)
            await trio.sleep(1_000)
            assert (await runtime.client.query("select * from sys_lock")).rows == [], number
        assert examine(left.store, 1).findings == (), number


@pytest.mark.parametrize("over_http", [False, True], ids=["in memory", "over HTTP"])
async def test_a_lock_holds_on_all_nodes_and_ends_with_its_holder(over_http: bool) -> None:
    SEEN.clear()
    lab = Cluster(Keeper, over_http=over_http)
    async with lab.running(3) as peers:
        handles = [await peer.client.service(Keeper).hold.send(str(number)) for number, peer in enumerate(peers)]
        await trio.sleep(1)
        first = SEEN[0][0]
        await peers[0].client.invocation(handles[int(first)].id).kill()
        others = [handle for number, handle in enumerate(handles) if str(number) != first]
        for handle in others:
            await handle.result()
    assert SEEN[0] == (first, "begins")
    assert [what for what, _ in SEEN[1:]] in ([a, a, b, b] for a in "012" for b in "012" if len({a, b, first}) == 3)
