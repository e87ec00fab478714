"""Values whose reader is not known yet: signals and edits."""

from __future__ import annotations

import collections
import datetime
import enum
from typing import Any

import attrs
import pytest

from actors.values import MAX_DEPTH, ValueProblem, codec_for
from actors.values.owntype import check_restored, encode_by_own_type, write_by_own_type
from tests.values.promise import same


class Status(enum.StrEnum):
    NEW = "new"


@attrs.frozen
class Seat:
    row: int
    letter: str = "a"


@attrs.define
class Growing:
    number: int = attrs.field(converter=lambda n: n + 1)


DAY = datetime.date(2030, 1, 2)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, None),
        (5, int),
        ([1, 0.5, "a", None], Any),
        ((1, "a"), tuple[int, str]),
        ({3, 1}, set[int]),
        ([Seat(1), Seat(2)], list[Seat]),
        ({"a": (Seat(1), DAY)}, dict[str, tuple[Seat, datetime.date]]),
        ({1: "a", 2: "b"}, dict[int, str]),
        ({Status.NEW: {DAY: 1}}, dict[Status, dict[datetime.date, int]]),
        ({(1, "a"): Status.NEW}, dict[tuple[int, str], Status]),
        ({Seat(1): [b"\xff"]}, dict[Seat, list[bytes]]),
    ],
)
def test_the_reader_with_the_right_type_gets_an_equal_value(value: Any, kind: Any) -> None:
    assert same(codec_for(kind).decode(encode_by_own_type(value)), value)


def test_sets_are_written_in_one_order() -> None:
    assert encode_by_own_type({"b", "c", "a"}) == b'["a","b","c"]'


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (float("nan"), "$"),
        ([1, float("inf")], "$[1]"),
        ({1: "one", "1": "uno"}, "$"),
        ({"a": [{True: 1, 1.5: 2}]}, "$['a'][0]"),
        ({"a": Growing(1)}, "$['a']['number']"),
        ([Seat("x")], "$[0]['row']"),  # type: ignore[arg-type]
        (["\ud800"], "$[0]"),
    ],
)
def test_what_no_reader_could_get_back_is_refused(value: Any, path: str) -> None:
    with pytest.raises(ValueProblem) as refusal:
        encode_by_own_type(value)
    assert refusal.value.path == path


def test_a_type_that_cannot_be_kept_is_refused_by_its_name() -> None:
    with pytest.raises(ValueProblem, match="deque") as refusal:
        encode_by_own_type({"a": [collections.deque([1])]})
    assert refusal.value.path == "$['a'][0]"


def test_a_value_that_is_a_part_of_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append((circle,))
    with pytest.raises(ValueProblem, match=str(MAX_DEPTH)):
        encode_by_own_type(circle)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ([1, {"a": None}], Any),
        ((1, [2]), tuple[Any, Any]),
        ([(1, "a")], list[tuple[Any, ...]]),
        ({2: [1]}, dict[int, Any]),
        ({"a": {1, 2}}, dict[str, set[int]]),
        ([{"b": Seat(1)}, {"a": Seat(2)}], list[dict[str, Seat]]),
        ({Status.NEW: (1,)}, dict[Status, tuple[Any]]),
        ((1, 2), list[int]),  # a type that names all is the reader's word
    ],
)
def test_a_reader_that_names_what_json_loses_gets_the_value(value: Any, kind: Any) -> None:
    written, codec = write_by_own_type(value), codec_for(kind)
    check_restored(codec.decode(written.data), codec, written.json_loses)


@pytest.mark.parametrize(
    ("value", "kind", "path"),
    [
        ((1, 2), Any, "$"),
        ((1, 2), list[Any], "$"),
        ([1, (2,)], list[Any], "$[1]"),
        ({"a": {1}}, dict[str, Any], "$['a']"),
        ({1: (2,)}, dict[int, Any], "$"),
        ({1: 2}, Any, "$"),
        ({1: 2}, dict[str, Any], "$"),
        ({(Seat(1),)}, set[tuple[Any]], "$"),
        (Seat(1), Any, "$"),
        ([DAY], list[Any], "$[0]"),
    ],
)
def test_a_reader_that_leaves_open_what_json_loses_is_refused(value: Any, kind: Any, path: str) -> None:
    written, codec = write_by_own_type(value), codec_for(kind)
    with pytest.raises(ValueProblem) as refusal:
        check_restored(codec.decode(written.data), codec, written.json_loses)
    assert refusal.value.path == path


def test_what_json_loses_of_a_value_with_any_text_can_be_written_and_is_short() -> None:
    lost = write_by_own_type({"'] \u2028" * 1_000: (1,)}).json_loses
    assert len(lost) < 500
    assert lost.encode()
