"""Classes: what works, and what could never work, which is refused where the class is defined or first used."""

from __future__ import annotations

import abc
import collections
import contextvars
import dataclasses
import decimal
import functools
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

import attrs
import pytest

import actors
from actors import Actor, Log, Service, Workflow, handler, shared, step
from actors.model.classes import definition_of, definitions_in
from actors.values.texts import shown
from tests.raising import raises

T = TypeVar("T")


class Plain:
    """Not a value: told from others by its identity."""

    def __init__(self) -> None:
        self.tags: list[str] = []


@attrs.define
class Loose:
    tags: list[str] = attrs.field(factory=list)


@dataclasses.dataclass
class LooseData:
    tags: list[str] = dataclasses.field(default_factory=list)


def body(**members: Any) -> Callable[[], type]:
    """A class with these members and a handler, as a class statement would make it."""

    async def go(self: Any) -> None: ...

    return lambda: type("Made", (Actor,), {"go": handler(go), **members})


STATE = {
    "list": [],
    "dict": {},
    "set": set(),
    "bytearray": bytearray(),
    "deque": collections.deque([1]),
    "counter": collections.Counter(),
    "attrs": Loose(),
    "dataclass": LooseData(),
    "object": Plain(),
    "tuple of lists": ([],),
}


@pytest.mark.parametrize("value", STATE.values(), ids=STATE)
@pytest.mark.parametrize("name", ["found", "_found"])
def test_state_that_all_objects_would_share_is_refused(name: str, value: Any) -> None:
    with raises(actors.errors.DefinitionError, reason="shared_state", name=f"Made.{name}"):
        body(**{name: value})()


@pytest.mark.parametrize("annotation", ["list[str]", list, "int"])
def test_a_private_annotated_name_is_refused(annotation: Any) -> None:
    with raises(actors.errors.DefinitionError, reason="name", name="Made._found"):
        body(__annotations__={"_found": annotation}, _found=())()
    with raises(actors.errors.DefinitionError, reason="name", name="Made._found"):
        body(__annotations__={"_found": annotation})()


class Constants(Actor):
    """Members that hold no state of a key."""

    LIMIT = 3
    NAMES = ("a", "b")
    RATE = decimal.Decimal("0.1")
    PATTERN = re.compile("a")
    KINDS = frozenset({1})
    POLICY = actors.RetryPolicy(max_attempts=2)
    NOTHING = object()
    log = logging.getLogger(__name__)
    variable = contextvars.ContextVar[int]("variable")
    Inner = Loose
    shout = str.upper
    cut = functools.partial(round, ndigits=1)
    MOST: Final = 5
    LEAST: Final[int] = 1
    shared_by_all: ClassVar[list[str]] = []
    count: int = 0

    @property
    def double(self) -> int:
        return 2 * self.count

    @functools.cached_property
    def slow(self) -> int:
        return 1

    @staticmethod
    def square(number: int) -> int:
        return number * number

    @classmethod
    def made(cls) -> str:
        return cls.__name__

    @step
    async def charge(self) -> None: ...

    def helper(self) -> None: ...

    @handler
    async def add(self, /, amount: int, *, twice: bool = False) -> None: ...


def test_members_that_hold_no_state_are_let_be() -> None:
    definition = definition_of(Constants)
    assert list(definition.fields) == ["count"]
    assert list(definition.handlers) == ["add"]


def test_methods_that_the_engine_goes_around_are_refused() -> None:
    for name in (
        "__init__",
        "__new__",
        "__post_init__",
        "__setattr__",
        "__delattr__",
        "__getattribute__",
        "__getattr__",
        "__del__",
    ):
        with raises(actors.errors.DefinitionError, reason="member", name=f"Made.{name}"):
            body(**{name: lambda self: None})()
    with raises(
        actors.errors.DefinitionError,
        reason="member",
        name="test_methods_that_the_engine_goes_around_are_refused.<locals>.Mixin.__init__",
    ):

        class Mixin:
            def __init__(self) -> None: ...

        class Mixed(Mixin, Actor):
            @handler
            async def go(self) -> None: ...

    with raises(actors.errors.DefinitionError, reason="member", name="Made.__slots__"):
        body(__slots__=("found",))()
    body(__slots__=())()


def test_a_factory_takes_nothing_and_does_not_wait() -> None:
    async def waits() -> list[str]: ...

    for factory in ([], 5, lambda self: [], waits, Plain.__init__):
        with raises(actors.errors.DefinitionError, reason="function", name=shown(factory)):
            actors.field(factory=factory)  # type: ignore[call-overload]
    for factory in (list, dict, Loose, lambda: 5, functools.partial(Loose, ["a"]), lambda *names: names):
        actors.field(factory=factory)


def test_a_class_needs_no_decorator_of_a_data_class() -> None:
    with raises(actors.errors.DefinitionError, reason="decorator", name="Made"):
        attrs.define(body(__annotations__={"count": int}, count=0)())
    for decorate in (attrs.define(slots=False), dataclasses.dataclass):
        decorated = decorate(body(__annotations__={"count": int}, count=0)())
        with raises(actors.errors.DefinitionError, reason="decorator", name="Made"):
            definition_of(decorated)


def test_names_that_are_taken_are_refused() -> None:
    for name in ("key", "_view", "_backend", "_fields", "_kind", "_definition"):
        with raises(actors.errors.DefinitionError, reason="name", name=f"Made.{name}"):
            body(**{name: lambda self: None})()


@pytest.mark.parametrize("annotation", [Final, Final[list[int]], Final[Log[str]], "Final[int]"])
def test_a_constant_without_a_value_is_refused(annotation: Any) -> None:
    with raises(actors.errors.DefinitionError, reason="default", name="Made.found"):
        body(__annotations__={"found": annotation})()


def test_a_step_is_no_generator() -> None:
    def lines() -> Iterator[str]:
        yield "a"

    async def chunks() -> AsyncIterator[str]:
        yield "a"

    for function in (lines, chunks, functools.partial(lines)):
        with raises(actors.errors.DefinitionError, reason="function", name="read"):
            step(name="read")(function)


def test_a_field_without_a_type_is_refused() -> None:
    with raises(actors.errors.DefinitionError, reason="annotation", name="Made.found"):
        body(found=actors.field(factory=list))()


def test_parameters_that_have_no_name_in_json_are_refused() -> None:
    async def positional(self: Any, amount: int, /) -> None: ...
    async def many(self: Any, *amounts: int) -> None: ...
    async def anything(self: Any, **options: int) -> None: ...
    async def nothing() -> None: ...
    async def only_named(*, self: Any) -> None: ...

    for function in (positional, many, anything, nothing):
        for decorate in (handler, shared):
            with raises(actors.errors.DefinitionError, reason="parameters", name=function.__qualname__):
                decorate(function)  # type: ignore[arg-type]
    with raises(actors.errors.DefinitionError, reason="parameters", name=only_named.__qualname__):
        handler(only_named)  # type: ignore[arg-type]


def test_a_handler_is_a_coroutine_function_and_nothing_else() -> None:
    def plain(self: Any) -> None: ...

    async def generator(self: Any) -> Any:
        yield 1

    async def good(self: Any) -> None: ...

    async def __call__(self: Any) -> None: ...  # noqa: N807

    wrong = [
        plain,
        generator,
        lambda self: None,
        staticmethod(good),
        classmethod(good),
        property(good),
        step(good),
        Plain,
    ]
    for function in wrong:
        with raises(actors.errors.DefinitionError, reason="function"):
            handler(function)  # type: ignore[arg-type,call-overload]
    with raises(actors.errors.DefinitionError, reason="decorator"):
        shared(handler(good))  # type: ignore[arg-type]
    with raises(actors.errors.DefinitionError, reason="name", name=__call__.__qualname__):
        handler(__call__)


def test_a_handler_under_another_decorator_is_refused() -> None:
    async def good(self: Any) -> None: ...

    def logged(function: Any) -> Any:
        @functools.wraps(function)
        async def around(*args: Any) -> Any:
            return await function(*args)

        return around

    for hide in (logged, staticmethod, classmethod, property, lambda f: logged(logged(f))):
        with raises(actors.errors.DefinitionError, reason="decorator", name="Made.hidden"):
            body(hidden=hide(handler(good)))()
    with raises(actors.errors.DefinitionError, reason="function"):
        step(handler(good))
    assert "seen" in definition_of(body(seen=handler(logged(good)))()).handlers


def test_two_handlers_of_one_name_in_a_class_are_refused() -> None:
    for decorate in (handler, shared, handler(atomic=True)):
        with raises(actors.errors.DefinitionError, reason="duplicate"):

            class Twice(Actor):
                @handler
                async def go(self) -> None: ...

                @decorate
                async def go(self, amount: int) -> None: ...  # type: ignore[no-redef]  # noqa: F811

    class Once(Actor):
        @handler
        async def go(self) -> None: ...

        class Inner(Actor):
            @handler
            async def go(self) -> None: ...

    class Again(Once):
        @handler
        async def go(self) -> None: ...

    definition_of(Again)


def test_one_handler_under_two_names_is_refused() -> None:
    async def good(self: Any) -> None: ...

    twice = handler(good)
    with raises(actors.errors.DefinitionError, reason="duplicate"):
        body(first=twice, second=twice)()


def test_a_handler_is_called_as_its_attribute() -> None:
    async def helper(self: Any) -> None: ...

    assert definition_of(body(served=handler(helper))()).handlers["served"].name == "served"


def test_a_name_is_a_field_or_a_handler_in_all_classes() -> None:
    async def good(self: Any) -> None: ...

    class Base(Actor):
        count: int = 0

        @handler
        async def add(self) -> None: ...

    for member in (handler(good), good, property(good), int):
        with raises(actors.errors.DefinitionError, reason="override"):
            type("Made", (Base,), {"count": member})
    for member in (good, property(good), None, 3):
        with raises(actors.errors.DefinitionError, reason="override"):
            type("Made", (Base,), {"add": member})
    with raises(actors.errors.DefinitionError, reason="override"):
        type("Made", (Base,), {"__annotations__": {"add": int}, "add": 0})
    with raises(actors.errors.DefinitionError, reason="override"):
        type("Made", (type("Mixin", (), {"count": good}), Base), {})


def test_kinds_are_not_mixed_and_a_service_has_no_fields_from_anywhere() -> None:
    class Noted:
        notes: Log[str]

    for bases in ((Actor, Service), (Workflow, Actor)):
        with raises(actors.errors.DefinitionError, reason="kind", name="Made"):
            type("Made", bases, {})
    with raises(actors.errors.DefinitionError, reason="kind", name="Made.notes"):
        type("Made", (Noted, Service), {})


class Contract(Protocol):
    count: int


class Base(Actor, abc.ABC):
    @handler
    @abc.abstractmethod
    async def go(self) -> None: ...


class Done(Base, Contract):
    count: int = 0

    @handler
    async def go(self) -> None: ...


class Table(Actor, Generic[T]):
    rows: dict[str, T] = actors.field(factory=dict)
    last: T | None = None

    @handler
    async def put(self, row: T) -> list[T]:
        return [row]


class Ages(Table[int]):
    pass


class Named(Table[dict[str, T]], Generic[T]):
    pass


class NamedAges(Named[int]):
    pass


def test_an_abstract_class_is_no_object_and_a_subclass_is() -> None:
    with raises(actors.errors.DefinitionError, reason="abstract", name="Base"):
        definition_of(Base)
    assert list(definition_of(Done).fields) == ["count"]


def test_a_generic_class_is_served_with_real_types() -> None:
    with raises(actors.errors.DefinitionError, reason="abstract"):
        definition_of(Table)
    ages, named = definition_of(Ages), definition_of(NamedAges)
    assert ages.handlers["put"].signature.read(b"5")[0] == {"row": 5}
    assert ages.fields["last"].codec.decode(b"5") == 5
    assert named.handlers["put"].signature.read(b'{"a":5}')[0] == {"row": {"a": 5}}
    with pytest.raises(actors.ActorError):
        named.handlers["put"].signature.read(b"5")


def test_bases_that_cannot_be_served_are_not_found_in_a_module() -> None:
    import sys

    found = {cls.__name__ for cls in definitions_in(sys.modules[__name__])}
    assert found == {"Ages", "Constants", "Done", "NamedAges"}
