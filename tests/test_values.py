"""Values from outside: taken as what they are, or refused with the place in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest

from actors.values import ValueProblem, codec_for


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
