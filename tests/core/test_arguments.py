"""What users give is checked where it enters, and the refusal names the parameter."""

from __future__ import annotations

import datetime
import enum
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actors
from actors.values.arguments import (
    MAX_COUNT,
    MAX_SECONDS,
    checked_count,
    checked_errors,
    checked_instant,
    checked_name,
    checked_number,
    checked_seconds,
    checked_text,
    one_of,
)
from actors.values.limits import Limits
from actors.values.retries import RetryPolicy
from actors.values.texts import shown
from tests.raising import raises

NO_NUMBERS: list[Any] = [math.nan, math.inf, -math.inf, 10**400, True, "5", None, 1j]
NOT_UTF8 = "caf\udce9.txt"


class Text(str):
    """As ``numpy.str_`` is one."""


class Number(int):
    pass


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize("value", [*NO_NUMBERS, -1, -1e-9, datetime.timedelta(-1), MAX_SECONDS * 2], ids=shown)
def test_what_is_no_duration_is_refused_by_its_parameter(value: Any) -> None:
    with raises(actors.InvalidArgumentError, path="retention"):
        checked_seconds(value, "retention")


@pytest.mark.parametrize("value", [*NO_NUMBERS, datetime.datetime(2030, 1, 1)], ids=shown)
def test_what_is_no_date_is_refused_by_its_parameter(value: Any) -> None:
    with pytest.raises(actors.InvalidArgumentError) as caught:
        checked_instant(value, "deadline")
    assert caught.value.path == "deadline"


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1, datetime.timedelta(1)], ids=shown)
def test_what_is_no_factor_is_refused_by_its_parameter(value: Any) -> None:
    with pytest.raises(actors.InvalidArgumentError) as caught:
        checked_number(value, "factor")
    assert caught.value.path == "factor"


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1, 1.0, MAX_COUNT + 1], ids=shown)
def test_what_is_no_count_is_refused_by_its_parameter(value: Any) -> None:
    with pytest.raises(actors.InvalidArgumentError) as caught:
        checked_count(value, "limit")
    assert caught.value.path == "limit"


@pytest.mark.parametrize("value", [NOT_UTF8, "\ud800", b"bytes", None, 5], ids=shown)
def test_what_is_no_text_is_refused_by_its_parameter(value: Any) -> None:
    with pytest.raises(actors.InvalidArgumentError) as caught:
        checked_text(value, "reason")
    assert caught.value.path == "reason"
    str(caught.value).encode()


def test_a_text_has_a_limit_and_a_name_is_not_empty() -> None:
    assert checked_text("", "reason") == ""
    with raises(actors.InvalidArgumentError, path="name"):
        checked_name("", "name")
    with raises(
        actors.LimitExceededError,
        limit="reason",
        code="too_large",
        maximum=10,
        found=11,
    ):
        checked_text("x" * 11, "reason", 10)


@pytest.mark.parametrize("value", ["ValueError", ValueError(), (ValueError, 5), int, None, 5], ids=shown)
def test_what_except_would_not_take_is_refused_by_its_parameter(value: Any) -> None:
    with pytest.raises(actors.InvalidArgumentError) as caught:
        checked_errors(value, "terminal")
    assert caught.value.path == "terminal"


def test_a_member_of_an_enumeration_may_be_said_as_its_value() -> None:
    assert one_of(Colour, "red", "colour") is one_of(Colour, Colour.RED, "colour") is Colour.RED
    for value in ("blue", [], None):
        with raises(actors.InvalidArgumentError, path="colour") as caught:
            one_of(Colour, value, "colour")  # type: ignore[arg-type]
        assert caught.value.path == "colour"


@given(st.timedeltas(min_value=datetime.timedelta(0), max_value=datetime.timedelta(seconds=MAX_SECONDS)))
def test_a_timedelta_is_its_seconds(span: datetime.timedelta) -> None:
    assert checked_seconds(span, "delay") == span.total_seconds()


@given(st.datetimes(timezones=st.timezones()))
def test_a_datetime_with_a_zone_is_its_date_and_one_that_is_over_is_at_least_1970(at: datetime.datetime) -> None:
    assert checked_instant(at, "at") == max(at.timestamp(), 0.0)


def test_subclasses_of_numbers_and_texts_become_plain() -> None:
    """The codecs of the journal know the plain types alone."""
    assert type(checked_text(Text("x"), "name")) is str
    assert type(checked_count(Number(5), "limit")) is int
    assert type(checked_seconds(Number(5), "delay")) is float


@pytest.mark.parametrize("value", [10**5000, [10**5000], NOT_UTF8, "x" * 10_000], ids=shown)
def test_any_value_can_be_shown_in_a_message(value: Any) -> None:
    text = shown(value)
    assert len(text) <= 80
    text.encode()


def test_a_class_alone_is_a_terminal_error_as_except_takes_it() -> None:
    assert RetryPolicy(terminal=ValueError) == RetryPolicy(terminal=(ValueError,))
    assert RetryPolicy(terminal=(ValueError, KeyError)).terminal == (ValueError, KeyError)


def test_policies_and_limits_take_timedeltas() -> None:
    second = datetime.timedelta(seconds=1)
    assert RetryPolicy(initial_delay=second, max_delay=second) == RetryPolicy(initial_delay=1.0, max_delay=1.0)
    assert Limits(query_seconds=second, unload_after_seconds=second) == Limits(
        query_seconds=1.0, unload_after_seconds=1.0
    )


@pytest.mark.parametrize("value", [0, -1, math.nan, True, "5", 2**64], ids=shown)
def test_a_limit_that_is_none_is_refused_by_its_name(value: Any) -> None:
    for name in ("mailbox", "query_seconds", "payload_bytes"):
        if name == "query_seconds" and value == 2**64:
            value = 1e300
        with pytest.raises(actors.InvalidArgumentError) as caught:
            Limits(**{name: value})
        assert caught.value.path == name
