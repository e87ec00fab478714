"""The watchdog is told of each stretch in which users' code has the event loop, and of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from actors import Service, handler, step
from journal.in_flight import InFlight
from tests import replicated
from tests.lab import Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = on_virtual_time


@attrs.frozen
class Order:
    lines: list[str]


@step
async def count(number: int) -> int:
    return number


@step
async def pack(order: Order) -> int:
    return len(order.lines)


@step
async def order(number: int) -> Order:
    return Order(["a"] * number)


class Shop(Service):
    @handler
    async def plain(self, number: int, name: str = "") -> int:
        return number

    @handler
    async def take(self, order: Order) -> int:
        return len(order.lines)

    @handler
    async def step_of_plain_values(self) -> int:
        return await count(1)

    @handler
    async def step_of_an_object(self) -> int:
        return await pack(Order(["a"]))

    @handler
    async def step_that_gives_an_object(self) -> int:
        return len((await order(2)).lines)


class Memory:
    """The record's memory, with each turn that the watchdog writes to it."""

    def __init__(self, of: Any) -> None:
        self._of = of
        self.turns = 0

    def __setitem__(self, at: int | slice, value: Any) -> None:
        self.turns += isinstance(at, slice)
        self._of[at] = value

    def close(self) -> None:
        self._of.close()


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Any]:
    record: Any = InFlight.open(tmp_path)
    record.memory = Memory(record.memory)
    yield record
    record.close()


@replicated.about_one_store("counts turns within commits that take one checkpoint")
@pytest.mark.parametrize(
    ("name", "args", "turns"),
    [
        ("plain", (1,), 1),
        ("plain", (1, "a"), 1),
        ("take", (Order(["a"]),), 2),  # also as its class makes the argument
        ("step_of_plain_values", (), 3),  # two of the handler, one of the step
        ("step_of_an_object", (), 3),  # its class copies the argument in the turn in which the step begins
        ("step_that_gives_an_object", (), 4),  # also as its class writes the result
    ],
)
async def test_a_turn_is_taken_for_users_code_alone(record: Any, name: str, args: tuple[Any, ...], turns: int) -> None:
    lab = Lab(Shop)
    lab.in_flight = record
    async with lab.running() as runtime:
        before = record.memory.turns
        await getattr(runtime.client.service(Shop), name)(*args)
        assert record.memory.turns - before == turns
