"""A ``Map`` field as one attempt sees it: the stored items, overlaid with the attempt's own changes."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from actors.errors import UnserializableError
from actors.model.fields import UNREAD, Map
from actors.model.items import IMMUTABLE, ItemAccess, encoded_item, may_only_read
from actors.values import ValueProblem, decode_kept, says_the_same
from actors.values.limits import within_limit
from journal import events as e

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from actors.model.fields import Field
    from actors.model.own_changes import Own
    from actors.values import Codec
    from journal.events import Event

K = TypeVar("K")
V = TypeVar("V")

NOTHING: Mapping[str, bytes | None] = MappingProxyType({})


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

    def take_back(self, *, ended: bool) -> BaseException | None:
        """Undo the changes of items that cannot be recorded. Returns the error of the first; None if all can be."""
        first: BaseException | None = None
        for encoded in list(self._touched):
            value = self._values[encoded]
            try:
                if value is not UNREAD:
                    self._encode(encoded, value)
            except BaseException as error:  # as in FieldView.take_back()
                del self._values[encoded], self._touched[encoded]
                first = error if first is None else first
        return first

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
        return encoded_item(self._codec, value, self._field.name, encoded, self._view.payload_bytes)
