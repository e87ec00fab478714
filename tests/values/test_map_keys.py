"""Keys of ``Map`` fields: two that are equal are one item, or the type is refused."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import uuid
import zoneinfo
from typing import Any, Literal, NamedTuple

import attrs
import pytest
from pydantic import BaseModel, ConfigDict

import actors
from actors.values import ValueProblem
from actors.values.mapkeys import key_codec_for
from tests.raising import raises
from tests.values.promise import same


class Level(enum.IntEnum):
    LOW = 1


class Status(enum.StrEnum):
    NEW = "new"


class UserId(str):
    pass


@attrs.frozen
class Seat:
    row: int
    price: decimal.Decimal = decimal.Decimal(0)


@attrs.frozen
class Partly:
    row: int
    note: str = attrs.field(eq=False, default="")


@attrs.frozen
class Folded:
    name: str = attrs.field(eq=str.lower)


@attrs.frozen(eq=False)
class Own:
    name: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own)

    def __hash__(self) -> int:
        return 0


class Cell(NamedTuple):
    row: int
    at: float


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    number: int


UTC = datetime.UTC
NOON = datetime.datetime(2030, 1, 2, 12, tzinfo=UTC)
LATER = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize(
    ("kind", "key", "data"),
    [
        (str, "a", b'"a"'),
        (int, 5, b"5"),
        (bool, True, b"true"),
        (float, 0.0, b"0.0"),
        (bytes, b"a", b'"YQ=="'),
        (Level, Level.LOW, b"1"),
        (Status, Status.NEW, b'"new"'),
        (UserId, UserId("a"), b'"a"'),
        (uuid.UUID, uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        (decimal.Decimal, decimal.Decimal("1.5"), b'"1.5"'),
        (fractions.Fraction, fractions.Fraction(2, 4), b'"1/2"'),
        (datetime.date, datetime.date(2030, 1, 2), b'"2030-01-02"'),
        (datetime.datetime, NOON, b'"2030-01-02T12:00:00Z"'),
        (datetime.datetime, datetime.datetime(2030, 1, 2, 12), b'"2030-01-02T12:00:00"'),
        (tuple[int, str], (1, "a"), b'[1,"a"]'),
        (Seat, Seat(1), b'{"row":1,"price":"0"}'),
        (Cell, Cell(1, 0.5), b"[1,0.5]"),
        (frozenset[int], frozenset({2, 1}), b"[1,2]"),
        (int | str, 5, b"5"),
        (int | str | None, None, b"null"),
        (Literal["a", "b"], "a", b'"a"'),
    ],
)
def test_a_key_is_written_in_one_way(kind: Any, key: Any, data: bytes) -> None:
    codec = key_codec_for(kind, "a map")
    assert codec.encode(key) == data
    assert same(codec.decode(data), key)


@pytest.mark.parametrize(
    ("kind", "key", "twin"),
    [
        (float, -0.0, 0.0),
        (decimal.Decimal, decimal.Decimal("1.50"), decimal.Decimal("1.5")),
        (decimal.Decimal, decimal.Decimal("-0"), decimal.Decimal(0)),
        (decimal.Decimal, decimal.Decimal(100), decimal.Decimal("1E+2")),
        (decimal.Decimal, decimal.Decimal("1" * 40 + ".0"), decimal.Decimal("1" * 40)),
        (datetime.datetime, NOON.astimezone(LATER), NOON),
        (datetime.datetime, NOON.astimezone(zoneinfo.ZoneInfo("Europe/Berlin")), NOON),
        (datetime.time, datetime.time(2, tzinfo=LATER), datetime.time(0, tzinfo=UTC)),
        (tuple[int, decimal.Decimal], (1, decimal.Decimal("1.0")), (1, decimal.Decimal(1))),
        (frozenset[float], frozenset({-0.0}), frozenset({0.0})),
        (Seat, Seat(1, decimal.Decimal("1.0")), Seat(1, decimal.Decimal(1))),
        (Cell, Cell(1, -0.0), Cell(1, 0.0)),
        (decimal.Decimal | None, decimal.Decimal("1.0"), decimal.Decimal(1)),
        (decimal.Decimal | str, decimal.Decimal("1.0"), decimal.Decimal(1)),
    ],
)
def test_of_two_equal_keys_one_is_refused(kind: Any, key: Any, twin: Any) -> None:
    assert key == twin
    codec = key_codec_for(kind, "a map")
    codec.encode(twin)
    with pytest.raises(ValueProblem, match="another key on disk"):
        codec.encode(key)


def test_an_int_and_the_float_that_it_equals_are_one_key_of_floats() -> None:
    codec = key_codec_for(float, "a map")
    assert codec.encode(1) == codec.encode(1.0)


@pytest.mark.parametrize(
    "kind",
    [
        Any,
        object,
        int | bool,
        int | float,
        int | Level,
        str | Status,
        decimal.Decimal | float,
        fractions.Fraction | int,
        tuple[int, int] | Cell,
        Literal[1, True],
        Literal["new", Status.NEW] | int,
        tuple[Any, ...],
        list[int],
        dict[str, int],
        Partly,
        Folded,
        Own,
        Frozen,
        tuple[Own, int],
    ],
)
def test_a_type_with_equal_keys_that_are_written_apart_is_refused(kind: Any) -> None:
    with raises(actors.errors.DefinitionError, reason="type", name="Cart.items"):
        key_codec_for(kind, "Cart.items")
