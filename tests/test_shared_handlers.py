"""A shared handler that assigns a field is refused when its class is looked over, not when it comes to that line."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import Actor, handler, shared
from actors.model.classes import definition_of


class Base(Actor):
    value: int = 0
    names: list[str] = actors.field(factory=list)

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value


class Plainly(Base):
    @shared
    async def read(self) -> None:
        self.value = 1


class Added(Base):
    @shared
    async def read(self) -> None:
        if self.names:
            self.value += 1


class Unpacked(Base):
    @shared
    async def read(self) -> None:
        first, self.value = 1, 2
        print(first)


class Looped(Base):
    @shared
    async def read(self) -> None:
        for self.value in range(3):
            pass


class Deleted(Base):
    @shared
    async def read(self) -> None:
        del self.value


class OtherName(Base):
    @shared
    async def read(this) -> None:  # noqa: N805 - any name will do
        this.value = 1


class InAClosure(Base):
    @shared(retention=5)
    async def read(self) -> None:
        def change() -> None:
            self.value = 1

        change()


@pytest.mark.parametrize("cls", [Plainly, Added, Unpacked, Looped, Deleted, OtherName, InAClosure])
def test_a_shared_handler_that_assigns_a_field_is_refused(cls: type) -> None:
    with pytest.raises(actors.errors.DefinitionError) as refused:
        definition_of(cls)
    assert f"{cls.__name__}.read" in str(refused.value)


def test_the_line_is_named() -> None:
    with pytest.raises(actors.errors.DefinitionError) as refused:
        definition_of(Plainly)
    line = Plainly.__dict__["read"].function.__code__.co_firstlineno + 2
    assert f"line {line}:" in str(refused.value)


class Reader(Base):
    @shared
    async def read(self, other: Any) -> list[str]:
        value = self.value
        other.value = value
        self.names[0:1] = []  # in a copy: what the run makes of it, the run says

        class Inner:
            def set(self) -> None:
                self.value = 5

        return [*self.names, str(Inner)]


class Written(Base):
    @handler
    async def write(self) -> None:
        self.value = 5


@pytest.mark.parametrize("cls", [Reader, Written])
def test_a_class_without_that_mistake_is_taken(cls: type) -> None:
    assert definition_of(cls).fields


def test_code_without_a_source_is_taken() -> None:
    names: dict[str, Any] = {"Base": Base, "shared": shared, "__name__": "typed"}
    exec("class Typed(Base):\n    @shared\n    async def read(self) -> None:\n        self.value = 1\n", names)
    assert "read" in definition_of(names["Typed"]).handlers
