"""An argument that was written for one signature is read by another: it means what it meant, or it is refused."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.values import MissingParameters, Signature, UnknownParameter, ValueProblem


@attrs.frozen
class Point:
    p: int
    q: int = 0


NAMES = ["p", "q", "r", "größe"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=2), inner),
    max_leaves=6,
)
OF_TYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (Any, JSON),
    (dict[str, int], st.dictionaries(st.sampled_from(NAMES), st.integers(0, 9))),
    (Point, st.builds(Point, st.integers(0, 9), st.integers(0, 9))),
    (int | None, st.none() | st.integers(0, 9)),
]


@attrs.frozen
class Parameter:
    name: str
    kind: Any
    values: st.SearchStrategy[Any]
    has_default: bool
    keyword_only: bool


def signature(parameters: list[Parameter]) -> Signature:
    """Of a function with these parameters; defaults are None."""
    written = [f"{one.name}{' = None' if one.has_default else ''}" for one in parameters]
    first = next((n for n, one in enumerate(parameters) if one.keyword_only), len(written))
    words = [*written[:first], *(["*"] if first < len(written) else []), *written[first:]]
    space: dict[str, Any] = {}
    exec(f"def f({', '.join(words)}): ...", space)
    function = space["f"]
    function.__annotations__ = {
        one.name: (one.kind | None if one.has_default and one.kind is not Any else one.kind) for one in parameters
    }
    return Signature(function, skip_first=False, name="f")


def in_order(parameters: list[Parameter]) -> list[Parameter]:
    """As Python has them: those without a default first, those by name alone last."""
    return sorted(parameters, key=lambda one: (one.keyword_only, one.has_default))


@st.composite
def parameters(draw: st.DrawFn) -> list[Parameter]:
    names = draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    return in_order(
        [Parameter(name, *draw(st.sampled_from(OF_TYPES)), draw(st.booleans()), draw(st.booleans())) for name in names]
    )


@given(st.data())
def test_a_parameter_with_a_default_can_be_added_to_any_call(data: st.DataObject) -> None:
    before = data.draw(parameters())
    free = [name for name in NAMES if name not in {one.name for one in before}]
    kind, values = data.draw(st.sampled_from(OF_TYPES))
    added = Parameter(
        data.draw(st.sampled_from(free)), kind, values, has_default=True, keyword_only=data.draw(st.booleans())
    )
    after = in_order([*before, added])
    call = {one.name: data.draw(one.values) for one in before if not one.has_default or data.draw(st.booleans())}
    old, new = signature(before), signature(after)
    stored = old.encode((), call)
    assert old.decode(stored, old.parameter) == call
    assert new.decode(stored, old.parameter) == call
    assert old.decode(new.encode((), call), new.parameter) == call, "and taken away again"


async def of_anything(p: Any) -> None: ...


async def of_two(p: Any, q: int = 0) -> None: ...


async def of_two_needed(p: Any, q: int) -> None: ...


async def of_another_name(amount: Any) -> None: ...


async def of_nothing() -> None: ...


async def of_names(p: dict[str, int], q: int = 0) -> None: ...


def of(function: Any) -> Signature:
    return Signature(function, skip_first=False, name="f")


def test_a_value_that_looks_like_parameters_stays_the_value() -> None:
    assert of(of_two).decode(b'{"p":3}', "p") == {"p": {"p": 3}}


def test_parameters_stay_parameters_when_one_is_left() -> None:
    assert of(of_anything).decode(b'{"p":3}', "") == {"p": 3}


def test_the_only_parameter_may_get_another_name() -> None:
    assert of(of_another_name).decode(b'{"p":3}', "p") == {"amount": {"p": 3}}


@pytest.mark.parametrize(
    ("function", "data", "parameter", "problem"),
    [
        (of_two_needed, b"3", "p", MissingParameters),
        (of_two_needed, b'{"p":3}', "", MissingParameters),
        (of_anything, b"", "p", MissingParameters),
        (of_anything, b'{"p":3,"q":1}', "", UnknownParameter),
        (of_another_name, b'{"p":3}', "", UnknownParameter),
        (of_nothing, b"3", "p", UnknownParameter),
        (of_names, b'"x"', "p", ValueProblem),
    ],
)
def test_what_the_code_has_no_place_for_is_refused(
    function: Any, data: bytes, parameter: str, problem: type[ValueProblem]
) -> None:
    with pytest.raises(ValueProblem) as refusal:
        of(function).decode(data, parameter)
    assert type(refusal.value) is problem


@pytest.mark.parametrize(
    ("function", "data", "arguments", "parameter"),
    [
        (of_anything, b'{"p": 3}', {"p": {"p": 3}}, "p"),
        (of_two, b"3", {"p": 3}, "p"),
        (of_two, b'{"p": 3}', {"p": 3}, ""),
        (of_nothing, b"null", {}, ""),
    ],
)
def test_what_a_caller_writes_is_read_once_and_kept_as_it_was_read(
    function: Any, data: bytes, arguments: dict[str, Any], parameter: str
) -> None:
    assert of(function).read(data) == (arguments, parameter)
    assert of(function).decode(data, parameter) == arguments


def test_an_object_that_names_no_parameter_is_refused_with_what_to_send() -> None:
    with pytest.raises(UnknownParameter, match="by name"):
        of(of_names).read(b'{"a": 3}')
