"""Compares values including their types. ``1``, ``True`` and ``1.0`` are three values, ``[1]`` and ``(1,)`` two.

Values with known parts are compared part by part, without their ``__eq__``: builtin containers, attrs and data classes,
structs, pydantic models. For other classes (those that only have hooks on ``actors.converter()``) the promise is
weaker: their own ``__eq__`` decides or, without one, their attributes.

One difference is accepted: an int that was given for a float comes back as the equal float.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import math
from typing import TYPE_CHECKING, Any

import attrs

from actors.values.problem import under_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MISSING: Any = object()
_PLAIN = (int, str, bytes, bool, type(None))

Difference = tuple[str, Any, Any]
"""The path of a difference, and the two values there."""


def difference(one: Any, other: Any) -> Difference | None:
    """Return the first difference; None if the values are the same."""
    waiting: list[Difference] = [("", one, other)]
    while waiting:
        path, a, b = waiting.pop()
        if type(a) is not type(b):
            if type(a) is int and type(b) is float and a == b:
                continue
            return path, a, b
        pairs = _parts(a, b)
        if pairs is None:
            if not _is_same(a, b):
                return path, a, b
            continue
        for step, x, y in pairs:
            if x is _MISSING or y is _MISSING:
                return path, a, b
            waiting.append((path + step, x, y))
    return None


def _parts(a: Any, b: Any) -> Iterable[Difference] | None:
    """Return the parts to compare; None if the values themselves must be compared."""
    if isinstance(a, (*_PLAIN, float, enum.Enum, datetime.date, datetime.time, decimal.Decimal)):
        return None
    if isinstance(a, (list, tuple, bytearray)):
        return _items(a, b)
    if isinstance(a, (set, frozenset)):
        return _members(a, b)
    if isinstance(a, dict):
        return _entries(a, b)
    if hasattr(type(a), "__pydantic_fields__") and not hasattr(type(a), "__dataclass_fields__"):
        return _entries(_of_model(a), _of_model(b))
    names = _attributes(a)
    if names is None:
        return None
    return ((under_key(name), _get(a, name), _get(b, name)) for name in names)


def _items(a: Any, b: Any) -> Iterator[Difference]:
    if len(a) != len(b):
        yield "", _MISSING, _MISSING
    for index, (x, y) in enumerate(zip(a, b, strict=False)):
        yield f"[{index}]", x, y


def _members(a: Any, b: Any) -> Iterator[Difference]:
    found = {member: member for member in b}
    if len(a) != len(b):
        yield "", _MISSING, _MISSING
    for member in a:
        yield "", member, found.get(member, _MISSING)


def _entries(a: Any, b: Any) -> Iterator[Difference]:
    found = {key: key for key in b}
    if len(a) != len(b) or (type(a) is not dict and list(a) != list(b)):  # an OrderedDict has an order
        yield "", _MISSING, _MISSING
    for key, value in a.items():
        yield under_key(key), key, found.get(key, _MISSING)
        yield under_key(key), value, b.get(key, _MISSING)


def _of_model(value: Any) -> dict[str, Any]:
    """Return the fields of a pydantic model, its extra values, and its private attributes."""
    fields = type(value).__pydantic_fields__
    own = {name: item for name, item in value.__dict__.items() if name in fields}
    return own | (value.__pydantic_extra__ or {}) | (value.__pydantic_private__ or {})


def _attributes(value: Any) -> Iterable[str] | None:
    """Return the names of the value's attributes; None if the class compares its instances itself."""
    cls: Any = type(value)
    if attrs.has(cls):
        return [field.name for field in attrs.fields(cls)]
    for declared in ("__dataclass_fields__", "__struct_fields__"):
        if hasattr(cls, declared):
            return list(getattr(cls, declared))
    if cls.__eq__ is not object.__eq__:
        return None
    return [*getattr(value, "__dict__", ()), *_slots(cls)] or None


def _slots(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots


def _get(value: Any, name: str) -> Any:
    """Return an attribute's value, or None if it is unset."""
    return getattr(value, name, None)


def _is_same(a: Any, b: Any) -> bool:
    if isinstance(a, float):
        return a == b and math.copysign(1.0, a) == math.copysign(1.0, b)
    if isinstance(a, enum.Enum):
        return a is b
    if isinstance(a, decimal.Decimal):
        return bool(a.as_tuple() == b.as_tuple())
    if isinstance(a, (datetime.datetime, datetime.time)):
        return (a.isoformat(), a.tzinfo, a.fold) == (b.isoformat(), b.tzinfo, b.fold)
    if isinstance(a, str):
        return bool(str.__eq__(a, b))
    try:
        return bool(a == b)
    except Exception:
        return False
