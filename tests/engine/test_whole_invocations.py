"""An invocation that is recorded as a whole: it is durable or it never was, and verbs, readers and limits treat it as any other."""

from __future__ import annotations

from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, Service, Status, handler, step
from actors.errors import MisuseError
from actors.query.fsck.doctor import examine
from journal import events as e
from journal import keys
from journal.errors import InDoubt, Unavailable
from journal.ids import stream_of
from journal.kv.memory import MemoryStore
from journal.log.kv_journal import KvJournal
from journal.log.protocol import Append
from tests import replicated
from tests.lab import WORLD, Lab, SlowDisk, until
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from actors.runtime import Runtime
    from journal.events import Recorded
    from journal.kv.store import Batch

pytestmark = on_virtual_time

MOST_TURNS = 7_000
"""After so many a loop gives up, so that a test can fail."""

WHOLE = ["InvocationAccepted", "InvocationStarted", "FieldsChanged", "InvocationCompleted"]


CONTEXTS: list[Context] = []


class Sum(Actor):
    value: int = 0

    @handler
    async def leaves_its_context(self) -> None:
        CONTEXTS.append(copy_context())

    @handler
    async def add(self, number: int) -> int:
        WORLD.note(f"add {number}")
        self.value += number
        return self.value

    @handler
    async def goes_on(self) -> None:
        """Send the same to itself, for ever."""
        WORLD.note("turn")
        if len(WORLD.entries) < MOST_TURNS:
            await actors.actor(Sum, self.key).goes_on.send()

    @handler
    async def goes_on_elsewhere(self, number: int) -> None:
        """Send the same to a new object, for ever."""
        WORLD.note("turn")
        if len(WORLD.entries) < MOST_TURNS:
            await actors.actor(Sum, str(number)).goes_on_elsewhere.send(number + 1)

    @handler
    async def add_later(self, number: int) -> int:
        await hold_on()
        self.value += number
        return self.value


@step
async def hold_on() -> None:
    await trio.sleep(1.0)


class Clerk(Service):
    """Steers invocations in the batch in which they are recorded."""

    @handler
    async def add_and_purge(self, key: str) -> actors.InvocationId:
        handle = await actors.actor(Sum, key).add.send(1)
        await handle.result()
        await handle.purge()
        return handle.id

    @handler
    async def add_and_restart(self, key: str) -> list[actors.InvocationId]:
        handle = await actors.actor(Sum, key).add.send(1)
        await handle.result()
        answer = await handle.restart()
        assert answer.successor is not None
        return [handle.id, answer.successor.invocation_id]

    @handler
    async def add_and_cancel(self, key: str) -> str:
        handle = await actors.actor(Sum, key).add.send(1)
        await handle.result()
        try:
            await handle.cancel()
        except actors.ConflictError as error:
            return error.code.value
        return "cancelled"


@pytest.fixture
def lab() -> Lab:
    return Lab(Sum, Clerk)


async def log_of(runtime: Runtime, key: str) -> list[Recorded]:
    journal: Any = runtime.engine.journal
    return [recorded async for recorded in journal.read(stream_of("Sum", key))]


async def names(entries: AsyncIterator[Any]) -> list[str]:
    """Of the events, without those of an invocation that waits for this one."""
    return [entry.name async for entry in entries if entry.name != "AttachRequested"]


def commits_of(lab: Lab, key: str) -> int:
    """How many commits the log of an object came with."""
    prefix = keys.record(0, stream_of("Sum", key), 0)[:-8]
    return len(lab.store.scan(prefix, keys.after_prefix(prefix)))


async def value_of(runtime: Runtime, key: str) -> int:
    info = await runtime.client.object(Sum, key).info()
    value: int = info.fields["value"]
    return value


# Budgets.


@replicated.about_one_store("counts the turns within commits that take one checkpoint")
@pytest.mark.parametrize("target", ["goes_on", "goes_on_elsewhere"])
async def test_a_handler_that_sends_to_itself_for_ever_lets_others_have_their_turn(lab: Lab, target: str) -> None:
    async with lab.running() as runtime:
        of = runtime.client.actor(Sum, "loop")
        await (of.goes_on.send() if target == "goes_on" else of.goes_on_elsewhere.send(0))
        for number in range(3):
            assert await runtime.client.actor(Sum, "other").add(1) == number + 1
        assert len(WORLD.entries) < MOST_TURNS


async def test_a_handler_that_sends_to_itself_for_ever_can_be_stopped(lab: Lab) -> None:
    async with lab.running() as runtime:
        await runtime.client.actor(Sum, "loop").goes_on.send()
        await runtime.client.gates.close("key:Sum/loop")
        assert 0 < len(WORLD.entries) < MOST_TURNS


async def test_more_calls_than_a_round_runs_at_once_all_end_once(lab: Lab) -> None:
    count = 800
    async with lab.running() as runtime, trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(runtime.client.actor(Sum, "a").add, 1)
    async with lab.running() as runtime:
        assert await runtime.client.actor(Sum, "a").add(0) == count


# Between the run and the commit.


async def test_a_gate_that_closes_after_the_run_takes_nothing_back() -> None:
    lab = Lab(Sum, store=SlowDisk())
    async with lab.running() as runtime:
        answers: list[int] = []

        async def add() -> None:
            answers.append(await runtime.client.actor(Sum, "a").add(1))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(add)
            await until(lambda: WORLD.count("add 1") == 1)
            assert not answers, "it has run and is not on disk"
            await runtime.client.gates.close("everything", mode="now")
        assert answers == [1]
        held = await runtime.client.actor(Sum, "a").add.send(1)
        await trio.sleep(10)
        assert (await held.info()).status is Status.QUEUED
        await runtime.client.gates.open("everything")
        assert await held.result() == 2
        assert WORLD.count("add 1") == 2


@replicated.about_one_store("what is lost is cut from the store, and the log has it")
async def test_a_process_that_dies_before_the_commit_leaves_no_trace_of_the_call() -> None:
    lab = Lab(Sum, store=SlowDisk())
    async with lab.running() as runtime:
        await runtime.client.actor(Sum, "b").add(5)
        before = lab.store.contents()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runtime.client.actor(Sum, "a").add, 1)
            nursery.start_soon(runtime.client.actor(Sum, "b").add, 1)
            await until(lambda: WORLD.count("add 1") == 2)
            nursery.cancel_scope.cancel()
        assert lab.store.contents() == before
        lab.store = MemoryStore(before)
    async with lab.running() as runtime:
        assert await runtime.client.actor(Sum, "a").add(0) == 0
        assert await runtime.client.actor(Sum, "b").add(0) == 5
        assert len(await runtime.client.invocations()) == 3


class Failing(MemoryStore):
    """Fails with the next commit, which takes a second, once it is told to."""

    fails: Exception | None = None

    async def commit(self, batch: Batch) -> None:
        error, self.fails = self.fails, None
        if error is not None:
            await trio.sleep(1.0)
            raise error
        await super().commit(batch)


@pytest.mark.parametrize(
    "error", [Unavailable("no room just now"), InDoubt("unknown")], ids=lambda error: type(error).__name__
)
async def test_a_commit_that_fails_takes_the_calls_in_it_back(error: Exception) -> None:
    store = Failing()
    lab = Lab(Sum, store=store)
    async with lab.running() as runtime:
        assert await runtime.client.actor(Sum, "a").add(1) == 1
        store.fails = error
        failed: list[BaseException] = []

        async def add(key: str) -> None:
            with pytest.raises((actors.UnavailableError, actors.UnknownOutcomeError)) as raised:
                await runtime.client.actor(Sum, key).add(10)
            failed.append(raised.value)

        async with trio.open_nursery() as nursery:
            for key in ("a", "a", "b"):
                nursery.start_soon(add, key)
        assert WORLD.count("add 10") == len(failed) == 3
        await trio.sleep(60)
        assert await runtime.client.actor(Sum, "a").add(1) == 2
        assert await runtime.client.actor(Sum, "b").add(1) == 1
        assert len(await runtime.client.invocations()) == 3
    assert not examine(store, 1).findings


# Verbs.


async def test_it_can_be_purged_in_the_batch_in_which_it_is_recorded(lab: Lab) -> None:
    async with lab.running() as runtime:
        await runtime.client.actor(Sum, "old").add(1)
        for key, value in (("new", 1), ("old", 2)):
            of = await runtime.client.service(Clerk).add_and_purge(key)
            with raises(actors.NotFoundError, kind="invocation"):
                await runtime.client.invocation(of).info()
            assert await value_of(runtime, key) == value
            assert commits_of(lab, key) == value, "the invocation and its purge came with one"
            assert not [r for r in await log_of(runtime, key) if getattr(r.event, "invocation_id", "") == of]
    assert not examine(lab.store, 1).findings
    async with lab.running() as runtime:
        assert [await value_of(runtime, key) for key in ("new", "old")] == [1, 2]
        assert await runtime.client.actor(Sum, "new").add(1) == 2


async def test_it_can_be_restarted_in_the_batch_in_which_it_is_recorded(lab: Lab) -> None:
    async with lab.running() as runtime:
        of, successor = await runtime.client.service(Clerk).add_and_restart("a")
        assert commits_of(lab, "a") == 1
        assert await runtime.client.invocation(successor).result() == 2
        assert (await runtime.client.invocation(of).info()).successors == (successor,)
        assert await names(runtime.client.invocation(of).events()) == [*WHOLE, "InvocationRestarted"]
    assert not examine(lab.store, 1).findings
    async with lab.running() as runtime:
        assert (await runtime.client.invocation(of).info()).successors == (successor,)
        assert await value_of(runtime, "a") == 2


async def test_it_can_be_restarted_and_purged_by_the_next_process(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Sum, "a").add.send(1)
        await handle.result()
        await runtime.client.actor(Sum, "a").add(10)
    async with lab.running() as runtime:
        again = runtime.client.invocation(handle.id)
        answer = await again.restart(rewind_state=True)
        assert answer.successor is not None
        assert await runtime.client.invocation(answer.successor.invocation_id).result() == 1
        other = await again.restart(input=5, again=True)
        assert other.successor is not None
        assert await runtime.client.invocation(other.successor.invocation_id).result() == 6
        await again.purge()
        with raises(actors.NotFoundError, kind="invocation"):
            await again.info()
        assert await value_of(runtime, "a") == 6
    assert not examine(lab.store, 1).findings
    async with lab.running() as runtime:
        assert await runtime.client.actor(Sum, "a").add(1) == 7


async def test_a_handler_that_would_cancel_it_is_told_that_it_has_completed(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Clerk).add_and_cancel("a") == "already_completed"


# Readers.


async def test_its_events_are_read_and_followed_one_by_one(lab: Lab) -> None:
    async with lab.running() as runtime:
        await runtime.client.actor(Sum, "a").add(1)
        handle = await runtime.client.actor(Sum, "a").add.send(2)
        with trio.fail_after(100):
            assert await names(handle.follow()) == WHOLE
        assert await names(handle.events()) == WHOLE
        entries = [entry async for entry in handle.events()]
        numbers = [entry.number for entry in entries]
        assert numbers == [6, 7, 8, 9]
        assert [entry.number async for entry in handle.events(after=7)] == numbers[2:]
        assert [entry.number async for entry in handle.follow(after=8)] == numbers[3:]
    async with lab.running() as runtime:
        assert [entry async for entry in runtime.client.invocation(handle.id).events()] == entries


async def test_its_events_are_read_while_their_commit_is_on_its_way() -> None:
    lab = Lab(Sum, Clerk, store=SlowDisk())
    async with lab.running() as runtime:
        of, _ = await runtime.client.service(Clerk).add_and_restart("a")
        assert [*await names(runtime.client.invocation(of).follow())][:4] == WHOLE


async def test_purging_one_leaves_the_events_of_its_neighbours(lab: Lab) -> None:
    async with lab.running() as runtime:
        handles = [await runtime.client.actor(Sum, "a").add.send(number) for number in (1, 2, 3)]
        for handle in handles:
            await handle.result()
        before = await log_of(runtime, "a")
        for at in (0, 1):
            await handles[at].purge()
            log = await log_of(runtime, "a")
            erased = {
                r.number for r in before if getattr(r.event, "invocation_id", None) in [h.id for h in handles[: at + 1]]
            }
            assert [r for r in log if r.number not in erased and r.number <= len(before)] == [
                r for r in before if r.number not in erased
            ]
            assert not [r for r in log if r.number in erased and not isinstance(r.event, e.Erased)]
        assert await names(handles[2].events()) == WHOLE
    assert not examine(lab.store, 1).findings
    async with lab.running() as runtime:
        assert await runtime.client.actor(Sum, "a").add(1) == 7


@pytest.mark.parametrize("number", range(1, 10))
async def test_any_one_event_of_a_frame_can_be_erased(lab: Lab, number: int) -> None:
    async with lab.running() as runtime:
        await runtime.client.actor(Sum, "a").add(1)
        await runtime.client.actor(Sum, "a").add(2)
        before = await log_of(runtime, "a")
    stream = stream_of("Sum", "a")
    journal = KvJournal(lab.store, partitions=1, clock=lab.clock, secret="lab")
    async with journal.claim(0, "a test") as partition:
        await partition.commit([Append.of(stream=stream, expected=len(before), events=(), erased=[number])])
    after = [recorded async for recorded in journal.read(stream)]
    assert [recorded.number for recorded in after] == [*range(1, 10)]
    assert isinstance(after[number - 1].event, e.Erased)
    assert [r for r in after if r.number != number] == [r for r in before if r.number != number]


async def test_an_object_that_the_next_process_has_finished_owes_nothing(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Sum, "a").add_later.send(1)
        await trio.sleep(0.5)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == 1
    assert not examine(lab.store, 1).findings


@pytest.mark.parametrize(
    "verb", [lambda: actors.patched("p"), actors.random, actors.uuid4], ids=["patched", "random", "uuid4"]
)
async def test_code_that_keeps_the_context_of_a_handler_cannot_go_on_as_the_handler(verb: Callable[[], object]) -> None:
    async with Lab(Sum).running() as runtime:
        await runtime.client.actor(Sum, "a").leaves_its_context()
        with raises(MisuseError, code="outside_handler"):
            CONTEXTS.pop().run(verb)
