"""Budgets: what invocations spend is counted once, and one that has used up its budget is paused until there is more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

import actors
from actors import InvalidArgumentError, LimitExceededError, RetryPolicy, Service, handler, step
from actors.errors import InvocationCancelledError, MisuseError
from actors.model.explain import WaitCause, reasons
from journal import keys
from journal.events import PauseCause, Status
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch
from tests import replicated
from tests.lab import Lab, until
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

ASKED: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    ASKED.clear()


@step(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
async def ask(prompt: str, tokens: int = 400) -> str:
    ASKED.append(prompt)
    actors.spend(tokens=tokens, euros="0.04")
    await trio.sleep(1.0)
    if prompt.startswith("fail") and ASKED.count(prompt) == 1:
        raise ConnectionError("reset")
    return prompt.upper()


class Agent(Service):
    @handler
    async def research(self, questions: int) -> list[str]:
        return [await ask(f"question {number}") for number in range(questions)]

    @handler
    async def at_once(self, questions: int) -> int:
        async with actors.open_nursery() as nursery:
            for number in range(questions):
                nursery.start_soon(ask, f"question {number}")
        await ask("summary")
        return questions

    @handler
    async def count(self, pages: int) -> int:
        for _ in range(pages):
            actors.spend(pages=1, tokens=Decimal("0.1"))
            await actors.signal("next")
        return pages

    @handler
    async def tick(self) -> float:
        actors.spend(ticks=1)
        return actors.current_time()

    @handler
    async def fail_once(self) -> str:
        return await ask("fail once")

    @handler
    async def give_up(self) -> str:
        with actors.move_on_after(0.5):
            return await ask("slow")
        return "nothing"


class Dying(MemoryStore):
    """A store whose process dies at a commit: just before it, or when it is on disk and nobody knows."""

    def __init__(self, at: int, *, is_written: bool) -> None:
        super().__init__()
        self.left = at
        self.is_written = is_written
        self.died = trio.Event()

    async def commit(self, batch: Batch) -> None:
        self.left -= 1
        if self.left > 0 or (self.left == 0 and self.is_written):
            await super().commit(batch)
        if self.left <= 0:
            self.died.set()
            await trio.sleep_forever()


async def total(client: actors.Client, scope: str) -> dict[str, str]:
    return next(limit.spent for limit in await client.limits.list() if limit.scope == scope)


async def paused(handle: Any) -> bool:
    return (await handle.info()).status is Status.PAUSED


async def until_paused(handle: Any) -> None:
    while not await paused(handle):
        await trio.sleep(0.1)


async def test_one_that_has_used_up_its_budget_is_paused_and_goes_on_with_more() -> None:
    async with Lab(Agent, partitions=2).running() as runtime:
        client = runtime.client
        await client.limits.set("service:Agent", budget={"tokens": 1_000, "euros": "5"})
        handle = await client.service(Agent).research.send(5)
        await until_paused(handle)
        info = await handle.info()
        assert len(ASKED) == 3
        assert info.pause_cause is PauseCause.BUDGET
        assert "1,200 of 1,000 tokens" in info.pause_reason
        assert info.spent == {"tokens": "1200", "euros": "0.12"}
        (reason,) = [one for one in reasons(info) if one.waits_for is WaitCause.RESUME]
        assert "1,200 of 1,000 tokens" in reason.because
        assert await total(client, "service:Agent") == {"tokens": "1200", "euros": "0.12"}
        later = await client.service(Agent).research.send(1)
        await trio.sleep(10)
        waiting = await later.info()
        assert waiting.status is Status.QUEUED
        assert waiting.limit_wait is not None
        assert waiting.limit_wait.used_up is not None
        assert waiting.limit_wait.used_up.spent == "1200"
        await client.limits.set("service:Agent", budget={"tokens": 10_000, "euros": "5"})
        assert await handle.result() == [f"QUESTION {number}" for number in range(5)]
        assert await later.result() == ["QUESTION 0"]
        assert await total(client, "service:Agent") == {"tokens": "2400", "euros": "0.24"}
        assert (await handle.info()).spent == {"tokens": "2000", "euros": "0.2"}


async def test_after_a_death_each_spend_is_counted_once() -> None:
    lab = Lab(Agent, partitions=2)
    async with lab.running() as runtime:
        client = runtime.client
        await client.limits.set("service:Agent", budget={"tokens": "100000", "pages": 50})
        await client.limits.set("handler:Agent/count", budget={"pages": 50})
        counting = await client.service(Agent).count.send(3)
        asking = await client.service(Agent).research.send(3)
        await until(lambda: len(ASKED) == 2)
        await trio.sleep(0.5)  # the second question is under way
    for _ in range(2):  # the handlers are replayed, and the second time nothing has happened in between
        async with lab.running() as runtime:
            await trio.sleep(0.2)
            assert await total(runtime.client, "service:Agent") == {"tokens": "400.1", "pages": "1"}
    async with lab.running() as runtime:
        client = runtime.client
        handle = client.invocation(counting.id)
        assert (await handle.info()).spent == {"pages": "1", "tokens": "0.1"}
        for _ in range(3):
            await handle.signal("next")
        assert await handle.result() == 3
        assert await client.invocation(asking.id).result() == ["QUESTION 0", "QUESTION 1", "QUESTION 2"]
        assert await total(client, "service:Agent") == {"tokens": "1200.3", "pages": "3"}
        assert await total(client, "handler:Agent/count") == {"pages": "3"}
        assert (await handle.info()).spent == {"pages": "3", "tokens": "0.3"}


@replicated.about_one_store("it looks into the store")
async def test_the_sums_of_a_deleted_budget_are_removed() -> None:
    lab = Lab(Agent)
    async with lab.running() as runtime:
        client = runtime.client
        for scope in ("tag:user", "service:Agent"):
            await client.limits.set(scope, budget={"tokens": 10_000})
        await client.service(Agent).research.options(tags={"user": "ada"})(1)
        await client.limits.delete("tag:user")
        await client.service(Agent).research(1)
        assert {keys.scope_of_spent(key) for key, _ in lab.store.contents() if key[:1] == b"j"} == {"service:Agent"}
        await client.limits.set("tag:user", budget={"tokens": 10_000})
        assert await total(client, "tag:user") == {}
        assert await total(client, "service:Agent") == {"tokens": "800"}


@pytest.mark.parametrize("is_written", [True, False])
async def test_a_death_at_any_commit_leaves_sums_that_are_those_of_the_events(*, is_written: bool) -> None:
    for at in range(8, 18):  # before that the limit is being set
        store = Dying(at, is_written=is_written)
        lab = Lab(Agent, partitions=2, store=store)
        async with lab.running() as runtime, trio.open_nursery() as nursery:
            nursery.start_soon(_live, runtime.client)
            with trio.move_on_after(60):
                await store.died.wait()
            nursery.cancel_scope.cancel()
        lab.store = MemoryStore(store.contents())
        async with lab.running() as runtime:
            client = runtime.client
            await _live(client)
            events = 0
            for info in await client.invocations(service="Agent"):
                entries = [entry async for entry in client.invocation(info.id).events()]
                own = [int(e.details["spent"]["tokens"]) for e in entries if e.name == "QuantitiesSpent"]
                assert (await client.invocation(info.id).info()).spent.get("tokens", "0") == str(sum(own))
                events += sum(own)
            assert events >= 800
            assert await total(client, "service:Agent") == {"tokens": str(events)}


async def _live(client: actors.Client) -> None:
    await client.limits.set("service:Agent", budget={"tokens": 500})
    handle = await client.service(Agent).research.options(idempotency_key="once").send(2)
    await trio.sleep(10)
    await client.limits.set("service:Agent", budget={"tokens": 50_000})
    await handle.result()


async def test_a_raise_just_before_the_process_ends_is_seen_by_the_next() -> None:
    lab = Lab(Agent)
    async with lab.running() as runtime:
        client = runtime.client
        await client.limits.set("service:Agent", budget={"tokens": 300})
        sent = await client.service(Agent).research.send(2)
        await until_paused(sent)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(sent.id)
        await trio.sleep(10)
        assert await paused(handle)
        await runtime.client.limits.delete("service:Agent")
    async with lab.running() as runtime:
        assert await runtime.client.invocation(sent.id).result() == ["QUESTION 0", "QUESTION 1"]


async def test_steps_that_run_when_a_budget_is_used_up_end_and_are_recorded() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        await client.limits.set("handler:Agent/at_once", budget={"tokens": 1_000})
        handle = await client.service(Agent).at_once.send(3)
        await until_paused(handle)
        await trio.sleep(2)  # until the last one has ended
        assert len(ASKED) == 3, "no summary"
        assert [entry.name for entry in [entry async for entry in handle.events()]].count("StepCompleted") == 3
        await handle.resume()
        await until_paused(handle)  # it has no more than before
        await client.limits.set("handler:Agent/at_once", budget={"tokens": 5_000})
        assert await handle.result() == 3
        assert len(ASKED) == 4


async def test_what_a_handler_spends_pauses_it_at_the_end_of_its_turn() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        await client.limits.set("tag:user", budget={"pages": 2})
        ada, bob = [await client.service(Agent).count.options(tags={"user": user}).send(3) for user in ("ada", "bob")]
        await ada.signal("next")
        await until_paused(ada)
        await ada.signal("next")
        assert not await paused(bob)
        assert await total(client, "tag:user") == {"pages": "3"}
        assert (await ada.info()).pause_reason.startswith("the budget of tag:user=ada is used up: 2 of 2 pages")
        await client.limits.set("tag:user=ada", budget={"pages": 10})  # its own, which has counted nothing yet
        await ada.signal("next")
        assert await ada.result() == 3
        assert await total(client, "tag:user=ada") == {"pages": "1"}
        assert await client.service(Agent).tick() > 0


async def test_tries_that_fail_or_are_stopped_have_spent_too() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        await client.limits.set("everything", budget={"tokens": 10_000})
        assert await client.service(Agent).fail_once() == "FAIL ONCE"
        assert await total(client, "everything") == {"tokens": "800"}
        assert await client.service(Agent).give_up() == "nothing"
        assert await total(client, "everything") == {"tokens": "1200"}


async def test_a_cancelled_one_goes_on_to_its_end_without_a_budget() -> None:
    async with Lab(Agent).running() as runtime:
        await runtime.client.limits.set("everything", budget={"pages": 1})
        handle = await runtime.client.service(Agent).count.send(3)
        await until_paused(handle)
        await handle.cancel()
        with raises(InvocationCancelledError):
            await handle.result()


async def test_a_restart_counts_only_what_it_spends_itself() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        await client.limits.set("everything", budget={"tokens": 10_000, "pages": 5})
        original = await client.service(Agent).research.send(3)
        await original.result()
        restarted = await original.restart("2")
        successor = client.invocation(restarted.successor.invocation_id)
        await successor.result()
        found = await total(client, "everything")
        assert (
            (await successor.info()).spent["tokens"] == str(int(found["tokens"]) - 1200) == str(400 * (len(ASKED) - 3))
        )


@pytest.mark.parametrize(
    "amount", [0.04, -1, "1e3", "NaN", Decimal("inf"), 10**18, "0.0000000001", True, None, "", "1_000"]
)
async def test_an_amount_that_is_not_exact_is_refused(amount: Any) -> None:
    class Careless(Service):
        @handler
        async def run(self) -> None:
            with raises(InvalidArgumentError, path="amounts.tokens"):
                actors.spend(tokens=amount)
            with raises(InvalidArgumentError):
                actors.spend()
            with raises(LimitExceededError, limit="quantities", maximum=16, found=17):
                actors.spend(**{f"q{number}": 1 for number in range(17)})

    async with Lab(Careless).running() as runtime:
        await runtime.client.service(Careless).run()
        with raises(InvalidArgumentError, path="budget.tokens"):
            await runtime.client.limits.set("everything", budget={"tokens": amount})
    with raises(MisuseError):
        actors.spend(tokens=1)


async def test_what_is_spent_without_a_budget_is_known_too() -> None:
    async with Lab(Agent).running() as runtime:
        handle = await runtime.client.service(Agent).research.send(2)
        await handle.result()
        assert (await handle.info()).spent == {"tokens": "800", "euros": "0.08"}


async def test_what_is_spent_is_in_sql_and_in_the_history() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        await client.limits.set("service:Agent", budget={"tokens": 300})
        handle = await client.service(Agent).research.send(2)
        await until_paused(handle)
        sql = "SELECT id FROM sys_invocation WHERE pause_cause = 'budget' AND spent ->> 'tokens' = '400'"
        assert (await client.query(sql)).rows == [[handle.id]]
        sql = "SELECT budget ->> 'tokens', spent ->> 'tokens' FROM sys_limit"
        assert (await client.query(sql)).rows == [["300", "400"]]
        (entry,) = [entry async for entry in handle.events() if entry.name == "QuantitiesSpent"]
        assert entry.details["spent"] == {"tokens": "400", "euros": "0.04"}
