"""Values from outside: taken as what they are, or refused with the place in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest

from actors.values import Signature, ValueProblem, codec_for


@attrs.define
class Tree:
    name: str
    leaves: list[Tree] = attrs.field(factory=list)
    by_name: dict[str, Tree] = attrs.field(factory=dict)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (list[str], b'"abc"'),
        (list[int], b"{}"),
        (list[int] | None, b"{}"),
        (list, b'"ab"'),
        (Sequence[str], b'"ab"'),
        (tuple[str, ...], b'"ab"'),
        (tuple[str, str], b'"ab"'),
        (set[str], b'{"a": 1}'),
        (frozenset[str], b'"x"'),
        (dict[str, int], b"[]"),
        (dict, b"[]"),
        (Mapping[str, int], b'[["a", 1]]'),
        (dict[str, list[str]], b'{"a": "abc"}'),
        (Tree, b'{"name": "a", "leaves": [{"name": "b", "leaves": "abc"}]}'),
        (Tree, b'{"name": "a", "leaves": [{"name": "b", "leaves": [{"name": "c", "leaves": {}}]}]}'),
    ],
)
def test_a_container_is_not_made_of_whatever_can_be_walked_over(kind: Any, data: bytes) -> None:
    with pytest.raises(ValueProblem, match="expected"):
        codec_for(kind).decode(data)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (list[str], ["a", "b"]),
        (tuple[int, str], (1, "a")),
        (tuple[int, ...], (1, 2)),
        (set[int], {1, 2}),
        (dict[str, list[int]], {"a": [1]}),
        (list[dict[str, set[int]]] | None, [{"a": {1}}]),
        (Tree, Tree("a", [Tree("b", [], {"c": Tree("c")})])),
    ],
)
def test_containers_come_back_as_they_went_in(kind: Any, value: Any) -> None:
    codec = codec_for(kind)
    assert codec.decode(codec.encode(value)) == value


async def of_one(amount: int) -> None: ...


async def of_a_dictionary(by_name: dict[str, int]) -> None: ...


async def of_several(amount: int, reason: str = "") -> None: ...


async def of_two(amount: int, reason: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "data", "taken"),
    [
        (of_one, b"5", {"amount": 5}),
        (of_one, b'{"amount": 5}', {"amount": 5}),
        (of_a_dictionary, b'{"by_name": 5}', {"by_name": {"by_name": 5}}),
        (of_a_dictionary, b'{"by_name": {"a": 5}}', {"by_name": {"a": 5}}),
        (of_several, b'{"amount": 5}', {"amount": 5}),
        (of_several, b"5", {"amount": 5}),
    ],
)
def test_a_parameter_with_a_default_can_be_added_or_removed_without_breaking_who_calls(
    function: Any, data: bytes, taken: dict[str, Any]
) -> None:
    assert Signature(function, skip_first=False, name="f").read(data)[0] == taken


@pytest.mark.parametrize(
    ("function", "data", "said"),
    [
        (of_one, b'{"amount": "x"}', "amount: expected int"),
        (of_one, b'{"amount": 5, "reason": "x"}', "expected int"),
        (of_several, b'"x"', "amount: expected int"),
        (of_two, b"5", "expected an object with amount, reason"),
    ],
)
def test_what_could_mean_two_things_is_refused(function: Any, data: bytes, said: str) -> None:
    with pytest.raises(ValueProblem, match=said):
        Signature(function, skip_first=False, name="f").read(data)
