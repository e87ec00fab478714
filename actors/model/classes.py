"""What users define: actors, services and workflows."""

from __future__ import annotations

import functools
import inspect
import typing
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import attrs

from actors.errors import DefinitionError, FieldMisuseError, UnknownHandlerError, deployment_of_module, module_of
from actors.model.declarations import check_methods, declare_fields, handlers_in, nearest
from actors.model.fields import Field, FieldKind
from actors.model.handlers import HandlerDefinition, HandlerOptions
from actors.model.handles import new_id
from actors.values.frozen_errors import permit_raising_all
from actors.values.generics import NO_TYPES, concrete, type_arguments
from actors.values.names import AS_IN_CODE, EDIT, NAME_BYTES, RESERVED, Naming, naming
from actors.values.texts import shown
from journal.events import Kind, Mode, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from journal.ids import InvocationId


class ObjectBase:
    """What actors, services and workflows have in common. Instances are made by the engine, one for each attempt, with
    ``_view``, ``_key``, ``_definition`` and ``_port`` in their dictionaries. ``_namespace`` stands before the names of those
    that are built in. ``_declared`` is what the body of the class says of fields, ``_fields`` what all its bases make of it."""

    _kind: ClassVar[Kind]
    _declared: ClassVar[dict[str, Any]] = {}
    _fields: ClassVar[dict[str, Field]] = {}
    _namespace: ClassVar[str] = ""
    _naming: ClassVar[Naming] = AS_IN_CODE

    def __init_subclass__(cls, *, name: str | None = None, aliases: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        called = naming(name, aliases, cls.__qualname__)
        kinds = [base.__name__ for base in cls.__mro__ if base in _BASES[1:]]
        if len(kinds) > 1:
            raise DefinitionError(f"{cls.__qualname__} is {' and '.join(kinds)} at once; choose one")
        known = {base: base._declared for base in cls.__mro__[1:] if issubclass(base, ObjectBase)}
        cls._declared = declare_fields(cls, known, _TAKEN)
        cls._naming = called
        cls._fields = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        if cls._fields and getattr(cls, "_kind", None) is Kind.SERVICE:
            name = next(iter(cls._fields))
            raise DefinitionError(
                f"{cls.__qualname__}.{name}: a service has no key, so it has no fields; make it an Actor"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in type(self)._fields:
            raise FieldMisuseError(
                f"{type(self).__name__} has no field {name!r}, so it would be forgotten; "
                f"declare it in the class: '{name}: <type> = <default>'"
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        field = type(self)._fields.get(name)
        if field is None:
            raise FieldMisuseError(f"{type(self).__name__} has no field {name!r}, so there is nothing to delete")
        remedy = "set it to its default" if field.kind is FieldKind.PLAIN else "change its items"
        raise FieldMisuseError(f"{type(self).__name__}.{name} is a field, which cannot be deleted; {remedy}")

    def __deepcopy__(self, memo: object) -> ObjectBase:
        """Itself: a step that is given it finds no field in it."""
        return self

    @property
    def key(self) -> str:
        """The key of this object."""
        key: str | None = self.__dict__.get("_key")
        if key is None:
            raise AttributeError(f"{type(self).__name__} has a key only in the handlers of keyed objects")
        return key


_TAKEN = frozenset({"_definition", "_fields_version", "_key", "_kind", "_port", "_view", *vars(ObjectBase)})
"""Names that no member of a class may have."""

_BASES: list[type] = [ObjectBase]


class Actor(ObjectBase):
    """A keyed object with durable fields: one writer at a time, first come first served; readers beside it.

    Its name is the identity of what is stored. ``class Account(Actor, name="Konto")`` keeps the name under which objects are stored
    where the class is renamed; ``class Account(Actor, aliases=("Konto",))`` reaches those that are stored under an old name, and stores
    new ones under its own. Services and workflows take the same options.

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
    """A keyed object whose ``run`` handler executes once for each key; ``@shared`` handlers speak to it meanwhile.

    ::

        class Signup(Workflow):
            @handler
            async def run(self, email: str) -> bool:
                await send_link(email)
                return await actors.signal("clicked", bool)
    """

    _kind: ClassVar[Kind] = Kind.WORKFLOW


_BASES += (Actor, Service, Workflow)


class NameLookup(Protocol):
    """What is kept under which name, as of the last commit. Asked only of classes and handlers with aliases, under which nothing new
    is kept: so what a commit under way creates need not be known."""

    def has_objects(self, service: str) -> bool:
        """Whether there is any object of this name."""
        ...

    def has_object(self, service: str, key: str) -> bool:
        """Whether there is an object of this name and key."""
        ...

    def has_invocation(self, of: InvocationId) -> bool:
        """Whether there is an invocation of this id."""
        ...


class NothingStored:
    """For handlers that nobody obeys."""

    def has_objects(self, service: str) -> bool:
        return False

    def has_object(self, service: str, key: str) -> bool:
        return False

    def has_invocation(self, of: InvocationId) -> bool:
        return False


@attrs.frozen(kw_only=True, slots=False)  # for the cached property, as HandlerDefinition
class Definition:
    """A class as the engine sees it.

    ``aliases`` are what it was called before. An object keeps the name that it was stored under, and is reached under all of them.
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: Kind
    cls: type[ObjectBase]
    handlers: Mapping[str, HandlerDefinition]
    """By their names, without aliases."""
    fields: Mapping[str, Field]
    prepared: tuple[Field, ...]
    """Fields that an object may have to be given before a handler of this class sees it."""
    attributes: Mapping[str, HandlerDefinition]
    """Handlers by what they are in the code."""
    called: Mapping[str, HandlerDefinition]
    """Handlers by all names."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called, its own name first."""
        return (self.name, *self.aliases)

    @functools.cached_property
    def deployment(self) -> str:
        """The deployment that its module was loaded for; empty if it was imported as usual."""
        return deployment_of_module(module_of(self.cls))

    def handler(self, name: str) -> HandlerDefinition:
        """The handler of this name, or alias. Raises :class:`UnknownHandlerError`."""
        found = self.called.get(name)
        if found is None and name == EDIT and self.kind is not Kind.SERVICE:
            return _edit_handler()
        if found is None:
            known = ", ".join(sorted(self.handlers)) or "none"
            raise UnknownHandlerError(f"{self.name} has no handler {name!r}; it has {known}")
        return found

    def home(self, name: str, key: str | None, stored: NameLookup) -> str:
        """The name under which an object is kept that is asked for by this one, of the names of the class.

        It is the first under which there is an object of the key: the name that was given, the class's own, an alias. One that
        is not there yet will be kept under the class's own.
        """
        if key is None or not self.aliases:
            return self.name
        return next((each for each in (name, *self.names) if stored.has_object(each, key)), self.name)

    def resolved(self, target: Target, stored: NameLookup) -> Target:
        """What is asked for, by the names that are kept. Raises :class:`UnknownHandlerError`."""
        service = self.home(target.service, target.key, stored)
        handler = self.handler(target.handler).name
        if service == target.service and handler == target.handler:
            return target
        return Target(service, target.key, handler)

    def request_id(self, target: Target, request_key: str, secret: str, stored: NameLookup) -> InvocationId:
        """The id of a request: that of the invocation that it has been under any name of the class and its handler, or the one that it
        will be. See :func:`actors.model.handles.new_id`."""
        names = self.handler(target.handler).names
        services = self.names if target.key is None else (target.service,)
        ids = [
            new_id(target, request_key, 0, secret, asked=Target(service, target.key, name))
            for service in services
            for name in names
        ]
        return ids[0] if len(ids) == 1 else next(filter(stored.has_invocation, ids), ids[0])


@functools.cache
def _edit_handler() -> HandlerDefinition:
    """What every keyed class has besides its own: see :mod:`actors.model.edit`."""
    from actors.model.edit import edit_fields

    return HandlerDefinition(name=EDIT, mode=Mode.EXCLUSIVE, options=HandlerOptions(atomic=True), function=edit_fields)


_definitions: dict[type, Definition] = {}


def service_name(cls: type[ObjectBase]) -> str:
    """The name that its objects are called by."""
    return cls._namespace + cls._naming.of(cls.__name__)


def kind_in_words(kind: Kind) -> str:
    """As a sentence has it: "an actor"."""
    return f"{'an' if kind is Kind.ACTOR else 'a'} {kind.value}"


def definition_of(cls: Any) -> Definition:
    """Look the class over, once. Raises :class:`DefinitionError` for what cannot work."""
    known = _definitions.get(cls)
    if known is None:
        known = _definitions[cls] = _define(cls)
    return known


def forget_definition(cls: type) -> None:
    """Let go of a class that is not used any more."""
    _definitions.pop(cls, None)


def _define(cls: Any) -> Definition:
    if not (isinstance(cls, type) and issubclass(cls, ObjectBase)) or cls in _BASES:
        raise DefinitionError(f"{shown(cls)} is not an Actor, Service or Workflow class")
    name = cls._naming.of(cls.__name__)
    for each in (name, *cls._naming.aliases):
        if each in RESERVED or len(each.encode()) > NAME_BYTES:
            raise DefinitionError(
                f"a class cannot be called {each[:80]}: the name is taken by the remote control, or longer than {NAME_BYTES} bytes"
            )
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise DefinitionError(f"{name} is abstract, it does not define {missing}; serve a subclass that does")
    check_methods(cls)
    types = type_arguments(cls)
    attributes = {
        attribute: found.define(attribute, types.get(nearest(cls, attribute), NO_TYPES))
        for attribute, found in handlers_in(cls).items()
    }
    if not attributes:
        raise DefinitionError(f"{name} has no handlers; decorate its methods with @handler or @shared")
    called = _called(cls, attributes.values())
    handlers = {declared.name: declared for declared in attributes.values()}
    _check_workflow(cls, handlers)
    for declared in handlers.values():
        _ = declared.signature
    _resolve_fields(cls, types)
    permit_raising_all()  # its handlers may raise one through a context manager before the engine meets the class
    return Definition(
        name=service_name(cls),
        aliases=cls._naming.aliases,
        kind=cls._kind,
        cls=cls,
        handlers=handlers,
        attributes=attributes,
        called=called,
        fields=cls._fields,
        prepared=tuple(declared for declared in cls._fields.values() if declared.is_prepared),
    )


def _called(cls: type[ObjectBase], handlers: Iterable[HandlerDefinition]) -> dict[str, HandlerDefinition]:
    called: dict[str, HandlerDefinition] = {}
    for declared in handlers:
        for name in declared.names:
            other = called.setdefault(name, declared)
            if other is not declared:
                raise DefinitionError(
                    f"{cls.__name__}: {other.attribute} and {declared.attribute} are both called {name}; rename one"
                )
    return called


def _check_workflow(cls: type[ObjectBase], handlers: Mapping[str, HandlerDefinition]) -> None:
    if cls._kind is not Kind.WORKFLOW:
        return
    if "run" not in handlers or handlers["run"].mode is not Mode.EXCLUSIVE:
        raise DefinitionError(f"{cls.__name__} is a workflow and needs a @handler named 'run'")
    others = sorted(n for n, h in handlers.items() if n != "run" and h.mode is Mode.EXCLUSIVE)
    if others:
        raise DefinitionError(f"{cls.__name__}.{others[0]}: beside 'run', the handlers of a workflow are @shared")


def _resolve_fields(cls: type[ObjectBase], types: Mapping[type, Mapping[Any, Any]]) -> None:
    if not cls._fields:
        return
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"{cls.__name__}: the types of its fields cannot be read ({error}); "
            "import them for real, not under TYPE_CHECKING"
        ) from error
    for name, declared in cls._fields.items():
        what = f"{cls.__name__}.{name}"
        annotated_in = next(base for base in cls.__mro__ if name in inspect.get_annotations(base))
        declared.resolve(concrete(hints[name], types.get(annotated_in, NO_TYPES), what), what)


def definitions_in(module: Any) -> list[type[ObjectBase]]:
    """The actors, services and workflows that a module shows, in the order of their names."""
    found: list[type[ObjectBase]] = []
    for _, value in sorted(vars(module).items()):
        if inspect.isclass(value) and issubclass(value, ObjectBase) and _can_be_served(value) and value not in found:
            found.append(value)
    return found


def _can_be_served(cls: type) -> bool:
    """Whether it is more than a base of others."""
    is_generic = bool(getattr(cls, "__parameters__", ()))
    return bool(handlers_in(cls)) and not inspect.isabstract(cls) and not is_generic
