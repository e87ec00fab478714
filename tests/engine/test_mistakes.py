"""A mistake in the code fails an invocation at once where the policy says so; what a later try may mend does not."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, RetryPolicy, Service, Status, handler, step
from actors.model.mistakes import is_mistake
from tests.lab import WORLD, Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable


class Colour(enum.Enum):
    RED = 1


def two(first: int, second: int) -> int:
    return first + second


def named(*, first: int) -> int:
    return first


def misspelt() -> None:
    nothing_of_this_name  # type: ignore[name-defined]  # noqa: B018, F821


def missing() -> None:
    import nothing_of_this_name  # type: ignore[import-not-found]  # noqa: F401


def unwritten() -> None:
    raise NotImplementedError


def unbound() -> None:
    if WORLD.entries == ["never"]:
        value = 1
    print(value)


def in_a_group() -> None:
    raise ExceptionGroup("g", [NameError("a"), ExceptionGroup("g", [NotImplementedError()])])


def in_a_group_with_others() -> None:
    raise ExceptionGroup("g", [NameError("a"), ValueError()])


class Misled(NameError):
    """Somebody's own."""


def of_a_subclass() -> None:
    raise Misled


ANY: Any = None
MISTAKES: dict[str, Callable[[], Any]] = {
    "name": misspelt,
    "import": missing,
    "not written": unwritten,
    "too many arguments": lambda: two(1, 2, 3),  # type: ignore[call-arg]
    "too few arguments": lambda: two(1),  # type: ignore[call-arg]
    "unknown argument": lambda: two(1, third=2),  # type: ignore[call-arg]
    "argument twice": lambda: two(1, first=2),  # type: ignore[call-arg, misc]
    "keyword as position": lambda: named(1),  # type: ignore[misc]
    "missing keyword": lambda: named(),  # type: ignore[call-arg]
    "too many for C": lambda: math.sqrt(1, 2),  # type: ignore[call-arg]
    "too many for a method in C": lambda: [].append(1, 2),  # type: ignore[call-arg]
    "attribute of a module": lambda: math.sqroot(1),  # type: ignore[attr-defined]
    "attribute of this package": lambda: actors.slep(1),  # type: ignore[attr-defined]
    "member of an enumeration": lambda: Colour.GREEN,  # type: ignore[attr-defined]
    "group": in_a_group,
}
OTHERS: dict[str, Callable[[], Any]] = {
    "operation": lambda: ANY + 1,
    "value": lambda: int("x"),
    "none for a number": lambda: int(ANY),
    "not a function": lambda: ANY(),
    "attribute of a value": lambda: ANY.name,
    "unbound": unbound,
    "syntax of a text": lambda: compile("1 +", "text", "eval"),
    "group with others": in_a_group_with_others,
    "subclass": of_a_subclass,
}


def raised(function: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        function()
    return caught.value


@pytest.mark.parametrize("which", MISTAKES)
def test_what_is_not_there_or_does_not_fit_is_a_mistake(which: str) -> None:
    assert is_mistake(raised(MISTAKES[which]))


@pytest.mark.parametrize("which", OTHERS)
def test_what_depends_on_a_value_is_not_taken_for_a_mistake(which: str) -> None:
    assert not is_mistake(raised(OTHERS[which]))


@step
async def charge(card: str, amount: int) -> str:
    return f"{card} {amount}"


@step
def charge_in_a_thread(card: str, amount: int) -> str:
    return f"{card} {amount}"


@step
async def stumble(which: str) -> None:
    WORLD.note("tried")
    (MISTAKES | OTHERS)[which]()


@step(retry=RetryPolicy(fail_fast=True))
async def stumble_fast(which: str) -> None:
    WORLD.note("tried")
    MISTAKES[which]()


class Clumsy(Service):
    @handler
    async def by_itself(self, which: str) -> None:
        WORLD.note("tried")
        (MISTAKES | OTHERS)[which]()

    @handler
    async def in_a_step(self, which: str) -> None:
        await stumble(which)

    @handler
    async def in_a_step_that_fails_fast(self, which: str) -> None:
        await stumble_fast(which)

    @handler(retry=RetryPolicy(fail_fast=False))
    async def told_to_try(self, which: str) -> None:
        WORLD.note("tried")
        MISTAKES[which]()

    @handler
    async def misfit(self, which: str) -> None:
        WORLD.note("tried")
        match which:
            case "step":
                await charge("card")  # type: ignore[call-arg]
            case "plain step":
                await charge_in_a_thread("card", 1, 2)  # type: ignore[call-arg]
            case "run":
                await actors.run(two, 1)  # type: ignore[call-overload]
            case "handler":
                await actors.actor(Account, "a").add(1, 2)  # type: ignore[call-arg]
            case "misspelt handler":
                await actors.actor(Account, "a").ad(1)  # type: ignore[attr-defined]
            case "misspelt field":
                _ = self.nothing  # type: ignore[attr-defined]


class Account(Actor):
    @handler
    async def add(self, amount: int) -> int:
        return amount


MISFITS = ("step", "plain step", "run", "handler", "misspelt handler", "misspelt field")


@pytest.fixture
def lab() -> Lab:
    return Lab(Clumsy, Account)


@on_virtual_time
@pytest.mark.parametrize("where", ["by_itself", "in_a_step"])
async def test_a_runtime_that_fails_fast_fails_at_the_first_mistake(lab: Lab, where: str) -> None:
    async with lab.running(fail_fast=True) as runtime:
        with pytest.raises(actors.TerminalError) as caught:
            await getattr(runtime.client.service(Clumsy), where)("name")
        assert caught.value.type == "builtins.NameError"
        assert WORLD.count("tried") == 1


@on_virtual_time
@pytest.mark.parametrize("which", MISFITS)
async def test_a_call_that_fits_no_function_fails_fast(lab: Lab, which: str) -> None:
    async with lab.running(fail_fast=True) as runtime:
        with trio.fail_after(1), pytest.raises(actors.TerminalError) as caught:
            await runtime.client.service(Clumsy).misfit(which)
        assert caught.value.type in ("builtins.TypeError", "builtins.AttributeError")


@on_virtual_time
@pytest.mark.parametrize("where", ["by_itself", "in_a_step"])
async def test_what_may_pass_is_tried_again_also_where_mistakes_fail_fast(lab: Lab, where: str) -> None:
    async with lab.running(fail_fast=True) as runtime:
        handle = await getattr(runtime.client.service(Clumsy), where).send("operation")
        await trio.sleep(100)
        assert (await handle.info()).status is Status.PAUSED
        assert WORLD.count("tried") == 10


@on_virtual_time
@pytest.mark.parametrize("where", ["by_itself", "in_a_step"])
async def test_by_default_a_mistake_is_tried_again_and_then_waits_for_a_person(lab: Lab, where: str) -> None:
    async with lab.running() as runtime:
        handle = await getattr(runtime.client.service(Clumsy), where).send("name")
        await trio.sleep(100)
        assert (await handle.info()).status is Status.PAUSED
        assert WORLD.count("tried") == 10


@on_virtual_time
async def test_a_policy_says_otherwise_than_the_runtime(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(actors.TerminalError):
            await runtime.client.service(Clumsy).in_a_step_that_fails_fast("name")
        assert WORLD.count("tried") == 1
    WORLD.clear()
    async with lab.running(fail_fast=True) as runtime:
        handle = await runtime.client.service(Clumsy).told_to_try.send("name")
        await trio.sleep(100)
        assert (await handle.info()).status is Status.PAUSED
        assert WORLD.count("tried") == 10
