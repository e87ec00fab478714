"""Defaults: each object has its own, whatever another one does with its."""

from __future__ import annotations

import enum
from typing import Any

import attrs
import pytest

import actors
from actors import Actor, Limits, handler, shared
from actors.model.classes import definition_of
from tests.lab import Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Colour(enum.Enum):
    RED = "red"


@attrs.define
class Settings:
    tags: list[str] = attrs.field(factory=list)
    limits: dict[str, int] = attrs.field(factory=dict)


START = Settings(["first"])


class Tenant(Actor):
    settings: Settings = START
    listed: list[str] = actors.field(default=["given"])
    nested: dict[str, list[int]] = actors.field(factory=dict)
    rate: float = 1

    @handler
    async def change(self, word: str) -> None:
        self.settings.tags.append(word)
        self.listed.append(word)
        self.nested.setdefault("a", []).append(1)

    @shared
    async def look(self) -> tuple[list[str], list[str], dict[str, list[int]]]:
        return self.settings.tags, self.listed, self.nested

    @shared
    async def kind_of_rate(self) -> str:
        return type(self.rate).__name__

    @handler
    async def collect(self, word: str, into: list[str] = [], also: Settings = START) -> list[str]:  # noqa: B006
        into.append(word)
        also.tags.append(word)
        await actors.signal("go")
        return [*into, *also.tags]

    @handler
    async def collect_of_its_own(self) -> list[list[str]]:
        return [await self.gather("a"), await self.gather("b", also={}), await self.gather("c", ["given"])]

    @handler
    async def gather(self, word: str, into: list[str] = [], *, also: dict[str, str] = {}) -> list[str]:  # noqa: B006
        into.append(word)
        also[word] = word
        return [*into, *also]

    @handler
    async def kind_of_amount(self, amount: float = 2, colour: Colour = Colour.RED) -> tuple[str, str]:
        return type(amount).__name__, colour.name


async def test_a_default_that_one_object_changes_is_untouched_in_others() -> None:
    lab = Lab(Tenant)
    async with lab.running() as runtime:
        await runtime.client.actor(Tenant, "alice").change("vip")
        assert await runtime.client.actor(Tenant, "bob").look() == (["first"], ["given"], {})
        assert START.tags == ["first"]
    async with lab.running() as runtime:
        assert await runtime.client.actor(Tenant, "alice").look() == (["first", "vip"], ["given", "vip"], {"a": [1]})
        assert await runtime.client.actor(Tenant, "carol").look() == (["first"], ["given"], {})


async def test_a_default_is_seen_as_its_type_has_it() -> None:
    async with Lab(Tenant).running() as runtime:
        assert await runtime.client.actor(Tenant, "k").kind_of_rate() == "float"
        assert await runtime.client.actor(Tenant, "k").kind_of_amount() == ("float", "RED")


async def test_the_default_of_an_argument_is_new_in_every_attempt_and_call() -> None:
    lab = Lab(Tenant, limits=Limits(unload_after_seconds=1.0))
    for key, word in (("dora", "x"), ("eve", "y")):
        async with lab.running() as runtime:
            handle = await runtime.client.actor(Tenant, key).collect.send(word)
        async with lab.running() as runtime:
            handle = runtime.client.invocation(handle.id)
            await handle.signal("go")
            assert await handle.result() == [word, "first", word]


async def test_the_default_of_an_argument_is_new_where_an_object_calls_its_own_method() -> None:
    async with Lab(Tenant).running() as runtime:
        for key in ("k", "l"):
            found = await runtime.client.actor(Tenant, key).collect_of_its_own()
            assert found == [["a", "a"], ["b", "b"], ["given", "c", "c"]]


def made(annotation: Any, default: Any) -> type:
    async def go(self: Any) -> None: ...

    return type("Made", (Actor,), {"__annotations__": {"at": annotation}, "at": default, "go": handler(go)})


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int, "text"),
        (int, None),
        (list[int], actors.field(default=["text"])),
        (dict[str, Any], actors.field(default={"a": object()})),
        (float, float("nan")),
        (int, actors.field(factory=str)),
    ],
)
def test_a_default_that_does_not_fit_is_refused_with_its_class(annotation: Any, default: Any) -> None:
    with raises(actors.errors.DefinitionError, reason="default", name="Made.at"):
        definition_of(made(annotation, default))


def test_a_default_of_an_argument_that_does_not_fit_is_refused_with_its_class() -> None:
    class Wrong(Actor):
        @handler
        async def go(self, amount: int = "text") -> None: ...  # type: ignore[assignment]

    with raises(actors.errors.DefinitionError, reason="default", name=f"{Wrong.__qualname__}.go.amount"):
        definition_of(Wrong)
