"""pydantic models and hooks of users: classes that know their own JSON."""

from __future__ import annotations

import datetime
import decimal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import attrs
import msgspec
import pydantic.dataclasses
import pytest
from cattrs.strategies import include_subclasses
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    SecretStr,
    ValidationError,
    computed_field,
    field_serializer,
    field_validator,
)

import actors
from actors.values import codec_for
from actors.values import hooks as hooks_of_users
from actors.values.codec import forget_codecs
from tests.values.promise import cannot_be_defined, is_not_read, is_refused

T = TypeVar("T")
ROOT = Path(__file__).parents[2]


class Line(BaseModel):
    name: str
    price: decimal.Decimal = decimal.Decimal("0.50")


class Gift(Line):
    note: str = ""


class Order(BaseModel):
    number: uuid.UUID = Field(default_factory=uuid.uuid4)
    lines: list[Line]
    at: datetime.datetime | None = None
    by_seat: dict[int, tuple[str, bytes]] = {}


class Camel(BaseModel):
    first_name: str = Field(alias="firstName")
    last_name: str = Field(alias="lastName", default="")


class TwoNames(BaseModel):
    number: int = Field(serialization_alias="n", default=0)


class Noted(BaseModel):
    number: int
    _note: str = PrivateAttr(default="")


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return 2 * self.number


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    number: int


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    number: int
    at: datetime.datetime
    marks: set[int]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    number: int


class Numbers(RootModel[list[int]]):
    pass


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: int


class Home(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Box(BaseModel, Generic[T]):
    content: T


class Node(BaseModel):
    name: str
    below: list[Node] = []


class Anything(BaseModel):
    value: Any


class Rounded(BaseModel):
    number: float

    @field_serializer("number")
    def rounded(self, number: float) -> float:
        return round(number, 1)


class Growing(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def one_more(cls, number: int) -> int:
        return number + 1


class Excluding(BaseModel):
    number: int = Field(default=1, exclude=True)


class NeverRead(BaseModel):
    number: int = Field(exclude=True)


class Login(BaseModel):
    password: SecretStr


class Session(BaseModel):
    logins: list[Login | None]


class ClearLogin(BaseModel):
    password: SecretStr

    @field_serializer("password", when_used="json")
    def in_the_clear(self, password: SecretStr) -> str:
        return password.get_secret_value()


class Calling(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    back: datetime.tzinfo


@pydantic.dataclasses.dataclass
class Parcel:
    lines: list[Line]
    grams: int = 0


@attrs.define
class Cart:
    order: Order
    gifts: dict[str, Gift] = attrs.field(factory=dict)
    pet: Cat | Dog | None = None


def model_comes_back(kind: Any, value: Any) -> None:
    data, back = codec_for(kind).settle(value)
    assert type(back) is type(value)
    assert back == value
    assert codec_for(kind).encode(back) == data


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Line, Line(name="tea")),
        (Order, Order(lines=[Line(name="tea")], at=datetime.datetime(2030, 1, 2), by_seat={1: ("a", b"b")})),
        (Camel, Camel(firstName="Anna", lastName="B")),
        (Noted, Noted(number=1)),
        (Computed, Computed(number=1)),
        (Open, Open(number=1, more=[1, "a"])),  # type: ignore[call-arg]
        (Strict, Strict(number=1, at=datetime.datetime(2030, 1, 2), marks={1})),
        (Numbers, Numbers([1, 2])),
        (Home, Home(pet=Dog(kind="dog", tricks=1))),
        (Cat | Dog, Dog(kind="dog", tricks=1)),
        (Annotated[Cat | Dog, Field(discriminator="kind")], Cat(kind="cat", lives=9)),
        (Box[int], Box[int](content=1)),
        (Node, Node(name="a", below=[Node(name="b")])),
        (Anything, Anything(value={"a": [1]})),
        (ClearLogin, ClearLogin(password=SecretStr("open sesame"))),
        (list[Line], [Line(name="tea")]),
        (dict[str, Line] | None, {"a": Line(name="tea")}),
        (tuple[Line, int], (Line(name="tea"), 1)),
        (set[Frozen], {Frozen(number=1)}),
        (dict[Frozen, int], {Frozen(number=1): 2}),
        (Line | str, Line(name="tea")),
        (Parcel, Parcel([Line(name="tea")], 5)),
        (Cart, Cart(Order(lines=[]), {"a": Gift(name="b")}, Cat(kind="cat", lives=9))),
    ],
)
def test_a_model_comes_back_equal(kind: Any, value: Any) -> None:
    model_comes_back(kind, value)


def noted() -> Noted:
    value = Noted(number=1)
    value._note = "x"
    return value


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (Line, Gift(name="tea"), "$"),
        (Line, {"name": "tea"}, "$"),
        (Line, Line.model_construct(name=5), "$"),  # type: ignore[arg-type]
        (list[Line], [Line(name="tea"), "tea"], "$[1]"),
        (Noted, noted(), "$['_note']"),
        (Open, Open(number=1, more=(1,)), "$['more']"),  # type: ignore[call-arg]
        (Anything, Anything(value=(1,)), "$['value']"),
        (Box, Box(content=datetime.date(2030, 1, 2)), "$['content']"),
        (Rounded, Rounded(number=1.55), "$['number']"),
        (Growing, Growing(number=1), "$['number']"),
        (Excluding, Excluding(number=2), "$['number']"),
        (Cart, Cart(Order(lines=[Gift(name="a")])), "$['order']['lines'][0]"),
    ],
)
def test_what_a_model_would_lose_or_bend_is_refused(kind: Any, value: Any, path: str) -> None:
    is_refused(kind, value, path)


@pytest.mark.parametrize("kind", [Login, Session, NeverRead, TwoNames, Calling, SecretStr, set[Line], dict[Line, int]])
def test_a_model_that_could_never_come_back_is_refused(kind: Any) -> None:
    cannot_be_defined(kind)


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        (Order, b'{"lines":[{"name":"a"},{"name":"b","price":"x"}]}', "$['lines'][1]['price']"),
        (Cart, b'{"order":{"lines":[{}]}}', "$['order']['lines'][0]['name']"),
        (Strict, b'{"number":"1","at":"2030-01-02T00:00:00","marks":[1]}', "$['number']"),
        (Home, b'{"pet":{"kind":"cow"}}', "$['pet']"),
        (Computed, b'{"number":1,"double":2}', "$['double']"),
        (Line, b"[]", "$"),
    ],
)
def test_the_place_that_a_model_refuses_is_named(kind: Any, data: bytes, path: str) -> None:
    problem = is_not_read(kind, data, path)
    assert isinstance(problem.__cause__, ValidationError)


def test_a_model_is_written_by_its_aliases_and_read_by_its_names_as_well() -> None:
    assert msgspec.json.decode(codec_for(Camel).encode(Camel(firstName="Anna"))) == {
        "firstName": "Anna",
        "lastName": "",
    }
    assert codec_for(Camel).decode(b'{"first_name":"Anna"}') == Camel(firstName="Anna")


def test_what_a_model_makes_of_json_from_outside_is_its_own_affair() -> None:
    assert codec_for(Line).decode(b'{"name":"tea","price":2}') == Line(name="tea", price=decimal.Decimal(2))


def test_pydantic_is_not_imported_for_those_who_do_not_use_it() -> None:
    code = "import sys, actors\nfrom actors.values import codec_for\ncodec_for(dict[str, list[int]])\nprint('pydantic' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ran.stdout.strip() == "False"


# Hooks.


class Money:
    """Declares no fields, and has no ``__eq__``."""

    def __init__(self, cents: int) -> None:
        self.cents = cents


class Temperature:
    def __init__(self, kelvin: float) -> None:
        self.kelvin = kelvin

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Temperature) and self.kelvin == other.kelvin

    __hash__ = None  # type: ignore[assignment]


class Rude:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")

    __hash__ = None  # type: ignore[assignment]


@attrs.define
class Shape:
    name: str


@attrs.define
class Circle(Shape):
    radius: float


@attrs.define
class Purse:
    content: list[Money]
    other: dict[str, Money | None] = attrs.field(factory=dict)


@pytest.fixture
def converter(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A converter without hooks; those that a test registers are gone after it."""
    monkeypatch.setattr(hooks_of_users, "made_converter", [])
    yield actors.converter()
    forget_codecs()


def test_hooks_write_and_read_what_there_is_no_rule_for(converter: Any) -> None:
    cannot_be_defined(Money)
    converter.register_structure_hook(Money, lambda value, _: Money(value))
    converter.register_unstructure_hook(Money, lambda money: money.cents)
    data, back = codec_for(Purse).settle(Purse([Money(5)], {"a": Money(7), "b": None}))
    assert data == b'{"content":[5],"other":{"a":7,"b":null}}'
    assert [money.cents for money in back.content] == [5]


def test_hooks_that_lose_something_are_found_out(converter: Any) -> None:
    for kind in (Money, Temperature):
        converter.register_structure_hook(kind, lambda value, cls: cls(value))
    converter.register_unstructure_hook(Money, lambda money: money.cents // 10)
    converter.register_unstructure_hook(Temperature, lambda temperature: round(temperature.kelvin))
    is_refused(Money, Money(15), "$['cents']")
    is_refused(list[Temperature], [Temperature(273.0), Temperature(273.15)], "$[1]")
    codec_for(Temperature).encode(Temperature(273.0))


def test_a_value_that_cannot_be_compared_is_refused(converter: Any) -> None:
    converter.register_structure_hook(Rude, lambda _, __: Rude())
    converter.register_unstructure_hook(Rude, lambda _: None)
    is_refused(Rude, Rude())


def test_a_hook_writes_json_and_nothing_else(converter: Any) -> None:
    converter.register_structure_hook(Money, lambda value, _: Money(value[0]))
    converter.register_unstructure_hook(Money, lambda money: (money.cents,))
    is_refused(Money, Money(5))


def test_a_hook_for_one_direction_reads_what_was_written_before(converter: Any) -> None:
    def read_old(value: Any, _: Any) -> Circle:
        return Circle(value["name"], value.get("radius", value.get("r")))

    converter.register_structure_hook(Circle, read_old)
    assert codec_for(list[Circle]).decode(b'[{"name":"a","r":2.0}]') == [Circle("a", 2.0)]
    assert codec_for(Circle).encode(Circle("a", 1.0)) == b'{"name":"a","radius":1.0}'


def test_a_strategy_of_cattrs_reads_subclasses_and_stays_strict(converter: Any) -> None:
    include_subclasses(Shape, converter)
    codec = codec_for(list[Shape])
    shapes = [Shape("a"), Circle("b", 1.0)]
    assert codec.settle(shapes)[1] == shapes
    is_not_read(list[Shape], b'[{"name":"a","radius":"1"}]', "$[0]['radius']")


def test_what_a_hook_raises_is_named_with_its_place(converter: Any) -> None:
    def refuse(value: Any, _: Any) -> Money:
        raise ValueError("no money today")

    converter.register_structure_hook(Money, refuse)
    converter.register_unstructure_hook(Money, lambda money: money.cents)
    assert "no money today" in is_not_read(Purse, b'{"content":[5]}', "$['content'][0]").problem
