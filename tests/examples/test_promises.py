"""What each example claims, on virtual time."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio

import actors
from examples.approval import WEEK, Decision, Expenses
from examples.cart import Cart, Line, UnknownArticle
from examples.chat import Agent, Chat
from examples.counter import Counter
from examples.long_chat import Room
from examples.reminder import Reminder
from examples.signup import DAY, Signup
from examples.swap import Roster, Shift
from examples.tools import SECONDS, Research
from examples.transfer import Account, InsufficientFunds, Suspicious, Transfer
from journal.events import OutcomeKind
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


async def test_a_counter_goes_on_from_where_it_was() -> None:
    lab = Lab(Counter)
    async with lab.running() as runtime:
        assert await runtime.client.actor(Counter, "alice").add(5) == 5
    async with lab.running() as runtime:
        assert await runtime.client.actor(Counter, "alice").add(2) == 7
        assert await runtime.client.actor(Counter, "bob").current() == 0


async def test_a_reminder_rings_at_its_time_though_the_process_was_gone_meanwhile(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lab = Lab(Reminder)
    async with lab.running() as runtime:
        tea = await runtime.client.service(Reminder).remind.send("tea", 3600)
        due = lab.clock.now() + 3600
    await trio.sleep(1800)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(tea.id).result() == "rang for tea"
        assert lab.clock.now() == pytest.approx(due, abs=0.1)
    assert capsys.readouterr().out.count("* tea *") == 1


async def test_a_reminder_that_was_overdue_while_nobody_was_there_rings_at_once() -> None:
    lab = Lab(Reminder)
    async with lab.running() as runtime:
        tea = await runtime.client.service(Reminder).remind.send("tea", 3600)
    await trio.sleep(DAY)
    async with lab.running() as runtime:
        restarted_at = lab.clock.now()
        assert await runtime.client.invocation(tea.id).result() == "rang for tea"
        assert lab.clock.now() - restarted_at < 1


async def test_a_newer_message_aborts_the_answer_that_is_being_written(capsys: pytest.CaptureFixture[str]) -> None:
    async with Lab(Chat, Agent).running() as runtime:
        chat = runtime.client.actor(Chat, "alice")
        first = await chat.message("why is the sky blue?")
        await trio.sleep(12)
        second = await chat.message("why is the sea green?")
        outcome = await runtime.client.invocation(first).outcome()
        assert (outcome.kind, outcome.reason) == (OutcomeKind.CANCELLED, "a newer message came")
        assert "was dropped: a newer message came" in capsys.readouterr().out
        assert "why is the sea green?" in await runtime.client.invocation(second).result()
        emitted = [word async for word in runtime.client.invocation(first).output()]
        assert emitted == ["a", "careful"], "the step stopped where it waited"
        assert await chat.asked() == ["why is the sky blue?", "why is the sea green?"]


async def test_a_message_after_the_answer_has_ended_aborts_nothing() -> None:
    async with Lab(Chat, Agent).running() as runtime:
        chat = runtime.client.actor(Chat, "alice")
        first = runtime.client.invocation(await chat.message("one"))
        await first.result()
        await chat.message("two")
        assert (await first.outcome()).kind is OutcomeKind.SUCCEEDED


@pytest.mark.parametrize(("target", "amount", "error"), [("bob", 1000, InsufficientFunds), ("mallory", 50, Suspicious)])
async def test_a_transfer_that_fails_takes_back_what_it_did(target: str, amount: int, error: type[Exception]) -> None:
    async with Lab(Account, Transfer).running() as runtime:
        alice = runtime.client.actor(Account, "alice")
        await alice.book("opening", 100)
        with pytest.raises(error):
            await runtime.client.service(Transfer).run("alice", target, amount)
        assert await alice.balance() == 100
        assert await runtime.client.actor(Account, target).balance() == 0


async def test_a_transfer_cancelled_at_any_event_of_its_history_moves_all_the_money_or_none() -> None:
    whole = await _transfer_cancelled_after(events=None)
    assert whole == (OutcomeKind.SUCCEEDED, 70, 30)
    found = [await _transfer_cancelled_after(events=number) for number in range(1, 8)]
    assert set(found) <= {(OutcomeKind.CANCELLED, 100, 0), whole}
    assert (OutcomeKind.CANCELLED, 100, 0) in found


async def _transfer_cancelled_after(*, events: int | None) -> tuple[OutcomeKind, int, int]:
    """How a transfer ends, and what both then have, if it is cancelled once so many events of it are durable."""
    async with Lab(Account, Transfer).running() as runtime:
        alice, bob = runtime.client.actor(Account, "alice"), runtime.client.actor(Account, "bob")
        await alice.book("opening", 100)
        transfer = await runtime.client.service(Transfer).run.send("alice", "bob", 30)
        seen = 0
        async for _ in transfer.follow():
            seen += 1
            if seen == events:
                with suppress(actors.ConflictError):
                    await transfer.cancel()
        outcome = await transfer.outcome()
        return outcome.kind, await alice.balance(), await bob.balance()


async def test_a_transfer_goes_on_after_a_crash_and_moves_the_money_once() -> None:
    lab = Lab(Account, Transfer)
    async with lab.running() as runtime:
        await runtime.client.actor(Account, "alice").book("opening", 100)
        transfer = await runtime.client.service(Transfer).run.send("alice", "bob", 30)
        await trio.sleep(0.1)
    async with lab.running() as runtime:
        await runtime.client.invocation(transfer.id).result()
        assert await runtime.client.actor(Account, "alice").balance() == 70
        assert await runtime.client.actor(Account, "bob").balance() == 30


async def test_an_approval_comes_before_the_deadline_or_not_at_all() -> None:
    lab = Lab(Expenses)
    async with lab.running() as runtime:
        expenses = runtime.client.service(Expenses)
        chair, yacht = await expenses.submit.send("a chair", 300), await expenses.submit.send("a yacht", 900_000)
        await quiet()
        assert (await chair.info()).waits[-1].name == "decision"
    await trio.sleep(WEEK / 2)
    async with lab.running() as runtime:
        await runtime.client.invocation(chair.id).signal("decision", Decision(approved=False, by="ada"))
        assert await runtime.client.invocation(chair.id).result() == "a chair: declined, says ada"
        assert await runtime.client.invocation(yacht.id).result() == "a yacht: no decision in time"
        assert lab.clock.now() == pytest.approx((await yacht_created(runtime, yacht.id)) + WEEK, abs=1)


async def yacht_created(runtime: actors.Runtime, of: actors.InvocationId) -> float:
    return (await runtime.client.invocation(of).info()).created_at


async def test_tools_run_side_by_side_and_those_that_had_answered_are_not_asked_again() -> None:
    lab = Lab(Research)
    async with lab.running() as runtime:
        asked = await runtime.client.service(Research).ask.send("tides")
        await trio.sleep(0.35)  # the encyclopedia has answered
    async with lab.running() as runtime:
        restarted_at = lab.clock.now()
        found = await runtime.client.invocation(asked.id).result()
        assert found == ["the encyclopedia on tides", "the almanac on tides", "the atlas on tides"]
        assert lab.clock.now() - restarted_at == pytest.approx(max(SECONDS.values()), abs=0.1)
        retried = [
            e.details["step"] async for e in runtime.client.invocation(asked.id).events() if e.name == "StepCompleted"
        ]
        assert len(retried) == len(set(retried)) == 3


async def test_a_sign_up_runs_once_and_is_confirmed_by_a_click() -> None:
    async with Lab(Signup).running() as runtime:
        ada = runtime.client.workflow(Signup, "ada")
        run, again = await ada.run.send("ada@example.org"), await ada.run.send("ada@example.org")
        assert run.id == again.id == actors.workflow_id(Signup, "ada")
        await trio.sleep(DAY / 2)
        await ada.click()
        assert await run.result() is True
        assert await ada.status() == "confirmed"


async def test_a_sign_up_that_nobody_confirms_is_given_up_after_two_days(capsys: pytest.CaptureFixture[str]) -> None:
    lab = Lab(Signup)
    async with lab.running() as runtime:
        started_at = lab.clock.now()
        assert await runtime.client.workflow(Signup, "bob").run("bob@example.org") is False
        assert lab.clock.now() - started_at == pytest.approx(2 * DAY, abs=1)
    assert capsys.readouterr().out.count("to bob@example.org") == 2


async def test_a_cart_adds_up_and_is_empty_after_the_check_out() -> None:
    lab = Lab(Cart)
    async with lab.running() as runtime:
        cart = runtime.client.actor(Cart, "alice")
        await cart.put("tea", 2)
        await cart.put("tea")
        await cart.put("cups")
        assert await cart.remove("cups") is True
        assert await cart.remove("cups") is False
        with pytest.raises(UnknownArticle):
            await cart.put("coffee")
    async with lab.running() as runtime:
        cart = runtime.client.actor(Cart, "alice")
        assert await cart.content() == {"tea": Line(count=3, price_cents=350)}
        assert await cart.check_out() == 1050
        assert await cart.content() == {}


async def test_a_long_chat_reads_its_end_and_its_middle() -> None:
    lab = Lab(Room)
    async with lab.running() as runtime:
        for number in range(20):
            assert await runtime.client.actor(Room, "trio").say("ada", f"line {number}") == number + 1
    async with lab.running() as runtime:
        room = runtime.client.actor(Room, "trio")
        assert [line.text for line in await room.latest(2)] == ["line 18", "line 19"]
        assert [line.text for line in await room.page(3, 5)] == ["line 3", "line 4"]
        assert await room.latest(0) == []
        assert len(await room.latest(100)) == 20


async def test_swaps_of_one_shift_run_one_after_the_other_and_lose_nobody() -> None:
    lab = Lab(Shift, Roster)
    week = {"monday": "alice", "tuesday": "bob", "wednesday": "carol"}
    async with lab.running() as runtime:
        for day, person in week.items():
            await runtime.client.actor(Shift, day).assign(person)
        swap = runtime.client.service(Roster).swap
        handles = [
            await swap.send(*days)
            for days in (("tuesday", "monday"), ("tuesday", "wednesday"), ("monday", "wednesday"))
        ]
        await trio.sleep(0.1)
        await handles[0].kill()
    async with lab.running() as runtime:
        for handle in handles[1:]:
            await runtime.client.invocation(handle.id).result()
        people = [await runtime.client.actor(Shift, day).who() for day in week]
        assert sorted(people) == sorted(week.values())
