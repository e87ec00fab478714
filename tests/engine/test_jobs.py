"""Bulk jobs: everything that fits when it begins is dealt with, each once, and what became of it is told exactly."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import (
    Actor,
    ConflictError,
    InvalidArgumentError,
    LimitExceededError,
    Limits,
    NotFoundError,
    Service,
    handler,
    step,
)
from actors.core.jobs import MAX_NAMED, Choice, ItemResult, JobSpec, JobState, JobVerb
from actors.engine.dispatcher import Dispatcher
from actors.system import job as system_job
from actors.system.job import page_size
from journal.errors import MalformedIdError
from journal.events import Status
from journal.kv.memory import MemoryStore, MemoryView
from journal.kv.store import SCAN_PAGE
from tests.lab import WORLD, Lab, quiet
from tests.raising import raises
from tests.sql.kept import id_in
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.control.jobs import JobHandle
    from actors.engine.requests import ObjectRequest
    from actors.model.job_info import JobItem
    from actors.runtime import Runtime

pytestmark = on_virtual_time

Rows = list[tuple[bytes, bytes]]


@step
async def work(name: str) -> str:
    WORLD.note(name)
    await trio.sleep(0.1)
    return name


class Agent(Service):
    @handler
    async def wait(self, number: int) -> int:
        try:
            return await actors.signal("go", int)
        except actors.CancelledError:
            await work(f"undo {number}")
            raise

    @handler
    async def quick(self, number: int) -> int:
        return number


class Desk(Actor):
    @handler
    async def wait(self) -> None:
        await actors.signal("go")


class Chat(Actor):
    said: int = 0

    @handler
    async def say(self) -> int:
        self.said += 1
        return self.said


async def waiting(runtime: Runtime, count: int) -> list[str]:
    """So many that wait."""
    sent = [await runtime.client.service(Agent).wait.send(n) for n in range(count)]
    await quiet()
    return [handle.id for handle in sent]


async def statuses(runtime: Runtime, ids: list[str]) -> Counter[Status]:
    return Counter([(await runtime.client.invocation(of).info()).status for of in ids])


async def items_of(job: JobHandle) -> list[JobItem]:
    return [item async for item in job.items()]


async def test_all_that_fit_are_paused_by_one_call_and_resumed_by_another() -> None:
    async with Lab(Agent).running() as runtime:
        ids = await waiting(runtime, 1200)
        jobs = runtime.client.jobs
        info = await (await jobs.where("service = 'Agent'").pause(reason="a parsing bug")).result()
        assert (info.state, info.matched, info.total, info.done) == (JobState.DONE, 1200, 1200, 1200)
        assert (info.changed, info.unchanged, info.refused) == (1200, 0, {})
        assert await statuses(runtime, ids) == {Status.PAUSED: 1200}
        assert (await runtime.client.invocation(ids[7]).info()).pause_reason == "a parsing bug"
        again = await (await jobs.where("status = 'paused'").pause()).result()
        assert (again.changed, again.unchanged) == (0, 1200)
        resumed = await (await jobs.where("status = 'paused'").resume()).result()
        assert resumed.changed == 1200
        assert await statuses(runtime, ids) == {Status.SUSPENDED: 1200}


@pytest.mark.parametrize("verb", ["cancel", "kill"])
async def test_those_that_wait_for_one_object_are_all_ended(verb: str) -> None:
    async with Lab(Desk).running() as runtime:
        handles = [await runtime.client.actor(Desk, "a").wait.send() for _ in range(4)]
        job = await runtime.client.jobs.of(handle.id for handle in handles).start(verb, {})
        assert (await job.result()).changed == 4
        await trio.sleep(1.0)
        assert [(await handle.info()).status for handle in handles] == [Status.COMPLETED] * 4


async def test_cancelled_in_bulk_they_run_their_compensations() -> None:
    async with Lab(Agent).running() as runtime:
        ids = await waiting(runtime, 30)
        job = await runtime.client.jobs.where("handler = 'wait'").cancel(reason="the endpoint is gone")
        assert (await job.result()).changed == 30
        await trio.sleep(1.0)
        assert sorted(WORLD.entries) == sorted(f"undo {n}" for n in range(30))
        found = [await runtime.client.invocation(of).info() for of in ids]
        assert {info.outcome.reason for info in found if info.outcome is not None} == {"the endpoint is gone"}


async def test_a_preview_counts_and_shows_the_oldest_and_changes_nothing() -> None:
    async with Lab(Agent).running() as runtime:
        ids = []
        for _ in range(5):
            ids += await waiting(runtime, 1)
            await trio.sleep(1.0)
        before = [(await runtime.client.invocation(of).info()).last_event for of in ids]
        preview = await runtime.client.jobs.where("service = 'Agent'").preview(sample=2)
        assert (preview.count, [info.id for info in preview.sample]) == (5, ids[:2])
        assert [(await runtime.client.invocation(of).info()).last_event for of in ids] == before
        assert await runtime.client.jobs.list() == []


async def test_every_item_has_an_outcome_and_refusals_are_counted_by_their_type() -> None:
    async with Lab(Agent).running() as runtime:
        open_ones = await waiting(runtime, 3)
        for number in range(4):
            await runtime.client.service(Agent).quick(number)
        job = await runtime.client.jobs.where("service = 'Agent'").pause()
        info = await job.result()
        assert (info.total, info.changed, info.refused) == (7, 3, {"already_completed": 4})
        items = await items_of(job)
        assert {(item.id, item.before, item.after) for item in items if item.result is ItemResult.CHANGED} == {
            (of, Status.SUSPENDED, Status.PAUSED) for of in open_ones
        }
        refused = [item for item in items if item.result is ItemResult.REFUSED]
        assert {(item.error, item.before) for item in refused} == {("already_completed", Status.COMPLETED)}
        assert len({item.id for item in items}) == 7


async def test_outcomes_come_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_job, "_PAGE", 4)
    async with Lab(Agent).running() as runtime:
        ids = await waiting(runtime, 10)
        job = await runtime.client.jobs.where("service = 'Agent'").kill()
        await job.result()
        pages = [await job.page(), await job.page(after=1), await job.page(after=2)]
        assert [(len(page.items), page.next) for page in pages] == [(4, 1), (4, 2), (2, None)]
        told = [item.id for page in pages for item in page.items]
        assert sorted(told) == sorted(ids)
        assert [item.id for item in await items_of(job)] == told
        assert (await job.page(after=99)).items == ()


async def test_what_comes_while_a_job_runs_is_not_its_business() -> None:
    async with Lab(Agent).running() as runtime:
        early = await waiting(runtime, 20)
        job = await runtime.client.jobs.where("service = 'Agent'", rate=2.0).pause()
        await trio.sleep(3.0)
        late = await waiting(runtime, 20)
        assert (await job.result()).total == 20
        assert await statuses(runtime, early) == {Status.PAUSED: 20}
        assert await statuses(runtime, late) == {Status.SUSPENDED: 20}


async def test_a_rate_bounds_how_many_are_asked_a_second() -> None:
    async with Lab(Agent).running() as runtime:
        ids = await waiting(runtime, 100)
        began = trio.current_time()
        job = await runtime.client.jobs.where("service = 'Agent'", rate=10.0).pause()
        seen = []
        while (info := await job.info()).state is not JobState.DONE:
            seen.append((trio.current_time() - began, (await statuses(runtime, ids))[Status.PAUSED], info.done))
            await trio.sleep(0.5)
        assert 9.5 <= trio.current_time() - began <= 11.0
        assert all(paused <= seconds * 10 + 3 for seconds, paused, _ in seen), seen
        assert {0, 50} <= {done for _, _, done in seen} <= {0, 50, 100}  # progress is told by the page


async def test_a_limit_takes_the_oldest_and_the_answer_says_that_there_were_more() -> None:
    async with Lab(Agent).running() as runtime:
        ids = []
        for _ in range(6):
            ids += await waiting(runtime, 1)
            await trio.sleep(1.0)
        info = await (await runtime.client.jobs.where("service = 'Agent'", limit=2).pause()).result()
        assert (info.matched, info.total, info.limit) == (6, 2, 2)
        assert [(await runtime.client.invocation(of).info()).status for of in ids] == [
            *[Status.PAUSED] * 2,
            *[Status.SUSPENDED] * 4,
        ]


async def test_more_than_a_job_takes_is_refused_and_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.control.local.jobs.MAX_ITEMS", 5)
    async with Lab(Agent).running() as runtime:
        await waiting(runtime, 6)
        with raises(LimitExceededError, limit="job_items", maximum=5, found=6):
            await runtime.client.jobs.where("service = 'Agent'").pause()
        assert await runtime.client.jobs.list() == []
        assert (await (await runtime.client.jobs.where("service = 'Agent'", limit=5).pause()).result()).total == 5


async def test_a_job_asked_for_again_under_its_key_is_the_same_job_also_at_once_and_after_its_end() -> None:
    async with Lab(Agent).running() as runtime:
        await waiting(runtime, 5)
        selection = runtime.client.jobs.where("service = 'Agent'")
        started: list[JobHandle] = []

        async def pause(key: str | None) -> None:
            started.append(await selection.start("pause", {"reason": "once"}, idempotency_key=key))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(pause, "night shift")
        assert len({job.id for job in started}) == 1
        assert (await started[0].result()).changed == 5
        await runtime.client.jobs.where("status = 'paused'").resume()
        await pause("night shift")
        assert started[-1].id == started[0].id
        await pause("another")
        await pause(None)
        await pause(None)
        assert len({job.id for job in started}) == 4
        assert [info.id for info in await runtime.client.jobs.list()][:2] == [started[-1].id, started[-2].id]


class Counted(MemoryStore):
    """Counts the rows that are read from it and from its views."""

    def __init__(self) -> None:
        super().__init__()
        self.rows_read = 0

    def scan(self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False) -> Rows:
        return self.count(super().scan(start, stop, limit=limit, reverse=reverse))

    async def view(self) -> MemoryView:
        await super().view()
        return CountedView(self)

    def count(self, rows: Rows) -> Rows:
        self.rows_read += len(rows)
        return rows


class CountedView(MemoryView):
    def __init__(self, store: Counted) -> None:
        super().__init__(store._rows, store._order)
        self._store = store

    def scan(self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False) -> Rows:
        return self._store.count(super().scan(start, stop, limit=limit, reverse=reverse))


async def test_the_newest_jobs_are_found_without_reading_invocations() -> None:
    store = Counted()
    async with Lab(Agent, store=store).running() as runtime:
        await waiting(runtime, 2)
        job = await runtime.client.jobs.where("service = 'Agent'").pause()
        await job.result()
        costs: list[int] = []
        for more in (0, 300):
            await waiting(runtime, more)
            before = store.rows_read
            assert [info.id for info in await runtime.client.jobs.list()] == [job.id]
            costs.append(store.rows_read - before)
        assert 0 < costs[1] < costs[0] + 10, costs


async def test_a_key_that_a_job_of_another_kind_has_is_refused_and_is_free_again_after_a_day() -> None:
    async with Lab(Agent).running() as runtime:
        await waiting(runtime, 2)
        selection = runtime.client.jobs.where("service = 'Agent'")
        first = await selection.start("pause", {}, idempotency_key="k")
        with raises(ConflictError, code="idempotency_conflict"):
            await selection.start("kill", {}, idempotency_key="k")
        assert len(await runtime.client.jobs.list()) == 1
        await trio.sleep(86_401.0)
        assert (await selection.start("kill", {}, idempotency_key="k")).id != first.id


async def test_signals_restarts_and_purges_go_to_all_that_fit() -> None:
    async with Lab(Agent).running() as runtime:
        ids = await waiting(runtime, 5)
        jobs = runtime.client.jobs
        assert (await (await jobs.where("handler = 'wait'").signal("go", 7)).result()).changed == 5
        assert [await runtime.client.invocation(of).result() for of in ids] == [7] * 5
        assert (await (await jobs.where("handler = 'wait'").restart(reason="again")).result()).changed == 5
        await quiet()
        successors = [info.id for info in await runtime.client.invocations(status=[Status.SUSPENDED])]
        assert len(successors) == 5
        purged = await (await jobs.where("handler = 'wait'").purge()).result()
        assert (purged.changed, purged.refused) == (5, {"not_completed": 5})
        assert sorted(info.id for info in await runtime.client.invocations()) == sorted(successors)


async def test_a_job_that_is_cancelled_asks_no_more_and_tells_what_it_has_done() -> None:
    async with Lab(Agent).running() as runtime:
        ids = await waiting(runtime, 100)
        job = await runtime.client.jobs.where("service = 'Agent'", rate=10.0).pause()
        await trio.sleep(3.3)
        assert (await job.cancel(reason="wrong condition")).changed
        info = await job.result()
        paused = (await statuses(runtime, ids))[Status.PAUSED]
        assert info.state is JobState.CANCELLED
        assert 30 <= paused <= 36
        assert (info.changed, info.total) == (paused, 100)
        held = {info.id for info in await runtime.client.invocations(status=[Status.PAUSED])}
        assert {item.id for item in await items_of(job)} == held
        await trio.sleep(100.0)
        assert (await statuses(runtime, ids))[Status.PAUSED] == paused
        with raises(ConflictError, code="already_completed"):
            await job.cancel()


async def test_a_job_that_is_cancelled_while_answers_are_on_their_way_tells_of_them_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken, asked, some = Dispatcher.take, [0], trio.Event()

    async def counted(self: Dispatcher, request: ObjectRequest) -> None:
        await taken(self, request)
        asked[0] += request.stamp.by.startswith("job:")
        if asked[0] == 100:
            some.set()

    monkeypatch.setattr(Dispatcher, "take", counted)
    async with Lab(Agent).running() as runtime:
        ids = await waiting(runtime, 600)
        job = await runtime.client.jobs.where("service = 'Agent'").pause()
        await some.wait()
        await job.cancel()
        info = await job.result()
        assert info.state is JobState.CANCELLED
        paused = (await statuses(runtime, ids))[Status.PAUSED]
        assert 0 < info.changed == paused
        held = {info.id for info in await runtime.client.invocations(status=[Status.PAUSED], limit=1000)}
        assert {item.id for item in await items_of(job)} == held


@pytest.mark.parametrize("partitions", [1, 3])
async def test_a_job_goes_on_after_a_crash_and_obeys_each_item_once(partitions: int) -> None:
    lab = Lab(Agent, partitions=partitions)
    async with lab.running() as runtime:
        ids = await waiting(runtime, 60)
        job_id = (await runtime.client.jobs.where("service = 'Agent'", rate=5.0).pause(reason="once")).id
        await trio.sleep(3.0)
        assert 0 < (await statuses(runtime, ids))[Status.PAUSED] < 60
    async with lab.running() as runtime:
        await waiting(runtime, 10)
        info = await runtime.client.jobs.job(job_id).result()
        # Those asked before the crash had no answer in the job's history, and tell what they did then.
        assert (info.total, info.changed, info.unchanged) == (60, 60, 0)
        for of in ids:
            events = [entry.name async for entry in runtime.client.invocation(of).events()]
            assert events.count("InvocationPaused") == 1
        audited: list[str] = []
        after = None
        while True:
            page = await runtime.client.audit(verb="pause", limit=100, after=after)
            audited += [entry.target for entry in page.entries if entry.changed and entry.by == f"job:{job_id}"]
            after = page.next
            if after is None:
                break
        assert {*audited} == {*ids}


async def test_a_job_that_is_cancelled_after_a_crash_leaves_nothing_untold() -> None:
    lab = Lab(Agent)
    async with lab.running() as runtime:
        ids = await waiting(runtime, 60)
        job_id = (await runtime.client.jobs.where("service = 'Agent'", rate=5.0).pause()).id
        await trio.sleep(3.0)
    async with lab.running() as runtime:
        job = runtime.client.jobs.job(job_id)
        await job.cancel()
        info = await job.result()
        paused = (await statuses(runtime, ids))[Status.PAUSED]
        assert (info.state, info.changed) == (JobState.CANCELLED, paused)
        assert len(await items_of(job)) == paused


async def test_a_job_can_be_paused_and_resumed_like_every_invocation() -> None:
    async with Lab(Agent).running() as runtime:
        ids = await waiting(runtime, 60)
        job = await runtime.client.jobs.where("service = 'Agent'", rate=5.0).kill()
        await trio.sleep(3.0)
        run = runtime.client.invocation((await job.info()).invocation_id)
        await run.pause(mode="now")
        await quiet()
        killed = (await statuses(runtime, ids))[Status.COMPLETED]
        await trio.sleep(100.0)
        assert (await statuses(runtime, ids))[Status.COMPLETED] == killed < 60
        assert (await job.info()).status is Status.PAUSED
        await run.resume()
        info = await job.result()
        assert (info.changed, info.refused) == (60, {})


async def test_jobs_run_behind_a_closed_gate_and_are_hidden_from_those_they_steer() -> None:
    async with Lab(Agent).running() as runtime:
        await runtime.client.gates.close("everything", reason="look first")
        held = [await runtime.client.service(Agent).quick.send(n) for n in range(10)]
        job = await runtime.client.jobs.where("true").cancel()
        info = await job.result()
        assert (info.total, info.changed) == (10, 10)  # not the job itself, nor the registry
        assert {(await handle.info()).status for handle in held} == {Status.COMPLETED}
        assert {found.target.service for found in await runtime.client.invocations()} == {"Agent"}


async def test_a_store_that_takes_nothing_for_a_while_delays_a_job_and_refuses_no_item(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = Dispatcher.take
    left = [30]

    async def sometimes(self: Dispatcher, request: ObjectRequest) -> None:
        if request.stamp.by.startswith("job:") and left[0]:
            left[0] -= 1
            request.fail(actors.UnavailableError("not now"))
        else:
            await taken(self, request)

    monkeypatch.setattr(Dispatcher, "take", sometimes)
    async with Lab(Agent).running() as runtime:
        await waiting(runtime, 20)
        info = await (await runtime.client.jobs.where("service = 'Agent'").pause()).result()
        assert (info.changed, info.refused, left) == (20, {}, [0])


async def test_the_history_of_a_job_stays_far_below_the_limits() -> None:
    """A page is a step; for 100,000 items that is 200 of them, and a little more than their ids."""
    async with Lab(Agent, limits=Limits(history_events=100, history_bytes=200_000)).running() as runtime:
        await waiting(runtime, 2_000)
        job = await runtime.client.jobs.where("service = 'Agent'").pause()
        info = await job.result()
        assert (info.state, info.changed) == (JobState.DONE, 2_000)
        events = [entry.name async for entry in runtime.client.invocation(info.invocation_id).events()]
        assert events.count("StepCompleted") == 5
        assert len(events) < 25


@pytest.mark.parametrize(
    ("rate", "total", "size"),
    [
        (None, 100_000, 500),
        (None, 3, 500),
        (1000.0, 100_000, 500),
        (10.0, 1_000, 50),
        (0.01, 10, 1),
        (1.0, 100_000, 50),
    ],
)
def test_a_page_is_a_few_seconds_of_work_and_no_job_has_pages_without_end(
    rate: float | None, total: int, size: int
) -> None:
    assert page_size(JobSpec(verb=JobVerb.PAUSE, where="true", rate=rate), total) == size


@pytest.mark.parametrize(
    "predicate", ["", "status =", "nothing = 1", "true) or (true", "id in (select id from sys_audit)"]
)
async def test_what_is_no_condition_is_refused_and_starts_nothing(predicate: str) -> None:
    async with Lab(Agent).running() as runtime:
        selection = runtime.client.jobs.where(predicate)
        for ask in (selection.preview, selection.pause):
            with raises(InvalidArgumentError, path="query"):
                await ask()
        assert await runtime.client.jobs.list() == []


async def test_what_a_verb_would_not_take_is_refused_before_anything_is_started() -> None:
    async with Lab(Agent).running() as runtime:
        jobs = runtime.client.jobs
        for verb, options in (
            ("pause", {"mode": "later"}),
            ("pause", {"why": "?"}),
            ("cancel", {"kill_after": -1.0}),
            ("signal", {}),
            ("kill", {"reason": "x" * 100_000}),
        ):
            with pytest.raises((InvalidArgumentError, LimitExceededError)):
                await jobs.where("true").start(verb, options)
        for bounds in ({"rate": 0.0}, {"rate": float("nan")}, {"limit": 0}, {"limit": 10**9}):
            with pytest.raises(InvalidArgumentError):
                await jobs.where("true", **bounds).pause()  # type: ignore[arg-type]  # one of the two each
        assert await jobs.list() == []


async def test_jobs_are_listed_and_found_again_and_the_audit_knows_who_started_them() -> None:
    lab = Lab(Agent)
    async with lab.running() as runtime:
        await waiting(runtime, 2)
        ada = runtime.client.acting_as("user:ada", "127.0.0.1:7")
        job = await ada.jobs.where("service = 'Agent'").pause(reason="why")
        await job.result()
    async with lab.running() as runtime:
        [info] = await runtime.client.jobs.list()
        assert (info.id, info.verb, info.where, info.options["reason"]) == (
            job.id,
            JobVerb.PAUSE,
            "service = 'Agent'",
            "why",
        )
        assert (info.started_by, info.ended_at is not None) == ("user:ada", True)
        [entry] = (await runtime.client.audit(verb="start-job")).entries
        assert (entry.by, entry.source, entry.target, entry.reason) == ("user:ada", "127.0.0.1:7", job.id, "why")
        paused = (await runtime.client.audit(verb="pause")).entries
        assert {(entry.by, entry.source) for entry in paused} == {(f"job:{job.id}", "user:ada")}
        for unknown in ("job_none", "", "\n"):
            with raises(NotFoundError, kind="job"):
                await runtime.client.jobs.job(unknown).info()


async def test_a_job_with_nothing_to_do_is_done() -> None:
    async with Lab(Agent, Chat).running() as runtime:
        info = await (await runtime.client.jobs.where("service = 'Chat'").cancel()).result()
        assert (info.state, info.matched, info.total, info.done) == (JobState.DONE, 0, 0, 0)


async def test_those_that_are_named_are_asked_and_no_others_each_once_and_what_is_gone_refuses() -> None:
    async with Lab(Agent).running() as runtime:
        ids = await waiting(runtime, 1_500)
        gone = await runtime.client.service(Agent).quick.send(1)
        await gone.result()
        await gone.purge()
        selection = runtime.client.jobs.of([*ids[:1_000], gone.id, *ids[:5]])
        preview = await selection.preview(sample=3)
        assert (preview.count, [info.id for info in preview.sample]) == (1_001, ids[:3])
        job = await selection.pause(reason="picked by hand")
        info = await job.result()
        assert (info.total, info.changed, info.refused) == (1_001, 1_000, {"not_found": 1})
        assert (info.where, info.named, info.which) == ("", 1_001, "of 1001 named")
        assert [item.id for item in await items_of(job)] == [*ids[:1_000], gone.id]
        assert await statuses(runtime, ids) == {Status.PAUSED: 1_000, Status.SUSPENDED: 500}
        limited = await (await runtime.client.jobs.of(ids, limit=2).kill()).result()
        assert (limited.matched, limited.total) == (1_500, 2)
        assert (await runtime.client.audit(verb="start-job")).entries[-1].detail == "pause of 1001 named"


async def test_all_that_refused_a_job_are_asked_again_by_another_however_many_they_were() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        ids = await waiting(runtime, 1_300)
        first = await client.jobs.where("handler = 'wait'").purge()
        assert (await first.result()).refused == {"not_completed": 1_300}
        selection = client.jobs.refused_by(first.id)
        in_order = [item.id for item in await items_of(first)]
        assert [info.id for info in (await selection.preview(sample=2)).sample] == in_order[:2]
        await client.invocation(ids[0]).kill()
        await waiting(runtime, 3)
        again = await (await selection.kill(reason="then so")).result()
        assert (again.total, again.changed, again.refused) == (1_300, 1_299, {"already_completed": 1})
        assert again.refused_by == first.id
        assert (await client.jobs.where("status = 'suspended'").preview()).count == 3


async def test_what_a_job_was_refused_is_asked_of_no_job_that_goes_on_and_of_none_that_is_not() -> None:
    async with Lab(Agent).running() as runtime:
        jobs = runtime.client.jobs
        await waiting(runtime, 10)
        slow = await jobs.where("true", rate=1.0).pause()
        await trio.sleep(2.0)
        for ask in (jobs.refused_by(slow.id).preview, jobs.refused_by(slow.id).kill):
            with raises(InvalidArgumentError, path="$.refused_by"):
                await ask()
        with raises(NotFoundError, kind="job"):
            await jobs.refused_by("job_none").preview()


async def test_more_ids_than_are_taken_none_and_two_ways_to_choose_are_refused() -> None:
    async with Lab(Agent).running() as runtime:
        jobs = runtime.client.jobs
        with raises(LimitExceededError, limit="job_ids"):
            await jobs.of([id_in("Agent", None, n) for n in range(MAX_NAMED + 1)]).preview()
        with pytest.raises(InvalidArgumentError):
            jobs.of([])
        with pytest.raises(MalformedIdError):
            jobs.of(["inv_none"])
        with raises(InvalidArgumentError, path="$"):
            await jobs.chosen(Choice(where="true", refused_by="job_1")).kill()
        assert await jobs.list() == []
