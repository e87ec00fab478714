"""Numbers, texts, dates: what has no parts."""

from __future__ import annotations

import datetime
import decimal
import fractions
import ipaddress
import pathlib
import re
import sys
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Annotated, Any, Final, NewType

import pytest

from actors.values import ValueProblem, codec_for
from actors.values.document import LONG, MAX_DIGITS
from tests.values.promise import cannot_be_defined, comes_back, is_not_read, is_refused, same

if TYPE_CHECKING:
    from collections.abc import Iterator

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
UTC = datetime.UTC
Cents = NewType("Cents", int)


class UserId(str):
    """Adds a method and nothing else."""

    def is_robot(self) -> bool:
        return self.startswith("robot")


class Amount(int):
    pass


class Ratio(float):
    pass


class Loud(str):
    def __str__(self) -> str:
        return "LOUD"

    def __repr__(self) -> str:
        return "LOUD"


class Lowered(str):
    def __new__(cls, text: str) -> Lowered:
        return super().__new__(cls, text.lower())


class Alike(str):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


class Zone(datetime.tzinfo):
    def utcoffset(self, at: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(hours=1)

    def dst(self, at: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(0)


def berlin(*fields: int, fold: int = 0) -> datetime.datetime:
    return datetime.datetime(*fields, tzinfo=BERLIN, fold=fold)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, 0),
        (int, -(2**63) - 1),
        (int, 2**64),
        (int, 10**4000),
        (int, 1 - 10**4299),
        (str, "-" + "9" * 5000),
        (list[str], ["-" + "9" * 5000, '"-' + "9" * 5000]),
        (float, 0.1),
        (float, -0.0),
        (float, 5e-324),
        (float, sys.float_info.max),
        (float, 1e16),
        (bool, True),
        (str, ""),
        (str, "\0 \U0001f600 \u2028"),
        (None, None),
        (bytes, b""),
        (bytes, bytes(range(256))),
        (bytearray, bytearray(b"\xff\0")),
        (Cents, 5),
        (Final[int], 5),
        (Annotated[int, ["anything"]], 5),
        (UserId, UserId("robot 7")),
        (Loud, Loud("soft")),
        (Amount, Amount(2**70)),
        (Ratio, Ratio(1.0)),
        (uuid.UUID, uuid.UUID(int=7)),
        (decimal.Decimal, decimal.Decimal("1.50")),
        (decimal.Decimal, decimal.Decimal("-0")),
        (decimal.Decimal, decimal.Decimal("1E+3")),
        (decimal.Decimal, decimal.Decimal("0.123456789012345678901234567890123")),
        (decimal.Decimal, decimal.Decimal("-Infinity")),
        (fractions.Fraction, fractions.Fraction(-1, 3)),
        (pathlib.Path, pathlib.Path("a/../b")),
        (pathlib.PurePosixPath, pathlib.PurePosixPath("/a b")),
        (ipaddress.IPv4Address, ipaddress.IPv4Address("10.0.0.1")),
        (ipaddress.IPv6Interface, ipaddress.IPv6Interface("::1/64")),
        (datetime.date, datetime.date(1, 1, 1)),
        (datetime.timedelta, datetime.timedelta.min),
        (datetime.timedelta, datetime.timedelta.max),
        (datetime.timedelta, datetime.timedelta(days=-1, seconds=3, microseconds=1)),
        (datetime.time, datetime.time(1, 2, 3, 4)),
        (datetime.time, datetime.time(1, tzinfo=UTC)),
        (datetime.datetime, datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)),
        (datetime.datetime, datetime.datetime(2030, 1, 2, tzinfo=UTC)),
        (datetime.datetime, datetime.datetime(2030, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=-3.5)))),
        (datetime.datetime, datetime.datetime(1800, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(seconds=3208)))),
    ],
)
def test_a_scalar_comes_back_as_it_was(kind: Any, value: Any) -> None:
    comes_back(kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True),
        (int, 1.0),
        (int, "1"),
        (int, Amount(1)),
        (bool, 1),
        (str, UserId("u")),
        (str, b"a"),
        (str, "\ud800"),
        (None, 0),
        (bytes, bytearray(b"a")),
        (int, 1 - 10**4300),
        (list[int], [1 - 10**4300]),
        (Any, {"a": 1 - 10**4300}),
        (float, float("nan")),
        (float, float("inf")),
        (float, True),
        (float, 2**60 + 1),
        (float, 10**400),
        (float, Ratio(1.0)),
        (UserId, "u"),
        (Amount, 5),
        (decimal.Decimal, decimal.Decimal("NaN")),
        (decimal.Decimal, decimal.Decimal("sNaN")),
        (datetime.date, datetime.datetime(2030, 1, 2)),
        (datetime.datetime, datetime.date(2030, 1, 2)),
        (datetime.datetime, datetime.datetime(2030, 1, 2, tzinfo=Zone())),
        (datetime.time, datetime.time(1, tzinfo=BERLIN)),
        (pathlib.Path, pathlib.PurePosixPath("a")),
        (pathlib.Path, pathlib.Path("\udcff")),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(kind: Any, value: Any) -> None:
    is_refused(kind, value, None)


def test_an_int_that_stands_for_a_float_becomes_the_float_that_equals_it() -> None:
    assert same(codec_for(float).settle(7)[1], 7.0)
    assert same(codec_for(list[float]).settle([7, 0.5])[1], [7.0, 0.5])


@pytest.fixture
def unlimited_digits() -> Iterator[None]:
    """As a program has them that calls ``sys.set_int_max_str_digits(0)``."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    yield
    sys.set_int_max_str_digits(before)


@pytest.mark.parametrize(
    ("kind", "make", "path"),
    [
        (int, lambda number: number, "$"),
        (Amount, Amount, "$"),
        (Any, lambda number: number, "$"),
        (list[int], lambda number: [1, number], "$[1]"),
        (list[int], lambda number: [1, -number], "$[1]"),
        (dict[str, int], lambda number: {"a": number}, "$['a']"),
        (dict[int, str], lambda number: {number: "a"}, None),
        (tuple[int, str], lambda number: (number, "a"), "$[0]"),
    ],
)
@pytest.mark.usefixtures("unlimited_digits")
def test_an_int_that_another_process_could_not_read_is_refused(kind: Any, make: Any, path: str | None) -> None:
    comes_back(kind, make(10**4298))
    is_refused(kind, make(10**4300), path)


def test_the_refusal_of_a_long_int_does_not_advise_a_setting_that_changes_nothing() -> None:
    with pytest.raises(ValueProblem, match="digits") as refused:
        codec_for(int).encode(10**4300)
    assert "set_int_max_str_digits" not in str(refused.value)


@pytest.mark.usefixtures("unlimited_digits")
def test_a_text_may_have_any_number_of_digits() -> None:
    comes_back(list[str], ["9" * 10_000, "1"])


def test_digits_in_a_row_are_counted_from_the_first_only() -> None:
    """A text of rows of digits would otherwise be counted anew from each digit."""
    digits = b"1" * (MAX_DIGITS + 5)
    assert [at for at in range(len(digits)) if LONG.match(digits, at)] == [0]
    assert [at for at in range(len(digits)) if LONG.match(b"-" + digits, at)] == [0, 1]


def test_a_subclass_with_attributes_of_its_own_is_refused_by_their_name() -> None:
    marked = UserId("u")
    marked.colour = "red"  # type: ignore[attr-defined]
    assert "colour" in is_refused(UserId, marked).problem


@pytest.mark.parametrize(
    "kind", [Lowered, Alike, complex, memoryview, re.Pattern, datetime.tzinfo, type, range, slice, object.__class__]
)
def test_a_type_whose_values_cannot_be_made_again_is_refused(kind: Any) -> None:
    cannot_be_defined(kind)


# Time zones.


@pytest.mark.parametrize(
    "value",
    [
        berlin(2030, 7, 1),
        berlin(2030, 10, 27, 2, 30),
        berlin(2030, 10, 27, 2, 30, fold=1),
        berlin(2030, 3, 31, 2, 30),
        berlin(2030, 3, 31, 2, 30, fold=1),
        berlin(1800, 1, 1),
        datetime.datetime(2030, 1, 2, tzinfo=zoneinfo.ZoneInfo("UTC")),
    ],
)
def test_a_date_in_a_zone_keeps_its_zone_and_its_side_of_a_change_of_clocks(value: datetime.datetime) -> None:
    comes_back(datetime.datetime, value)
    back = codec_for(datetime.datetime).settle(value)[1]
    assert back.tzinfo is value.tzinfo
    assert back.fold == value.fold
    assert back.utcoffset() == value.utcoffset()


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime(2030, 1, 2, fold=1),
        datetime.datetime(2030, 1, 2, tzinfo=UTC, fold=1),
        berlin(2030, 7, 1, fold=1),
        datetime.datetime(2030, 1, 2, tzinfo=zoneinfo.ZoneInfo.no_cache("Europe/Berlin")),
    ],
)
def test_a_fold_or_a_zone_that_would_be_lost_is_refused(value: datetime.datetime) -> None:
    is_refused(datetime.datetime, value)


def test_a_date_whose_zone_has_new_rules_keeps_its_instant() -> None:
    read = codec_for(datetime.datetime).decode(b'"2030-07-01T09:00:00+05:00[Europe/Berlin]"')
    assert read == datetime.datetime(2030, 7, 1, 4, tzinfo=UTC)
    assert read.tzinfo is BERLIN


# From outside.


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        (int, b"5.0", 5),
        (float, b"5", 5.0),
        (Amount, b"5", Amount(5)),
        (decimal.Decimal, b"5", decimal.Decimal(5)),
        (uuid.UUID, b'"00000000000000000000000000000007"', uuid.UUID(int=7)),
        (datetime.datetime, b'"2030-01-02T00:00:00z"', datetime.datetime(2030, 1, 2, tzinfo=UTC)),
    ],
)
def test_other_ways_to_write_the_same_are_read(kind: Any, data: bytes, value: Any) -> None:
    assert same(codec_for(kind).decode(data), value)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (int, b"5.5"),
        (int, b"9" * 4301),
        (Any, b"[-%b]" % (b"9" * 4300)),
        (int, b"1e23"),
        (int, b"true"),
        (int, b'"5"'),
        (float, b"9007199254740993"),
        (float, b'"5"'),
        (bool, b"1"),
        (str, b"5"),
        (None, b"0"),
        (bytes, b'"YWI"'),
        (bytes, b'"YW I="'),
        (bytes, '"\u00e4"'.encode()),
        (decimal.Decimal, b"1.5"),
        (decimal.Decimal, b'"NaN"'),
        (decimal.Decimal, b'"1,5"'),
        (fractions.Fraction, b'"1/0"'),
        (fractions.Fraction, b'"1e999999999"'),
        (uuid.UUID, b'"7"'),
        (datetime.date, b'"2030-02-30"'),
        (datetime.datetime, b'"2030-01-02"'),
        (datetime.datetime, b'"2030-01-02T00:00:00[Europe/Berlin]"'),
        (datetime.datetime, b'"2030-01-02T00:00:00+01:00[../etc/passwd]"'),
        (datetime.datetime, b'"2030-01-02T00:00:00+01:00[Nowhere]"'),
        (ipaddress.IPv4Address, b'"::1"'),
    ],
)
def test_json_that_stands_for_no_value_is_refused(kind: Any, data: bytes) -> None:
    is_not_read(kind, data)
