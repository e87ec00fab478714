"""Finds the shape of a type. This is the full list of supported types.

A type that is not listed and has no hook on ``actors.converter()`` is refused together with the class that uses it: a
value that only some processes can read is worse than no value.
"""

from __future__ import annotations

import collections
import collections.abc
import enum
import functools
import sys
import types
import typing
from typing import TYPE_CHECKING, Any

import msgspec

from actors.errors import DefinitionError, DefinitionReason
from actors.values import annotations as a
from actors.values.containers import MappingShape, SequenceShape, SetShape, TupleShape, check_hashable
from actors.values.dates import date_shapes
from actors.values.enumerations import EnumShape, FlagShape, LiteralShape
from actors.values.fieldclasses import is_field_class, is_named_tuple, is_typed_dictionary, shell_of
from actors.values.hooks import HookedShape, is_hooked
from actors.values.models import ModelShape, StructShape
from actors.values.problem import name_of, reason_of
from actors.values.scalars import ExactShape, FloatShape, IntegerShape, SubclassShape, text_shapes
from actors.values.shape import NULL, Shape, all_parts
from actors.values.unions import AliasShape, OptionalShape, UnionShape
from actors.values.untyped import AnyShape

if TYPE_CHECKING:
    from collections.abc import Callable

_LISTS = (
    list,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Collection,
    collections.abc.Iterable,
)
_SETS = {
    set: set,
    frozenset: frozenset,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
_DICTIONARIES = {
    dict: dict,
    collections.OrderedDict: collections.OrderedDict,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}
_REMEDY = (
    "Annotate with builtin types, attrs or data classes, named tuples, typed dictionaries, enums, dates, UUID, Decimal, bytes, "
    "pydantic models, and containers of these, or register hooks on actors.converter()"
)


def shape_of(kind: Any) -> Shape:
    """Return the shape of a type. Raises :class:`DefinitionError` for an unsupported type, with the reason."""
    try:
        shape = _Maker().shape(kind)
        for part in all_parts(shape):
            part.check()
    except DefinitionError:
        raise
    except RecursionError as error:
        raise DefinitionError(
            f"{name_of(kind)} contains itself with new type arguments at each level",
            reason=DefinitionReason.TYPE,
            name=name_of(kind),
        ) from error
    except Exception as error:  # raised by a metaclass or a descriptor of a user's class
        raise DefinitionError(
            f"{name_of(kind)} cannot be inspected: {reason_of(error)}", reason=DefinitionReason.TYPE, name=name_of(kind)
        ) from error
    return shape


@functools.cache
def _texts() -> dict[Any, Shape]:
    return {**text_shapes(), **date_shapes()}


class _Maker:
    """Makes the shape of one type with those of its parts. A type that contains itself finds its own unfinished shape."""

    def __init__(self) -> None:
        self._made: dict[Any, Shape] = {}

    def shape(self, kind: Any) -> Shape:
        """Return the shape of a type, the same one each time."""
        key = a.hashable(kind)
        found = self._made.get(key)
        if found is None:
            found = self._hooked(kind) if is_hooked(kind) else self._own(kind)
            self._made.setdefault(key, found)
        return found

    def _hooked(self, kind: Any) -> Shape:
        alias = self._made[a.hashable(kind)] = AliasShape(kind)
        alias.fill(HookedShape(kind, lambda: self._own(kind)))
        return alias

    def _own(self, kind: Any) -> Shape:
        inner = a.inner(kind)
        if inner is not None:
            return self._stood_for(kind, inner)
        if kind is Any or kind is object:
            return AnyShape("Any" if kind is Any else "object")
        if isinstance(kind, typing.TypeVar):
            return self.shape(a.stands_for(kind))
        scalar = _scalar(kind)
        if scalar is not None:
            return scalar
        origin = typing.get_origin(kind) or kind
        if origin is typing.Literal:
            return LiteralShape(kind, typing.get_args(kind), self.shape)
        if origin in (typing.Union, types.UnionType):
            return self._union(kind)
        container = self._container(kind, origin)
        if container is not None:
            return container
        return self._class(kind, origin)

    def _stood_for(self, kind: Any, inner: Any) -> Shape:
        """Return the shape of an aliased type, which may contain its own alias."""
        if not a.is_alias(kind):
            return self.shape(inner)
        alias = AliasShape(kind)
        self._made.setdefault(a.hashable(kind), alias)
        alias.fill(self.shape(inner))
        return alias

    def _union(self, kind: Any) -> Shape:
        members = [self.shape(member) for member in typing.get_args(kind)]
        for member in members:
            if isinstance(member, AnyShape):
                return member
        nothing, others = _without_none(members)
        if nothing and len(others) == 1 and NULL not in others[0].sorts:
            return OptionalShape(others[0])
        return UnionShape(members)

    def _container(self, kind: Any, origin: Any) -> Shape | None:
        arguments = typing.get_args(kind)
        if origin in _LISTS:
            return SequenceShape(kind, list, self._item(arguments))
        if origin in _SETS:
            item = self._item(arguments)
            check_hashable(name_of(kind), item)
            return SetShape(kind, _SETS[origin], item)
        if origin is tuple:
            return self._tuple(kind, arguments)
        if origin is collections.Counter:
            return self._dictionary(kind, collections.Counter, (*arguments, int) if arguments else (Any, int))
        if origin in _DICTIONARIES:
            return self._dictionary(kind, _DICTIONARIES[origin], arguments or (Any, Any))
        return None

    def _item(self, arguments: tuple[Any, ...]) -> Shape:
        return self.shape(arguments[0] if arguments else Any)

    def _tuple(self, kind: Any, arguments: tuple[Any, ...]) -> Shape:
        if kind is tuple or kind is typing.Tuple:  # noqa: UP006 - as users may have written it
            return SequenceShape(kind, tuple, self.shape(Any))
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return SequenceShape(kind, tuple, self.shape(arguments[0]))
        if any(map(a.is_unpacked, arguments)):
            raise DefinitionError(
                f"values of type {name_of(kind)} cannot be kept as JSON: a tuple that contains an unpacked tuple is not supported. "
                "Use tuple[X, ...], or a class with a field for each part",
                reason=DefinitionReason.TYPE,
                name=name_of(kind),
            )
        return TupleShape(kind, [self.shape(argument) for argument in arguments])

    def _dictionary(self, kind: Any, container: Callable[[Any], Any], arguments: tuple[Any, ...]) -> Shape:
        key, value = arguments
        key_shape = self.shape(key)
        if isinstance(key_shape, AnyShape):
            key_shape = self.shape(str)  # any other key would come back as a text
        check_hashable(name_of(kind), key_shape)
        return MappingShape(kind, container, key_shape, self.shape(value))

    def _class(self, kind: Any, origin: Any) -> Shape:
        if not isinstance(origin, type) or issubclass(origin, BaseException):
            raise _refusal(kind)
        if issubclass(origin, enum.Enum):
            return FlagShape(origin) if issubclass(origin, enum.Flag) else EnumShape(origin)
        if _is_model(origin):
            return ModelShape(typing.cast("Any", origin))
        if issubclass(origin, msgspec.Struct):
            return StructShape(kind)
        if is_field_class(origin) or is_named_tuple(origin) or is_typed_dictionary(origin):
            shell, attributes = shell_of(kind, origin)
            self._made.setdefault(a.hashable(kind), shell)
            shell.fill(attributes(self.shape))
            return shell
        base = next((base for base in (str, int, float) if issubclass(origin, base)), None)
        if base is None:
            raise _refusal(kind)
        return _subclass(origin, base, self.shape(base))


def _scalar(kind: Any) -> Shape | None:
    if kind is None or kind is types.NoneType:
        return ExactShape(types.NoneType)
    if kind is int:
        return IntegerShape()
    if kind is float:
        return FloatShape()
    if kind is str or kind is bool:
        return ExactShape(kind)
    return _texts().get(kind) if isinstance(kind, type) else None


def _without_none(members: list[Shape]) -> tuple[bool, list[Shape]]:
    others = [member for member in members if member.sorts != {NULL} or not isinstance(member, ExactShape)]
    return len(others) < len(members), others


def _is_model(cls: type) -> bool:
    """Report whether the class is a pydantic model. pydantic is optional, and is not imported unless the user has
    imported it."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


def _subclass(kind: type, base: type, shape: Shape) -> Shape:
    above = kind.__mro__[: kind.__mro__.index(base)]
    own = next((name for name in _OWN_WAYS for cls in above if name in vars(cls)), None)
    if own is not None:
        raise DefinitionError(
            f"{name_of(kind)} is a subclass of {base.__name__} that defines {own}, so a decoded value might not be equal. "
            "Use typing.NewType, or register hooks on actors.converter()",
            reason=DefinitionReason.TYPE,
            name=name_of(kind),
        )
    return SubclassShape(kind, shape, base)


_OWN_WAYS = ("__new__", "__init__", "__slots__", "__eq__", "__hash__")


def _refusal(kind: Any) -> DefinitionError:
    why = "its name cannot be looked up" if isinstance(kind, (str, typing.ForwardRef)) else "the type is not supported"
    return DefinitionError(
        f"values of type {name_of(kind)} cannot be kept as JSON: {why}. {_REMEDY}",
        reason=DefinitionReason.TYPE,
        name=name_of(kind),
    )
