"""Types with a closed set of values: enums, flags, literals."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Any

from actors.errors import DefinitionError, DefinitionReason
from actors.values.problem import Misfit, expected, name_of, show
from actors.values.scalars import as_integer
from actors.values.shape import INT, Shape, sort_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WORDS = (str, int, float, bool, type(None))
"""The types that a member of an enum or a literal may be written as."""

_Key = tuple[type, object]


def _key(plain: object) -> _Key:
    """Return a key that distinguishes ``1``, ``True`` and ``1.0``, which are equal in Python but are not the same
    value."""
    return type(plain), plain


class _ChoiceShape(Shape):
    """A type with a fixed set of values, each written as a distinct plain value."""

    def __init__(self, name: str, values: dict[_Key, Any]) -> None:
        self.name = name
        self._values = values
        self.sorts = frozenset(sort_of(plain) for _, plain in values)

    def read(self, plain: Any) -> Any:
        for key in _keys_of(plain):
            found = self._values.get(key, self)
            if found is not self:
                return found
        raise self._misfit(plain)

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return f"one of {sorted(map(repr, (plain for _, plain in self._values)))}"

    def _misfit(self, value: Any) -> Misfit:
        known = ", ".join(repr(plain) for _, plain in self._values)
        return Misfit(f"expected {self.name}, one of {known}; found {show(value)}")

    @property
    def plain_values(self) -> list[Any]:
        """The plain values that the type's values are written as."""
        return [plain for _, plain in self._values]


def _keys_of(plain: Any) -> Iterable[_Key]:
    if type(plain) not in _WORDS:
        return
    yield _key(plain)
    yield _key(as_integer(plain))
    if type(plain) is int and abs(plain) < 2**53:
        yield _key(float(plain))


class EnumShape(_ChoiceShape):
    """An enum, written as the values of its members. It may also be a ``str``, an ``int`` or a ``float``."""

    def __init__(self, kind: type[enum.Enum]) -> None:
        values: dict[_Key, Any] = {}
        for member in kind:
            plain = member._value_
            if type(plain) not in _WORDS or (type(plain) is float and not math.isfinite(plain)):
                raise DefinitionError(
                    f"{kind.__qualname__}.{member.name} has the value {show(plain)}; "
                    "the value of an enum member must be a str, finite float, int, bool or None to be kept as JSON",
                    reason=DefinitionReason.TYPE,
                    name=f"{kind.__qualname__}.{member.name}",
                )
            values[_key(plain)] = member
        if not values:
            raise DefinitionError(
                f"{kind.__qualname__} has no members, so no value of it can exist",
                reason=DefinitionReason.TYPE,
                name=kind.__qualname__,
            )
        super().__init__(name_of(kind), values)
        self.kind = self.identity = kind
        self._asks_missing = _function(kind._missing_) is not _function(enum.Enum._missing_)

    def write(self, value: Any) -> Any:
        if type(value) is self.kind:
            plain = value._value_
            if self._values.get(_key(plain)) is value:
                return plain
        raise self._misfit(value)

    def read(self, plain: Any) -> Any:
        try:
            return super().read(plain)
        except Misfit:
            found = self._missing(plain)
            if found is None:
                raise
            return found

    def _missing(self, plain: Any) -> Any:
        """Return the member that the class's own ``_missing_`` returns for an unknown value, or None."""
        if not self._asks_missing:
            return None
        try:
            found: Any = self.kind._missing_(plain)
        except Exception:
            return None
        return found if type(found) is self.kind and self._values.get(_key(found._value_)) is found else None


def _function(method: Any) -> Any:
    return getattr(method, "__func__", method)


class FlagShape(Shape):
    """A flag, written as the number of its bits. Bits without a member are refused."""

    sorts = frozenset({INT})

    def __init__(self, kind: type[enum.Flag]) -> None:
        if not kind.__members__:
            raise DefinitionError(
                f"{kind.__qualname__} has no members, so no value of it can exist",
                reason=DefinitionReason.TYPE,
                name=kind.__qualname__,
            )
        self.name = name_of(kind)
        self.kind = kind
        self.mask = 0
        for member in kind.__members__.values():
            self.mask |= member._value_

    def write(self, value: Any) -> Any:
        if type(value) is not self.kind:
            raise expected(self.name, value)
        return self._checked(value._value_)

    def read(self, plain: Any) -> Any:
        plain = as_integer(plain)
        if type(plain) is not int:
            raise expected(self.name, plain)
        try:
            found = self.kind(self._checked(plain))
        except ValueError as error:
            raise expected(self.name, plain) from error
        if type(found) is not self.kind:
            raise expected(self.name, plain)
        return found

    def _checked(self, bits: int) -> int:
        if bits < 0 or bits & ~self.mask:
            raise Misfit(f"{bits} has bits without a name in {self.name}")
        return bits

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return f"flags of {self.mask}"


class LiteralShape(_ChoiceShape):
    """A ``Literal[…]``. ``Literal[1]`` accepts 1, but neither ``True`` nor ``1.0``."""

    def __init__(self, kind: Any, choices: Iterable[Any], shape_of: Callable[[Any], Shape]) -> None:
        values: dict[_Key, Any] = {}
        for choice in choices:
            plain = shape_of(type(choice)).write(choice) if isinstance(choice, enum.Enum) else choice
            if type(plain) not in _WORDS:
                raise DefinitionError(
                    f"{name_of(kind)}: {show(choice)} cannot be kept as JSON",
                    reason=DefinitionReason.TYPE,
                    name=name_of(kind),
                )
            if _key(plain) in values and values[_key(plain)] is not choice:
                raise DefinitionError(
                    f"{name_of(kind)}: {choice!r} and {values[_key(plain)]!r} are the same in JSON",
                    reason=DefinitionReason.TYPE,
                    name=name_of(kind),
                )
            values[_key(plain)] = choice
        super().__init__(name_of(kind), values)
        self.values = tuple(values.values())
        self._plain: dict[_Key, Any] = {_key(choice): plain for (_, plain), choice in values.items()}

    def write(self, value: Any) -> Any:
        if type(value) in _WORDS or isinstance(value, enum.Enum):
            found = self._plain.get(_key(value), self)
            if found is not self:
                return found
        raise self._misfit(value)
