"""Durable state as attributes: declarations of plain fields, ``Log`` and ``Map``.

Reads and writes of a handler go through :mod:`actors.model.field_view`.
"""

from __future__ import annotations

import contextvars
import enum
import inspect
import typing
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

import attrs

from actors.errors import DefinitionError, DefinitionReason, UnserializableError
from actors.replay.branches import current_branch
from actors.values import Codec, ValueProblem, codec_for, decode_kept
from actors.values.names import naming
from actors.values.texts import shown
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

NO_DEFAULT: Any = object()
"""Marks a missing default."""

UNREAD: Any = object()
"""Marks a value that a handler has not used."""


@overload
def field(*, default: T, aliases: Sequence[str] = ()) -> T: ...
@overload
def field(*, factory: Callable[[], T], aliases: Sequence[str] = ()) -> T: ...
@overload
def field(*, aliases: Sequence[str]) -> Any: ...
def field(*, default: Any = NO_DEFAULT, factory: Callable[[], Any] | None = None, aliases: Sequence[str] = ()) -> Any:
    """Return a field with a default, which each object has for itself, or with a factory that makes one for each
    object. A ``Log`` or a ``Map`` starts empty and takes neither.

    A factory is called once for an object, before the first line of the first handler that is called on it, and its value is
    recorded. It does not run in a handler, so it cannot use durable verbs.

    ``aliases`` are former names. An object keeps the name under which it first stored the field, so the code before the change and the
    code after it read and write the same value; everything else shows the new name. If an object has stored values under several of
    the names, the field has the first of them: its own name, then the aliases in order.

    ::

        class Chat(Actor):
            history: list[str] = actors.field(factory=list)
            topic: str = actors.field(default="", aliases=("subject",))  # was called subject
            lines: Log[str] = actors.field(aliases=("rows",))
    """
    if default is not NO_DEFAULT and factory is not None:
        raise DefinitionError(
            "field() takes one of default= and factory=, not both", reason=DefinitionReason.OPTION, name="field"
        )
    former = naming(None, aliases, "field()").aliases
    if default is NO_DEFAULT and factory is None and not former:
        raise DefinitionError(
            "field() needs default= or factory=, or aliases= for a Log or a Map",
            reason=DefinitionReason.OPTION,
            name="field",
        )
    if factory is not None:
        _check_factory(factory)
    return FieldDefault(default, factory, former)


def _check_factory(factory: Any) -> None:
    """Refuse a factory that needs arguments or returns a coroutine. Raises :class:`DefinitionError`."""
    if not callable(factory):
        raise DefinitionError(
            f"field(): factory is {shown(factory)}, expected a function; give a value as default=",
            reason=DefinitionReason.FUNCTION,
            name=shown(factory),
        )
    if inspect.iscoroutinefunction(factory):
        raise DefinitionError(
            f"field(): factory is {shown(factory)}, which is async; compute such a value in a handler",
            reason=DefinitionReason.FUNCTION,
            name=shown(factory),
        )
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise DefinitionError(
            f"field(): factory is {shown(factory)}, which cannot be called without arguments: {error}",
            reason=DefinitionReason.FUNCTION,
            name=shown(factory),
        ) from error
    except ValueError:
        pass  # a function written in C may not describe its parameters


@attrs.frozen
class FieldDefault:
    """The value of ``field()`` in a class body until the fields are collected: a default, a factory or neither, and the former
    names."""

    default: Any
    factory: Callable[[], Any] | None
    aliases: tuple[str, ...] = ()

    @property
    def has_value(self) -> bool:
        """Whether it gives objects a first value."""
        return self.default is not NO_DEFAULT or self.factory is not None


def redeclared(inherited: Any, own: Any) -> Any:
    """Return what a class declares of a field that a base declares too: the nearest default, and the nearest former names."""
    default = inherited if own is NO_DEFAULT else own
    if not isinstance(inherited, FieldDefault) or not inherited.aliases or default is inherited:
        return default
    if not isinstance(default, FieldDefault):
        return FieldDefault(default, None, inherited.aliases)
    return default if default.aliases else attrs.evolve(default, aliases=inherited.aliases)


_MAKE_THE_SAME = (bool, bytes, dict, float, frozenset, int, list, set, str, tuple)
"""Factories that give every object an equal value, which need not be recorded."""


class FieldAccess(Protocol):
    """The interface through which an object's attributes reach its fields (:class:`actors.model.field_view.FieldView`)."""

    values: dict[str, Any]
    """The values that the attempt has used, by name."""

    def read(self, field: Field) -> Any: ...
    def write(self, field: Field, value: Any) -> None: ...


class FieldKind(enum.Enum):
    """How a field is stored."""

    PLAIN = "plain"
    LOG = "log"
    MAP = "map"


class Field:
    """One field of one class: an attribute that uses the view of the attempt.

    ``default`` is the default as JSON; None for a ``Log``, a ``Map``, and a field whose ``factory`` makes it for each object.
    """

    def __init__(self, name: str, declared: Any) -> None:
        self.name = name
        self.kind = FieldKind.PLAIN
        self.default: bytes | None = None
        self.factory: Callable[[], Any] | None = None
        self.aliases: tuple[str, ...] = declared.aliases if isinstance(declared, FieldDefault) else ()
        self.codec: Codec[Any]
        self.key_codec: Codec[Any]
        self._declared = declared

    def resolve(self, annotation: Any, what: str) -> None:
        """Find the type, once the class's names can be resolved. Raises :class:`DefinitionError` with ``what``."""
        origin = typing.get_origin(annotation) or annotation
        arguments = typing.get_args(annotation)
        if origin is Log:
            self.kind = FieldKind.LOG
            self.codec = codec_for(arguments[0] if arguments else Any, what)
        elif origin is Map:
            self.kind = FieldKind.MAP
            from actors.values.mapkeys import key_codec_for  # imports all shapes; few classes have a Map

            self.key_codec = key_codec_for(arguments[0] if arguments else str, what)
            self.codec = codec_for(arguments[1] if arguments else Any, what)
        else:
            self.codec = codec_for(annotation, what)
            self._resolve_default(what)
            return
        declared = self._declared
        if declared.has_value if isinstance(declared, FieldDefault) else declared is not NO_DEFAULT:
            raise DefinitionError(
                f"{what}: a Log or a Map starts empty and takes no default", reason=DefinitionReason.DEFAULT, name=what
            )

    def _resolve_default(self, what: str) -> None:
        declared = self._declared
        if declared is NO_DEFAULT or (isinstance(declared, FieldDefault) and not declared.has_value):
            raise DefinitionError(
                f"{what} has no default, so an object that was never written to could not be read. "
                "Give it a default, or actors.field(factory=…)",
                reason=DefinitionReason.DEFAULT,
                name=what,
            )
        if isinstance(declared, FieldDefault):
            factory = declared.factory
            if factory is not None and factory not in _MAKE_THE_SAME:
                self.factory = factory
                return
            declared = declared.default if factory is None else factory()
        try:
            self.default = self.codec.encode(declared)
        except ValueProblem as error:
            raise DefinitionError(
                f"{what}{error.path[1:]}: the default does not fit its type: {error.problem}",
                reason=DefinitionReason.DEFAULT,
                name=what,
            ) from error

    @property
    def is_prepared(self) -> bool:
        """Whether an object may need a first value of this field before a handler runs."""
        return self.factory is not None or self.kind is not FieldKind.PLAIN

    def make(self) -> Any:
        """Make the first value for an object: a fresh copy of the default, or the value of the factory."""
        if self.factory is None:
            if self.default is None:
                raise BrokenInvariant("a Log or Map was asked for a first value")
            return self.decode(self.default)
        # In a context of its own: a replay would lack a verb that a factory used.
        return contextvars.Context().run(self.factory)

    def encode(self, value: Any) -> bytes:
        """Encode a value. Raises :class:`UnserializableError`."""
        try:
            return self.codec.encode(value)
        except ValueProblem as error:
            path = f"{self.name}{error.path[1:]}"
            raise UnserializableError(f"field {path}: {error.problem}", path=path) from error

    def items_of_list(self, data: bytes) -> list[bytes]:
        """Return the items of a ``Log`` that was stored as a plain list. Raises :class:`NoLongerFitsError`."""
        items = decode_kept(codec_for(list[self.codec.kind]), data, self.name)  # type: ignore[name-defined]
        return [self.codec.encode(item) for item in items]

    def items_of_dictionary(self, data: bytes) -> dict[str, bytes]:
        """Return the items of a ``Map`` that was stored as a plain dictionary. Raises :class:`NoLongerFitsError`."""
        kind = dict[self.key_codec.kind, self.codec.kind]  # type: ignore[name-defined]
        items = decode_kept(codec_for(kind), data, self.name)
        return {self.key_codec.encode(key).decode(): self.codec.encode(item) for key, item in items.items()}

    def decode(self, data: bytes) -> Any:
        """Decode a stored value. Raises :class:`NoLongerFitsError`."""
        try:
            return self.codec.decode(data)
        except ValueProblem:
            return decode_kept(self.codec, data, self.name)  # raises, with what would help

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        view: FieldAccess | None = instance.__dict__.get("_view")
        if view is None:
            view = view_of(instance)
        branch = current_branch.get()
        if branch is not None and branch.state is view:
            value = view.values.get(self.name, UNREAD)
            if value is not UNREAD:
                return value
        return view.read(self)

    def __set__(self, instance: Any, value: Any) -> None:
        view: FieldAccess | None = instance.__dict__.get("_view")
        (view_of(instance) if view is None else view).write(self, value)


def view_of(instance: Any) -> FieldAccess:
    """Return the view of the attempt that the object belongs to. Raises outside a handler."""
    view: FieldAccess | None = instance.__dict__.get("_view")
    if view is None:
        raise AttributeError(
            f"{type(instance).__name__} has fields only in its own handlers; elsewhere, call a @shared handler"
        )
    return view


class Log(Generic[T]):
    """A field that only grows: appending and reading an item cost the same at any length.

    An item stays as it was when it was recorded: a handler that changes one in place fails with ``FieldMisuseError``. An item
    that was just appended may be changed until the handler next waits.

    ::

        class Chat(Actor):
            lines: Log[str]

            @handler
            async def say(self, text: str) -> int:
                self.lines.append(text)
                return len(self.lines)
    """

    def append(self, item: T) -> None:
        """Add one item at the end."""
        raise NotImplementedError

    def extend(self, items: Iterable[T]) -> None:
        """Add items at the end."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError


class Map(Generic[K, V]):
    """A field of many items: reading and setting one costs the same for any number of items.

    Iteration is in the order of the keys' JSON bytes; ``len`` iterates over all items.

    ::

        class Cart(Actor):
            items: Map[str, int]

            @handler
            async def put(self, article: str, count: int) -> None:
                self.items[article] = self.items.get(article, 0) + count
    """

    def __getitem__(self, key: K) -> V:
        raise NotImplementedError

    def __setitem__(self, key: K, value: V) -> None:
        raise NotImplementedError

    def __delitem__(self, key: K) -> None:
        raise NotImplementedError

    def __contains__(self, key: object) -> bool:
        raise NotImplementedError

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: T) -> V | T: ...
    def get(self, key: K, default: Any = None) -> Any:
        """Return the item with this key, or ``default``."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[K]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def items(self) -> Iterator[tuple[K, V]]:
        """Iterate over pairs of key and value."""
        raise NotImplementedError

    def keys(self) -> Iterator[K]:
        """Iterate over the keys."""
        return iter(self)

    def values(self) -> Iterator[V]:
        """Iterate over the values."""
        return (value for _, value in self.items())
