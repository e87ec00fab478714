"""Collects what a class declares, over all its bases, and refuses at its definition what could never work.

Fields come from every base and from mixins that are not actors. In method resolution order, the nearest annotation of a name is
its type and the nearest value its default; a value without an annotation is a new default for an inherited field.

Two mistakes would otherwise lose data silently and are refused here: state that no field keeps, and state that all keys of a
class would share. Types and defaults are checked when the class is first used (``classes.definition_of``), because only then
every name in an annotation exists.
"""

from __future__ import annotations

import contextvars
import datetime
import enum
import inspect
import logging
import re
import types
import typing
from typing import TYPE_CHECKING, Any, ClassVar, Final

from actors.errors import DefinitionError, DefinitionReason
from actors.model.fields import NO_DEFAULT, Field, FieldDefault, redeclared
from actors.model.handlers import Handler

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOREIGN_MODULES = frozenset({"abc", "actors.model.classes", "builtins", "typing", "typing_extensions"})
"""Bases from these modules declare nothing of a user's."""

_CLASS_VARIABLE = re.compile(r"(\w+\.)*ClassVar\b")
_CONSTANT = re.compile(r"(\w+\.)*Final\b")

_NEVER_CALLED = {
    "__init__": "objects are made by the engine, which calls no __init__; declare fields with defaults",
    "__new__": "objects are made by the engine, which calls no __new__; declare fields with defaults",
    "__post_init__": "objects are made by the engine, which calls no __post_init__; declare fields with defaults",
    "__del__": "objects exist for one attempt, and nothing at its end is recorded; do the work in a handler",
    "__setattr__": "fields are written through the engine; use a property or a method",
    "__delattr__": "fields cannot be removed; set them to their default",
    "__getattr__": "the method would hide errors about fields; use a property or another method",
    "__getattribute__": "fields are read through the engine; use a property or a method",
}
"""Methods that the engine never calls, and the alternative for each."""

_UNCHANGEABLE = (
    contextvars.ContextVar,
    datetime.tzinfo,
    enum.Enum,
    logging.Logger,
    logging.LoggerAdapter,
    types.EllipsisType,
    types.NoneType,
    types.NotImplementedType,
    typing.TypeVar,
    typing.ParamSpec,
    typing.TypeVarTuple,
)
"""Types that are hashed by identity and still keep no state of a key."""

_OF_METACLASSES = ("_abc_", "_is_protocol", "_is_runtime_protocol")

_MAX_WRAPPERS = 16


def declare_fields(cls: type, known: Mapping[type, Mapping[str, Any]], taken: frozenset[str]) -> dict[str, Any]:
    """Give the class its fields, with the defaults from the class bodies, and return the fields in its own body.

    ``known`` are the fields in the bodies of its bases, ``taken`` the names that no member may have. Raises
    :class:`DefinitionError`.
    """
    check_methods(cls)
    merged: dict[str, Any] = {}
    own: Mapping[str, Any] = {}
    for base in reversed(cls.__mro__):
        own = known[base] if base in known else _fields_in(base, merged, taken)
        for name, default in own.items():
            merged[name] = redeclared(merged.get(name, NO_DEFAULT), default)
    _check_overrides(cls, merged)
    _check_aliases(cls, merged)
    for name, default in merged.items():
        setattr(cls, name, Field(name, default))
    return dict(own)


def check_methods(cls: type) -> None:
    """Refuse methods that the engine never calls, including those that a class decorator has added. Raises
    :class:`DefinitionError`."""
    for base in cls.__mro__:
        if _is_foreign(base) or _is_protocol(base):
            continue
        for name in vars(base).keys() & {"__attrs_attrs__", "__dataclass_fields__"}:
            made_by = "attrs" if "attrs" in name else "dataclasses"
            raise DefinitionError(
                f"{base.__qualname__} is decorated by {made_by}; fields need no decorator: remove it",
                reason=DefinitionReason.DECORATOR,
                name=base.__qualname__,
            )
        for name in vars(base).keys() & _NEVER_CALLED.keys():
            raise DefinitionError(
                f"{base.__qualname__}.{name}: {_NEVER_CALLED[name]}",
                reason=DefinitionReason.MEMBER,
                name=f"{base.__qualname__}.{name}",
            )
        if vars(base).get("__slots__"):
            raise DefinitionError(
                f"{base.__qualname__}.__slots__: slots are not recorded; declare fields instead",
                reason=DefinitionReason.MEMBER,
                name=f"{base.__qualname__}.__slots__",
            )


def handlers_in(cls: type) -> dict[str, Handler[Any, Any]]:
    """Return the handlers of a class by attribute name."""
    return {name: value for name, value in inspect.getmembers_static(cls) if isinstance(value, Handler)}


def nearest(cls: type, name: str) -> type:
    """Return the class nearest in the method resolution order that defines this member."""
    return next(base for base in cls.__mro__ if name in vars(base))


def _fields_in(cls: type, inherited: Mapping[str, Any], taken: frozenset[str]) -> dict[str, Any]:
    """Return the fields in the body of one class: those with an annotation, and new defaults of inherited fields."""
    if _is_foreign(cls):
        return {}
    found: dict[str, Any] = {}
    annotations = {} if _is_protocol(cls) else inspect.get_annotations(cls)
    for name, annotation in annotations.items():
        if not _is_for_the_class(annotation):
            _check_field_name(f"{cls.__qualname__}.{name}", name, taken)
            found[name] = _default_in(cls, name, vars(cls).get(name, NO_DEFAULT))
        elif name not in vars(cls) and not _is_class_variable(annotation):
            raise DefinitionError(
                f"{cls.__qualname__}.{name} is Final, a constant of the class, and has no value. Give it one, or annotate it "
                "without Final to make it a field",
                reason=DefinitionReason.DEFAULT,
                name=f"{cls.__qualname__}.{name}",
            )
    for name, value in vars(cls).items():
        if name in found or _is_dunder(name) or name.startswith(_OF_METACLASSES):
            continue
        if name in inherited and not _is_code(value):
            found[name] = _default_in(cls, name, value)
        elif not _is_class_variable(annotations.get(name)):
            _check_member(f"{cls.__qualname__}.{name}", name, value, taken)
    return found


def _check_field_name(what: str, name: str, taken: frozenset[str]) -> None:
    if name in taken:
        raise DefinitionError(f"{what}: this name is reserved; choose another", reason=DefinitionReason.NAME, name=what)
    if name.startswith("_"):
        raise DefinitionError(
            f"{what} is private, but fields are public. Name it without the underscore, "
            "or annotate it as ClassVar if all objects should share it",
            reason=DefinitionReason.NAME,
            name=what,
        )


def _default_in(cls: type, name: str, default: Any) -> Any:
    if isinstance(default, (list, dict, set)):
        raise DefinitionError(
            f"{cls.__qualname__}.{name}: {default!r} is a mutable default that all objects would share; "
            f"use actors.field(factory={type(default).__name__})",
            reason=DefinitionReason.SHARED_STATE,
            name=f"{cls.__qualname__}.{name}",
        )
    return default


def _check_member(what: str, name: str, value: Any, taken: frozenset[str]) -> None:
    """Check a member that is not a field."""
    if name in taken:
        raise DefinitionError(f"{what}: this name is reserved; choose another", reason=DefinitionReason.NAME, name=what)
    if isinstance(value, FieldDefault):
        raise DefinitionError(
            f"{what} has no type; annotate it: '{name}: <type> = actors.field(…)'",
            reason=DefinitionReason.ANNOTATION,
            name=what,
        )
    if isinstance(value, Handler):
        if len(value.attributes) > 1:
            raise DefinitionError(
                f"{what}: the handler is assigned to several names, {', '.join(sorted(value.attributes))}; keep one",
                reason=DefinitionReason.DUPLICATE,
                name=what,
            )
        return
    if _wraps_handler(value):
        raise DefinitionError(
            f"{what}: put @handler and @shared above all other decorators, which would hide them",
            reason=DefinitionReason.DECORATOR,
            name=what,
        )
    if not _is_code(value) and can_change(value):
        raise DefinitionError(
            f"{what} is a {type(value).__name__} that all objects would share and that is not stored. Annotate the name to make it a "
            f"field, '{name}: <type> = actors.field(…)', or as ClassVar if it should be shared",
            reason=DefinitionReason.SHARED_STATE,
            name=what,
        )


def _check_overrides(cls: type, fields: Mapping[str, Any]) -> None:
    """Refuse a name that is a field in one class and a handler, or neither, in another."""
    for name in fields.keys() & set(dir(cls)):
        holder = nearest(cls, name)
        value = vars(holder)[name]
        if _is_code(value) and not isinstance(value, Field):
            raise DefinitionError(
                f"{holder.__qualname__}.{name} hides the field {name} of {cls.__qualname__}; rename one",
                reason=DefinitionReason.OVERRIDE,
                name=f"{holder.__qualname__}.{name}",
            )
    for base in cls.__mro__:
        for name, value in vars(base).items():
            if not isinstance(value, Handler):
                continue
            holder = nearest(cls, name)
            if name in fields or not isinstance(vars(holder)[name], Handler):
                raise DefinitionError(
                    f"{holder.__qualname__}.{name} hides the handler {name} of {base.__qualname__}; "
                    "decorate it with @handler or @shared as well, or rename it",
                    reason=DefinitionReason.OVERRIDE,
                    name=f"{holder.__qualname__}.{name}",
                )


def _check_aliases(cls: type, fields: Mapping[str, Any]) -> None:
    """Refuse an alias under which two fields would read the same stored value."""
    claimed = dict.fromkeys(fields)
    for name, declared in fields.items():
        for alias in declared.aliases if isinstance(declared, FieldDefault) else ():
            if alias in claimed:
                other = claimed[alias]
                whose = f"the field {alias}" if other is None else f"an alias of {other}"
                raise DefinitionError(
                    f"{cls.__qualname__}.{name}: its alias {alias!r} is {whose} of {cls.__qualname__} as well; remove one"
                    if alias != name
                    else f"{cls.__qualname__}.{name}: its own name is among its aliases; remove it there",
                    reason=DefinitionReason.DUPLICATE,
                    name=f"{cls.__qualname__}.{name}",
                )
            claimed[alias] = name


def can_change(value: Any) -> bool:
    """Report whether the value is mutable state. A value that is hashed by its contents cannot change; a value without
    a hash can.
    """
    if isinstance(value, (tuple, frozenset)):
        return any(map(can_change, value))
    if isinstance(value, types.MappingProxyType):
        return any(map(can_change, value.values()))
    if isinstance(value, _UNCHANGEABLE) or type(value) is object or _is_code(value):
        return False
    hashed_by: Any = type(value).__hash__
    return hashed_by in (None, object.__hash__)


def _is_code(value: Any) -> bool:
    """Report whether the value is a function, class, module, property or other descriptor."""
    return callable(value) or isinstance(value, types.ModuleType) or hasattr(type(value), "__get__")


def _wraps_handler(value: Any) -> bool:
    for _ in range(_MAX_WRAPPERS):
        inner = next((i for a in ("__wrapped__", "__func__", "fget", "func") if (i := getattr(value, a, None))), None)
        if inner is None:
            return False
        if isinstance(inner, Handler):
            return True
        value = inner
    return False


def _is_class_variable(annotation: Any) -> bool:
    return _is_written_as(annotation, ClassVar, _CLASS_VARIABLE)


def _is_for_the_class(annotation: Any) -> bool:
    """Report whether the annotation says that the name is not a field: ClassVar, or Final, which makes a constant of
    the class.
    """
    return _is_class_variable(annotation) or _is_written_as(annotation, Final, _CONSTANT)


def _is_written_as(annotation: Any, form: Any, words: re.Pattern[str]) -> bool:
    if isinstance(annotation, str):
        return words.match(annotation) is not None
    return annotation is form or typing.get_origin(annotation) is form


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_foreign(cls: type) -> bool:
    return cls.__module__ in _FOREIGN_MODULES


def _is_protocol(cls: type) -> bool:
    """Report whether the class is a protocol, which describes members and has none."""
    return bool(vars(cls).get("_is_protocol"))
