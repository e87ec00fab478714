"""attrs and data classes, named tuples, typed dictionaries, structs."""

from __future__ import annotations

import abc
import collections
import dataclasses
import functools
import typing
from typing import Any, Generic, Literal, NamedTuple, NotRequired, Protocol, Required, TypedDict, TypeVar

import attrs
import msgspec
import pytest
from typing_extensions import TypeAliasType

import actors
from actors.values import MAX_DEPTH, codec_for
from tests.raising import raises
from tests.values.promise import cannot_be_defined, comes_back, is_not_read, is_refused, same

T = TypeVar("T")
K = TypeVar("K")


@attrs.define
class Line:
    name: str
    amount: int = 1


@attrs.define
class Priced(Line):
    price: float = 0.0


@attrs.define
class Tree:
    name: str
    leaves: list[Tree] = attrs.field(factory=list)
    by_name: dict[str, Tree] = attrs.field(factory=dict)
    above: Tree | None = None


@attrs.define
class Box(Generic[T]):
    content: T
    more: list[T] = attrs.field(factory=list)


@attrs.define
class Pair(Box[K], Generic[T, K]):
    """Its variables are called otherwise than those of its base."""

    label: T | None = None


@attrs.define
class Ages(Box[int]):
    unit: str = "years"


@attrs.define
class Private:
    _hidden: int
    shown: int = attrs.field(alias="seen", default=1)


@attrs.define(kw_only=True)
class Named:
    a: int
    b: str = "x"


@attrs.define
class Converted:
    number: int = attrs.field(converter=int)


@attrs.define
class Growing:
    number: int = attrs.field(converter=lambda n: n + 1)


@attrs.define(on_setattr=attrs.setters.NO_OP)
class Positive:
    number: int = attrs.field(validator=attrs.validators.gt(0))


@attrs.define
class Doubled:
    number: int
    double: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.double = 2 * self.number


@attrs.define(slots=False)
class Cached:
    number: int

    @functools.cached_property
    def square(self) -> int:
        return self.number**2


@attrs.define
class CachedInSlots:
    number: int

    @functools.cached_property
    def square(self) -> int:
        return self.number**2


@attrs.define(eq=False)
class ByIdentity:
    number: int


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)
class AlwaysEqual:
    number: int = attrs.field(converter=abs)

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


@attrs.define(eq=False)
class Unequal:
    number: int

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")

    __hash__ = None  # type: ignore[assignment]


class Counted:
    """Not a class with fields, so what it keeps is not kept."""

    __slots__ = ("count",)


@attrs.define
class WithSlot(Counted):
    number: int


@attrs.define(init=False)
class MadeByHand:
    number: int

    def __init__(self, number: int) -> None:
        self.number = number


@attrs.define(init=False)
class MadeOfOther:
    number: int

    def __init__(self, text: str) -> None:
        self.number = int(text)


@dataclasses.dataclass
class Order:
    lines: list[Line]
    paid: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    number: int
    rest: tuple[int, ...] = ()


@dataclasses.dataclass
class Seeded:
    number: int
    seed: dataclasses.InitVar[int]


@dataclasses.dataclass
class Guessed:
    number: int
    seed: dataclasses.InitVar[int] = 3
    total: int = dataclasses.field(init=False)

    def __post_init__(self, seed: int) -> None:
        self.total = self.number + seed


class Point(NamedTuple):
    x: int
    y: float = 0.0
    tags: list[str] = []


class Cell(NamedTuple, Generic[T]):
    value: T


Loose = collections.namedtuple("Loose", "a b")


class Movie(TypedDict, total=False):
    title: Required[str]
    year: int


class Sequel(Movie):
    number: int
    note: NotRequired[str]


class Entry(TypedDict, Generic[T]):
    value: T


class Packed(msgspec.Struct):
    number: int
    seats: dict[int, str] = {}


class Tagged(msgspec.Struct, tag="tagged", rename="camel"):
    first_name: str


@attrs.define
class Cat:
    kind: Literal["cat"]
    lives: int


class HasName(Protocol):
    name: str


class Abstract(abc.ABC):
    @abc.abstractmethod
    def go(self) -> None: ...


@attrs.define
class AbstractFields(abc.ABC):
    number: int

    @abc.abstractmethod
    def go(self) -> None: ...


class Plain:
    def __init__(self) -> None:
        self.number = 1


@attrs.define
class Failure(Exception):
    code: int


@attrs.define
class HoldsPlain:
    inside: list[dict[str, Plain]]


class Once(type):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(0)


@attrs.define
class Single(metaclass=Once):
    number: int


Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | str | int | None")
Rows = TypeAliasType("Rows", list[tuple[T, ...]], type_params=(T,))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Line, Line("tea", 2)),
        (Priced, Priced("tea", 2, 0.5)),
        (Tree, Tree("a", [Tree("b")], {"c": Tree("c")}, Tree("d"))),
        (Box[int], Box(1, [2])),
        (Box[Line], Box(Line("tea"))),
        (Box[Box[str]], Box(Box("a"))),
        (Box, Box({"a": [1]})),
        (Pair[int, str], Pair("a", ["b"], 1)),
        (Ages, Ages(1, [2])),
        (Private, Private(1, seen=2)),
        (Named, Named(a=1)),
        (Converted, Converted("5")),  # type: ignore[arg-type]
        (Positive, Positive(1)),
        (Doubled, Doubled(2)),
        (ByIdentity, ByIdentity(1)),
        (AlwaysEqual, AlwaysEqual(1)),
        (Unequal, Unequal(1)),
        (WithSlot, WithSlot(1)),
        (MadeByHand, MadeByHand(1)),
        (Order, Order([Line("tea")], True)),
        (Sealed, Sealed(number=1, rest=(2,))),
        (Guessed, Guessed(1)),
        (Point, Point(1, 2.0, ["a"])),
        (Cell[int], Cell(1)),
        (Loose, Loose(1, "a")),
        (Movie, {"title": "a"}),
        (Movie, {"year": 1999, "title": "a"}),
        (Sequel, {"title": "a", "number": 2}),
        (Entry[int], {"value": 1}),
        (Packed, Packed(1, {2: "a"})),
        (Tagged, Tagged("anna")),
        (Json, {"a": [1, None, {"b": "c"}]}),
        (Rows[int], [(1, 2), ()]),
    ],
)
def test_a_class_comes_back_with_all_its_fields(kind: Any, value: Any) -> None:
    comes_back(kind, value)


def test_a_cached_property_is_not_lost_but_made_again() -> None:
    for cls in (Cached, CachedInSlots):
        value = cls(3)
        assert value.square == 9
        back = codec_for(cls).settle(value)[1]
        assert (back, back.square) == (cls(3), 9)


def with_attribute(value: Any, name: str, of: Any) -> Any:
    setattr(value, name, of)
    return value


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (Line, Priced("tea"), "$"),
        (Priced, Line("tea"), "$"),
        (Line, {"name": "tea"}, "$"),
        (Line, Line("tea", "2"), "$['amount']"),  # type: ignore[arg-type]
        (list[Tree], [Tree("a", [Tree("b", ["c"])])], "$[0]['leaves'][0]['leaves'][0]"),  # type: ignore[list-item]
        (Box[int], Box("a"), "$['content']"),
        (Pair[int, str], Pair("a", [], "label"), "$['label']"),
        (Box, Box((1,)), "$['content']"),
        (Growing, Growing(1), "$['number']"),
        (AlwaysEqual, with_attribute(AlwaysEqual(1), "number", -1), "$['number']"),
        (Positive, with_attribute(Positive(1), "number", -1), "$"),
        (Doubled, with_attribute(Doubled(2), "double", 5), "$['double']"),
        (Guessed, Guessed(1, 9), "$['total']"),
        (Cached, with_attribute(Cached(1), "colour", "red"), "$"),
        (WithSlot, with_attribute(WithSlot(1), "count", 1), "$"),
        (Order, with_attribute(Order([]), "note", "x"), "$"),
        (Line, None, "$"),
        (Point, (1, 2.0, []), "$"),
        (Point, Point(1, 2.0, ["a", 5]), "$[2][1]"),  # type: ignore[list-item]
        (Loose, Loose((1,), 2), "$[0]"),
        (Movie, {"year": 1999}, "$"),
        (Movie, {"title": "a", "length": 5}, "$"),
        (Movie, {"title": 5}, "$['title']"),
        (Sequel, {"title": "a"}, "$"),
        (Packed, Packed("a"), "$['number']"),  # type: ignore[arg-type]
        (Cat, Cat("dog", 1), "$['kind']"),  # type: ignore[arg-type]
    ],
)
def test_a_class_that_would_come_back_otherwise_is_refused(kind: Any, value: Any, path: str) -> None:
    is_refused(kind, value, path)


def test_a_field_without_a_value_is_refused_by_its_name() -> None:
    value = Line("tea")
    del value.amount
    is_refused(Line, value, "$['amount']")


def test_a_metaclass_that_makes_others_is_found_out() -> None:
    value = Single.__new__(Single)
    value.number = 5
    is_refused(Single, value, "$['number']")


@pytest.mark.parametrize(
    "kind",
    [
        Seeded,
        MadeOfOther,
        AbstractFields,
        Abstract,
        HasName,
        Plain,
        HoldsPlain,
        Exception,
        ValueError,
        Failure,
        list["Line"],
        typing.TypeVarTuple("Ts"),
    ],
)
def test_a_class_that_could_not_be_made_again_is_refused(kind: Any) -> None:
    cannot_be_defined(kind)


def test_the_refusal_names_the_field() -> None:
    assert "HoldsPlain.inside" in str(cannot_be_defined(HoldsPlain))


def test_a_class_of_a_function_may_name_itself() -> None:
    @attrs.define
    class Node:
        below: list[Node]

    comes_back(Node, Node([Node([])]))


def test_a_class_that_names_another_of_its_function_is_refused_with_the_reason() -> None:
    @attrs.define
    class Inner:
        number: int

    @attrs.define
    class Outer:
        inner: Inner

    comes_back(Inner, Inner(1))
    with raises(actors.errors.DefinitionError, reason="annotation"):
        codec_for(Outer)


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        (Line, b"[]", "$"),
        (Line, b"{}", "$"),
        (Line, b'{"name":"a","weight":1}', "$"),
        (Tree, b'{"name":"a","leaves":[{"name":1}]}', "$['leaves'][0]['name']"),
        (Positive, b'{"number":0}', "$"),
        (Point, b"[]", "$"),
        (Point, b'[1,2,[],"more"]', "$"),
        (Movie, b'{"title":"a","more":1}', "$"),
        (Packed, b'{"number":"a"}', "$['number']"),
    ],
)
def test_json_that_does_not_fit_the_class_is_refused(kind: Any, data: bytes, path: str) -> None:
    is_not_read(kind, data, path)


def test_fields_that_were_added_later_have_their_defaults() -> None:
    assert same(codec_for(Line).decode(b'{"name":"tea"}'), Line("tea", 1))
    assert same(codec_for(Point).decode(b"[1]"), Point(1, 0.0, []))
    one, two = (codec_for(Point).decode(b"[1]") for _ in range(2))
    assert one.tags is not two.tags


def test_a_tree_that_is_a_part_of_itself_or_too_deep_is_refused() -> None:
    tree = Tree("a")
    tree.leaves.append(tree)
    is_refused(Tree, tree)
    deep = Tree("leaf")
    for _ in range(MAX_DEPTH):
        deep = Tree("a", [deep])
    is_refused(Tree, deep)
