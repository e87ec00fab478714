"""Durable state as attributes: plain fields, ``Log`` and ``Map``, and the view of them that one attempt has.

Reading decodes on first use; writing is noticed when the handler next waits or ends, also inside lists and dictionaries:
what was touched is encoded again and compared. An attempt starts from the object as it was and makes its changes again.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import typing
import uuid
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast, overload

import attrs

from actors.core.errors import DefinitionError, FieldMisuseError, UnserializableError
from actors.values import Codec, ValueProblem, codec_for, decode_kept
from journal import events as e

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from journal.events import Event
    from journal.ids import InvocationId

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

_IMMUTABLE = (
    int,
    float,
    bool,
    str,
    bytes,
    type(None),
    enum.Enum,
    uuid.UUID,
    datetime.datetime,
    datetime.date,
    datetime.timedelta,
    decimal.Decimal,
)
_UNREAD: Any = object()
_NO_DEFAULT: Any = object()


class Items(Protocol):
    """Where the items of ``Log`` and ``Map`` fields are read, as they were when the attempt's object was last left alone."""

    def log_lengths(self) -> Mapping[str, int]: ...
    def log_items(self, field: str, start: int, stop: int) -> Sequence[bytes]: ...
    def map_item(self, field: str, key: bytes) -> bytes | None: ...
    def map_items(self, field: str) -> Iterable[tuple[bytes, bytes]]: ...


@overload
def field(*, default: T) -> T: ...
@overload
def field(*, factory: Callable[[], T]) -> T: ...
def field(*, default: Any = _NO_DEFAULT, factory: Callable[[], Any] | None = None) -> Any:
    """A field with a default, or with one that is made anew for each object.

    ::

        class Chat(Actor):
            history: list[str] = actors.field(factory=list)
    """
    if (default is _NO_DEFAULT) == (factory is None):
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
    """One declared field: an attribute of the class that speaks to the view of the attempt."""

    def __init__(self, name: str, default: Callable[[], Any] | None) -> None:
        self.name = name
        self.default = default
        self.kind = FieldKind.PLAIN
        self.codec: Codec[Any]
        self.key_codec: Codec[Any]

    def resolve(self, annotation: Any, owner: str) -> None:
        """Learn the type, once the class's names can be looked up."""
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
            if self.default is None:
                raise DefinitionError(
                    f"{owner}.{self.name} needs a default: an object that was never written to must be readable. "
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


class View:
    """What one attempt sees of its object, and what it has changed since it was last asked (``take_changes``).

    ``pinned`` is what a shared handler has seen before a crash. ``kept`` is, for each part of the history that a restart kept,
    the object as it was then; it is seen until ``go_on_from`` says that the part is over.
    """

    def __init__(
        self,
        invocation_id: InvocationId,
        fields: Mapping[str, bytes],
        items: Items,
        *,
        is_writer: bool,
        pinned: Pins | None = None,
        kept: Iterable[Pins] = (),
    ) -> None:
        self.invocation_id = invocation_id
        self.items = items
        self.is_writer = is_writer
        self._parts = list(kept)
        self._today = Pins(fields, None, {}) if pinned is None else pinned
        self._pinned = pinned is not None
        base = self._parts[0] if self._parts else self._today
        self._fields: Mapping[str, bytes] = base.fields
        self._lengths = base.lengths
        self._values: dict[str, Any] = {}
        self._written: dict[str, bytes] = {}
        self._touched: dict[str, Field] = {}
        self._collections: dict[str, LogView[Any] | MapView[Any, Any]] = {}
        self._pinned_items = base.items

    def read(self, field: Field) -> Any:
        """The value of a field, or its collection."""
        if field.kind is not FieldKind.PLAIN:
            return self._collection(field)
        value = self._values.get(field.name, _UNREAD)
        if value is _UNREAD:
            value = self._values[field.name] = self._decode(field)
            if not isinstance(value, _IMMUTABLE):
                self._touched[field.name] = field
        return value

    def write(self, field: Field, value: Any) -> None:
        """Change a field."""
        self.check_writable(field)
        if field.kind is not FieldKind.PLAIN:
            raise FieldMisuseError(f"{field.name} is a {field.kind.value}: change its items, it cannot be replaced")
        self._values[field.name] = value
        self._touched[field.name] = field

    def check_writable(self, field: Field) -> None:
        """Raise in a shared handler."""
        if not self.is_writer:
            raise _may_only_read(field.name)

    def take_changes(self, *, ended: bool) -> Sequence[Event]:
        """The changes since the last time; for a reader that goes on, what it has seen."""
        if not self.is_writer:
            self._check_unchanged()
            return () if ended else self._pin()
        changes: list[Event] = []
        if self._touched:
            changed = self._changed_fields()
            if changed:
                changes.append(e.FieldsChanged(invocation_id=self.invocation_id, fields=changed))
        for collection in self._collections.values():
            change = collection.take_change()
            if change is not None:
                changes.append(change)
        return changes

    def go_on_from(self, changes: Sequence[Event]) -> None:
        """See the object as it is, or as it was in the next part that is kept, under these changes of the handler's own.

        An object that the handler may still hold (a list, a dictionary) stays the one that is seen if it says the same as what
        is there now. So does a collection.
        """
        del self._parts[0]
        base = self._parts[0] if self._parts else self._today
        own = _Own.of(changes)
        self._lengths, self._pinned_items = base.lengths, base.items
        self._fields = {**base.fields, **own.fields}
        self._forget_values()
        for collection in self._collections.values():
            collection.start_from(own)

    def _forget_values(self) -> None:
        fields, self._touched = self._touched, {}
        values, self._values = self._values, {}
        self._written = {}
        for name, field in fields.items():
            now = self._fields.get(name)
            if now is None and field.default is not None:
                now = self._encode(field, field.default())
            if now is not None and self._encode(field, values[name]) == now:
                self._values[name], self._written[name], self._touched[name] = values[name], now, field

    def _check_unchanged(self) -> None:
        """A list or a dictionary that a reader was given is a copy: a change of it would be lost without a word."""
        for name, field in self._touched.items():
            if self._encode(field, self._values[name]) != self._written[name]:
                raise _may_only_read(name)

    def pinned_items(self, field: Field) -> dict[str, bytes | None]:
        """Items of a map as they were, where they may be others now."""
        return self._pinned_items.get(field.name, {})

    def log_length(self, field: Field) -> int:
        """How many items a log had."""
        lengths = self.items.log_lengths() if self._lengths is None else self._lengths
        return lengths.get(field.name, 0)

    def _collection(self, field: Field) -> LogView[Any] | MapView[Any, Any]:
        collection = self._collections.get(field.name)
        if collection is None:
            made: LogView[Any] | MapView[Any, Any]
            made = LogView(self, field) if field.kind is FieldKind.LOG else MapView(self, field)
            collection = self._collections[field.name] = made
        return collection

    def _decode(self, field: Field) -> Any:
        data = self._fields.get(field.name)
        if data is None:
            assert field.default is not None, "checked when the field was resolved"
            value = field.default()
            self._written[field.name] = self._encode(field, value)
            return value
        self._written[field.name] = data
        return decode_kept(field.codec, data, field.name)

    def _changed_fields(self) -> dict[str, bytes]:
        changed: dict[str, bytes] = {}
        for name, field in list(self._touched.items()):
            value = self._values[name]
            data = self._encode(field, value)
            before = self._written.get(name)
            if before is None:
                before = self._fields.get(name)
            if data != before:
                changed[name] = self._written[name] = data
            if isinstance(value, _IMMUTABLE):
                del self._touched[name]
        return changed

    def _encode(self, field: Field, value: Any) -> bytes:
        try:
            return field.codec.encode(value)
        except ValueProblem as error:
            path = f"{field.name}{error.path[1:]}"
            raise UnserializableError(f"field {path}: {error.problem}", path=path) from error

    def _pin(self) -> Sequence[Event]:
        pins: list[Event] = []
        if not self._pinned:
            self._pinned = True
            lengths = self._lengths = dict(self.items.log_lengths())
            pins.append(e.ReadsPinned(invocation_id=self.invocation_id, fields=dict(self._fields), lengths=lengths))
        for collection in self._collections.values():
            if isinstance(collection, MapView):
                read = collection.take_reads()
                if read is not None:
                    pins.append(read)
        return pins


def _may_only_read(name: str) -> FieldMisuseError:
    return FieldMisuseError(
        f"a @shared handler may only read, and this one changes {name!r}; make it a @handler, or send to one"
    )


@attrs.define
class Pins:
    """An object as it was, from a journal; ``lengths`` None: as long as its logs are now."""

    fields: Mapping[str, bytes]
    lengths: Mapping[str, int] | None
    items: dict[str, dict[str, bytes | None]]


@attrs.define
class _Own:
    """Changes of a handler, put together."""

    fields: dict[str, bytes] = attrs.field(factory=dict)
    logs: dict[str, list[bytes]] = attrs.field(factory=dict)
    maps: dict[str, dict[str, bytes | None]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, changes: Iterable[Event]) -> _Own:
        own = cls()
        for change in changes:
            match change:
                case e.FieldsChanged():
                    own.fields.update(change.fields)
                case e.LogExtended():
                    own.logs.setdefault(change.field, []).extend(change.items)
                case e.MapChanged():
                    own.maps.setdefault(change.field, {}).update(change.items)
                case _:
                    raise AssertionError(f"{type(change).__name__} is no change of a field")
        return own


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


class LogView(Log[T]):
    """A ``Log`` as one attempt sees it: what is stored, then what it has appended."""

    def __init__(self, view: View, field: Field) -> None:
        self._view = view
        self._field = field
        self._codec = cast("Codec[T]", field.codec)
        self._appended: list[bytes] = []
        self._taken = 0
        self.base_length = view.log_length(field)

    def append(self, item: T) -> None:
        self.extend((item,))

    def extend(self, items: Iterable[T]) -> None:
        self._view.check_writable(self._field)
        for item in items:
            try:
                self._appended.append(self._codec.encode(item))
            except ValueProblem as error:
                path = f"{self._field.name}[{len(self)}]{error.path[1:]}"
                raise UnserializableError(f"field {path}: {error.problem}", path=path) from error

    def __len__(self) -> int:
        return self.base_length + len(self._appended)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            chosen = range(len(self))[index]
            if not chosen:
                return []
            low, high = min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1])
            found = self._read(low, high + 1)
            return [found[i - low] for i in chosen]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"{self._field.name} has {len(self)} items, no number {index}")
        return self._read(position, position + 1)[0]

    def __iter__(self) -> Iterator[T]:
        page = 256
        for start in range(0, len(self), page):
            yield from self._read(start, min(start + page, len(self)))

    def take_change(self) -> Event | None:
        """What was appended since the last time."""
        new = self._appended[self._taken :]
        if not new:
            return None
        self._taken = len(self._appended)
        return e.LogExtended(invocation_id=self._view.invocation_id, field=self._field.name, items=new)

    def start_from(self, own: _Own) -> None:
        """Stand behind what is stored now, with these items of the handler's own."""
        self.base_length = self._view.log_length(self._field)
        self._appended = list(own.logs.get(self._field.name, ()))
        self._taken = len(self._appended)

    def _read(self, start: int, stop: int) -> list[T]:
        base = self.base_length
        stored: Sequence[bytes] = ()
        if start < base:
            stored = self._view.items.log_items(self._field.name, start, min(stop, base))
        data = [*stored, *self._appended[max(0, start - base) : max(0, stop - base)]]
        return [decode_kept(self._codec, item, f"{self._field.name}[{start + i}]") for i, item in enumerate(data)]


class MapView(Map[K, V]):
    """A ``Map`` as one attempt sees it: what is stored, under what it has changed."""

    def __init__(self, view: View, field: Field) -> None:
        self._view = view
        self._field = field
        self._codec = cast("Codec[V]", field.codec)
        self._key_codec = cast("Codec[K]", field.key_codec)
        self._values: dict[str, Any] = {}
        self._known: dict[str, bytes | None] = dict(view.pinned_items(field))
        self._unpinned: dict[str, bytes | None] = {}
        self._touched: dict[str, None] = {}

    def __getitem__(self, key: K) -> V:
        value = self._lookup(self._encode_key(key))
        if value is _UNREAD:
            raise KeyError(key)
        return cast("V", value)

    def __setitem__(self, key: K, value: V) -> None:
        self._view.check_writable(self._field)
        encoded = self._encode_key(key)
        self._encode(encoded, value)
        self._values[encoded] = value
        self._touched[encoded] = None

    def __delitem__(self, key: K) -> None:
        self._view.check_writable(self._field)
        encoded = self._encode_key(key)
        if self._lookup(encoded) is _UNREAD:
            raise KeyError(key)
        self._values[encoded] = _UNREAD
        self._touched[encoded] = None

    def __contains__(self, key: object) -> bool:
        return self._lookup(self._encode_key(cast("K", key))) is not _UNREAD

    def get(self, key: K, default: Any = None) -> Any:
        value = self._lookup(self._encode_key(key))
        return default if value is _UNREAD else value

    def __iter__(self) -> Iterator[K]:
        return (key for key, _ in self.items())

    def __len__(self) -> int:
        return sum(1 for _ in self.items())

    def items(self) -> Iterator[tuple[K, V]]:
        stored = {key.decode(): data for key, data in self._view.items.map_items(self._field.name)}
        for encoded in sorted(stored.keys() | self._values.keys() | self._known.keys(), key=str.encode):
            value = self._lookup(encoded)
            if value is not _UNREAD:
                key = decode_kept(self._key_codec, encoded.encode(), f"a key of {self._field.name}")
                yield key, value

    def stored_keys(self) -> list[str]:
        """The keys of all items, as JSON."""
        return [self._encode_key(key) for key in self]

    def pop_if_there(self, key: K) -> None:
        """Remove the item, if there is one."""
        if key in self:
            del self[key]

    def take_change(self) -> Event | None:
        """What was set or removed since the last time."""
        changed: dict[str, bytes | None] = {}
        before: dict[str, bytes | None] = {}
        for encoded in list(self._touched):
            value = self._values[encoded]
            data = None if value is _UNREAD else self._encode(encoded, value)
            stored = self._stored(encoded)
            if data != stored:
                before[encoded] = stored
                changed[encoded] = self._known[encoded] = data
            if value is _UNREAD or isinstance(value, _IMMUTABLE):
                del self._touched[encoded]
        if not changed:
            return None
        return e.MapChanged(
            invocation_id=self._view.invocation_id, field=self._field.name, items=changed, before=before
        )

    def start_from(self, own: _Own) -> None:
        """Stand over what is stored now, with these items of the handler's own."""
        held = {k: v for k, v in self._values.items() if v is not _UNREAD and not isinstance(v, _IMMUTABLE)}
        self._known = dict(self._view.pinned_items(self._field)) | own.maps.get(self._field.name, {})
        self._values, self._touched = {}, {}
        for encoded, value in held.items():
            if self._encode(encoded, value) == self._stored(encoded):
                self._values[encoded] = value
                self._touched[encoded] = None

    def take_reads(self) -> Event | None:
        """What was read since the last time."""
        if not self._unpinned:
            return None
        read, self._unpinned = self._unpinned, {}
        return e.ItemsPinned(invocation_id=self._view.invocation_id, field=self._field.name, items=read)

    def _lookup(self, encoded: str) -> Any:
        value = self._values.get(encoded)
        if value is None and encoded not in self._values:
            data = self._stored(encoded)
            name = f"{self._field.name}[{encoded}]"
            value = _UNREAD if data is None else decode_kept(self._codec, data, name)
            self._values[encoded] = value
            if value is not _UNREAD and not isinstance(value, _IMMUTABLE):
                self._touched[encoded] = None
        return value

    def _stored(self, encoded: str) -> bytes | None:
        if encoded not in self._known:
            data = self._view.items.map_item(self._field.name, encoded.encode())
            self._known[encoded] = data
            if not self._view.is_writer:
                self._unpinned[encoded] = data
        return self._known[encoded]

    def _encode_key(self, key: K) -> str:
        try:
            return self._key_codec.encode(key).decode()
        except ValueProblem as error:
            raise UnserializableError(f"a key of {self._field.name}: {error.problem}", path=self._field.name) from error

    def _encode(self, encoded: str, value: V) -> bytes:
        try:
            return self._codec.encode(value)
        except ValueProblem as error:
            path = f"{self._field.name}[{encoded}]{error.path[1:]}"
            raise UnserializableError(f"field {path}: {error.problem}", path=path) from error


def is_collection(annotation: Any) -> bool:
    """Whether a field of this type is a ``Log`` or a ``Map``, which need no default."""
    return (typing.get_origin(annotation) or annotation) in (Log, Map)
