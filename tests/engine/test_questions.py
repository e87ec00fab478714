"""Questions to people: a link answers one question, once, for the wait that it was made for, in any process of the same data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import ConflictError, InvalidArgumentError, LimitExceededError, NotFoundError, Service, handler, step
from actors.errors import AccessDeniedError, ErrorCode, MisuseError
from actors.types import SignedLink
from tests.lab import WORLD, Lab, until
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.runtime import Runtime

pytestmark = on_virtual_time

BASE = "https://objects.example.com"
DAY = 24 * 3600.0


@step
async def mail(to: str, link: SignedLink) -> None:
    WORLD.note((to, link.url))


@step
async def check(who: str) -> None:
    WORLD.note(("check", who))


@step
async def pay(who: str) -> str:
    WORLD.note(("paid", who))
    return who


class Claims(Service):
    @handler
    async def three(self, people: list[str]) -> dict[str, bool]:
        """Ask all of them, each by a link of its own, under one name."""
        decided: dict[str, bool] = {}

        async def one(who: str) -> None:
            question = await actors.ask("approval", text=f"May {who} be paid?")
            await mail(who, question.link)
            decided[who] = await question.answer()

        async with actors.open_nursery() as nursery:
            for who in people:
                nursery.start_soon(one, who)
        return decided

    @handler
    async def escalate(self) -> str:
        """Ask the manager for a day, then the director, under one name."""
        for who in ("manager", "director"):
            question = await actors.ask("approval", {"yes": f"{who}: yes"}, text="Shall we?")
            await mail(who, question.link)
            with actors.move_on_after(DAY):
                return await question.answer()
        return "nobody"

    @handler
    async def remind(self) -> bool:
        question = await actors.ask("approval", text="Shall we?")
        await mail("first", question.link)
        with actors.move_on_after(DAY):
            return await question.answer()
        await mail("second", question.link)
        return await question.answer() and await question.answer()

    @handler
    async def paid(self, who: str) -> str:
        await check(who)
        question = await actors.ask("approval", text=f"May {who} be paid?", valid_for=None)
        await mail(who, question.link)
        return await pay(who) if await question.answer() else "nothing"

    @handler
    async def later(self) -> list[str]:
        """Ask two at once, and wait for one after the other."""
        asked = [await actors.ask(who, {"a": f"{who} a", "b": f"{who} b"}, text="Which?") for who in ("one", "two")]
        for question in asked:
            await mail(question.name, question.link)
        return [await question.answer() for question in asked]

    @handler
    async def refuse(self, how: str) -> str:
        match how:
            case "text":
                await actors.ask("q", text=" ")
            case "none":
                await actors.ask("q", {}, text="Which?")
            case "many":
                await actors.ask("q", dict.fromkeys(map(str, range(21)), 0), text="Which?")
            case "url":
                question = await actors.ask("q", text="Which?")
                return question.link.url
            case "open":
                for _ in range(1_001):
                    await actors.ask("q", text="Which?")
        return "taken"


async def token_to(who: str) -> str:
    """The last part of the link that was sent to somebody."""
    await until(lambda: any(entry[0] == who for entry in WORLD.entries))
    url = next(url for to, url in WORLD.entries if to == who)
    assert url.startswith(f"{BASE}/links/")
    return str(url).rpartition("/")[2]


def lab() -> Lab:
    return Lab(Claims)


def running(one: Lab) -> Any:
    return one.running(public_url=BASE + "/")


async def refusal(runtime: Runtime, token: str, choice: str = "approve") -> ErrorCode:
    with pytest.raises(ConflictError) as caught:
        await runtime.client.answer_by_link(token, choice)
    return caught.value.code


async def restarted(runtime: Runtime, handle: actors.InvocationHandle[Any], step: str) -> actors.InvocationHandle[Any]:
    """The invocation that repeats this one from a step."""
    result = await handle.restart(step, stop="kill")
    assert result.successor is not None
    return runtime.client.invocation(result.successor.invocation_id)


async def test_each_link_answers_its_own_question() -> None:
    async with running(lab()) as runtime:
        claim = await runtime.client.service(Claims).three.send(["ann", "bob", "cy"])
        for who, choice in (("cy", "reject"), ("ann", "approve"), ("bob", "reject")):
            token = await token_to(who)
            info = await runtime.client.question_of_link(token)
            assert (info.text, info.choices) == (f"May {who} be paid?", ("approve", "reject"))
            await runtime.client.answer_by_link(token, choice)
            assert await refusal(runtime, token, choice) is ErrorCode.QUESTION_CLOSED
        assert await claim.result() == {"ann": True, "bob": False, "cy": False}
        page = await runtime.client.audit(verb="signal")
        assert {(row.by.partition(":")[0], row.target, row.detail) for row in page.entries} == {
            ("link", claim.id, "approval")
        }
        assert len({row.by for row in page.entries}) == 3


async def test_of_answers_at_once_one_counts_although_it_ends_the_invocation() -> None:
    async with running(lab()) as runtime:
        claim = await runtime.client.service(Claims).escalate.send()
        token = await token_to("manager")
        refused: list[ErrorCode] = []

        async def answer() -> None:
            try:
                await runtime.client.answer_by_link(token, "yes")
            except ConflictError as error:
                refused.append(error.code)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(answer)
        assert refused == [ErrorCode.QUESTION_CLOSED] * 2
        assert await claim.result() == "manager: yes"


async def test_a_link_of_an_earlier_wait_is_refused() -> None:
    async with running(lab()) as runtime:
        claim = await runtime.client.service(Claims).escalate.send()
        first = await token_to("manager")
        await trio.sleep(DAY + 1)
        second = await token_to("director")
        assert await refusal(runtime, first, "yes") is ErrorCode.QUESTION_CLOSED
        await runtime.client.answer_by_link(second, "yes")
        assert await claim.result() == "director: yes"
        assert await refusal(runtime, second, "yes") is ErrorCode.QUESTION_CLOSED


async def test_a_link_works_again_when_its_handler_waits_again() -> None:
    async with running(lab()) as runtime:
        claim = await runtime.client.service(Claims).remind.send()
        token = await token_to("first")
        await trio.sleep(DAY + 1)
        assert await token_to("second") == token
        await runtime.client.answer_by_link(token, "approve")
        assert await claim.result() is True


async def test_a_link_works_in_another_process_of_the_same_data() -> None:
    one = lab()
    async with running(one) as runtime:
        claim = await runtime.client.service(Claims).later.send()
        token = await token_to("two")  # whose question is not awaited yet
        await runtime.client.answer_by_link(token, "b")
    async with running(one) as runtime:
        assert await refusal(runtime, token, "b") is ErrorCode.QUESTION_CLOSED
        await runtime.client.answer_by_link(await token_to("one"), "a")
        assert await runtime.client.invocation(claim.id).result() == ["one a", "two b"]


async def test_a_link_expires_and_a_signal_still_answers() -> None:
    async with running(lab()) as runtime:
        claim = await runtime.client.service(Claims).later.send()
        token = await token_to("one")
        await trio.sleep(7 * DAY)
        assert await refusal(runtime, token, "a") is ErrorCode.LINK_EXPIRED
        await claim.signal("one", "no such choice")  # skipped, as a value of another type would be
        await claim.signal("one", "b")
        await claim.signal("two", "a")
        assert await claim.result() == ["one b", "two a"]


async def test_a_signal_in_place_of_the_answer_closes_the_link() -> None:
    async with running(lab()) as runtime:
        claim = await runtime.client.service(Claims).later.send()
        one, two = await token_to("one"), await token_to("two")
        await claim.signal("one", "a")
        await trio.sleep(1)
        assert await refusal(runtime, one, "b") is ErrorCode.QUESTION_CLOSED
        with raises(InvalidArgumentError, path="answer"):
            await runtime.client.answer_by_link(two, "c")
        await claim.cancel(reason="not needed")
        await trio.sleep(1)
        assert await refusal(runtime, two, "b") is ErrorCode.QUESTION_CLOSED


async def test_two_answers_at_once_are_one() -> None:
    async with running(lab()) as runtime:
        claim = await runtime.client.service(Claims).paid.send("ann")
        token = await token_to("ann")
        outcomes: list[str] = []

        async def answer(choice: str) -> None:
            try:
                await runtime.client.answer_by_link(token, choice)
                outcomes.append("taken")
            except ConflictError as error:
                outcomes.append(error.code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer, "approve")
            nursery.start_soon(answer, "approve")
        assert sorted(outcomes) == ["question_closed", "taken"]
        assert await claim.result() == "ann"


async def test_a_restart_keeps_answers_and_open_links() -> None:
    async with running(lab()) as runtime:
        claim = await runtime.client.service(Claims).paid.send("ann")
        token = await token_to("ann")
        open_again = await restarted(runtime, claim, "approval")
        assert (await runtime.client.question_of_link(token)).invocation_id == open_again.id
        await runtime.client.answer_by_link(token, "approve")
        assert await open_again.result() == "ann"
        assert await (await restarted(runtime, open_again, "pay")).result() == "ann"
        assert WORLD.count(("paid", "ann")) == 2
        assert await refusal(runtime, token) is ErrorCode.QUESTION_CLOSED
        await open_again.purge()
        asked_again = await runtime.client.service(Claims).paid.send("ann")
        await until(lambda: len(WORLD.entries) == 6)
        assert await refusal(runtime, token) is ErrorCode.QUESTION_CLOSED  # it was made for another question
        await runtime.client.answer_by_link(WORLD.entries[-1][1].rpartition("/")[2], "reject")
        assert await asked_again.result() == "nothing"


async def test_an_answer_is_kept_by_a_restart_that_asks_again() -> None:
    async with running(lab()) as runtime:
        claim = await runtime.client.service(Claims).paid.send("ann")
        await runtime.client.answer_by_link(await token_to("ann"), "approve")
        assert await claim.result() == "ann"
        again = await restarted(runtime, claim, "check")
        assert await again.result() == "ann"
        assert len(WORLD.entries) == 6  # another mail, and a payment without another answer


async def test_only_what_was_signed_with_this_key_is_a_link() -> None:
    async with running(lab()) as runtime:
        await runtime.client.service(Claims).paid.send("ann")
        token = await token_to("ann")
        of, question, signature = token.split(".")
        forged = ("B" if signature[0] == "A" else "A") + signature[1:]
        other = "inv_1" + "0" * 33
        for wrong in (
            f"{of}.{question}.{forged}",
            f"{other}.{question}.{signature}",
            f"{of}.{question}",
            "",
            token + "A",
        ):
            with pytest.raises(AccessDeniedError):
                await runtime.client.answer_by_link(wrong, "approve")
        await runtime.client.answer_by_link(token, "approve")


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("text", InvalidArgumentError),
        ("none", InvalidArgumentError),
        ("many", InvalidArgumentError),
        ("url", MisuseError),
        ("open", LimitExceededError),
    ],
)
async def test_what_cannot_be_asked_is_refused(how: str, error: type[Exception]) -> None:
    async with running(lab()) as runtime:
        with pytest.raises(error):
            await runtime.client.service(Claims).refuse(how)


async def test_without_an_address_no_link_is_sent() -> None:
    async with lab().running() as runtime:
        with pytest.raises(MisuseError):
            await runtime.client.service(Claims).paid("ann")
        with pytest.raises(NotFoundError):
            await runtime.client.invocation("inv_1" + "0" * 33).info()
