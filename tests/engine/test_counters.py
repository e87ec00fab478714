"""In every commit, the counters of invocations say how many rows there are, whatever happened before it."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, Service, handler
from actors.errors import ActorError, TerminalError
from actors.query.fsck.doctor import examine, rebuild
from actors.rows.audit import Principal
from actors.rows.counters import load_counts
from journal import invocation_keys, keys
from journal.errors import CorruptRecord
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch, scan_all
from journal.log.kv_journal import KvJournal
from tests.counted import count_all
from tests.lab import Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.model.handles import InvocationHandle
    from actors.runtime import Runtime

DAY = 86_400.0
PARTITIONS = 3


class CountedStore(MemoryStore):
    """A store that compares its counters with its rows after every commit."""

    commits = 0

    async def commit(self, batch: Batch) -> None:
        await super().commit(batch)
        self.commits += 1
        check(self)


def check(store: MemoryStore) -> None:
    for partition in range(PARTITIONS):
        assert load_counts(store, partition) == count_all(store, partition)


class Worker(Actor):
    @handler
    async def add(self, number: int) -> int:
        return number

    @handler
    async def wait(self, name: str) -> None:
        await actors.signal(name)

    @handler
    async def sleep(self, seconds: float) -> None:
        await actors.sleep(seconds)

    @handler
    async def fail(self) -> None:
        raise TerminalError("no")

    @handler(retry=actors.RetryPolicy(initial_delay=3.0, max_attempts=3))
    async def flop(self) -> None:
        raise OSError("not yet")

    @handler
    async def ask(self, key: str) -> None:
        await actors.actor(Worker, key).sleep(2.0)


class Clerk(Service):
    @handler
    async def note(self, key: str) -> None:
        await actors.actor(Worker, key).add.send(1)


async def walk(seed: int, *, commits_at_least: int) -> None:
    """Lives a random history: several processes on one store, each killed in the middle of its work."""
    random = Random(seed)
    store = CountedStore()
    lab = Lab(Worker, Clerk, partitions=PARTITIONS, retention=random.choice((5.0, 30.0, DAY)), seed=seed, store=store)
    known: list[Any] = []
    for _ in range(4):
        async with lab.running() as runtime:
            for _ in range(25):
                with suppress(ActorError), trio.move_on_after(5.0):
                    await do_something(random, runtime, known)
        check(store)
    assert examine(store, PARTITIONS).findings == ()
    assert store.commits >= commits_at_least


async def do_something(random: Random, runtime: Runtime, known: list[Any]) -> None:
    worker = runtime.client.actor(Worker, random.choice("abcdef"))
    match random.randrange(12):
        case 0:
            await worker.add(1)
        case 1:
            known.append((await worker.wait.send(random.choice(("go", "stay")))).id)
        case 2:
            known.append((await worker.sleep.send(random.choice((1.0, 100.0)))).id)
        case 3:
            known.append((await worker.fail.send()).id)
        case 4:
            known.append((await worker.flop.send()).id)
        case 5:
            known.append((await worker.ask.send(random.choice("abcdef"))).id)
        case 6:
            await runtime.client.service(Clerk).note(random.choice("abcdef"))
        case 7 | 8:
            await trio.sleep(random.choice((0.5, 4.0)))
        case _ if known:
            await steer(random, runtime.client.invocation(random.choice(known)))
        case _:
            await worker.add.options(delay=5.0).send(2)


async def steer(random: Random, handle: InvocationHandle[Any]) -> None:
    match random.randrange(7):
        case 0:
            await handle.cancel()
        case 1:
            await handle.kill()
        case 2:
            await handle.pause()
        case 3:
            await handle.resume()
        case 4:
            await handle.signal(random.choice(("go", "stay")))
        case 5:
            await handle.restart(stop="kill")
        case _:
            await handle.purge()


@pytest.mark.parametrize("seed", range(40))
@on_virtual_time
async def test_counters_agree_with_rows_after_every_commit(seed: int) -> None:
    await walk(seed, commits_at_least=20)


async def lived() -> Lab:
    lab = Lab(Worker, partitions=PARTITIONS)
    async with lab.running() as runtime:
        for key in "abc":
            await runtime.client.actor(Worker, key).add(1)
            await runtime.client.actor(Worker, key).wait.send("go")
            with suppress(ActorError):
                await runtime.client.actor(Worker, f"other {key}").fail()
        await trio.sleep(1)
    return lab


def prefixes() -> list[bytes]:
    return [
        prefix
        for number in range(PARTITIONS)
        for prefix in (
            invocation_keys.counters(number, by_signal=False),
            invocation_keys.counters(number, by_signal=True),
            invocation_keys.failed_prefix(number),
        )
    ]


def counted_rows(store: MemoryStore) -> dict[bytes, bytes]:
    return {key: value for prefix in prefixes() for key, value in scan_all(store, prefix, keys.after_prefix(prefix))}


@on_virtual_time
async def test_calls_of_one_handler_change_one_counter_in_a_commit() -> None:
    lab = Lab(Worker)
    async with lab.running() as runtime:
        await runtime.client.actor(Worker, "before").add(0)
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(runtime.client.actor(Worker, str(number)).add, number)
    service, handler_name = "Worker", "add"
    counts = load_counts(lab.store, 0)
    assert [count for group, count in counts.items() if group[:2] == (service, handler_name)] == [51]


@on_virtual_time
async def test_the_doctor_finds_and_rebuilds_wrong_counters() -> None:
    lab = await lived()
    before = counted_rows(lab.store)
    assert {key[:1] for key in before} == {b"k", b"f"}
    for key, value in before.items():
        wrong: tuple[bytes | None, ...] = (None, *([(7).to_bytes(8, "big")] if value else []))
        for planted in wrong:
            lab.store.apply(Batch({key: planted}))
            (finding,) = examine(lab.store, PARTITIONS).findings
            assert finding.can_be_rebuilt
            journal = KvJournal(lab.store, partitions=PARTITIONS, clock=lab.clock, secret="lab")
            assert (await rebuild(journal, Principal("user:me", "process"), retention_seconds=DAY)).is_sound
            assert counted_rows(lab.store) == before


def test_a_counter_of_another_length_is_refused() -> None:
    store = MemoryStore()
    store.apply(Batch({invocation_keys.counters(0, by_signal=False) + b"\x96": b"1"}))
    with pytest.raises(CorruptRecord):
        load_counts(store, 0)
