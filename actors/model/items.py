"""The items of ``Log`` and ``Map`` fields as one attempt sees them: the stored items, overlaid with the attempt's own
changes.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import sys
import uuid
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload

from actors.errors import FieldMisuseError, UnserializableError
from actors.model.fields import Log, Map
from actors.values import ValueProblem, decode_kept, says_the_same
from actors.values.limits import within_limit
from journal import events as e
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from actors.model.fields import Field
    from actors.model.own_changes import Own
    from actors.values import Codec
    from journal.events import Event

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

IMMUTABLE = (
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
UNREAD: Any = object()
NOTHING: Mapping[str, bytes | None] = MappingProxyType({})

MAX_WATCHED = 4_096
"""How many items of a ``Log`` one attempt watches; more only while the handler holds references to them."""

PAGE = 256
"""How many items iteration over a ``Log`` reads at once."""

_ONE_WATCHED = (object(), b"")
_REFERENCES_OF_ONE_WATCHED = sys.getrefcount(_ONE_WATCHED[0])


class ItemAccess(Protocol):
    """The fields of an attempt, as its collections use them (:class:`actors.model.field_view.FieldView`)."""

    invocation_id: InvocationId
    is_writer: bool
    payload_bytes: int

    @property
    def items(self) -> Items: ...
    def check_turn(self, field: Field) -> None: ...
    def check_writable(self, field: Field) -> None: ...
    def pinned_items(self, field: Field) -> dict[str, bytes | None]: ...
    def plain_log(self, field: Field) -> list[bytes] | None: ...
    def plain_map(self, field: Field) -> dict[str, bytes] | None: ...
    def log_length(self, field: Field) -> int: ...


class LogView(Log[T]):
    """A ``Log`` as one attempt sees it: the stored items, followed by its own.

    A mutable item is the same Python object each time it is read, and is watched: one that was just appended is recorded as it is
    when the handler next waits; a recorded one must not change. Items read in a turn are checked at the end of the turn, all
    others once more at the end of the handler.
    """

    def __init__(self, view: ItemAccess, field: Field) -> None:
        self._view = view
        self._field = field
        self._codec = cast("Codec[T]", field.codec)
        self._appended: list[bytes] = []
        self._taken = 0
        self._unrecorded: dict[int, T] = {}
        self._watched: dict[int, tuple[T, bytes]] = {}
        self._read_lately: dict[int, None] = {}
        self._watch_limit = MAX_WATCHED
        self._base()

    def _base(self) -> None:
        """Start from the items that are stored now."""
        self._plain = self._view.plain_log(self._field)
        self.base_length = self._view.log_length(self._field) if self._plain is None else len(self._plain)

    def append(self, item: T) -> None:
        self.extend((item,))

    def extend(self, items: Iterable[T]) -> None:
        self._view.check_writable(self._field)
        for item in items:
            position = len(self)
            self._appended.append(self._encode(position, item))
            if not isinstance(item, IMMUTABLE):
                self._unrecorded[position] = item

    def __len__(self) -> int:
        self._view.check_turn(self._field)
        return self.base_length + len(self._appended)

    def __deepcopy__(self, memo: object) -> LogView[T]:
        """Return the log itself: a step that receives it gets an error when it reads it."""
        return self

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
            raise IndexError(f"{self._field.name} has {len(self)} items; index {index} is out of range")
        return self._read(position, position + 1)[0]

    def __iter__(self) -> Iterator[T]:
        for start in range(0, len(self), PAGE):
            yield from self._read(start, min(start + PAGE, len(self)))

    def take_change(self) -> Event | None:
        """Return the items appended since the last call, or None."""
        for position, item in self._unrecorded.items():
            data = self._appended[position - self.base_length] = self._encode(position, item)
            self._watched[position] = item, data
        self._unrecorded.clear()
        new = self._appended[self._taken :]
        if not new:
            return None
        self._taken = len(self._appended)
        return e.LogExtended(invocation_id=self._view.invocation_id, field=self._field.name, items=new)

    def check_unchanged(self, *, ended: bool) -> None:
        """Refuse a change of a recorded item. Raises :class:`FieldMisuseError`."""
        for position in list(self._watched if ended else self._read_lately):
            self._check_item(position)
        self._read_lately.clear()

    def start_from(self, own: Own) -> None:
        """Start after the items that are stored now, followed by these items of the handler."""
        self.check_unchanged(ended=True)
        self._watched.clear()
        self._base()
        self._appended = list(own.logs.get(self._field.name, ()))
        self._taken = len(self._appended)

    def _read(self, start: int, stop: int) -> list[T]:
        self._view.check_turn(self._field)
        if len(self._watched) > self._watch_limit:
            self._let_go()
        base = self.base_length
        stored: Sequence[bytes] = ()
        if self._plain is not None:
            stored = self._plain[start : min(stop, base)]
        elif start < base:
            stored = self._view.items.log_items(self._field.name, start, min(stop, base))
        data = [*stored, *self._appended[max(0, start - base) : max(0, stop - base)]]
        return [self._item(start + i, item) for i, item in enumerate(data)]

    def _item(self, position: int, data: bytes) -> T:
        if position in self._unrecorded:
            return self._unrecorded[position]
        watched = self._watched.get(position)
        if watched is not None:
            item = watched[0]
        else:
            item = decode_kept(self._codec, data, f"{self._field.name}[{position}]")
            if isinstance(item, IMMUTABLE):
                return item
            self._watched[position] = item, data
        self._read_lately[position] = None
        return item

    def _let_go(self) -> None:
        """Stop watching the oldest items that no other code refers to, because they can no longer change."""
        for position in list(self._watched)[:-MAX_WATCHED]:
            if sys.getrefcount(self._watched[position][0]) <= _REFERENCES_OF_ONE_WATCHED:
                self._check_item(position)
                del self._watched[position]
                self._read_lately.pop(position, None)
        self._watch_limit = max(MAX_WATCHED, 2 * len(self._watched))

    def _check_item(self, position: int) -> None:
        watched = self._watched.get(position)
        if watched is not None and not says_the_same(self._codec, *watched):
            raise FieldMisuseError(
                f"{self._field.name}[{position}] was changed in place, but items of a Log cannot change. "
                "Append a new item, or use a Map",
            )

    def _encode(self, position: int, item: T) -> bytes:
        return _encoded(self._codec, item, self._field.name, position, self._view.payload_bytes)


class MapView(Map[K, V]):
    """A ``Map`` as one attempt sees it: the stored items, overlaid with the attempt's own changes."""

    def __init__(self, view: ItemAccess, field: Field) -> None:
        self._view = view
        self._field = field
        self._codec = cast("Codec[V]", field.codec)
        self._key_codec = cast("Codec[K]", field.key_codec)
        self._values: dict[str, Any] = {}
        self._unpinned: dict[str, bytes | None] = {}
        self._touched: dict[str, None] = {}
        self._stand_on(NOTHING)

    def _stand_on(self, own: Mapping[str, bytes | None]) -> None:
        """Start from the items that are stored now, overlaid with these changes of the handler."""
        plain = self._view.plain_map(self._field)
        self._is_all_known = plain is not None
        self._known = {**(plain or NOTHING), **self._view.pinned_items(self._field), **own}

    def __getitem__(self, key: K) -> V:
        value = self._lookup(self._encode_key(key))
        if value is UNREAD:
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
        if self._lookup(encoded) is UNREAD:
            raise KeyError(key)
        self._values[encoded] = UNREAD
        self._touched[encoded] = None

    def __contains__(self, key: object) -> bool:
        return self._lookup(self._encode_key(cast("K", key))) is not UNREAD

    def get(self, key: K, default: Any = None) -> Any:
        value = self._lookup(self._encode_key(key))
        return default if value is UNREAD else value

    def __deepcopy__(self, memo: object) -> MapView[K, V]:
        """Return the map itself: a step that receives it gets an error when it reads it."""
        return self

    def __iter__(self) -> Iterator[K]:
        return (key for key, _ in self.items())

    def __len__(self) -> int:
        return sum(1 for _ in self.items())

    def items(self) -> Iterator[tuple[K, V]]:
        self._view.check_turn(self._field)
        stored = () if self._is_all_known else self._view.items.map_items(self._field.name)
        found = {key.decode() for key, _ in stored}
        for encoded in sorted(found | self._values.keys() | self._known.keys(), key=str.encode):
            value = self._lookup(encoded)
            if value is not UNREAD:
                key = decode_kept(self._key_codec, encoded.encode(), f"a key of {self._field.name}")
                yield key, value

    def stored_keys(self) -> list[str]:
        """Return the keys of all items, as JSON."""
        return [self._encode_key(key) for key in self]

    def pop_if_there(self, key: K) -> None:
        """Remove the item if it exists."""
        if key in self:
            del self[key]

    def take_change(self) -> Event | None:
        """Return the items set or removed since the last call, or None."""
        changed: dict[str, bytes | None] = {}
        before: dict[str, bytes | None] = {}
        for encoded in list(self._touched):
            value = self._values[encoded]
            data = None if value is UNREAD else self._encode(encoded, value)
            stored = self._stored(encoded)
            if data != stored:
                before[encoded] = stored
                changed[encoded] = self._known[encoded] = data
            if value is UNREAD or isinstance(value, IMMUTABLE):
                del self._touched[encoded]
        if not changed:
            return None
        return e.MapChanged(
            invocation_id=self._view.invocation_id, field=self._field.name, items=changed, before=before
        )

    def check_unchanged(self, *, ended: bool) -> None:
        """Refuse a change of an item in a handler that may only read. Raises :class:`FieldMisuseError`."""
        if self._view.is_writer:
            return
        for encoded in self._touched:
            data = self._stored(encoded)
            if data is not None and not says_the_same(self._codec, self._values[encoded], data):
                raise may_only_read(f"{self._field.name}[{encoded}]")

    def start_from(self, own: Own) -> None:
        """Start from the items that are stored now, overlaid with these changes of the handler."""
        held = {k: v for k, v in self._values.items() if v is not UNREAD and not isinstance(v, IMMUTABLE)}
        self._stand_on(own.maps.get(self._field.name, NOTHING))
        self._values, self._touched = {}, {}
        for encoded, value in held.items():
            if self._encode(encoded, value) == self._stored(encoded):
                self._values[encoded] = value
                self._touched[encoded] = None

    def take_reads(self) -> Event | None:
        """Return the items read since the last call, or None."""
        if not self._unpinned:
            return None
        read, self._unpinned = self._unpinned, {}
        return e.ItemsPinned(invocation_id=self._view.invocation_id, field=self._field.name, items=read)

    def _lookup(self, encoded: str) -> Any:
        self._view.check_turn(self._field)
        value = self._values.get(encoded)
        if value is None and encoded not in self._values:
            data = self._stored(encoded)
            name = f"{self._field.name}[{encoded}]"
            value = UNREAD if data is None else decode_kept(self._codec, data, name)
            self._values[encoded] = value
            if value is not UNREAD and not isinstance(value, IMMUTABLE):
                self._touched[encoded] = None
        return value

    def _stored(self, encoded: str) -> bytes | None:
        if self._is_all_known:
            return self._known.get(encoded)
        if encoded not in self._known:
            data = self._view.items.map_item(self._field.name, encoded.encode())
            self._known[encoded] = data
            if not self._view.is_writer:
                self._unpinned[encoded] = data
        return self._known[encoded]

    def _encode_key(self, key: K) -> str:
        try:
            data = self._key_codec.encode(key)
        except ValueProblem as error:
            raise UnserializableError(f"a key of {self._field.name}: {error.problem}", path=self._field.name) from error
        return within_limit(data, self._view.payload_bytes, f"a key of {self._field.name}").decode()

    def _encode(self, encoded: str, value: V) -> bytes:
        return _encoded(self._codec, value, self._field.name, encoded, self._view.payload_bytes)


def _encoded(codec: Codec[T], item: T, name: str, where: object, payload_bytes: int) -> bytes:
    """Encode an item as JSON. Raises :class:`UnserializableError` or :class:`LimitExceededError`."""
    try:
        data = codec.encode(item)
    except ValueProblem as error:
        path = f"{name}[{where}]{error.path[1:]}"
        raise UnserializableError(f"field {path}: {error.problem}", path=path) from error
    return data if len(data) <= payload_bytes else within_limit(data, payload_bytes, f"field {name}[{where}]")


def may_only_read(name: str) -> FieldMisuseError:
    """Return the error to raise when a shared handler has changed a value."""
    return FieldMisuseError(
        f"a @shared handler may only read, but this one changes {name!r}; make it a @handler, or send a message to one",
    )


class Items(Protocol):
    """Reads the items of ``Log`` and ``Map`` fields as they were at the start of the attempt's view."""

    def log_lengths(self) -> Mapping[str, int]: ...
    def map_names(self) -> Container[str]: ...
    def log_items(self, field: str, start: int, stop: int) -> Sequence[bytes]: ...
    def map_item(self, field: str, key: bytes) -> bytes | None: ...
    def map_items(self, field: str) -> Iterable[tuple[bytes, bytes]]: ...
