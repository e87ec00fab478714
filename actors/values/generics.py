"""Resolves the type variables of generic classes: ``class Ages(Table[int])`` fixes the ``T`` of ``Table``."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Any

from actors.errors import DefinitionError, DefinitionReason

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_TYPES: Mapping[Any, Any] = types.MappingProxyType({})
"""The empty mapping, for classes that are not generic."""


def type_arguments(cls: type) -> dict[type, dict[Any, Any]]:
    """Return, for each generic base of a class, the types of its type variables."""
    found: dict[type, dict[Any, Any]] = {}
    for base in cls.__mro__:
        own = found.get(base, NO_TYPES)
        for alias in vars(base).get("__orig_bases__", ()):
            origin = typing.get_origin(alias)
            variables = getattr(origin, "__parameters__", ())
            given = zip(variables, typing.get_args(alias), strict=False)
            found.setdefault(origin, {variable: with_types(argument, own) for variable, argument in given})
    return found


def with_types(annotation: Any, known: Mapping[Any, Any]) -> Any:
    """Return the annotation with its type variables replaced by their types in ``known``; others stay."""
    if isinstance(annotation, typing.TypeVar):
        return known.get(annotation, annotation)
    variables = () if isinstance(annotation, type) else getattr(annotation, "__parameters__", ())
    if not variables:
        return annotation
    alias: Any = annotation
    return alias[tuple(known.get(variable, variable) for variable in variables)]


def concrete(annotation: Any, known: Mapping[Any, Any], what: str) -> Any:
    """Return the annotation with its type variables replaced. Raises :class:`DefinitionError` if a variable has no type;
    ``what`` names the annotated thing in its message."""
    given = with_types(annotation, known)
    open_variables = () if isinstance(given, type) else getattr(given, "__parameters__", ())
    if isinstance(given, typing.TypeVar) or open_variables:
        raise DefinitionError(
            f"{what} has the type {str(given).replace('typing.', '')}, but no class fixes the type variable; "
            "subclass it with real types: class Ages(Table[int])",
            reason=DefinitionReason.ABSTRACT,
            name=what,
        )
    return given
