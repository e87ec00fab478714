"""Spans of time as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actors
from actors.http.durations import DURATION, parse_duration
from tests.raising import raises


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 0.010),
        ("10s", 10),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("2m", 120),
        ("1h", 3600),
        ("3d", 259200),
        ("PT10S", 10),
        ("PT1H30M", 5400),
        ("P1DT2H3M4.5S", 93784.5),
        ("P2D", 172800),
        ("0", 0),
    ],
)
def test_a_duration_is_so_many_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text, bare="ms") == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "1 s", "1e3s", "P", "PT", "PT1", "1y", "10s\n", "\u0661s", "inf", "nan"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with raises(actors.InvalidArgumentError, code="invalid_argument"):
        parse_duration(text, bare="s")


@pytest.mark.parametrize("text", ["99999999d", "100000h", "9" * 30, "P10000D", "PT9999999999S", "P1DT1000000M"])
def test_a_duration_that_is_too_long_is_told_the_limit(text: str) -> None:
    with raises(actors.InvalidArgumentError, path="delay") as raised:
        parse_duration(text, bare="s", name="delay")
    assert raised.value.path == "delay"


LONGEST = 10_000 * 86_400 + 100_000 * 3_600 + 1_000_000 * 60 + 1_000_000_000
"""Seconds of as many days, hours, minutes and seconds as the pattern has digits for: eight decades."""


@given(st.from_regex(DURATION, fullmatch=True))
def test_whatever_fits_the_pattern_is_at_most_decades(text: str) -> None:
    assert 0 <= parse_duration(text.rstrip("\n"), bare="s") < LONGEST
