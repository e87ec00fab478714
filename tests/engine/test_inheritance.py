"""Fields of bases and mixins: each class has all of them, the nearest word on a name holds."""

from __future__ import annotations

import pytest

import actors
from actors import Actor, Log, handler, shared
from actors.model.classes import definition_of
from tests.lab import Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Counted(Actor):
    count: int = 0

    @handler
    async def bump(self) -> int:
        self.count += 1
        return self.count


class Named(Actor):
    title: str = ""

    @handler
    async def rename(self, to: str) -> str:
        self.title = to
        return self.title


class Noted:
    """Knows nothing of actors."""

    notes: list[str] = actors.field(factory=list)
    lines: Log[str]

    @handler
    async def note(self, text: str) -> int:
        self.notes.append(text)
        self.lines.append(text)
        return len(self.notes)

    @shared
    async def noted(self) -> tuple[list[str], list[str]]:
        return self.notes, list(self.lines)


class All(Noted, Counted, Named):
    own: int = 1


class FromHundred(Counted):
    count = 100


class Louder(Noted):
    notes = actors.field(default=["loud"])


class Loud(Louder, Actor):
    pass


class FromNegative(Counted):
    count: int = -1


class Diamond(FromHundred, FromNegative):
    pass


class Deeper(Diamond):
    pass


async def test_fields_of_every_base_and_mixin_are_kept() -> None:
    lab = Lab(All)
    async with lab.running() as runtime:
        all_of_it = runtime.client.actor(All, "k")
        assert await all_of_it.bump() == 1
        assert await all_of_it.rename("x") == "x"
        assert await all_of_it.note("a") == 1
    async with lab.running() as runtime:
        all_of_it = runtime.client.actor(All, "k")
        assert await all_of_it.bump() == 2
        assert await all_of_it.noted() == (["a"], ["a"])
        info = await runtime.client.object(All, "k").info()
        assert (info.fields, info.logs) == ({"count": 2, "title": "x", "notes": ["a"], "own": 1}, {"lines": 1})


async def test_a_value_without_an_annotation_is_a_new_default() -> None:
    lab = Lab(Counted, FromHundred, Loud, Diamond, Deeper)
    async with lab.running() as runtime:
        for cls, first in ((Counted, 1), (FromHundred, 101), (Diamond, 101), (Deeper, 101)):
            assert [await runtime.client.actor(cls, "k").bump() for _ in range(2)] == [first, first + 1]
        assert await runtime.client.actor(Loud, "k").note("a") == 2
        assert await runtime.client.actor(Loud, "l").noted() == (["loud"], [])


@pytest.mark.parametrize("default", ["text", 1.5, None])
def test_a_new_default_fits_the_type_of_the_field(default: object) -> None:
    with raises(actors.errors.DefinitionError, reason="default", name="Made.count"):
        definition_of(type("Made", (Counted,), {"count": default}))
