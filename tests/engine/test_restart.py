"""Restart: what is kept is never executed again, what is bad begins again, and people are not asked twice."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import (
    Actor,
    ConflictError,
    InvocationHandle,
    Log,
    Map,
    NotFoundError,
    Service,
    Status,
    Workflow,
    handler,
    shared,
    step,
)
from actors.errors import ErrorCode
from actors.types import OutcomeKind, RestartResult
from journal import events as e
from journal import keys
from journal.ids import life_of
from journal.kv.store import Batch
from tests.lab import WORLD, Lab, quiet, until
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

BROKEN: set[str] = set()


@pytest.fixture(autouse=True)
def nothing_broken() -> None:
    BROKEN.clear()


async def work(name: str, seconds: float = 0.0) -> str:
    """A step of this name."""
    return await actors.run(do, name, seconds, name=name, retry=actors.RetryPolicy(max_attempts=1))


async def do(name: str, seconds: float) -> str:
    WORLD.note(name)
    await trio.sleep(seconds)
    if name in BROKEN:
        raise ValueError(f"{name} is broken")
    return f"{name} {WORLD.count(name)}"


class Claim(Service):
    @handler
    async def settle(self, amount: int) -> list[str]:
        done = [await work("assess")]
        done += [f"{who} {await actors.signal(who, bool)}" for who in ("agent", "lawyer", "boss")]
        done.append(await work("reimburse"))
        done.append(await work("notify"))
        return [*done, str(amount)]

    @handler
    async def gather(self) -> list[str]:
        found: dict[str, str] = {}

        async def one(name: str, seconds: float) -> None:
            found[name] = await work(name, seconds)

        async with actors.open_nursery() as nursery:
            nursery.start_soon(one, "fast", 1.0)
            nursery.start_soon(one, "slow", 3.0)
            nursery.start_soon(one, "slower", 5.0)
        return [found[name] for name in sorted(found)] + [await work("last")]

    @handler
    async def nested(self) -> list[str]:
        first = await actors.service(Claim).part("first")
        second = await actors.service(Claim).part("second")
        return [first, second]

    @handler
    async def part(self, name: str) -> str:
        return await work(name)

    @handler
    async def loop(self) -> list[str]:
        return [await work("again") for _ in range(3)]

    @handler
    async def bounded(self) -> str:
        with actors.move_on_after(10.0) as scope:
            await work("first", 4.0)
            await work("second", 4.0)
            await work("third", 4.0)
        return f"{scope.cancelled_caught}"

    @handler
    async def careful(self) -> str:
        try:
            await work("try")
            await actors.sleep(1e6)
        except actors.CancelledError:
            await work("undo")
            raise
        return "?"

    @handler
    async def once(self) -> str:
        await work("before")
        return await actors.run(self._once, at_most_once=True, name="pay")

    async def _once(self) -> str:
        WORLD.note("pay")
        if "pay" in BROKEN:
            raise ValueError("no answer")
        return f"paid {WORLD.count('pay')}"

    @handler
    async def talk(self) -> str:
        actors.emit("hello")
        await self._speak("kept")
        await self._speak("lost")
        actors.emit("bye")
        return "said"

    @staticmethod
    @step(retry=actors.RetryPolicy(max_attempts=1))
    async def _speak(word: str) -> None:
        actors.emit(word)
        if word in BROKEN:
            raise ValueError(word)

    @handler
    async def sends(self) -> str:
        await actors.service(Claim).part.send("sent")
        return await work("after")

    @handler
    async def draw(self) -> str:
        drawn = await actors.service(Claim).part(f"ticket {actors.random().random()}")
        return f"{drawn} {await work('pay')}"

    @handler
    async def regenerate(self, of: str) -> str:
        answer = await actors.invocation(of).restart("reimburse", reason="again, please")
        assert answer.successor is not None
        return answer.successor.invocation_id


class Account(Actor):
    balance: int = 0
    tags: list[str] = actors.field(factory=list)
    lines: Log[str]
    items: Map[str, int]

    @handler
    async def add(self, amount: int) -> int:
        before = self.balance
        self.balance += amount
        self.tags.append(f"{amount}")
        self.lines.append(f"add {amount}")
        self.items["last"] = amount
        await work("first")
        self.balance += 1000
        self.lines.append("between")
        self.items["between"] = self.balance
        await work("second")
        self.lines.append(f"from {before}")
        return self.balance

    @shared
    async def look(self) -> tuple[int, list[str], list[str], dict[str, int]]:
        return self.balance, self.tags, list(self.lines), dict(self.items.items())

    @handler
    async def put(self, balance: int) -> None:
        self.balance = balance
        self.items["put"] = balance
        self.items["last"] = -1


class Once(Workflow):
    @handler
    async def run(self, name: str) -> str:
        return await work(name)


class Asker(Service):
    @handler
    async def ask(self) -> str:
        return await actors.workflow(Once, "a").run("job")


class Brief(Workflow):
    @handler(retention=100.0)
    async def run(self, name: str) -> str:
        return await work(name)


async def gone(handle: InvocationHandle[Any]) -> bool:
    try:
        await handle.info()
    except NotFoundError:
        return True
    return False


async def ended(handle: InvocationHandle[Any]) -> actors.types.InvocationInfo:
    with trio.fail_after(1e7):
        await handle.outcome()
    return await handle.info()


async def held(handle: InvocationHandle[Any]) -> actors.types.InvocationInfo:
    with trio.fail_after(1e7):
        while (info := await handle.info()).status is not Status.PAUSED:
            await trio.sleep(1.0)
    return info


def successor(client: actors.Client, answer: actors.types.ControlResult) -> InvocationHandle[Any]:
    assert answer.changed
    assert answer.successor is not None
    return client.invocation(answer.successor.invocation_id)


async def approved_claim(client: actors.Client) -> InvocationHandle[Any]:
    claim = await client.service(Claim).settle.send(7)
    for who in ("agent", "lawyer", "boss"):
        await claim.signal(who, True)
    return claim


async def test_restarting_before_a_buggy_step_keeps_every_approval_and_every_step_before_it() -> None:
    BROKEN.add("reimburse")
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await held(claim)
        BROKEN.clear()
        answer = await claim.restart("reimburse", stop="kill", reason="fixed")
        again = successor(runtime.client, answer)
        assert answer.successor is not None
        assert [ref.name for ref in answer.successor.kept] == ["assess", "agent", "lawyer", "boss"]
        assert [ref.name for ref in answer.successor.again] == ["reimburse"]
        assert await again.result() == [
            "assess 1",
            "agent True",
            "lawyer True",
            "boss True",
            "reimburse 2",
            "notify 1",
            "7",
        ]
    assert [WORLD.count(name) for name in ("assess", "reimburse", "notify")] == [1, 2, 1]


async def test_lineage_is_recorded_both_ways() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await claim.result()
        again = successor(runtime.client, await claim.restart("notify", reason="once more"))
        await again.result()
        assert (await claim.info()).successors == (again.id,)
        assert (await again.info()).restarts == e.Lineage(
            claim.id, e.StepId("6"), seed=life_of(claim.id, (await claim.info()).created_at)
        )
        history = [entry.name async for entry in claim.events()]
        assert history[-2:] == ["InvocationCompleted", "InvocationRestarted"]


async def test_a_restart_from_the_beginning_keeps_nothing_and_may_take_other_input() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await claim.result()
        again = successor(runtime.client, await claim.restart(input=9))
        await quiet()
        assert WORLD.count("assess") == 2
        for who in ("agent", "lawyer", "boss"):
            await again.signal(who, False)
        result = await again.result()
        assert (result[0], result[1], result[-1]) == ("assess 2", "agent False", "9")


async def test_input_that_does_not_fit_is_refused_and_nothing_is_begun() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await claim.result()
        with raises(actors.InvalidArgumentError, path="$"):
            await claim.restart(input="nine")
        assert (await claim.info()).successors == ()


async def test_restarting_at_a_signal_asks_for_that_one_again_and_keeps_those_that_came_later() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await claim.result()
        again = successor(runtime.client, await claim.restart("agent"))
        await quiet()
        assert [wait.name for wait in (await again.info()).waits] == ["agent"]
        await again.signal("agent", False)
        assert (await again.result())[1:4] == ["agent False", "lawyer True", "boss True"]


async def test_steps_that_ended_beside_the_one_restarted_from_are_kept() -> None:
    BROKEN.add("slower")
    async with Lab(Claim).running() as runtime:
        gathering = await runtime.client.service(Claim).gather.send()
        await held(gathering)
        BROKEN.clear()
        again = successor(runtime.client, await gathering.restart("slower", stop="kill"))
        assert await again.result() == ["fast 1", "slow 1", "slower 2", "last 1"]


async def test_steps_that_were_under_way_when_the_outcome_came_begin_again() -> None:
    async with Lab(Claim).running() as runtime:
        gathering = await runtime.client.service(Claim).gather.send()
        await gathering.result()
        answer = await gathering.restart("fast")
        assert answer.successor is not None
        assert {ref.name for ref in answer.successor.again} == {"fast", "slow", "slower"}
        assert await successor(runtime.client, answer).result() == ["fast 2", "slow 2", "slower 2", "last 2"]


async def test_results_of_calls_that_are_kept_are_used_again_and_a_call_restarted_from_is_a_new_one() -> None:
    async with Lab(Claim).running() as runtime:
        parent = await runtime.client.service(Claim).nested.send()
        assert await parent.result() == ["first 1", "second 1"]
        again = successor(runtime.client, await parent.restart("2"))
        assert await again.result() == ["first 1", "second 2"]
        parts = await runtime.client.invocations(handler="part")
        assert len(parts) == 3


async def test_messages_that_were_sent_are_not_sent_again() -> None:
    async with Lab(Claim).running() as runtime:
        sending = await runtime.client.service(Claim).sends.send()
        await sending.result()
        await successor(runtime.client, await sending.restart("after")).result()
        await quiet()
    assert WORLD.count("sent") == 1


async def test_a_name_that_several_steps_have_is_refused_with_their_paths() -> None:
    async with Lab(Claim).running() as runtime:
        looping = await runtime.client.service(Claim).loop.send()
        await looping.result()
        with raises(actors.InvalidArgumentError, path="from_step"):
            await looping.restart("again")
        with raises(actors.NotFoundError, kind="step", match=r"1 \(again\), 2"):
            await looping.restart("paint")
        assert await successor(runtime.client, await looping.restart("2")).result() == ["again 1", "again 4", "again 5"]


async def test_a_deadline_has_the_time_ahead_of_it_that_it_had_at_the_step() -> None:
    async with Lab(Claim).running() as runtime:
        bounded = await runtime.client.service(Claim).bounded.send()
        assert await bounded.result() == "True"
        await trio.sleep(1e4)
        again = successor(runtime.client, await bounded.restart("second"))
        started = trio.current_time()
        assert await again.result() == "True"
        assert trio.current_time() - started == pytest.approx(2.0, abs=0.1)  # the deadline came 8 s into 10


async def test_a_restart_is_not_cancelled_though_the_original_was() -> None:
    async with Lab(Claim).running() as runtime:
        careful = await runtime.client.service(Claim).careful.send()
        await quiet()
        await careful.cancel()
        await ended(careful)
        with raises(actors.ConflictError, code="not_possible"):
            await careful.restart("undo")
        again = successor(runtime.client, await careful.restart("2"))
        await quiet()
        assert (await again.info()).status is Status.SUSPENDED
    assert (WORLD.count("try"), WORLD.count("undo")) == (1, 1)


async def test_a_step_that_may_begin_only_once_begins_again_where_somebody_says_so() -> None:
    BROKEN.add("pay")
    async with Lab(Claim).running() as runtime:
        once = await runtime.client.service(Claim).once.send()
        await ended(once)
        BROKEN.clear()
        assert await successor(runtime.client, await once.restart("pay")).result() == "paid 2"
    assert WORLD.count("before") == 1


async def test_output_of_what_is_kept_is_kept_and_that_of_what_begins_again_comes_again() -> None:
    BROKEN.add("lost")
    async with Lab(Claim).running() as runtime:
        talking = await runtime.client.service(Claim).talk.send()
        await held(talking)
        BROKEN.clear()
        again = successor(runtime.client, await talking.restart("2", stop="kill"))
        await again.result()
        assert [value async for value in again.output()] == ["hello", "kept", "lost", "bye"]


async def test_a_kept_part_replays_after_a_crash_and_nothing_of_it_runs() -> None:
    BROKEN.add("reimburse")
    lab = Lab(Claim)
    async with lab.running() as runtime:
        claim = await approved_claim(runtime.client)
        await held(claim)
        again = successor(runtime.client, await claim.restart("reimburse", stop="kill"))
        await held(again)
    BROKEN.clear()
    async with lab.running() as runtime:
        await runtime.client.invocation(again.id).resume()
        assert (await runtime.client.invocation(again.id).result())[4] == "reimburse 3"
    assert WORLD.count("assess") == 1


async def test_one_that_has_not_ended_must_be_stopped_first() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await runtime.client.service(Claim).settle.send(7)
        await quiet()
        with raises(actors.ConflictError, code="still_open"):
            await claim.restart()
        assert (await claim.info()).successors == ()


async def test_after_a_cancel_the_new_one_begins_behind_the_compensations() -> None:
    async with Lab(Claim).running() as runtime:
        careful = await runtime.client.service(Claim).careful.send()
        await quiet()
        again = successor(runtime.client, await careful.restart(stop="cancel"))
        await until(lambda: WORLD.count("try") == 2)
        assert WORLD.entries == ["try", "undo", "try"]
        assert (await ended(careful)).outcome is not None
        assert (await again.info()).status is Status.SUSPENDED


async def test_whoever_waits_for_the_original_gets_the_answer_of_its_successor() -> None:
    BROKEN.add("second")
    async with Lab(Claim).running() as runtime:
        results: list[Any] = []

        async def call() -> None:
            results.append(await runtime.client.service(Claim).nested())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await until(lambda: WORLD.count("second") == 1)
            (stuck,) = [i for i in await runtime.client.invocations(handler="part") if i.status is Status.PAUSED]
            BROKEN.clear()
            await runtime.client.invocation(stuck.id).restart("second", stop="kill")
        assert results == [["first 1", "second 2"]]


async def test_without_handing_over_the_caller_hears_what_became_of_the_original() -> None:
    BROKEN.add("first")
    async with Lab(Claim).running() as runtime:
        parent = await runtime.client.service(Claim).nested.send()
        await until(lambda: WORLD.count("first") == 1)
        (stuck,) = await runtime.client.invocations(handler="part")
        await runtime.client.invocation(stuck.id).restart(stop="kill", hand_over=False)
        info = await ended(parent)
        assert info.outcome is not None
        assert info.outcome.failure is not None
        assert info.outcome.failure.type == "actors.errors.InvocationCancelledError"
        with raises(actors.InvocationCancelledError, code="killed"):
            await parent.result()


async def test_the_same_restart_asked_twice_under_one_key_is_one() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await claim.result()
        first = await claim.restart("notify", idempotency_key="r-1")
        second = await claim.restart("notify", idempotency_key="r-1")
        third = await claim.restart("notify", idempotency_key="r-2", again=True)
        assert first.successor == second.successor
        assert first.successor != third.successor
        assert len((await claim.info()).successors) == 2


async def test_a_second_restart_is_refused_unless_it_is_asked_for_as_such() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await claim.result()
        answers: list[RestartResult | ConflictError] = []

        async def restart() -> None:
            try:
                answers.append(await claim.restart("reimburse"))
            except ConflictError as refusal:
                answers.append(refusal)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(restart)
        (made,) = [answer for answer in answers if isinstance(answer, RestartResult)]
        refusals = [answer for answer in answers if isinstance(answer, ConflictError)]
        assert [refusal.code for refusal in refusals] == [ErrorCode.ALREADY_RESTARTED] * 2
        assert all(made.successor.invocation_id in str(refusal) for refusal in refusals)
        await successor(runtime.client, made).result()
        for dry_run in (True, False):
            with raises(ConflictError, code=ErrorCode.ALREADY_RESTARTED):
                await claim.restart("reimburse", dry_run=dry_run)
        job = await runtime.client.jobs.of([claim.id]).restart("reimburse")
        assert (await job.result()).refused == {"already_restarted": 1}
        again = await claim.restart("reimburse", again=True)
        assert (await claim.info()).successors == (made.successor.invocation_id, again.successor.invocation_id)


async def test_a_dry_run_says_what_would_be_kept_and_does_nothing() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await claim.result()
        answer = await claim.restart("reimburse", dry_run=True)
        assert not answer.changed
        assert [ref.name for ref in answer.successor.again] == ["reimburse"]
        assert "notify" in [ref.name for ref in answer.successor.dropped]
        assert answer.successor.invocation_id == ""
        assert (await claim.info()).successors == ()
        assert len(await runtime.client.invocations()) == 1


async def test_a_handler_can_restart_another_invocation() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await claim.result()
        again = await runtime.client.service(Claim).regenerate(claim.id)
        assert (await runtime.client.invocation(again).result())[4:6] == ["reimburse 2", "notify 2"]


async def test_chance_falls_as_it_fell_in_what_is_kept() -> None:
    async with Lab(Claim).running() as runtime:
        drawing = await runtime.client.service(Claim).draw.send()
        first = await drawing.result()
        second = successor(runtime.client, await drawing.restart("pay"))
        await second.result()
        third = successor(runtime.client, await second.restart("pay"))
        assert (await third.result()).removesuffix("pay 3") == first.removesuffix("pay 1")


async def test_a_restart_of_a_restart_keeps_what_both_have_lived() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await claim.result()
        second = successor(runtime.client, await claim.restart("reimburse"))
        await second.result()
        third = successor(runtime.client, await second.restart("notify"))
        assert (await third.result())[4:6] == ["reimburse 2", "notify 3"]
        fourth = successor(runtime.client, await third.restart("lawyer"))
        await fourth.signal("lawyer", False)
        assert (await fourth.result())[:4] == ["assess 1", "agent True", "lawyer False", "boss True"]


async def test_the_key_of_a_workflow_leads_to_its_latest_restart() -> None:
    lab = Lab(Once, Asker)
    async with lab.running() as runtime:
        once, first = runtime.client.workflow(Once, "a"), runtime.client.invocation(actors.workflow_id(Once, "a"))
        assert await once.run("job") == "job 1"
        assert await successor(runtime.client, await first.restart()).result() == "job 2"
        assert await once.run("job") == "job 2"
        with pytest.raises(ConflictError) as other:
            await once.run("another job")
        assert other.value.code is ErrorCode.IDEMPOTENCY_CONFLICT
        await runtime.client.gates.close("service:Once")
        latest = successor(
            runtime.client, await successor(runtime.client, await first.restart(again=True)).restart(stop="kill")
        )
        assert (await once.run.send("job")).id == latest.id  # it is still open
        asker = await runtime.client.service(Asker).ask.send()
        await quiet()
        await runtime.client.gates.open("service:Once")
        assert (await asker.result(), await first.result()) == ("job 3", "job 1")
    async with lab.running() as runtime:
        assert await runtime.client.workflow(Once, "a").run("job") == "job 3"


async def test_a_workflow_does_not_run_again_while_its_restart_is_kept() -> None:
    lab = Lab(Brief)
    async with lab.running() as runtime:
        brief, first = runtime.client.workflow(Brief, "a"), runtime.client.invocation(actors.workflow_id(Brief, "a"))
        assert await brief.run("job") == "job 1"
        await trio.sleep(80.0)
        again = successor(runtime.client, await first.restart())
        assert await again.result() == "job 2"
        await trio.sleep(80.0)  # that of the first one is over
        assert await brief.run("job") == "job 2"
        await trio.sleep(2 * 3600.0)
        assert await gone(again)
        assert await gone(first)
        assert await brief.run("job") == "job 3"


async def test_a_run_is_kept_for_thirty_days_and_other_handlers_for_one() -> None:
    async with Lab(Once, Account).running() as runtime:
        assert await runtime.client.workflow(Once, "a").run("job") == "job 1"
        info = await runtime.client.invocation(actors.workflow_id(Once, "a")).info()
        assert info.purge_at is not None
        assert info.completed_at is not None
        assert info.purge_at - info.completed_at == pytest.approx(30 * 24 * 3600.0)


# Fields.


async def test_a_restarted_handler_sees_its_object_as_it_was_while_it_catches_up_and_as_it_is_then() -> None:
    BROKEN.add("second")
    lab = Lab(Account)
    async with lab.running() as runtime:
        account = runtime.client.actor(Account, "a")
        await account.put(5)
        adding = await account.add.send(10)
        await held(adding)
        await adding.kill()
        await account.put(7)
        BROKEN.clear()
        again = successor(runtime.client, await adding.restart("second"))
        assert await again.result() == 7  # 5 + 10 + 1000 was written by the one that was killed, and then put to 7
        balance, tags, lines, items = await account.look()
        assert (balance, tags) == (7, ["10"])
        assert lines == ["add 10", "between", "from 5"]
        assert items == {"last": -1, "between": 1015, "put": 7}
    assert WORLD.count("first") == 1


async def test_rewinding_makes_the_fields_what_they_were_at_the_step() -> None:
    BROKEN.add("second")
    lab = Lab(Account)
    async with lab.running() as runtime:
        account = runtime.client.actor(Account, "a")
        await account.put(5)
        adding = await account.add.send(10)
        await held(adding)
        await adding.kill()
        await account.put(7)
        BROKEN.clear()
        again = successor(runtime.client, await adding.restart("second", rewind_state=True))
        assert await again.result() == 1015
        assert await account.look() == (
            1015,
            ["10"],
            ["add 10", "between", "from 5"],
            {"last": 10, "between": 1015, "put": 5},
        )
    async with lab.running() as runtime:
        assert (await runtime.client.actor(Account, "a").look())[0] == 1015


async def test_rewinding_to_the_beginning_undoes_what_the_original_wrote() -> None:
    async with Lab(Account).running() as runtime:
        account = runtime.client.actor(Account, "a")
        await account.put(5)
        adding = await account.add.send(10)
        await adding.result()
        again = successor(runtime.client, await adding.restart(rewind_state=True))
        assert await again.result() == 1015
        assert await account.look() == (
            1015,
            ["10"],
            ["add 10", "between", "from 5"],
            {"last": 10, "between": 1015, "put": 5},
        )


async def test_a_service_has_no_fields_to_rewind() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await claim.result()
        with raises(actors.ConflictError, code="not_possible"):
            await claim.restart(rewind_state=True)


async def test_a_restarted_handler_waits_for_its_key_like_everybody() -> None:
    async with Lab(Account).running() as runtime:
        account = runtime.client.actor(Account, "a")
        first = await account.add.send(1)
        await first.result()
        BROKEN.add("second")
        second = await account.add.send(2)
        await held(second)
        again = successor(runtime.client, await first.restart("second"))
        assert (await again.info()).status is Status.QUEUED
        BROKEN.clear()
        await second.resume()
        await second.result()
        assert await again.result() == 2003


async def test_what_a_waiting_restart_will_keep_is_not_purged_before_it_has_started() -> None:
    async with Lab(Account, retention=100.0).running() as runtime:
        account = runtime.client.actor(Account, "a")
        first = await account.add.send(1)
        await first.result()
        BROKEN.add("second")
        second = await account.add.send(2)
        await held(second)
        again = successor(runtime.client, await first.restart("second"))
        with raises(actors.ConflictError, code="not_completed"):
            await first.purge()
        await trio.sleep(1000.0)
        BROKEN.clear()
        await second.resume()
        assert await again.result() == 2003


async def test_a_waiting_restart_keeps_what_it_needs_and_nothing_else_from_its_retention() -> None:
    async with Lab(Account, retention=100.0).running() as runtime:
        account = runtime.client.actor(Account, "a")
        first, other = await account.add.send(1), await runtime.client.actor(Account, "b").add.send(1)
        await first.result()
        await other.result()
        BROKEN.add("second")
        second = await account.add.send(2)
        await held(second)
        await first.restart("second")
        await trio.sleep(200.0)
        assert (await first.info()).status is Status.COMPLETED
        with raises(actors.NotFoundError, kind="invocation"):
            await other.info()


async def test_what_is_purged_cannot_be_restarted() -> None:
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await claim.result()
        await claim.purge()
        with raises(actors.NotFoundError, kind="invocation"):
            await claim.restart()


async def test_an_outcome_says_what_it_was() -> None:
    BROKEN.add("reimburse")
    async with Lab(Claim).running() as runtime:
        claim = await approved_claim(runtime.client)
        await held(claim)
        answer = await claim.restart("reimburse", stop="kill", reason="fixed")
        assert (answer.before, answer.after) == (Status.PAUSED, Status.COMPLETED)
        outcome = await claim.outcome()
        assert (outcome.kind, outcome.reason) == (OutcomeKind.KILLED, "fixed")


async def test_restarts_of_one_call_of_a_service_run_side_by_side() -> None:
    async with Lab(Claim).running() as runtime:
        first = await runtime.client.service(Claim).settle.send(1)
        await quiet()
        await first.kill()
        again = [runtime.client.invocation((await first.restart(again=True)).successor.invocation_id) for _ in range(3)]
        await quiet()
        await again[0].pause()
        for who in ("agent", "lawyer", "boss"):
            await again[2].signal(who, True)
        assert (await again[2].result())[-1] == "1"
        assert [(await handle.info()).status for handle in again[:2]] == [Status.PAUSED, Status.SUSPENDED]
        second = runtime.client.invocation((await again[1].restart(stop="cancel")).successor.invocation_id)
        await quiet()
        assert (await second.info()).status is Status.SUSPENDED
        assert next(reason.text for reason in await again[0].why()).startswith("it is paused")


async def test_a_restart_that_waits_for_its_original_says_so() -> None:
    async with Lab(Claim).running() as runtime:
        first = await runtime.client.service(Claim).careful.send()
        await quiet()
        await first.pause()
        await runtime.client.gates.close("service:Claim")
        answer = await first.restart(stop="cancel")
        reasons = await runtime.client.invocation(answer.successor.invocation_id).why()
        assert any(reason.invocation_id == first.id for reason in reasons)
        assert not any(reason.text == "it runs" for reason in reasons)


@pytest.mark.parametrize("is_asked_for", [True, False])
async def test_the_past_of_its_object_stays_while_a_restart_waits(is_asked_for: bool) -> None:
    async with Lab(Account, retention=100.0).running() as runtime:
        account = runtime.client.actor(Account, "a")
        first, other = await account.add.send(1), await account.add.send(1)
        await other.result()
        BROKEN.add("second")
        second = await account.add.send(2)
        await held(second)
        again = successor(runtime.client, await first.restart("second"))
        if is_asked_for:
            with raises(actors.ConflictError, code="not_completed"):
                await other.purge()
        await trio.sleep(200.0)
        BROKEN.clear()
        await second.resume()
        assert (await again.outcome()).kind is OutcomeKind.SUCCEEDED
        await trio.sleep(400.0)
        with raises(actors.NotFoundError, kind="invocation"):
            await other.info()
    assert WORLD.count("first") == 3


async def test_a_restart_that_could_not_read_what_it_keeps_reads_it_when_resumed() -> None:
    lab = Lab(Account)
    async with lab.running() as runtime:
        account = runtime.client.actor(Account, "a")
        first = await account.add.send(1)
        await first.result()
        BROKEN.add("second")
        second = await account.add.send(2)
        await held(second)
        again = successor(runtime.client, await first.restart("second"))
        BROKEN.clear()
        rows = [(key, value) for key, value in lab.store.contents() if key[:1] == keys.records(0)[:1]]
        lab.store.apply(Batch({key: b"\xff" + value[1:] for key, value in rows[:3]}))
        await second.resume()
        await held(again)
        lab.store.apply(Batch(dict(rows[:3])))
        await again.resume()
        assert (await again.outcome()).kind is OutcomeKind.SUCCEEDED
    assert WORLD.count("first") == 2
