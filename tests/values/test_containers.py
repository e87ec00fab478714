"""Lists, tuples, sets, dictionaries, and values without a type."""

from __future__ import annotations

import collections
import collections.abc
import datetime
import enum
import typing
import uuid
from typing import Any, Optional, Unpack

import attrs
import msgspec
import pytest

from actors.values import MAX_DEPTH, codec_for
from tests.values.promise import cannot_be_defined, comes_back, is_not_read, is_refused, same


class Level(enum.IntEnum):
    LOW = 1


class Status(enum.StrEnum):
    NEW = "new"


@attrs.frozen
class Seat:
    row: int
    letter: str


@attrs.define
class Loose:
    row: int


@attrs.frozen(eq=False)
class ByIdentity:
    row: int


class Lines(list[str]):
    pass


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (list, [1, "a", None, [True]]),
        (list[int], []),
        (list[int], [1, 2]),
        (list[Optional[float]], [0.5, None]),  # noqa: UP045 - users write it
        (typing.List[bytes], [b"\xff"]),  # noqa: UP006
        (tuple, (1, "a")),
        (tuple[()], ()),
        (tuple[int, str], (1, "a")),
        (tuple[int, ...], (1, 2, 3)),
        (tuple[tuple[int, ...], list[int]], ((1,), [2])),
        (set, {1, "a", None}),
        (set[int], {10, 9, 2}),
        (set[tuple[int, str]], {(1, "a")}),
        (frozenset[frozenset[int]], frozenset({frozenset({1}), frozenset()})),
        (set[Seat], {Seat(1, "a"), Seat(1, "b")}),
        (collections.abc.Sequence[int], [1]),
        (collections.abc.MutableSequence[int], [1]),
        (collections.abc.Iterable[int], [1]),
        (collections.abc.Collection[int], [1]),
        (collections.abc.Set[int], {1}),
        (collections.abc.MutableSet[int], {1}),
        (collections.abc.Mapping[str, int], {"a": 1}),
        (collections.abc.MutableMapping[int, int], {1: 1}),
        (collections.OrderedDict[str, int], collections.OrderedDict(b=1, a=2)),
        (collections.Counter[str], collections.Counter("abba")),
        (collections.Counter[Level], collections.Counter([Level.LOW])),
    ],
)
def test_a_container_comes_back_as_it_was(kind: Any, value: Any) -> None:
    comes_back(kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (dict, {"a": [1]}),
        (dict[str, int], {"": 1, "1": 2}),
        (dict[int, str], {1: "a", -(2**70): "b"}),
        (dict[bool, str], {True: "a", False: "b"}),
        (dict[float, str], {0.5: "a", 1e300: "b"}),
        (dict[None, str], {None: "a"}),
        (dict[bytes, str], {b"\xff": "a"}),
        (dict[Level, str], {Level.LOW: "a"}),
        (dict[Status, str], {Status.NEW: "a"}),
        (dict[uuid.UUID, str], {uuid.UUID(int=1): "a"}),
        (dict[datetime.date, str], {datetime.date(2030, 1, 2): "a"}),
        (dict[datetime.datetime, str], {datetime.datetime(2030, 1, 2, tzinfo=datetime.UTC): "a"}),
        (dict[tuple[int, str], str], {(1, "a"): "b"}),
        (dict[tuple[tuple[int, ...], ...], str], {((1,), ()): "b"}),
        (dict[frozenset[int], str], {frozenset({1}): "b"}),
        (dict[Seat, str], {Seat(1, "a"): "anna"}),
        (dict[int | str, str], {1: "a", "1": "b"}),
        (dict[str | None, str], {None: "a", "null": "b"}),
        (dict[bool | int, int], {True: 1, 2: 2}),
        (dict[typing.Literal["x", 1], int], {"x": 1, 1: 2}),
        (dict[str, dict[int, list[Level]]], {"a": {1: [Level.LOW]}}),
    ],
)
def test_a_dictionary_comes_back_with_keys_of_any_type(kind: Any, value: Any) -> None:
    comes_back(kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (list[int], (1,), "$"),
        (list[str], "ab", "$"),
        (list[int], [1, True], "$[1]"),
        (list[str], Lines(["a"]), "$"),
        (tuple[int, str], (1,), "$"),
        (tuple[int, str], (1, "a", 2), "$"),
        (tuple[int, str], (1, 2), "$[1]"),
        (tuple[int, ...], [1], "$"),
        (set[int], frozenset({1}), "$"),
        (set[int], {True}, "$[0]"),
        (collections.abc.Sequence[int], (1,), "$"),
        (collections.abc.Mapping[str, int], collections.OrderedDict(a=1), "$"),
        (dict[str, int], collections.Counter("a"), "$"),
        (dict[int, str], {"1": "a"}, "$['1']"),
        (dict[int, str], {True: "a"}, "$[True]"),
        (dict[str, int], {"a": 1, "b": "x"}, "$['b']"),
        (dict[str, dict[int, str]], {"a": {1: "x", 2: 2}}, "$['a'][2]"),
        (dict[float, int], {float("nan"): 1}, "$[nan]"),
        (dict[Status, int], {"new": 1}, "$['new']"),
    ],
)
def test_a_container_that_would_come_back_otherwise_is_refused(kind: Any, value: Any, path: str) -> None:
    is_refused(kind, value, path)


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        (set[int], b"[1,1]", "$"),
        (set[int], b"[1,1.0]", "$"),
        (set, b"[[1]]", "$"),
        (dict[int, str], b'{"1":"a","1.0":"b"}', "$"),
        (dict[int, str], b'{"a":"b"}', "$['a']"),
        (dict[int, str], b'{"true":"b"}', "$['true']"),
        (dict[tuple[int, str], str], b'{"[1]":"b"}', "$['[1]']"),
        (tuple[int, str], b"[1]", "$"),
    ],
)
def test_json_that_would_lose_an_item_is_refused(kind: Any, data: bytes, path: str) -> None:
    is_not_read(kind, data, path)


@pytest.mark.parametrize(
    "kind",
    [
        set[list[int]],
        set[Loose],
        set[ByIdentity],
        frozenset[dict[str, int]],
        dict[list[int], int],
        dict[tuple[list[int], int], int],
        dict[Loose, int],
        dict[bytearray, int],
        collections.deque,
        collections.deque[int],
        collections.defaultdict[str, int],
        collections.ChainMap[str, int],
        Lines,
        collections.abc.Iterator[int],
        collections.abc.AsyncIterator[int],
        collections.abc.Generator[int, None, None],
        collections.abc.Callable,
        collections.abc.Callable[[int], int],
        collections.abc.Hashable,
        type[int],
        tuple[int, *tuple[str, ...]],
        tuple[*tuple[int, str]],
        tuple[int, Unpack[tuple[str, ...]]],  # noqa: UP044 - as users may have written it
        list[collections.deque[int]],
        dict[str, collections.abc.Callable[[], int]],
    ],
)
def test_a_container_of_which_nothing_could_be_kept_is_refused(kind: Any) -> None:
    cannot_be_defined(kind)


def test_sets_are_written_in_the_order_of_their_json() -> None:
    words = {f"word {n}" for n in range(50)}
    assert msgspec.json.decode(codec_for(set[str]).encode(words)) == sorted(words)


# Values without a type.


@pytest.mark.parametrize("kind", [Any, object])
def test_json_needs_no_type(kind: Any) -> None:
    comes_back(kind, {"a": [1, 2.5, 1.0, -0.0, True, None, "x", {}, []]})


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ((1,), "$"),
        ([1, {2}], "$[1]"),
        ({"a": (1,)}, "$['a']"),
        ({1: "one", "1": "uno"}, "$"),
        ([{True: 1}], "$[0]"),
        ({"when": datetime.date(2030, 1, 2)}, "$['when']"),
        ([Status.NEW], "$[0]"),
        (Level.LOW, "$"),
        (b"a", "$"),
        (Seat(1, "a"), "$"),
        ([float("nan")], "$[0]"),
        (collections.Counter("a"), "$"),
        (object(), "$"),
    ],
)
def test_what_json_would_bend_is_refused_where_no_type_is_given(value: Any, path: str) -> None:
    is_refused(Any, value, path)
    is_refused(list[Any], [value], f"$[0]{path[1:]}")


def test_a_value_that_is_a_part_of_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    is_refused(list[Any], circle, None)
    table: dict[str, Any] = {}
    table["a"] = table
    is_refused(dict[str, Any], table, None)


def test_a_value_is_as_deep_as_the_limit_and_no_deeper() -> None:
    def nested(depth: int) -> list[Any]:
        return [nested(depth - 1)] if depth > 1 else []

    comes_back(Any, nested(MAX_DEPTH))
    with pytest.raises(Exception, match="deep"):
        codec_for(Any).encode(nested(MAX_DEPTH + 1))
    with pytest.raises(Exception, match="deep"):
        codec_for(Any).decode(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


def test_brackets_in_texts_are_not_depth() -> None:
    comes_back(Any, ["[" * 1000, '"]\\[', {"{": "[" * 100}])


def test_a_value_that_is_read_is_not_shared() -> None:
    value = [[1], [1]]
    back = codec_for(list[list[int]]).settle(value)[1]
    assert same(back, value)
    assert back[0] is not back[1]
