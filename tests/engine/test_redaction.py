"""Arguments of steps that are not recorded."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import Service, handler, step
from actors.errors import DefinitionError, InvalidArgumentError
from tests.lab import WORLD, Lab
from tests.raising import raises

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.virtual_time
SECRETS = ["hunter2"]


@step(redact=("password",))
async def log_in(user: str, password: str) -> str:
    WORLD.note((user, password))
    return f"session of {user}"


def check(user: str, /, *, password: str) -> bool:
    WORLD.note((user, password))
    return True


class Portal(Service):
    @handler
    async def enter(self) -> str:
        assert await actors.run(check_positional, "ada", SECRETS[-1], redact=("password",))
        assert await actors.run(log_in, "ada", SECRETS[-1])
        return await log_in("ada", password=SECRETS[-1])


async def check_positional(user: str, password: str) -> bool:
    return check(user, password=password)


def stored(lab: Lab) -> bytes:
    return b"".join(value for _, value in lab.store.contents())


async def test_a_redacted_argument_reaches_the_body_and_nothing_that_is_stored() -> None:
    lab = Lab(Portal)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Portal).enter.send()
        assert await handle.result() == "session of ada"
        arguments: list[Any] = [e.details["argument"] async for e in handle.events() if e.name == "StepScheduled"]
    assert arguments == [["ada", "[redacted]"], ["ada", "[redacted]"], {"0": "ada", "password": "[redacted]"}]
    assert WORLD.entries == [("ada", "hunter2")] * 3
    assert b"ada" in stored(lab)
    assert b"hunter2" not in stored(lab)


async def test_a_replay_does_not_compare_it() -> None:
    async with Lab(Portal).running() as runtime:
        handle = await runtime.client.service(Portal).enter.send()
        await handle.result()
        SECRETS.append("changed")
        try:
            assert (await handle.check()).is_compatible
        finally:
            SECRETS.pop()


def with_vault(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the first argument, as decorators for connections and sessions do."""

    @functools.wraps(function)
    async def call(*args: Any, **options: Any) -> Any:
        return await function("the vault", *args, **options)

    return call


async def unlock_door(vault: str, password: str, door: str = "front") -> str:
    WORLD.note((vault, password, door))
    return door


unlock = step(redact=("password",))(with_vault(unlock_door))


class Vault(Service):
    @handler
    async def enter(self, by: str) -> str:
        match by:
            case "position":
                return str(await unlock(SECRETS[-1], "back"))
            case "name":
                return str(await unlock(password=SECRETS[-1], door="back"))
            case _:
                return str(await actors.run(with_vault(unlock_door), SECRETS[-1], redact=("password",)))


@pytest.mark.parametrize("by", ["position", "name", "run"])
async def test_a_decorator_that_adds_an_argument_leaves_no_secret_in_its_place(by: str) -> None:
    lab = Lab(Vault)
    async with lab.running() as runtime:
        door = await runtime.client.service(Vault).enter(by)
    assert WORLD.entries == [("the vault", "hunter2", door)]
    assert b"hunter2" not in stored(lab)


def masked(name: str, value: Any) -> Any:
    """Hides card numbers, wherever they are."""
    match value:
        case str():
            return re.sub(r"\d{16}", "card", value)
        case list():
            return [masked(name, each) for each in value]
        case dict():
            return {key: masked(name, each) for key, each in value.items()}
        case _:
            return value


CARD = "4242424242424242"


@step(redact=masked)
async def pay(order: dict[str, Any], *notes: str, by: str = "") -> str:
    WORLD.note((order, notes, by))
    return "paid"


class Till(Service):
    @handler
    async def pay(self, amount: int) -> str:
        order = {"amount": amount, "cards": [CARD]}
        await actors.run(pay, order, redact=("order",))
        await actors.run(check_positional, "ada", CARD, redact=lambda name, value: f"{name} of {len(value)}")
        return await pay(order, f"not {CARD}", by=CARD)


async def test_a_function_says_what_is_recorded_of_an_argument() -> None:
    lab = Lab(Till)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Till).pay.send(5)
        assert await handle.result() == "paid"
        assert (await handle.check()).is_compatible
        arguments: list[Any] = [e.details["argument"] async for e in handle.events() if e.name == "StepScheduled"]
    assert arguments == [
        ["[redacted]"],
        ["user of 3", "password of 16"],
        {"0": {"amount": 5, "cards": ["card"]}, "1": "not card", "by": "card"},
    ]
    assert WORLD.entries[-1] == ({"amount": 5, "cards": [CARD]}, (f"not {CARD}",), CARD)
    assert CARD.encode() not in stored(lab)


@pytest.mark.parametrize(
    ("redact", "expected"), [(lambda *_: 1 / 0, ZeroDivisionError), (lambda *_: object(), InvalidArgumentError)]
)
async def test_a_function_that_fails_lets_nothing_be_recorded(redact: Any, expected: type) -> None:
    class Leak(Service):
        @handler
        async def pay(self) -> bool:
            try:
                return await actors.run(check_positional, "ada", CARD, redact=redact)
            except expected:
                return False

    lab = Lab(Leak)
    async with lab.running() as runtime:
        assert not await runtime.client.service(Leak).pay()
    assert not WORLD.entries
    assert CARD.encode() not in stored(lab)


def test_a_name_that_is_not_a_parameter_is_refused_before_anything_is_recorded() -> None:
    with raises(DefinitionError, reason="option", name="check_positional"):
        step(redact=("passwort",))(check_positional)
    with raises(DefinitionError, reason="option", name="collect"):
        step(redact=("rest",))(collect)
    with pytest.raises(InvalidArgumentError):
        step(redact="password")


def collect(*rest: str, **options: str) -> None: ...
