"""What is promised of a value: it comes back equal, types included, or it is refused. Nothing else."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import attrs
import pytest

import actors
from actors.values import ValueProblem, codec_for


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types, all the way down. Says nothing by ``__eq__`` of a class with fields."""
    if type(one) is not type(other):
        return False
    if attrs.has(type(one)):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in attrs.fields(type(one)))
    if dataclasses.is_dataclass(one):
        return all(
            same(getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(type(one))
        )
    if isinstance(one, dict):
        keys = {key: key for key in other}
        return len(one) == len(other) and all(
            key in keys and same(key, keys[key]) and same(item, other[key]) for key, item in one.items()
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (set, frozenset)):
        members = {member: member for member in other}
        return len(one) == len(other) and all(member in members and same(member, members[member]) for member in one)
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)


def comes_back(kind: Any, value: Any) -> None:
    """The value survives its way through JSON."""
    data, back = codec_for(kind).settle(value)
    assert same(back, value), f"{value!r} became {back!r} by way of {data!r}"
    assert codec_for(kind).encode(back) == data


def is_refused(kind: Any, value: Any, path: str | None = "$") -> ValueProblem:
    """The value is refused where it goes in, by its path; None: by any."""
    with pytest.raises(ValueProblem) as refusal:
        codec_for(kind).encode(value)
    assert path is None or refusal.value.path == path, str(refusal.value)
    return refusal.value


def is_not_read(kind: Any, data: bytes, path: str = "$") -> ValueProblem:
    """The JSON stands for no value of the type."""
    with pytest.raises(ValueProblem) as refusal:
        codec_for(kind).decode(data)
    assert refusal.value.path == path, str(refusal.value)
    return refusal.value


def cannot_be_defined(kind: Any) -> actors.errors.DefinitionError:
    """The type is refused before there is a value."""
    with pytest.raises(actors.errors.DefinitionError) as refusal:
        codec_for(kind)
    return refusal.value
