"""Reads the attributes of attrs and data classes, named tuples and typed dictionaries for their shapes."""

from __future__ import annotations

import abc
import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from actors.errors import DefinitionError, DefinitionReason
from actors.values.annotations import hints_in, hints_of
from actors.values.classes import UPGRADE, Attribute, ClassShape, NamedTupleShape, TypedDictShape
from actors.values.generics import with_types
from actors.values.shape import Shape

ShapeOf = Callable[[Any], Shape]
Shell = ClassShape | NamedTupleShape | TypedDictShape
"""A shape whose attributes are set later."""


def is_field_class(cls: type) -> bool:
    """Report whether the class is an attrs or a data class."""
    return attrs.has(cls) or dataclasses.is_dataclass(cls)


def is_named_tuple(cls: type) -> bool:
    """Report whether the class is a named tuple."""
    return issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_field_defaults")


def is_typed_dictionary(cls: type) -> bool:
    """Report whether the class is a ``TypedDict``, of ``typing`` or of ``typing_extensions``."""
    return type(cls).__name__ == "_TypedDictMeta"


def shell_of(kind: Any, cls: Any) -> tuple[Shell, Callable[[ShapeOf], Sequence[Attribute]]]:
    """Return the shape of the class without its attributes, and the function that makes the attributes."""
    if is_typed_dictionary(cls):
        return TypedDictShape(kind), functools.partial(_of_typed_dictionary, kind, cls)
    if is_named_tuple(cls):
        return NamedTupleShape(kind, cls), functools.partial(_of_named_tuple, kind, cls)
    _check_upgrade(cls)
    declared = _declared(cls)
    left_out = {field.name for field in declared if not field.init}
    cached = {name for base in cls.__mro__ for name, member in vars(base).items() if _is_cached(member)}
    shell = ClassShape(
        kind,
        cls,
        is_exact=not left_out and _is_made_plainly(cls, declared),
        unwritten=frozenset(left_out | cached),
    )
    return shell, functools.partial(_of_class, kind, cls, [field for field in declared if field.init])


@attrs.frozen(kw_only=True)
class _Declared:
    """A field of an attrs or a data class, with the properties that the two have in common."""

    name: str
    argument: str
    type: Any
    init: bool
    default: Any
    is_checked: bool
    """Whether user code sees the value when the object is made."""


def _declared(cls: Any) -> list[_Declared]:
    if attrs.has(cls):
        return [
            _Declared(
                name=field.name,
                argument=field.alias or field.name,
                type=Any if field.type is None else field.type,
                init=field.init,
                default=field.default,
                is_checked=field.converter is not None or field.validator is not None,
            )
            for field in attrs.fields(cls)
        ]
    return [
        _Declared(
            name=field.name,
            argument=field.name,
            type=field.type,
            init=field.init,
            default=_default_of(field),
            is_checked=False,
        )
        for field in dataclasses.fields(cls)
    ]


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return attrs.NOTHING if field.default_factory is dataclasses.MISSING else attrs.Factory(field.default_factory)


def _of_class(kind: Any, cls: Any, declared: Sequence[_Declared], shape_of: ShapeOf) -> list[Attribute]:
    _check_arguments(cls, {field.argument for field in declared})
    hints = hints_of(cls, kind)
    return [
        _attribute(
            cls,
            field.name,
            hints.get(field.name, field.type),
            shape_of,
            argument=field.argument,
            is_required=field.default is attrs.NOTHING,
            default=field.default,
        )
        for field in declared
    ]


def _attribute(cls: type, name: str, hint: Any, shape_of: ShapeOf, **more: Any) -> Attribute:
    try:
        return Attribute(name=name, shape=shape_of(hint), **more)
    except DefinitionError as error:
        raise DefinitionError(
            f"{cls.__qualname__}.{name}: {error}", reason=error.reason, name=f"{cls.__qualname__}.{name}"
        ) from error


def _check_arguments(cls: type, written: set[str]) -> None:
    """Raise :class:`DefinitionError` for a class that cannot be called with its written attributes."""
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError) as error:
        raise DefinitionError(
            f"{cls.__qualname__} cannot be called: {error}", reason=DefinitionReason.TYPE, name=cls.__qualname__
        ) from error
    names = {parameter.name for parameter in parameters}
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    for parameter in parameters:
        is_needed = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )
        if is_needed and parameter.name not in written:
            raise DefinitionError(
                f"{cls.__qualname__} needs {parameter.name!r} when it is made but does not keep it, so it could not be rebuilt. "
                "Give it a default, or keep it in a field",
                reason=DefinitionReason.TYPE,
                name=cls.__qualname__,
            )
    missing = written - names
    if missing and not takes_any:
        raise DefinitionError(
            f"{cls.__qualname__} has the field {min(missing)!r}, but its constructor does not take it",
            reason=DefinitionReason.TYPE,
            name=cls.__qualname__,
        )
    if inspect.isabstract(cls):
        raise DefinitionError(
            f"{cls.__qualname__} is abstract, so no value of it can exist",
            reason=DefinitionReason.TYPE,
            name=cls.__qualname__,
        )


def _check_upgrade(cls: type) -> None:
    """Raise :class:`DefinitionError` if the function that reads stored attributes of an earlier form cannot be called on the class."""
    found = inspect.getattr_static(cls, UPGRADE, None)
    if found is not None and not isinstance(found, (classmethod, staticmethod)):
        raise DefinitionError(
            f"{cls.__qualname__}.{UPGRADE} is called with stored attributes before there is an instance; make it a @classmethod",
            reason=DefinitionReason.FUNCTION,
            name=f"{cls.__qualname__}.{UPGRADE}",
        )


def _is_made_plainly(cls: Any, declared: Sequence[_Declared]) -> bool:
    """Report whether calling the class only sets its fields and runs no user code."""
    hooks = ("__attrs_post_init__", "__attrs_pre_init__", "__post_init__", "__getattribute__", "__pydantic_validator__")
    return (
        type(cls) in (type, abc.ABCMeta, typing.cast("Any", type(typing.Protocol)))
        and cls.__new__ is object.__new__
        and (cls.__setattr__ is object.__setattr__ or _is_generated(cls.__setattr__))
        and not any(hasattr(cls, name) and getattr(object, name, None) is not getattr(cls, name) for name in hooks)
        and _is_generated(cls.__init__)
        and not any(field.is_checked for field in declared)
        and not any(_is_descriptor(inspect.getattr_static(cls, field.name, None)) for field in declared)
    )


def _is_generated(function: Any) -> bool:
    """Report whether attrs or dataclasses generated the function."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    return code.co_filename.startswith("<attrs generated") or code.co_filename in (
        "<string>",
        attrs.fields.__code__.co_filename,
    )


def is_compared_by_all_fields(cls: Any) -> bool:
    """Report whether two instances are equal exactly when all their attributes are."""
    if attrs.has(cls):
        plainly = all(field.eq and field.eq_key is None for field in attrs.fields(cls))
    else:
        plainly = all(field.compare for field in dataclasses.fields(cls))
    return plainly and _is_generated(cls.__eq__)


def _is_descriptor(member: Any) -> bool:
    """Report whether the attribute is a descriptor of a user's class; a slot does not count."""
    return hasattr(type(member), "__set__") and not isinstance(member, types.MemberDescriptorType)


def _is_cached(member: Any) -> bool:
    return isinstance(member, functools.cached_property)


def _of_named_tuple(kind: Any, cls: Any, shape_of: ShapeOf) -> list[Attribute]:
    hints = hints_of(cls, kind)
    return [
        _attribute(
            cls,
            name,
            hints.get(name, Any),
            shape_of,
            argument=name,
            is_required=name not in cls._field_defaults,
            default=cls._field_defaults.get(name, attrs.NOTHING),
        )
        for name in cls._fields
    ]


def _of_typed_dictionary(kind: Any, cls: Any, shape_of: ShapeOf) -> list[Attribute]:
    hints = _hints_of_typed_dictionary(cls, kind)
    return [
        _attribute(cls, name, hint, shape_of, argument=name, is_required=_is_required(cls, name, hint))
        for name, hint in hints.items()
    ]


def _hints_of_typed_dictionary(cls: Any, kind: Any) -> dict[str, Any]:
    given = dict(zip(getattr(cls, "__parameters__", ()), typing.get_args(kind), strict=False))
    hints = hints_in(cls, f"{cls.__qualname__}: the types of its keys")
    return {name: with_types(hint, given) for name, hint in hints.items()}


def _is_required(cls: Any, name: str, hint: Any) -> bool:
    """Report whether the key is required. Also resolves an annotation that is a text, which ``TypedDict`` itself does
    not."""
    while (origin := typing.get_origin(hint)) is not None:
        word = getattr(origin, "_name", "")
        if word in ("Required", "NotRequired"):
            return bool(word == "Required")
        if word not in ("ReadOnly",) and origin is not typing.Annotated:
            break
        hint = typing.get_args(hint)[0]
    return name in cls.__required_keys__
