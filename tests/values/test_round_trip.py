"""Any type of a grammar, any value: it comes back equal with its types, or it is refused. Nothing else happens."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import math
import pathlib
import uuid
import zoneinfo
from typing import Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar, Union

import attrs
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import actors
from actors.values import ValueProblem, codec_for
from actors.values.mapkeys import key_codec_for
from actors.values.owntype import encode_by_own_type
from tests.values.promise import same

T = TypeVar("T")


class Status(enum.StrEnum):
    NEW = "new"
    DATE = "2030-01-02"


class Level(enum.IntEnum):
    ONE = 1
    TWO = 2


class Odd(enum.Enum):
    NONE = None
    HALF = 0.5
    TRUE = True


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


class UserId(str):
    pass


class Cents(int):
    pass


@attrs.define
class Line:
    name: str
    amount: int | float = 1


@attrs.frozen
class Seat:
    row: int
    letter: str = "a"


@attrs.define
class Checked:
    number: int = attrs.field(converter=lambda n: n if n < 5 else 5, on_setattr=attrs.setters.NO_OP)
    note: Any = attrs.field(default=None, kw_only=True)


@attrs.define
class Box(Generic[T]):
    content: T
    more: list[T] = attrs.field(factory=list)


@dataclasses.dataclass
class Sum:
    parts: list[float]
    total: float = dataclasses.field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.total = float(len(self.parts))


class Point(NamedTuple):
    x: int
    label: str | None = None


class Entry(TypedDict, total=False):
    key: str
    value: int | None


class Model(BaseModel):
    number: float
    tags: list[str] = []


Meters = NewType("Meters", float)
Typed = tuple[Any, st.SearchStrategy[Any]]
"""A type, and its values."""

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
texts = st.text(max_size=5) | st.sampled_from(["1", "true", "null", "new", "2030-01-02", "[1]", "YWJj"])
ints = st.integers(-3, 3) | st.integers(-(2**70), 2**70)
floats = st.floats()
decimals = st.decimals()
zones = st.none() | st.sampled_from([datetime.UTC, BERLIN]) | st.timezones()
datetimes = st.datetimes(timezones=zones, allow_imaginary=True) | st.datetimes().map(lambda at: at.replace(fold=1))

SCALARS: list[Typed] = [
    (int, ints),
    (float, floats),
    (bool, st.booleans()),
    (str, texts),
    (None, st.none()),
    (bytes, st.binary(max_size=4)),
    (bytearray, st.binary(max_size=4).map(bytearray)),
    (uuid.UUID, st.uuids()),
    (decimal.Decimal, decimals),
    (fractions.Fraction, st.fractions()),
    (pathlib.Path, st.text("ab/.", max_size=5).map(pathlib.Path)),
    (ipaddress.IPv4Address, st.ip_addresses(v=4)),
    (datetime.date, st.dates()),
    (datetime.datetime, datetimes),
    (datetime.time, st.times(timezones=st.none() | st.just(datetime.UTC))),
    (datetime.timedelta, st.timedeltas()),
    (Status, st.sampled_from(Status)),
    (Level, st.sampled_from(Level)),
    (Odd, st.sampled_from(Odd)),
    (Access, st.builds(Access, st.integers(0, 7))),
    (UserId, texts.map(UserId)),
    (Cents, ints.map(Cents)),
    (Meters, floats),
    (Literal[1, "1", None], st.sampled_from([1, "1", None])),
    (Literal[True, Status.NEW], st.sampled_from([True, Status.NEW])),
]
CLASSES: list[Typed] = [
    (Line, st.builds(Line, texts, ints | floats)),
    (Seat, st.builds(Seat, ints, texts)),
    (Checked, st.builds(Checked, ints, note=st.none() | ints | st.tuples(ints))),
    (Sum, st.builds(Sum, st.lists(floats, max_size=2))),
    (Point, st.builds(Point, ints, texts | st.none())),
    (Entry, st.fixed_dictionaries({}, optional={"key": texts, "value": ints | st.none()})),
    (Model, st.builds(Model, number=floats, tags=st.lists(texts, max_size=2))),
]
json_values = st.recursive(
    st.none() | st.booleans() | ints | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
SCALARS_AND_ANY = [*SCALARS, (Any, json_values), (object, json_values)]


def containers(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    """Types of types."""
    two = st.tuples(inner, inner)
    return st.one_of(
        inner.map(lambda of: (list[of[0]], st.lists(of[1], max_size=3))),  # type: ignore[misc, name-defined]
        inner.map(lambda of: (tuple[of[0], ...], st.lists(of[1], max_size=3).map(tuple))),  # type: ignore[misc, name-defined]
        two.map(lambda of: (tuple[of[0][0], of[1][0]], st.tuples(of[0][1], of[1][1]))),  # type: ignore[misc, name-defined]
        inner.map(lambda of: (set[of[0]], hashable_lists(of[1]).map(set))),  # type: ignore[misc, name-defined]
        inner.map(lambda of: (frozenset[of[0]], hashable_lists(of[1]).map(frozenset))),  # type: ignore[misc, name-defined]
        two.map(lambda of: (dict[of[0][0], of[1][0]], dictionaries(of[0][1], of[1][1]))),  # type: ignore[misc, name-defined]
        inner.map(lambda of: (collections.Counter[of[0]], hashable_lists(of[1]).map(collections.Counter))),  # type: ignore[misc, name-defined]
        inner.map(lambda of: (Box[of[0]], st.builds(Box, of[1], st.lists(of[1], max_size=2)))),  # type: ignore[misc, name-defined]
        inner.map(lambda of: (Union[of[0], None], of[1] | st.none())),  # noqa: UP007
        two.map(lambda of: (Union[of[0][0], of[1][0]], of[0][1] | of[1][1])),  # noqa: UP007
    )


def hashable_lists(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=3).map(lambda items: [item for item in items if is_hashable(item)])


def dictionaries(keys: st.SearchStrategy[Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    items = st.lists(st.tuples(keys, values), max_size=3)
    return items.map(lambda found: {key: value for key, value in found if is_hashable(key)})


def is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


types = st.recursive(st.sampled_from([*SCALARS_AND_ANY, *CLASSES]), containers, max_leaves=4)
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@QUICK
@given(st.data())
def test_a_value_of_any_type_comes_back_equal_or_is_refused(data: st.DataObject) -> None:
    kind, values = data.draw(types, label="type")
    value = data.draw(values, label="value")
    try:
        codec = codec_for(kind)
        written, back = codec.settle(value)
    except (actors.errors.DefinitionError, ValueProblem) as refusal:
        event(type(refusal).__name__)
        return
    event("comes back")
    assert same(back, value)
    assert codec.encode(back) == written


@QUICK
@given(st.data())
def test_a_value_of_another_type_comes_back_equal_or_is_refused(data: st.DataObject) -> None:
    kind, _ = data.draw(types, label="type")
    _, values = data.draw(types, label="type of the value")
    value = data.draw(values, label="value")
    try:
        back = codec_for(kind).settle(value)[1]
    except (actors.errors.DefinitionError, ValueProblem):
        return
    event("comes back")
    assert same_but_for_floats(value, back)


@QUICK
@given(st.data())
def test_json_from_outside_is_read_as_a_value_that_stays_the_same_or_is_refused(data: st.DataObject) -> None:
    kind, _ = data.draw(types, label="type")
    written = encode_by_own_type(data.draw(json_values.filter(is_finite), label="JSON"))
    try:
        codec = codec_for(kind)
        value = codec.decode(written)
        back = codec.settle(value)[1]
    except (actors.errors.DefinitionError, ValueProblem):
        return
    event("is read")
    assert same(back, value)


@QUICK
@given(st.data())
def test_what_says_its_own_type_is_read_by_that_type_as_it_was(data: st.DataObject) -> None:
    kind, values = data.draw(st.sampled_from([*SCALARS, *CLASSES]), label="type")
    value = data.draw(st.lists(values, max_size=2).map(lambda items: {"a": (items, 1)}), label="value")
    codec = codec_for(dict[str, tuple[list[kind], int]])  # type: ignore[valid-type]
    try:
        codec.encode(value)
    except ValueProblem:
        return  # the type refuses it
    assert same(codec.decode(encode_by_own_type(value)), codec.settle(value)[1])


@QUICK
@given(st.data())
def test_keys_of_a_map_are_equal_exactly_if_they_are_written_alike(data: st.DataObject) -> None:
    kind, values = data.draw(types, label="type")
    try:
        codec = key_codec_for(kind, "a map")
        one, other = data.draw(values), data.draw(values)
        written = codec.encode(one), codec.encode(other)
    except (actors.errors.DefinitionError, ValueProblem):
        return
    assert (one == other) == (written[0] == written[1])


def is_finite(value: Any) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case list():
            return all(map(is_finite, value))
        case dict():
            return all(map(is_finite, value.values()))
        case _:
            return True


def same_but_for_floats(value: Any, back: Any) -> bool:
    """Whether they are the same, except that an int, given for a float, became the float that equals it."""
    return same(value, back) or (value == back and repr(as_floats(value)) == repr(as_floats(back)))


def as_floats(value: Any) -> Any:
    match value:
        case bool() | enum.Enum() | Cents():
            return value
        case int():
            return float(value) if abs(value) < 2**53 else value
        case list() | tuple() | set() | frozenset():
            return [type(value), *map(as_floats, value)]
        case dict():
            return [type(value), *((as_floats(key), as_floats(item)) for key, item in value.items())]
        case Box():
            return as_floats((value.content, value.more))
        case Line():
            return as_floats((value.name, value.amount))
        case _:
            return value
