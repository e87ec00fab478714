"""Limits: at most so many run at once or start in a period, the others in the order of their acceptance."""

from __future__ import annotations

from collections import Counter

import pytest
import trio

import actors
from actors import Actor, InvalidArgumentError, Service, handler, shared, step
from actors.model.explain import WaitCause, reasons
from journal import keys
from journal.errors import InDoubt
from journal.events import Status
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch, scan_all
from tests.lab import Lab, until
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class UncertainStore(MemoryStore):
    """A store whose next commit fails when it is told so, and is kept or lost."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = ""

    async def commit(self, batch: Batch) -> None:
        how, self.fails = self.fails, ""
        if how != "lost":
            await super().commit(batch)
        if how:
            raise InDoubt("whether it is on disk is unknown")


class Now:
    """What runs at this moment, as the world outside sees it: in all, and at most by name."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.order: list[int] = []

    def begin(self, name: str) -> None:
        for each in (name, "all"):
            self.running[each] += 1
            self.most[each] = max(self.most[each], self.running[each])

    def end(self, name: str) -> None:
        self.running.subtract([name, "all"])


NOW = Now()


@pytest.fixture(autouse=True)
def _nothing_runs() -> None:
    NOW.__init__()  # type: ignore[misc]


@step
async def work(name: str, number: int) -> None:
    NOW.begin(name)
    NOW.order.append(number)
    try:
        await trio.sleep(1.0)
    finally:
        NOW.end(name)


class Agent(Service):
    @handler
    async def run(self, name: str, number: int) -> int:
        await work(name, number)
        return number

    @handler
    async def nap(self, name: str) -> None:
        await work(name, 1)
        await actors.signal("go")
        await work(name, 2)

    @handler
    async def delegate(self, name: str) -> int:
        await work(name, 1)
        return await actors.service(Agent).run(name, 2)


class Chat(Actor):
    @handler
    async def say(self, name: str, number: int) -> int:
        await work(name, number)
        return number


class Talk(Actor, aliases=("Chat",)):
    @handler(aliases=("say",))
    async def speak(self, name: str, number: int) -> int:
        await work(name, number)
        return number


class Instant(Service):
    @handler
    async def now(self) -> float:
        return actors.current_time()


class Reader(Actor):
    @shared
    async def read(self, number: int) -> int:
        await work("read", number)
        return number


async def test_no_more_run_than_allowed_and_they_run_in_order() -> None:
    async with Lab(Agent, partitions=2).running() as runtime:
        client = runtime.client
        answer = await client.limits.set("service:Agent", concurrency=3, reason="a small model")
        assert answer.changed
        sent = [await client.service(Agent).run.send("a", number) for number in range(10)]
        await until(lambda: len(NOW.order) == 3)
        states = [(await handle.info()).status for handle in sent]
        assert states == [Status.RUNNING] * 3 + [Status.QUEUED] * 7
        last = await sent[-1].info()
        (reason,) = reasons(last)
        assert reason.waits_for is WaitCause.LIMIT
        assert last.limit_wait is not None
        assert (last.limit_wait.running, last.limit_wait.ahead) == (3, 6)
        (info,) = await client.limits.list()
        assert (info.running, info.waiting, info.reason) == (3, 7, "a small model")
        answer = await client.limits.set("service:Agent", concurrency=3, reason="a small model")
        assert answer.before == answer.after == info, "an answer tells what runs and waits, as the list does"
        assert [await handle.result() for handle in sent] == list(range(10))
        assert NOW.most["all"] == 3
        assert [sorted(NOW.order[at : at + 3]) for at in (0, 3, 6, 9)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
        assert [(one.running, one.waiting) for one in await client.limits.list()] == [(0, 0)]


async def test_what_waits_gives_its_place_back_and_continues_in_turn() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        await client.limits.set("service:Agent", concurrency=1)
        naps = [await client.service(Agent).nap.send("nap") for _ in range(3)]
        await until(lambda: len(NOW.order) == 3)
        run = await client.service(Agent).run.send("a", 7)
        for nap in naps:
            await nap.signal("go")
        for handle in (*naps, run):
            await handle.result()
        assert NOW.most["all"] == 1
        assert await client.service(Agent).delegate("d") == 2, "a caller does not keep its callee from running"
        assert NOW.most["all"] == 1


async def test_several_limits_hold_at_once_and_one_does_not_keep_the_others() -> None:
    async with Lab(Agent, Chat).running() as runtime:
        client = runtime.client
        await client.limits.set("everything", concurrency=4)
        await client.limits.set("tag:user=ada", concurrency=1)
        handles = [await client.service(Agent).run.options(tags={"user": "ada"}).send("ada", n) for n in range(5)]
        handles += [await client.actor(Chat, f"{n}").say.send("chat", n) for n in range(5)]
        for handle in handles:
            await handle.result()
        assert NOW.most["all"] == 4
        assert NOW.most["ada"] == 1


async def test_a_limit_is_changed_while_they_run() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        handles = [await client.service(Agent).run.send("a", n) for n in range(4)]
        await until(lambda: NOW.running["all"] == 4)
        await client.limits.set("service:Agent", concurrency=1)
        handles += [await client.service(Agent).run.send("b", n) for n in range(4)]
        await handles[3].result()
        await until(lambda: NOW.running["b"] == 1)
        assert NOW.most["b"] == 1, "those that ran already count"
        await client.limits.set("service:Agent", concurrency=2)
        await until(lambda: NOW.running["b"] == 2)
        assert not (await client.limits.set("service:Agent", concurrency=2)).changed
        assert (await client.limits.delete("service:Agent")).changed
        await until(lambda: NOW.running["b"] >= 2)
        for handle in handles:
            await handle.result()
        assert not (await client.limits.delete("service:Agent")).changed


async def test_it_holds_after_a_death_and_a_pause_or_a_kill_frees_the_place() -> None:
    lab = Lab(Agent, Chat, partitions=2)
    async with lab.running() as runtime:
        client = runtime.client
        await client.limits.set("everything", concurrency=2)
        sent = [await client.service(Agent).run.send("a", n) for n in range(6)]
        await client.actor(Chat, "k").say.send("k", 10)
        await client.actor(Chat, "k").say.send("k", 11)
        await until(lambda: NOW.running["all"] == 2)
    NOW.__init__()  # type: ignore[misc]
    async with lab.running() as runtime:
        client = runtime.client
        await until(lambda: NOW.running["all"] == 2)
        running = [h.id for h in sent if (await client.invocation(h.id).info()).status is Status.RUNNING]
        await client.invocation(running[0]).pause(mode="now")
        await client.invocation(running[1]).kill()
        waiting = [h.id for h in sent if (await client.invocation(h.id).info()).status is Status.QUEUED]
        before = (await client.limits.list())[0].waiting
        await client.invocation(waiting[-1]).cancel()
        assert (await client.limits.list())[0].waiting == before - 1
        await until(lambda: len(NOW.order) >= 4)
        await client.invocation(running[0]).resume()
        await trio.sleep(30)
        assert {(await client.invocation(handle.id).info()).status for handle in sent} == {Status.COMPLETED}
        assert NOW.most["all"] == 2
        counted = await client.limits.list()
        assert [(one.running, one.waiting) for one in counted] == [(0, 0)]


async def test_a_message_that_is_refused_leaves_no_place_behind() -> None:
    async with Lab(Reader, limits=actors.Limits(mailbox=2)).running() as runtime:
        client = runtime.client
        await client.limits.set("service:Reader", concurrency=1)
        handles = [await client.actor(Reader, "k").read.send(n) for n in range(3)]
        with pytest.raises(actors.LimitExceededError):
            await client.actor(Reader, "k").read.send(3)
        assert [one.waiting for one in await client.limits.list()] == [2]
        other = await client.actor(Reader, "other").read.send(4)
        assert [await handle.result() for handle in (*handles, other)] == [0, 1, 2, 4]
        assert [(one.running, one.waiting) for one in await client.limits.list()] == [(0, 0)]


async def test_a_partition_that_is_claimed_again_keeps_no_place() -> None:
    store = UncertainStore()
    async with Lab(Agent, partitions=2, store=store).running() as runtime:
        client = runtime.client
        await client.limits.set("service:Agent", concurrency=1)
        sent = [await client.service(Agent).run.send("a", n) for n in range(6)]
        await until(lambda: NOW.running["all"] == 1)
        store.fails = "kept"
        await trio.sleep(30)
        assert store.fails == ""
        assert [await handle.result() for handle in sent] == [*range(6)]
        assert NOW.most["all"] == 1
        store.fails = "lost"
        with pytest.raises(actors.UnknownOutcomeError):
            await client.service(Agent).run.send("a", 7)
        await trio.sleep(5)
        assert [(one.running, one.waiting) for one in await client.limits.list()] == [(0, 0)]


async def test_one_that_is_paused_while_it_waits_lets_the_others_pass() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        await client.limits.set("service:Agent", concurrency=1)
        first, second, third = [await client.service(Agent).run.send("a", n) for n in range(3)]
        await until(lambda: NOW.running["all"] == 1)
        await second.pause()
        assert [await first.result(), await third.result()] == [0, 2]
        await second.resume()
        assert await second.result() == 1


async def test_after_a_death_those_accepted_first_still_go_first() -> None:
    lab = Lab(Agent, partitions=2)
    async with lab.running() as runtime:
        await runtime.client.limits.set("service:Agent", concurrency=1)
        for number in range(150):  # more than are taken up together
            await runtime.client.service(Agent).run.send("a", number)
            await trio.sleep(0.001)
        await until(lambda: NOW.running["all"] == 1)
    NOW.__init__()  # type: ignore[misc]
    async with lab.running():
        await until(lambda: len(NOW.order) == 20)
        assert NOW.order == [*range(20)]


async def test_each_value_of_a_tag_is_counted_on_its_own_and_one_can_be_exempt() -> None:
    async with Lab(Agent, partitions=2).running() as runtime:
        client = runtime.client
        await client.limits.set("tag:user", concurrency=2)
        await client.limits.set("tag:user=eve", concurrency=3)
        await client.limits.set("tag:user=root")
        for number in range(5):
            for user in ("ada", "bob", "eve", "root"):
                await client.service(Agent).run.options(tags={"user": user}).send(user, number)
        await until(lambda: NOW.running["all"] == 12)
        assert {one.scope: (one.running, one.waiting) for one in await client.limits.list()} == {
            "tag:user": (4, 6),
            "tag:user=eve": (3, 2),
            "tag:user=root": (5, 0),
        }
        await until(lambda: len(NOW.order) == 20)
        assert (NOW.most["ada"], NOW.most["bob"], NOW.most["eve"], NOW.most["root"]) == (2, 2, 3, 5)


async def test_a_renamed_class_is_counted_under_all_of_its_names() -> None:
    lab = Lab(Chat)
    async with lab.running() as runtime:
        await runtime.client.limits.set("handler:Chat/say", concurrency=1)
        await runtime.client.actor(Chat, "old").say("a", 1)
    async with lab.running(Talk) as runtime:
        talks = [await runtime.client.actor(Talk, key).speak.send("a", 2) for key in ("old", "new")]
        for talk in talks:
            await talk.result()
        assert NOW.most["all"] == 1
        assert {(await talk.info()).target.service for talk in talks} == {"Chat", "Talk"}


async def test_of_those_that_wait_the_one_with_more_priority_runs_first() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        await client.limits.set("service:Agent", concurrency=1)
        for number, priority in enumerate(("0", "-1", "0", "3", "10")):
            await client.service(Agent).run.options(tags={"priority": priority}).send("a", number)
        await until(lambda: len(NOW.order) == 5)
        assert NOW.order == [0, 4, 3, 2, 1]
        for wrong in ("high", "11", "-11", "1.5", "+1", "٣"):
            with raises(InvalidArgumentError, path="tags.priority"):
                client.service(Agent).run.options(tags={"priority": wrong})


async def test_no_more_start_in_any_period_than_the_rate_permits_also_after_a_death() -> None:
    lab = Lab(Instant, partitions=2)
    started: list[float] = []
    async with lab.running() as runtime:
        client = runtime.client
        await client.limits.set("service:Instant", rate=3, period=60)
        sent = []
        for _ in range(8):
            sent.append(await client.service(Instant).now.send())
            await trio.sleep(0.001)
        started += [await handle.result() for handle in sent[:3]]
        await trio.sleep(10)
        last = await sent[-1].info()
        (reason,) = reasons(last)
        assert reason.waits_for is WaitCause.LIMIT
        assert last.limit_wait is not None
        assert reason.until == last.limit_wait.opens_at == pytest.approx(started[0] + 60, abs=0.1)
        assert last.limit_wait.ahead == 4
    await trio.sleep(20)
    async with lab.running() as runtime:
        started += [await runtime.client.invocation(handle.id).result() for handle in sent[3:]]
        assert [round(at - started[0]) for at in started] == [0, 0, 0, 60, 60, 60, 120, 120]
        await trio.sleep(60)
        last_one = await runtime.client.service(Instant).now()
        assert last_one - started[-1] == pytest.approx(60, abs=1), "an unused rate makes nobody wait"
        rows = [key for number in range(2) for key, _ in scan_all(lab.store, *_starts(number))]
        assert len(rows) < 6, "starts whose period is over are removed"


def _starts(partition: int) -> tuple[bytes, bytes]:
    prefix = keys.counted_starts(partition)
    return prefix, keys.after_prefix(prefix)


async def test_what_has_started_continues_though_the_rate_is_spent() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        await client.limits.set("service:Agent", rate=1, period=3600)
        nap = await client.service(Agent).nap.send("nap")
        await until(lambda: len(NOW.order) == 1)
        later = await client.service(Agent).run.send("later", 9)
        await nap.signal("go")
        await nap.result()
        assert NOW.order == [1, 2]
        await client.limits.set("service:Agent", rate=2, period=3600)
        assert await later.result() == 9


async def test_a_gate_and_a_limit_together_lose_no_place() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        await client.limits.set("service:Agent", concurrency=1)
        handles = [await client.service(Agent).run.send("a", n) for n in range(4)]
        await until(lambda: NOW.running["all"] == 1)
        await client.gates.close("service:Agent")
        await trio.sleep(5)
        assert len(NOW.order) == 1
        await client.gates.open("service:Agent")
        for handle in handles:
            await handle.result()
        assert NOW.most["all"] == 1


async def test_a_call_that_no_limit_counts_is_not_slowed_down() -> None:
    async with Lab(Agent, Chat).running() as runtime:
        client = runtime.client
        await client.limits.set("service:Agent", concurrency=1)
        await client.service(Agent).run.send("a", 1)
        assert await client.actor(Chat, "a").say("chat", 5) == 5


async def test_a_limit_that_could_count_nothing_is_refused_and_audited() -> None:
    async with Lab(Agent, Talk).running() as runtime:
        limits = runtime.client.limits
        for scope in ("service:Nope", "handler:Agent/nope", "handler:Nope/run", "key:Nope", "key:Nope/a"):
            with raises(actors.NotFoundError):
                await limits.set(scope, concurrency=1)
        wrong = ("key:Agent", "key:Agent/a", "tag:bad name", "tag:bad name=x", "tag:priority=high", "tag:user=a\nb")
        for scope in wrong:
            with raises(InvalidArgumentError):
                await limits.set(scope, concurrency=1)
        assert await limits.list() == ()
        assert len([row for row in (await runtime.client.audit(verb="set-limit")).entries if row.refusal]) == 5 + len(
            wrong
        )
        for scope in ("service:Chat", "handler:Chat/say", "key:Chat", "key:Chat/a", "tag:user", "tag:priority"):
            assert (await limits.set(scope, concurrency=1)).changed
        assert not (await limits.delete("service:Nope")).changed


async def test_what_cannot_be_a_limit_is_refused() -> None:
    async with Lab(Agent).running() as runtime:
        limits = runtime.client.limits
        for scope in ("backlog", "deployment:dep_1", "tag:", "tag:user=", "key:", "Agent", ""):
            with raises(InvalidArgumentError, path="scope"):
                await limits.set(scope, concurrency=1)
        with raises(InvalidArgumentError, path="concurrency"):
            await limits.set("everything", concurrency=0)
        with raises(InvalidArgumentError, path="rate"):
            await limits.set("everything", rate=10_001)
        with raises(InvalidArgumentError, path="period"):
            await limits.set("everything", rate=1, period=0)
