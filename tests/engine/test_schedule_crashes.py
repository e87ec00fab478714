"""A process that dies at any commit loses no nominal time of a schedule and runs none twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import trio

from actors import Service, handler
from actors.core.schedules import RunCause
from actors.query.fsck.doctor import examine
from journal.kv.memory import MemoryStore
from tests.lab import Lab
from tests.virtual import EPOCH, on_virtual_time

if TYPE_CHECKING:
    from actors import Client
    from actors.types import ScheduleInfo
    from journal.kv.store import Batch

pytestmark = on_virtual_time

MINUTE = 60.0
END = EPOCH + 4.5 * MINUTE


class Report(Service):
    @handler
    async def at(self, seconds: float) -> float:
        return seconds


class Dying(MemoryStore):
    """A store whose process dies at a commit: just before it, or when it is on disk and nobody knows."""

    def __init__(self, at: int, *, is_written: bool) -> None:
        super().__init__()
        self.left = at
        self.is_written = is_written
        self.died = trio.Event()

    async def commit(self, batch: Batch) -> None:
        if self.died.is_set():
            await trio.sleep_forever()
        self.left -= 1
        if self.left:
            await super().commit(batch)
            return
        if self.is_written:
            await super().commit(batch)
        self.died.set()
        await trio.sleep_forever()


async def live(client: Client) -> None:
    """A life of a schedule with each verb, up to the end."""
    schedule = await client.schedules.create(
        "often", "Report/at", every=MINUTE, anchor=EPOCH, missed="all", time_parameter="seconds"
    )
    await trio.sleep(2.5 * MINUTE)
    await schedule.trigger()
    await schedule.backfill(EPOCH - MINUTE, EPOCH)
    await schedule.pause()
    await schedule.resume()
    await schedule.update(note="changed")


async def go_on(lab: Lab) -> tuple[ScheduleInfo | None, Counter[float]]:
    """Serve what is left until the end. Returns the schedule, and how often each nominal time has a run."""
    async with lab.running() as runtime:
        for info in await runtime.client.schedules.list():
            await runtime.client.schedules.schedule(info.name).resume()  # it may have died while it was paused
        await trio.sleep(max(0.0, END - lab.clock.now()))
        found = await runtime.client.schedules.list()
        ran = Counter([await one_result(runtime.client, one.id) for one in await runtime.client.invocations()])
        return (found[0] if found else None), ran


async def one_result(client: Client, of: str) -> float:
    result: float = await client.invocation(of).result()
    return result


def new_lab(store: Dying, partitions: int) -> Lab:
    """A lab in which it is the same moment at each beginning."""
    lab = Lab(Report, store=store, partitions=partitions)
    lab.clock.shift(-trio.current_time())
    return lab


async def commits_of_a_life(partitions: int) -> int:
    store = Dying(10_000, is_written=True)
    lab = new_lab(store, partitions)
    async with lab.running() as runtime:
        await live(runtime.client)
        await trio.sleep(END - lab.clock.now())
    return 10_000 - store.left


@pytest.mark.parametrize("is_written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_death_at_any_commit_loses_no_time_and_repeats_none(partitions: int, is_written: bool) -> None:
    commits = await commits_of_a_life(partitions)
    assert commits >= 15
    for number in range(1, commits + 1):
        store = Dying(number, is_written=is_written)
        lab = new_lab(store, partitions)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, lab)
            # How commits of several partitions fall together differs, so the last deaths may not come before the end.
            with trio.move_on_after(END - lab.clock.now()):
                await store.died.wait()
            nursery.cancel_scope.cancel()
        # The next process draws other ids.
        left = Lab(Report, store=MemoryStore(store.contents()), partitions=partitions, seed=number + 1)
        left.clock.shift(lab.clock.now() - left.clock.now())
        info, ran = await go_on(left)
        assert examine(left.store, partitions).findings == ()
        if info is None:
            assert number <= 8  # it died before the schedule was durable
            continue
        assert set(ran.values()) <= {1}, f"a time ran twice after a death at commit {number}"
        assert not info.open, number
        assert not info.waiting, number
        decided = info.counts.started + info.counts.missed + info.counts.skipped
        by_hand = {run.nominal for run in info.recent if run.cause in (RunCause.TRIGGER, RunCause.BACKFILL)}
        nominal = {EPOCH + minute * MINUTE for minute in range(1, 5)}
        assert nominal - {*ran} == set(), number
        assert decided == len(ran) == len(nominal | by_hand)


async def serve(lab: Lab) -> None:
    async with lab.running() as runtime:
        await live(runtime.client)
        await trio.sleep_forever()
