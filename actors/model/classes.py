"""The base classes of users' objects: actors, services and workflows."""

from __future__ import annotations

import inspect
import typing
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from actors.errors import DefinitionError, DefinitionReason, FieldMisuseError
from actors.model.declarations import check_methods, declare_fields, handlers_in, nearest
from actors.model.definitions import (
    RUN,
    RUN_RETENTION_SECONDS,
    Definition,
    HandlerDefinition,
    HandlerOptions,
    kind_in_words,
)
from actors.model.edit import edit_fields
from actors.model.fields import Field, FieldAccess, FieldKind, view_of
from actors.model.shared_handlers import check_assigns_no_field
from actors.values.arguments import checked_truth
from actors.values.frozen_errors import permit_raising_all
from actors.values.generics import NO_TYPES, concrete, type_arguments
from actors.values.names import AS_IN_CODE, EDIT, NAME_BYTES, RESERVED, Naming, naming
from actors.values.texts import shown
from journal.events import Kind, Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class ObjectBase:
    """The common base of actors, services and workflows. The engine makes an instance for each attempt, with ``_view``, ``_key``,
    ``_definition`` and ``_backend`` in its dictionary. ``_namespace`` is the prefix for the names of built-in classes.
    ``_declared`` are the fields in the body of the class, ``_fields`` those of all its bases."""

    _kind: ClassVar[Kind]
    _declared: ClassVar[dict[str, Any]] = {}
    _fields: ClassVar[dict[str, Field]] = {}
    _namespace: ClassVar[str] = ""
    _naming: ClassVar[Naming] = AS_IN_CODE
    _private: ClassVar[bool] = False

    def __init_subclass__(
        cls, *, name: str | None = None, aliases: Sequence[str] = (), private: bool | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        called = naming(name, aliases, cls.__qualname__)
        kinds = [base.__name__ for base in cls.__mro__ if base in _BASES[1:]]
        if len(kinds) > 1:
            raise DefinitionError(
                f"{cls.__qualname__} derives from {' and '.join(kinds)}; derive from only one",
                reason=DefinitionReason.KIND,
                name=cls.__qualname__,
            )
        known = {base: base._declared for base in cls.__mro__[1:] if issubclass(base, ObjectBase)}
        cls._declared = declare_fields(cls, known, _TAKEN)
        cls._naming = called
        if private is not None:
            cls._private = checked_truth(private, "private")
        cls._fields = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        if cls._fields and getattr(cls, "_kind", None) is Kind.SERVICE:
            name = next(iter(cls._fields))
            raise DefinitionError(
                f"{cls.__qualname__}.{name}: a service has no key, so it has no fields; make it an Actor",
                reason=DefinitionReason.KIND,
                name=f"{cls.__qualname__}.{name}",
            )

    def __setattr__(self, name: str, value: Any) -> None:
        field = type(self)._fields.get(name)
        if field is None:
            raise FieldMisuseError(
                f"{type(self).__name__} has no field {name!r}, so the value would be lost; "
                f"declare it in the class: '{name}: <type> = <default>'",
            )
        view: FieldAccess | None = self.__dict__.get("_view")
        (view_of(self) if view is None else view).write(field, value)

    def __delattr__(self, name: str) -> None:
        field = type(self)._fields.get(name)
        if field is None:
            raise FieldMisuseError(
                f"{type(self).__name__} has no field {name!r}, so there is nothing to delete",
            )
        remedy = "set it to its default" if field.kind is FieldKind.PLAIN else "change its items"
        raise FieldMisuseError(f"{type(self).__name__}.{name} is a field, which cannot be deleted; {remedy}")

    def __deepcopy__(self, memo: object) -> ObjectBase:
        """Return the object itself, because a step that receives it cannot read its fields."""
        return self

    @property
    def key(self) -> str:
        """The key of this object."""
        key: str | None = self.__dict__.get("_key")
        if key is None:
            raise AttributeError(f"{type(self).__name__} has a key only in the handlers of keyed objects")
        return key


_TAKEN = frozenset({"_definition", "_fields_version", "_key", "_kind", "_backend", "_view", *vars(ObjectBase)})
"""Names that no member of a class may have."""

_BASES: list[type] = [ObjectBase]


class Actor(ObjectBase):
    """A keyed object with durable fields. One exclusive handler runs at a time, in order of arrival; shared handlers run beside
    it.

    The name of the class identifies the stored objects. To rename the class and keep its objects, write ``class Account(Actor,
    name="Konto")``. To reach objects stored under an old name and store new ones under the new name, write ``class Account(Actor,
    aliases=("Konto",))``. With ``private=True`` its handlers, and those of its subclasses, are private; see :func:`handler`. Services and
    workflows take the same options.

    ::

        class Counter(Actor):
            value: int = 0

            @handler
            async def add(self, amount: int) -> int:
                self.value += amount
                return self.value
    """

    _kind: ClassVar[Kind] = Kind.ACTOR


class Service(ObjectBase):
    """Handlers without a key and without state: any number run at once.

    ::

        class Greeter(Service):
            @handler
            async def greet(self, name: str) -> str:
                return await generate(f"a greeting for {name}")
    """

    _kind: ClassVar[Kind] = Kind.SERVICE


class Workflow(ObjectBase):
    """A keyed object whose ``run`` handler executes once for each key. Its ``@shared`` handlers can be called meanwhile, and its
    ``@update`` handlers change the run and answer: see :func:`update`.

    A repeated ``run`` of a key returns the first one, or its latest restart, until that is purged: 30 days after its end, or as
    ``@handler(retention=…)`` says.

    ::

        class Signup(Workflow):
            @handler
            async def run(self, email: str) -> bool:
                await send_link(email)
                return await actors.signal("clicked", bool)
    """

    _kind: ClassVar[Kind] = Kind.WORKFLOW


_BASES += (Actor, Service, Workflow)


_BUILT_IN = {
    EDIT: HandlerDefinition(name=EDIT, mode=Mode.EXCLUSIVE, options=HandlerOptions(atomic=True), function=edit_fields)
}
"""The handlers that every keyed class has besides its own: see :mod:`actors.model.edit`."""


_definitions: dict[type, Definition] = {}


def service_name(cls: type[ObjectBase]) -> str:
    """Return the public name of the class."""
    return cls._namespace + cls._naming.of(cls.__name__)


def definition_of(cls: Any) -> Definition:
    """Return the definition of a class, which is checked once. Raises :class:`DefinitionError` for a class that cannot
    work.
    """
    known = _definitions.get(cls)
    if known is None:
        known = _definitions[cls] = _define(cls)
    return known


def forget_definition(cls: type) -> None:
    """Drop the definition of a class that is no longer used."""
    _definitions.pop(cls, None)


def _define(cls: Any) -> Definition:
    if not (isinstance(cls, type) and issubclass(cls, ObjectBase)) or cls in _BASES:
        raise DefinitionError(
            f"{shown(cls)} is not an Actor, Service or Workflow class", reason=DefinitionReason.KIND, name=shown(cls)
        )
    name = cls._naming.of(cls.__name__)
    _check_names((name, *cls._naming.aliases))
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise DefinitionError(
            f"{name} is abstract because it does not define {missing}; serve a subclass that does",
            reason=DefinitionReason.ABSTRACT,
            name=name,
        )
    check_methods(cls)
    types = type_arguments(cls)
    attributes = {
        attribute: found.define(attribute, types.get(nearest(cls, attribute), NO_TYPES), is_private=cls._private)
        for attribute, found in handlers_in(cls).items()
    }
    if cls._kind is Kind.WORKFLOW:
        attributes = {attribute: _kept_longer(declared) for attribute, declared in attributes.items()}
    if not attributes:
        raise DefinitionError(
            f"{name} has no handlers; decorate its methods with @handler or @shared",
            reason=DefinitionReason.KIND,
            name=name,
        )
    called = _called(cls, attributes.values())
    handlers = {declared.name: declared for declared in attributes.values()}
    _check_workflow(cls, handlers)
    for declared in handlers.values():
        _ = declared.signature
        if declared.mode is Mode.SHARED:
            check_assigns_no_field(declared, cls._fields)
    _resolve_fields(cls, types)
    permit_raising_all()  # its handlers may raise a frozen error through a context manager before the engine reads the class
    return Definition(
        name=service_name(cls),
        aliases=cls._naming.aliases,
        kind=cls._kind,
        cls=cls,
        handlers=handlers,
        attributes=attributes,
        called=called,
        built_in={} if cls._kind is Kind.SERVICE else _BUILT_IN,
        fields=cls._fields,
        field_aliases={name: declared.aliases for name, declared in cls._fields.items() if declared.aliases},
        prepared=tuple(declared for declared in cls._fields.values() if declared.is_prepared),
    )


def _check_names(names: Iterable[str]) -> None:
    for each in names:
        if each in RESERVED:
            raise DefinitionError(
                f"{each} is reserved for the remote control; choose another class name or alias",
                reason=DefinitionReason.NAME,
                name=each,
            )
        if (length := len(each.encode())) > NAME_BYTES:
            raise DefinitionError(
                f"the class name {each[:80]}… has {length} bytes, the limit is {NAME_BYTES}",
                reason=DefinitionReason.NAME,
                name=each,
            )


def _called(cls: type[ObjectBase], handlers: Iterable[HandlerDefinition]) -> dict[str, HandlerDefinition]:
    called: dict[str, HandlerDefinition] = {}
    for declared in handlers:
        for name in declared.names:
            other = called.setdefault(name, declared)
            if other is not declared:
                raise DefinitionError(
                    f"{cls.__name__}: {other.attribute} and {declared.attribute} both have the name {name}; rename one",
                    reason=DefinitionReason.DUPLICATE,
                    name=f"{cls.__name__}.{name}",
                )
    return called


def _check_workflow(cls: type[ObjectBase], handlers: Mapping[str, HandlerDefinition]) -> None:
    if cls._kind is not Kind.WORKFLOW:
        for declared in handlers.values():
            if declared.mode is Mode.UPDATE:
                raise DefinitionError(
                    f"{cls.__name__}.{declared.attribute} is an @update, and {cls.__name__} is {kind_in_words(cls._kind)}: only "
                    "the run of a Workflow carries out updates. Make it a @handler",
                    reason=DefinitionReason.KIND,
                    name=f"{cls.__name__}.{declared.attribute}",
                )
        return
    if "run" not in handlers or handlers["run"].mode is not Mode.EXCLUSIVE:
        raise DefinitionError(
            f"{cls.__name__} is a workflow and needs a @handler named 'run'",
            reason=DefinitionReason.KIND,
            name=cls.__name__,
        )
    others = sorted(n for n, h in handlers.items() if n != "run" and h.mode is Mode.EXCLUSIVE)
    if others:
        raise DefinitionError(
            f"{cls.__name__}.{others[0]}: the handlers of a workflow other than 'run' must be @shared, or @update to write",
            reason=DefinitionReason.KIND,
            name=f"{cls.__name__}.{others[0]}",
        )


def _kept_longer(handler: HandlerDefinition) -> HandlerDefinition:
    """Return the handler of a workflow with the retention of a run, if it is one that names none."""
    if handler.name != RUN or handler.options.retention is not None:
        return handler
    return attrs.evolve(handler, options=attrs.evolve(handler.options, retention=RUN_RETENTION_SECONDS))


def _resolve_fields(cls: type[ObjectBase], types: Mapping[type, Mapping[Any, Any]]) -> None:
    if not cls._fields:
        return
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"{cls.__name__}: the types of its fields cannot be read ({error}); "
            "import them at runtime, not only under TYPE_CHECKING",
            reason=DefinitionReason.ANNOTATION,
            name=cls.__name__,
        ) from error
    for name, declared in cls._fields.items():
        what = f"{cls.__name__}.{name}"
        annotated_in = next(base for base in cls.__mro__ if name in inspect.get_annotations(base))
        declared.resolve(concrete(hints[name], types.get(annotated_in, NO_TYPES), what), what)


def definitions_in(module: Any) -> list[type[ObjectBase]]:
    """Return the actors, services and workflows in a module, sorted by name."""
    found: list[type[ObjectBase]] = []
    for _, value in sorted(vars(module).items()):
        if inspect.isclass(value) and issubclass(value, ObjectBase) and _can_be_served(value) and value not in found:
            found.append(value)
    return found


def _can_be_served(cls: type) -> bool:
    """Report whether the class can be served, and is not only a base for other classes."""
    is_generic = bool(getattr(cls, "__parameters__", ()))
    return bool(handlers_in(cls)) and not inspect.isabstract(cls) and not is_generic
