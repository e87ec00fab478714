"""An app whose handlers take all sorts of values and never fail: what the document promises can be held against it."""

from __future__ import annotations

import enum

import attrs

import actors
from actors import Actor, Service, Workflow, handler, shared


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@attrs.define
class Line:
    """Something that is ordered."""

    name: str
    amount: int = 1
    colour: Colour = Colour.RED


class Basket(Actor):
    """Keeps what is ordered."""

    lines: list[Line] = actors.field(factory=list)

    @handler
    async def put(self, line: Line) -> int:
        """Put one more in."""
        self.lines = [*self.lines[-20:], line]
        return len(self.lines)

    @handler
    async def rename(self, old: str, new: str = "x") -> bool:
        return old == new

    @shared
    async def shown(self) -> list[Line]:
        return self.lines


class Plain(Service):
    """Gives back what it gets."""

    @handler
    async def echo(self, value: dict[str, int | None]) -> dict[str, int | None]:
        return value

    @handler
    async def maybe(self, value: bool | None = None) -> bool | None:
        return value

    @handler
    async def join(self, first: list[int], second: tuple[str, bool], third: Colour | None = None) -> str:
        return f"{first} {second} {third}"

    @handler
    async def nothing(self) -> None: ...


class Once(Workflow):
    """Runs once for each key."""

    @handler
    async def run(self, number: float) -> float:
        return number
