"""Encodes the keys of ``Map`` fields.

A dictionary finds an item by an equal key. A ``Map`` keeps its items on disk in the order of the keys' bytes and finds them by
the encoded key. Two equal keys with different encodings (``Decimal("1.5")`` and ``Decimal("1.50")``, or one instant with two
offsets) would be two items. Types with such keys are refused with the class. If only a few values of a type have an equal twin,
those values are refused, and the message names the twin to use.
"""

from __future__ import annotations

import datetime
import decimal
import math
from typing import TYPE_CHECKING, Any

import attrs

from actors.errors import DefinitionError, DefinitionReason
from actors.values.classes import ClassShape, NamedTupleShape
from actors.values.codec import Codec, codec_for, named_codec
from actors.values.containers import SequenceShape, SetShape, TupleShape
from actors.values.enumerations import EnumShape, FlagShape, LiteralShape
from actors.values.fieldclasses import is_compared_by_all_fields
from actors.values.problem import ValueProblem, show
from actors.values.scalars import DecimalShape, ExactShape, FloatShape, SubclassShape, TextShape
from actors.values.shape import all_parts, is_hashable
from actors.values.unions import AliasShape, OptionalShape, UnionShape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.values.shape import Shape

_KEYS = (
    *(ExactShape, FloatShape, TextShape, SubclassShape, FlagShape, EnumShape, LiteralShape),
    *(SetShape, SequenceShape, TupleShape, ClassShape, NamedTupleShape, OptionalShape, UnionShape, AliasShape),
)


class KeyCodec(Codec[Any]):
    """The codec of keys. Of several equal keys, it encodes at most one."""

    def __init__(self, kind: Any) -> None:
        super().__init__(kind)
        for part in all_parts(self.shape):
            _check_part(part)
        if not is_hashable(self.shape):
            raise _refusal(self.shape, "they have no hash")
        self._may_have_twins = any(_has_twins(part) for part in all_parts(self.shape))

    def encode(self, value: Any) -> bytes:
        data = super().encode(value)
        if self._may_have_twins:
            _check_twins(value)
        return data


def _refusal(shape: Shape, why: str) -> DefinitionError:
    return DefinitionError(
        f"values of type {shape.name} cannot be keys of a Map: {why}. Use str, int, an enum, UUID or date",
        reason=DefinitionReason.TYPE,
        name=shape.name,
    )


def _check_part(shape: Shape) -> None:
    """Raise :class:`DefinitionError` for a type with equal values that have different encodings."""
    if not isinstance(shape, _KEYS):
        raise _refusal(shape, "it is not known which of them are equal")
    if isinstance(shape, ClassShape) and not is_compared_by_all_fields(shape.cls):
        raise _refusal(shape, "they may be equal although their attributes are not")
    if isinstance(shape, (UnionShape, LiteralShape)):
        families = list(_families(shape))
        twice = next((family for family in families if families.count(family) > 1), None)
        if twice is not None:
            raise _refusal(shape, f"several of its types are {twice}, which may be equal but are written differently")


def _families(shape: Shape) -> Iterable[str]:
    """Yield the families of types within which values may be equal, once for each type in the shape."""
    match shape:
        case UnionShape():
            for part in shape.parts:
                yield from set(_families(part))
        case LiteralShape():
            yield from (_family_of(kind) for kind in {type(value) for value in shape.values})
        case FlagShape() | EnumShape():
            yield _family_of(shape.kind)
        case SubclassShape() | OptionalShape() | AliasShape():
            yield from _families(shape.parts[0])
        case DecimalShape() | FloatShape() | ExactShape():
            yield "texts" if shape.takes_any_text else "numbers" if shape.name != "None" else "None"
        case TupleShape() | NamedTupleShape() | SequenceShape():
            yield "sets" if isinstance(shape, SetShape) else "tuples"
        case _:
            yield "numbers" if shape.name == "Fraction" else shape.name


def _family_of(kind: type) -> str:
    if issubclass(kind, (int, float)):
        return "numbers"
    return "texts" if issubclass(kind, str) else kind.__qualname__


def _has_twins(shape: Shape) -> bool:
    return isinstance(shape, (FloatShape, DecimalShape)) or (
        isinstance(shape, TextShape) and shape.name in ("datetime", "time")
    )


def _check_twins(key: Any) -> None:
    """Raise :class:`ValueProblem` for a key that equals another key and is not the accepted one."""
    match key:
        case float():
            if key == 0 and math.copysign(1, key) < 0:
                raise _twin(key, "0.0")
        case decimal.Decimal():
            normal = _normal(key)
            if str(normal) != str(key):
                raise _twin(key, repr(normal))
        case datetime.datetime() | datetime.time():
            if key.tzinfo is not None and key.tzinfo is not datetime.UTC:
                raise _twin(key, "the same time in UTC")
        case tuple() | frozenset():
            for item in key:
                _check_twins(item)
        case _ if attrs.has(type(key)):
            for field in attrs.fields(type(key)):
                _check_twins(getattr(key, field.name))
        case _:
            for name in getattr(key, "__dataclass_fields__", ()):
                _check_twins(getattr(key, name))


def _twin(key: Any, other: str) -> ValueProblem:
    return ValueProblem(f"{show(key)} equals {other}, which is another key on disk; use that one", "$")


def _normal(key: decimal.Decimal) -> decimal.Decimal:
    """Return the decimal without trailing zeros, independent of the context's precision."""
    if not key.is_finite():
        return key
    if not key:
        return decimal.Decimal(0)
    sign, digits, exponent = key.as_tuple()
    if not isinstance(exponent, int):
        return key
    kept = list(digits)
    while kept[-1] == 0:
        kept.pop()
    return decimal.Decimal((sign, tuple(kept), exponent + len(digits) - len(kept)))


def key_codec_for(kind: Any, what: str) -> Codec[Any]:
    """Return the codec for the keys of a ``Map``. Raises :class:`DefinitionError`, with ``what``, for a type that may
    have equal keys with different encodings."""
    codec_for(kind, what)
    return named_codec(KeyCodec, kind, what)
