"""What users define: actors, services and workflows, their handlers and steps."""

from __future__ import annotations

import datetime
import functools
import inspect
import typing
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar, overload

import attrs

from actors.core.errors import DefinitionError, FieldMisuseError, UnknownHandlerError
from actors.core.names import EDIT, RESERVED
from actors.core.retries import DEFAULT_RETRY
from actors.fields import Field, FieldDefault, FieldKind, is_collection
from actors.references import BoundHandler, OwnHandler
from actors.values import Signature
from journal.events import Kind, Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from actors.core.retries import RetryPolicy

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

_NAME_BYTES = 256


@attrs.frozen(kw_only=True)
class HandlerOptions:
    """How a handler is run; see :func:`handler`."""

    retry: RetryPolicy | None = None
    atomic: bool = False
    retention: float | None = None


@attrs.frozen(kw_only=True, eq=False)
class HandlerDefinition:
    """A handler as the engine sees it."""

    name: str
    mode: Mode
    options: HandlerOptions
    function: Callable[..., Coroutine[Any, Any, Any]]

    @functools.cached_property
    def signature(self) -> Signature:
        """Parameters and result as JSON; looked up once every name exists."""
        return Signature(self.function, skip_first=True, name=self.function.__qualname__)

    @functools.cached_property
    def retry(self) -> RetryPolicy:
        """The policy for what it raises."""
        return self.options.retry or DEFAULT_RETRY


class Handler(Generic[P, R_co]):
    """A method that becomes invocations. On an object's own instance it is the plain method."""

    def __init__(
        self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]], mode: Mode, options: HandlerOptions
    ) -> None:
        if not inspect.iscoroutinefunction(function):
            raise DefinitionError(f"{getattr(function, '__qualname__', function)}: a handler is an 'async def' method")
        self.declared = HandlerDefinition(name=function.__name__, mode=mode, options=options, function=function)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    @overload
    def __get__(self, instance: None, owner: type) -> Handler[P, R_co]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> BoundHandler[P, R_co]: ...
    def __get__(self, instance: Any, owner: type) -> Handler[P, R_co] | BoundHandler[P, R_co]:
        if instance is None:
            return self
        return OwnHandler(instance, definition_of(owner), self.declared)


class _Decorator:
    """The decorator with its options given."""

    def __init__(self, mode: Mode, options: HandlerOptions) -> None:
        self._mode = mode
        self._options = options

    def __call__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]]) -> Handler[P, R_co]:
        return Handler(function, self._mode, self._options)


@overload
def handler(function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]], /) -> Handler[P, R_co]: ...
@overload
def handler(
    *,
    retry: RetryPolicy | None = None,
    atomic: bool = False,
    retention: float | datetime.timedelta | None = None,
) -> _Decorator: ...
def handler(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]] | None = None,
    /,
    *,
    retry: RetryPolicy | None = None,
    atomic: bool = False,
    retention: float | datetime.timedelta | None = None,
) -> Handler[P, R_co] | _Decorator:
    """A method that can be called from outside its object, durably; for an actor, one at a time per key.

    ``retry`` is the policy for what it raises (and for steps without one of their own). With ``atomic``, what it wrote is
    dropped unless it succeeds. ``retention`` is how long its history and result are kept after its end, in seconds.

    ::

        class Counter(Actor):
            value: int = 0

            @handler
            async def add(self, amount: int) -> int:
                self.value += amount
                return self.value
    """
    options = HandlerOptions(retry=retry, atomic=atomic, retention=_seconds(retention))
    if function is None:
        return _Decorator(Mode.EXCLUSIVE, options)
    return Handler(function, Mode.EXCLUSIVE, options)


@overload
def shared(function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]], /) -> Handler[P, R_co]: ...
@overload
def shared(*, retry: RetryPolicy | None = None, retention: float | datetime.timedelta | None = None) -> _Decorator: ...
def shared(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]] | None = None,
    /,
    *,
    retry: RetryPolicy | None = None,
    retention: float | datetime.timedelta | None = None,
) -> Handler[P, R_co] | _Decorator:
    """A method that runs beside the writer of its object and may only read.

    It sees the fields as they were when it started, with what a running handler has recorded by then.

    ::

        class Counter(Actor):
            value: int = 0

            @shared
            async def current(self) -> int:
                return self.value
    """
    options = HandlerOptions(retry=retry, retention=_seconds(retention))
    if function is None:
        return _Decorator(Mode.SHARED, options)
    return Handler(function, Mode.SHARED, options)


def _seconds(span: float | datetime.timedelta | None) -> float | None:
    return span.total_seconds() if isinstance(span, datetime.timedelta) else span


def _install_fields(cls: type[ObjectBase]) -> None:
    """Turn annotated attributes into fields. Their types are looked up later, when every name exists."""
    own = dict(inspect.get_annotations(cls))
    fields = dict(cls._fields)
    for name, annotation in own.items():
        if _is_class_variable(annotation) or name.startswith("_"):
            continue
        if getattr(cls, "_kind", None) is Kind.SERVICE:
            raise DefinitionError(
                f"{cls.__qualname__}.{name}: a service has no key, so it has no fields; make it an Actor"
            )
        if name in ("key", *dir(ObjectBase)):
            raise DefinitionError(f"{cls.__qualname__}.{name}: this name is taken; choose another")
        default = cls.__dict__.get(name, None)
        fields[name] = Field(name, _default_maker(default, name in cls.__dict__))
        setattr(cls, name, fields[name])
    cls._fields = fields


def _default_maker(default: Any, is_given: bool) -> Callable[[], Any] | None:
    if not is_given:
        return None
    if isinstance(default, FieldDefault):
        return default.make
    if isinstance(default, (list, dict, set)):
        raise DefinitionError(
            f"a default of {default!r} would be shared by all objects; use actors.field(factory={type(default).__name__})"
        )
    return lambda: default


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return annotation.startswith(("ClassVar", "typing.ClassVar"))
    return annotation is ClassVar or typing.get_origin(annotation) is ClassVar


class ObjectBase:
    """What actors, services and workflows have in common. Instances are made by the engine, one for each attempt, with
    ``_view``, ``_key`` and ``_port`` in their dictionaries. ``_namespace`` stands before the names of those that are built in."""

    _kind: ClassVar[Kind]
    _fields: ClassVar[dict[str, Field]] = {}
    _namespace: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _install_fields(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in type(self)._fields:
            raise FieldMisuseError(
                f"{type(self).__name__} has no field {name!r}, so it would be forgotten; "
                f"declare it in the class: '{name}: <type> = <default>'"
            )
        object.__setattr__(self, name, value)

    @property
    def key(self) -> str:
        """The key of this object."""
        key: str | None = self.__dict__.get("_key")
        if key is None:
            raise AttributeError(f"{type(self).__name__} has a key only in the handlers of keyed objects")
        return key


class Actor(ObjectBase):
    """A keyed object with durable fields: one writer at a time, first come first served; readers beside it.

    ::

        class Counter(Actor):
            value: int = 0

            @handler
            async def add(self, amount: int) -> int:
                self.value += amount
                return self.value
    """

    _kind = Kind.ACTOR


class Service(ObjectBase):
    """Handlers without a key and without state: any number run at once.

    ::

        class Greeter(Service):
            @handler
            async def greet(self, name: str) -> str:
                return await generate(f"a greeting for {name}")
    """

    _kind = Kind.SERVICE


class Workflow(ObjectBase):
    """A keyed object whose ``run`` handler executes once for each key; ``@shared`` handlers speak to it meanwhile.

    ::

        class Signup(Workflow):
            @handler
            async def run(self, email: str) -> bool:
                await send_link(email)
                return await actors.signal("clicked", bool)
    """

    _kind = Kind.WORKFLOW


_BASES = (ObjectBase, Actor, Service, Workflow)


@attrs.frozen(kw_only=True)
class Definition:
    """A class as the engine sees it."""

    name: str
    kind: Kind
    cls: type[ObjectBase]
    handlers: Mapping[str, HandlerDefinition]
    fields: Mapping[str, Field]

    def handler(self, name: str) -> HandlerDefinition:
        """The handler of this name. Raises :class:`UnknownHandlerError`."""
        found = self.handlers.get(name)
        if found is None and name == EDIT and self.kind is not Kind.SERVICE:
            return _edit_handler()
        if found is None:
            known = ", ".join(sorted(self.handlers)) or "none"
            raise UnknownHandlerError(f"{self.name} has no handler {name!r}; it has {known}")
        return found


@functools.cache
def _edit_handler() -> HandlerDefinition:
    """What every keyed class has besides its own: see :mod:`actors.editing`."""
    from actors.editing import edit_fields

    return HandlerDefinition(name=EDIT, mode=Mode.EXCLUSIVE, options=HandlerOptions(atomic=True), function=edit_fields)


_definitions: dict[type, Definition] = {}


def service_name(cls: type[ObjectBase]) -> str:
    """The name that its objects are called by."""
    return cls._namespace + cls.__name__


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
        raise DefinitionError(f"{cls!r} is no Actor, Service or Workflow")
    name = cls.__name__
    if name in RESERVED or len(name.encode()) > _NAME_BYTES:
        raise DefinitionError(
            f"a class cannot be called {name[:80]}: the name is taken by the remote control, or longer than {_NAME_BYTES} bytes"
        )
    handlers = {key: value.declared for key, value in inspect.getmembers_static(cls) if isinstance(value, Handler)}
    if not handlers:
        raise DefinitionError(f"{name} has no handlers; decorate its methods with @handler or @shared")
    _check_workflow(cls, handlers)
    for declared in handlers.values():
        _ = declared.signature
    _resolve_fields(cls)
    return Definition(name=service_name(cls), kind=cls._kind, cls=cls, handlers=handlers, fields=cls._fields)


def _check_workflow(cls: type[ObjectBase], handlers: Mapping[str, HandlerDefinition]) -> None:
    if cls._kind is not Kind.WORKFLOW:
        return
    if "run" not in handlers or handlers["run"].mode is not Mode.EXCLUSIVE:
        raise DefinitionError(f"{cls.__name__} is a workflow and needs a @handler named 'run'")
    others = sorted(n for n, h in handlers.items() if n != "run" and h.mode is Mode.EXCLUSIVE)
    if others:
        raise DefinitionError(f"{cls.__name__}.{others[0]}: beside 'run', the handlers of a workflow are @shared")


def _resolve_fields(cls: type[ObjectBase]) -> None:
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
        if is_collection(hints[name]) and declared.default is not None:
            raise DefinitionError(f"{cls.__name__}.{name}: a Log or a Map starts empty and takes no default")
        declared.resolve(hints[name], cls.__name__)


def log_fields(definition: Definition) -> list[str]:
    """The names of the fields that are logs."""
    return [name for name, declared in definition.fields.items() if declared.kind is FieldKind.LOG]


def definitions_in(module: Any) -> list[type[ObjectBase]]:
    """The actors, services and workflows that a module shows, in the order of their names."""
    found: list[type[ObjectBase]] = []
    for _, value in sorted(vars(module).items()):
        if inspect.isclass(value) and issubclass(value, ObjectBase) and _has_handlers(value) and value not in found:
            found.append(value)
    return found


def _has_handlers(cls: type) -> bool:
    return any(isinstance(member, Handler) for _, member in inspect.getmembers_static(cls))
