"""Classes with fields: attrs and data classes, named tuples, typed dictionaries.

Instances are written as objects under the names of their attributes (named tuples as arrays), and rebuilt by calling
the class. The call runs user code, so an instance of a class with converters, validators, a ``__post_init__`` or
attributes that are not arguments is read back and compared before it is stored (see
:class:`~actors.values.shape.Shape`).

A class may read values that an earlier form of it has stored: its class method ``__upgrade_stored__(cls, stored)`` is called with a copy of
the stored attributes if they do not fit, and returns those that do. A value that fits never reaches it, so it costs nothing.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import attrs

from actors.values.annotations import hashable
from actors.values.containers import row
from actors.values.problem import Misfit, expected, name_of, reason_of, show, under_key
from actors.values.shape import ARRAY, OBJECT, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


UPGRADE = "__upgrade_stored__"
"""The class method that changes attributes of an earlier form of the class into those of today."""


@attrs.frozen(kw_only=True)
class Attribute:
    """An attribute that is written. ``argument`` is the name of its parameter when the class is called."""

    name: str
    argument: str
    is_required: bool
    shape: Shape
    default: Any = attrs.field(factory=lambda: attrs.NOTHING)
    """For the JSON schema only."""


class ClassShape(Shape):
    """An attrs or data class. ``unwritten`` are attributes that the class computes itself. Any other attribute would be
    lost, so an instance that has one is refused."""

    sorts = frozenset({OBJECT})

    def __init__(self, kind: Any, cls: Any, *, is_exact: bool, unwritten: frozenset[str]) -> None:
        self.name = name_of(kind)
        self.identity = hashable(kind)
        self.cls = cls
        self.is_exact = is_exact
        self.is_hashable = cls.__hash__ is not None and cls.__hash__ is not object.__hash__
        self.attributes: tuple[Attribute, ...] = ()
        self._unwritten = unwritten
        self._slots = _slots_of(cls)
        self._can_upgrade = hasattr(cls, UPGRADE)

    def fill(self, attributes: Sequence[Attribute]) -> None:
        """Set the attributes, which are known only after this shape exists, because it may contain itself."""
        self.attributes = tuple(attributes)
        self.parts = tuple(attribute.shape for attribute in attributes)
        self._writers = [(attribute.name, attribute.shape.write) for attribute in attributes]
        self._readers = {attribute.name: (attribute.argument, attribute.shape.read) for attribute in attributes}
        self._kept = self._readers.keys() | self._unwritten
        self._required = [attribute.name for attribute in attributes if attribute.is_required]
        self._slots -= self._kept

    def write(self, value: Any) -> Any:
        if type(value) is not self.cls:
            raise expected(self.name, value)
        self._check_nothing_is_lost(value)
        plain: dict[str, Any] = {}
        name = ""
        try:
            for name, write in self._writers:
                plain[name] = write(getattr(value, name))
        except Misfit as misfit:
            raise misfit.under(under_key(name)) from misfit.__cause__
        except AttributeError as error:
            raise Misfit(f"{self.name} has no value: {reason_of(error)}").under(under_key(name)) from error
        return plain

    def read(self, plain: Any) -> Any:
        if type(plain) is not dict:
            raise Misfit(f"expected a JSON object for {self.name}, found {show(plain)}")
        if not self._can_upgrade:
            return self._made(plain)
        try:
            return self._made(plain)
        except Misfit:
            upgraded = self._upgraded(copy.deepcopy(plain))
        return self._made(upgraded)

    def _made(self, plain: dict[str, Any]) -> Any:
        arguments = self._arguments(plain)
        try:
            return self.cls(**arguments)
        except Exception as error:
            raise Misfit(reason_of(error)) from error

    def _upgraded(self, stored: dict[str, Any]) -> dict[str, Any]:
        """Return what the class makes of the attributes that an earlier form of it has stored. Raises :class:`Misfit`."""
        try:
            upgraded: Any = getattr(self.cls, UPGRADE)(stored)
        except Exception as error:
            raise Misfit(f"{self.name}.{UPGRADE} raised {type(error).__qualname__}: {reason_of(error)}") from error
        if type(upgraded) is not dict:
            raise Misfit(f"{self.name}.{UPGRADE} returned {show(upgraded)}, expected the dictionary of attributes")
        return upgraded

    def _arguments(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Return the values in the object by the names of the arguments. Raises :class:`Misfit`."""
        if not plain.keys() <= self._readers.keys():
            unknown = next(name for name in plain if name not in self._readers)
            raise Misfit(f"{self.name} has no field {unknown!r}; it has {', '.join(self._readers) or 'none'}")
        arguments: dict[str, Any] = {}
        name = ""
        try:
            for name, value in plain.items():
                argument, read = self._readers[name]
                arguments[argument] = read(value)
        except Misfit as misfit:
            raise misfit.under(under_key(name)) from misfit.__cause__
        for required in self._required:
            if required not in plain:
                raise Misfit(f"{required!r} is missing")
        return arguments

    def _check_nothing_is_lost(self, value: Any) -> None:
        own = getattr(value, "__dict__", None)
        if own and not own.keys() <= self._kept:
            lost = next(name for name in own if name not in self._kept)
            raise Misfit(f"the attribute {lost!r} would be lost: it is not a field of {self.name}")
        for name in self._slots:
            if hasattr(value, name):
                raise Misfit(f"the attribute {name!r} would be lost: it is not a field of {self.name}")

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        if self in around:
            return f"recursive {around.index(self)}"
        inner = (*around, self)
        return f"object {sorted((a.name, a.shape.form(inner)) for a in self.attributes)}"


def _slots_of(cls: type) -> frozenset[str]:
    """Return the names of the slots that the class and its bases declare by hand. The slots that attrs and dataclasses
    generate are for fields and cached properties."""
    slots: set[str] = set()
    for base in cls.__mro__:
        if not {"__attrs_attrs__", "__dataclass_fields__"} & vars(base).keys():
            own = vars(base).get("__slots__", ())
            slots.update((own,) if isinstance(own, str) else own)
    return frozenset(slots - {"__weakref__", "__dict__"})


class TypedDictShape(Shape):
    """A ``TypedDict``: a plain dictionary with the declared keys."""

    sorts = frozenset({OBJECT})
    is_hashable = False

    def __init__(self, kind: Any) -> None:
        self.name = name_of(kind)
        self.identity = hashable(kind)
        self.attributes: tuple[Attribute, ...] = ()

    def fill(self, attributes: Sequence[Attribute]) -> None:
        """Set the keys, which are known only after this shape exists, because it may contain itself."""
        self.attributes = tuple(attributes)
        self.parts = tuple(attribute.shape for attribute in attributes)
        self._by_name = {attribute.name: attribute for attribute in attributes}
        self._required = [attribute.name for attribute in attributes if attribute.is_required]

    def write(self, value: Any) -> Any:
        if type(value) is not dict:
            raise expected(self.name, value)
        return self._each(value, lambda shape: shape.write)

    def read(self, plain: Any) -> Any:
        if type(plain) is not dict:
            raise expected(self.name, plain)
        return self._each(plain, lambda shape: shape.read)

    def _each(self, mapping: dict[Any, Any], way: Callable[[Shape], Callable[[Any], Any]]) -> dict[str, Any]:
        done: dict[str, Any] = {}
        for key, value in mapping.items():
            attribute = self._by_name.get(key) if type(key) is str else None
            if attribute is None:
                raise Misfit(f"{self.name} has no key {show(key)}; it has {', '.join(self._by_name) or 'none'}")
            try:
                done[key] = way(attribute.shape)(value)
            except Misfit as misfit:
                raise misfit.under(under_key(key)) from misfit.__cause__
        for key in self._required:
            if key not in done:
                raise Misfit(f"{key!r} is missing")
        return done

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        if self in around:
            return f"recursive {around.index(self)}"
        inner = (*around, self)
        return f"object {sorted((a.name, a.shape.form(inner)) for a in self.attributes)}"


class NamedTupleShape(Shape):
    """A named tuple, written as an array. Items at the end may be missing if they have defaults."""

    sorts = frozenset({ARRAY})

    def __init__(self, kind: Any, cls: Any) -> None:
        self.name = name_of(kind)
        self.identity = hashable(kind)
        self.cls = cls
        self.attributes: tuple[Attribute, ...] = ()

    def fill(self, attributes: Sequence[Attribute]) -> None:
        """Set the items, which are known only after this shape exists, because it may contain itself."""
        self.attributes = tuple(attributes)
        self.parts = tuple(attribute.shape for attribute in attributes)
        self._defaults = [
            (attribute.shape, self.cls._field_defaults[attribute.name])
            for attribute in attributes
            if not attribute.is_required
        ]

    def write(self, value: Any) -> Any:
        if type(value) is not self.cls:
            raise expected(self.name, value)
        lost = getattr(value, "__dict__", None)
        if lost:
            raise Misfit(f"the attribute {next(iter(lost))!r} would be lost: it is not an item of {self.name}")
        return self._each(tuple(value), lambda shape: shape.write)

    def read(self, plain: Any) -> Any:
        size = len(self.parts)
        if type(plain) is not list or not size - len(self._defaults) <= len(plain) <= size:
            raise expected(self.name, plain)
        items = self._each(plain, lambda shape: shape.read)
        missing = self._defaults[len(self._defaults) - (size - len(items)) :]
        return self.cls._make([*items, *(shape.read(shape.write(default)) for shape, default in missing)])

    def _each(self, values: Sequence[Any], way: Callable[[Shape], Callable[[Any], Any]]) -> list[Any]:
        return row(values, [way(part) for part in self.parts])

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        if self in around:
            return f"recursive {around.index(self)}"
        return f"row of {[part.form((*around, self)) for part in self.parts]}"
