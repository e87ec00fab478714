"""Durable state as attributes: how fields are declared, plain ones, ``Log`` and ``Map``.

What a handler reads and writes through them is in :mod:`actors.fieldview`.
"""

from __future__ import annotations

import enum
import typing
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import attrs

from actors.core.errors import DefinitionError
from actors.values import Codec, codec_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from actors.fieldview import View

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

NO_DEFAULT: Any = object()
"""Stands for a default where none is given."""


@overload
def field(*, default: T) -> T: ...
@overload
def field(*, factory: Callable[[], T]) -> T: ...
def field(*, default: Any = NO_DEFAULT, factory: Callable[[], Any] | None = None) -> Any:
    """A field with a default, or with one that is made anew for each object.

    ::

        class Chat(Actor):
            history: list[str] = actors.field(factory=list)
    """
    if (default is NO_DEFAULT) == (factory is None):
        raise DefinitionError("field() takes either a default or a factory")
    return FieldDefault(factory if factory is not None else lambda: default)


@attrs.frozen
class FieldDefault:
    """What ``field()`` leaves in the class until its fields are collected."""

    make: Callable[[], Any]


class FieldKind(enum.Enum):
    """How a field is kept."""

    PLAIN = "plain"
    LOG = "log"
    MAP = "map"


class Field:
    """One field of one class: an attribute that speaks to the view of the attempt. ``declared`` is the default as the class
    has it."""

    def __init__(self, name: str, declared: Any) -> None:
        self.name = name
        self.default: Callable[[], Any] | None = None
        if isinstance(declared, FieldDefault):
            self.default = declared.make
        elif declared is not NO_DEFAULT:
            self.default = lambda: declared
        self.kind = FieldKind.PLAIN
        self.codec: Codec[Any]
        self.key_codec: Codec[Any]

    def resolve(self, annotation: Any, what: str) -> None:
        """Learn the type, once the class's names can be looked up. Raises :class:`DefinitionError`, naming ``what``."""
        origin = typing.get_origin(annotation) or annotation
        arguments = typing.get_args(annotation)
        if origin is Log:
            self.kind = FieldKind.LOG
            self.codec = codec_for(arguments[0] if arguments else Any)
        elif origin is Map:
            self.kind = FieldKind.MAP
            self.key_codec = codec_for(arguments[0] if arguments else str)
            self.codec = codec_for(arguments[1] if arguments else Any)
        else:
            self.codec = codec_for(annotation)
        if origin in (Log, Map):
            if self.default is not None:
                raise DefinitionError(f"{what}: a Log or a Map starts empty and takes no default")
        elif self.default is None:
            raise DefinitionError(
                f"{what} needs a default: an object that was never written to must be readable. "
                "Give it one, or actors.field(factory=…)"
            )

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else view_of(instance).read(self)

    def __set__(self, instance: Any, value: Any) -> None:
        view_of(instance).write(self, value)


def view_of(instance: Any) -> View:
    """The view that the attempt gave its object. Raises outside a handler."""
    view: View | None = instance.__dict__.get("_view")
    if view is None:
        raise AttributeError(
            f"{type(instance).__name__} has fields only in its own handlers; from elsewhere, call a @shared handler"
        )
    return view


class Log(Generic[T]):
    """A field that only grows: appending and reading an item cost the same however long it is.

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
    """A field of many items, each read and set at a cost that does not grow with their number.

    Walks over it go by the bytes of the keys' JSON; ``len`` walks over all of it.

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
        """The item, or ``default``."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[K]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def items(self) -> Iterator[tuple[K, V]]:
        """Keys and values."""
        raise NotImplementedError

    def keys(self) -> Iterator[K]:
        """The keys."""
        return iter(self)

    def values(self) -> Iterator[V]:
        """The values."""
        return (value for _, value in self.items())
