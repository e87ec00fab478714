"""Enums, flags and literals: members arrive as members, and nothing else arrives."""

from __future__ import annotations

import enum
from typing import Any, Literal

import pytest

from actors.values import codec_for
from tests.values.promise import cannot_be_defined, comes_back, is_not_read, is_refused


class Status(enum.StrEnum):
    NEW = "new"
    PAID = "paid"
    FRESH = "new"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Colour(enum.Enum):
    RED = "red"
    NONE = None
    YES = True
    TWO = 2
    HALF = 0.5


class Mixed(str, enum.Enum):  # noqa: UP042 - users write it
    A = "a"


class Weight(float, enum.Enum):
    HALF = 0.5
    ONE = 1.0


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2
    ALL = 3


class Side(enum.Flag):
    LEFT = enum.auto()
    RIGHT = enum.auto()


class Unknown(enum.Enum):
    OPEN = "open"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> Unknown | None:
        return cls.OTHER if isinstance(value, str) else None


class Point(enum.Enum):
    ORIGIN = (0, 0)


class Endless(enum.Enum):
    NAN = float("nan")


class Empty(enum.Enum):
    pass


ENUMS: list[type[enum.Enum]] = [Status, Level, Colour, Mixed, Weight, Unknown]


@pytest.mark.parametrize(("kind", "member"), [(kind, member) for kind in ENUMS for member in kind])
def test_a_member_comes_back_as_the_member(kind: Any, member: enum.Enum) -> None:
    comes_back(kind, member)
    assert codec_for(kind).settle(member)[1] is member


@pytest.mark.parametrize("value", [Access(0), Access.READ, Access.READ | Access.WRITE, ~Access.READ])
def test_a_combination_of_flags_comes_back(value: Access) -> None:
    comes_back(Access, value)


def test_no_flag_and_all_flags_come_back() -> None:
    comes_back(Side, Side(0))
    comes_back(Side, ~Side(0))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Status, "new"),
        (Status, Mixed.A),
        (Level, 1),
        (Level, True),
        (Mixed, "a"),
        (Weight, 0.5),
        (Access, 1),
        (Access, Access(1024)),
        (Access, Level.LOW),
        (Side, 1),
        (str, Status.NEW),
        (int, Level.LOW),
        (int, Access.READ),
        (float, Weight.ONE),
    ],
)
def test_a_value_that_is_no_member_is_refused(kind: Any, value: Any) -> None:
    is_refused(kind, value)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Status, b'"gone"'),
        (Status, b"1"),
        (Level, b"3"),
        (Level, b"true"),
        (Level, b'"1"'),
        (Colour, b"1"),
        (Colour, b"false"),
        (Access, b"1024"),
        (Access, b"-1"),
        (Access, b"true"),
        (Unknown, b"5"),
        (Status, b"[]"),
    ],
)
def test_json_of_no_member_is_refused(kind: Any, data: bytes) -> None:
    is_not_read(kind, data)


def test_a_class_that_names_a_member_for_unknown_values_is_asked() -> None:
    assert codec_for(Unknown).decode(b'"closed"') is Unknown.OTHER


@pytest.mark.parametrize("kind", [Point, Endless, Empty, enum.Enum, enum.Flag, list[Point], dict[Point, int]])
def test_an_enum_of_which_no_member_can_be_kept_is_refused(kind: Any) -> None:
    cannot_be_defined(kind)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Literal[1, "a", None], 1),
        (Literal[1, "a", None], None),
        (Literal[True], True),
        (Literal[Status.NEW], Status.NEW),
        (list[Literal["x", "y"]], ["x", "y", "x"]),
    ],
)
def test_a_literal_comes_back(kind: Any, value: Any) -> None:
    comes_back(kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Literal[1], True),
        (Literal[1], 1.0),
        (Literal[True], 1),
        (Literal["new"], Status.NEW),
        (Literal[Status.NEW], "new"),
        (Literal["a"], ["a"]),
    ],
)
def test_what_only_equals_a_literal_is_refused(kind: Any, value: Any) -> None:
    is_refused(kind, value)


def test_literals_of_equal_values_have_codecs_of_their_own() -> None:
    comes_back(list[Literal[1]], [1])
    comes_back(list[Literal[True]], [True])


@pytest.mark.parametrize("kind", [Literal[b"a"], Literal["new", Status.NEW]])
def test_a_literal_that_json_cannot_tell_is_refused(kind: Any) -> None:
    cannot_be_defined(kind)
