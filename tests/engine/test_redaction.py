"""Arguments of steps that are not recorded."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import Service, handler, step
from actors.errors import DefinitionError, InvalidArgumentError
from tests.lab import WORLD, Lab

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


def test_a_name_that_is_not_a_parameter_is_refused_before_anything_is_recorded() -> None:
    with pytest.raises(DefinitionError, match="passwort"):
        step(redact=("passwort",))(check_positional)
    with pytest.raises(DefinitionError, match="rest"):
        step(redact=("rest",))(collect)
    with pytest.raises(InvalidArgumentError):
        step(redact="password")


def collect(*rest: str, **options: str) -> None: ...
