"""Resolves annotations: aliases and wrappers of types, and the types of a class's attributes."""

from __future__ import annotations

import sys
import types
import typing
from typing import TYPE_CHECKING, Any

from actors.errors import DefinitionError, DefinitionReason
from actors.values.generics import type_arguments, with_types
from actors.values.problem import name_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

_AROUND = {"Final", "Required", "NotRequired", "ReadOnly"}
"""Wrappers that describe the attribute and not its value, including those of ``typing_extensions``."""


def hashable(kind: Any) -> Hashable:
    """Return the type, or its ``id`` if it has no hash, as a dictionary key. An annotation may contain anything, for
    example a list."""
    try:
        hash(kind)
    except TypeError:
        return id(kind)
    return typing.cast("Hashable", kind)


def is_alias(kind: Any) -> bool:
    """Report whether the type is a ``type X = …``, with or without arguments."""
    return type(typing.get_origin(kind) or kind).__name__ == "TypeAliasType"


def is_unpacked(kind: Any) -> bool:
    """Report whether the type is ``*tuple[…]`` or ``Unpack[…]``."""
    return bool(getattr(kind, "__unpacked__", False)) or getattr(typing.get_origin(kind), "_name", "") == "Unpack"


def inner(kind: Any) -> Any:
    """Return the type inside an ``Annotated``, ``Final``, ``NewType`` or alias; None for any other type."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated or getattr(origin, "_name", "") in _AROUND:
        return typing.get_args(kind)[0]
    if is_alias(kind):
        alias = origin or kind
        given = dict(zip(alias.__type_params__, typing.get_args(kind), strict=False))
        return with_types(hint_in(alias.__value__, _names_of(alias), name_of(alias)), given)
    if hasattr(kind, "__supertype__"):
        return kind.__supertype__
    if kind is typing.LiteralString:
        return str
    return None


def stands_for(variable: typing.TypeVar) -> Any:
    """Return the type that a type variable without an argument stands for: its bound, the union of its constraints, or
    ``Any``."""
    if variable.__constraints__:
        return typing.Union[variable.__constraints__]  # noqa: UP007 - of as many as there are
    return Any if variable.__bound__ is None else variable.__bound__


def hints_of(cls: type, kind: Any) -> dict[str, Any]:
    """Return the types of a class's attributes by name, with the arguments of a generic class filled in. Raises
    :class:`DefinitionError`.

    Each type is looked up in the class that declares it: a base class and its subclass may use the same name for
    different type variables.
    """
    hints: dict[str, Any] = {}
    given_to = _arguments(cls, kind)
    for base in reversed(cls.__mro__):
        own = vars(base).get("__annotations__", {})
        if own:
            found = hints_in(base, f"{base.__qualname__}: the types of its attributes")
            hints.update({name: with_types(found[name], given_to.get(base, {})) for name in own if name in found})
    return hints


def hints_in(what: Any, name: str) -> dict[str, Any]:
    """Return the resolved annotations of a class or a function. Raises :class:`DefinitionError`, whose message begins
    with ``name``."""
    try:
        return _looked_up(what)
    except Exception as error:
        raise DefinitionError(
            f"{name} cannot be read ({error}); import the types for real, not under TYPE_CHECKING, "
            "and define them at the top of a module, not in a function",
            reason=DefinitionReason.ANNOTATION,
            name=name,
        ) from error


def _looked_up(what: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(what, include_extras=True)
    except NameError:
        if not isinstance(what, type):
            raise
        # A class inside a function may name itself, although its module does not know it.
        return typing.get_type_hints(what, localns={what.__name__: what}, include_extras=True)


def hint_in(annotation: Any, names: Mapping[str, Any], what: str) -> Any:
    """Return one annotation with its names resolved. Raises :class:`DefinitionError`, whose message begins with
    ``what``."""
    return hints_in(types.SimpleNamespace(__annotations__={"it": annotation}, __globals__=names), what)["it"]


def _names_of(alias: Any) -> Mapping[str, Any]:
    return vars(sys.modules.get(alias.__module__, typing))


def _arguments(cls: Any, kind: Any) -> dict[type, dict[Any, Any]]:
    """Return the types of the type variables of the class and of each of its bases."""
    own = dict(zip(getattr(cls, "__parameters__", ()), typing.get_args(kind), strict=False))
    found: dict[type, dict[Any, Any]] = {cls: own}
    for base, arguments in type_arguments(cls).items():
        found[base] = {variable: with_types(argument, own) for variable, argument in arguments.items()}
    return found
