"""Unions: a member comes back as the member that it was."""

from __future__ import annotations

import datetime
import decimal
import enum
import pathlib
import uuid
from typing import Annotated, Any, Literal, Optional, Union

import attrs
import pytest

from actors.values import codec_for
from tests.values.promise import cannot_be_defined, comes_back, is_not_read, is_refused, same


class Status(enum.StrEnum):
    NEW = "new"


class Level(enum.IntEnum):
    LOW = 1


class UserId(str):
    pass


@attrs.define
class Card:
    number: str


@attrs.define
class Transfer:
    iban: str
    bank: str = ""


@attrs.define
class Giro:
    iban: str


@attrs.define
class Cat:
    kind: Literal["cat"]
    name: str


@attrs.define
class Dog:
    kind: Literal["dog"]
    name: str


@attrs.define
class Bird:
    name: str


@attrs.define
class Fish:
    name: str


@attrs.define
class Branch:
    parts: list[Branch | Leaf]


@attrs.define
class Leaf:
    value: int | str


DAY = datetime.date(2030, 1, 2)
NUMBER = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (int | None, [5, None]),
        (Optional[list[int]], [[1], None]),  # noqa: UP045 - users write it
        (Union[int, str, None], [5, "5", None]),  # noqa: UP007
        (int | bool | float, [1, True, 1.0, 0, False, 0.0, -0.0]),
        (float | int, [1, 1.0, 2**70]),
        (list[int | float], [[1, 1.0, 2]]),
        (str | datetime.date, [DAY, "tomorrow"]),
        (uuid.UUID | str, [NUMBER, "anna"]),
        (decimal.Decimal | float, [decimal.Decimal("1.0"), 1.0]),
        (datetime.date | datetime.datetime, [DAY, datetime.datetime(2030, 1, 2)]),
        (Status | str, [Status.NEW, "old"]),
        (Level | int, [Level.LOW, 2]),
        (int | Level, [Level.LOW, 2]),
        (Literal["auto"] | int, ["auto", 5]),
        (Card | Transfer | Giro, [Card("1"), Transfer("2"), Giro("2")]),
        (Giro | Transfer, [Transfer("2"), Giro("2")]),
        (Cat | Dog | None, [Cat("cat", "a"), Dog("dog", "b"), None]),
        (Annotated[Cat | Dog, "a tag"], [Cat("cat", "a"), Dog("dog", "b")]),
        (Card | str, [Card("1"), "1"]),
        (list[Card | Giro], [[Card("1"), Giro("2")]]),
        (Card | dict[str, int], [Card("1"), {"a": 1}]),
        (Branch, [Branch([Leaf(1), Branch([Leaf("1")])])]),
        (list[int] | list[str], [[1], ["a"], []]),
        (list[Any] | tuple[int, ...], [(1, 2), ["a"]]),
        (dict[str, int] | list[int] | int, [{"a": 1}, [1], 1]),
        (tuple[int, str] | tuple[int, int], [(1, "a"), (1, 2)]),
    ],
)
def test_each_member_comes_back_as_itself(kind: Any, values: list[Any]) -> None:
    for value in values:
        comes_back(kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str | datetime.date, "2030-01-02"),
        (datetime.datetime | str, "2030-01-02T00:00:00Z"),
        (uuid.UUID | str, str(NUMBER)),
        (Status | str, "new"),
        (int | Level, 1),
        (decimal.Decimal | str, "1.50"),
        (Card | dict[str, str], {"number": "1"}),
        (list[Any] | tuple[int, ...], [1, 2]),
        (list[int] | tuple[str, ...], ()),
    ],
)
def test_a_value_that_would_come_back_as_another_member_is_refused(kind: Any, value: Any) -> None:
    is_refused(kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (int | None, "5", "$"),
        (int | str, 5.5, "$"),
        (bool | str, 1, "$"),
        (Cat | Dog, Cat("dog", "a"), "$['kind']"),  # type: ignore[arg-type]
        (Cat | Dog, Bird("a"), "$"),
        (Card | None, Card(5), "$['number']"),  # type: ignore[arg-type]
    ],
)
def test_a_value_of_no_member_is_refused(kind: Any, value: Any, path: str) -> None:
    is_refused(kind, value, path)


@pytest.mark.parametrize(
    "kind",
    [
        Bird | Fish,
        list[Bird] | list[Fish],
        list[int] | set[int],
        list[int] | tuple[int, ...],
        set[int] | frozenset[int],
        bytes | str,
        pathlib.Path | str,
        UserId | str,
        bytes | bytearray,
        Status | Literal["new"],
        dict[str, Bird | Fish],
    ],
)
def test_members_that_json_never_tells_apart_are_refused(kind: Any) -> None:
    cannot_be_defined(kind)


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        (int | str, b"5.0", 5),
        (float | None, b"5", 5.0),
        (int | float, b"5", 5),
        (Transfer | Card, b'{"iban":"1"}', Transfer("1")),
        (Giro | Transfer, b'{"iban":"1"}', Giro("1")),
        (uuid.UUID | str, b'"00000000-0000-0000-0000-000000000007"', NUMBER),
        (uuid.UUID | str, b'"00000000000000000000000000000007"', NUMBER.hex),
    ],
)
def test_json_from_outside_is_read_as_the_member_that_it_fits_best(kind: Any, data: bytes, value: Any) -> None:
    assert same(codec_for(kind).decode(data), value)


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        (int | None, b'"5"', "$"),
        (Cat | Dog, b'{"kind":"cow","name":"a"}', "$"),
        (Card | None, b'{"number":5}', "$['number']"),
        (Card | Giro, b'{"number":5}', "$['number']"),
    ],
)
def test_json_of_no_member_is_refused(kind: Any, data: bytes, path: str) -> None:
    is_not_read(kind, data, path)
