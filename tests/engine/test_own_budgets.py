"""The budget of one invocation: it and what it calls spend it together, pause when it is used up, and continue with more."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import Client, InvalidArgumentError, Service, handler, step
from actors.engine.budgets import Budgets
from actors.errors import ConflictError, ErrorCode, InvocationCancelledError
from actors.model.explain import WaitCause, reasons
from actors.values.amounts import Amount
from journal import keys
from journal.events import PauseCause, Status
from journal.kv.memory import MemoryStore
from journal.log.kv_journal import KvJournal
from tests import replicated
from tests.core.situations import IT
from tests.engine.test_budgets import Dying
from tests.lab import Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

DID: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    DID.clear()


@step
async def ask(question: str, seconds: float = 1.0) -> str:
    await trio.sleep(seconds)
    DID.append(question)
    actors.spend(tokens=400, usd="0.5")
    return question.upper()


@step
async def read(page: str) -> str:
    await trio.sleep(1.0)
    DID.append(page)
    return page


class Researcher(Service):
    @handler
    async def look_into(self, topic: str) -> str:
        await ask(f"what is {topic}?")
        return await ask(f"what is new about {topic}?")

    @handler
    async def read_on(self, pages: int) -> int:
        for number in range(pages):
            await read(f"page {number}")
        return pages

    @handler
    async def wait(self) -> bool:
        actors.spend(tokens=1)
        return await actors.signal("go", bool)


class Editor(Service):
    @handler
    async def write(self, topics: list[str]) -> str:
        async with actors.open_nursery() as nursery:
            for topic in topics:
                nursery.start_soon(actors.service(Researcher).look_into, topic)
        return await ask("summary")

    @handler
    async def compare(self, pages: int) -> int:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(actors.service(Researcher).read_on, pages)
            nursery.start_soon(ask, "beside it", 0.5)
        return pages

    @handler
    async def with_cleanup(self) -> None:
        try:
            await ask("first")
            await actors.sleep(3600)
        except actors.CancelledError:
            await actors.service(Researcher).look_into("what to undo")
            raise

    @handler
    async def inner(self, tokens: int) -> str:
        return await actors.service(Editor).write.options(budget={"tokens": tokens})(["tides"])

    @handler
    async def send_only(self) -> str:
        return (await actors.service(Researcher).look_into.send("tides")).id


CLASSES = (Editor, Researcher)


async def until_paused(handle: Any) -> Any:
    while (info := await handle.info()).status is not Status.PAUSED:
        await trio.sleep(0.1)
    return info


async def paused(client: Client) -> list[str]:
    found = [one for one in await client.invocations() if one.status is Status.PAUSED]
    return sorted(str(one.target) for one in found)


async def test_an_invocation_and_what_it_calls_pause_together_and_go_on_with_more() -> None:
    async with Lab(*CLASSES, partitions=4).running() as runtime:
        client = runtime.client
        budget: dict[str, Amount] = {"tokens": 100, "usd": "100"}
        handle = await client.service(Editor).write.options(budget=budget).send(["tides", "moons", "storms"])
        info = await until_paused(handle)
        await trio.sleep(5)
        assert await paused(client) == ["Editor/write", *["Researcher/look_into"] * 3]
        assert len(DID) == 3, "what ran when it was used up has ended, and nothing began"
        info = await handle.info()
        assert info.pause_cause is PauseCause.BUDGET
        assert info.budget == {"tokens": "100", "usd": "100"}
        assert info.budget_spent == {"tokens": "1200", "usd": "1.5"}
        assert info.spent == {}, "its own"
        (because,) = [one.because for one in reasons(info) if one.waits_for is WaitCause.RESUME]
        assert f"playhead invocations resume {handle.id} --budget tokens=+" in because
        below = next(one for one in await client.invocations(service="Researcher"))
        assert handle.id in below.pause_reason
        await handle.resume(budget={"tokens": 1_200})
        await until_paused(handle)
        await trio.sleep(5)
        assert len(DID) == 6
        answer = await handle.resume(budget={"tokens": 5_000}, reason="worth it")
        assert (answer.changed, answer.before) == (True, Status.PAUSED)
        assert await handle.result() == "SUMMARY"
        info = await handle.info()
        assert info.budget == {"tokens": "6300", "usd": "100"}
        assert info.budget_spent == {"tokens": "2800", "usd": "3.5"}
        entries = [entry async for entry in handle.events()]
        names = [entry.name for entry in entries]
        noted = entries[names.index("BudgetUsedUp")].details["over"]
        assert noted == {"invocation_id": handle.id, "quantity": "tokens", "spent": noted["spent"], "budget": "100"}
        assert names.count("BudgetRaised") == 2
        assert names.count("BudgetUsedUp") == 6


async def test_more_may_be_given_before_it_is_needed() -> None:
    async with Lab(*CLASSES).running() as runtime:
        client = runtime.client
        handle = await client.service(Editor).write.options(budget={"tokens": 400}).send(["tides"])
        answer = await handle.resume(budget={"tokens": 801})
        assert answer.changed
        assert await handle.result() == "SUMMARY"
        info = await handle.info()
        assert info.budget == {"tokens": "1201"}
        assert info.budget_spent == {"tokens": "1200"}


async def test_a_start_and_a_change_of_a_limit_leave_what_an_own_budget_has_paused() -> None:
    lab = Lab(*CLASSES, partitions=2)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Editor).write.options(budget={"tokens": 100}).send(["tides"])
        await until_paused(handle)
        await trio.sleep(5)
        before = await _histories(runtime.client)
    async with lab.running() as runtime:
        await trio.sleep(5)
        assert await _histories(runtime.client) == before
        await runtime.client.limits.set("tag:user", budget={"tokens": 1})
        await runtime.client.limits.set("everything", budget={"tokens": 10_000})
        await trio.sleep(5)
        assert await _histories(runtime.client) == before
        await runtime.client.invocation(handle.id).resume(budget={"tokens": 10_000})
        assert await runtime.client.invocation(handle.id).result() == "SUMMARY"


async def _histories(client: Client) -> dict[str, list[str]]:
    return {
        one.id: [entry.name async for entry in client.invocation(one.id).events()] for one in await client.invocations()
    }


async def test_what_spends_nothing_pauses_with_the_others() -> None:
    async with Lab(*CLASSES, partitions=2).running() as runtime:
        client = runtime.client
        handle = await client.service(Editor).compare.options(budget={"tokens": 400}).send(5)
        await trio.sleep(10)
        assert DID == ["beside it", "page 0"]
        assert await paused(client) == ["Editor/compare", "Researcher/read_on"]
        await handle.resume(budget={"tokens": 1})
        assert await handle.result() == 5


async def test_a_resume_without_more_pauses_again() -> None:
    async with Lab(*CLASSES).running() as runtime:
        client = runtime.client
        handle = await client.service(Editor).write.options(budget={"usd": "0.5"}).send(["tides"])
        await until_paused(handle)
        await trio.sleep(2)
        for one in await client.invocations():
            await client.invocation(one.id).resume()
        await trio.sleep(10)
        assert len(DID) == 1
        assert "Researcher/look_into" in await paused(client)
        await handle.resume(budget={"usd": 5})
        assert await handle.result() == "SUMMARY"


async def test_a_cancelled_one_compensates_without_a_bound() -> None:
    async with Lab(*CLASSES, partitions=2).running() as runtime:
        client = runtime.client
        handle = await client.service(Editor).with_cleanup.options(budget={"tokens": 1}).send()
        await until_paused(handle)
        await handle.cancel(reason="enough")
        with raises(InvocationCancelledError):
            await handle.result()
        assert DID == ["first", "what is what to undo?", "what is new about what to undo?"]
        assert await paused(client) == []
        assert (await handle.info()).budget_spent == {"tokens": "400"}


async def test_a_budget_within_a_budget_is_counted_by_both() -> None:
    async with Lab(*CLASSES, partitions=4).running() as runtime:
        client = runtime.client
        handle = await client.service(Editor).inner.options(budget={"tokens": 400}).send(800)
        await until_paused(handle)
        (inner,) = [one for one in await client.invocations() if one.target.handler == "write"]
        assert inner.budget_spent == {"tokens": "400"}
        await handle.resume(budget={"tokens": 10_000})
        inner_handle = client.invocation(inner.id)
        await until_paused(inner_handle)
        assert (await handle.info()).status is Status.SUSPENDED
        await inner_handle.resume(budget={"tokens": 10_000})
        assert await handle.result() == "SUMMARY"
        assert (await handle.info()).budget_spent == {"tokens": "1200"}


async def test_what_is_sent_does_not_spend_it() -> None:
    async with Lab(*CLASSES).running() as runtime:
        client = runtime.client
        handle = await client.service(Editor).send_only.options(budget={"tokens": 1}).send()
        assert await client.invocation(await handle.result()).result() == "WHAT IS NEW ABOUT TIDES?"
        assert (await handle.info()).budget_spent == {}


async def test_a_restart_has_the_budget_of_the_call_and_spends_it_anew() -> None:
    async with Lab(*CLASSES).running() as runtime:
        client = runtime.client
        handle = await client.service(Researcher).look_into.options(budget={"tokens": 800}).send("tides")
        await until_paused(handle)
        await handle.resume(budget={"tokens": 1})
        await handle.result()
        restarted = await handle.restart("2")
        successor = client.invocation(restarted.successor.invocation_id)
        assert await successor.result() == "WHAT IS NEW ABOUT TIDES?"
        info = await successor.info()
        assert (info.budget, info.budget_spent) == ({"tokens": "800"}, {"tokens": "400"})


@pytest.mark.parametrize("is_written", [True, False])
async def test_a_death_at_any_commit_loses_no_amount_and_no_pause(*, is_written: bool) -> None:
    for at in range(3, 19, 2):
        DID.clear()
        store = Dying(at, is_written=is_written)
        lab = Lab(*CLASSES, partitions=2, store=store)
        async with lab.running() as runtime, trio.open_nursery() as nursery:
            nursery.start_soon(_live, runtime.client)
            with trio.move_on_after(60):
                await store.died.wait()
            nursery.cancel_scope.cancel()
        lab.store = MemoryStore(store.contents())
        async with lab.running() as runtime:
            assert await _live(runtime.client) == "SUMMARY"
            spent = 0
            for info in await runtime.client.invocations():
                entries = [entry async for entry in runtime.client.invocation(info.id).events()]
                spent += sum(int(e.details["spent"]["tokens"]) for e in entries if e.name == "QuantitiesSpent")
            (editor,) = await runtime.client.invocations(service="Editor")
            assert editor.budget_spent == {"tokens": str(spent)}
            assert editor.budget == {"tokens": "9600"}
            assert spent >= 2000


async def _live(client: Client) -> str:
    call = client.service(Editor).write.options(budget={"tokens": 600}, idempotency_key="once")
    handle = await call.send(["tides", "moons"])
    with trio.move_on_after(30):
        await until_paused(handle)
    await handle.resume(budget={"tokens": 9_000}, idempotency_key="more")
    return str(await handle.result())


@replicated.about_one_store("it looks into the store")
async def test_a_purge_removes_the_sums() -> None:
    lab = Lab(*CLASSES, partitions=2)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Editor).write.options(budget={"tokens": 9_000}).send(["tides"])
        await handle.result()
        assert {keys.scope_of_spent(key) for key, _ in lab.store.contents() if key[:1] == b"j"} == {
            f"invocation:{handle.id}"
        }
        await handle.purge()
    async with lab.running():
        await trio.sleep(1)
        assert [key for key, _ in lab.store.contents() if key[:1] == b"j"] == []


async def test_sums_outlast_the_time_until_the_row_of_a_budget_arrives_from_another_node() -> None:
    await trio.lowlevel.checkpoint()
    budgets, scope, now = Budgets(KvJournal(MemoryStore(), partitions=2)), f"invocation:{IT}", 7 * 86400.0
    places: Any = None  # those of limits
    for life in (keys.microseconds(now - 60), -keys.microseconds(now - 60)):
        assert budgets.is_kept(scope, life, places, now)
        assert not budgets.is_kept(scope, life, places, now + 86400.0), "the invocation was purged"


async def test_a_budget_that_is_none_is_refused() -> None:
    async with Lab(*CLASSES).running() as runtime:
        client = runtime.client
        for budget in ({}, {"tokens": -1}, {"tokens": 0.5}, {"not a name": 1}):
            with raises(InvalidArgumentError):
                client.service(Editor).write.options(budget=budget)  # type: ignore[arg-type]
        handle = await client.service(Researcher).wait.send()
        with raises(ConflictError, code=ErrorCode.NO_BUDGET):
            await handle.resume(budget={"tokens": 1})
        with raises(InvalidArgumentError, path="budget"):
            await handle.resume(budget={})
        with raises(InvalidArgumentError, path="budget"):
            await handle.resume(budget={"tokens": 0})
        with raises(InvalidArgumentError, path="budget"):
            await handle.resume(budget={"tokens": 1}, dry_run=True)  # type: ignore[call-overload]
        bound = await client.service(Researcher).wait.options(budget={"tokens": 10, "usd": 1}).send()
        with raises(ConflictError, code=ErrorCode.NO_BUDGET):
            await bound.resume(budget={"tokens": 5, "usdd": 5})
        assert (await bound.info()).budget == {"tokens": "10", "usd": "1"}
        await bound.signal("go", True)
        assert await bound.result() is True
        with raises(ConflictError, code=ErrorCode.ALREADY_COMPLETED):
            await bound.resume(budget={"tokens": 1})


async def test_sql_shows_a_budget_and_what_is_spent_of_it() -> None:
    async with Lab(*CLASSES).running() as runtime:
        client = runtime.client
        handle = await client.service(Editor).write.options(budget={"tokens": 300}).send(["tides"])
        await until_paused(handle)
        sql = (
            "SELECT id, budget ->> 'tokens', budget_spent ->> 'tokens' FROM sys_invocation WHERE budget IS NOT NULL "
            "AND pause_cause = 'budget'"
        )
        assert (await client.query(sql)).rows == [[handle.id, "300", "400"]]
