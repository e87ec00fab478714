"""Ids: they say where they live, sort by age, and nothing else passes for one."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.errors import MalformedIdError
from journal.ids import (
    StreamId,
    Ulids,
    derived_unique,
    invocation_id,
    parse_invocation_id,
    stream_of,
    stream_of_invocation,
)
from tests.raising import raises

STREAMS = st.integers(0, 2**64 - 1).map(StreamId)


@given(STREAMS, st.integers(0, 2**128 - 1))
def test_an_id_is_38_characters_and_names_its_stream(stream: StreamId, unique: int) -> None:
    made = invocation_id(stream, unique)
    assert len(made) == 38
    assert parse_invocation_id(made) == made
    assert stream_of_invocation(made) == stream


@given(STREAMS, st.integers(0, 2**128 - 2), st.integers(1, 2**64))
def test_ids_of_one_object_sort_as_their_numbers_do(stream: StreamId, unique: int, more: int) -> None:
    later = min(unique + more, 2**128 - 1)
    assert invocation_id(stream, unique) < invocation_id(stream, later)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "inv_1",
        "inv_2" + "0" * 33,
        "inv_1" + "0" * 32,
        "inv_1" + "0" * 34,
        "inv_1" + "0" * 32 + "-",
        "inv_1" + "z" * 11 + "0" * 22,
        "inv_1" + "0" * 11 + "z" * 22,
        "inv_1" + "0" * 32 + "\n",
        "inv_1" + "٣" * 33,
    ],
)
def test_what_is_no_id_is_refused_with_what_was_expected(text: str) -> None:
    with raises(MalformedIdError, text=text):
        parse_invocation_id(text)


def test_ulids_rise_within_a_millisecond_and_when_the_clock_is_set_back() -> None:
    times = iter([100.0, 100.0, 99.0, 100.0005, 101.0])
    ulids = Ulids(lambda: next(times), Random(1))
    made = [ulids.next() for _ in range(5)]
    assert made == sorted(set(made))
    assert made[-1] >> 80 == 101_000


@pytest.mark.parametrize("key", ["alice", None])
def test_ids_of_new_invocations_rise_with_the_numbers_and_name_their_objects(key: str | None) -> None:
    times = [100.0] * 500 + [99.0] * 500 + [100.0005, 101.0, 100.0, 102.0]
    ulids = Ulids(lambda: times[0], Random(1))
    last = ""
    for at in times:
        for of in (
            ulids.new_id("Counter", key, at),
            invocation_id(StreamId(0), ulids.next(at)),
            ulids.new_id("Counter", key),
        ):
            assert parse_invocation_id(of) == of
            unique = of[-22:]
            assert unique > last
            last = unique
        assert key is None or stream_of_invocation(of) == stream_of("Counter", key)


def test_every_invocation_of_a_service_has_a_stream_of_its_own() -> None:
    ulids = Ulids(lambda: 100.0, Random(1))
    assert len({stream_of_invocation(ulids.new_id("Mailer", None)) for _ in range(1_000)}) == 1_000


def test_the_same_words_give_the_same_number_and_no_two_splits_of_them_do() -> None:
    assert derived_unique("ab", "c") == derived_unique("ab", "c")
    assert derived_unique("ab", "c") != derived_unique("a", "bc")
    assert stream_of("ab", "c") != stream_of("a", "bc")


def test_what_names_and_words_map_to_never_changes() -> None:
    assert stream_of("Counter", "alice") == 0x2E00DFBC46F55648
    assert derived_unique("a", "b") == 333375932222145163880501889050396340089
