"""Values without parts: numbers, texts, and types that are written as a text."""

from __future__ import annotations

import base64
import binascii
import decimal
import fractions
import ipaddress
import math
import pathlib
import re
import types
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from actors.values.document import EXACT
from actors.values.problem import Misfit, expected, name_of, reason_of, show
from actors.values.shape import BOOL, FLOAT, INT, NULL, TEXT, Shape, of_type
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_RATIO = re.compile(r"-?[0-9]+(/[0-9]+)?")
_EXACT_IN_FLOATS = 2**53
_FLOATS = range(-(2**1023), 2**1023)
_SORT_OF_EXACT = {int: INT, str: TEXT, bool: BOOL, types.NoneType: NULL}


class ExactShape(Shape):
    """``int``, ``str``, ``bool`` and ``None``, which JSON represents exactly. Neither ``True`` nor ``"5"`` is an int."""

    def __init__(self, kind: type) -> None:
        if kind not in EXACT:
            raise BrokenInvariant(f"{kind.__name__} is not a type that JSON represents exactly")
        self.kind = kind
        self.name = name_of(kind)
        self.sorts = frozenset({_SORT_OF_EXACT[kind]})
        self.takes_any_text = kind is str
        self.breadth = {int: 1, str: 2}.get(kind, 0)

    def write(self, value: Any) -> Any:
        if type(value) is not self.kind:
            raise expected(self.name, value)
        return value

    def read(self, plain: Any) -> Any:
        if type(plain) is not self.kind:
            raise expected("null" if self.kind is types.NoneType else self.name, plain)
        return plain

    def write_all(self, values: Collection[Any]) -> list[Any]:
        of_type(self.kind, self.name, values)
        return list(values)

    def read_all(self, plain: list[Any]) -> list[Any]:
        if set(map(type, plain)) <= {self.kind}:
            return plain
        return super().read_all(plain)

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return self.name


class IntegerShape(ExactShape):
    """An int. ``5.0`` is read as 5, because some languages do not write them differently. ``1e23`` is refused, because
    as a float it represents another integer."""

    def __init__(self) -> None:
        super().__init__(int)

    def read(self, plain: Any) -> Any:
        return super().read(as_integer(plain))


def as_integer(plain: Any) -> Any:
    """Return the integer that a float in JSON represents; any other value is returned unchanged."""
    if type(plain) is float and plain.is_integer() and abs(plain) <= _EXACT_IN_FLOATS:
        return int(plain)
    return plain


class FloatShape(Shape):
    """A float. An int is accepted if it equals a float, and becomes that float; otherwise it is refused."""

    name = "float"
    sorts = frozenset({FLOAT})
    breadth = 2

    def write(self, value: Any) -> Any:
        if type(value) is not float:
            return self.read(value)
        if not math.isfinite(value):
            raise Misfit(f"{value!r} has no JSON")
        return value

    def read(self, plain: Any) -> Any:
        if type(plain) is float:
            return plain
        if type(plain) is not int:
            raise expected("float", plain)
        if plain not in _FLOATS or float(plain) != plain:
            raise Misfit(f"expected float, found {show(plain)}, which is not exactly a float")
        return float(plain)

    def write_all(self, values: Collection[Any]) -> list[Any]:
        if set(map(type, values)) == {float} and all(map(math.isfinite, values)):
            return list(values)
        return super().write_all(values)

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return "float"


class TextShape(Shape):
    """Values that are written as a text. ``to_text`` refuses a value that ``from_text`` would not restore."""

    sorts = frozenset({TEXT})

    def __init__(
        self,
        kind: type,
        to_text: Callable[[Any], str],
        from_text: Callable[[str], Any],
        *,
        concrete: type | None = None,
        takes_any_text: bool = False,
        is_hashable: bool = True,
    ) -> None:
        self.name = name_of(kind)
        self._concrete = concrete or kind
        self._to_text = to_text
        self._from_text = from_text
        self.takes_any_text = takes_any_text
        self.breadth = 2 if takes_any_text else 0
        self.is_hashable = is_hashable

    def write(self, value: Any) -> Any:
        if type(value) is not self._concrete:
            raise expected(self.name, value)
        try:
            return self._to_text(value)
        except ValueError as error:
            raise Misfit(f"this {self.name} cannot be written: {reason_of(error)}") from error

    def read(self, plain: Any) -> Any:
        if type(plain) is not str:
            raise expected(self.name, plain)
        try:
            return self._from_text(plain)
        except (ValueError, ArithmeticError) as error:
            raise expected(self.name, plain) from error

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return f"text of {self.name}"


class DecimalShape(TextShape):
    """A decimal with all its digits. A JSON number with a point may have lost some when it was parsed, so only a text or an int
    is read."""

    def __init__(self) -> None:
        super().__init__(decimal.Decimal, _decimal_text, _decimal)

    def read(self, plain: Any) -> Any:
        if type(plain) is int:
            return decimal.Decimal(plain)
        if type(plain) is float:
            raise Misfit(f"expected Decimal as text, found {plain!r}: a number has no more than 17 digits")
        return super().read(plain)


class SubclassShape(Shape):
    """A subclass of ``str``, ``int`` or ``float`` that adds only methods."""

    def __init__(self, kind: type, base: Shape, base_type: type) -> None:
        self.name = name_of(kind)
        self._kind = kind
        self.parts = (base,)
        self._base = base
        self._base_type: Any = base_type
        self.sorts, self.breadth, self.takes_any_text = base.sorts, base.breadth, base.takes_any_text

    def write(self, value: Any) -> Any:
        if type(value) is not self._kind:
            raise expected(self.name, value)
        lost = getattr(value, "__dict__", None)
        if lost:
            raise Misfit(
                f"its attribute {next(iter(lost))!r} would be lost: a {self.name} is stored as its {self._base.name}"
            )
        return self._base.write(_bare(self._base_type, value))

    def read(self, plain: Any) -> Any:
        bare = self._base.read(plain)
        return self._base_type.__new__(self._kind, bare)

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return self._base.form(around)


def _bare(base: Any, value: Any) -> Any:
    """Return the value as an instance of its base class, without running code of the subclass."""
    if base is str:
        return str.__str__(value)
    return int.__int__(value) if base is int else float.__float__(value)


def _decimal_text(value: decimal.Decimal) -> str:
    if value.is_nan():
        raise Misfit(f"{value!r} is not equal to itself, so a stored copy could not be compared")
    return str(value)


def _decimal(text: str) -> decimal.Decimal:
    value = msgspec.convert(text, decimal.Decimal)
    if value.is_nan():
        raise ValueError("not a number")
    return value


def _converted(kind: type) -> Callable[[str], Any]:
    return lambda text: msgspec.convert(text, kind)


def _base64(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str) -> bytes:
    return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)


def _fraction(text: str) -> fractions.Fraction:
    if not _RATIO.fullmatch(text):
        raise ValueError("expected two integers, as 1/3")  # Fraction would also expand an exponent of any size
    return fractions.Fraction(text)


def _path(kind: type) -> TextShape:
    concrete = type(kind())
    return TextShape(kind, str, concrete, concrete=concrete, takes_any_text=True)


def text_shapes() -> dict[Any, Shape]:
    """Return the shapes of types that are written as a text, except dates and times."""
    shapes: dict[Any, Shape] = {
        decimal.Decimal: DecimalShape(),
        uuid.UUID: TextShape(uuid.UUID, str, _converted(uuid.UUID)),
        bytes: TextShape(bytes, _base64, _bytes, takes_any_text=True),
        bytearray: TextShape(
            bytearray, _base64, lambda t: bytearray(_bytes(t)), takes_any_text=True, is_hashable=False
        ),
        fractions.Fraction: TextShape(fractions.Fraction, str, _fraction),
        pathlib.Path: _path(pathlib.Path),
        pathlib.PurePath: _path(pathlib.PurePath),
        pathlib.PurePosixPath: _path(pathlib.PurePosixPath),
        type(pathlib.Path()): _path(type(pathlib.Path())),
    }
    for kind in (
        ipaddress.IPv4Address,
        ipaddress.IPv6Address,
        ipaddress.IPv4Network,
        ipaddress.IPv6Network,
        ipaddress.IPv4Interface,
        ipaddress.IPv6Interface,
    ):
        shapes[kind] = TextShape(kind, str, kind)
    return shapes
